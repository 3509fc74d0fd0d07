"""Dates, clock times, durations and their ranges in Chinese and English texts, with exact offsets.

Absolute expressions only: what depends on when it was written (昨天, last week) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, cast

from vcplab.text._times import CONNECTOR, SECONDS, Found, Rule, seconds_text
from vcplab.text._times_en import EN_RULES, english_candidates
from vcplab.text._times_zh import ZH_RULES, chinese_candidates

__all__ = ["TimeKind", "TimeSpan", "find_times", "supports_time", "times_conflict"]

TimeKind = Literal["date", "duration", "time", "range"]

_WIDE: Final = {ord(wide): chr(ord(wide) - 0xFEE0) for wide in "０１２３４５６７８９．：／－"}
_ANY_WIDE = re.compile("[．：／－０-９]")
_HAN = re.compile("[\u4e00-\u9fff〇]")
_LATIN = re.compile("[A-Za-z0-9]")
_JOINT: Final = re.compile(rf"{CONNECTOR}(?:the[ ])?|(?P<and>[ ]and[ ](?:the[ ])?|[和与])")
_AND: Final = re.compile("(?:, |,? and | ?[零又] ?| )?")
_HAN_NUMERALS: Final = frozenset("零〇一二两三四五六七八九十百千半")
_BETWEEN: Final = re.compile(r"(?:between|from|介于|在)[ ]?(?:the[ ])?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A time in a text.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        text: The characters, ``original[start:end]``.
        kind: ``date``, ``duration``, ``time`` (of the day) or ``range`` (of any of them).
        value: For a date ISO 8601 as far as it is known: ``2023-05-03``, ``2023-05``, ``2023``,
            ``--05-03`` and ``---03`` without year or month, ``2023-Q2``, ``2023-H1``, ``2023-21``
            to ``-24`` for spring to winter, ``199X``, ``19XX``, ``-0220`` for 221 BC, and
            ``XXXX-WXX-2`` for a Tuesday.  For a time ``T09:30``.  For a duration its seconds (a
            year is 365.25 days, a month a twelfth of it).  For a range both ends, ``a/b``.
        precision: The smallest unit that is said: ``second`` to ``century``, ``weekday``,
            ``season``, ``quarter``, ``half``.
        ambiguous: Whether a time of the day does not say which half of the day is meant.
    """

    start: int
    end: int
    text: str
    kind: TimeKind
    value: str | float
    precision: str
    ambiguous: bool = False


def find_times(text: str, *, now: date | None = None) -> list[TimeSpan]:
    """The absolute dates, times of the day, durations and ranges of a text, in order.

    A date that does not exist (30 February) is given as it was written: whether it exists is for
    the reader to check.  ``03/05/2023`` is read with the month first, ``03.05.2023`` and days
    above 12 with the day first.

    Args:
        text: Any string.
        now: If given, dates without a year get its year, and days without a month its month.

    Returns:
        The times; spans do not overlap.
    """
    plain = text.translate(_WIDE) if _ANY_WIDE.search(text) else text
    candidates: list[tuple[int, int, int, Found]] = []
    if _HAN.search(plain):
        candidates += _read(plain, ZH_RULES, chinese_candidates(plain), 0)
    if _LATIN.search(plain):
        candidates += _read(plain, EN_RULES, english_candidates(plain), len(ZH_RULES))
    candidates.sort(key=lambda candidate: candidate[:3])
    chosen: list[Found] = []
    for *_, found in candidates:
        if chosen and found.start < chosen[-1].end:
            # The longer of two that overlap; at equal length the first.
            last = chosen[-1]
            if found.end - found.start <= last.end - last.start or not last.kind:
                continue
            if len(chosen) > 1 and found.start < chosen[-2].end:
                continue
            chosen.pop()
        chosen.append(found)
    return [_span(text, found, now) for found in _joined(plain, chosen) if found.kind]


