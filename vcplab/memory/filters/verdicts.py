"""Verdicts of one comparison on one value, or on arrays of numbers and moments.

The arrays say exactly what the single values would: columns are only quicker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.filters.moments import Moment, as_moment
from vcplab.memory.filters.patterns import LimitedPattern
from vcplab.memory.filters.values import composed, folded

__all__ = ["Equal", "Ordered", "Pattern", "TextPart", "Verdict"]

Bools = NDArray[np.bool_]
Limit = Literal["gt", "gte", "lt", "lte"]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "gt": lambda value, limit: value > limit,
    "gte": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "lte": lambda value, limit: value <= limit,
}


class Verdict:
    """Base: nothing meets it. Subclasses say what does."""

    def judge(self, value: Any) -> bool:
        """On one value as ``values_of`` gives it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool):
            return self.flag(value)
        if isinstance(value, int | float):
            return self.number(value)
        return self.moment(value) if isinstance(value, Moment) else False

    def text(self, value: str) -> bool:
        """On a text."""
        return False

    def texts(self, values: Iterable[str]) -> Bools:
        """On texts."""
        return np.fromiter(map(self.text, values), np.bool_)

    def flag(self, value: bool) -> bool:
        """On true or false."""
        return False

    def number(self, value: float) -> bool:
        """On a number."""
        return False

    def numbers(self, values: NDArray[np.float64]) -> Bools:
        """On numbers."""
        return np.zeros(len(values), np.bool_)

    def moment(self, value: Moment) -> bool:
        """On a moment."""
        return False

    def moments(self, wall: NDArray[np.int64], utc: NDArray[np.int64], zoned: Bools) -> Bools:
        """On moments: wall clock, UTC (the wall clock again without a zone), has a zone."""
        return np.zeros(len(wall), np.bool_)


class Equal(Verdict):
    """The value is one of those given.

    Args:
        wanted: Texts, numbers, true and false, dates and times.
        ignore_case: Whether case counts in texts.
    """

    def __init__(self, wanted: Iterable[Any], ignore_case: bool) -> None:
        wanted = tuple(wanted)
        self._fold = folded if ignore_case else None
        text_of = self._fold or composed
        self._texts = frozenset(text_of(w) for w in wanted if isinstance(w, str))
        # True == 1 in Python, but not here.
        self._flags = frozenset(w for w in wanted if isinstance(w, bool))
        self._numbers = frozenset(
            w for w in wanted if isinstance(w, int | float) and not isinstance(w, bool)
        )
        self._moments = tuple(m for w in wanted if (m := as_moment(w)) is not None)

    def text(self, value: str) -> bool:
        """The same text, or the text of a moment within one that is given."""
        if (self._fold(value) if self._fold else value) in self._texts:
            return True
        if not self._moments:
            return False
        moment = as_moment(value)
        return moment is not None and self.moment(moment)

    def flag(self, value: bool) -> bool:
        """The same."""
        return value in self._flags

    def number(self, value: float) -> bool:
        """The same number, whole or not."""
        return value in self._numbers

    def numbers(self, values: NDArray[np.float64]) -> Bools:
        """The same numbers."""
        exact = [f for w in self._numbers if (f := _as_float(w)) == w]
        found: Bools = np.isin(values, np.array(exact, np.float64))
        return found

    def moment(self, value: Moment) -> bool:
        """Within one that is given."""
        for wanted in self._moments:
            at, begin, end = value.within(wanted)
            if begin <= at < end:
                return True
        return False

    def moments(self, wall: NDArray[np.int64], utc: NDArray[np.int64], zoned: Bools) -> Bools:
        """Within one that is given."""
        found = np.zeros(len(wall), np.bool_)
        for wanted in self._moments:
            at, begin, end = _on_one_clock(wall, utc, zoned, wanted)
            found |= (at >= begin) & (at < end)
        return found


