"""Days and moments: how dates in documents and in conditions are compared.

A bare day in a condition is the whole day, a bare month the whole month, half-open:
``<= "2026-02-28"`` reaches to the end of the day, ``== "2026-02"`` is any moment of the month. In a
document a day or a month counts as its first moment. A time without a zone is wall-clock time:
compared with one that has a zone, it is read in that zone, so a diary entry belongs to the day
that its writer's calendar showed. Nothing depends on the machine's zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

__all__ = ["Moment", "as_moment"]

# ISO 8601 in its readable form only: "20260228" is more likely a number of something.
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}"
    r"(?:-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?)?)?)?"
)
_MONTH, _DAY_TEXT = len("2026-02"), len("2026-02-28")
_FIRST_DAY = date(1970, 1, 1).toordinal()
_DAY = 86_400_000_000
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, or a day or month as a whole.

    Attributes:
        wall: Microseconds since 1970 on the wall clock.
        utc: The same in UTC; None without a zone.
        length: Microseconds that it covers: 1 for a point in time.
    """

    wall: int
    utc: int | None
    length: int = 1

    def within(self, other: Moment) -> tuple[int, int, int]:
        """Where this one begins, and where the other begins and is over, on one clock.

        In UTC if both have a zone, else on the wall clocks.
        """
        if self.utc is not None and other.utc is not None:
            return self.utc, other.utc, other.utc + other.length
        return self.wall, other.wall, other.wall + other.length


def as_moment(value: Any) -> Moment | None:
    """A value as a moment, or None if it is none.

    Args:
        value: A ``datetime``, a ``date``, or ISO 8601 text: ``2026-02``, ``2026-02-28``,
            ``2026-02-28T10:00``, with seconds, fraction and offset if wanted, a space for the T.
    """
    if isinstance(value, str):
        if not _ISO.fullmatch(value):
            return None
        try:
            if len(value) == _MONTH:
                return _month(date.fromisoformat(f"{value}-01"))
            if len(value) == _DAY_TEXT:
                return _day(date.fromisoformat(value))
            return _point(datetime.fromisoformat(value))
        except ValueError:
            return None  # the 30th of February
    if isinstance(value, datetime):
        return None if value != value else _point(value)  # pandas' NaT is a datetime
    return _day(value) if isinstance(value, date) else None


def _point(time: datetime) -> Moment:
    seconds = (time.hour * 60 + time.minute) * 60 + time.second
    wall = _midnight(time) + seconds * 1_000_000 + time.microsecond
    offset = time.utcoffset()
    return Moment(wall, None if offset is None else wall - offset // _MICROSECOND)


def _day(day: date) -> Moment:
    return Moment(_midnight(day), None, _DAY)


def _month(first: date) -> Moment:
    days = 31 if first.month == 12 else (first.replace(month=first.month + 1) - first).days
    return Moment(_midnight(first), None, days * _DAY)


def _midnight(day: date) -> int:
    return (day.toordinal() - _FIRST_DAY) * _DAY
