"""HaluEval (Li et al. 2023): general answers with spans, and pairs for three tasks.

JSON lines; which of the four files one is, its fields say:

- general: user_query, chatgpt_response, hallucination (yes/no), hallucination_spans (texts)
- qa: knowledge, question, right_answer, hallucinated_answer
- dialogue: knowledge, dialogue_history, right_response, hallucinated_response
- summarization: document, right_summary, hallucinated_summary

The pairs give themselves away: in qa length alone has an AUROC of .93 (facts/hallucination §7).
"""

from __future__ import annotations

import re
from pathlib import Path

from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    group_of,
    located,
    place_of,
    read_records,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import GoldSpan, Sample

__all__ = ["load_halueval"]

_PAIRS = {
    "qa": ("knowledge", "question", "right_answer", "hallucinated_answer"),
    "dialogue": ("knowledge", "dialogue_history", "right_response", "hallucinated_response"),
    "summarization": ("document", "", "right_summary", "hallucinated_summary"),
}
_TURN = re.compile(r"\[(?:Human|Assistant)\]:\s*")
_PUBLISHED = {
    "general": {"samples": 4507, "hallucinated": 815, "spans": 941, "unlocated": 119},
    "qa": {"samples": 20_000},
    "dialogue": {"samples": 20_000},
    "summarization": {"samples": 20_000},
}


def load_halueval(
    path: str | Path, *, kind: str | None = None, strict: bool = False
) -> GroundingData:
    """Read one file of HaluEval.

    General answers have no context. Of their 941 spans 119 are no literal part of their response:
    these are kept in ``meta["unlocated"]``, and such samples do not count in span metrics. Pairs
    give two samples, in one group.

    Args:
        path: A file, or a folder with ``general_data.json``, ``qa_data.json`` and so on.
        kind: ``general``, ``qa``, ``dialogue`` or ``summarization``; the first file there is if
            None.
        strict: Whether counts other than the published ones stop the reading.

    Raises:
        NotFoundError: There is no such file.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    kinds = [kind] if kind else ["general", *_PAIRS]
    file = place_of(path, *(f"{one}_data.json" for one in kinds))[0]
    notes = Notes(strict=strict)
    records = read_records(file)
    found = _kind(records[0]) if records else "general"
    samples: list[Sample] = []
    counts = {"samples": 0, "hallucinated": 0, "spans": 0, "unlocated": 0}
    for record in records:
        if found == "general":
            sample, lost = _general(record)
            samples.append(sample)
            counts["unlocated"] += len(lost)
            counts["spans"] += _number_of_spans(record)
        else:
            samples += _pair(record, found)
    counts["samples"] = len(samples)
    counts["hallucinated"] = sum(bool(sample.label) for sample in samples)
    if counts["unlocated"]:
        share = f"{counts['unlocated']} of {counts['spans']} spans are not in their response"
        notes.rows.append((file.name, 0, "", share))
    leak = "Length gives the pairs away; never a headline." if found != "general" else ""
    return finish(
        samples,
        notes,
        f"halueval-{found}",
        path,
        licence="MIT",
        citation="Li et al. 2023, HaluEval",
        counts=counts,
        published=_PUBLISHED[found],
        remarks=[leak] if leak else [],
    )


def _kind(record: Record) -> str:
    if record.has("chatgpt_response"):
        return "general"
    for kind, (_, _, right, wrong) in _PAIRS.items():
        if record.has(right) and record.has(wrong):
            return kind
    raise record.wrong("is none of general, qa, dialogue, summarization")


def _number_of_spans(record: Record) -> int:
    return len(record.get("hallucination_spans", default=[]))


def _general(record: Record) -> tuple[Sample, list[str]]:
    response = record.text("chatgpt_response")
    said = record.text("hallucination", "hallucination_label").strip().lower()
    if said not in ("yes", "no"):
        raise record.wrong(f"has the label {said!r}; it is yes or no")
    texts = record.get("hallucination_spans", default=[])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise record.wrong("has hallucination_spans that are no list of texts")
    spans, lost = located(response, [(text, None, "") for text in texts])
    meta: dict[str, object] = {"task": "general", "number": str(record.get("ID", default=""))}
    if lost:
        meta["unlocated"] = lost
    known: tuple[GoldSpan, ...] | None = spans
    if said == "yes" and not texts:
        known = None
    sample = Sample(
        id=f"general-{record.line}",
        response=response,
        question=record.text("user_query", default=""),
        label=said == "yes",
        spans=known,
        group=group_of(record.text("user_query", default=response)),
        language="en",
        meta=meta,
    )
    return sample, lost


def _pair(record: Record, kind: str) -> list[Sample]:
    source, asked, right, wrong = _PAIRS[kind]
    context = record.text(source)
    question = record.text(asked, default="") if asked else ""
    history: tuple[str, ...] = ()
    if kind == "dialogue":
        turns = [turn.strip() for turn in _TURN.split(question) if turn.strip()]
        history, question = tuple(turns[:-1]), turns[-1] if turns else ""
    faithful = record.text(right)
    return [
        Sample(
            id=f"{kind}-{record.line}-{'hallucinated' if bad else 'right'}",
            response=record.text(wrong) if bad else faithful,
            context=(context,) if context.strip() else (),
            question=question,
            history=history,
            label=bad,
            spans=None if bad else (),
            correction=faithful if bad else None,
            group=group_of(kind, context, question),
            language="en",
            meta={"task": kind, "pair": f"{kind}-{record.line}"},
        )
        for bad in (False, True)
    ]
