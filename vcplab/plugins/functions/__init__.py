"""Functions as tools: what a function tells of itself, and its arguments from texts.

::

    spec = describe_function(roll)
    spec.bind({"Notation": "2d6", "times": "3"})   # {"notation": "2d6", "times": 3}
    spec.manifest()                                # as plugin-manifest.json
"""

from __future__ import annotations

from vcplab.plugins.functions.context import ToolContext
from vcplab.plugins.functions.describe import describe_function
from vcplab.plugins.functions.docstrings import parse_docstring
from vcplab.plugins.functions.spec import FunctionSpec

__all__ = ["FunctionSpec", "ToolContext", "describe_function", "parse_docstring"]
