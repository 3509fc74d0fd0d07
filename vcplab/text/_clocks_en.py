"""English times of the day and durations. Private: see `vcplab.text.time_expressions`."""

from __future__ import annotations

import re
from typing import Final

from vcplab.text._times import CONNECTOR, SECONDS, Found, clock, seconds_text
from vcplab.text.english_numbers import english_value

__all__ = ["CLOCK", "DURATION", "HOURS", "SMALL", "read_clock", "read_duration"]

_HALF_DAY = (
    r"[ap]\.m\.|[AP]\.M\.|[ap]m\b|[AP]M\b|in[ ]the[ ](?:morning|afternoon|evening)|at[ ]night|"
    r"o['’]?clock[ ]in[ ]the[ ](?:morning|afternoon|evening)|o['’]clock[ ]at[ ]night"
)
HOURS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
CLOCK: Final = re.compile(
    rf"""(?<![0-9.:,/$€£A-Za-z])(?:
      (?P<hour>[01]?[0-9]|
      2[0-4]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9])(?:\.[0-9]{{1,9}})?)?
        (?:[ ]?(?P<half>{_HALF_DAY}))?
    | (?<!-)(?:(?P<from>[01]?[0-9](?::[0-5][0-9])?|{HOURS}){CONNECTOR})?
      (?P<hour2>[01]?[0-9]|{HOURS})(?:\.(?P<minute2>[0-5][0-9]))?[ ]?(?P<half2>[ap]\.m\.|[AP]\.M\.|
      [ap]m\b|[AP]M\b|
        (?<=[ ])(?:in[ ]the[ ](?:morning|afternoon|evening)|at[ ]night)|
        o['’]?[ ]?clock(?:[ ](?:in[ ]the[ ]
        (?:morning|afternoon|evening)|at[ ]night))?)
    | (?<!-)(?P<past>half|quarter|(?:five|ten|twenty|twenty-five)(?:[ ]minutes)?)[ ](?P<way>past|
    to|after)[ ]
      (?P<hour3>{HOURS})\b(?![ ](?:[a-z]+s\b|percent|hundred|thousand|million))
      (?:[ ](?P<half3>{_HALF_DAY}))?
    | (?P<name>noon|midday|midnight)\b
    )(?![0-9]|:[0-9])""",
    re.VERBOSE | re.IGNORECASE,
)
_UNITS: Final = {
    "centur": "century", "decade": "decade", "year": "year", "yr": "year", "month": "month",
    "mo": "month", "fortnight": "fortnight", "week": "week", "wk": "week", "day": "day",
    "hour": "hour", "hr": "hour", "h": "hour", "minute": "minute", "min": "minute",
    "second": "second", "sec": "second", "s": "second", "ms": "ms", "millisecond": "ms",
    "microsecond": "us", "µs": "us", "μs": "us", "us": "us", "nanosecond": "ns", "ns": "ns",
    "workday": "day",
}  # fmt: skip
_COARSE: Final = {"fortnight": "week", "ms": "second", "us": "second", "ns": "second"}
_FACTORS: Final = {**SECONDS, "fortnight": 1_209_600, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_UNIT = (
    r"centur(?:y|ies)|decades?|years?|yrs?\b\.?|months?|mos?\b\.|fortnights?|weeks?|wks?\b|"
    r"workdays?|days?|hours?|hrs?\b\.?|"
    r"minutes?|mins?\b\.?|milliseconds?|microseconds?|nanoseconds?|seconds?|secs?\b\.?"
)
_SHORT = r"ms|[µμ]s|ns|h|s"
SMALL = (
    f"{HOURS}|zero|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|"
    "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    "(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"
)
_AMOUNT = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,9})(?:\.[0-9]{1,6})?"
    r"(?:[ -]and[ -]a[ -](?:half|quarter)|[ ](?:hundred|thousand|million|billion))?|"
    rf"(?:{SMALL})(?:[ -](?:and[ -]a[ -](?:half|quarter)|hundred(?:[ ]and[ ](?:{SMALL}))?|"
    rf"thousand|million|billion))?|"
    r"an?(?:[ ](?:hundred|thousand|million|billion|dozen))?|half[ -]an?|half|a[ ]half|"
    r"a[ ]quarter[ ]of[ ]an|"
    r"three[ ]quarters[ ]of[ ]an|a[ ]couple[ ]of"
)
DURATION: Final = re.compile(
    rf"""(?<![0-9.,:/$€£A-Za-z_-])(?:(?P<from>[0-9]{{1,6}}(?:\.[0-9]{{1,4}})?|
    (?:{SMALL})(?!(?<=ty)-))(?:{CONNECTOR}|[ ]or[ ]))?
    (?P<n>{_AMOUNT})(?:[ ]?-?(?:(?:business|working|calendar|full|whole|consecutive|straight|more|
    long|short|extra)[ ])?
    (?P<unit>{_UNIT})|(?<=[0-9])[ ]?(?P<short>{_SHORT}))(?![A-Za-z])
    (?P<plus>[ ]and[ ]a[ ](?:half|quarter)\b)?""",
    re.VERBOSE | re.IGNORECASE,
)
# Ages are quantities; "a day" after "per", "once" or a price is a rate.
_OLD_AFTER = re.compile(r"[ -]old\b|[ ]of[ ]age\b", re.IGNORECASE)
_FOR_A_SECOND = re.compile(r"\b(?:for|in|within|every|of)[ ]$", re.IGNORECASE)
_RATE_BEFORE = re.compile(
    r"\b(?:once|twice|times|per|one|what|such|many|half|not|quite|have|on|dollars|euros)[ ]$|"
    r"[0-9%][ ]$",
    re.IGNORECASE,
)


