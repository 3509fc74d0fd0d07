"""What a sample says: what detectors may see of it, what the judge knows, and hashes of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from vcplab.protocol.grounding import Sample

__all__ = ["content_of", "fingerprint_of", "sample_types", "sha"]


def sample_types(sample: Sample) -> tuple[str, ...]:
    """The types of hallucination that a sample is about: of its spans, else as its set says."""
    of_spans = {span.type for span in sample.spans or () if span.type is not None}
    if of_spans:
        return tuple(sorted(of_spans))
    said = sample.meta.get("types", sample.meta.get("type"))
    several = [said] if isinstance(said, str) else said or []
    return tuple(sorted({str(one) for one in several if one}))


def content_of(sample: Sample) -> list[Any]:
    """What a detector may see of a sample, JSON-able: nothing that the judge knows."""
    return [
        sample.id,
        sample.response,
        list(sample.context),
        sample.question,
        list(sample.history),
        list(sample.others),
        sample.language,
    ]


def _gold_of(sample: Sample) -> list[Any]:
    spans = None
    if sample.spans is not None:
        spans = [[s.start, s.end, s.type, s.raw_type] for s in sample.spans]
    meta = json.dumps(dict(sample.meta), sort_keys=True, default=str, ensure_ascii=False)
    return [sample.label, spans, sample.correction, sample.split, sample.group, meta]


def sha(content: Any) -> str:
    """SHA-256 of something JSON-able."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint_of(samples: Iterable[Sample]) -> str:
    """SHA-256 of everything in samples, whatever their order."""
    return sha(sorted(sha([content_of(sample), _gold_of(sample)]) for sample in samples))
