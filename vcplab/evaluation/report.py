"""The one-file HTML report of a comparison."""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from vcplab.core.clock import current_clock
from vcplab.core.display import (
    SafeHtml,
    escape,
    format_number,
    html_card,
    html_document,
    html_table,
)
from vcplab.core.errors import StateError
from vcplab.core.files import write_atomic
from vcplab.evaluation import presentation
from vcplab.evaluation._arrays import TIE
from vcplab.evaluation.plots import figure_svg, forest_plot

if TYPE_CHECKING:
    from vcplab.evaluation.comparison import Comparison

__all__ = ["check_target", "render_report", "write_report"]

_HARDEST = 10
_GROUPS = ("class", "language")
# Numbers are read as wholes, however narrow the page.
_STYLE = (
    ".vcplab td.vcp-right { white-space: nowrap; overflow-wrap: normal; }"
    ".vcplab td.vcp-left { min-width: 5em; }"
)


def write_report(board: Comparison, path: str | Path) -> Path:
    """Write the report; readers see the old file or the whole new one.

    Args:
        board: The comparison.
        path: The file.

    Returns:
        The path.

    Raises:
        StateError: The file cannot be written there.
    """
    target = check_target(path)
    page = render_report(board)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, page)
    except OSError as error:
        raise _unwritable(target, error.strerror or str(error)) from error
    return target


def check_target(path: str | Path) -> Path:
    """Whether a report can be written to a path, before anything is computed for it.

    Args:
        path: The file; folders that are missing will be made.

    Returns:
        The path, ``~`` resolved.

    Raises:
        StateError: It cannot.
    """
    target = Path(path).expanduser()
    if target.is_dir():
        raise _unwritable(target, "it is a folder")
    nearest = next((folder for folder in target.absolute().parents if folder.exists()), None)
    if nearest is None or not nearest.is_dir():
        raise _unwritable(target, f"{nearest} is no folder")
    if not os.access(nearest, os.W_OK):
        raise _unwritable(target, f"{nearest} cannot be written to")
    return target


def _unwritable(target: Path, reason: str) -> StateError:
    return StateError(
        f"The report cannot be written: {reason}.",
        where=str(target),
        next_step="Name a file in a folder of yours, such as report.html.",
    )


def render_report(board: Comparison) -> str:
    """The report as an HTML page that refers to nothing outside itself."""
    title = f"{board.data.name}: {len(board.names)} systems compared"
    parts = [SafeHtml(f"<h1>{escape(title)}</h1>")]
    parts += [presentation.table_html(board), presentation.notes_html(board)]
    parts += _section("Means and differences", _plots(board))
    for column in _GROUPS:
        if column in board.data.queries.columns:
            parts += _section(f"By {column}", [_groups(board, column)])
    parts += _section("All comparisons", [_everything(board)])
    parts += _section("Queries that differ most", _hardest(board))
    parts += _section("Systems", _systems(board))
    parts += _section("Data", _data(board))
    parts += _section("To reproduce", _reproduce(board))
    return str(html_document(title, SafeHtml("\n".join(parts)), style=_STYLE))


def _section(title: str, parts: Iterable[SafeHtml]) -> list[SafeHtml]:
    return [SafeHtml(f"<h2>{escape(title)}</h2>"), *parts]


def _plots(board: Comparison) -> Iterator[SafeHtml]:
    for number, metric in enumerate(board.metrics):
        figure = forest_plot(board, metric)
        # Our own drawing: names enter it as outlines, never as markup.
        svg = figure_svg(figure, f"vcplab-{number}")
        label = escape(f"Forest plot of {metric}")
        yield SafeHtml(
            f'<figure role="img" aria-label="{label}" style="margin: 0.8em 0; background: #ffffff">'
            f"{svg}</figure>"
        )


def _groups(board: Comparison, column: str) -> SafeHtml:
    frame = board.by(column)
    return _frame(frame.rename(columns={"n": "queries that count", "queries": "all queries"}))


def _everything(board: Comparison) -> SafeHtml:
    frame = board.to_frame()
    for column in ("p", "p_adjusted"):
        frame[column] = [presentation.p_text(value) for value in frame[column]]
    right = ["right"] * (len(frame.columns) - 2)
    return _frame(frame, ["left", "left", *right])


