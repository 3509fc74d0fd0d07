"""QAGS (Wang et al. 2020): summaries whose sentences three people called consistent or not.

``mturk_cnndm.jsonl`` and ``mturk_xsum.jsonl``: article, summary_sentences [{sentence, responses
[{worker_id, response: yes/no}]}].
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcplab.evaluation.loaders.grounding.common import (
    Notes,
    Record,
    finish,
    group_of,
    place_of,
    read_records,
)
from vcplab.evaluation.samples import GroundingData
from vcplab.protocol.grounding import GoldSpan, Sample

__all__ = ["load_qags"]

_PUBLISHED = {"cnndm": 235, "xsum": 239}


def load_qags(path: str | Path, *, strict: bool = False) -> GroundingData:
    """Read QAGS.

    A sentence is hallucinated if most of its judges say no; a summary, if one of its sentences is.
    Those sentences are the gold spans. The summary is its sentences, joined by spaces; the group is
    the article, ``domain`` (cnndm, xsum) a column.

    Args:
        path: The folder with both files (or the repository), or one of them.
        strict: Whether counts other than the published ones stop the reading.

    Raises:
        NotFoundError: There is no such folder or file.
        InvalidDataError: A record is not in the published format; the error names it.
    """
    files = place_of(path, "mturk_*.jsonl", "data/mturk_*.jsonl")
    notes = Notes(strict=strict)
    samples = []
    counts: dict[str, int] = {}
    for file in files:
        domain = file.stem.removeprefix("mturk_")
        records = read_records(file)
        counts[domain] = len(records)
        samples += [_sample(record, domain) for record in records]
    return finish(
        samples,
        notes,
        "qags",
        path,
        licence="none stated",
        citation="Wang et al. 2020, QAGS",
        counts={"samples": len(samples), **counts},
        published={domain: n for domain, n in _PUBLISHED.items() if domain in counts},
    )


def _sample(record: Record, domain: str) -> Sample:
    article = record.text("article")
    sentences = record.get("summary_sentences")
    if not isinstance(sentences, list) or not sentences:
        raise record.wrong("has no list 'summary_sentences'")
    parts: list[str] = []
    spans: list[GoldSpan] = []
    at = 0
    for sentence in sentences:
        text, bad = _judged(record, sentence)
        if not text.strip():
            continue
        if bad:
            spans.append(GoldSpan(at, at + len(text), None, "inconsistent"))
        parts.append(text)
        at += len(text) + 1
    return Sample(
        id=f"{domain}-{record.line}",
        response=" ".join(parts),
        context=(article,),
        label=bool(spans),
        spans=tuple(spans),
        group=group_of(article),
        language="en",
        meta={"domain": domain, "sentences": len(parts)},
    )


def _judged(record: Record, sentence: Any) -> tuple[str, bool]:
    if not isinstance(sentence, Mapping) or not isinstance(sentence.get("sentence"), str):
        raise record.wrong("has a summary sentence without text")
    said = [
        str(one.get("response")).strip().lower()
        for one in sentence.get("responses") or []
        if isinstance(one, Mapping)
    ]
    if not said or any(word not in ("yes", "no") for word in said):
        raise record.wrong("has a summary sentence whose judges say neither yes nor no")
    return sentence["sentence"].strip(), said.count("no") * 2 > len(said)
