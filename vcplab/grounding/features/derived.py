"""Numbers and times that a source does not write, but that follow from two or three it does.

A rest, a sum, the time between two times, the end of what has a beginning and a length: a faithful
answer may say them (in the bundled set a third of the numbers and most of the durations that no
source writes are of this kind). Only what stands near the aligned sentence is reckoned with, since
among many numbers some two give almost any third.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import combinations
from typing import Final

from vcplab.grounding.features.held import Held
from vcplab.text.quantities import Quantity
from vcplab.text.time_expressions import TimeSpan

__all__ = ["derived_quantity", "derived_time"]

# Sentences before and after the aligned ones; contexts that are no longer than this are near as a
# whole; and how many amounts are tried at most.
_NEAR: Final = 1
_SHORT: Final = 6
_MOST: Final = 12
_PLAY: Final = 0.005
# Durations are seconds; a year of 365.25 days, a month a twelfth of it.
_DAY: Final = 86400.0
_YEAR: Final = 365.25 * _DAY
_SCALES: Final = {"year": _YEAR, "month": _YEAR / 12, "day": _DAY, "minute": 60.0}
_CALENDAR_PLAY: Final = 0.035
# Where a date has no year: any year without a leap day tells how many days are between two.
_ANY_YEAR: Final = 2001


def derived_quantity(held: Held, quantity: Quantity) -> bool:
    """Whether a number is a sum or difference of numbers of its kind near what it stands on.

    Args:
        held: The response and its source.
        quantity: A quantity of the response.
    """
    if quantity.dimension == "ordinal" or abs(quantity.value) == 1:
        return False
    for sentences in _near(held, quantity.start):
        amounts = [
            float(other.base)
            for number, other in held.source.quantities
            if other.dimension == quantity.dimension and _inside(sentences, number, other.start)
        ]
        if _reached(amounts, float(quantity.base)):
            return True
    return False


def derived_time(held: Held, time: TimeSpan) -> bool:
    """Whether a duration, date or time of the day follows from times near what it stands on.

    Args:
        held: The response and its source.
        time: A time of the response.
    """
    for sentences in _near(held, time.start):
        others = [
            other for number, other in held.source.times if _inside(sentences, number, other.start)
        ]
        if time.kind == "duration":
            if _between(others, float(time.value)):
                return True
        elif time.kind in ("date", "time") and _moved(others, time):
            return True
    return False


def _near(held: Held, at: int) -> Iterator[list[tuple[int, int, int]]]:
    """Texts and offsets of the source sentences around those that a sentence is aligned with."""
    source = held.source
    for alignment in held.sentence_alignments:
        if not alignment.start <= at < alignment.end:
            continue
        first, last = alignment.sentences
        low, high = max(0, first - _NEAR), min(len(source.sentences), last + _NEAR)
        if len(source.sentences) <= _SHORT:
            low, high = 0, len(source.sentences)
        yield [(one.source, one.start, one.end) for one in source.sentences[low:high]]


def _inside(sentences: Sequence[tuple[int, int, int]], number: int, start: int) -> bool:
    return any(number == source and low <= start < high for source, low, high in sentences)


def _reached(amounts: Sequence[float], wanted: float) -> bool:
    """Whether two amounts, or several in a row, make the wanted one."""
    amounts = amounts[:_MOST]
    for a, b in combinations(amounts, 2):
        if _same(a + b, wanted) or _same(abs(a - b), abs(wanted)):
            return True
    for first in range(len(amounts)):
        total = 0.0
        for place, amount in enumerate(amounts[first:]):
            if place > 1 and _same(total - amount, wanted):
                return True
            total += amount
            if place > 1 and _same(total, wanted):
                return True
    return False


def _same(a: float, b: float, play: float = _PLAY) -> bool:
    return abs(a - b) <= play * max(abs(a), abs(b))


def _between(times: Sequence[TimeSpan], wanted: float) -> bool:
    """Whether two times are as far apart as a duration says, or durations add up to it."""
    spans = [float(time.value) for time in times if time.kind == "duration"]
    if _reached(spans, wanted):
        return True
    points = [point for time in times for point in _points(time)][:_MOST]
    for a, b in combinations(points, 2):
        for scale in a.keys() & b.keys():
            apart = (b[scale] - a[scale]) * _SCALES[scale]
            if scale == "minute":
                # Past midnight, or with half of the day unsaid.
                if any(_same(one, wanted) for one in (apart % _DAY, -apart % _DAY)):
                    return True
                continue
            # The first day may be counted, too.
            counted = (apart, apart + _DAY) if scale == "day" else (apart,)
            if any(_same(abs(one), wanted, _CALENDAR_PLAY) for one in counted if one):
                return True
    return False


def _moved(times: Sequence[TimeSpan], wanted: TimeSpan) -> bool:
    """Whether a time is another one, later or earlier by a duration."""
    spans = [float(time.value) for time in times if time.kind == "duration"][:_MOST]
    points = [point for time in times for point in _points(time)][:_MOST]
    for target in _points(wanted):
        for point in points:
            for scale in target.keys() & point.keys():
                apart = (target[scale] - point[scale]) * _SCALES[scale]
                for span in spans:
                    if scale == "minute" and any(
                        _same(one, span) for one in (apart % _DAY, -apart % _DAY)
                    ):
                        return True
                    if scale != "minute" and apart:
                        counted = (apart, apart + _DAY) if scale == "day" else (apart,)
                        if any(_same(abs(one), span, _CALENDAR_PLAY) for one in counted):
                            return True
    return False


def _points(time: TimeSpan) -> list[dict[str, int]]:
    """A time, or both ends of a range, on the scales on which it can be reckoned with."""
    if time.kind == "duration":
        return []
    ends = str(time.value).split("/") if time.kind == "range" else [str(time.value)]
    return [point for end in ends if (point := _point(end))]


def _point(value: str) -> dict[str, int]:
    if value.startswith("T"):
        hour, minute = value[1:].split(":")[:2]
        return {"minute": int(hour) * 60 + int(minute)}
    parts = value.removeprefix("--").split("-")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return {}
    numbers = [int(part) for part in parts]
    if value.startswith("--"):
        numbers.insert(0, 0)
    year, month, day = (*numbers, 0, 0)[:3]
    if month > 12 or (value.startswith("--") and not month):
        return {}
    if not month:
        return {"year": year}
    point = {"month": year * 12 + month, "year": year} if year else {"month": month}
    if day:
        try:
            point["day"] = date(year or _ANY_YEAR, month, day).toordinal()
        except ValueError:
            return {}
    return point
