"""Numbers with their units, converted so that ``3 km`` equals ``3000 米``."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

from vcplab.text._units import CURRENCY_SIGNS, Unit, currency, match_unit
from vcplab.text.english_numbers import ORDINALS, find_all_numbers
from vcplab.text.numerals import Number, NumberSpan
from vcplab.text.time_expressions import TimeSpan, find_times

__all__ = ["Bound", "Quantity", "find_quantities", "same_quantity"]

Bound = Literal["exact", "about", "over", "under"]

_GLUE = re.compile(r"[ -]?(?:余|多|来)?[ ]?")
_MEASURE: Final = re.compile(
    r"[ ]?(?P<unit>[个名位人条张本篇页章节集部家间层楼件台只支枝把辆艘架座颗粒片块"
    r"根株棵朵匹头口扇幅封份首项步句字行段顿杯碗瓶盒包袋盘套双对群排束堆滴次遍回场届期种类组批所门户笔桩号票分局球级站])"
)
_SIGNS: Final = re.compile(
    "(?:" + "|".join(re.escape(sign) for sign in sorted(CURRENCY_SIGNS, key=len, reverse=True))
    + ")[ ]?$"
)  # fmt: skip
_SIGN_CHARACTERS: Final = frozenset("$＄€£¥￥₹₩₽BYDRPK")
_ORDINAL_ZH: Final = re.compile(r"第[ ]?$")
_TOKEN: Final = re.compile("[A-Za-z0-9]+")
_NTH: Final = re.compile("([0-9]{1,4})(?:st|nd|rd|th)", re.IGNORECASE)
_INSIDE: Final = frozenset(".,-_")
_RATE: Final = re.compile("[%％]$|百分之")
_PART: Final = re.compile(
    r"分之|^一半$|\bhal(?:f|ves)$|^half\b|\b(?:thirds?|quarters?|fourths?|fifths?|sixths?|"
    r"sevenths?|eighths?|"
    r"ninths?|tenths?)$",
    re.IGNORECASE,
)
_RANGE: Final = re.compile(r"[ ]?[-–—~～－〜][ ]?|[ ]?[到至][ ]?|[ ](?:to|or|and)[ ]")
_BEFORE_AND: Final = re.compile(r"between[ ]$|介于$", re.IGNORECASE)
_BOUNDS: Final = re.compile(
    r"(?:(?P<under>不超过|不多于|不足|不到|少于|低于|小于|至多|最多|顶多|以内|(?:at[ ]most|"
    r"fewer[ ]than|less[ ]than|"
    r"under|below|up[ ]to|no[ ]more[ ]than|not[ ]more[ ]than|within|almost|nearly)[ ])|"
    r"(?P<over>不少于|不低于|不下|不止|超过|多于|高于|大于|逾|至少|最少|起码|超出|突破|"
    r"(?:at[ ]least|more[ ]than|over|above|no[ ]less[ ]than|no[ ]fewer[ ]than|not[ ]less[ ]than|"
    r"exceed(?:s|ed|ing)?|upwards[ ]of)[ ])|"
    r"(?P<about>大约|大概|约莫|约|近|将近|接近|差不多|左右|上下|"
    r"(?:about|around|approximately|roughly|approx\.?|some|circa|ca\.|close[ ]to)[ ]|~|≈))"
    r"[ ]?(?:an?[ ])?(?:[$€£¥￥])?$",
    re.IGNORECASE,
)
_AFTER: Final = re.compile(
    r"[ ]?(?:(?P<about>左右|上下|or[ ]so\b)|(?P<over>以上|多(?![少种样数次])|余|or[ ]more\b|\+)|"
    r"(?P<under>以下|以内|之内|or[ ]less\b|or[ ]fewer\b))"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text with what it counts or measures.

    Attributes:
        start: Offset of its first character, a currency sign included.
        end: Offset after its last, the unit included.
        text: The characters, ``original[start:end]``.
        number: The number alone; ``original[number.start:number.end]`` can be replaced.
        value: The number as it is written, in ``unit``.
        unit: The unit's symbol (``km``, ``CNY``), the Chinese measure word (``个``), or "".
        dimension: What is measured: ``length``, ``mass``, ``money:USD``, ``ratio``, ``time``
            (seconds), ``ordinal``, …; ``count`` for numbers without a known unit.
        base: The value in the base unit of the dimension (m, kg, m³, m², m/s, s, …; ratios as
            fractions of one), exact.
        bound: Whether it is said to be about, over or under that.
    """

    start: int
    end: int
    text: str
    number: NumberSpan
    value: Number
    unit: str
    dimension: str
    base: Fraction
    bound: Bound = "exact"


