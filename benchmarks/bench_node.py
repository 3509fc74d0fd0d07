"""What the node connector costs over a bare relay on ``websockets``.

Run ``python benchmarks/bench_node.py [--rounds N] [--one-process]``. A server calls an echo tool of
a client; the caller sits in the server's process, the client in another, as a kernel and a main
server are. Both sides have the same hops: caller → server → WebSocket → client → tool → WebSocket
→ server → caller. The bare relay is ``websockets`` at both ends with ``json`` and nothing else;
ours is the stand-in main server and a lab's node, with argument check, trace on disk, guard against
secrets, time limit and call book. For a plain function the bare relay uses ``asyncio.to_thread``.
Rounds alternate; figures are medians of the rounds' ratios, with their extremes.
``--one-process`` puts both ends into one process, so that they share one GIL.

Bars: at least .7 of the relay's calls per second, one in flight; 64 in flight at least twice as
many calls per second as one in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import websockets
from measure import load_line, verdict
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

import vcplab as vl
from vcplab.node.standin import StandInServer

CALLS, IN_FLIGHT = 1_000, 64
KEY = "a-key-of-a-benchmark"
ARGUMENTS = {"text": "how many roads must a man walk down", "maid": "Nova"}
Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]


class RelayServer:
    """The server's end of the bare relay."""

    def __init__(self) -> None:
        self.waiting: dict[str, asyncio.Future[Any]] = {}
        self.ids = itertools.count()
        self.socket: Any = None

    async def begin(self) -> str:
        """Listen; the address."""
        server = await serve(self._handle, "127.0.0.1", 0, compression=None)
        return f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"

    async def _handle(self, socket: Any) -> None:
        self.socket = socket
        async for message in socket:
            data = json.loads(message)["data"]
            self.waiting.pop(data["requestId"]).set_result(data["result"])

    async def ask(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Call the client."""
        request = f"r{next(self.ids)}"
        future = self.waiting[request] = asyncio.get_running_loop().create_future()
        data = {"requestId": request, "toolName": tool, "toolArgs": arguments}
        await self.socket.send(json.dumps({"type": "execute_tool", "data": data}))
        return await future


async def relay_client(url: str) -> None:
    """The client's end of the bare relay: the least that a node could be."""
    running = set()

    async def answer(socket: Any, data: dict[str, Any]) -> None:
        text = data["toolArgs"]["text"]
        result = await asyncio.to_thread(str, text) if data["toolName"] == "plain" else text
        told = {"requestId": data["requestId"], "status": "success", "result": result}
        await socket.send(json.dumps({"type": "tool_result", "data": told}))

    async with connect(url, compression=None) as socket:
        async for message in socket:
            task = asyncio.create_task(answer(socket, json.loads(message)["data"]))
            running.add(task)
            task.add_done_callback(running.discard)


async def calls(ask: Ask, tool: str, in_flight: int) -> tuple[float, float]:
    """Make `CALLS` calls; microseconds of each by the clock, and of this process's CPU."""
    left = iter(range(CALLS))

    async def caller() -> None:
        for _ in left:
            assert await ask(tool, ARGUMENTS) == ARGUMENTS["text"]

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    taken = time.perf_counter() - wall, time.process_time() - cpu
    return taken[0] / CALLS * 1e6, taken[1] / CALLS * 1e6


class Here:
    """A server's end in this process, on a loop of its own."""

    def __init__(self, side: str) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        if side == "relay":
            relay = RelayServer()
            self.ask: Ask = relay.ask
            self.url = self._run(relay.begin())
        else:
            server = StandInServer(KEY, own_thread=True)
            server.start()
            self._run = server.home.run  # type: ignore[method-assign]
            self.ask, self.url = server.araw_call, server.url

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def measure(self, tool: str, in_flight: int) -> list[float]:
        """Microseconds of a call: by the clock, and of this process's CPU."""
        return list(self._run(calls(self.ask, tool, in_flight)))


class There:
    """A server's end in a process of its own."""

    def __init__(self, side: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", side],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._line()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def measure(self, tool: str, in_flight: int) -> list[float]:
        """Microseconds of a call: by the clock, and of both processes' CPU."""
        assert self.process.stdin is not None
        cpu = time.process_time()
        self.process.stdin.write(json.dumps([tool, in_flight]) + "\n")
        self.process.stdin.flush()
        wall, theirs = self._line()
        return [wall, theirs + (time.process_time() - cpu) / CALLS * 1e6]


def serve_side(side: str) -> None:
    """What the child process does: measure as it is told."""
    here = Here(side)
    print(json.dumps(here.url), flush=True)
    for line in sys.stdin:
        print(json.dumps(here.measure(*json.loads(line))), flush=True)


def join_as_lab(stack: ExitStack, url: str) -> None:
    """A lab with two echo tools becomes a node of the server."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    lab = stack.enter_context(vl.Lab(Path(folder) / "lab"))

    async def echo(text: str) -> str:
        return text

    def plain(text: str) -> str:
        return text

    lab.tool(echo)
    lab.tool(plain)
    lab.node.connect(url, KEY, show=False).wait()
    time.sleep(0.5)  # the server takes the tools on; it acknowledges nothing


def main() -> None:
    """Measure and print."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--one-process", action="store_true")
    parser.add_argument("--serve", choices=["relay", "vcplab"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve_side(chosen.serve)
        return
    kind = Here if chosen.one_process else There
    sides = {"relay": kind("relay"), "vcplab": kind("vcplab")}
    where = "one process" if chosen.one_process else "two processes"
    print(f"websockets {websockets.__version__}, {where}, {CALLS} calls × {chosen.rounds} rounds")
    print(load_line())
    found: dict[tuple[str, str, int], list[list[float]]] = {}
    with ExitStack() as stack:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(relay_client(sides["relay"].url), loop)
        join_as_lab(stack, sides["vcplab"].url)
        for number in range(chosen.rounds + 1):
            for tool, in_flight in itertools.product(("echo", "plain"), (1, IN_FLIGHT)):
                for side, end in sides.items():
                    taken = end.measure(tool, in_flight)
                    if number:  # the first round warms up
                        found.setdefault((side, tool, in_flight), []).append(taken)
    for (side, tool, in_flight), values in found.items():
        wall, cpu = (statistics.median(value[place] for value in values) for place in (0, 1))
        print(f"{side:7} {tool:6} {in_flight:3} in flight: {wall:7.1f} µs wall {cpu:7.1f} µs CPU")
    for tool in ("echo", "plain"):
        pairs = list(zip(found["relay", tool, 1], found["vcplab", tool, 1], strict=True))
        for what, place in (("calls per second", 0), ("calls per CPU second", 1)):
            ratios = sorted(bare[place] / ours[place] for bare, ours in pairs)
            name = f"{tool}: {what} over the bare relay's [{ratios[0]:.2f}, {ratios[-1]:.2f}]"
            print(verdict(name, statistics.median(ratios), 0.7, at_least=True))
        for side in ("vcplab", "relay"):
            pairs = list(zip(found[side, tool, 1], found[side, tool, IN_FLIGHT], strict=True))
            gain = statistics.median(one[0] / many[0] for one, many in pairs)
            print(verdict(f"{tool}: 64 in flight over one in flight, {side}", gain, 2.0, True))


if __name__ == "__main__":
    main()
