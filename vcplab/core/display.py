"""How objects show themselves: views found by name, escaped static HTML, aligned text tables.

``.panel()`` and ``.plot()`` of an object call ``view("panel", "Comparison")``, which imports the
function that draws it; so no room imports the widgets, and nothing is loaded before it is shown.

The HTML is static: no script, no identifier, nothing fetched. All content is escaped; only a
``SafeHtml``, which our own builders return, is taken as it is.
"""

from __future__ import annotations

import html
import importlib
import math
import re
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Final, Literal

from vcplab.core.errors import InvalidInputError, MissingDependencyError, NotFoundError

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
    "register_view",
    "style_block",
    "view",
]

Align = Literal["left", "center", "right"]

# --- Views -------------------------------------------------------------------------------------

# (kind, owner) -> "module:function". Only strings, so that the ground floor imports no room.
_DECLARED: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("plot", "Comparison"): "vcplab.evaluation.plots:forest_plot",
    }
)
_registered: dict[tuple[str, str], str] = {}
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
# Packages that come with an extra of ours; any other is named as it is.
_EXTRAS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "IPython": "lab",
        "ipykernel": "lab",
        "jupyterlab": "lab",
        "plotly": "lab",
        "sentence_transformers": "dense",
        "torch": "dense",
    }
)


def register_view(kind: str, owner: str, target: str) -> None:
    """Say which function draws a kind of view of a type; a later word replaces an earlier one.

    Args:
        kind: ``"panel"``, ``"plot"`` or another word.
        owner: Name of the type that is drawn, e.g. ``"Comparison"``.
        target: ``"package.module:function"``; imported when the view is first asked for.

    Raises:
        InvalidInputError: ``target`` is not of that form.
    """
    if not _TARGET.fullmatch(target):
        raise InvalidInputError(
            f"{target!r} does not name a function.",
            where="target",
            next_step='write "package.module:function"',
        )
    _registered[kind, owner] = target


def view(kind: str, owner: str) -> Callable[..., Any]:
    """Find and import the function that draws a kind of view of a type.

    Args:
        kind: ``"panel"``, ``"plot"`` or another word.
        owner: Name of the type that is to be drawn.

    Returns:
        The function.

    Raises:
        NotFoundError: There is no such view, or its module or function does not exist.
        MissingDependencyError: The view needs a package that is not installed.
    """
    target = _registered.get((kind, owner)) or _DECLARED.get((kind, owner))
    where = f"{kind} of {owner}"
    if target is None:
        known = sorted(" of ".join(key) for key in {**_DECLARED, **_registered})
        near = get_close_matches(where, known, n=1)
        raise NotFoundError(
            f"There is no {kind} for {owner}.",
            where=where,
            next_step=(f"did you mean the {near[0]}? " if near else "")
            + f"The views are: {', '.join(known)}",
        )
    module_name, function_name = target.split(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not error.name or missing == module_name.partition(".")[0]:
            raise NotFoundError(
                f"The {where} is declared at {target}, which does not exist.",
                where=where,
                next_step="install an edition that has it, or register_view(...) another function",
            ) from error
        extra = _EXTRAS.get(missing)
        raise MissingDependencyError(
            f"The {where} needs the package {missing!r}.",
            where=where,
            next_step=f"run `pip install {f'vcplab[{extra}]' if extra else missing}`",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise NotFoundError(
            f"The {where} is declared at {target}, but {module_name} has no such function.",
            where=where,
            next_step="register_view(...) the function's present name",
        )
    found: Callable[..., Any] = function
    return found


def is_notebook() -> bool:
    """Whether a Jupyter kernel runs this code; never imports IPython to find out."""
    ipython = sys.modules.get("IPython")
    get_ipython = getattr(ipython, "get_ipython", None)
    shell = get_ipython() if callable(get_ipython) else None
    return getattr(shell, "kernel", None) is not None


# --- Cells -------------------------------------------------------------------------------------


class SafeHtml(str):
    """HTML that is taken as it is. Only builders that escape their content make one.

    Adding plain text to it escapes that text; every other string method gives plain text again.
    """

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)

    def __add__(self, other: str) -> SafeHtml:
        return SafeHtml(str.__add__(self, escape(other)))

    def __radd__(self, other: str) -> SafeHtml:
        return SafeHtml(str.__add__(escape(other), self))


# Control characters and lone surrogates are not allowed in HTML or cannot be written as UTF-8;
# bidirectional controls can make a cell read as something else.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


def escape(content: object) -> SafeHtml:
    """Make any content safe inside HTML text and quoted attributes.

    Args:
        content: Anything; a ``SafeHtml`` is returned as it is, the rest as text.

    Returns:
        The escaped text; characters that HTML cannot hold are replaced by U+FFFD.
    """
    if isinstance(content, SafeHtml):
        return content
    return SafeHtml(html.escape(_UNSHOWABLE.sub("\ufffd", str(content)), quote=True))


def format_number(x: Any, digits: int = 3) -> str:
    """Write a number for a table.

    Args:
        x: A number; None, NaN and pandas' NA count as missing.
        digits: Digits after the point, for numbers that are not whole by type.

    Returns:
        E.g. ``"0.873"``; ``"–"`` where it is missing; whole numbers without a point.
    """
    if _is_missing(x):
        return "–"
    if isinstance(x, Integral):
        return str(int(x))
    value = float(x)
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.{digits}f}"
    # A tiny negative number would read as "-0.000".
    return text.lstrip("-") if not text.strip("-0.") else text


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, Real) and math.isnan(value)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    return format_number(value) if _is_number(value) or _is_missing(value) else str(value)


