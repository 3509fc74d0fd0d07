"""New plugins: from a template, or from a function of the notebook.

::

    new_plugin("WordCount", "plugins")         # plugins/WordCount/, a working plugin to change
    export_function(roll, "exported")          # exported/roll/, from a function of a cell

Both write a folder in the form of VCPToolBox (facts/vcp-protocol §2), tests included. What a
folder of Python runs on is ``vcplab.sdk.stdio``, copied into it, so that it works where vcplab is
not installed.
"""

from __future__ import annotations

from vcplab.plugins.scaffold.creating import LANGUAGES, PLUGIN_KINDS, new_plugin
from vcplab.plugins.scaffold.exporting import export_function

__all__ = ["LANGUAGES", "PLUGIN_KINDS", "export_function", "new_plugin"]
