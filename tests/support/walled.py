"""A node and its server in two network namespaces, and a firewall between them, now and then.

Run in a new network namespace (``unshare --user --map-root-user --net``); it makes the
second one itself, and leaves nothing behind, because both end with their processes. Prints what it
measured, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import vcplab as vl
from tests.support.relay import Relay
from tests.support.wires import MIB, until
from vcplab.core.loop import run
from vcplab.node.standin import Quirks, StandInServer
from vcplab.protocol.results import ToolFailure

NODE, SERVER = "10.77.0.1", "10.77.0.2"
PING = 1.0
RATE = 6 * MIB


def ip(*words: str) -> None:
    """Run the ip command."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Behind:
    """The server, on the other side of a pair of virtual cables."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["unshare", "--net", sys.executable, "-m", "tests.support.walled", "server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._hear()
        ip("link", "set", "lo", "up")
        ip("link", "add", "node0", "address", "02:00:00:00:00:01", "type", "veth",
           "peer", "name", "server0", "address", "02:00:00:00:00:02",
           "netns", str(self._process.pid))  # fmt: skip
        ip("address", "add", f"{NODE}/24", "dev", "node0")
        ip("link", "set", "node0", "up")
        # Who is where is known for good: no answer to an ARP request would be a hint.
        ip("neighbour", "add", SERVER, "lladdr", "02:00:00:00:00:02", "dev", "node0")
        self.told = self.ask("open")

    def ask(self, what: str, **more: Any) -> Any:
        """Have the server do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the server's side has failed"
        return json.loads(line)

    def close(self) -> None:
        """End it, and with it its namespace."""
        self._process.kill()
        self._process.communicate()


async def serve() -> None:
    """The server's side: do what is asked by standard input."""
    calls: set[asyncio.Task[Any]] = set()
    answers: list[str] = []

    async def call(size: int) -> None:
        try:
            text = await server.araw_call("echo", {"text": "x" * size}, 60)
            answers.append(str(len(text)))
        except ToolFailure as error:
            answers.append(str(error.code))

    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(StandInServer(quirks=Quirks(heartbeat=2.0)))
        print(json.dumps("up"), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            answer: Any = None
            match asked["do"]:
                case "open":
                    ip("link", "set", "lo", "up")
                    ip("address", "add", f"{SERVER}/24", "dev", "server0")
                    ip("link", "set", "server0", "up")
                    ip("neighbour", "add", NODE, "lladdr", "02:00:00:00:00:01", "dev", "server0")
                    relay = await stack.enter_async_context(Relay(server.port, SERVER))
                    answer = {"url": relay.url, "key": server.key}
                case "slow":
                    for way in relay.ways:
                        way.rate = RATE
                case "wall":
                    # What comes for an address that is nobody's is dropped without a word, and
                    # what leaves finds no way.
                    ip("address", "delete", f"{SERVER}/24", "dev", "server0")
                case "unwall":
                    ip("address", "add", f"{SERVER}/24", "dev", "server0")
                    ip("neighbour", "replace", NODE, "lladdr", "02:00:00:00:00:01",
                       "dev", "server0")  # fmt: skip
                case "call":
                    task = asyncio.create_task(call(asked["size"]))
                    calls.add(task)
                    task.add_done_callback(calls.discard)
                case "moved":
                    answer = max(max(way.passed) for way in relay.ways)
                case "answers":
                    answer = answers
            print(json.dumps(answer), flush=True)


async def answers_again(link: Any, behind: Behind) -> float:
    """Seconds until a call comes through again."""
    began = time.monotonic()
    done = link.status().answered
    async with asyncio.timeout(60):
        while link.status().answered == done or link.state != "open":
            await asyncio.to_thread(behind.ask, "call", size=10)
            await asyncio.sleep(0.1)
    return time.monotonic() - began


async def play(lab: Any, behind: Behind) -> dict[str, Any]:
    """Wall the server off while all is quiet, and in the middle of 20 MiB."""
    link = await lab.node.aconnect(
        behind.told["url"], behind.told["key"], ping_period=PING, open_timeout=1.0,
        first_delay=0.05, longest_delay=0.05, proxy=None, wait=10.0, show=False,
    )  # fmt: skip
    await link.await_open(10)

    def pending() -> bool:
        return any(tool.state == "pending" for tool in link.status().tools)

    async def lost(condition: Any) -> float:
        began = time.monotonic()
        await until(condition, 30)
        return time.monotonic() - began

    measured: dict[str, Any] = {"ping": PING}
    await answers_again(link, behind)
    await asyncio.to_thread(behind.ask, "wall")
    main, tool = await asyncio.gather(lost(lambda: link.state != "open"), lost(pending))
    measured["idle"] = {"main": main, "tool": tool}
    await until(lambda: "dead" not in (link.problem or "dead"), 10)  # no new one comes about
    measured["problem"] = link.problem
    await asyncio.to_thread(behind.ask, "unwall")
    measured["idle"]["back"] = await answers_again(link, behind)

    await asyncio.to_thread(behind.ask, "slow")
    await asyncio.to_thread(behind.ask, "call", size=20 * MIB)
    async with asyncio.timeout(30):
        while await asyncio.to_thread(behind.ask, "moved") < 6 * MIB:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.to_thread(behind.ask, "wall")
    main, tool = await asyncio.gather(lost(lambda: link.state != "open"), lost(pending))
    measured["transfer"] = {"main": main, "tool": tool}
    await asyncio.to_thread(behind.ask, "unwall")
    measured["transfer"]["back"] = await answers_again(link, behind)
    measured["answers"] = await asyncio.to_thread(behind.ask, "answers")
    measured["reconnects"] = link.status().reconnects
    await lab.node.adisconnect()
    return measured


def main() -> None:
    if sys.argv[1:] == ["server"]:
        run(serve())
        return
    behind = Behind()
    try:
        with tempfile.TemporaryDirectory() as folder, vl.Lab(Path(folder) / "lab") as lab:

            @lab.tool(timeout=60)
            async def echo(text: str) -> str:
                """Say it again."""
                return text

            print(json.dumps(run(play(lab, behind))), flush=True)
    finally:
        behind.close()


if __name__ == "__main__":
    main()
