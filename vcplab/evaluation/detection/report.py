"""What the report of a comparison of detectors has besides table, notes and plots."""

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
    from vcplab.evaluation.detection.board import DetectionBoard

__all__ = ["detection_sections", "reported_slices"]

# The slices that are shown, where the samples have them.
_REPORTED = ("type", "language", "domain", "task", "length")


def reported_slices(board: DetectionBoard) -> list[str]:
    """The columns whose slices are shown: those with several values.

    Args:
        board: The comparison.
    """
    return [
        column
        for column in _REPORTED
        if column in board.slices and len(slices_of(board.data, column)) > 1
    ]


def detection_sections(board: DetectionBoard) -> list[tuple[str, list[Any]]]:
    """Titles and their HTML.

    Args:
        board: The comparison.
    """
    sections: list[tuple[str, list[Any]]] = [
        *group_sections({column: board.by(column) for column in reported_slices(board)})
    ]
    decided = board.mcnemar()
    if len(decided):
        title = f"Decisions against {board.baseline} (McNemar, exact)"
        sections.append((title, [data_frame_html(decided)]))
    if any(span.type for sample in board.data for span in sample.spans or ()):
        sections += [
            (f"Types found by {name}", [data_frame_html(board.type_confusion(name).reset_index())])
            for name, system in zip(board.names, board.systems, strict=True)
            if system.kind != "baseline"
        ]
    problems = board.data.check()
    return [
        *sections,
        ("Thresholds", [data_frame_html(board.thresholds)]),
        ("All comparisons", [all_comparisons(board)]),
        ("Detectors", systems_cards(board)),
        (
            "Data",
            [
                html_card(board.data.name, board.data.facts()),
                *([data_frame_html(problems)] if len(problems) else []),
            ],
        ),
        ("Surroundings", [surroundings(board)]),
    ]
