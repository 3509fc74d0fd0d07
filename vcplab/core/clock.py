"""Where every date comes from: the machine's clock, or one that the caller injects.

No other module asks the machine for the date, so that tests and replays can freeze it::

    with use_clock(FrozenClock("2026-03-01T09:00+08:00")) as clock:
        current_clock().today()                 # 2026-03-01
        clock.advance(timedelta(days=1))
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from difflib import get_close_matches
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from vcplab.core.errors import InvalidInputError, NotFoundError

__all__ = [
    "Clock",
    "FrozenClock",
    "SystemClock",
    "current_clock",
    "epoch_ns",
    "resolve_zone",
    "use_clock",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@runtime_checkable
class Clock(Protocol):
    """Tells the time."""

    @property
    def zone(self) -> tzinfo:
        """The time zone in which dates are told."""
        ...

    def now(self) -> datetime:
        """The present moment, timezone-aware, in ``zone``."""
        ...

    def today(self) -> date:
        """The present date in ``zone``."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class _LocalZone(tzinfo):
    """The machine's zone, asked anew for every moment, so summer time is right on every date."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else self._local(dt.replace(tzinfo=None)).utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None  # the platform does not say; None is tzinfo's word for unknown

    def tzname(self, dt: datetime | None) -> str | None:
        return None if dt is None else self._local(dt.replace(tzinfo=None)).tzname()

    def fromutc(self, dt: datetime) -> datetime:
        # The base class would need dst(). Of an hour that happens twice, `fold` marks the second.
        local = self._local(dt.replace(tzinfo=UTC))
        wall = local.replace(tzinfo=None)
        second = self._local(wall).utcoffset() != local.utcoffset()
        return wall.replace(tzinfo=self, fold=int(second))

    @staticmethod
    def _local(moment: datetime) -> datetime:
        try:
            return moment.astimezone()
        except (OSError, OverflowError, ValueError):
            # Windows refuses moments before 1970; there the standard offset has to do.
            standard = timezone(timedelta(seconds=-time.timezone), time.tzname[0])
            if moment.tzinfo is None:
                return moment.replace(tzinfo=standard)
            return moment.astimezone(standard)

    def __repr__(self) -> str:
        return "local"

    def __reduce__(self) -> str:
        return "_LOCAL"


_LOCAL = _LocalZone()


def resolve_zone(zone: str | tzinfo | None) -> tzinfo:
    """Turn the name of a time zone into the zone.

    Args:
        zone: An IANA name such as ``"Asia/Shanghai"``, a ``tzinfo`` (returned as it is), or None
            for the machine's local zone, which is then asked anew for every moment.

    Returns:
        The zone.

    Raises:
        NotFoundError: No such zone is known.
    """
    if zone is None:
        return _LOCAL
    if isinstance(zone, tzinfo):
        return zone
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        pass  # a malformed name or one that is a folder of the data base is simply not a zone
    known = sorted(available_timezones())
    if not known:
        step = "this machine has no time zone data; run `pip install tzdata`"
    else:
        near = get_close_matches(str(zone), known, n=1)
        step = f"did you mean {near[0]!r}?" if near else "use an IANA name such as 'Asia/Shanghai'"
    raise NotFoundError(f"There is no time zone named {zone!r}.", where="zone", next_step=step)


class SystemClock:
    """The machine's clock.

    Args:
        zone: Time zone, by name or as ``tzinfo``; None means the machine's local zone, resolved
            at every call.

    Raises:
        NotFoundError: No such zone is known.
    """

    __slots__ = ("_zone",)

    def __init__(self, zone: str | tzinfo | None = None) -> None:
        self._zone = resolve_zone(zone)

    @property
    def zone(self) -> tzinfo:
        """The time zone in which dates are told."""
        return self._zone

    def now(self) -> datetime:
        """The present moment, timezone-aware, in ``zone``."""
        return datetime.now(self._zone)

    def today(self) -> date:
        """The present date in ``zone``."""
        return self.now().date()

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()

    def __repr__(self) -> str:
        return f"SystemClock(zone={str(self._zone)!r})"


class FrozenClock:
    """A clock that stands still until it is advanced. Safe to share between threads.

    Args:
        at: The moment: an aware ``datetime``, or ISO 8601 text with an offset.
        zone: Time zone, by name or as ``tzinfo``; None means the zone of ``at``.

    Raises:
        InvalidInputError: ``at`` is not a moment, has no offset, or is outside the calendar.
        NotFoundError: No such zone is known.
    """

    __slots__ = ("_elapsed", "_lock", "_utc", "_zone")

    def __init__(self, at: str | datetime, zone: str | tzinfo | None = None) -> None:
        moment = _moment(at)
        own = moment.tzinfo
        assert own is not None
        self._zone = own if zone is None else resolve_zone(zone)
        # Kept in UTC: adding a day to a wall time would slip by an hour at a change of the clocks.
        self._utc = _within_calendar(lambda: moment.astimezone(UTC), repr(at))
        _within_calendar(self.now, repr(at))
        self._elapsed = 0.0
        self._lock = threading.Lock()

    @property
    def zone(self) -> tzinfo:
        """The time zone in which dates are told."""
        return self._zone

    def now(self) -> datetime:
        """The frozen moment, timezone-aware, in ``zone``."""
        return self._utc.astimezone(self._zone)

    def today(self) -> date:
        """The frozen date in ``zone``."""
        return self.now().date()

    def monotonic(self) -> float:
        """Seconds by which the clock was advanced since it was made."""
        return self._elapsed

    def advance(self, delta: timedelta) -> datetime:
        """Let time pass.

        Args:
            delta: How much; not negative, since ``monotonic`` never goes back.

        Returns:
            The new present moment.

        Raises:
            InvalidInputError: ``delta`` is negative, not a timedelta, or leaves the calendar.
        """
        if not isinstance(delta, timedelta) or delta < timedelta(0):
            raise InvalidInputError(
                f"A clock advances by a timedelta that is not negative, not by {delta!r}.",
                where="delta",
                next_step="pass e.g. timedelta(minutes=5), or make a new FrozenClock to go back",
            )
        with self._lock:
            later = _within_calendar(lambda: self._utc + delta, repr(delta))
            present = _within_calendar(lambda: later.astimezone(self._zone), repr(delta))
            self._utc = later
            self._elapsed += delta.total_seconds()
        return present

    def __repr__(self) -> str:
        return f"FrozenClock({self.now().isoformat()!r}, zone={str(self._zone)!r})"


def _within_calendar(compute: Callable[[], datetime], what: str) -> datetime:
    try:
        return compute()
    except OverflowError:
        raise InvalidInputError(
            f"{what} leads outside the calendar (years 1 to 9999).",
            where="at",
            next_step="choose a moment well inside those years",
        ) from None


def _moment(at: str | datetime) -> datetime:
    moment: object = at
    if isinstance(at, str):
        try:
            moment = datetime.fromisoformat(at)
        except ValueError:
            moment = None
    if not isinstance(moment, datetime):
        raise InvalidInputError(
            f"{at!r} is not a moment.",
            where="at",
            next_step="write ISO 8601 with an offset, e.g. '2026-03-01T09:00+08:00'",
        )
    if moment.utcoffset() is None:
        raise InvalidInputError(
            f"{at!r} does not say in which time zone it is.",
            where="at",
            next_step=f"add an offset, e.g. '{moment.isoformat()}+08:00', or '...Z' for UTC",
        )
    return moment


_MACHINE = SystemClock()
_clock: ContextVar[Clock] = ContextVar("vcplab_clock", default=_MACHINE)


def current_clock() -> Clock:
    """The clock in force here: the innermost ``use_clock``, else the machine's in its own zone."""
    return _clock.get()


@contextmanager
def use_clock(clock: Clock) -> Iterator[Clock]:
    """Put a clock in force for a block.

    Tasks, and threads started with a copy of the context, inherit it.

    Args:
        clock: The clock.

    Yields:
        The same clock.
    """
    token = _clock.set(clock)
    try:
        yield clock
    finally:
        _clock.reset(token)


def epoch_ns() -> int:
    """Nanoseconds since 1970 in UTC by the clock in force, cheaply for the machine's own clock."""
    clock = _clock.get()
    if type(clock) is SystemClock:
        return time.time_ns()
    since = clock.now() - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
