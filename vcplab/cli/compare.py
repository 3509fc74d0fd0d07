"""``vcplab compare``: systems side by side on any data set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vcplab.cli import boards
from vcplab.core.errors import InvalidInputError

if TYPE_CHECKING:
    from vcplab.evaluation.data import RetrievalData
    from vcplab.evaluation.tuning import Tuning

__all__ = ["SUMMARY", "add_arguments", "run"]

SUMMARY = "Compare retrieval systems on a data set (bundled, BEIR, TREC or diaries)."

_TRAIN = "train"
_WEIGHT = "convex__weight"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--data",
        required=True,
        metavar="NAME_OR_PATH",
        help="a bundled set, or a folder in BEIR, TREC or diary layout",
    )
    parser.add_argument(
        "--systems",
        default=",".join(boards.SYSTEMS),
        metavar="LIST",
        help=f"comma-separated: {', '.join(boards.SYSTEMS)} (default: all)",
    )
    parser.add_argument(
        "--embedder",
        default=None,
        metavar="NAME",
        help="of the dense systems: minilm (default), lsa, or a local sentence-transformers model",
    )
    parser.add_argument(
        "--metrics",
        default=boards.DEFAULT_METRICS,
        metavar="LIST",
        help=f"as ir_measures names them (default: {boards.DEFAULT_METRICS})",
    )
    parser.add_argument(
        "--split", default=None, help="part of the data (default: test where there is one)"
    )
    parser.add_argument(
        "--baseline",
        default=None,
        metavar="SYSTEM",
        help="name or number (from 0) of the system that the others are tested against "
        "(default: the first)",
    )
    parser.add_argument(
        "--report", type=Path, default=None, metavar="PATH", help="write an HTML report there"
    )
    parser.add_argument(
        "--limit", type=_positive, default=None, metavar="N", help="only the first N queries"
    )
    parser.add_argument(
        "--tune",
        action="store_true",
        help="add a fusion whose BM25 weight is chosen on the train split (by the first metric)",
    )
    parser.add_argument(
        "--jobs", type=_positive, default=None, metavar="N", help="number of processes"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Compare and print.

    Raises:
        NotFoundError: There is no such data set, split, system or baseline.
        InvalidInputError: A metric or an option is wrong, or there is nothing to tune on.
        StateError: The report cannot be written.
    """
    from vcplab.evaluation.comparison import compare
    from vcplab.evaluation.datasets import load
    from vcplab.evaluation.report import check_target

    if arguments.report is not None:
        check_target(arguments.report)
    systems = boards.make_systems(boards.split_list(arguments.systems), arguments.embedder)
    data = load(arguments.data, split=arguments.split)
    metrics = boards.split_list(arguments.metrics)
    if arguments.tune:
        tuned = _tuned(data, metrics[:1], arguments)
        systems[f"tuned {tuned.params[_WEIGHT]:g}"] = tuned.best
    if arguments.limit is not None:
        data = _first(data, arguments.limit)
    baseline = _baseline(arguments.baseline, list(systems))
    board = compare(systems, data, metrics=metrics, baseline=baseline, jobs=arguments.jobs)
    report = board.report(arguments.report) if arguments.report is not None else None
    if arguments.json:
        print(boards.to_json(board, report))
    else:
        boards.show(board, report)
        if arguments.tune:
            chosen = f"{tuned.params[_WEIGHT]:g} (mean {tuned.metric} {tuned.score:.3f} there)"
            print(f"tuned: BM25 weight chosen on the {_TRAIN} split: {chosen}")
        print(boards.work_line())
    return 0


def _tuned(data: RetrievalData, metric: list[str], arguments: argparse.Namespace) -> Tuning:
    from vcplab.evaluation.tuning import tune
    from vcplab.memory.stages.fusion import Convex

    judged = data.holds(_TRAIN)
    if judged or _TRAIN not in data.splits:
        known = ", ".join(data.splits) or "none"
        raise InvalidInputError(
            "a weight cannot be chosen on the queries that it is then judged by"
            if judged
            else f"{data.name} has no split {_TRAIN!r} to choose a weight on (its splits: {known})",
            where="--tune",
            next_step="leave --tune out, or name a split without the train queries with --split",
        )
    lanes = boards.make_systems(["BM25", "Dense"], arguments.embedder)
    system = lanes["BM25"] + lanes["Dense"] >> Convex()
    grid = {_WEIGHT: [round(step * 0.05, 2) for step in range(21)]}
    options = {"jobs": arguments.jobs}
    return tune(system, grid, data.split_named(_TRAIN), *metric, **options)


def _first(data: RetrievalData, count: int) -> RetrievalData:
    first = data.head(count)
    if not (first.qrels["label"] > 0).any():
        raise InvalidInputError(
            f"none of the first {count} queries has a relevant document",
            where="--limit",
            next_step="take more queries",
        )
    return first


def _baseline(given: str | None, names: list[str]) -> str | int:
    """A name in any case, or a number, as :func:`~vcplab.evaluation.comparison.compare` has it."""
    if given is None:
        return 0
    known = {name.lower(): name for name in names}
    if given.lower() in known:
        return known[given.lower()]
    return int(given) if given.isdecimal() else given


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
