from __future__ import annotations

import asyncio
import contextvars
import pickle
import threading
import time
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.clock import (
    Clock,
    FrozenClock,
    SystemClock,
    current_clock,
    epoch_ns,
    resolve_zone,
    use_clock,
)
from vcplab.core.errors import InvalidInputError, NotFoundError


@pytest.fixture
def berlin_machine(monkeypatch: pytest.MonkeyPatch):
    if not hasattr(time, "tzset"):
        pytest.skip("this platform cannot change its zone in a process")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_both_clocks_are_clocks() -> None:
    assert isinstance(SystemClock(), Clock)
    assert isinstance(FrozenClock("2026-01-01T00:00Z"), Clock)


def test_system_clock_tells_the_present_in_its_zone() -> None:
    clock = SystemClock("Asia/Shanghai")
    now = clock.now()
    assert now.utcoffset() == timedelta(hours=8)
    assert abs(now.timestamp() - time.time()) < 5
    assert clock.today() in {now.date(), clock.now().date()}
    assert clock.monotonic() <= clock.monotonic()


def test_system_clock_without_a_zone_follows_the_machine(
    berlin_machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SystemClock()
    assert clock.now().tzname() in {"CET", "CEST"}
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert clock.now().utcoffset() == timedelta(hours=9)  # resolved at call time


def test_local_zone_knows_summer_time_on_every_date(berlin_machine: None) -> None:
    zone = resolve_zone(None)
    assert datetime(2026, 1, 15, 12, tzinfo=zone).utcoffset() == timedelta(hours=1)
    assert datetime(2026, 7, 15, 12, tzinfo=zone).utcoffset() == timedelta(hours=2)
    assert datetime(2026, 7, 15, 12, tzinfo=zone).tzname() == "CEST"
    # The hour that happens twice: 00:30 and 01:30 UTC are both 02:30 on the wall.
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).astimezone(zone)
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC).astimezone(zone)
    assert (first.hour, first.minute, first.fold) == (2, 30, 0)
    assert (second.hour, second.minute, second.fold) == (2, 30, 1)
    assert first.astimezone(UTC) != second.astimezone(UTC)
    assert pickle.loads(pickle.dumps(first)).tzinfo is zone


@settings(deadline=None, max_examples=200)
@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)))
def test_local_zone_round_trips_any_moment(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert aware.astimezone(resolve_zone(None)).astimezone(UTC) == aware


def test_frozen_clock_stands_still_and_advances() -> None:
    clock = FrozenClock("2026-03-01T09:00+08:00")
    assert clock.now() == clock.now() == datetime(2026, 3, 1, 1, tzinfo=UTC)
    assert clock.now().isoformat() == "2026-03-01T09:00:00+08:00"
    assert clock.today() == date(2026, 3, 1)
    assert clock.monotonic() == 0.0
    assert clock.advance(timedelta(hours=15)) == clock.now()
    assert clock.today() == date(2026, 3, 2)
    assert clock.monotonic() == 15 * 3600.0


def test_frozen_clock_tells_dates_in_its_own_zone() -> None:
    moment = datetime(2026, 3, 1, 23, tzinfo=UTC)
    assert FrozenClock(moment).today() == date(2026, 3, 1)
    assert FrozenClock(moment, "Asia/Shanghai").today() == date(2026, 3, 2)
    assert FrozenClock(moment, timezone(timedelta(hours=8))).now().hour == 7


def test_frozen_clock_adds_real_time_over_a_change_of_clocks() -> None:
    clock = FrozenClock("2026-03-28T12:00+01:00", "Europe/Berlin")
    clock.advance(timedelta(days=1))
    assert clock.now().isoformat() == "2026-03-29T13:00:00+02:00"


@pytest.mark.parametrize("at", ["2026-03-01T09:00", datetime(2026, 3, 1, 9)])
def test_naive_moment_is_refused_with_a_way_out(at: str | datetime) -> None:
    with pytest.raises(InvalidInputError) as caught:
        FrozenClock(at, "Asia/Shanghai")
    assert "2026-03-01T09:00:00+08:00" in str(caught.value.next_step)


@pytest.mark.parametrize("at", ["yesterday", "", 3, date(2026, 1, 1), None])
def test_what_is_no_moment_is_refused(at: object) -> None:
    with pytest.raises(InvalidInputError, match="not a moment"):
        FrozenClock(at)  # type: ignore[arg-type]


@pytest.mark.parametrize("at", ["0001-01-01T00:00+08:00", "9999-12-31T23:00-08:00"])
def test_moment_outside_the_calendar_is_refused(at: str) -> None:
    with pytest.raises(InvalidInputError, match="calendar"):
        FrozenClock(at)


@pytest.mark.parametrize("delta", [timedelta(seconds=-1), 5, None])
def test_clock_never_goes_back(delta: object) -> None:
    clock = FrozenClock("2026-01-01T00:00Z")
    with pytest.raises(InvalidInputError):
        clock.advance(delta)  # type: ignore[arg-type]
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)


def test_advance_beyond_the_calendar_changes_nothing() -> None:
    clock = FrozenClock("2026-01-01T00:00Z")
    with pytest.raises(InvalidInputError):
        clock.advance(timedelta(days=4_000_000))
    assert (clock.now().year, clock.monotonic()) == (2026, 0.0)


def test_advance_is_safe_between_threads() -> None:
    clock = FrozenClock("2026-01-01T00:00Z")
    threads = [
        threading.Thread(target=lambda: [clock.advance(timedelta(seconds=1)) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 2000.0
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=2000)


def test_zones_by_name() -> None:
    assert resolve_zone("Asia/Shanghai") == ZoneInfo("Asia/Shanghai")
    assert resolve_zone(UTC) is UTC


@pytest.mark.parametrize(
    "name", ["Asia/Shanghia", "", "../etc/passwd", "/etc/passwd", "Europe", "\x00"]
)
def test_unknown_zone_is_not_found(name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        SystemClock(name)
    assert caught.value.next_step
    if name == "Asia/Shanghia":
        assert "'Asia/Shanghai'" in str(caught.value.next_step)


def test_use_clock_nests_and_restores() -> None:
    outside = current_clock()
    one, two = FrozenClock("2026-01-01T00:00Z"), FrozenClock("2027-01-01T00:00Z")
    with use_clock(one) as given_back:
        assert given_back is one
        with use_clock(two):
            assert current_clock() is two
        assert current_clock() is one
        with pytest.raises(ZeroDivisionError), use_clock(two):
            _ = 1 / 0
        assert current_clock() is one
    assert current_clock() is outside


def test_tasks_and_threads_with_a_copied_context_inherit_the_clock() -> None:
    frozen = FrozenClock("2026-01-01T00:00Z")
    seen: list[Clock] = []

    async def look() -> Clock:
        return current_clock()

    async def main() -> None:
        seen.append(await asyncio.create_task(look()))
        seen.append(await asyncio.to_thread(current_clock))

    with use_clock(frozen):
        asyncio.run(main())
        context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: seen.append(context.run(current_clock)))
    thread.start()
    thread.join()
    assert seen == [frozen] * 3


def test_epoch_ns_follows_the_clock_in_force() -> None:
    assert abs(epoch_ns() - time.time_ns()) < 5_000_000_000
    with use_clock(FrozenClock("2026-01-01T00:00:00.000001Z")):
        assert epoch_ns() == 1_767_225_600_000_001_000
    with use_clock(FrozenClock("1969-12-31T23:59:59Z")):
        assert epoch_ns() == -1_000_000_000
