"""``vcplab demo``: which memory engine is better on real text, by how much, how sure."""

from __future__ import annotations

import argparse
from pathlib import Path

from vcplab.cli import boards

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "Compare the memory engines on the bundled diaries."

_REPORT = "vcplab-demo-report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--report",
        type=Path,
        default=Path(_REPORT),
        metavar="PATH",
        help=f"where the HTML report is written (default: ./{_REPORT})",
    )
    parser.add_argument(
        "--data", default="diaries", metavar="NAME", help="the data set (default: diaries)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compare all systems on the test queries, print the tables, write the report."""
    from vcplab.evaluation.comparison import compare

    board = compare(
        boards.make_systems(boards.SYSTEMS),
        arguments.data,
        metrics=boards.split_list(boards.DEFAULT_METRICS),
        baseline="BM25",
    )
    report = board.report(arguments.report)
    if arguments.json:
        print(boards.to_json(board, report))
    else:
        boards.show(board, report)
        print("next:   vcplab lab opens the tutorial on this comparison")
        print(boards.work_line())
    return 0
