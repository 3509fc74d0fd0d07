"""Arithmetic on times of texts, and times that depend on when they were said (昨天, last week)."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from vcplab.text.numerals import parse_number
from vcplab.text.time_expressions import TimeSpan

__all__ = [
    "UNIT_SECONDS",
    "Relative",
    "date_interval",
    "duration_bounds",
    "find_relative_times",
    "is_real_date",
    "lies_apart",
    "minutes_of",
    "seconds_between",
]

UNIT_SECONDS: Final = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
    "week": 604_800.0,
    "month": 2_629_800.0,
    "quarter": 7_889_400.0,
    "half": 15_778_800.0,
    "year": 31_557_600.0,
    "decade": 315_576_000.0,
    "century": 3_155_760_000.0,
}
"""Length of the units of durations; a year is 365.25 days, as in `find_times`."""

_ISO = re.compile(r"(?P<y>[0-9]{4})(?:-(?P<m>0[1-9]|1[0-2])(?:-(?P<d>[0-9]{2}))?)?")
_PART = re.compile(r"(?P<y>[0-9]{4})-(?P<kind>[QH])(?P<n>[1-4])")
_DECADE = re.compile(r"(?P<y>[0-9]{3})X")
_DAY = re.compile(r"(?:(?P<y>[0-9]{4})|-)-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})")


def is_real_date(value: str) -> bool:
    """Whether a date exists; one without a year exists if it does in a leap year."""
    match = _DAY.fullmatch(value)
    if match is None:
        return True
    year, month, day = int(match["y"] or 2000), int(match["m"]), int(match["d"])
    if not 1 <= year <= 9999:
        return True
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]


def date_interval(value: str) -> tuple[date, date] | None:
    """First and last day of a date with a year; None for any other, or one that does not exist."""
    if part := _PART.fullmatch(value):
        size = 3 if part["kind"] == "Q" else 6
        first = size * (int(part["n"]) - 1) + 1
        return None if first > 12 else _months(int(part["y"]), first, size)
    if decade := _DECADE.fullmatch(value):
        year = int(decade["y"]) * 10
        return (date(year, 1, 1), date(year + 9, 12, 31)) if year else None
    match = _ISO.fullmatch(value)
    if match is None or match["y"] == "0000" or not is_real_date(value):
        return None
    year = int(match["y"])
    if match["m"] is None:
        return date(year, 1, 1), date(year, 12, 31)
    if match["d"] is None:
        return _months(year, int(match["m"]), 1)
    day = date(year, int(match["m"]), int(match["d"]))
    return day, day


def _months(year: int, first: int, size: int) -> tuple[date, date]:
    last = first + size - 1
    return date(year, first, 1), date(year, last, calendar.monthrange(year, last)[1])


def minutes_of(value: str) -> float | None:
    """Minutes since midnight of ``T09:30``; None for anything else."""
    match = re.fullmatch(r"T([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?", value)
    if match is None:
        return None
    return int(match[1]) * 60 + int(match[2]) + int(match[3] or 0) / 60


def seconds_between(start: str, end: str) -> tuple[float, float] | None:
    """The least and the most seconds from one date or time of the day to another.

    Days count with and without the first one; a time of the day that is not later is on the next
    day.

    Args:
        start: The value of a `TimeSpan` that is a date or a time.
        end: Another of the same kind.

    Returns:
        None where they cannot be compared.
    """
    clock = minutes_of(start), minutes_of(end)
    if clock[0] is not None and clock[1] is not None:
        between = (clock[1] - clock[0]) % 1440 * 60
        return between, between
    first, last = _with_year(start, end), _with_year(end, start)
    if first is None or last is None:
        return None
    least = (last[0] - first[1]).days
    most = (last[1] - first[0]).days + 1
    return least * 86_400.0, most * 86_400.0


def lies_apart(start: str, end: str, seconds: float, *, ambiguous: bool = False) -> bool:
    """Whether one date or time of the day lies a duration before or after another.

    Args:
        start: The value of a `TimeSpan` that is a date or a time.
        end: Another of the same kind.
        seconds: The duration.
        ambiguous: Whether the half of the day is not said.
    """
    clock = minutes_of(start), minutes_of(end)
    if clock[0] is not None and clock[1] is not None:
        minutes = seconds / 60
        if minutes >= 1440:
            return False
        whole = 720 if ambiguous else 1440
        return any(
            min(off % whole, -off % whole) < 1
            for off in (clock[1] - clock[0] - minutes, clock[1] - clock[0] + minutes)
        )
    for first, last in ((start, end), (end, start)):
        one, other = _with_year(first, last), _with_year(last, first)
        if one is None or other is None or one[0] >= other[0]:
            continue
        # Years and months are of unequal length; the first day may be counted in.
        whole_days = (other[0] - one[0]).days
        days = seconds / 86_400
        play = 1.0 if days < 28 else 0.1 * days if days < 330 else 2.0
        if abs(whole_days - days) <= play:
            return True
    return False


def _with_year(value: str, other: str) -> tuple[date, date] | None:
    # Two days without a year are of the same one; which one matters for a day in February only.
    if value.startswith("--") and not value.startswith("---"):
        year = other[:4] if re.match("[0-9]{4}", other) else "2001"
        value = f"{year}-{value[2:]}"
    return date_interval(value)


def duration_bounds(span: TimeSpan, text: str) -> tuple[float, float]:
    """The least and the most seconds that a duration may stand for.

    Half a unit of play, more after a word such as 大约 or about, one-sided after 超过 or at least.

    Args:
        span: The duration.
        text: The text it stands in.
    """
    seconds = float(span.value)
    play = 0.5 * UNIT_SECONDS.get(span.precision, 1.0)
    if span.precision in ("second", "minute", "hour"):
        play = min(play, 0.1 * seconds) if seconds else play
    around = text[max(0, span.start - 14) : span.start].lower(), text[span.end : span.end + 6]
    if _ABOUT.search(around[0]) or _ABOUT_AFTER.match(around[1]):
        play = max(play, 0.25 * seconds)
    low, high = seconds - play, seconds + play
    if _OVER.search(around[0]) or _OVER_AFTER.match(around[1]):
        high = max(high, seconds + max(UNIT_SECONDS.get(span.precision, 1.0), 0.5 * seconds))
    if _UNDER.search(around[0]):
        low = min(low, 0.5 * seconds)
    return low, high


_ABOUT: Final = re.compile(
    r"(?:about|around|roughly|approximately|some|nearly|almost|大约|大概|约|近|将近|前后)\s*$"
)
_ABOUT_AFTER: Final = re.compile(r"左右|上下|前后|来|\s?or so")
_OVER: Final = re.compile(r"(?:over|more than|at least|超过|逾|至少|不止)\s*$")
_OVER_AFTER: Final = re.compile(r"多|余|以上|有余")
_UNDER: Final = re.compile(
    r"(?:under|less than|at most|within|up to|nearly|almost|不到|不足|至多|最多|近|将近)\s*$"
)


@dataclass(frozen=True, slots=True)
class Relative:
    """A time that depends on when it was said.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        text: The characters.
        key: What it says, however it is said: ``day-1``, ``week+1``, ``month+0``.
        interval: The first and the last day that are meant, loosely for longer distances.
    """

    start: int
    end: int
    text: str
    key: str
    interval: tuple[date, date]

    @property
    def unit(self) -> str:
        """``day``, ``week``, ``month`` or ``year``."""
        return re.split("[+-]", self.key)[0]


_FIXED: Final = {
    "day": {
        -3: "大前天", -2: "前天|前日|the day before yesterday",
        -1: "昨天|昨日|昨晚|昨夜|yesterday|last night", 0: "今天|今日|今晚|今早|today|tonight",
        1: "明天|明日|明晚|tomorrow", 2: "后天|the day after tomorrow", 3: "大后天",
    },
    "week": {
        -1: "上周|上星期|上个星期|上礼拜|last week", 0: "本周|这周|这个星期|this week",
        1: "下周|下星期|下个星期|下礼拜|next week",
    },
    "month": {
        -1: "上个月|上月|last month", 0: "本月|这个月|this month",
        1: "下个月|下月|next month",
    },
    "year": {
        -2: "前年", -1: "去年|last year", 0: "今年|本年|this year",
        1: "明年|next year", 2: "后年",
    },
}  # fmt: skip
_KEYS: Final = {
    phrase: (unit, number)
    for unit, rows in _FIXED.items()
    for number, phrases in rows.items()
    for phrase in phrases.split("|")
}
_UNITS: Final = {"天": "day", "日": "day", "周": "week", "星期": "week", "个星期": "week"}
_UNITS_MORE: Final = {"个月": "month", "年": "year"}
_WORDS: Final = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]  # spelt-out counts of days and weeks seldom go further
_PHRASES = "|".join(
    rf"\b{re.escape(phrase)}\b" if phrase.isascii() else re.escape(phrase)
    for phrase in sorted(_KEYS, key=len, reverse=True)
)
_RELATIVE: Final = re.compile(
    rf"(?P<fixed>(?<![以目])(?:{_PHRASES}))(?!度)|"
    r"(?P<zh_n>[0-9]{1,4}|[一二两三四五六七八九十]{1,3})[ ]?(?P<zh_unit>天|日|周|个?星期|个月|年)"
    r"(?P<zh_way>[之以]?[前后])(?!者)|"
    rf"\b(?P<en_n>an?|[0-9]{{1,4}}|{'|'.join(_WORDS)})[ ](?P<en_unit>day|week|month|year)s?"
    r"[ ]ago\b|"
    rf"\bin[ ](?P<in_n>an?|[0-9]{{1,4}}|{'|'.join(_WORDS)})[ ](?P<in_unit>day|week|month|year)s?"
    r"(?='s)?[ ]time\b",
    re.IGNORECASE,
)


def find_relative_times(text: str, today: date) -> list[Relative]:
    """The times of a text that depend on when it was said.

    Args:
        text: Any string.
        today: When it was said.
    """
    return list(_relative(text, today))


def _relative(text: str, today: date) -> Iterator[Relative]:
    for match in _RELATIVE.finditer(text):
        if match["fixed"]:
            unit, number = _KEYS[match["fixed"].lower()]
        elif match["zh_n"]:
            unit = {**_UNITS, **_UNITS_MORE}[match["zh_unit"]]
            number = int(parse_number(match["zh_n"]))
            # 会议三天后结束 counts from something else; only what lies before is "ago".
            if match["zh_way"][-1] == "后":
                continue
            number = -number
        else:
            word = (match["en_n"] or match["in_n"]).lower()
            number = (
                int(word) if word.isdigit() else 1 + (_WORDS.index(word) if word in _WORDS else 0)
            )
            unit = (match["en_unit"] or match["in_unit"]).lower()
            number = -number if match["en_n"] else number
        interval = _shifted(today, unit, number)
        if interval is not None and not match["fixed"]:
            interval = _loosened(interval, unit)
        if interval is not None:
            yield Relative(match.start(), match.end(), match[0], f"{unit}{number:+d}", interval)


def _loosened(interval: tuple[date, date], unit: str) -> tuple[date, date]:
    # Whoever says "three months ago" has not counted days.
    play = timedelta(days={"day": 0, "week": 4, "month": 16, "year": 183}[unit])
    try:
        return interval[0] - play, interval[1] + play
    except OverflowError:
        return interval


def _shifted(today: date, unit: str, number: int) -> tuple[date, date] | None:
    try:
        if unit == "day":
            day = today + timedelta(days=number)
            return day, day
        if unit == "week":
            monday = today - timedelta(days=today.weekday()) + timedelta(weeks=number)
            # Weeks begin on Sunday for some.
            return monday - timedelta(days=1), monday + timedelta(days=6)
        if unit == "month":
            month = today.year * 12 + today.month - 1 + number
            return _months(month // 12, month % 12 + 1, 1)
        return date(today.year + number, 1, 1), date(today.year + number, 12, 31)
    except (ValueError, OverflowError):
        return None