def _checked(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], align: Sequence[Align] | None
) -> tuple[list[Sequence[Any]], list[Align]]:
    """Rows of equal length, and an alignment for every column (numbers to the right)."""
    table = list(rows)
    for number, row in enumerate(table):
        if isinstance(row, str) or len(row) != len(columns):
            found = "text" if isinstance(row, str) else f"{len(row)} cells"
            raise InvalidInputError(
                f"Row {number} is {found}, but there are {len(columns)} columns.",
                where="rows",
                next_step="give every row one cell per column (None for an empty one)",
            )
    if align is None:
        return table, [_natural(row[i] for row in table) for i in range(len(columns))]
    sides = list(align)
    if len(sides) != len(columns) or not {"left", "center", "right"}.issuperset(sides):
        raise InvalidInputError(
            f"{align!r} does not align {len(columns)} columns.",
            where="align",
            next_step="give 'left', 'center' or 'right' for every column, or None",
        )
    return table, sides


def _natural(cells: Iterable[object]) -> Align:
    present = [cell for cell in cells if not _is_missing(cell)]
    return "right" if present and all(_is_number(cell) for cell in present) else "left"


# --- HTML --------------------------------------------------------------------------------------

# Ink and paper are always set together, so a page of unknown colour cannot hide the text. Inside
# JupyterLab its theme decides; elsewhere the reader's preference.
_STYLE = """
.vcplab {
  --vcp-ink: var(--jp-content-font-color1, #1f2328);
  --vcp-soft: var(--jp-content-font-color2, #57606a);
  --vcp-paper: var(--jp-layout-color0, #ffffff);
  --vcp-band: var(--jp-layout-color2, #eef1f4);
  --vcp-line: var(--jp-border-color1, #c9d1d9);
  --vcp-mark: #0b5cad;
  color: var(--vcp-ink); background: var(--vcp-paper);
  font: 13px/1.45 var(--jp-content-font-family, system-ui, "Noto Sans CJK SC", "PingFang SC",
    "Microsoft YaHei", sans-serif);
  padding: 4px 0; overflow-x: auto;
}
@media (prefers-color-scheme: dark) {
  .vcplab {
    --vcp-ink: var(--jp-content-font-color1, #e6edf3);
    --vcp-soft: var(--jp-content-font-color2, #a5b1be);
    --vcp-paper: var(--jp-layout-color0, #11151a);
    --vcp-band: var(--jp-layout-color2, #222a33);
    --vcp-line: var(--jp-border-color1, #3d4752);
  }
}
.vcplab table { border-collapse: collapse; margin: 0; color: inherit; font-size: inherit; }
.vcplab caption, .vcplab .vcp-title {
  color: var(--vcp-ink); font-weight: 600; padding: 2px 0 6px; text-align: left;
}
.vcplab th, .vcplab td {
  border: 0; border-bottom: 1px solid var(--vcp-line); color: var(--vcp-ink);
  background: var(--vcp-paper); max-width: 60em; overflow-wrap: anywhere; padding: 3px 10px;
  vertical-align: top; white-space: pre-line;
}
.vcplab thead th { background: var(--vcp-band); font-weight: 600; overflow-wrap: normal; }
.vcplab .vcp-left { text-align: left; }
.vcplab .vcp-center { text-align: center; }
.vcplab .vcp-right { text-align: right; font-variant-numeric: tabular-nums; }
.vcplab td.vcp-highlight { box-shadow: inset 3px 0 var(--vcp-mark); font-weight: 700; }
.vcplab .vcp-card {
  border: 1px solid var(--vcp-line); border-radius: 4px; display: inline-block; padding: 6px 12px;
}
.vcplab .vcp-card th { color: var(--vcp-soft); font-weight: 400; padding-left: 0; }
.vcplab .vcp-card tr:last-child > * { border-bottom: 0; }
@media print {
  .vcplab {
    --vcp-ink: #000000; --vcp-soft: #444444; --vcp-paper: #ffffff; --vcp-band: #eeeeee;
    --vcp-line: #999999; overflow: visible;
  }
  .vcplab thead { display: table-header-group; }
  .vcplab tr, .vcplab .vcp-card, .vcplab figure { break-inside: avoid; }
}
"""
_PAGE = """
:root { color-scheme: light dark; }
html { background: #ffffff; }
body.vcplab { margin: 0 auto; max-width: 72em; padding: 1.5em; }
@media (prefers-color-scheme: dark) { html { background: #11151a; } }
@media print {
  :root { color-scheme: light; } html { background: #ffffff; }
  body.vcplab { max-width: none; padding: 0; }
}
body.vcplab h1 { font-size: 1.6em; } body.vcplab h2 { font-size: 1.25em; margin-top: 1.6em; }
body.vcplab .vcplab { margin: 0.8em 0; }
body.vcplab svg, body.vcplab img { height: auto; max-width: 100%; }
body.vcplab a { color: inherit; }
"""


