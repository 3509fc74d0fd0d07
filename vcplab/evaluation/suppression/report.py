"""The parts of a report that only suppression has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcplab.core.display import html_card
from vcplab.evaluation.detection.slices import slices_of
from vcplab.evaluation.report import (
    all_comparisons,
    data_frame_html,
    group_sections,
    surroundings,
    systems_cards,
)

if TYPE_CHECKING:
    from vcplab.evaluation.suppression.board import SuppressionBoard

__all__ = ["suppression_sections"]

_REPORTED = ("type", "language", "domain")


def suppression_sections(board: SuppressionBoard) -> list[tuple[str, list[Any]]]:
    """Titles and their HTML.

    Args:
        board: The comparison.
    """
    slices = {
        column: board.by(column)
        for column in _REPORTED
        if column in board.slices and len(slices_of(board.data, column)) > 1
    }
    return [
        ("Policies", [data_frame_html(board.policies())]),
        ("Rules", [data_frame_html(board.policies("rule"))]),
        *group_sections(slices),
        ("All comparisons", [all_comparisons(board)]),
        ("Suppressors", systems_cards(board)),
        ("Data", [html_card(board.data.name, board.data.facts())]),
        ("Surroundings", [surroundings(board)]),
    ]
