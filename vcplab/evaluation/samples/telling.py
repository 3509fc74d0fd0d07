"""How a data set of responses is told: as a table, and as facts about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from vcplab.evaluation.samples.data import GroundingData

__all__ = ["facts_of", "frame_of"]

_FIELDS = ("id", "split", "group", "language", "label")


def frame_of(data: GroundingData) -> pd.DataFrame:
    """One row per sample: fields, gold, sizes, and plain entries of its meta.

    Args:
        data: The samples.
    """
    rows = []
    for sample in data.samples:
        row: dict[str, Any] = {name: getattr(sample, name) for name in _FIELDS}
        row["type"] = data.value(sample, "type")
        row["spans"] = None if sample.spans is None else len(sample.spans)
        row["question"], row["response"] = sample.question, sample.response
        row["correction"] = sample.correction
        row["contexts"] = len(sample.context)
        row["context_chars"] = sum(map(len, sample.context))
        for column in data.columns:
            if column not in row:
                row[column] = sample.meta.get(column)
        rows.append(row)
    return pd.DataFrame(rows)


def facts_of(data: GroundingData) -> dict[str, Any]:
    """What a result says about its data, in order.

    Args:
        data: The samples.
    """
    labelled = sum(sample.label is not None for sample in data.samples)
    spans = [sample.spans for sample in data.samples if sample.spans is not None]
    return {
        "name": data.name,
        "version": data.version or "not stated",
        "split": data.split,
        "samples": len(data.samples),
        "groups": len(set(data.groups)),
        "labelled": labelled,
        "hallucinated": f"{data.prevalence:.1%} of those labelled" if labelled else "no labels",
        "with spans": f"{len(spans)} ({sum(map(len, spans))} spans)",
        "languages": ", ".join(data.languages) or "not stated",
        "licence": data.licence or "not stated",
        "hash": data.fingerprint,
        "problems": len(data.notes) + len(data.check()),
    }
