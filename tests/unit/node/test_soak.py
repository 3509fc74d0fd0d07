"""Connections lost again and again under load: every call is answered once, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psutil
import pytest

import vcplab as vl
from tests.support.wires import open_sockets
from vcplab.core.errors import VCPErrorCode
from vcplab.core.loop import run
from vcplab.node.standin import StandInServer
from vcplab.protocol.results import ToolFailure

QUICK = {"first_delay": 0.05, "longest_delay": 0.05, "proxy": None}
MIB = 2**20
# What a node keeps on purpose (calls, log, latencies) is full after the warm-up; the allocator's
# own noise is not more than this, and a leak of 200 bytes a call would be in the long run.
GROWTH = 20 * MIB

# Ends of a call that are the server's own: the node left, or the tool was not registered then.
OF_THE_SERVER = {VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR, VCPErrorCode.TOOL_NOT_FOUND}


class Load:
    """Callers that never stop, and tools that keep account of what ran."""

    def __init__(self, lab: Any, server: StandInServer, most: int) -> None:
        self.server = server
        # By the number of the call; of a fixed size, because memory is measured.
        self.executed = bytearray(most)
        self.answered = bytearray(most)
        self.ended: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.sent = 0

        @lab.tool(timeout=30)
        async def quick(number: int) -> dict[str, int]:
            """Answer at once."""
            self.executed[number] += 1
            return {"number": number, "twice": 2 * number}

        @lab.tool(timeout=30)
        async def slow(number: int) -> dict[str, int]:
            """Answer after a moment, so that connections are lost meanwhile."""
            self.executed[number] += 1
            await asyncio.sleep((number % 7) / 500)
            return {"number": number, "twice": 2 * number}

        @lab.tool(timeout=30)
        def plain(number: int) -> dict[str, int]:
            """Answer from a worker thread."""
            self.executed[number] += 1
            return {"number": number, "twice": 2 * number}

        self.tools = ("quick", "slow", "plain")

    async def until(self, enough: Callable[[], bool], callers: int) -> None:
        """Call, many at a time, until it is enough."""
        async with asyncio.timeout(1_800), asyncio.TaskGroup() as group:
            for number in range(callers):
                group.create_task(self._caller(number, enough))

    async def _caller(self, offset: int, enough: Callable[[], bool]) -> None:
        while not enough():
            number = self.sent = self.sent + 1
            tool = self.tools[(number + offset) % len(self.tools)]
            try:
                result = await self.server.araw_call(tool, {"number": number}, 30)
            except ToolFailure as error:
                self.ended[str(error.code)] += 1
                if error.code not in OF_THE_SERVER:
                    self.wrong.append(f"{number}: {error}")
                elif error.code == VCPErrorCode.TOOL_NOT_FOUND:
                    await self.server.await_for_tool(tool)
            else:
                self.ended["answered"] += 1
                self.answered[number] += 1
                if result != {"number": number, "twice": 2 * number}:
                    self.wrong.append(f"{number}: {result!r}")

    async def kicks(self, link: Any, times: int, rng: random.Random, every: int) -> None:
        """Drop the connections, or restart the server, in the middle of it all.

        Args:
            link: The link.
            times: How often; as often the link has come back.
            rng: Says when, and now and then which connection alone is dropped first.
            every: Calls between two.
        """
        for _ in range(times):
            begun = self.sent
            pause = rng.randrange(1, 2 * every)
            came = link.status().reconnects
            await self.server.await_until(lambda _, n=begun + pause: self.sent >= n, 60)
            kind = rng.random()
            tools = [node for node in self.server.nodes if node.tools]
            if kind < 0.3 and tools:
                self.server.kick(rng.choice(tools).server_id)
            if kind > 0.9:
                await self.server.arestart()
            else:
                self.server.kick()
            async with asyncio.timeout(30):
                while link.status().reconnects == came:
                    await self.server.await_until(lambda _: True)
                    await asyncio.sleep(0.002)


def tasks_of_the_loop() -> list[str]:
    """What runs on the library's loop, beside who asks."""

    async def names() -> list[str]:
        mine = asyncio.current_task()
        return sorted(str(t.get_coro()) for t in asyncio.all_tasks() if t is not mine)

    return run(names())


def settled(measure: Any, wanted: Any, within: float = 5.0) -> Any:
    """What a measure gives once it is what is wanted, or in the end."""
    deadline = time.monotonic() + within
    while (value := measure()) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


def resident() -> int:
    """Bytes of memory that the process has, without what can be collected."""
    for _ in range(3):
        gc.collect()
    return int(psutil.Process().memory_info().rss)


