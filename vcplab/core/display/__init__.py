"""How objects show themselves: views found by name, escaped static HTML, aligned text tables.

``.panel()`` and ``.plot()`` of an object call ``view("panel", "Comparison")``, which imports the
function that draws it; so no room imports the widgets, and nothing is loaded before it is shown.

The HTML is static: no script, no identifier, nothing fetched. All content is escaped; only a
``SafeHtml``, which our own builders return, is taken as it is.
"""

from __future__ import annotations

from vcplab.core.display.cells import Align, format_number
from vcplab.core.display.html import (
    SafeHtml,
    escape,
    html_card,
    html_document,
    html_table,
    style_block,
)
from vcplab.core.display.terminal import display_width, plain_table, printable
from vcplab.core.display.views import is_notebook, register_view, view

__all__ = [
    "Align",
    "SafeHtml",
    "display_width",
    "escape",
    "format_number",
    "html_card",
    "html_document",
    "html_table",
    "is_notebook",
    "plain_table",
    "printable",
    "register_view",
    "style_block",
    "view",
]