def supports_time(evidence: TimeSpan, claim: TimeSpan) -> bool:
    """Whether everything that one time says follows from another.

    ``2023-05-03`` supports ``2023``, ``2023-05``, ``--05-03``, ``2023-Q2``, ``202X`` and its
    weekday, not the other way round.  The ends of a range support themselves.  Durations are
    equal, with 3.5 % of play between months or years and exact units (a month and 30 days).
    Times of the day are equal, up to 12 hours where one does not say which half is meant.

    Args:
        evidence: The time of the source.
        claim: The time to be supported.
    """
    if claim.kind == "range":
        if evidence.kind != "range":
            return False
        return all(
            _supports(left, right, evidence, claim)
            for left, right in zip(
                str(evidence.value).split("/"), str(claim.value).split("/"), strict=True
            )
        )
    if evidence.kind == "range":
        return any(
            _supports(end, str(claim.value), evidence, claim)
            for end in str(evidence.value).split("/")
        )
    if evidence.kind != claim.kind:
        return False
    return _supports(str(evidence.value), str(claim.value), evidence, claim)


def times_conflict(a: TimeSpan, b: TimeSpan) -> bool:
    """Whether two times say different things of what both say.

    ``2023-05`` and ``2023-06`` do, ``2023`` and ``--05`` do not; times of different kinds never
    do.  Two times that conflict may still both be true, of different events.

    Args:
        a: A time.
        b: Another.
    """
    if a.kind != b.kind:
        return False
    if a.kind == "date":
        left, right = _fields(str(a.value)), _fields(str(b.value))
        return any(left[name] != right[name] for name in left.keys() & right.keys())
    return not (supports_time(a, b) or supports_time(b, a))


def _read(
    plain: str, rules: Sequence[Rule], places: Iterable[tuple[int, int]], order: int
) -> Iterator[tuple[int, int, int, Found]]:
    for at, number in places:
        pattern, read = rules[number]
        match = pattern.match(plain, at)
        if match is not None and (found := read(match)) is not None and found.end > found.start:
            yield found.start, -found.end, order + number, found


# -- joining ranges -----------------------------------------------------------------------------


def _joined(plain: str, chosen: list[Found]) -> list[Found]:
    """Two times with a dash or "to" between them become one range."""
    joined: list[Found] = []
    for found in chosen:
        last = joined[-1] if joined else None
        if last is not None and found.kind == "duration" and _continues(plain, last, found):
            sum_ = cast(float, last.value) + cast(float, found.value)
            joined[-1] = Found(last.start, found.end, "duration", sum_, found.precision)
            continue
        if (
            last is not None
            and last.kind == found.kind
            and found.kind in ("date", "time", "duration")
            and found.start - last.end <= 10
            and (joint := _JOINT.fullmatch(plain, last.end, found.start))
        ):
            before = plain[max(0, last.start - 12) : last.start]
            if not joint["and"] or _BETWEEN.search(before):
                merged = _range(last, found)
                if merged is not None:
                    joined[-1] = merged
                    continue
        joined.append(found)
    return joined


def _continues(plain: str, last: Found, found: Found) -> bool:
    """Whether the second of two durations goes on with the first: 2 hours and 30 minutes."""
    return (
        last.kind == "duration"
        and found.start - last.end <= 6
        and SECONDS[found.precision] < SECONDS[last.precision]
        and cast(float, found.value) < SECONDS[last.precision]
        and _AND.fullmatch(plain, last.end, found.start) is not None
        and cast(float, last.value) % SECONDS[last.precision] == 0
        and not (plain[found.start] in "aAhH" and found.start > last.end)
        # 三天 两小时 are two, 3 天 2 小时 is one.
        and (found.start == last.end or plain[found.start] not in _HAN_NUMERALS)
    )


def _range(first: Found, last: Found) -> Found | None:
    a, b = first.value, last.value
    if first.kind == "duration":
        if cast(float, a) >= cast(float, b):
            return None
        value = f"{seconds_text(cast(float, a))}/{seconds_text(cast(float, b))}"
    else:
        left, right = str(a), str(b)
        if first.kind == "date":
            if (first.precision == "weekday") != (last.precision == "weekday"):
                return None
            left, right = _completed(left, right), _completed(right, left)
        elif first.kind == "time" and last.ambiguous and not first.ambiguous:
            # 下午2点到4点: the half of the day is said once.
            hour = int(right[1:3])
            if hour < int(left[1:3]) and hour + 12 < 24:
                right = f"T{hour + 12:02d}{right[3:]}"
        value = f"{left}/{right}"
    ambiguous = first.ambiguous and last.ambiguous
    return Found(first.start, last.end, "range", value, last.precision, ambiguous)