def find_quantities(text: str, *, times: Sequence[TimeSpan] | None = None) -> list[Quantity]:
    """The numbers of a text with their units, in order.

    Digits, Chinese numerals and English words; multipliers (万, 亿, million) are part of the
    number.  A unit that is said once for a range (3-5 km) counts for both ends.  Numbers inside
    dates and times of the day are left out; durations are quantities of the dimension ``time``.

    Args:
        text: Any string.
        times: The times of the text, if they have been found already.

    Returns:
        The quantities; spans do not overlap.
    """
    if times is None:
        times = find_times(text)
    found: list[Quantity] = []
    taken = _Taken(times)
    for number in find_all_numbers(text):
        time = taken.over(number.start, number.end)
        if time is not None:
            continue
        found.append(_quantity(text, number))
    found += [_duration(text, span) for span in times if span.kind == "duration"]
    found += [
        ordinal for ordinal in _ordinals(text) if taken.over(ordinal.start, ordinal.end) is None
    ]
    found.sort(key=lambda quantity: (quantity.start, -quantity.end))
    return _with_range_units(text, _disjoint(found))


def same_quantity(a: Quantity, b: Quantity, *, tolerance: float = 0.0) -> bool:
    """Whether two quantities are the same amount of the same thing.

    Numbers without a unit are compared as they are; a measure word does not matter (三个, 3).

    Args:
        a: A quantity.
        b: Another.
        tolerance: Relative play, e.g. 0.005 for rounded conversions.
    """
    if a.dimension != b.dimension:
        return False
    return abs(a.base - b.base) <= Fraction(tolerance) * max(abs(a.base), abs(b.base))


class _Taken:
    """Looks up, in ascending order, which time covers a number."""

    def __init__(self, times: Sequence[TimeSpan]) -> None:
        self._times = times
        self._starts = [span.start for span in times]

    def over(self, start: int, end: int) -> TimeSpan | None:
        index = bisect_right(self._starts, end - 1) - 1
        if index >= 0 and self._times[index].end > start:
            return self._times[index]
        return None


def _disjoint(found: list[Quantity]) -> list[Quantity]:
    kept: list[Quantity] = []
    for quantity in found:
        if kept and quantity.start < kept[-1].end:
            continue
        kept.append(quantity)
    return kept


def _quantity(text: str, number: NumberSpan) -> Quantity:
    start, end = number.start, number.end
    value = Fraction(number.value)
    written: Number = number.value
    if _ORDINAL_ZH.search(text, max(0, start - 2), start):
        begin = text.rfind("第", 0, start)
        return _made(text, begin, end, number, written, "", "ordinal", value, "exact")
    sign = None
    if start and text[start - 1] in " $＄€£¥￥₹₩₽BYDRPK":
        sign = _SIGNS.search(text, max(0, start - 5), start)
    if number.text[-1] in "%％‰" or _PART.search(number.text):
        base = _fraction(number.value)
        symbol = "‰" if number.text[-1] == "‰" else "%" if _RATE.search(number.text) else ""
        scaled = base * {"%": 100, "‰": 1000, "": 1}[symbol]
        return Quantity(
            start, end, text[start:end], number,
            scaled.numerator if scaled.denominator == 1 else float(scaled),
            symbol, "ratio", base, _bound(text, start, end),
        )  # fmt: skip
    unit: Unit | None
    glue = _GLUE.match(text, end)
    after = glue.end() if glue else end
    if sign is not None:
        unit = currency(sign[0].strip())
        begin, stop = sign.start(), end
    else:
        begin, stop, unit = start, end, None
        named = match_unit(text, after) or (match_unit(text, end) if after > end else None)
        if named is not None and not _is_word(text, end, after, named):
            stop, unit = named
    if unit is not None:
        if unit.dimension == "mass" and unit.symbol == "lb" and text[max(0, start - 1)] == "£":
            unit = currency("£")
        return _made(
            text, begin, stop, number, written, unit.symbol, unit.dimension,
            value * unit.factor, _bound(text, begin, stop),
        )  # fmt: skip
    measure = _MEASURE.match(text, end)
    symbol, stop = (measure["unit"], measure.end()) if measure else ("", end)
    return _made(
        text, start, stop, number, written, symbol, "count", value, _bound(text, start, stop)
    )


