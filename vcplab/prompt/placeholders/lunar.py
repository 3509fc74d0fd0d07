"""The Chinese calendar as placeholders, by the package ``lunar_python``.

- ``Festival``: the line of the real server, the year with its animal and the day, and the solar
  term if one begins on it: 乙巳蛇年腊月十七 立春 (4 February 2026).
- ``LunarDate`` 腊月十七, ``LunarYear`` 乙巳年, ``LunarMonth`` 腊月 (a leap month begins with 闰),
  ``LunarDay`` 十七; the year changes at the lunar new year.
- ``LunarFestival``: the festivals of the day such as 春节, joined by 、; empty on other days.
- ``SolarTerm``: the term that begins on the day, 立春; empty on other days.
- ``Zodiac``: the animal of the lunar year, 蛇.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any, Final

from vcplab.core.errors import InvalidInputError, MissingDependencyError

__all__ = ["LUNAR"]


def _day(now: datetime) -> Any:
    try:
        calendar: Any = import_module("lunar_python")
    except ImportError as error:
        raise MissingDependencyError(
            "The lunar calendar needs the package lunar_python.",
            where="TimeProvider(dialect='toolbox')",
            next_step="pip install lunar_python, or take the placeholder out of the text",
        ) from error
    try:
        return calendar.Solar.fromYmd(now.year, now.month, now.day).getLunar()
    except Exception as error:
        # The package raises bare Exceptions where its tables end.
        raise InvalidInputError(
            f"The lunar calendar does not reach {now.date()}.",
            where="TimeProvider(dialect='toolbox')",
            next_step="set the clock to a year between 1900 and 2100",
        ) from error


def _date(day: Any) -> str:
    return f"{day.getMonthInChinese()}月{day.getDayInChinese()}"


def _line(day: Any) -> str:
    line = f"{day.getYearInGanZhi()}{day.getYearShengXiao()}年{_date(day)}"
    term = day.getJieQi()
    return f"{line} {term}" if term else line


def _of(tell: Callable[[Any], str]) -> Callable[[datetime], str]:
    return lambda now: tell(_day(now))


LUNAR: Final[Mapping[str, Callable[[datetime], str]]] = {
    "Festival": _of(_line),
    "LunarDate": _of(_date),
    "LunarYear": _of(lambda day: f"{day.getYearInGanZhi()}年"),
    "LunarMonth": _of(lambda day: f"{day.getMonthInChinese()}月"),
    "LunarDay": _of(lambda day: str(day.getDayInChinese())),
    "LunarFestival": _of(lambda day: "、".join(day.getFestivals())),
    "SolarTerm": _of(lambda day: str(day.getJieQi())),
    "Zodiac": _of(lambda day: str(day.getYearShengXiao())),
}
"""Name of a placeholder → what tells it of a moment, in the zone of that moment."""