def style_block() -> SafeHtml:
    """The one style sheet, scoped to the class ``vcplab``, as a ``<style>`` element.

    An object's ``_repr_html_`` returns it once, before its parts: ``style_block() + html_table(…)``
    """
    return SafeHtml(f"<style>{_STYLE}</style>")


def html_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    caption: str | None = None,
    align: Sequence[Align] | None = None,
    classes: Sequence[str] = (),
    highlight: Collection[tuple[int, int]] | None = None,
) -> SafeHtml:
    """Build a table.

    Args:
        columns: The headings.
        rows: Cells per row; numbers are written by ``format_number``, other content is escaped.
        caption: A line above the table.
        align: ``"left"``, ``"center"`` or ``"right"`` per column; None puts columns of numbers to
            the right and all others to the left.
        classes: More CSS classes of the table.
        highlight: The cells to stress, as (row, column) from 0, e.g. the best of each column.

    Returns:
        The table inside ``<div class="vcplab">``, without the style sheet.

    Raises:
        InvalidInputError: A row has another length than ``columns``, or ``align`` does not fit.
    """
    table, sides = _checked(columns, rows, align)
    stressed = frozenset(highlight or ())
    parts = ['<div class="vcplab"><table']
    if classes:
        parts.append(f' class="{escape(" ".join(classes))}"')
    parts.append(">")
    if caption is not None:
        parts.append(f"<caption>{escape(caption)}</caption>")
    parts.append("<thead><tr>")
    parts += (
        f'<th scope="col" class="vcp-{side}">{escape(name)}</th>'
        for name, side in zip(columns, sides, strict=True)
    )
    parts.append("</tr></thead><tbody>")
    for number, row in enumerate(table):
        parts.append("<tr>")
        for place, (cell, side) in enumerate(zip(row, sides, strict=True)):
            mark = " vcp-highlight" if (number, place) in stressed else ""
            parts.append(f'<td class="vcp-{side}{mark}">{escape(_cell(cell))}</td>')
        parts.append("</tr>")
    parts.append("</tbody></table></div>")
    return SafeHtml("".join(parts))