def _is_word(text: str, end: int, after: int, named: tuple[int, Unit]) -> bool:
    """Whether a one-letter symbol is a word of its own: 3 A, 5 K, "in" after a number."""
    stop, _ = named
    name = text[after:stop]
    if name in ("A", "V", "N", "K", "J", "W", "B", "t", "p", "L") and text[end:after] == "-":
        return True
    if name in ("A", "in") or (name in ("N", "K", "J", "V") and after > end):
        return after > end or name == "in"
    return False


def _made(
    text: str,
    start: int,
    end: int,
    number: NumberSpan,
    value: Number,
    unit: str,
    dimension: str,
    base: Fraction,
    bound: Bound,
) -> Quantity:
    # 三分之一 and 0.1 km: floats carry their shortest decimal, not their binary digits.
    if isinstance(value, float):
        factor = base / Fraction(value) if value else Fraction(1)
        base = Fraction(repr(value)) * factor
    return Quantity(start, end, text[start:end], number, value, unit, dimension, base, bound)


def _duration(text: str, span: TimeSpan) -> Quantity:
    seconds = float(span.value)
    number = NumberSpan(span.start, span.end, seconds, span.text)
    return Quantity(
        span.start, span.end, span.text, number, seconds, "s", "time",
        Fraction(repr(seconds)), _bound(text, span.start, span.end),
    )  # fmt: skip


def _ordinals(text: str) -> Iterator[Quantity]:
    for token in _TOKEN.finditer(text):
        word = token[0]
        value = ORDINALS.get(word.lower())
        if value is None and word[0] <= "9" and (nth := _NTH.fullmatch(word)):
            value = int(nth[1])
        start, end = token.span()
        if value is None or text[start - 1 : start] in _INSIDE or text[end : end + 1] == "-":
            continue
        number = NumberSpan(start, end, value, word)
        yield Quantity(start, end, word, number, value, "", "ordinal", Fraction(value))


def _bound(text: str, start: int, end: int) -> Bound:
    for match in (
        _BOUNDS.search(text, max(0, start - 16), start),
        _AFTER.match(text, end),
    ):
        if match is not None:
            if match["over"]:
                return "over"
            return "under" if match["under"] else "about"
    return "exact"


def _with_range_units(text: str, found: list[Quantity]) -> list[Quantity]:
    """3-5 km, 10 to 20 %, 3到5公里: the first number has the unit of the second."""
    for index in range(len(found) - 2, -1, -1):
        first, second = found[index], found[index + 1]
        if (
            first.dimension != "count"
            or first.unit
            or second.dimension in ("count", "ordinal", "time")
            or second.start - first.end > 5
        ):
            continue
        joint = _RANGE.fullmatch(text, first.end, second.start)
        if joint is None or (
            joint[0].strip() == "and"
            and not _BEFORE_AND.search(text, max(0, first.start - 8), first.start)
        ):
            continue
        if not second.value:
            continue
        base = first.base * second.base / _fraction(second.value)
        found[index] = replace(first, unit=second.unit, dimension=second.dimension, base=base)
    return found


def _fraction(value: Number) -> Fraction:
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
