"""Times of a text that contradict the calendar, each other, or the present."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple

from vcplab.grounding.detectors._dates import (
    UNIT_SECONDS,
    Relative,
    date_interval,
    duration_bounds,
    is_real_date,
    seconds_between,
)
from vcplab.grounding.detectors._sources import severity_of
from vcplab.protocol.grounding import Finding
from vcplab.text.numerals import parse_number
from vcplab.text.sentences import Span
from vcplab.text.time_expressions import TimeSpan

__all__ = ["ages_of", "check_calendar", "check_clock", "check_spans"]

# Set by judgement, not measured: the calendar is certain, what belongs together is not.
_P: Final = {
    "temporal.impossible": 0.95,
    "temporal.weekday": 0.9,
    "temporal.order": 0.85,
    "temporal.duration": 0.8,
    "temporal.age": 0.8,
    "temporal.relative": 0.8,
    "temporal.future": 0.7,
}

_ZH_DAYS: Final = "一二三四五六日"
_EN_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_BESIDE: Final = re.compile(r"[\s,，(（的]{0,3}(?:the\s)?")

_START: Final = re.compile(
    r"(?:从|自|由|自从|始于|起自|开始于|from|since|(?:began|begun|begins|started|starts|opened|"
    r"opens|left|departed)(?: \w+){0,3}?)\s*(?:the\s)?$",
    re.IGNORECASE,
)
_TO: Final = re.compile(
    r"(?:[（(][^（）()]{0,16}[）)])?[^。.;；]{0,24}?"
    r"(?:到|至|直到|直至|止于|结束于|\bto|\buntil|\btill|\bthrough|\b(?:and|,)? ?"
    r"(?:ended|ends|finished|closed|closes|arrived|returned)(?: \w+){0,3}?)\s*(?:the\s)?",
    re.IGNORECASE,
)
_START_AFTER: Final = re.compile(
    r"\s*(?:开始|起|开幕|启动|开工|动工|出发)[^。.;；]{0,12}?[，,、]?[^。.;；，,]{0,10}$"
)
_END_AFTER: Final = re.compile(r"\s*(?:结束|闭幕|完工|竣工|截止|停止|到达|返回|为止|止)")
_LASTED: Final = re.compile(
    r"(?:\b(?:for|lasted|lasting|lasts|took|takes|taking|total of|in all|altogether)\b"
    r"[^.;。；]{0,20}|"
    r"(?:共|历时|为期|持续|前后|用了|花了|长达|一共)[^。；，]{0,4})$",
    re.IGNORECASE,
)
_LASTED_AFTER: Final = re.compile(
    r"\s*(?:later|in (?:all|total)|altogether|long|的?时间|之久)", re.IGNORECASE
)

_BIRTH: Final = re.compile(
    r"(?:\bborn\b(?: \w+){0,4}?|\bb\.|生于|出生于|诞生于)\s*$", re.IGNORECASE
)
_BIRTH_AFTER: Final = re.compile(r"\s*(?:出生|诞生|生，|生于)")
_DEATH: Final = re.compile(
    r"(?:\b(?:died|dead|passed away|death|killed)\b(?: \w+){0,4}?|\bd\.|卒于|逝世于|去世于|死于)"
    r"\s*$",
    re.IGNORECASE,
)
_DEATH_AFTER: Final = re.compile(r"\s*(?:年?初|年?底|年?末)?(?:去世|逝世|病逝|病故|身亡|卒|死)")
_EN_NUMBERS: Final = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_AGE: Final = re.compile(
    rf"\b(?:aged|at the age of|at age|age)\s(?P<en>[0-9]{{1,3}}|(?:{'|'.join(_EN_NUMBERS)}))\b|"
    r"\b(?P<old>[0-9]{1,3})[- ]years?[- ]old\b|"
    r"(?P<nominal>享年|终年|年仅|时年|现年|今年)?(?P<zh>[0-9]{1,3}|[一二三四五六七八九十百零〇]{1,5})"
    r"[周]?岁",
    re.IGNORECASE,
)

_WILL: Final = re.compile(
    r"\b(?:will|would|shall|plans?|planned|planning|expects?|expected|projected|forecasts?|"
    r"scheduled|due|intends?|aims?|target(?:s|ed)?|going to|set to|until|by|may|might|could|"
    r"should|if|estimated?|predict(?:s|ed)?|upcoming|next|future|fiction\w*|novel)\b|"
    r"[将会拟要可]|计划|预计|预期|预测|有望|打算|目标|届时|未来|规划|安排|定于|如果|小说|截至|之前",
    re.IGNORECASE,
)
_PAST: Final = re.compile(
    r"\b(?:was|were|had|did|became|began|won|took|came|went|made|got|held|met|left|built|sold|"
    r"bought|rose|fell|led|lost|wrote|said|(?!need|indeed|feed|speed|seed|exceed|proceed|succeed|"
    r"red|bed|hundred|united)[a-z]{2,}ed)\b|"
    r"已经?|曾经?|了(?=[。，；！,.;\s]|[^解])|过(?=[。，；！])|(?:成立|建成|开业|去世|获得|当选)(?:于|$|[。，])",
    re.IGNORECASE,
)


class _Pair(NamedTuple):
    first: str
    last: str
    start: int
    end: int


def _finding(
    rule: str, start: int, end: int, reason: str, suggestion: str | None = None
) -> Finding:
    p = _P[rule]
    return Finding(start, end, p, rule, reason, "temporal", severity_of(p), (), suggestion)


def check_calendar(text: str, times: Sequence[TimeSpan]) -> Iterator[Finding]:
    """Dates that do not exist, and days of the week that a date does not fall on.

    Args:
        text: The text.
        times: Its times.
    """
    for time in times:
        ends = str(time.value).split("/") if time.kind in ("date", "range") else ()
        if not all(is_real_date(end) for end in ends):
            yield _finding(
                "temporal.impossible", time.start, time.end, f"There is no such day: “{time.text}”."
            )
    for one, other in pairwise(times):
        if not _BESIDE.fullmatch(text, one.end, other.start):
            continue
        day, on = (one, other) if one.precision == "weekday" else (other, one)
        if day.precision != "weekday" or day.kind != "date" or on.precision != "day":
            continue
        interval = date_interval(str(on.value)) if on.kind == "date" else None
        if interval is None or interval[0] != interval[1]:
            continue
        right = interval[0].isoweekday()
        if str(day.value)[-1] != str(right):
            yield _finding(
                "temporal.weekday", day.start, day.end,
                f"{interval[0].isoformat()} is a {_EN_DAYS[right - 1]}.",
                _weekday_like(day.text, right),
            )  # fmt: skip


def _weekday_like(text: str, day: int) -> str:
    """The name of a weekday in the form of another one's name."""
    if not text.isascii():
        return re.sub("[一二三四五六日天]$", _ZH_DAYS[day - 1], text)
    name = _EN_DAYS[day - 1]
    return name if len(text) > 5 else name[:3] + ("." if text.endswith(".") else "")


