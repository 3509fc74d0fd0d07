"""What any detector has to beat: flagging everything, length, and style.

They stand in every table of detection (facts/hallucination §6, §7): F1 rewards flagging all, sets
made by models are given away by length, and style says nothing about truth. Their probabilities
are none, so they have no calibration error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from vcplab.grounding.detectors.style import find_style
from vcplab.protocol.grounding import Finding, Sample, Verdict

__all__ = ["AlwaysPositive", "LengthOnly", "StyleOnly", "usual_baselines"]

# Length at which the length baseline says one half, in characters.
_MIDDLE = 200


class AlwaysPositive:
    """Says of every response, and of all its text, that it is hallucinated."""

    name: ClassVar[str] = "always"
    fingerprint: ClassVar[str] = "always-positive/1"
    kind: ClassVar[str] = "baseline"
    calibrated: ClassVar[bool] = False
    #: It flags everything, wherever other thresholds come from.
    threshold: ClassVar[float] = 0.5

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A probability of 1 and one finding over the whole text for each sample."""
        return [
            Verdict(1.0, (Finding(0, len(sample.response), 1.0, "baseline.always"),))
            for sample in samples
        ]


class LengthOnly:
    """Says that longer responses are more likely hallucinated: n / (n + 200) for n characters."""

    name: ClassVar[str] = "length"
    fingerprint: ClassVar[str] = "length-only/1"
    kind: ClassVar[str] = "baseline"
    calibrated: ClassVar[bool] = False

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A score in place of a probability; no findings."""
        sizes = [len(sample.response) for sample in samples]
        return [Verdict(size / (size + _MIDDLE), raw=float(size)) for size in sizes]


class StyleOnly:
    """Counts words of false certainty, empty citations and overgeneralising; zh and en.

    What counts is what :mod:`vcplab.grounding.detectors.style` remarks on.
    """

    name: ClassVar[str] = "style"
    fingerprint: ClassVar[str] = "style-only/2"
    kind: ClassVar[str] = "baseline"
    calibrated: ClassVar[bool] = False

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A score of n / (n + 1) for n such words, each a finding."""
        verdicts = []
        for sample in samples:
            found = [(hit.start, hit.end) for hit in find_style(sample.response)]
            score = len(found) / (len(found) + 1)
            findings = tuple(Finding(a, b, score, "baseline.style") for a, b in found)
            verdicts.append(Verdict(score, findings, raw=float(len(found))))
        return verdicts


def usual_baselines() -> tuple[AlwaysPositive, LengthOnly, StyleOnly]:
    """Those that stand in every table."""
    return AlwaysPositive(), LengthOnly(), StyleOnly()