class Ordered(Verdict):
    """The value is on the right side of one limit or two.

    Args:
        limits: Side and limit; limits of one kind: numbers, texts, or moments (anything that
            ``as_moment`` reads).
        ignore_case: Whether case counts in texts.
    """

    def __init__(self, limits: Iterable[tuple[Limit, Any]], ignore_case: bool) -> None:
        self._fold = folded if ignore_case else None
        self._numbers: list[tuple[Limit, Any]] = []
        self._texts: list[tuple[Limit, str]] = []
        self._moments: list[tuple[Limit, Moment]] = []
        for side, limit in limits:
            moment = as_moment(limit)
            if moment is not None:
                self._moments.append((side, moment))
            elif isinstance(limit, str):
                self._texts.append((side, (self._fold or composed)(limit)))
            else:
                self._numbers.append((side, limit))

    def text(self, value: str) -> bool:
        """By code points, or as a moment where the limits are moments."""
        if self._moments:
            moment = as_moment(value)
            return moment is not None and self.moment(moment)
        if not self._texts:
            return False
        value = self._fold(value) if self._fold else value
        return all(_COMPARE[side](value, limit) for side, limit in self._texts)

    def number(self, value: float) -> bool:
        """By size."""
        return bool(self._numbers) and all(_COMPARE[s](value, n) for s, n in self._numbers)

    def numbers(self, values: NDArray[np.float64]) -> Bools:
        """By size."""
        found = np.full(len(values), bool(self._numbers))
        for side, number in self._numbers:
            compare, limit = _as_float_limit(side, number)
            found &= _COMPARE[compare](values, limit)
        return found

    def moment(self, value: Moment) -> bool:
        """By time."""
        return bool(self._moments) and all(
            _beside(side, *value.within(limit)) for side, limit in self._moments
        )

    def moments(self, wall: NDArray[np.int64], utc: NDArray[np.int64], zoned: Bools) -> Bools:
        """By time."""
        found = np.full(len(wall), bool(self._moments))
        for side, limit in self._moments:
            found &= _beside(side, *_on_one_clock(wall, utc, zoned, limit))
        return found


class Pattern(Verdict):
    """The text has a match of a regular expression.

    Args:
        source: The expression.
        ignore_case: Whether case counts.
    """

    def __init__(self, source: str, ignore_case: bool) -> None:
        self._pattern = LimitedPattern(source, ignore_case)

    def text(self, value: str) -> bool:
        """A match is somewhere in it."""
        return self._pattern.found(value)

    def texts(self, values: Iterable[str]) -> Bools:
        """A match is somewhere in it."""
        return np.array(self._pattern.found_in(values), np.bool_)


@dataclass(frozen=True)
class TextPart(Verdict):
    """The text has another one in it.

    Attributes:
        part: The other one.
        place: Where.
        ignore_case: Whether case counts.
    """

    part: str
    place: Literal["anywhere", "start", "end"]
    ignore_case: bool

    def text(self, value: str) -> bool:
        """It has it."""
        text_of = folded if self.ignore_case else composed
        text, part = text_of(value), text_of(self.part)
        if self.place == "anywhere":
            return part in text
        return text.startswith(part) if self.place == "start" else text.endswith(part)


def _beside(side: Limit, at: Any, begin: Any, end: Any) -> Any:
    """Half-open: after a day means from its end on, up to a day means before its end."""
    if side == "gt":
        return at >= end
    if side == "gte":
        return at >= begin
    return at < begin if side == "lt" else at < end


def _on_one_clock(
    wall: NDArray[np.int64], utc: NDArray[np.int64], zoned: Bools, limit: Moment
) -> tuple[NDArray[np.int64], Any, Any]:
    """See ``Moment.within``."""
    if limit.utc is None:
        return wall, limit.wall, limit.wall + limit.length
    begin = np.where(zoned, limit.utc, limit.wall)
    return np.where(zoned, utc, wall), begin, begin + limit.length


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _as_float_limit(side: Limit, number: float) -> tuple[Limit, float]:
    """A comparison of floats that says the same as one with a whole number of any size."""
    limit = _as_float(number)
    if limit == number:
        return side, limit
    if side in ("gt", "gte"):
        return ("gt" if limit < number else "gte"), limit
    return ("lte" if limit < number else "lt"), limit