def _completed(value: str, other: str) -> str:
    """A date with the year and month that only the other end of its range says."""
    if value.startswith("---"):
        month = re.match(r"(?:--|[0-9]{4}-)[0-9]{2}(?=-)", other)
        return f"{month[0]}-{value[3:]}" if month else value
    year = re.match("[0-9]{4}(?=-|$)", other)
    if value.startswith("--") and year:
        return f"{year[0]}-{value[2:]}"
    if value.startswith("XXXX-") and "W" not in value and year:
        return year[0] + value[4:]
    return value


def _span(text: str, found: Found, now: date | None) -> TimeSpan:
    value = found.value
    if now is not None and isinstance(value, str) and found.kind in ("date", "range"):
        today = now.isoformat()[:10]
        value = "/".join(_completed(end, today) for end in value.split("/"))
    return TimeSpan(
        found.start,
        found.end,
        text[found.start : found.end],
        cast(TimeKind, found.kind),
        value,
        found.precision,
        found.ambiguous,
    )


# -- comparing ----------------------------------------------------------------------------------

_CALENDAR = frozenset(("century", "decade", "year", "quarter", "month"))
_DATE = re.compile(r"(?P<year>-?[0-9X]{4})?(?:-(?P<rest>.+))?", re.DOTALL)


def _fields(value: str) -> dict[str, str]:
    """What a date says, one entry for each thing that can be compared."""
    fields: dict[str, str] = {}
    if value.startswith("---"):
        return {"day": value[3:]}
    if value.startswith("--"):
        year, rest = "", value[2:]
    else:
        match = _DATE.fullmatch(value)
        if match is None or not match["year"]:
            return fields
        year, rest = match["year"], match["rest"] or ""
    if year and year != "XXXX":
        known = year.rstrip("X")
        fields["century"] = known[:-2] if len(known.lstrip("-")) == 4 else known[: len(year) - 2]
        if len(year) - len(known) <= 1:
            fields["decade"] = known[: len(year) - 1]
        if known == year:
            fields["year"] = year
    if rest.startswith("W"):
        fields["weekday"] = rest[-1]
    elif rest.startswith("Q"):
        fields["quarter"] = rest[1:]
        fields["half"] = "1" if rest[1:] in "12" else "2"
    elif rest.startswith("H"):
        fields["half"] = rest[1:]
    elif rest[:2] in ("21", "22", "23", "24") and len(rest) == 2:
        fields["season"] = rest
    elif rest:
        month, _, day = rest.partition("-")
        fields["month"] = month
        fields["quarter"] = str((int(month) + 2) // 3)
        fields["half"] = "1" if int(month) <= 6 else "2"
        if day:
            fields["day"] = day
            if "year" in fields:
                with suppress(ValueError):
                    fields["weekday"] = str(date.fromisoformat(value).isoweekday())
    return fields


def _supports(evidence: str, claim: str, whole: TimeSpan, asked: TimeSpan) -> bool:
    if evidence == claim:
        return True
    if claim.startswith("T") or evidence.startswith("T"):
        if not (claim.startswith("T") and evidence.startswith("T")):
            return False
        left, right = _minutes(evidence), _minutes(claim)
        half = whole.ambiguous or asked.ambiguous
        return left[0] % (720 if half else 1440) == right[0] % (720 if half else 1440) and (
            right[1] in ("", left[1])
        )
    if asked.kind == "duration" or (asked.kind == "range" and _is_seconds(claim)):
        if not (_is_seconds(evidence) and _is_seconds(claim)):
            return False
        a, b = float(evidence), float(claim)
        loose = (whole.precision in _CALENDAR) != (asked.precision in _CALENDAR)
        return abs(a - b) <= (0.035 if loose else 1e-9) * max(abs(a), abs(b))
    if asked.kind == "date" and whole.kind == "range" and _is_duration(whole):
        return False
    have, want = _fields(evidence), _fields(claim)
    return bool(want) and all(have.get(name) == value for name, value in want.items())


def _minutes(value: str) -> tuple[int, str]:
    hour, minute, *second = value[1:].split(":")
    return int(hour) * 60 + int(minute), second[0] if second else ""


def _is_duration(span: TimeSpan) -> bool:
    return _is_seconds(str(span.value).partition("/")[0]) and span.precision in (
        "second", "minute", "hour", "week",
    )  # fmt: skip


def _is_seconds(value: str) -> bool:
    return re.fullmatch(r"[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?", value) is not None
