"""How a comparison is told: table cells, notes, text and HTML."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vcplab.core.display import (
    SafeHtml,
    display_width,
    escape,
    format_number,
    html_table,
    plain_table,
    printable,
    style_block,
)

if TYPE_CHECKING:
    from vcplab.evaluation.board import Board

__all__ = ["cells", "html", "marks", "notes", "p_text", "table_html", "text", "versions"]

_PACKAGES = (
    "vcplab",
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "ir_measures",
    "scikit-learn",
    "tokenizers",
)
_MARKS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def marks(p: float) -> str:
    """Stars of an adjusted p-value: * below .05, ** below .01, *** below .001."""
    return next((stars for limit, stars in _MARKS if p < limit), "")


def _signed(value: float) -> str:
    shown = format_number(value)
    return f"+{shown}" if value > 0 and shown.strip("0.") else shown


def p_text(value: float) -> str:
    """A p-value for a table."""
    if value != value:
        return "–"
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def cells(
    board: Board, metrics: Sequence[str]
) -> tuple[list[str], list[list[Any]], set[tuple[int, int]]]:
    """Headings, rows and the cells with the best mean of each metric.

    Args:
        board: The comparison.
        metrics: Those to show.
    """
    long = board.to_frame()
    tested = bool(long["p"].notna().any())
    headings = ["system"]
    rows: list[list[Any]] = [[name] for name in board.names]
    best: set[tuple[int, int]] = set()
    for metric in metrics:
        part = long[long["metric"] == metric].reset_index(drop=True)
        leader = part["mean"].max() if board.is_better(metric) > 0 else part["mean"].min()
        shown = part.to_dict("records")
        if board.is_better(metric):
            best |= {(i, len(headings)) for i, row in enumerate(shown) if row["mean"] == leader}
        headings.append(f"{metric} [{board.plan.confidence:.0%}]")
        if tested:
            headings += ["Δ", "p"]
        for cell, row in zip(rows, shown, strict=True):
            cell.append(
                f"{format_number(row['mean'])} "
                f"[{format_number(row['low'])}, {format_number(row['high'])}]"
            )
            if tested and row["system"] == board.baseline:
                cell += ["baseline", ""]
            elif tested:
                stars = marks(row["p_adjusted"])
                cell += [f"{_signed(row['delta'])} {stars:<3}", p_text(row["p_adjusted"])]
    headings.append(board.pace_heading)
    for name, cell in zip(board.names, rows, strict=True):
        cell.append(format_number(board.pace(name), 2))
    return headings, rows, best


def notes(board: Board) -> list[str]:
    """What has to be known to read the table, one line each."""
    plan = board.plan
    lines = [*board.about_data(), board.about_intervals()]
    if board.baseline is not None and len(board.names) > 1:
        adjusted = (
            "not adjusted"
            if plan.correction == "none"
            else f"adjusted per metric ({plan.correction}) for {len(board.names) - 1} comparison(s)"
        )
        lines.append(f"{board.about_tests()}, {adjusted}; * p < .05, ** p < .01, *** p < .001.")
    lines.append(board.about_pace())
    lines.append(", ".join(f"{name} {version}" for name, version in versions().items()) + ".")
    if board.problems():
        lines.append(board.problems())
    return lines + [f"Notice: {notice}" for notice in board.notices]


def text(board: Board, width: int | None = None) -> str:
    """Aligned tables, as many metrics beside each other as fit, and the notes."""
    if width is None:
        width = shutil.get_terminal_size((120, 24)).columns
    tables: list[str] = []
    group: list[str] = []
    drawn = ""
    for metric in board.metrics:
        candidate = _draw(board, [*group, metric])
        if group and display_width(candidate.partition("\n")[0]) > width:
            tables.append(drawn)
            group, candidate = [], _draw(board, [metric])
        group.append(metric)
        drawn = candidate
    tables.append(drawn)
    lines = [f"  {printable(line)}" for line in notes(board)]
    return "\n\n".join([*tables, "\n".join(lines)])


def _draw(board: Board, metrics: Sequence[str]) -> str:
    headings, rows, _ = cells(board, metrics)
    return plain_table(headings, rows, align=["left", *["right"] * (len(headings) - 1)])  # type: ignore[list-item]


def table_html(board: Board) -> SafeHtml:
    """The table as HTML, best means stressed."""
    headings, rows, best = cells(board, board.metrics)
    return html_table(
        headings,
        rows,
        caption=f"{len(board.names)} systems on {board.data_name}",
        align=["left", *["right"] * (len(headings) - 1)],  # type: ignore[list-item]
        highlight=best,
    )


def notes_html(board: Board) -> SafeHtml:
    """The notes as small print."""
    lines = "".join(f"<div>{escape(line)}</div>" for line in notes(board))
    return SafeHtml(f'<div class="vcplab" style="font-size: 0.85em; max-width: 80em">{lines}</div>')


def html(board: Board) -> str:
    """Table and notes with their style sheet."""
    return str(style_block() + table_html(board) + notes_html(board))