def check_spans(
    text: str, spans: Sequence[Span], times: Sequence[TimeSpan], today: date
) -> Iterator[Finding]:
    """Ends before starts, lengths that do not fit start and end, and ages that do not add up.

    Args:
        text: The text.
        spans: Its sentences.
        times: Its times.
        today: The present date.
    """
    for span in spans:
        within = [time for time in times if span.start <= time.start and time.end <= span.end]
        pairs = list(_pairs(text, span, within))
        for pair in pairs:
            gap = seconds_between(pair.first, pair.last)
            if gap is not None and gap[1] <= 0:
                yield _finding(
                    "temporal.order", pair.start, pair.end, "The end is before the start."
                )
        yield from _check_lengths(text, within, pairs)
        yield from _check_lives(text, span, within, today)


def _pairs(text: str, span: Span, times: Sequence[TimeSpan]) -> Iterator[_Pair]:
    """Starts with their ends in a sentence."""
    for time in times:
        if time.kind == "range" and "/" in str(time.value):
            first, last = str(time.value).split("/")
            yield _Pair(first, last, time.start, time.end)
    points = [time for time in times if time.kind in ("date", "time")]
    for at, one in enumerate(points):
        before = text[max(span.start, one.start - 30) : one.start]
        # A weekday in brackets may stand between the two.
        for other in points[at + 1 : at + 3]:
            if other.kind != one.kind or (other.precision == "weekday") != (
                one.precision == "weekday"
            ):
                continue
            between = text[one.end : other.start]
            joined = _START.search(before) and _TO.fullmatch(between)
            named = _START_AFTER.fullmatch(between) and _END_AFTER.match(text, other.end)
            if joined or named:
                yield _Pair(str(one.value), str(other.value), one.start, other.end)
            break


