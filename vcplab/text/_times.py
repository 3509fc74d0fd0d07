"""What the two languages of `vcplab.text.time_expressions` share. Private."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from vcplab.core.errors import InvalidInputError
from vcplab.text.numerals import parse_number

__all__ = [
    "CONNECTOR",
    "SECONDS",
    "Found",
    "Rule",
    "clock",
    "iso_date",
    "seconds_text",
    "zh_number",
]

YEAR: Final = 31_557_600
SECONDS: Final = {
    "century": 100 * YEAR, "decade": 10 * YEAR, "year": YEAR, "quarter": YEAR // 4,
    "month": YEAR // 12, "week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1,
}  # fmt: skip

#: What stands between the ends of a range.
CONNECTOR: Final = r"(?:[ ]?[-–—~〜－～][ ]?|[ ]?[到至][ ]?|[ ](?:to|until|till|through)[ ])"


class Found(NamedTuple):
    """A time before ranges are joined; ``value`` is seconds for durations."""

    start: int
    end: int
    kind: str
    value: str | float
    precision: str
    ambiguous: bool = False


Rule: TypeAlias = tuple[re.Pattern[str], Callable[[re.Match[str]], Found | None]]


def iso_date(year: int | None, month: int | None = None, day: int | None = None) -> str:
    """A date as far as it is known: ``2023-05-03``, ``2023-05``, ``--05-03``, ``---03``."""
    if year is None:
        if month is None:
            return f"---{day:02d}"
        return f"--{month:02d}" + ("" if day is None else f"-{day:02d}")
    text = f"{year:04d}" if year >= 0 else f"-{-year:04d}"
    if month is not None:
        text += f"-{month:02d}"
        if day is not None:
            text += f"-{day:02d}"
    return text


def clock(hour: int, minute: int = 0, second: int | None = None) -> str | None:
    """``T09:30``; None where no clock shows it."""
    if hour == 24 and minute == 0:
        hour = 0
    if hour > 23 or minute > 59 or (second or 0) > 59:
        return None
    return f"T{hour:02d}:{minute:02d}" + ("" if second is None else f":{second:02d}")


@lru_cache(maxsize=4096)
def zh_number(text: str) -> float | int | None:
    """The value of Arabic or Chinese numerals; None for none."""
    try:
        value = parse_number(text)
    except InvalidInputError:
        return None
    return value if isinstance(value, int) else float(value)


def seconds_text(seconds: float) -> str:
    """Seconds as an end of a range shows them."""
    return str(int(seconds)) if seconds == int(seconds) else repr(seconds)
