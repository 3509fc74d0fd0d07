"""Links whose other end is silently gone, or merely slow: by a proxy, the server, a firewall."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import time
from typing import Any

import pytest

import vcplab as vl
from tests.support.relay import Relay, Way
from tests.support.wires import MIB, until
from tests.unit.plugins.contract.support import Watch
from vcplab.core.errors import VCPErrorCode
from vcplab.core.loop import run
from vcplab.node.standin import StandInServer
from vcplab.protocol.results import ToolFailure

PING = 0.8
NOTICED = 2 * PING  # the promise
QUICK = {
    "ping_period": PING,
    "open_timeout": 1.0,
    "first_delay": 0.05,
    "longest_delay": 0.05,
    "close_timeout": 0.3,
    "proxy": None,
    "wait": 10.0,
    "show": False,
}
LARGE = 20 * MIB


def scenario(folder: Any, play: Any, **options: Any) -> None:
    """Play something on the library's loop, with a lab of two tools and a server behind a relay."""

    async def main() -> None:
        async with asyncio.timeout(60), Relay(server.port) as relay:
            link = await lab.node.aconnect(relay.url, server.key, **{**QUICK, **options})
            await link.await_open(10)
            for tool in ("echo", "other"):
                await server.await_for_tool(tool)
            try:
                await play(Stage(lab, server, relay, link))
            finally:
                await lab.node.adisconnect()

    with StandInServer(own_thread=True, seed=3) as server, vl.Lab(folder / "lab") as lab:

        @lab.tool(timeout=50)
        async def echo(text: str) -> str:
            """Say it again."""
            return text

        @lab.tool(timeout=50)
        async def other(text: str = "", size: int = 2) -> str:
            """Be there."""
            return "y" * size

        run(main())


class Stage:
    """What a scenario has."""

    def __init__(self, lab: Any, server: StandInServer, relay: Relay, link: Any) -> None:
        self.lab, self.server, self.relay, self.link = lab, server, relay, link

    @property
    def reconnects(self) -> int:
        return int(self.link.status().reconnects)

    def tool_is(self, name: str, state: str) -> bool:
        return any(t.name == name and t.state == state for t in self.link.status().tools)

    async def way_of(self, tool: str) -> Way:
        """The connection on which a tool is called."""
        before = [way.passed[1] for way in self.relay.ways]
        await self.call(tool)
        grown = [way.passed[1] - old for way, old in zip(self.relay.ways, before, strict=True)]
        # A call is larger than a pong of another line.
        return self.relay.ways[grown.index(max(grown))]

    async def call(self, tool: str, **more: Any) -> Any:
        args = {"text": "hello " * 20} if tool == "echo" else {"text": "x" * 120}
        return await self.server.araw_call(tool, more or args, 30)

    async def answers_again(self, tool: str, within: float = 10.0) -> None:
        """Wait until a tool answers on a connection that is alive."""
        async with asyncio.timeout(within):
            while True:
                with contextlib.suppress(ToolFailure):
                    await self.server.araw_call(tool, {"text": "again"}, 0.5)
                    return
                await asyncio.sleep(0.02)


async def noticed(condition: Any, within: float = NOTICED) -> float:
    """Wait until something is noticed, and check that it is in time; gives the seconds."""
    watch, began = Watch(), time.monotonic()
    await until(condition, 20)
    assert watch.seconds < within
    return time.monotonic() - began


def test_an_idle_link_that_is_dead_is_noticed_on_all_its_lines(tmp_path):
    async def play(on):
        assert len(on.relay.ways) == 3  # the node itself, and a line for each tool
        old = list(on.relay.ways)
        for way in old:
            way.stall()
        took = await asyncio.gather(
            noticed(lambda: on.link.state != "open"),
            noticed(lambda: on.tool_is("echo", "pending")),
            noticed(lambda: on.tool_is("other", "pending")),
        )
        print("noticed after", [f"{seconds:.2f} s" for seconds in took], f"ping {PING:g} s")
        assert min(took) > 0.25 * PING  # by its silence, and not by chance
        # New connections pass, but the server has not noticed: the old ones still hold the names.
        await until(lambda: on.reconnects == 1 and on.server.counts["skipped"] >= 2)
        assert all(tool.state == "registered" for tool in on.link.status().tools)
        with pytest.raises(ToolFailure) as caught:
            await on.server.araw_call("other", {}, 0.3)
        assert caught.value.code == VCPErrorCode.TOOL_TIMEOUT
        # Once it notices it forgets the tools, and is reminded without being asked.
        for way in old:
            way.tell_server()
        await on.answers_again("other")
        await on.answers_again("echo")
        assert on.reconnects == 1

    scenario(tmp_path, play)


def test_a_dead_line_of_a_tool_disturbs_nobody_else(tmp_path):
    async def play(on):
        way = await on.way_of("echo")
        running = asyncio.create_task(on.server.araw_call("echo", {"text": "in vain"}, 30))
        way.stall()
        await noticed(lambda: on.tool_is("echo", "pending"))
        assert await on.call("other") == "yy"
        await until(lambda: on.tool_is("echo", "registered"))
        way.tell_server()
        await on.answers_again("echo")
        with pytest.raises(ToolFailure) as caught:
            await running
        assert caught.value.code == VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
        assert (on.reconnects, on.link.state) == (0, "open")
        assert len(on.relay.ways) == 4

    scenario(tmp_path, play)