def html_card(title: str, rows: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> SafeHtml:
    """Build a card of facts.

    Args:
        title: The heading.
        rows: Labels and values; numbers are written by ``format_number``, the rest is escaped.

    Returns:
        The card inside ``<div class="vcplab">``, without the style sheet.
    """
    pairs = rows.items() if isinstance(rows, Mapping) else rows
    body = "".join(
        f'<tr><th scope="row" class="vcp-left">{escape(label)}</th>'
        f'<td class="vcp-left">{escape(_cell(value))}</td></tr>'
        for label, value in pairs
    )
    return SafeHtml(
        f'<div class="vcplab"><div class="vcp-card"><div class="vcp-title">{escape(title)}</div>'
        f"<table><tbody>{body}</tbody></table></div></div>"
    )


def html_document(title: str, body: str, *, style: str = "") -> SafeHtml:
    """Build a complete page in one file: light and dark, printable, nothing fetched, no script.

    A content policy in its head makes browsers refuse scripts and every outside address, whatever
    the body holds; images must be ``data:`` or inline SVG.

    Args:
        title: The title, shown in the window only.
        body: The content; escaped unless it is a ``SafeHtml``.
        style: More CSS, after our own.

    Returns:
        The page, an HTML5 document to be saved as UTF-8.

    Raises:
        InvalidInputError: ``style`` contains ``</``, which would end it early.
    """
    if "</" in style:
        raise InvalidInputError(
            "A style sheet cannot contain '</'.", where="style", next_step="pass plain CSS"
        )
    return SafeHtml(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:; font-src data:\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{_PAGE}{style}</style>\n</head>\n"
        f'<body class="vcplab">\n{escape(body)}\n</body>\n</html>\n'
    )


# --- Text --------------------------------------------------------------------------------------


def _printable(text: str) -> str:
    # Text from models and files may hold terminal control sequences: none gets through.
    return _UNSHOWABLE.sub("\ufffd", " ".join(re.split(r"[\t\n\r\u2028\u2029]+", text)))


def display_width(text: str) -> int:
    """How many columns of a terminal a line of text takes.

    Wide and full-width characters take two (Unicode Standard Annex 11), combining and invisible
    ones none, characters of ambiguous width one.

    Args:
        text: One line, without control characters.

    Returns:
        The number of columns.
    """
    return sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if " " <= char <= "~":
        return 1
    if unicodedata.category(char) in {"Mn", "Me", "Cf"} or "\u1160" <= char <= "\u11ff":
        return 0  # U+1160 to U+11FF: vowels and finals that join the Korean syllable before them
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _padded(text: str, width: int, side: Align) -> str:
    space = width - display_width(text)
    before = {"left": 0, "center": space // 2, "right": space}[side]
    return " " * before + text + " " * (space - before)


def plain_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    caption: str | None = None,
    align: Sequence[Align] | None = None,
) -> str:
    """Build a table for a terminal; Chinese, Japanese and Korean text stays aligned.

    Args:
        columns: The headings.
        rows: Cells per row; numbers are written by ``format_number``, the rest as text on one
            line, with control characters replaced.
        caption: A line above the table.
        align: As for ``html_table``.

    Returns:
        Heading, rule and rows, all of equal width, joined by newlines.

    Raises:
        InvalidInputError: A row has another length than ``columns``, or ``align`` does not fit.
    """
    table, sides = _checked(columns, rows, align)
    cells = [[_printable(_cell(cell)) for cell in row] for row in (columns, *table)]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            _padded(text, width, side) for text, width, side in zip(row, widths, sides, strict=True)
        )
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines if caption is None else [_printable(caption), *lines])