def _frame(frame: pd.DataFrame, align: Sequence[Any] | None = None) -> SafeHtml:
    rows = [
        [None if _missing(value) else value for value in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    return html_table([str(column) for column in frame.columns], rows, align=align)


def _missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _hardest(board: Comparison) -> Iterator[SafeHtml]:
    if board.baseline is None or len(board.names) < 2:
        yield SafeHtml("<p>There is no baseline to differ from.</p>")
        return
    metric = board.metrics[0]
    frame = board.per_query
    base = frame[frame["system"] == board.baseline].reset_index(drop=True)
    for name in board.names:
        if name == board.baseline:
            continue
        own = frame[frame["system"] == name].reset_index(drop=True)
        own = own.assign(_base=base[metric], _delta=own[metric] - base[metric])
        order = own.dropna(subset=["_delta"]).sort_values("_delta", kind="stable")
        wins = order[order["_delta"] > TIE][::-1].head(_HARDEST)
        losses = order[order["_delta"] < -TIE].head(_HARDEST)
        for title, chosen in (
            (f"{name}: largest wins over {board.baseline} ({metric})", wins),
            (f"{name}: largest losses to {board.baseline} ({metric})", losses),
        ):
            rows = [
                [row["qid"], row["query"], row.get("class", "")]
                + [format_number(row[column]) for column in (metric, "_base", "_delta")]
                for row in chosen.to_dict("records")
            ]
            if rows:
                yield html_table(
                    ["qid", "query", "class", name, board.baseline, "Δ"],
                    rows,
                    caption=title,
                    align=["left", "left", "left", "right", "right", "right"],
                )
            else:
                yield SafeHtml(f"<p>{escape(title)}: none.</p>")


def _systems(board: Comparison) -> Iterator[SafeHtml]:
    for system, info in zip(board.systems, board.infos, strict=True):
        facts: dict[str, Any] = {
            "kind": system.kind,
            "fingerprint": info.fingerprint or "none: run anew each time",
        }
        for key, value in info.parameters.items():
            facts[key] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield html_card(info.name, facts)


def _data(board: Comparison) -> Iterator[SafeHtml]:
    card = dict(board.data.facts())
    for key, value in board.data.card.items():
        if key not in card:
            plain = isinstance(value, str | int | float)
            shown = value if plain else json.dumps(value, ensure_ascii=False, default=str)
            card[f"card: {key}"] = shown
    yield html_card(board.data.name, card)
    if len(board.data.report):
        yield _frame(board.data.report.head(50))


def _reproduce(board: Comparison) -> Iterator[SafeHtml]:
    yield SafeHtml(f"<pre><code>{escape(_snippet(board))}</code></pre>")
    yield html_card(
        "Surroundings",
        {
            **presentation.versions(),
            "platform": platform.platform(terse=True),
            "seed": board.plan.seed,
            "written": current_clock().now().isoformat(timespec="seconds"),
        },
    )


def _snippet(board: Comparison) -> str:
    # By name: the package's front door knows every room, those above this one too.
    exported = importlib.import_module("vcplab").__all__
    names = "|".join(re.escape(name) for name in exported if name[:1].isupper())
    systems = []
    for system in board.systems:
        if system.kind == "recipe":
            systems.append(re.sub(rf"(?<![\w.'\"])({names})\(", r"vl.\1(", repr(system.value)))
        else:
            systems.append(f"...,  # {system.kind}: {' '.join(system.name.split())}")
    listed = "\n".join(
        f"    {text}" if text.startswith("...") else f"    {text}," for text in systems
    )
    data, plan = board.data, board.plan
    split, _, filtered = data.split.partition(", ")
    loaded = (
        f"vl.datasets.load({data.source!r}, split={split!r})"
        if data.source
        else f"...  # {' '.join(data.name.split())}, hash {data.fingerprint}"
    )
    if filtered:
        loaded += f"  # then filtered: {' '.join(filtered.split())}"
    options = {
        "metrics": list(board.metrics),
        "baseline": board.baseline,
        "k": board.k,
        "seed": plan.seed,
        "test": plan.test,
        "correction": plan.correction,
        "confidence": plan.confidence,
        "interval": plan.interval,
        "resamples": plan.resamples,
        "permutations": plan.permutations,
    }
    keywords = "\n".join(f"    {key}={value!r}," for key, value in options.items())
    return (
        f"import vcplab as vl\n\nsystems = [\n{listed}\n]\ndata = {loaded}\n"
        f"board = vl.compare(\n    systems,\n    data,\n{keywords}\n)\n"
    )