def _check_lengths(
    text: str, times: Sequence[TimeSpan], pairs: Sequence[_Pair]
) -> Iterator[Finding]:
    if len(pairs) != 1:
        return
    pair = pairs[0]
    gap = seconds_between(pair.first, pair.last)
    if gap is None or gap[1] <= 0:
        return
    for time in times:
        if time.kind != "duration" or pair.start <= time.start < pair.end:
            continue
        before = text[max(0, time.start - 30) : time.start]
        if not (_LASTED.search(before) or _LASTED_AFTER.match(text, time.end)):
            continue
        low, high = duration_bounds(time, text)
        spare = 0.0
        if pair.first.startswith("T"):
            # A clock without the half of the day may mean the other one.
            shifted = [gap[0], gap[0] + 43_200.0, gap[0] - 43_200.0]
            if any(low <= value <= high for value in shifted):
                continue
        else:
            spare = 0.5 * UNIT_SECONDS.get(time.precision, 0.0)
        if high < gap[0] - spare or low > gap[1] + spare:
            between = text[pair.start : pair.end]
            yield _finding(
                "temporal.duration", time.start, time.end,
                f"“{between}” is not as long as “{time.text}”.",
            )  # fmt: skip


def _check_lives(
    text: str, span: Span, times: Sequence[TimeSpan], today: date
) -> Iterator[Finding]:
    """Birth, death and age of the one person of a sentence."""
    born = [time for time in times if _is_cued(text, span, time, _BIRTH, _BIRTH_AFTER)]
    died = [time for time in times if _is_cued(text, span, time, _DEATH, _DEATH_AFTER)]
    if len(born) != 1 or len(died) > 1:
        return
    birth = date_interval(str(born[0].value))
    death = date_interval(str(died[0].value)) if died else None
    if birth is None:
        return
    if death is not None and death[1] < birth[0]:
        yield _finding(
            "temporal.order", died[0].start, died[0].end, "Nobody dies before being born."
        )
        return
    ages = list(_AGE.finditer(text, span.start, span.end))
    if len(ages) != 1:
        return
    said = _age(ages[0])
    present = ages[0]["nominal"] in ("现年", "今年") or re.search(
        r"\b(?:is|now|today)\b[^.]{0,12}$", text[span.start : ages[0].start()]
    )
    end = (today, today) if death is None and present else death
    if said is None or end is None:
        return
    low, high = end[0].year - birth[1].year - 1, end[1].year - birth[0].year
    # 虚岁 counts the year of birth and may count one more.
    if not low <= said <= high + (2 if ages[0]["zh"] else 0):
        yield _finding(
            "temporal.age", ages[0].start(), ages[0].end(),
            f"From {birth[0].year} to {end[0].year} it is {high} years at most.",
        )  # fmt: skip


def _is_cued(
    text: str, span: Span, time: TimeSpan, before: re.Pattern[str], after: re.Pattern[str]
) -> bool:
    if time.kind != "date":
        return False
    return bool(
        before.search(text[max(span.start, time.start - 40) : time.start])
        or after.match(text, time.end)
    )


def ages_of(text: str) -> list[int]:
    """The ages that a text tells."""
    found = (_age(match) for match in _AGE.finditer(text))
    return [age for age in found if age is not None]


def _age(match: re.Match[str]) -> int | None:
    said = match["en"] or match["old"] or match["zh"]
    if said.lower() in _EN_NUMBERS:
        return 10 * (2 + _EN_NUMBERS.index(said.lower()))
    try:
        return int(parse_number(said))
    except ValueError:
        return None


def check_clock(
    text: str,
    spans: Sequence[Span],
    times: Sequence[TimeSpan],
    relative: Sequence[Relative],
    today: date,
) -> Iterator[Finding]:
    """What is told as past but lies ahead, and 昨天 beside a date that was not yesterday.

    Args:
        text: The text.
        spans: Its sentences.
        times: Its absolute times.
        relative: Its relative times.
        today: The present date.
    """
    for time in times:
        interval = date_interval(str(time.value)) if time.kind == "date" else None
        if interval is None:
            continue
        if interval[0] > today:
            clause = _clause(text, spans, time)
            if _PAST.search(clause) and not _WILL.search(clause):
                yield _finding(
                    "temporal.future", time.start, time.end,
                    f"“{time.text}” is told as past, but today is {today.isoformat()}.",
                )  # fmt: skip
        for one in relative:
            low, high = min(one.start, time.start), max(one.end, time.end)
            inner = text[min(one.end, time.end) : max(one.start, time.start)]
            if high - low > len(one.text) + len(time.text) + 6:
                continue
            if not re.fullmatch(r"[\s,，(（:：]*(?:即|也就是|on|in)?[\s(（]*", inner):
                continue
            if interval[1] < one.interval[0] or interval[0] > one.interval[1]:
                yield _finding(
                    "temporal.relative", time.start, time.end,
                    f"Seen from {today.isoformat()}, “{one.text}” is not “{time.text}”.",
                )  # fmt: skip


def _clause(text: str, spans: Sequence[Span], time: TimeSpan) -> str:
    for span in spans:
        if span.start <= time.start < span.end:
            return text[span.start : span.end]
    return text
