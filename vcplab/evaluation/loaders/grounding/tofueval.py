"""TofuEval (Tang et al. 2024): sentences of topic-focused summaries of meetings and interviews.

``factual_consistency/{mediasum,meetingbank}_factual_eval_{dev,test}.csv``: doc_id, annotation_id,
topic, model_name, sent_idx, summ_sent, sent_label (yes = consistent), exp, type. The transcripts
are not in the repository; its README says how to make ``{dataset}_{split}_doc.csv`` (doc_id or
meeting_id, source).
"""

from __future__ import annotations

from pathlib import Path

from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    place_of,
    read_records,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import HallucinationType, Sample

__all__ = ["load_tofueval"]

# By the beginning of the set's own words.
_TYPES: tuple[tuple[str, HallucinationType], ...] = (
    ("extrinsic", "confabulation"),
    ("contradiction", "contextual"),
    ("mis-referencing", "attribution"),
    ("misreferencing", "attribution"),
    ("stating opinion", "attribution"),
    ("reasoning", "logical"),
    ("tense", "temporal"),
)


def load_tofueval(
    path: str | Path,
    *,
    documents: str | Path | None = None,
    split: str | None = None,
    strict: bool = False,
) -> GroundingData:
    """Read TofuEval: one sample per summary sentence.

    Args:
        path: The repository, its ``factual_consistency``, or one file.
        documents: The folder with the transcripts, or one of their files; without it, samples have
            no context.
        split: ``dev`` or ``test``; all if None.
        strict: Whether another count than the published one, or an unknown transcript, stops the
            reading.

    Raises:
        NotFoundError: There is no such folder, file or split.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    files = place_of(path, "*_factual_eval_*.csv", "factual_consistency/*_factual_eval_*.csv")
    texts: dict[str, str] = {}
    if documents is not None:
        for file in place_of(documents, "*_doc.csv"):
            for record in read_records(file):
                texts[record.text("doc_id", "meeting_id")] = record.text("source")
    notes = Notes(strict=strict)
    samples = [
        _sample(record, file.stem, texts, notes, wanted=documents is not None)
        for file in files
        for record in read_records(file)
    ]
    return finish(
        samples,
        notes,
        "tofueval",
        path,
        licence="see its repository",
        citation="Tang et al. 2024, TofuEval",
        counts={"samples": len(samples)},
        published={"samples": 4947} if len(files) > 1 else None,
        remarks=[] if documents else ["Without transcripts (documents=) there is no context."],
        split=split,
    )


def _sample(
    record: Record, stem: str, texts: dict[str, str], notes: Notes, *, wanted: bool
) -> Sample:
    said = record.text("sent_label").strip().lower()
    if said not in ("yes", "no"):
        raise record.wrong(f"has the label {said!r}; it is yes (consistent) or no")
    doc = record.text("doc_id")
    id = f"{stem}-{record.line}"
    if wanted and doc not in texts:
        notes.add(record, id, f"there is no transcript {doc!r}")
    error = record.text("type", default="").strip()
    types = sorted(
        {
            kind
            for one in error.replace(";", ",").split(",")
            for start, kind in _TYPES
            if one.strip().lower().startswith(start)
        }
    )
    return Sample(
        id=id,
        response=record.text("summ_sent"),
        context=(texts[doc],) if doc in texts else (),
        question=record.text("topic", default=""),
        label=said == "no",
        spans=() if said == "yes" else None,
        split="test" if stem.endswith("test") else "dev",
        group=doc,
        language="en",
        meta={
            "domain": stem.split("_")[0],
            "model": record.text("model_name", default=""),
            "error": error,
            **({"types": types} if types and said == "no" else {}),
        },
    )
