"""RAGTruth (Niu et al. 2024): answers of six models with marked words, and their sources.

``response.jsonl``: id, source_id, model, temperature, labels [{start, end, text, label_type,
implicit_true, due_to_null, meta}], split, quality, response. ``source_info.jsonl``: source_id,
task_type (QA, Summary, Data2txt), source, source_info (text, or an object), prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vcplab.core.errors import NotFoundError
from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    place_of,
    read_records,
    spans_of_offsets,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import HallucinationType, Sample

__all__ = ["load_ragtruth"]

_PASSAGE = re.compile(r"(?:^|\n)\s*passage \d+\s*:", re.IGNORECASE)
_PUBLISHED = {
    "samples": 17_790, "sources": 2965, "train samples": 15_090, "test samples": 2700,
}  # fmt: skip


def load_ragtruth(
    path: str | Path,
    *,
    split: str | None = None,
    task: str | None = None,
    implicit: bool = True,
    due_to_null: bool = True,
    strict: bool = False,
) -> GroundingData:
    """Read RAGTruth.

    Conflicts become ``contextual``, baseless information ``confabulation``. Sources that are
    objects become text: passages of their own for QA; a line per value and a text per review for
    Data2txt. The group is the source, which six responses share. ``task``, ``model`` and
    ``quality`` are columns: ``data.filter(quality="good")``.

    Args:
        path: The folder with both files. ``response.jsonl`` alone gives responses without context.
        split: ``train`` or ``test``; all if None.
        task: ``QA``, ``Summary`` or ``Data2txt``; all if None.
        implicit: Whether spans count that are true but not in the source (``implicit_true``): yes
            for faithfulness, no for factuality.
        due_to_null: Whether spans count that misread a missing value (``due_to_null``).
        strict: Whether counts other than the published ones, inexact offsets or unknown sources
            stop the reading.

    Raises:
        NotFoundError: There is no such folder, file, split or task.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    responses = place_of(path, "response.jsonl", "dataset/response.jsonl")[0]
    sources: dict[str, Record] = {}
    beside = responses.with_name("source_info.jsonl")
    if beside.is_file():
        sources = {record.text("source_id"): record for record in read_records(beside)}
    notes = Notes(strict=strict)
    if not sources:
        notes.add(None, "", "there is no source_info.jsonl: responses have no context")
    kept = {"implicit_true": implicit, "due_to_null": due_to_null}
    samples = [
        _sample(record, sources, kept, notes, lone=not sources)
        for record in read_records(responses)
    ]
    counts = {
        "samples": len(samples),
        "sources": len({sample.group for sample in samples}),
        "train samples": sum(sample.split == "train" for sample in samples),
        "test samples": sum(sample.split == "test" for sample in samples),
    }
    data = finish(
        samples,
        notes,
        "ragtruth",
        path,
        licence="MIT",
        citation="Niu et al. 2024, RAGTruth",
        counts=counts,
        published=_PUBLISHED,
    )
    if task is not None:
        known = sorted({str(sample.meta["task"]) for sample in samples})
        if task not in known:
            raise NotFoundError(
                f"RAGTruth has no task {task!r}.",
                where="task",
                next_step=f"Tasks: {', '.join(known)}.",
            )
        data = data.filter(task=task)
    return data if split in (None, "all") else data.split_named(str(split))


def _type(raw: str) -> HallucinationType | None:
    if "conflict" in raw.lower():
        return "contextual"
    return "confabulation" if "baseless" in raw.lower() else None


def _sample(
    record: Record,
    sources: Mapping[str, Record],
    kept: Mapping[str, bool],
    notes: Notes,
    *,
    lone: bool,
) -> Sample:
    id, response, source_id = (record.text(name) for name in ("id", "response", "source_id"))
    labels = record.get("labels")
    if not isinstance(labels, list) or not all(isinstance(one, Mapping) for one in labels):
        raise record.wrong("has no list of objects 'labels'")
    given = []
    for one in labels:
        if any(one.get(flag) and not counts for flag, counts in kept.items()):
            continue
        if not isinstance(one.get("start"), int) or not isinstance(one.get("end"), int):
            raise record.wrong("has a label without whole numbers start and end")
        raw = str(one.get("label_type") or "")
        given.append((one["start"], one["end"], str(one.get("text") or ""), _type(raw), raw))
    spans, lost = spans_of_offsets(response, given, record, id, notes)
    context: tuple[str, ...] = ()
    question, task = "", ""
    source = sources.get(source_id)
    if source is not None:
        task = source.text("task_type", default="")
        context, question = _context(source, task)
    elif not lone:
        notes.add(record, id, f"there is no source {source_id!r}")
    meta: dict[str, Any] = {
        "task": task,
        "model": record.text("model", default=""),
        "quality": record.text("quality", default=""),
        "temperature": record.get("temperature"),
        "implicit_true": sum(bool(one.get("implicit_true")) for one in labels),
        "due_to_null": sum(bool(one.get("due_to_null")) for one in labels),
    }
    if lost:
        meta["unlocated"] = lost
    return Sample(
        id=id,
        response=response,
        context=context,
        question=question,
        label=bool(given),
        spans=spans,
        split=record.text("split", default=""),
        group=source_id,
        language="en",
        meta=meta,
    )


def _context(source: Record, task: str) -> tuple[tuple[str, ...], str]:
    info = source.get("source_info")
    if isinstance(info, str):
        return ((info,) if info.strip() else ()), ""
    if not isinstance(info, Mapping):
        raise source.wrong("has a source_info that is neither text nor object")
    if "passages" in info:
        passages = info["passages"]
        parts = passages if isinstance(passages, list) else _PASSAGE.split(str(passages))
        texts = tuple(text for text in (str(part).strip() for part in parts) if text)
        return texts, str(info.get("question") or "")
    reviews = info.get("review_info")
    listed = reviews if isinstance(reviews, list) else []
    plain = {k: v for k, v in info.items() if k != "review_info" or not listed}
    texts = ("\n".join(_lines(plain)), *("\n".join(_lines(review)) for review in listed))
    return tuple(text for text in texts if text.strip()), ""


def _lines(value: Any, path: str = "") -> Iterator[str]:
    """``hours Monday: 9:0-22:30``, a line per value; what is null is not known, and left out."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _lines(inner, f"{path} {key}".strip())
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(inner, path)
    elif value is not None:
        told = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        yield f"{path}: {told}" if path else told
