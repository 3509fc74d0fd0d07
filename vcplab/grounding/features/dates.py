"""Dates, times and durations of a response that its source does not have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vcplab.grounding.features.derived import derived_time
from vcplab.grounding.features.family import Family, share
from vcplab.grounding.features.held import Held, once
from vcplab.text.time_expressions import TimeSpan, supports_time, times_conflict

__all__ = ["DATES", "TimeCheck", "check_times"]


@dataclass(frozen=True, slots=True)
class TimeCheck:
    """A time of a response and what the source says.

    Attributes:
        time: The time.
        supported: Whether some time of the source says as much, or it follows from several.
        rival: A time of the source that says something else of the same; None if there is none.
            With the text it stands in.
    """

    time: TimeSpan
    supported: bool
    rival: tuple[int, TimeSpan] | None


@once
def check_times(held: Held) -> list[TimeCheck]:
    """Every time of the response, held against those of the source."""
    found: list[TimeCheck] = []
    for time in held.times:
        supported = time.text.lower() in held.source.lower or any(
            supports_time(other, time) for _, other in held.source.times
        )
        supported = supported or derived_time(held, time)
        rival = None
        if not supported:
            rival = next(
                (
                    (number, other)
                    for number, other in held.source.times
                    if times_conflict(other, time)
                ),
                None,
            )
        found.append(TimeCheck(time, supported, rival))
    return found


def _measure(held: Held) -> tuple[float, ...]:
    checks = check_times(held)
    wrong = [check for check in checks if not check.supported]
    return (
        float(bool(checks)),
        math.log1p(len(wrong)),
        share(len(wrong), len(checks)),
        math.log1p(sum(check.rival is not None for check in wrong)),
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = [(0.0, 0.0, 0.0)] * len(held.tokens)
    for check in check_times(held):
        row = (1.0, float(not check.supported), float(check.rival is not None))
        for at in held.tokens_in(check.time.start, check.time.end):
            rows[at] = row
    return rows


DATES = Family(
    "dates",
    ("has_times", "times_wrong", "times_wrong_share", "times_rival"),
    _measure,
    ("is_time", "time_wrong", "time_rival"),
    _tokens,
)
"""Unsupported dates, times of the day and durations."""
