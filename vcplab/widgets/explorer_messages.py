"""What the explorer tells the browser: table, rankings and explanations as plain JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vcplab.core.display.cells import showable
from vcplab.memory.explaining.waterfall import Step, steps
from vcplab.memory.explanation import StageAccount, Why
from vcplab.text.highlight import highlight
from vcplab.widgets.explorer_engine import Answer, Exploration, Row
from vcplab.widgets.explorer_parameters import Control

__all__ = [
    "control_message",
    "cut",
    "document_message",
    "hits_message",
    "plain",
    "query_messages",
    "row_message",
    "score_messages",
    "why_message",
]

_QUERIES = 2000
_TEXT = 300
_WINDOW = 180
_DOCUMENT = 6000
_TERMS = 12


def control_message(control: Control) -> dict[str, Any]:
    """One slider, switch or choice; what is chosen is a number, so no value is read back."""
    values = [value for _, value in control.choices]
    chosen = control.kind == "choice"
    given = values.index(control.given) if chosen and control.given in values else None
    return {
        "name": control.name,
        "group": control.group.replace("__", " · "),
        "label": control.label,
        "kind": control.kind,
        "value": values.index(control.value) if chosen else plain(control.value),
        "given": given if chosen else plain(control.given),
        "minimum": control.minimum,
        "maximum": control.maximum,
        "step": control.step,
        "choices": [cut(label, 40) for label, _ in control.choices],
        "about": cut(control.about, 400),
    }


def query_messages(exploration: Exploration) -> list[dict[str, Any]]:
    """The queries of the data, the first 2,000 of them."""
    if exploration.data is None:
        return []
    queries = exploration.queries.head(_QUERIES)
    classes = queries["class"] if "class" in queries.columns else [""] * len(queries)
    rows = zip(queries["qid"], queries["query"], classes, strict=True)
    return [
        {
            "qid": cut(qid, _TEXT),
            "text": cut(text, _TEXT),
            "class": cut(kind, 60),
            "relevant": sum(label > 0 for label in exploration.labels.get(qid, {}).values()),
        }
        for qid, text, kind in rows
    ]


def row_message(row: Row, code: str, role: str) -> dict[str, Any]:
    """One system of the table."""
    return {
        "name": cut(row.name, 120),
        "role": role,
        "code": cut(code, 2000),
        "cells": {metric: [plain(v) for v in three] for metric, three in row.cells.items()},
        "deltas": {metric: [plain(v) for v in three] for metric, three in row.deltas.items()},
        "ms": plain(row.milliseconds),
    }


def score_messages(answer: Answer, metric: str) -> list[float | None]:
    """Scores of one metric per query, in order; None for queries that do not count."""
    return [plain(value) for value in answer.scores[metric].tolist()[:_QUERIES]]


def hits_message(
    exploration: Exploration,
    output: Mapping[str, Any],
    other: Mapping[str, Any],
    qid: str | None,
    text: str,
    cutoff: int,
) -> dict[str, Any]:
    """One ranked list: the first documents, and judged ones that are not among them."""
    docnos: Sequence[str] = output.get("docnos", ())
    labels = exploration.labels.get(qid, {}) if qid is not None else {}
    elsewhere = {docno: rank for rank, docno in enumerate(other.get("docnos", ()))}
    hits = []
    for rank, (docno, score) in enumerate(
        zip(docnos[:cutoff], output.get("scores", ()), strict=False)
    ):
        document = exploration.corpus.get(docno)
        hits.append(
            {
                "docno": cut(docno, _TEXT),
                "rank": rank,
                "score": plain(score),
                "label": labels.get(docno),
                "other": elsewhere.get(docno),
                "date": document.time.strftime("%Y-%m-%d") if document and document.time else "",
                "tags": [cut(tag, 60) for tag in document.tags[:8]] if document else [],
                "text": fragments(document.text if document else "", text, _WINDOW),
            }
        )
    places = {docno: rank for rank, docno in enumerate(docnos)}
    missed = [
        {"docno": cut(docno, _TEXT), "label": label, "rank": places.get(docno)}
        for docno, label in sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))
        if label > 0 and places.get(docno, cutoff) >= cutoff
    ]
    return {"hits": hits, "missed": missed, "total": len(docnos)}


def document_message(exploration: Exploration, docno: str, text: str) -> dict[str, Any]:
    """One document in full, the query's words marked."""
    document = exploration.corpus[docno]
    return {
        "docno": cut(docno, _TEXT),
        "date": document.time.strftime("%Y-%m-%d %H:%M") if document.time else "",
        "tags": [cut(tag, 60) for tag in document.tags[:40]],
        "text": fragments(document.text[:_DOCUMENT], text, None),
        "cut": len(document.text) > _DOCUMENT,
    }


def fragments(text: str, query: str, window: int | None) -> list[list[Any]]:
    """Stretches of a text, each with whether the query matches it; "…" where it was cut."""
    parts = highlight(text, query, window=window) if text else []
    told: list[list[Any]] = [[showable(part.text), int(part.hit)] for part in parts]
    if parts and parts[0].start > 0:
        told.insert(0, ["…", 0])
    if parts and parts[-1].end < len(text):
        told.append(["…", 0])
    return told


def why_message(why: Why) -> dict[str, Any]:
    """An explanation as the bars of a waterfall, with terms and paths."""
    bars = zip(why.accounts, steps(why.accounts), strict=True)
    return {"rank": why.rank, "steps": [_step(account, step) for account, step in bars]}


def _step(account: StageAccount, step: Step) -> dict[str, Any]:
    """One bar: where it begins and ends, and what the stage says."""
    return {
        "kind": step.kind,
        "stage": cut(step.stage, 160),
        "part": cut(step.part, 160),
        "start": plain(step.start),
        "end": plain(step.end),
        "score": plain(account.score),
        "rank": step.rank,
        "before": step.rank_before,
        "reason": cut(step.reason, 600),
        "terms": [[cut(term, 60), plain(value)] for term, value in account.terms[:_TERMS]],
        "path": [[cut(tag, 60), plain(value)] for tag, value in account.path[:_TERMS]],
    }


def plain(value: Any) -> Any:
    """A number as strict JSON has it; None for what is not finite."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    return cut(value, _TEXT)


def cut(value: object, limit: int) -> str:
    """Text that can be sent and shown, not endless."""
    text = "" if value is None else str(value)
    return showable(text if len(text) <= limit else text[: limit - 1] + "…")
