"""WiCE (Kamoi et al. 2023): sentences of Wikipedia against the pages that they cite.

Claims (``claim_dev.jsonl``, or ``claim/dev.jsonl`` as published): label ``supported``,
``partially_supported`` or ``not_supported``; hallucinated is what is not fully supported. Spans
(``nst_dev.jsonl``, or ``non_supported_tokens/dev.jsonl``): of partially supported sub-claims, which
of their tokens are not supported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    place_of,
    read_records,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import GoldSpan, Sample

__all__ = ["load_wice", "load_wice_spans"]

_CITATION = "Kamoi et al. 2023, WiCE"
_LICENCE = "annotations ODC-BY; texts CC BY-SA"
_LABELS = ("supported", "partially_supported", "not_supported")
_CLAIMS = {"dev claims": 349, "test claims": 358}
_SPANS = {"train claims": 374, "dev claims": 124, "test claims": 105}


def load_wice(path: str | Path, *, split: str | None = None, strict: bool = False) -> GroundingData:
    """Read WiCE's claims.

    The context is the cited page, a sentence per line; the group is the Wikipedia article.

    Args:
        path: The folder with ``claim_dev.jsonl`` and ``claim_test.jsonl`` (or the published
            ``entailment_retrieval/claim``), or one of the files.
        split: ``dev`` or ``test``; all if None.
        strict: Whether counts other than the published ones stop the reading.

    Raises:
        NotFoundError: There is no such folder, file or split.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    files = _files(path, "claim", "entailment_retrieval/claim")
    return _load(files, path, "wice", _CLAIMS, split, strict)


def load_wice_spans(
    path: str | Path, *, split: str | None = None, strict: bool = False
) -> GroundingData:
    """Read WiCE's unsupported tokens.

    Gold is a run of neighbouring tokens that are not supported, from the first character of its
    first token to the last of its last, the white space between them included. All these claims
    are partially supported, hence hallucinated: the set is for spans, not for responses.

    Args:
        path: The folder with ``nst_train.jsonl`` and so on (or the published
            ``non_supported_tokens``), or one of the files.
        split: ``train``, ``dev`` or ``test``; all if None.
        strict: Whether counts other than the published ones, or tokens that are not in their
            claim, stop the reading.

    Raises:
        NotFoundError: There is no such folder, file or split.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    files = _files(path, "nst", "non_supported_tokens")
    return _load(files, path, "wice-spans", _SPANS, split, strict)


def _files(path: str | Path, prefix: str, folder: str) -> list[Path]:
    given = Path(path).expanduser()
    last = folder.rsplit("/", 1)[-1]
    patterns = [f"{prefix}_*.jsonl", f"data/{folder}/*.jsonl", f"{folder}/*.jsonl"]
    if given.is_dir() and given.name == last:
        patterns.append("*.jsonl")
    return place_of(given, *patterns)


def _load(
    files: list[Path],
    path: str | Path,
    name: str,
    published: dict[str, int],
    split: str | None,
    strict: bool,
) -> GroundingData:
    notes = Notes(strict=strict)
    samples: list[Sample] = []
    for file in files:
        part = file.stem.rsplit("_", 1)[-1]
        samples += [_sample(record, part, notes) for record in read_records(file)]
    counts = {what: sum(s.split == what.split()[0] for s in samples) for what in published}
    return finish(
        samples,
        notes,
        name,
        path,
        licence=_LICENCE,
        citation=_CITATION,
        counts={"samples": len(samples), **counts},
        published=published if len(files) > 1 else None,
        split=split,
    )


def _sample(record: Record, part: str, notes: Notes) -> Sample:
    label = record.text("label")
    if label not in _LABELS:
        raise record.wrong(f"has the label {label!r}; labels are {', '.join(_LABELS)}")
    evidence = record.get("evidence")
    if not isinstance(evidence, list) or not all(isinstance(one, str) for one in evidence):
        raise record.wrong("has no list of texts 'evidence'")
    meta = record.get("meta", default={})
    if not isinstance(meta, dict):
        raise record.wrong("has a meta that is no object")
    claim = record.text("claim")
    spans: tuple[GoldSpan, ...] | None = () if label == "supported" else None
    found: dict[str, Any] = {"wice_label": label}
    if record.has("non_supported_spans"):
        spans = _spans(record, claim)
    title = str(meta.get("claim_title") or "")
    if title:
        found["title"] = title
    if record.get("supporting_sentences"):
        found["supporting_sentences"] = record.get("supporting_sentences")
    return Sample(
        id=str(meta.get("id") or f"{record.file}-{record.line}"),
        response=claim,
        context=("\n".join(evidence),),
        label=label != "supported",
        spans=spans,
        split=part,
        group=title or str(meta.get("id") or "").split("-")[0],
        language="en",
        meta=found,
    )


def _spans(record: Record, claim: str) -> tuple[GoldSpan, ...]:
    tokens, flags = record.get("claim_tokens"), record.get("non_supported_spans")
    if not isinstance(tokens, list) or not isinstance(flags, list) or len(tokens) != len(flags):
        raise record.wrong("does not have one flag per token of its claim")
    spans: list[tuple[int, int]] = []
    end, before = 0, False
    for token, flag in zip(tokens, flags, strict=True):
        start = claim.find(str(token), end)
        if start < 0 or claim[end:start].strip():
            raise record.wrong(f"has the token {token!r}, which is not next in its claim")
        end = start + len(str(token))
        if flag and before:
            spans[-1] = (spans[-1][0], end)
        elif flag:
            spans.append((start, end))
        before = bool(flag)
    return tuple(GoldSpan(start, end, None, "non_supported") for start, end in spans)
