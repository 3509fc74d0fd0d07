"""HTML that can be shown anywhere: escaped content, no script, nothing fetched."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from vcplab.core.display.cells import Align, cell_text, checked_table, showable
from vcplab.core.display.style import PAGE_STYLE, STYLE
from vcplab.core.errors import InvalidInputError

__all__ = ["SafeHtml", "escape", "html_card", "html_document", "html_table", "style_block"]


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


def escape(content: object) -> SafeHtml:
    """Make any content safe inside HTML text and quoted attributes.

    Args:
        content: Anything; a ``SafeHtml`` is returned as it is, the rest as text.

    Returns:
        The escaped text; characters that HTML cannot hold are replaced by U+FFFD.
    """
    if isinstance(content, SafeHtml):
        return content
    return SafeHtml(html.escape(showable(str(content)), quote=True))


def style_block() -> SafeHtml:
    """The one style sheet, scoped to the class ``vcplab``, as a ``<style>`` element.

    An object's ``_repr_html_`` returns it once, before its parts: ``style_block() + html_table(…)``
    """
    return SafeHtml(f"<style>{STYLE}</style>")


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
    table, sides = checked_table(columns, rows, align)
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
            parts.append(f'<td class="vcp-{side}{mark}">{escape(cell_text(cell))}</td>')
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
        f'<td class="vcp-left">{escape(cell_text(value))}</td></tr>'
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
        f"<title>{escape(title)}</title>\n<style>{STYLE}{PAGE_STYLE}{style}</style>\n</head>\n"
        f'<body class="vcplab">\n{escape(body)}\n</body>\n</html>\n'
    )
