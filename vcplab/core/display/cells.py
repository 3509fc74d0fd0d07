"""Cells: how one value is written, whether the table is HTML or text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, Literal

from vcplab.core.errors import InvalidInputError

__all__ = ["Align", "cell_text", "checked_table", "format_number", "showable"]

Align = Literal["left", "center", "right"]

# Control characters and lone surrogates are not allowed in HTML or cannot be written as UTF-8;
# bidirectional controls can make a cell read as something else.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


def showable(text: str) -> str:
    """Replace what must not reach a page or a terminal.

    Args:
        text: Any text.

    Returns:
        The text; control characters (but not tab and line ends), lone surrogates and
        bidirectional controls are replaced by U+FFFD.
    """
    return _UNSHOWABLE.sub("\ufffd", text)


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


def cell_text(value: object) -> str:
    """Write a cell: numbers and missing values by ``format_number``, all else as its text.

    Args:
        value: Anything.

    Returns:
        The text, neither escaped nor cleaned; a ``str`` (``SafeHtml`` too) is returned as it is.
    """
    if isinstance(value, str):
        return value
    return format_number(value) if _is_number(value) or _is_missing(value) else str(value)


def checked_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], align: Sequence[Align] | None
) -> tuple[list[Sequence[Any]], list[Align]]:
    """Check the parts of a table.

    Args:
        columns: The headings.
        rows: Cells per row.
        align: A side per column; None puts columns of numbers to the right, all others to the left.

    Returns:
        The rows, each as long as ``columns``, and a side for every column.

    Raises:
        InvalidInputError: A row has another length than ``columns``, or ``align`` does not fit.
    """
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


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, Real) and math.isnan(value)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
