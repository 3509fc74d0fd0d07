"""Verdicts as the runner keeps them, JSON-able, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.tasks import Output
from vcplab.protocol.grounding import Evidence, Finding, Sample, Verdict

__all__ = ["blind", "output_of", "verdict_of"]


def blind(sample: Sample) -> Sample:
    """A sample as detectors see it: without label, spans, correction, group, split and meta."""
    return Sample(
        id=sample.id,
        response=sample.response,
        context=sample.context,
        question=sample.question,
        history=sample.history,
        others=sample.others,
        language=sample.language,
    )


def output_of(verdict: Any, sample: Sample, detector: str, ms: float) -> Output:
    """What is kept of a verdict.

    Args:
        verdict: What the detector gave.
        sample: What it was given.
        detector: Its name, for errors.
        ms: Milliseconds measured around the call, where the verdict does not tell its own.

    Raises:
        InvalidInputError: It is no verdict, neither judges nor abstains, or has a probability or
            a span out of range.
    """
    where = f"{detector}, sample {sample.id!r}"
    if not isinstance(verdict, Verdict):
        raise InvalidInputError(
            f"A detector gave {type(verdict).__name__}, not a Verdict.",
            where=where,
            next_step="detect(samples) returns one vcplab.protocol.grounding.Verdict per sample.",
        )
    if (verdict.p is None) == (verdict.abstained is None):
        raise InvalidInputError(
            "A verdict either has a probability or says why it abstains.",
            where=where,
            next_step="Give Verdict(p) or Verdict(None, abstained='why').",
        )
    if verdict.p is not None and not 0 <= verdict.p <= 1:
        raise InvalidInputError(
            f"The probability {verdict.p!r} lies outside 0 to 1.",
            where=where,
            next_step="Give a calibrated probability as p, and any other score as raw.",
        )
    for finding in verdict.findings:
        if not 0 <= finding.start < finding.end <= len(sample.response):
            raise InvalidInputError(
                f"The finding {finding.start}–{finding.end} lies outside the response "
                f"({len(sample.response)} code points).",
                where=where,
                next_step="Offsets count code points: response[start:end].",
            )
    return {
        "p": None if verdict.p is None else float(verdict.p),
        "raw": None if verdict.raw is None or not math.isfinite(verdict.raw) else verdict.raw,
        "abstained": verdict.abstained,
        "findings": [_kept(finding) for finding in verdict.findings],
        "features": {
            name: float(value)
            for name, value in verdict.features.items()
            if math.isfinite(float(value))
        },
        "ms": float(verdict.ms) if verdict.ms > 0 else ms,
    }


def _kept(finding: Finding) -> dict[str, Any]:
    return {
        "start": int(finding.start),
        "end": int(finding.end),
        "p": None if finding.p is None else float(finding.p),
        "rule": finding.rule,
        "reason": finding.reason,
        "type": finding.type,
        "severity": finding.severity,
        "suggestion": finding.suggestion,
        "evidence": [
            [e.text, e.source, e.start, e.end, float(e.score), e.docno] for e in finding.evidence
        ],
    }


def verdict_of(output: Mapping[str, Any]) -> Verdict:
    """The verdict that an output keeps; one that abstains where the detector failed.

    Args:
        output: Of :func:`output_of`, or what the runner recorded of an error.
    """
    if "p" not in output:
        return Verdict(None, abstained=f"failed: {output.get('error')}")
    return Verdict(
        p=output["p"],
        findings=tuple(
            Finding(**{**one, "evidence": tuple(Evidence(*e) for e in one["evidence"])})
            for one in output["findings"]
        ),
        features=output["features"],
        abstained=output["abstained"],
        raw=output["raw"],
        ms=output["ms"],
    )