def soak(folder: Any, *, reconnects: int, calls: int, callers: int = 32) -> dict[str, Any]:
    """Reconnect under load, check the books, and give the figures."""
    with vl.Lab(folder / "lab") as lab, StandInServer(seed=1, own_thread=True) as server:
        tasks, sockets = tasks_of_the_loop(), open_sockets()
        load = Load(lab, server, 10 * calls)
        link = lab.node.connect(server.url, server.key, show=False, **QUICK)
        link.wait(20)
        for tool in load.tools:
            server.wait_for_tool(tool)
        every = max(calls // reconnects, 1)

        async def part(until: int, times: int, rng: random.Random) -> None:
            kicks = asyncio.create_task(load.kicks(link, times, rng, every))
            await load.until(lambda: kicks.done() and server.counts["called"] >= until, callers)
            await kicks

        rng = random.Random(7)
        began = time.monotonic()
        warm = calls // 5, reconnects // 5
        server.home.run(part(warm[0], warm[1], rng))
        before = resident()
        server.home.run(part(calls, reconnects - warm[1], rng))
        after = resident()
        seconds = time.monotonic() - began
        counts, status = server.counts, link.status()
        assert settled(lambda: link.status().running, 0) == 0
        status = link.status()
        lab.node.disconnect()
        assert settled(tasks_of_the_loop, tasks) == tasks
        assert settled(open_sockets, sockets) == sockets
        assert not server.nodes

    # Nobody got a wrong answer, none twice, none of somebody else.
    assert load.wrong == []
    assert max(load.executed) == 1
    assert all(ran >= came for ran, came in zip(load.executed, load.answered, strict=True))
    # The server's books: each call that it sent was answered, or rejected by itself.
    assert counts["called"] == counts["answered"] + counts["rejected"]
    assert counts["answered"] == load.ended["answered"] == sum(load.answered)
    assert [counts[kind] for kind in ("late", "foreign", "timed_out", "failed")] == [0, 0, 0, 0]
    # The node's books: what ran was answered, or is known to be lost.
    assert sum(load.executed) == status.answered + status.lost
    assert status.answered >= counts["answered"]
    assert (status.errors, status.cancelled, status.refused, status.malformed) == (0, 0, 0, 0)
    # That it was a soak.
    assert counts["called"] >= calls
    assert status.reconnects >= reconnects
    assert counts["rejected"] > 0
    assert status.lost > 0
    assert after - before < GROWTH
    return {
        "calls": counts["called"],
        "answered": counts["answered"],
        "rejected by the server": counts["rejected"],
        "not registered then": load.ended[str(VCPErrorCode.TOOL_NOT_FOUND)],
        "lost at the node": status.lost,
        "reconnects": status.reconnects,
        "connections": counts["connected"],
        "seconds": round(seconds, 1),
        "MiB after the warm-up": round(before / MIB, 1),
        "MiB at the end": round(after / MIB, 1),
    }


@pytest.fixture
def quiet(caplog):
    """Nothing is logged that somebody would have to look at: losing connections is ordinary."""
    yield
    assert [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING] == []


def test_thirty_reconnects_under_load(tmp_path, quiet):
    print(soak(tmp_path, reconnects=30, calls=2_000))


@pytest.mark.parametrize("times", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_connections_and_goodbyes_leave_nothing(tmp_path, quiet, times):
    with vl.Lab(tmp_path / "lab") as lab, StandInServer(seed=2, own_thread=True) as server:

        @lab.tool
        async def twice(number: int) -> int:
            """Double it."""
            return 2 * number

        @lab.tool
        def more(number: int) -> int:
            """Add one."""
            return number + 1

        tasks, sockets = tasks_of_the_loop(), open_sockets()

        def cycle(number: int) -> None:
            link = lab.node.connect(server.url, server.key, show=False, wait=20, **QUICK)
            server.wait_for_tool("twice")
            assert server.raw_call("twice", {"number": number}, 20) == 2 * number
            if number % 10:
                lab.node.disconnect()
            else:  # in the middle of everything
                server.kick()
                link.close()
                lab.node.disconnect(link)
            assert link.state == "closed"

        for number in range(10):
            cycle(number)
        before = resident()
        for number in range(10, times):
            cycle(number)
        after = resident()
        assert settled(tasks_of_the_loop, tasks) == tasks
        assert settled(open_sockets, sockets) == sockets
        assert settled(lambda: len(server.nodes), 0) == 0
        assert not lab.node.links
        assert server.counts["late"] == 0
        assert after - before < GROWTH / 2
        print(f"{before / MIB:.1f} MiB after 10, {after / MIB:.1f} MiB after {times}")


@pytest.mark.slow
def test_a_thousand_reconnects_and_a_hundred_thousand_calls(tmp_path, quiet):
    print(soak(tmp_path, reconnects=1_000, calls=100_000))
