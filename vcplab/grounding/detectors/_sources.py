"""What the detectors of this folder share: the texts of a sample, and what rules add up to."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from vcplab.grounding.claims.evidence import HISTORY
from vcplab.prompt.purifier.protect import protected_spans
from vcplab.protocol.grounding import Evidence, Finding, Sample, Severity, Verdict

__all__ = [
    "Protection",
    "Source",
    "Stopwatch",
    "abstain",
    "combined_p",
    "severity_of",
    "sources_of",
]

_GRAVE: Final = 0.8
_LIKELY: Final = 0.5


class Source(NamedTuple):
    """A text that a response is held against.

    Attributes:
        text: The text.
        number: As in `Evidence`: its place in the context, or -1 for the history.
        docno: The place of a message in the history.
    """

    text: str
    number: int
    docno: str | None = None

    def evidence(self, start: int, end: int, score: float = 1.0) -> Evidence:
        """A piece of it."""
        return Evidence(self.text[start:end], self.number, start, end, score, self.docno)


def sources_of(sample: Sample, *, history: bool = True) -> list[Source]:
    """The texts of a sample that are not blank, the context first."""
    found = [Source(text, number) for number, text in enumerate(sample.context)]
    if history:
        found += [Source(text, HISTORY, str(at)) for at, text in enumerate(sample.history)]
    return [source for source in found if source.text.strip()]


class Protection:
    """Where code and blocks of the protocol stand in a text; nothing in them is an assertion.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        self._spans = protected_spans(text)
        self._starts = [span.start for span in self._spans]

    def __contains__(self, at: int) -> bool:
        place = bisect_right(self._starts, at) - 1
        return place >= 0 and at < self._spans[place].end


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def ms(self) -> float:
        """Milliseconds so far."""
        return 1000 * (time.perf_counter() - self._began)


def abstain(
    why: str, watch: Stopwatch | None = None, features: Mapping[str, float] | None = None
) -> Verdict:
    """A verdict that says why there is none."""
    ms = 0.0 if watch is None else watch.ms
    return Verdict(p=None, abstained=why, features=features or {}, ms=ms)


def combined_p(findings: Iterable[Finding]) -> float:
    """The chance that at least one finding is right, were they independent; 0 without any."""
    return 1.0 - math.prod(1.0 - (finding.p or 0.0) for finding in findings)


def severity_of(p: float) -> Severity:
    """How grave a finding of this probability is taken to be."""
    return "high" if p >= _GRAVE else "medium" if p >= _LIKELY else "low"
