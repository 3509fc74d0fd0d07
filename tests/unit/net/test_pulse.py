"""The pulse: stalls of the loop are seen, measured and left out of the awake time."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, LoopError
from vcplab.core.loop import library_loop
from vcplab.net.pulse import Pulse, Stall, loop_pulse


async def until(condition, within=5.0):
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - a pulse has no event for each tick
            await asyncio.sleep(0.005)


def stand_still(seconds):
    """Hold up the loop, as a C call that holds the GIL does."""
    time.sleep(seconds)


def test_a_stall_is_seen_and_left_out():
    async def main():
        pulse = Pulse(tick=0.02, longest=0.3)
        pulse.hold()
        awake, clock = pulse.awake(), time.monotonic()
        stand_still(0.6)
        # Left out before the late tick itself came.
        assert pulse.awake() - awake < 0.3
        assert pulse.stalls == ()
        await until(lambda: pulse.stalls)
        stall = pulse.stalls[0]
        assert 0.5 <= stall.seconds <= time.monotonic() - clock
        assert pulse.total == pytest.approx(sum(one.seconds for one in pulse.stalls))
        assert pulse.awake() - awake <= time.monotonic() - clock - 0.5
        pulse.release()

    asyncio.run(main())


def test_short_delays_are_no_stalls():
    async def main():
        pulse = Pulse(tick=0.02, longest=2.0)
        pulse.hold()
        before, clock = pulse.awake(), time.monotonic()
        for _ in range(3):
            stand_still(0.05)
            await asyncio.sleep(0.03)
        assert pulse.awake() - before == pytest.approx(time.monotonic() - clock, abs=0.01)
        assert (pulse.stalls, pulse.total) == ((), 0.0)
        pulse.release()

    asyncio.run(main())


def test_the_library_loop_in_another_thread():
    pulse = Pulse(tick=0.02, longest=0.15)

    async def hold():
        pulse.hold()

    async def stall():
        stand_still(0.3)

    library_loop().run(hold())
    library_loop().run(stall())

    async def seen():
        await until(lambda: pulse.stalls)
        pulse.release()

    library_loop().run(seen())
    assert pulse.total > 0.2
    assert not pulse.is_beating


def test_listeners_are_told_and_cannot_harm_each_other(caplog):
    async def main():
        pulse = Pulse(tick=0.01, longest=0.05)
        told, closed = [], []

        def broken(stall):
            raise ValueError("no")

        pulse.listen(broken)
        pulse.listen(told.append)
        with pulse.listen(closed.append):
            pass
        pulse.hold()
        stand_still(0.2)
        await until(lambda: told)
        assert isinstance(told[0], Stall)
        assert closed == []
        pulse.release()

    with caplog.at_level(logging.ERROR, "vcplab.net.pulse"):
        asyncio.run(main())
    assert "a listener" in caplog.text


def test_the_date_of_a_stall_is_the_clocks():
    async def main():
        pulse = Pulse(tick=0.01, longest=0.05)
        with use_clock(FrozenClock("2026-03-01T09:00:00+08:00")) as clock:
            pulse.hold()
            stand_still(0.2)
            await until(lambda: pulse.stalls)
            began = clock.now() - pulse.stalls[0].at
        assert began.total_seconds() == pytest.approx(pulse.stalls[0].seconds, abs=1e-3)
        pulse.release()

    asyncio.run(main())


def test_only_the_latest_twenty_are_kept():
    async def main():
        pulse = Pulse(tick=0.001, longest=0.005)
        told = []
        pulse.listen(told.append)
        pulse.hold()
        for number in range(25):
            stand_still(0.015)
            await until(lambda number=number: len(told) > number)
        assert pulse.stalls == tuple(told[-20:])
        assert pulse.total > sum(stall.seconds for stall in pulse.stalls)
        pulse.release()

    asyncio.run(main())


def test_it_ticks_while_anyone_holds_it_and_leaves_nothing():
    async def main():
        loop = asyncio.get_running_loop()
        pulse = Pulse(tick=0.01)
        tasks = asyncio.all_tasks()
        pulse.hold()
        pulse.hold()
        pulse.release()
        assert pulse.is_beating
        await asyncio.sleep(0.03)
        pulse.release()
        pulse.release()  # one too many does nothing
        assert not pulse.is_beating
        assert asyncio.all_tasks() == tasks
        await asyncio.sleep(0.03)
        assert [handle for handle in loop._scheduled if not handle.cancelled()] == []
        stand_still(0.6)
        assert (pulse.stalls, pulse.total) == ((), 0.0)
        pulse.hold()
        assert pulse.is_beating
        pulse.release()

    asyncio.run(main())


def test_released_from_another_thread():
    async def main():
        pulse = Pulse(tick=0.01)
        pulse.hold()
        thread = threading.Thread(target=pulse.release)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert not pulse.is_beating
        pulse.hold()  # begins anew
        await asyncio.sleep(0.05)
        assert pulse.is_beating
        pulse.release()

    asyncio.run(main())


def test_a_loop_that_ended_while_it_was_held():
    pulse = Pulse(tick=0.01, longest=0.05)

    async def forget():
        pulse.hold()

    async def anew():
        pulse.hold()
        assert pulse.is_beating
        stand_still(0.2)
        await until(lambda: pulse.stalls)
        pulse.release()
        assert not pulse.is_beating

    asyncio.run(forget())
    before, clock = pulse.awake(), time.monotonic()
    time.sleep(0.1)
    # A loop that is gone does not stall.
    assert pulse.awake() - before == pytest.approx(time.monotonic() - clock, abs=0.01)
    asyncio.run(anew())


def test_without_a_loop_it_cannot_be_held():
    with pytest.raises(LoopError):
        Pulse().hold()


@pytest.mark.parametrize(("tick", "longest"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_times_that_cannot_be(tick, longest):
    with pytest.raises(InvalidInputError):
        Pulse(tick, longest)


def test_the_process_has_one():
    assert loop_pulse() is loop_pulse()
    assert (loop_pulse().tick, loop_pulse().longest) == (0.1, 0.5)
    assert "Pulse" in repr(loop_pulse())
