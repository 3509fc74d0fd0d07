"""Text for a terminal: aligned tables, also of wide characters, free of control sequences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from vcplab.core.display.cells import Align, cell_text, checked_table, showable

__all__ = ["display_width", "plain_table", "printable"]


def printable(text: str) -> str:
    """Make any text one safe line of a terminal.

    Text from models and files may hold terminal control sequences: none gets through.

    Args:
        text: Any text.

    Returns:
        One line: runs of tabs and line ends become a space, other control characters U+FFFD.
    """
    return showable(" ".join(re.split(r"[\t\n\r\u2028\u2029]+", text)))


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
    table, sides = checked_table(columns, rows, align)
    cells = [[printable(cell_text(cell)) for cell in row] for row in (columns, *table)]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            _padded(text, width, side) for text, width, side in zip(row, widths, sides, strict=True)
        )
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines if caption is None else [printable(caption), *lines])
