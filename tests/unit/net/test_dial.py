"""Dialling over real sockets: opening, serving, losing, finding out, dialling again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import subprocess
import sys
import threading
import time

import pytest
from websockets.utils import accept_key

from tests.support.wires import MIB, Bare, Echo, Middle, destroy, echo, open_sockets, status, until
from vcplab.core.errors import InvalidInputError, StateError, VCPErrorCode
from vcplab.net.dial import Dial, DialOptions, Wire
from vcplab.net.pulse import loop_pulse

KEY = "key-123456"
QUICK = DialOptions(
    first_delay=0.01, longest_delay=0.02, stable_after=0.0, close_timeout=0.4, proxy=None
)


class Never(random.Random):
    """Chance that always draws the longest wait."""

    def uniform(self, a, b):
        return b


@contextlib.asynccontextmanager
async def dialling(dial, serve):
    """Run a dial for a block, and stop it after."""
    task = asyncio.create_task(dial.run(serve))
    try:
        yield task
    finally:
        await dial.stop()
        async with asyncio.timeout(5):
            await task


class Served:
    """What serves a connection: keeps the wires and their messages."""

    def __init__(self):
        self.wires = []
        self.got = []
        self.ends = 0

    async def __call__(self, wire):
        self.wires.append(wire)
        async for message in wire:
            self.got.append(message)
        self.ends += 1

    @property
    def wire(self):
        return self.wires[-1]


def test_messages_go_both_ways_and_are_counted():
    async def main():
        states = []
        async with Echo(echo) as server:
            dial = Dial(server.url, QUICK, secrets=[KEY], told=states.append)
            assert dial.state.phase == "idle"
            served = Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                wire = dial.wire
                assert wire is served.wire
                await wire.send("你好")
                await wire.send("two")
                await until(lambda: len(served.got) == 2)
                assert served.got == ["你好", "two"]
                assert (wire.messages_in, wire.messages_out) == (2, 2)
                assert wire.bytes_in > 9
                assert wire.bytes_out > 9
                assert wire.opened_at.tzinfo is not None
                await until(lambda: wire.latency_ms is not None)
                assert 0 < wire.latency_ms < 5000
                assert wire.latencies[0][1] == wire.latency_ms
                assert wire.is_open
                assert wire.ended is None
                assert server.paths == [f"/node/VCP_Key={KEY}"]
                assert server.headers[0]["User-Agent"].startswith("vcplab/")
                assert "Sec-WebSocket-Extensions" not in server.headers[0]
            assert [state.phase for state in states] == ["connecting", "open", "closed"]
            assert dial.wire is None
            assert "closed from here" in wire.ended
            assert server.connections[0].close_code == 1000
            assert server.connections[0].close_reason == "Client initiated disconnect"

    asyncio.run(main())


def test_binary_messages_come_as_bytes():
    async def main():
        async def binary(connection, message):
            await connection.send(message.encode())

        async with Echo(binary) as server:
            dial, served = Dial(server.url, QUICK), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                await served.wire.send('{"a":1}')
                await until(lambda: served.got)
                assert served.got == [b'{"a":1}']

    asyncio.run(main())


def test_a_lost_connection_is_opened_again_and_the_old_wire_says_so():
    async def main():
        states = []
        async with Echo() as server:
            dial, served = Dial(server.url, QUICK, told=states.append), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                await server.drop()
                await until(lambda: len(served.wires) == 2)
                first = served.wires[0]
                assert served.ends == 1
                assert "broke off without a goodbye" in first.ended
                with pytest.raises(StateError) as caught:
                    await first.send("too late")
                assert caught.value.code is VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
                await first.close()  # does nothing
                await served.wire.send("again")
                await until(lambda: server.got == ["again"])
            waiting = next(state for state in states if state.phase == "waiting")
            assert waiting.failures == 1
            assert waiting.retry_at >= waiting.since
            assert "broke off" in waiting.problem
            assert waiting.code is VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
            opened = [state for state in states if state.phase == "open"]
            assert [state.problem for state in opened] == [None, None]

    asyncio.run(main())


def test_a_server_that_comes_back_is_found():
    async def main():
        async with Echo() as server:
            port = server.port
        dial, served = Dial(f"ws://127.0.0.1:{port}/x", QUICK), Served()
        async with dialling(dial, served):
            await until(lambda: dial.state.failures >= 2)
            assert "Nobody listens" in dial.state.problem
            async with Echo(port=port):
                await until(lambda: served.wires)
                await until(lambda: dial.state.phase == "open")
                assert dial.state.problem is None

    asyncio.run(main())


def test_the_servers_words_at_the_end_are_told():
    async def main():
        async def leave(connection, message):
            await connection.close(4001, f"bye {KEY}")

        async with Echo(leave) as server:
            dial, served = Dial(server.url, QUICK, secrets=[KEY]), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                first = served.wire
                await first.send("x")
                await until(lambda: len(served.wires) == 2)
                assert first.ended == "The server closed the connection (4001: bye •••)."

    asyncio.run(main())


def test_what_serves_may_return_or_fail_and_it_is_dialled_again(caplog):
    async def main():
        seen = []

        async def serve(wire):
            seen.append(wire)
            if len(seen) == 1:
                return
            if len(seen) == 2:
                raise ValueError(f"broken by {KEY}")
            async for _ in wire:
                pass

        states = []
        async with Echo() as server:
            dial = Dial(server.url, QUICK, secrets=[KEY], told=states.append)
            async with dialling(dial, serve):
                await until(lambda: len(seen) == 3)
            assert [one.close_code for one in server.connections] == [1000, 1000, 1000]
        problems = [state.problem for state in states if state.phase == "waiting"]
        assert "ValueError" in problems[1]

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert "broken by •••" in caplog.text
    assert "Traceback" in caplog.text
    assert KEY not in caplog.text


def test_what_is_told_may_fail(caplog):
    async def main():
        def told(state):
            raise ValueError(f"no {KEY}")

        async with Echo() as server:
            dial, served = Dial(server.url, QUICK, secrets=[KEY], told=told), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)

    asyncio.run(main())
    assert "no •••" in caplog.text


def test_what_serves_and_does_not_end_is_cancelled_after_the_connection():
    async def main():
        ends = []

        async def deaf(wire):
            try:
                await asyncio.Event().wait()
            finally:
                ends.append(wire)

        async with Echo() as server:
            dial = Dial(server.url, QUICK)
            async with dialling(dial, deaf):
                await until(lambda: server.connections)
                await server.drop()
                await until(lambda: len(server.connections) == 2)
                assert len(ends) == 1

    asyncio.run(main())


def test_messages_that_came_before_the_end_are_still_read():
    async def main():
        async def burst(connection, message):
            for number in range(50):
                await connection.send(str(number))
            await connection.close()

        got = []

        async def slow(wire):
            await wire.send("go")
            async for message in wire:
                await asyncio.sleep(0.001)
                got.append(message)

        async with Echo(burst) as server:
            dial = Dial(server.url, DialOptions(first_delay=30, longest_delay=30), rng=Never())
            async with dialling(dial, slow):
                await until(lambda: dial.state.phase == "waiting")
                assert got == [str(number) for number in range(50)]

    asyncio.run(main())


def test_redial_closes_and_opens_at_once():
    async def main():
        patient = DialOptions(first_delay=60, proxy=None)
        async with Echo() as server:
            dial, served = Dial(server.url, patient, rng=Never()), Served()
            dial.redial()  # before it runs: nothing
            async with dialling(dial, served):
                await until(lambda: served.wires)
                dial.redial()
                await until(lambda: len(served.wires) == 2, within=2)
                assert server.connections[0].close_code == 1000
                assert dial.state.failures == 0

    asyncio.run(main())


def test_redial_cuts_a_wait_short_and_a_hanging_attempt_too():
    async def main():
        mute = asyncio.Event()

        async def hang(reader, writer, head):
            await mute.wait()

        patient = DialOptions(first_delay=60, proxy=None)
        async with Bare(hang) as server:
            dial, served = Dial(server.url, patient, rng=Never()), Served()
            async with dialling(dial, served):
                await until(lambda: len(server.heads) == 1)
                dial.redial()
                await until(lambda: len(server.heads) == 2, within=2)
                server.answer = destroy
                mute.set()
                for writer in server._writers:
                    writer.transport.abort()
                await until(lambda: dial.state.phase == "waiting")
                server.answer = destroy
                dial.redial()
                await until(lambda: len(server.heads) == 3, within=2)

    asyncio.run(main())


@pytest.mark.parametrize("phase", ["idle", "connecting", "open", "waiting"])
def test_stop_in_every_phase(phase):
    async def main():
        async def hang(reader, writer, head):
            await asyncio.Event().wait()

        options = DialOptions(first_delay=60, proxy=None, close_timeout=0.5)
        async with Echo() as ready, Bare(hang if phase == "connecting" else destroy) as other:
            dial = Dial(ready.url if phase == "open" else other.url, options, rng=Never())
            served = Served()
            if phase != "idle":
                task = asyncio.create_task(dial.run(served))
                await until(lambda: dial.state.phase == phase)
            await dial.stop(1001, "going")
            assert dial.state.phase == "closed"
            if phase != "idle":
                assert task.done()
            if phase == "open":
                assert ready.connections[0].close_code == 1001
                assert ready.connections[0].close_reason == "going"
            await dial.run(served)  # stopped for good: returns at once
            await dial.stop()
            assert len(served.wires) == (phase == "open")

    asyncio.run(main())


def test_stop_from_within():
    async def main():
        async with Echo() as server:
            dial = Dial(server.url, QUICK)

            async def serve(wire):
                await dial.stop()

            async with asyncio.timeout(5):
                await dial.run(serve)
            assert dial.state.phase == "closed"

    asyncio.run(main())


@pytest.mark.parametrize("phase", ["connecting", "open", "waiting"])
def test_cancelled_in_every_phase_nothing_is_left(phase):
    async def main():
        async def hang(reader, writer, head):
            with contextlib.suppress(Exception):
                await reader.read()

        async with Echo() as ready, Bare(hang if phase == "connecting" else destroy) as other:
            sockets = open_sockets()
            tasks = len(asyncio.all_tasks())
            options = DialOptions(first_delay=60, proxy=None, close_timeout=0.5)
            dial = Dial(ready.url if phase == "open" else other.url, options, rng=Never())
            task = asyncio.create_task(dial.run(Served()))
            await until(lambda: dial.state.phase == phase)
            if phase == "open":
                await until(lambda: ready.connections)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert dial.state.phase == "closed"
            await until(lambda: open_sockets() <= sockets)  # others' may be collected
            await until(lambda: len(asyncio.all_tasks()) == tasks)
            if phase == "open":
                assert ready.connections[0].close_code == 1001

    asyncio.run(main())


def test_one_run_at_a_time():
    async def main():
        async with Echo() as server:
            dial = Dial(server.url, QUICK)
            async with dialling(dial, Served()):
                await until(lambda: dial.wire)
                with pytest.raises(StateError):
                    await dial.run(Served())

    asyncio.run(main())


def test_a_hundred_reconnects_leave_no_task_and_no_socket():
    async def main():
        async with Echo() as server:
            sockets = open_sockets()
            tasks = len(asyncio.all_tasks())
            count = 0

            async def serve(wire):
                nonlocal count
                count += 1
                await wire.send("hello")
                if count % 3 == 0:
                    return
                if count % 3 == 1:
                    await wire.close()
                else:
                    await server.drop()
                async for _ in wire:
                    pass

            options = DialOptions(first_delay=0.001, longest_delay=0.002, proxy=None)
            dial = Dial(server.url, options)
            async with dialling(dial, serve):
                await until(lambda: count >= 100, within=20)
            await until(lambda: open_sockets() <= sockets)  # others' may be collected
            await until(lambda: len(asyncio.all_tasks()) == tasks)
        assert not loop_pulse().is_beating

    asyncio.run(main())


def test_back_off_grows_while_connections_do_not_last():
    async def main():
        states = []

        async def serve(wire):
            return

        options = DialOptions(first_delay=0.01, longest_delay=0.08, stable_after=30, proxy=None)
        async with Echo() as server:
            dial = Dial(server.url, options, rng=Never(), told=states.append)
            async with dialling(dial, serve):
                await until(lambda: dial.state.failures >= 4)
        waits = [
            (state.retry_at - state.since).total_seconds()
            for state in states
            if state.phase == "waiting"
        ]
        assert waits[:4] == pytest.approx([0.01, 0.02, 0.04, 0.08], abs=0.008)

    asyncio.run(main())


# Half-open links, big frames, stalls


class Took:
    """How long something takes: on the clock, and as far as our own loop was able to look.

    On a busy machine they differ; the promise of two ping periods is about the second.
    """

    def __init__(self, wire):
        self._connection = wire._connection
        self._began = self._connection._watched, time.monotonic()

    @property
    def watched(self):
        return self._connection._watched - self._began[0]

    @property
    def seconds(self):
        return time.monotonic() - self._began[1]


def test_a_half_open_link_is_noticed_within_two_ping_periods():
    async def main():
        period = 0.8
        options = DialOptions(ping_period=period, first_delay=30, proxy=None)
        async with Echo() as server, Middle(server.port) as middle:
            dial = Dial(f"ws://127.0.0.1:{middle.port}/", options, rng=Never())
            served = Served()
            async with dialling(dial, served):
                await until(lambda: served.wires and served.wire.latency_ms)
                middle.stall()
                took = Took(served.wire)
                await until(lambda: dial.state.phase == "waiting")
            assert period * 0.6 < took.watched < 2 * period
            assert took.seconds < 3 * period
            assert served.wire.is_dead
            assert "dead" in served.wire.ended
            assert dial.state.code is VCPErrorCode.DISTRIBUTED_TIMEOUT

    asyncio.run(main())


def test_a_half_open_link_is_noticed_though_messages_are_sent_into_it():
    async def main():
        period = 0.8
        options = DialOptions(ping_period=period, first_delay=30, proxy=None)
        async with Echo() as server, Middle(server.port) as middle:
            dial = Dial(f"ws://127.0.0.1:{middle.port}/", options, rng=Never())
            served = Served()
            async with dialling(dial, served):
                await until(lambda: served.wires and served.wire.latency_ms)
                middle.stall()
                took = Took(served.wire)

                async def send_on():
                    while took.seconds < 5:
                        await served.wire.send("x" * 100)  # the system takes it, nobody else
                        await asyncio.sleep(0.01)

                with pytest.raises(StateError):
                    await send_on()
                assert took.watched < 2 * period
                assert took.seconds < 3 * period

    asyncio.run(main())


def test_a_half_open_link_is_noticed_while_a_big_message_is_sent():
    async def main():
        period = 0.6
        options = DialOptions(ping_period=period, first_delay=30, proxy=None)
        async with Echo() as server, Middle(server.port) as middle:
            dial = Dial(f"ws://127.0.0.1:{middle.port}/", options, rng=Never())
            served = Served()
            async with dialling(dial, served):
                await until(lambda: served.wires and served.wire.latency_ms)
                middle.rate = 20 * MIB
                sending = asyncio.create_task(served.wire.send("x" * (50 * MIB)))
                another = asyncio.create_task(served.wire.send("y" * MIB))
                connection = served.wire._connection
                await until(lambda: 0 < connection.waiting() < 49 * MIB)
                assert not sending.done()
                middle.stall()
                took = Took(served.wire)
                async with asyncio.timeout(5):
                    for task in (sending, another):
                        with pytest.raises(StateError) as caught:
                            await task
                assert took.watched < 2 * period
                assert took.seconds < 3 * period
            assert "dead" in str(caught.value)
            assert server.got == []

    asyncio.run(main())


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("direction", ["out", "in"])
def test_big_messages_that_take_several_ping_periods_are_signs_of_life(
    direction, secure, certificates
):
    async def main():
        period, size = 0.2, 3 * MIB // 2
        got = []

        async def answer(connection, message):
            if direction == "in":
                await connection.send("y" * size)

        async def serve(wire):
            await wire.send("x" * (size if direction == "out" else 1))
            async for message in wire:
                got.append(message)

        tls, ca = (certificates.server, certificates.ca) if secure else (None, None)
        options = DialOptions(ping_period=period, first_delay=30, proxy=None, ca=ca)
        async with Echo(answer, tls=tls) as server, Middle(server.port) as middle:
            middle.rate = 2 * MIB
            url = server.url.replace(str(server.port), str(middle.port))
            dial = Dial(url, options, rng=Never())
            async with dialling(dial, serve):
                arrived = server.got if direction == "out" else got
                await until(lambda: arrived or dial.state.phase == "waiting", within=15)
                assert dial.state.phase == "open", dial.state
                assert len(arrived[0]) == size
                middle.rate = None
                wire = dial.wire
                assert len(wire.latencies) < 10  # it did last several periods
                await until(lambda: wire.latency_ms is not None)

    asyncio.run(main())


def test_a_stall_of_our_own_loop_does_not_kill_the_link():
    # The server has a loop of its own, as a server in another process has.
    ready, over = threading.Event(), threading.Event()
    server = Echo(echo)

    def elsewhere():
        async def keep():
            async with server:
                ready.set()
                await asyncio.to_thread(over.wait)

        asyncio.run(keep())

    async def main():
        stalled = loop_pulse().total
        options = DialOptions(ping_period=0.2, first_delay=30, proxy=None)
        dial, served = Dial(server.url, options, rng=Never()), Served()
        async with dialling(dial, served):
            await until(lambda: served.wires and served.wire.latency_ms)
            for pings in (2, 4):
                # A little after a pong, when no other is under way.
                await until(lambda: 0.05 < time.monotonic() - served.wire.latencies[-1][0] < 0.15)
                stand_still(0.8)  # longer than a dead link is given
                await until(lambda pings=pings: len(served.wire.latencies) > pings or dead(dial))
                assert not dead(dial), dial.state
            await served.wire.send("still there?")
            await until(lambda: served.got)
            assert len(served.wires) == 1
            assert loop_pulse().total - stalled > 1.2

    thread = threading.Thread(target=elsewhere)
    thread.start()
    try:
        assert ready.wait(5)
        asyncio.run(main())
    finally:
        over.set()
        thread.join()


def dead(dial):
    """Whether the one connection is lost; it is not opened again for long."""
    return dial.state.phase == "waiting"


def stand_still(seconds):
    """Hold up the loop, as a C call that holds the GIL does."""
    time.sleep(seconds)


def test_a_reader_that_pauses_does_not_kill_the_link():
    async def main():
        async def flood(connection, message):
            for _ in range(2000):
                await connection.send("x" * 2000)

        async def lazy(wire):
            await wire.send("go")
            await asyncio.sleep(0.6)
            async for message in wire:
                got.append(message)

        got = []
        options = DialOptions(ping_period=0.15, first_delay=30, proxy=None)
        async with Echo(flood) as server:
            dial = Dial(server.url, options, rng=Never())
            async with dialling(dial, lazy):
                await until(lambda: len(got) == 2000 or dial.state.phase == "waiting")
                assert dial.state.phase == "open", dial.state

    asyncio.run(main())


# Sizes, ends, odd messages


def test_a_message_that_is_too_large_ends_the_connection_and_says_so():
    async def main():
        async def big(connection, message):
            await connection.send("x" * 5000)

        async with Echo(big) as server:
            options = DialOptions(max_size=4000, first_delay=30, proxy=None)
            dial, served = Dial(server.url, options, rng=Never()), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                await served.wire.send("go")
                await until(lambda: dial.state.phase == "waiting")
                assert "too large" in dial.state.problem
                assert server.connections[0].close_code == 1009

        async with Echo(max_size=1000) as server:
            dial, served = Dial(server.url, options, rng=Never()), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                await served.wire.send("x" * 2000)
                await until(lambda: dial.state.phase == "waiting")
                assert "1009" in dial.state.problem
                assert "larger than it takes" in dial.state.problem

    asyncio.run(main())


def test_messages_of_ninety_megabytes_both_ways():
    async def main():
        async with Echo(echo) as server:
            dial, served = Dial(server.url, QUICK), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                text = "x" * (90 * MIB)
                await served.wire.send(text)
                await until(lambda: served.got, within=20)
                assert served.got[0] == text
                assert served.wire.bytes_in > 90 * MIB

    asyncio.run(main())


def test_lone_surrogates_are_refused_and_the_link_goes_on():
    async def main():
        async with Echo(echo) as server:
            dial, served = Dial(server.url, QUICK), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                with pytest.raises(InvalidInputError):
                    await served.wire.send("a\ud800b")
                await served.wire.send("fine")
                await until(lambda: served.got == ["fine"])

    asyncio.run(main())


@pytest.mark.parametrize("secure", [False, True])
def test_closing_sends_first_what_is_under_way(secure, certificates):
    async def main():
        size = 4 * MIB
        tls, ca = (certificates.server, certificates.ca) if secure else (None, None)
        options = DialOptions(close_timeout=0.4, first_delay=30, proxy=None, ca=ca)
        async with Echo(tls=tls) as server, Middle(server.port) as middle:
            middle.rate = 6 * MIB  # takes longer than the time for a goodbye
            url = server.url.replace(str(server.port), str(middle.port))
            dial, served = Dial(url, options, rng=Never()), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                sending = asyncio.create_task(served.wire.send("x" * size))
                await asyncio.sleep(0)
                await served.wire.close(1000, "that was all")
                await sending
                assert [len(message) for message in server.got] == [size]
                assert server.connections[0].close_reason == "that was all"

    asyncio.run(main())


def test_closing_a_dead_link_takes_no_longer_than_allowed():
    async def main():
        options = DialOptions(close_timeout=0.3, first_delay=30, proxy=None)
        async with Echo() as server, Middle(server.port) as middle:
            dial = Dial(f"ws://127.0.0.1:{middle.port}/", options, rng=Never())
            served = Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                middle.stall()
                sending = asyncio.create_task(served.wire.send("x" * (20 * MIB)))
                await asyncio.sleep(0.1)
                began = time.monotonic()
                await served.wire.close(1000, "é" * 100)
                assert time.monotonic() - began < 1.5
                with pytest.raises(StateError):
                    await sending

    asyncio.run(main())


def test_a_reason_too_long_for_a_frame_is_cut():
    async def main():
        async with Echo() as server:
            dial, served = Dial(server.url, QUICK), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                await served.wire.close(4000, "é" * 100)
                assert server.connections[0].close_reason == "é" * 61

    asyncio.run(main())


def test_a_server_that_says_goodbye_but_does_not_hang_up():
    async def main():
        async def linger(reader, writer, head):
            key = re.search(r"Sec-WebSocket-Key: (\S+)", head)[1]
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                + accept_key(key).encode()
                + b"\r\n\r\n\x88\x02\x03\xe8"  # and a close frame, 1000
            )
            await asyncio.Event().wait()

        async with Bare(linger) as server:
            options = DialOptions(close_timeout=0.2, ping_period=0.5, first_delay=30, proxy=None)
            dial = Dial(server.url, options, rng=Never())
            async with dialling(dial, Served()):
                await until(lambda: dial.state.phase == "waiting", within=2)
                assert dial.state.problem == "The server closed the connection (1000)."

    asyncio.run(main())


def test_cancelled_twice_nothing_is_left():
    async def main():
        async def stubborn(wire):
            while not over:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.05)

        over = []
        async with Echo() as server:
            sockets = open_sockets()
            dial = Dial(server.url, DialOptions(close_timeout=5, proxy=None))
            task = asyncio.create_task(dial.run(stubborn))
            await until(lambda: server.connections)
            for _ in range(2):
                task.cancel()
                await asyncio.sleep(0.02)
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: open_sockets() <= sockets)  # others' may be collected
            over.append(True)
            await until(lambda: len(asyncio.all_tasks()) == 1)

    asyncio.run(main())


def test_nothing_heavy_is_loaded_before_a_connection_is_opened():
    code = "import sys, vcplab.net.dial; sys.exit('websockets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_text_that_is_no_utf8_ends_the_connection():
    async def main():
        async def bad(connection, message):
            connection.protocol.send_text(b"\xff\xfe")
            connection.send_data()

        async with Echo(bad) as server:
            options = DialOptions(first_delay=30, proxy=None)
            dial, served = Dial(server.url, options, rng=Never()), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                await served.wire.send("go")
                await until(lambda: dial.state.phase == "waiting")
                assert "broke the WebSocket protocol" in dial.state.problem

    asyncio.run(main())


def test_no_debug_logger_prints_the_key_or_frames(caplog):
    async def main():
        async with Echo(echo) as server, Bare(status("404 Not Found")) as lost:
            for url in (server.url, lost.url):
                dial, served = Dial(url, QUICK, secrets=[KEY]), Served()
                async with dialling(dial, served):
                    if url == server.url:
                        await until(lambda served=served: served.wires)
                        await served.wire.send("the content")
                        await until(lambda served=served: served.got)
                    else:
                        await until(lambda dial=dial: dial.state.problem)
                    assert KEY not in f"{dial!r} {dial.state!r} {dial.wire!r} {dial.shown}"

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert KEY not in caplog.text
    assert "the content" not in caplog.text
    assert "connected" in caplog.text


def test_the_repr_of_a_wire():
    async def main():
        async with Echo() as server:
            dial, served = Dial(server.url, QUICK, shown="the server"), Served()
            async with dialling(dial, served):
                await until(lambda: served.wires)
                assert isinstance(served.wire, Wire)
                assert repr(served.wire) == "<Wire the server: open>"

    asyncio.run(main())