def _hour(text: str) -> tuple[int, int]:
    head, _, minute = text.partition(":")
    value = int(head) if head.isdigit() else int(english_value(head) or 0)
    return value, int(minute or 0)


def _shift(hour: int, half: str | None) -> int | None:
    if not half:
        return hour
    low = half.lower()
    if low.startswith("p") or "afternoon" in low or "evening" in low or "night" in low:
        if hour == 12:
            return 0 if "night" in low else 12
        if "night" in low and hour < 5:
            return hour
        return hour + 12 if hour < 12 else hour
    if low.startswith("a") or "morning" in low:
        return 0 if hour == 12 else hour
    return hour


def read_clock(match: re.Match[str]) -> Found | None:
    if match["name"]:
        value = "T00:00" if match["name"].lower() == "midnight" else "T12:00"
        return Found(*match.span(), "time", value, "hour")
    if match["past"]:
        hour, half = _hour(match["hour3"])[0], match["half3"]
        word = match["past"].lower().removesuffix(" minutes")
        minutes = {
            "half": 30,
            "quarter": 15,
            "five": 5,
            "ten": 10,
            "twenty": 20,
            "twenty-five": 25,
        }[word]
        if match["way"].lower() == "to":
            if word == "half":
                return None
            hour, minutes = hour - 1, 60 - minutes
        shifted = _shift(hour, half)
        value_ = clock(shifted % 24 if shifted is not None else hour, minutes)
        return None if value_ is None else Found(*match.span(), "time", value_, "minute", not half)
    half = match["half"] or match["half2"]
    hour = int(match["hour"]) if match["hour"] else _hour(match["hour2"])[0]
    minute = int(match["minute"] or match["minute2"] or 0)
    second = int(match["second"]) if match["second"] else None
    meridian = half if half and not re.fullmatch("o['’]?[ ]?clock", half, re.IGNORECASE) else None
    if meridian and hour > 12 and not match["hour"]:
        return None
    value2 = clock(
        _shift(hour, meridian and re.sub("^o['’]?[ ]?clock[ ]", "", meridian, flags=re.IGNORECASE))
        or 0,
        minute,
        second,
    )
    if value2 is None:
        return None
    ambiguous = meridian is None and 1 <= hour <= 12 and not (match["hour"] or "").startswith("0")
    precision = (
        "second" if match["second"] else "minute" if match["minute"] or match["minute2"] else "hour"
    )
    if match["from"] and meridian:
        first_hour, first_minute = _hour(match["from"])
        shifted = _shift(first_hour, meridian) or 0
        if shifted > (_shift(hour, meridian) or 0):
            shifted = first_hour  # 11 to 1 pm
        first = clock(shifted, first_minute)
        return (
            None if first is None else Found(*match.span(), "range", f"{first}/{value2}", precision)
        )
    if match["from"]:
        return Found(match.start("hour2"), match.end(), "time", value2, precision, ambiguous)
    return Found(*match.span(), "time", value2, precision, ambiguous)


def _amount(text: str) -> float | None:
    low = " ".join(text.lower().split())
    fixed = {
        "a": 1.0, "an": 1.0, "half": 0.5, "a half": 0.5, "half a": 0.5, "half an": 0.5,
        "half-a": 0.5, "half-an": 0.5, "a quarter of an": 0.25, "three quarters of an": 0.75,
        "a couple of": 2.0,
    }  # fmt: skip
    if low in fixed:
        return fixed[low]
    if re.fullmatch(r"[0-9,]+(?:\.[0-9]+)?", low):
        return float(low.replace(",", ""))
    plus = 0.0
    if low.endswith(("half", "quarter")):
        plus = 0.5 if low.endswith("half") else 0.25
        low = re.sub(r"[ -]and[ -]a[ -](?:half|quarter)$", "", low)
        if re.fullmatch(r"[0-9,]+(?:\.[0-9]+)?", low):
            return float(low.replace(",", "")) + plus
    value = english_value(low)
    return None if value is None else float(value) + plus


def read_duration(match: re.Match[str]) -> Found | None:
    text, begin = match.string, match.start("n")
    low = (match["unit"] or match["short"]).lower().rstrip(".")
    unit = _UNITS.get(low) or _UNITS.get(low.removesuffix("s")) or _UNITS.get(low[:6])
    amount = _amount(match["n"])
    if unit is None or amount is None or _OLD_AFTER.match(text, match.end()):
        return None
    if match["plus"]:
        amount += 0.5 if match["plus"].endswith("half") else 0.25
    if match["n"].lower() in ("a", "an") and _RATE_BEFORE.search(text, max(0, begin - 9), begin):
        return None
    a_second = low == "second" and match["n"].lower() == "a"
    if a_second and not _FOR_A_SECOND.search(text, max(0, begin - 8), begin):
        # "A second chance" is the next one.
        return None
    size = _FACTORS[unit]
    precision = _COARSE.get(unit, unit)
    if match["from"]:
        first = _amount(match["from"])
        if first is not None and first < amount:
            value = f"{seconds_text(first * size)}/{seconds_text(amount * size)}"
            return Found(match.start(), match.end(), "range", value, precision)
    return Found(begin, match.end(), "duration", amount * size, precision)
