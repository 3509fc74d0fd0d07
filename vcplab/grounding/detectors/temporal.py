"""Dates, durations and times of the day, held against the sources, the calendar and the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from itertools import combinations
from typing import Final

from vcplab.core.clock import Clock, current_clock
from vcplab.grounding.claims import EvidenceFinder, sentences_of
from vcplab.grounding.detectors._dates import (
    UNIT_SECONDS,
    Relative,
    date_interval,
    duration_bounds,
    find_relative_times,
    lies_apart,
    seconds_between,
)
from vcplab.grounding.detectors._inner_times import (
    ages_of,
    check_calendar,
    check_clock,
    check_spans,
)
from vcplab.grounding.detectors._sources import (
    Protection,
    Source,
    Stopwatch,
    abstain,
    combined_p,
    severity_of,
    sources_of,
)
from vcplab.protocol.grounding import Evidence, Finding, Sample, Verdict
from vcplab.text.sentences import Span
from vcplab.text.time_expressions import TimeSpan, find_times, supports_time, times_conflict

__all__ = ["TemporalDetector"]

# Rounded down: on a quarter of SummEdits a conflict was right in 37 of 41 cases, an absent time in
# 20 of 35.  Relative times are set by judgement.
_P_RIVAL: Final = 0.8
_P_ABSENT: Final = 0.5
_P_RELATIVE: Final = 0.6
# Differences of all pairs of times are looked at up to here.
_MOST_TIMES: Final = 60
_PLAIN_KINDS: Final = ("date", "time", "duration")

_NAMES: Final = (
    "temporal.times", "temporal.wrong", "temporal.rival", "temporal.derived", "temporal.calendar",
    "temporal.inside", "temporal.clock",
)  # fmt: skip


class TemporalDetector:
    """Finds times that no source supports, or that cannot be.

    * ``temporal.conflict``: the source says another time; ``temporal.absent``: it says none.
      A duration that is the distance between two times of the source is supported.
    * ``temporal.impossible``, ``temporal.weekday``: a day that does not exist, or falls on another
      day of the week.
    * ``temporal.order``, ``temporal.duration``, ``temporal.age``: the end before the start, a
      length that does not fit them, an age that does not fit birth and death.
    * ``temporal.future``, ``temporal.relative``: told as past, but ahead of the clock; 昨天 or
      ``last week`` beside another date, or where the source says another such word.

    Chinese and English.  A response without times is abstained from; so is one without sources in
    which nothing contradicts itself.  The probability is one minus the product of the findings'
    chances of being right, and not calibrated; `CombinedDetector` does that.

    Args:
        clock: Tells the present date; the clock in force at the time of the call if None.
        use_history: Whether what was said before counts as a source.
    """

    name = "temporal"
    calibrated = False
    names = _NAMES

    def __init__(self, clock: Clock | None = None, *, use_history: bool = True) -> None:
        self.clock = clock
        self.use_history = use_history
        self._finder = EvidenceFinder(k=2, width=1)

    def __repr__(self) -> str:
        return f"TemporalDetector(clock={self.clock!r})"

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change, hence every day at midnight."""
        day = (self.clock or current_clock()).today().isoformat()
        return f"{self.lasting_fingerprint}:{day}"

    @property
    def lasting_fingerprint(self) -> str:
        """The same without the date, for models that outlive the day."""
        return f"temporal-1:{self.use_history:d}"

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample.

        Args:
            samples: Responses, with their contexts if there are any.
        """
        return [self._detect(sample) for sample in samples]

    def _detect(self, sample: Sample) -> Verdict:
        watch = Stopwatch()
        text = sample.response
        today = (self.clock or current_clock()).today()
        protection = Protection(text)
        times = [time for time in find_times(text) if time.start not in protection]
        relative = [
            time for time in find_relative_times(text, today) if time.start not in protection
        ]
        if not times and not relative:
            return abstain("The response names no time.", watch)
        sources = sources_of(sample, history=self.use_history)
        held = _Sources(sources, today)
        spans = sentences_of(text)
        calendar = list(check_calendar(text, times))
        inside = list(check_spans(text, spans, times, today))
        clock = list(check_clock(text, spans, times, relative, today))
        against = list(self._against(sample, held, times, relative, spans)) if sources else []
        # What a source says as it stands is the source's mistake, not the response's.
        own = [one for one in (*calendar, *inside, *clock) if not held.has_words(text, one)]
        findings = _merged([*own, *against])
        wrong = [one for one in against if one.rule in ("temporal.conflict", "temporal.absent")]
        values = (
            float(len(times) + len(relative)),
            float(len(wrong)),
            float(sum(one.rule == "temporal.conflict" for one in wrong)),
            float(sum(held.derives(time, text) for time in times) if sources else 0),
            float(len(calendar)),
            float(len(inside)),
            float(len(clock)),
        )
        features = dict(zip(_NAMES, values, strict=True))
        if not sources and not findings:
            return abstain("There is no source to hold the times against.", watch, features)
        p = combined_p(findings)
        return Verdict(p=p, findings=findings, features=features, raw=p, ms=watch.ms)

    def _against(
        self,
        sample: Sample,
        held: _Sources,
        times: Sequence[TimeSpan],
        relative: Sequence[Relative],
        spans: Sequence[Span],
    ) -> Iterator[Finding]:
        """What the sources do not say."""
        text = sample.response
        for time in times:
            if held.supports(time) or held.derives(time, text):
                continue
            sentence = next((s for s in spans if s.start <= time.start < s.end), None)
            best = self._evidence(sentence, held)
            rival = held.rival(time, best)
            if rival is None:
                yield _finding(
                    "temporal.absent", time, _P_ABSENT, f"No source says “{time.text}”.", best
                )
                continue
            source, other, beside = rival
            proof = (source.evidence(other.start, other.end), *best)
            yield _finding(
                "temporal.conflict", time, _P_RIVAL,
                f"The source says “{other.text}”, not “{time.text}”.",
                proof, other.text if beside else None,
            )  # fmt: skip
        known = [one for _, one in held.relative]
        for one in relative:
            others = [other for other in known if other.unit == one.unit]
            if others and all(other.key != one.key for other in others):
                yield _finding(
                    "temporal.relative", one, _P_RELATIVE,
                    f"The source says “{others[0].text}”, not “{one.text}”.", (),
                )  # fmt: skip

    def _evidence(self, sentence: Span | None, held: _Sources) -> tuple[Evidence, ...]:
        if sentence is None:
            return ()
        context = [source.text for source in held.sources]
        found = self._finder.find(sentence.text, context)
        return tuple(
            held.sources[one.source].evidence(one.start, one.end, one.score) for one in found
        )


class _Sources:
    """The times of the sources."""

    def __init__(self, sources: Sequence[Source], today: date) -> None:
        self.sources = list(sources)
        self.times = [(source, time) for source in self.sources for time in find_times(source.text)]
        self.relative = [
            (source, time)
            for source in self.sources
            for time in find_relative_times(source.text, today)
        ]
        self._lower = [source.text.lower() for source in self.sources]

    def has_words(self, text: str, finding: Finding) -> bool:
        """Whether a source has the words around a finding as they stand."""
        low = max(0, finding.start - 8)
        around = text[low : finding.end + 8].strip().lower()
        return any(around in lower for lower in self._lower)

    def supports(self, time: TimeSpan) -> bool:
        """Whether some source says as much."""
        if any(supports_time(other, time) for _, other in self.times):
            return True
        # What the reader of times does not see in a source (九点多, 二十天才) still stands there.
        words = _bounded(time.text)
        if any(words.search(lower) for lower in self._lower):
            return True
        interval = date_interval(str(time.value)) if time.kind == "date" else None
        return interval is not None and any(
            interval[0] <= other.interval[0] and other.interval[1] <= interval[1]
            for _, other in self.relative
        )

    def derives(self, time: TimeSpan, text: str) -> bool:
        """Whether it follows from two times of the sources.

        A duration may be their distance, a point in time one that lies a duration away.
        """
        if time.kind == "duration":
            low, high = duration_bounds(time, text)
            return any(low <= gap[1] and gap[0] <= high for gap in self._gaps)
        if time.kind not in ("date", "time"):
            return False
        lengths = [float(other.value) for _, other in self.times if other.kind == "duration"]
        return any(
            lies_apart(str(other.value), str(time.value), seconds, ambiguous=time.ambiguous)
            for seconds in dict.fromkeys(lengths)
            for _, other in self.times[:_MOST_TIMES]
            if other.kind == time.kind
        )

    @cached_property
    def _gaps(self) -> list[tuple[float, float]]:
        return list(self._distances())

    def _distances(self) -> Iterator[tuple[float, float]]:
        points: list[tuple[str, str]] = []
        for _, time in self.times[:_MOST_TIMES]:
            if time.kind in ("date", "time"):
                points.append((time.kind, str(time.value)))
            elif time.kind == "range":
                points += [("range", end) for end in str(time.value).split("/")]
        for (_, one), (_, other) in combinations(points, 2):
            for first, last in ((one, other), (other, one)):
                gap = seconds_between(first, last)
                if gap is not None and gap[1] > 0:
                    yield max(gap[0], 0.0), gap[1]
        for lower in self._lower:
            ages = sorted(set(ages_of(lower)))[:_MOST_TIMES]
            for low, high in combinations(ages, 2):
                yield (high - low) * UNIT_SECONDS["year"], (high - low) * UNIT_SECONDS["year"]

    def rival(
        self, time: TimeSpan, best: Sequence[Evidence]
    ) -> tuple[Source, TimeSpan, bool] | None:
        """Another time of the same kind, and whether it is the only one beside the same words."""
        found = [
            (source, other)
            for source, other in self.times
            if other.kind == time.kind and times_conflict(other, time)
        ]
        beside = [
            (source, other)
            for source, other in found
            if any(_covers(source, other, one) for one in best[:1])
        ]
        alike = [one for one in beside if one[1].precision == time.precision]
        if len(alike) == 1 and time.kind in _PLAIN_KINDS:
            return (*alike[0], True)
        if beside:
            return (*(alike or beside)[0], False)
        return None


def _bounded(words: str) -> re.Pattern[str]:
    """The words, not in the middle of a longer word or number."""
    words = words.lower()
    before = r"(?<![0-9一二三四五六七八九十百])" if not words[0].isascii() else r"(?<![0-9a-z.:])"
    after = r"(?![0-9a-z]|[.:][0-9])" if words[-1].isascii() else ""
    return re.compile(before + re.escape(words) + after)


def _covers(source: Source, time: TimeSpan, evidence: Evidence) -> bool:
    return (
        (source.number, source.docno) == (evidence.source, evidence.docno)
        and evidence.start <= time.start
        and time.end <= evidence.end
    )


def _finding(
    rule: str,
    span: TimeSpan | Relative,
    p: float,
    reason: str,
    evidence: tuple[Evidence, ...],
    suggestion: str | None = None,
) -> Finding:
    return Finding(
        span.start, span.end, p, rule, reason, "temporal", severity_of(p), evidence, suggestion
    )


def _merged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Of findings that overlap the surer one, in the order of the text."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda one: (-(one.p or 0.0), one.start, one.end)):
        if all(finding.end <= other.start or other.end <= finding.start for other in kept):
            kept.append(finding)
    return tuple(sorted(kept, key=lambda one: one.start))
