"""The one-file HTML report of a comparison."""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    from vcplab.evaluation.board import Board
    from vcplab.evaluation.comparison import Comparison

__all__ = [
    "all_comparisons",
    "check_target",
    "data_frame_html",
    "group_sections",
    "render_report",
    "retrieval_sections",
    "surroundings",
    "systems_cards",
    "write_report",
]

_HARDEST = 10
_GROUPS = ("class", "language")
# Numbers are read as wholes, however narrow the page.
_STYLE = (
    ".vcplab td.vcp-right { white-space: nowrap; overflow-wrap: normal; }"
    ".vcplab td.vcp-left { min-width: 5em; }"
)


def write_report(board: Board, path: str | Path) -> Path:
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


def render_report(board: Board) -> str:
    """The report as an HTML page that refers to nothing outside itself."""
    title = f"{board.data_name}: {len(board.names)} systems compared"
    parts = [SafeHtml(f"<h1>{escape(title)}</h1>")]
    parts += [presentation.table_html(board), presentation.notes_html(board)]
    parts += _section("Means and differences", _plots(board))
    for heading, content in board.report_sections():
        parts += _section(heading, content)
    return str(html_document(title, SafeHtml("\n".join(parts)), style=_STYLE))


def retrieval_sections(board: Comparison) -> list[tuple[str, list[SafeHtml]]]:
    """The sections of a comparison of retrieval systems."""
    return [
        *group_sections(
            {
                column: board.by(column).rename(
                    columns={"n": "queries that count", "queries": "all queries"}
                )
                for column in _GROUPS
                if column in board.data.queries.columns
            }
        ),
        ("All comparisons", [all_comparisons(board)]),
        ("Queries that differ most", list(_hardest(board))),
        ("Systems", systems_cards(board)),
        ("Data", list(_data(board))),
        ("To reproduce", [_code(_snippet(board)), surroundings(board)]),
    ]


def group_sections(groups: Mapping[str, pd.DataFrame]) -> list[tuple[str, list[SafeHtml]]]:
    """Sections with the means per group of items: column → frame."""
    return [(f"By {column}", [data_frame_html(frame)]) for column, frame in groups.items()]


def _section(title: str, parts: Iterable[SafeHtml]) -> list[SafeHtml]:
    return [SafeHtml(f"<h2>{escape(title)}</h2>"), *parts]


def _plots(board: Board) -> Iterator[SafeHtml]:
    for number, metric in enumerate(board.metrics):
        figure = forest_plot(board, metric)
        # Our own drawing: names enter it as outlines, never as markup.
        svg = figure_svg(figure, f"vcplab-{number}")
        label = escape(f"Forest plot of {metric}")
        yield SafeHtml(
            f'<figure role="img" aria-label="{label}" style="margin: 0.8em 0; background: #ffffff">'
            f"{svg}</figure>"
        )


def all_comparisons(board: Board) -> SafeHtml:
    """Every system and metric with its interval and tests."""
    frame = board.to_frame()
    for column in ("p", "p_adjusted"):
        frame[column] = [presentation.p_text(value) for value in frame[column]]
    right = ["right"] * (len(frame.columns) - 2)
    return data_frame_html(frame, ["left", "left", *right])


def data_frame_html(frame: pd.DataFrame, align: Sequence[Any] | None = None) -> SafeHtml:
    """A frame as a table; missing values are empty."""
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


def systems_cards(board: Board) -> list[SafeHtml]:
    """A card per system: kind, fingerprint and parameters."""
    cards = []
    for system, info in zip(board.systems, board.infos, strict=True):
        facts: dict[str, Any] = {
            "kind": system.kind,
            "fingerprint": info.fingerprint or "none: run anew each time",
        }
        for key, value in info.parameters.items():
            facts[key] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        cards.append(html_card(info.name, facts))
    return cards


def _data(board: Comparison) -> Iterator[SafeHtml]:
    card = dict(board.data.facts())
    for key, value in board.data.card.items():
        if key not in card:
            plain = isinstance(value, str | int | float)
            shown = value if plain else json.dumps(value, ensure_ascii=False, default=str)
            card[f"card: {key}"] = shown
    yield html_card(board.data.name, card)
    if len(board.data.report):
        yield data_frame_html(board.data.report.head(50))


def surroundings(board: Board) -> SafeHtml:
    """A card with versions, platform and seed."""
    return html_card(
        "Surroundings",
        {
            **presentation.versions(),
            "platform": platform.platform(terse=True),
            "seed": board.plan.seed,
            "written": current_clock().now().isoformat(timespec="seconds"),
        },
    )


def _code(text: str) -> SafeHtml:
    return SafeHtml(f"<pre><code>{escape(text)}</code></pre>")


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
