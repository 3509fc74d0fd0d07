"""What is wrong with a text: the detectors' findings, typed, chosen and merged."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vcplab.grounding.claims.evidence import HISTORY, KNOWLEDGE
from vcplab.grounding.suppression.inert import masked
from vcplab.grounding.suppression.kinds import contradicts, typed
from vcplab.grounding.suppression.options import FACT_CHECK_LEVELS, SuppressorOptions
from vcplab.grounding.suppression.policies import named
from vcplab.protocol.grounding import Evidence, Finding, Sample, Verdict
from vcplab.protocol.ports import Detector
from vcplab.text.occupied import Occupied

__all__ = ["Judged", "RuleDetectors", "judge"]

OFF: Final = "The suppressor is switched off."
_NOTHING_SAID: Final = "The conversation neither supports nor contradicts the text."


class RuleDetectors:
    """The detectors of a suppressor that was given none: lexical, temporal and citation rules.

    The probability is the lexical detector's, raised by what only the others object to.

    Args:
        parts: The detectors, the one that gives the probability first; the default ones if None.
    """

    name = "rules"

    def __init__(self, parts: Sequence[Detector] | None = None) -> None:
        self.parts: tuple[Detector, ...] = tuple(_default_parts() if parts is None else parts)

    def __repr__(self) -> str:
        return f"RuleDetectors({', '.join(part.name for part in self.parts)})"

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change."""
        return "|".join(part.fingerprint for part in self.parts)

    @property
    def calibrated(self) -> bool:
        """Whether the first detector was fitted to labelled texts."""
        first = self.parts[0]
        return bool(getattr(first, "calibrated", getattr(first, "aggregator", None) is not None))

    @property
    def threshold(self) -> float | None:
        """The first detector's own threshold, if it has one."""
        return getattr(self.parts[0], "threshold", None)

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample.

        Args:
            samples: Responses with their contexts.
        """
        rows = zip(*(part.detect(samples) for part in self.parts), strict=True)
        return [_joined(row) for row in rows]


def _default_parts() -> list[Detector]:
    from vcplab.grounding.detectors.citation import CitationDetector
    from vcplab.grounding.detectors.lexical import LexicalDetector
    from vcplab.grounding.detectors.temporal import TemporalDetector

    return [LexicalDetector(), TemporalDetector(), CitationDetector()]


def _joined(verdicts: Sequence[Verdict]) -> Verdict:
    first, *others = verdicts
    findings = merged([finding for verdict in verdicts for finding in verdict.findings])
    taken = Occupied((one.start, one.end) for one in first.findings if one.p is not None)
    extra = [
        finding
        for verdict in others
        for finding in verdict.findings
        if finding.p is not None and taken.is_free(finding.start, finding.end)
    ]
    p = first.p
    if extra:
        p = 1.0 - (1.0 - (p or 0.0)) * math.prod(1.0 - (one.p or 0.0) for one in merged(extra))
    features = {name: value for one in verdicts for name, value in one.features.items()}
    return Verdict(
        p=p,
        findings=findings,
        features=features,
        abstained=first.abstained if p is None else None,
        raw=first.raw if p == first.p else p,
        ms=sum(verdict.ms for verdict in verdicts),
    )


def merged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Of findings that overlap the surer one, in the order of the text; remarks stay beside them.

    What is as sure goes to the one that knows what should stand there, then to the shorter one.
    """
    kept: list[Finding] = []
    taken = {True: Occupied(), False: Occupied()}
    ordered = sorted(
        findings,
        key=lambda one: (-(one.p or 0.0), one.suggestion is None, one.end - one.start, one.start),
    )
    for finding in ordered:
        alike = taken[finding.p is None]
        if alike.is_free(finding.start, finding.end):
            alike.add(finding.start, finding.end)
            kept.append(finding)
    return tuple(sorted(kept, key=lambda one: (one.start, one.end)))


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found in a text.

    Attributes:
        findings: What counts, in order, typed.
        p: Probability that the text holds a hallucination; None if it was not judged.
        abstained: Why it was not; None if it was.
        calibrated: Whether p is the detector's own, and not made of the findings here.
        features: What the detector measured.
        raw: Its score before calibration.
        ms: Milliseconds.
    """

    findings: tuple[Finding, ...] = ()
    p: float | None = None
    abstained: str | None = None
    calibrated: bool = True
    features: Mapping[str, float] = field(default_factory=dict)
    raw: float | None = None
    ms: float = 0.0


def judge(
    options: SuppressorOptions, detector: Detector, samples: Sequence[Sample]
) -> list[Judged]:
    """Have a detector read texts, and choose what counts.

    * Code and blocks of the protocol are not read.
    * A conversation alone can contradict, but need not support: what it merely lacks is dropped.
    * Findings below the level, of checks that are off, and words of their own in sentences that
      the sources largely say (``semantic_threshold``) are dropped.

    Args:
        options: What counts.
        detector: What looks.
        samples: The texts with their sources.
    """
    began = time.perf_counter()
    read = [replace(sample, response=masked(sample.response)) for sample in samples]
    verdicts = detector.detect(read) if read else []
    spent = 1000 * (time.perf_counter() - began) / max(1, len(samples))
    return [
        _judged(options, sample, verdict, spent)
        for sample, verdict in zip(samples, verdicts, strict=True)
    ]


def _judged(options: SuppressorOptions, sample: Sample, verdict: Verdict, ms: float) -> Judged:
    said_only = not any(text.strip() for text in sample.context)
    length = len(sample.response)
    found = [one for one in verdict.findings if 0 <= one.start < one.end <= length]
    counted = tuple(
        finding
        for finding in merged(typed(found, sample.response))
        if _counts(options, finding)
        and not (said_only and finding.p is not None and not contradicts(finding))
    )
    p, abstained = verdict.p, verdict.abstained
    if said_only and p is not None:
        sure = [finding.p for finding in counted if finding.p is not None]
        p = 1.0 - math.prod(1.0 - one for one in sure) if sure else None
        abstained = None if sure else _NOTHING_SAID
    return Judged(counted, p, abstained, not said_only, verdict.features, verdict.raw, ms)


def _counts(options: SuppressorOptions, finding: Finding) -> bool:
    off = options.disabled_checks
    if finding.type in off or any(named(finding.rule, check) for check in off):
        return False
    if finding.p is None:
        return True
    if finding.p < FACT_CHECK_LEVELS[options.fact_check_level]:
        return False
    if finding.rule.rpartition(".")[2] in ("unsupported", "sentence", "token"):
        covered = max((one.score for one in finding.evidence), default=0.0)
        return covered < options.semantic_threshold
    return True


def sourced(findings: Sequence[Finding], names: Sequence[str | None]) -> tuple[Finding, ...]:
    """Findings whose evidence from the context is said to come from a knowledge base.

    Args:
        findings: Findings of a sample whose context was a knowledge base.
        names: What its documents are called.
    """

    def renamed(one: Evidence) -> Evidence:
        if one.source == HISTORY:
            return one
        known = names[one.source] if 0 <= one.source < len(names) else None
        return replace(one, source=KNOWLEDGE, docno=str(one.source) if known is None else known)

    return tuple(
        replace(finding, evidence=tuple(renamed(one) for one in finding.evidence))
        for finding in findings
    )
