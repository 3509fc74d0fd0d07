"""FaithBench (Bao et al. 2025): summaries on which published detectors disagree.

``data_for_release/batch_*.json``: ``{"samples": [{sample_id, source, summary, annotations: [{label:
[…], summary_span, summary_start, summary_end, note}], metadata: {summarizer, …}}]}``. Licence CC
BY-NC-SA 4.0: never to be shipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcplab.core.errors import InvalidDataError
from vcplab.core.names import checked_choice
from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    group_of,
    place_of,
    read_records,
    spans_of_offsets,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import HallucinationType, Sample

__all__ = ["load_faithbench"]

_LEVELS = {
    "unwanted": ("unwanted",),
    "questionable": ("unwanted", "questionable"),
    "any": ("unwanted", "questionable", "benign"),
}
_PUBLISHED = {"samples": 750, "sources": 75, "spans": 2189}


def load_faithbench(
    path: str | Path, *, level: str = "unwanted", strict: bool = False
) -> GroundingData:
    """Read FaithBench.

    Intrinsic hallucinations become ``contextual``, extrinsic ones ``confabulation``. The group is
    the source, ``summarizer`` a column.

    Args:
        path: The repository, its ``data_for_release``, or one batch.
        level: What counts as hallucinated: ``unwanted`` (58.5 %), ``questionable`` (that and
            unwanted, 68.1 %), or ``any`` marked span, benign ones too (76.7 %).
        strict: Whether counts other than the published ones, or inexact offsets, stop the reading.

    Raises:
        NotFoundError: There is no such folder or file.
        InvalidDataError: A record is not in the published format; the error names it.
        InvalidInputError: There is no such level.
    """
    checked_choice(level, tuple(_LEVELS), "level", f"There is no level {level!r}.")
    files = place_of(path, "batch_*.json", "data_for_release/batch_*.json")
    notes = Notes(strict=strict)
    counts = {"samples": 0, "sources": 0, "spans": 0}
    samples = []
    for file in files:
        for record in _batch(file):
            annotations = record.get("annotations", default=[])
            if not isinstance(annotations, list) or not all(
                isinstance(one, Mapping) for one in annotations
            ):
                raise record.wrong("has annotations that are no list of objects")
            counts["spans"] += len(annotations)
            samples.append(_sample(record, annotations, level, notes))
    counts["samples"] = len(samples)
    counts["sources"] = len({sample.group for sample in samples})
    return finish(
        samples,
        notes,
        "faithbench",
        path,
        licence="CC BY-NC-SA 4.0",
        citation="Bao et al. 2025, FaithBench",
        counts=counts,
        published=_PUBLISHED if len(files) > 1 else None,
        remarks=[
            f"Hallucinated: {level}.",
            "Samples were chosen because detectors disagree: a stress test.",
        ],
    )


def _batch(file: Path) -> list[Record]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return read_records(file)  # which says what is wrong, and where
    samples = content.get("samples") if isinstance(content, Mapping) else content
    if not isinstance(samples, list) or not all(isinstance(one, Mapping) for one in samples):
        raise InvalidDataError(
            "The file has no list of objects 'samples'.",
            where=file.name,
            next_step='A batch is {"samples": […]}.',
        )
    return [Record(one, file.name, number, "sample") for number, one in enumerate(samples, 1)]


def _kind(labels: list[str]) -> HallucinationType | None:
    said = " ".join(labels).lower()
    if "intrinsic" in said:
        return "contextual"
    return "confabulation" if "extrinsic" in said else None


def _sample(
    record: Record, annotations: list[Mapping[str, Any]], level: str, notes: Notes
) -> Sample:
    id = f"{record.file.removesuffix('.json')}-{record.text('sample_id', default=str(record.line))}"
    summary, source = record.text("summary"), record.text("source")
    given = []
    levels: set[str] = set()
    for one in annotations:
        named = one.get("label")
        labels = [str(label) for label in (named if isinstance(named, list) else [named or ""])]
        grades = {label.split(".")[0].lower() for label in labels}
        levels |= grades
        if not grades & set(_LEVELS[level]):
            continue
        start, end = one.get("summary_start"), one.get("summary_end")
        if not isinstance(start, int) or not isinstance(end, int):
            raise record.wrong("has an annotation without summary_start and summary_end")
        text = str(one.get("summary_span") or "")
        given.append((start, end, text, _kind(labels), ", ".join(labels)))
    spans, lost = spans_of_offsets(summary, given, record, id, notes)
    facts = record.get("metadata", default={})
    meta: dict[str, Any] = {
        "summarizer": str(facts.get("summarizer") or "") if isinstance(facts, Mapping) else "",
        "worst": next((grade for grade in _LEVELS["any"] if grade in levels), "consistent"),
        "batch": record.file.removesuffix(".json"),
    }
    if lost:
        meta["unlocated"] = lost
    return Sample(
        id=id,
        response=summary,
        context=(source,),
        label=bool(given),
        spans=spans,
        group=group_of(source),
        language="en",
        meta=meta,
    )
