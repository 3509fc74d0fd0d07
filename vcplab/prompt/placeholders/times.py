"""Dates and times as placeholders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from difflib import get_close_matches
from typing import Final, Literal, get_args

from vcplab.core.clock import Clock, current_clock, resolve_zone
from vcplab.core.errors import InvalidInputError
from vcplab.prompt.placeholders.lunar import LUNAR
from vcplab.prompt.placeholders.provider import once_per_resolve

__all__ = ["TimeDialect", "TimeProvider"]

TimeDialect = Literal["seed", "toolbox"]

_ENGLISH: Final = (*("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),)


# The formats are spelt out, since strftime follows the machine's locale and pads years unlike on
# different platforms.
def _iso_date(now: datetime) -> str:
    return f"{now.year:04}-{now.month:02}-{now.day:02}"


def _slashed(now: datetime) -> str:
    return f"{now.year}/{now.month}/{now.day}"


def _clock_time(now: datetime) -> str:
    return f"{now.hour:02}:{now.minute:02}:{now.second:02}"


def _chinese_weekday(now: datetime) -> str:
    return "星期" + "一二三四五六日"[now.weekday()]


_COMMON: Final[Mapping[str, Callable[[datetime], str]]] = {
    "Time": _clock_time,
    "Timestamp": lambda now: str(int(now.timestamp() // 1)),
    "ISO8601": lambda now: now.isoformat(timespec="seconds"),
    "Year": lambda now: f"{now.year:04}",
    "Month": lambda now: f"{now.month:02}",
    "Day": lambda now: f"{now.day:02}",
    "Hour": lambda now: f"{now.hour:02}",
    "Minute": lambda now: f"{now.minute:02}",
    "Second": lambda now: f"{now.second:02}",
}
_FORMS: Final[Mapping[TimeDialect, Mapping[str, Callable[[datetime], str]]]] = {
    "seed": {
        "Date": _iso_date,
        "DateTime": lambda now: f"{_iso_date(now)} {_clock_time(now)}",
        "Today": _iso_date,
        "Now": _clock_time,
        "Weekday": lambda now: _ENGLISH[now.weekday()],
        **_COMMON,
    },
    "toolbox": {
        "Date": _slashed,
        "DateTime": lambda now: f"{_slashed(now)} {_clock_time(now)}",
        "Today": _chinese_weekday,
        "Weekday": _chinese_weekday,
        **_COMMON,
        **LUNAR,
    },
}


class TimeProvider:
    """``TimeProvider`` of seed 003: dates and times. All of one resolve are of one moment.

    ===================  ======================  =====================
    of 21 November 2026  ``seed``                ``toolbox``
    ===================  ======================  =====================
    Date                 2026-11-21              2026/11/21 (2026/1/5)
    Time                 05:49:08                05:49:08
    DateTime             2026-11-21 05:49:08     2026/11/21 05:49:08
    Today                2026-11-21              星期六
    Now                  05:49:08                –
    Weekday              Saturday                星期六
    Festival             –                       丙午马年十月十三
    ===================  ======================  =====================

    Both know Timestamp (Unix seconds), ISO8601, Year, Month, Day, Hour, Minute and Second
    (two digits). ``toolbox``, as the real server has it (facts/vcp-protocol §0 and §3,
    facts/vcp-agents §3), also knows the lunar calendar: see `vcplab.prompt.placeholders.lunar`.

    Args:
        dialect: ``"seed"`` or ``"toolbox"``.
        clock: The clock; None means the one in force when a text is resolved.
        zone: The time zone, by name or as ``tzinfo``; None means the clock's.
        name: What the provider is called.

    Raises:
        InvalidInputError: There is no such dialect.
        NotFoundError: There is no such time zone.
    """

    def __init__(
        self,
        dialect: TimeDialect = "seed",
        clock: Clock | None = None,
        zone: str | tzinfo | None = None,
        *,
        name: str = "time",
    ) -> None:
        if dialect not in get_args(TimeDialect):
            near = get_close_matches(str(dialect), get_args(TimeDialect), n=1)
            raise InvalidInputError(
                f"There is no dialect of times named {dialect!r}.",
                where="dialect",
                next_step=f"did you mean {near[0]!r}?" if near else "use 'seed' or 'toolbox'",
            )
        self.name = name
        self._dialect: TimeDialect = dialect
        self._forms = _FORMS[dialect]
        self._clock = clock
        self._zone = None if zone is None else resolve_zone(zone)

    def names(self) -> list[str]:
        """The placeholders of the dialect."""
        return list(self._forms)

    def resolve(self, key: str) -> str | None:
        """The value of a placeholder, or None.

        Args:
            key: Its name.

        Raises:
            MissingDependencyError: It is of the lunar calendar, whose package is missing.
            InvalidInputError: It is of the lunar calendar, which does not reach that date.
        """
        form = self._forms.get(key)
        if form is None:
            return None
        return form(once_per_resolve((self, "now"), self._now))

    def _now(self) -> datetime:
        now = (self._clock or current_clock()).now()
        return now if self._zone is None else now.astimezone(self._zone)

    def __repr__(self) -> str:
        return f"TimeProvider({self._dialect!r})"