def test_a_dead_main_line_leaves_the_tools_where_they_are(tmp_path):
    async def play(on):
        tools = {await on.way_of("echo"), await on.way_of("other")}
        (main,) = set(on.relay.ways) - tools
        main.stall()
        await noticed(lambda: on.link.state != "open")
        assert await on.call("other") == "yy"
        await until(lambda: on.reconnects == 1 and on.link.state == "open")
        assert on.link.problem is None
        assert await on.call("echo")
        assert len(on.relay.ways) == 4

    scenario(tmp_path, play)


def test_twenty_megabytes_that_move_slowly_are_not_taken_for_dead(tmp_path):
    period = 0.4

    async def play(on):
        way = await on.way_of("echo")
        way.rate = 12 * MIB  # four periods there, and five back
        text = "x" * LARGE
        began = time.monotonic()
        assert await on.server.araw_call("echo", {"text": text}, 50) == text
        took = time.monotonic() - began
        print(f"20 MiB there and back in {took:.1f} s, ping {period:g} s")
        assert took > 7 * period
        assert len(on.relay.ways) == 3
        assert on.reconnects == 0

    scenario(tmp_path, play, ping_period=period)


def test_transfers_that_stand_still_are_noticed(tmp_path):
    async def play(on):
        there, back = await on.way_of("echo"), await on.way_of("other")
        there.rate = back.rate = 8 * MIB
        before = there.passed[1], back.passed[0]
        calls = [
            asyncio.create_task(on.server.araw_call("echo", {"text": "x" * LARGE}, 50)),
            asyncio.create_task(on.server.araw_call("other", {"size": LARGE}, 50)),
        ]

        # The writing of large frames keeps this loop from noticing anything; so first that.
        await until(lambda: there.passed[1] > before[0] + 4 * MIB, 30)
        await until(lambda: back.passed[0] > before[1] + 4 * MIB, 30)
        there.stall()
        back.stall()
        took = await asyncio.gather(
            noticed(lambda: on.tool_is("echo", "pending")),
            noticed(lambda: on.tool_is("other", "pending")),
        )
        print(
            f"noticed after {took[0]:.2f} s (arguments), {took[1]:.2f} s (result), ping {PING:g} s"
        )
        for tool, way in (("echo", there), ("other", back)):
            await until(lambda tool=tool: on.tool_is(tool, "registered"))
            way.tell_server()
        for failure in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(failure, ToolFailure)
            assert failure.code == VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
        await on.answers_again("echo")
        await on.answers_again("other")
        # A call whose frame never came is no call; one whose answer never left is lost.
        await until(lambda: on.link.status().running == 0)
        assert on.link.status().lost == 1
        assert on.reconnects == 0

    scenario(tmp_path, play)


@pytest.mark.parametrize("replaced", [False, True], ids=["comes back", "is replaced"])
def test_a_server_that_stands_still(tmp_path, replaced):
    async def play(on):
        on.server.stall()
        await asyncio.gather(
            noticed(lambda: on.link.state != "open"),
            noticed(lambda: on.tool_is("echo", "pending")),
            noticed(lambda: on.tool_is("other", "pending")),
        )
        await until(lambda: "dead" not in (on.link.problem or "dead"))  # new tries fail otherwise
        assert on.link.status().next_try is not None or on.link.state == "connecting"
        if replaced:
            await on.server.arestart()
        else:
            on.server.stall(False)
        await on.answers_again("echo")
        await on.answers_again("other")
        await until(lambda: on.link.state == "open")
        assert on.link.problem is None
        await on.server.await_until(lambda server: len(server.nodes) == 3)  # no old ones left

    scenario(tmp_path, play)


def test_a_goodbye_to_whoever_does_not_answer_is_short(tmp_path):
    async def play(on):
        way = await on.way_of("other")
        before = way.passed[0]
        call = asyncio.create_task(on.server.araw_call("other", {"size": LARGE}, 50))
        await until(lambda: way.passed[0] > before + 4 * MIB)
        for way in on.relay.ways:
            way.stall()
        watch = Watch()
        await on.lab.node.adisconnect(grace=0.2)
        # The grace for the call, its unsent rest, and the goodbye.
        assert watch.seconds < 0.2 + 3 * QUICK["close_timeout"] + 0.5
        assert on.link.state == "closed"
        assert on.link.status().running == 0
        mine = asyncio.current_task()
        names = [str(t.get_coro()) for t in asyncio.all_tasks() if t not in (mine, call)]
        assert not [name for name in names if "Link" in name or "Line" in name or "Dial" in name]
        for way in on.relay.ways:
            way.tell_server()
        with pytest.raises(ToolFailure):
            await call

    scenario(tmp_path, play)


WALLED = ["unshare", "--user", "--map-root-user", "--net"]


def _has_namespaces() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    make = "ip link add node0 type veth peer name server0 && ip link set lo up"
    return subprocess.run([*WALLED, "sh", "-c", make], capture_output=True).returncode == 0


@pytest.mark.slow
def test_a_firewall_between_two_network_namespaces(root):
    if not _has_namespaces():
        pytest.skip("needs Linux with network namespaces for users, and the ip command")
    done = subprocess.run(
        [*WALLED, sys.executable, "-m", "tests.support.walled"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(told)
    for when in ("idle", "transfer"):
        assert max(told[when]["main"], told[when]["tool"]) < 2 * told["ping"]
        assert told[when]["back"] < 15
    # The large one was lost; the small ones before and after it came through.
    assert told["answers"].count(VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR) >= 1
    assert str(20 * MIB) not in told["answers"]
    assert told["answers"][-1] == "10"
    assert told["reconnects"] == 2
