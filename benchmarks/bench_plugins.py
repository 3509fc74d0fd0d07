"""What a plugin call costs over the bare thing: a function of the notebook, a process for a call.

Run ``python benchmarks/bench_plugins.py``. Everything alternates with what it is measured against,
in one process; figures are medians. The bars: awaited on the library's loop a call adds 150 µs to
an asynchronous kernel function and 300 µs to a synchronous one, and a stdio call through the whole
manager takes 1.25 times a bare ``create_subprocess_exec`` with ``communicate`` of the same child in
the same environment. The blocking twin and the hop from another loop are reported apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import vcplab as vl
from vcplab.core.loop import library_loop, to_worker
from vcplab.plugins.processes.sweeping import MARK

ARGUMENTS = {"text": "what was said about the budget"}

# Tells the environment it was given, so that the bare child can be given the same.
ECHO = """\
import json, os, sys
given = json.loads(sys.stdin.read() or "{}")
result = dict(os.environ) if given.get("environment") else given.get("text")
print(json.dumps({"status": "success", "result": result}))
"""
ECHO_NODE = """\
const given = JSON.parse(require("fs").readFileSync(0, "utf8") || "{}");
const result = given.environment ? process.env : given.text;
console.log(JSON.stringify({ status: "success", result }));
"""


def make(folder: Path, name: str, file: str, command: str, text: str) -> Path:
    """Write a synchronous plugin that echoes."""
    target = folder / name
    target.mkdir(parents=True)
    manifest = {
        "name": name,
        "version": "1.0.0",
        "description": "Says again what it was told.",
        "pluginType": "synchronous",
        "entryPoint": {"command": command},
        "communication": {"protocol": "stdio", "timeout": 30000},
    }
    (target / "plugin-manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (target / file).write_text(text, encoding="utf-8")
    return target


async def seconds(work: Callable[[], Awaitable[Any]]) -> float:
    """Wall seconds of one awaited run."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def alternate(
    works: dict[str, Callable[[], Awaitable[Any]]], rounds: int, warm: int
) -> dict[str, list[float]]:
    """Run all in turn, each round in the opposite order, and keep the seconds of each."""
    for _ in range(warm):
        for work in works.values():
            await work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        names = list(works) if number % 2 else list(works)[::-1]
        for name in names:
            times[name].append(await seconds(works[name]))
    return times


def blocking_alternate(
    works: dict[str, Callable[[], Any]], rounds: int, warm: int
) -> dict[str, list[float]]:
    """The same for blocking calls from the main thread."""
    for _ in range(warm):
        for work in works.values():
            work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - began)
    return times


def line(label: str, values: list[float], extra: str = "") -> None:
    """One row: median and 95th percentile in microseconds."""
    ranked = sorted(values)
    high = ranked[min(len(ranked) - 1, round(0.95 * len(ranked)))]
    print(f"{label:46} {statistics.median(values) * 1e6:10.1f} {high * 1e6:10.1f}  {extra}")


def bar(met: bool, text: str) -> str:
    """A figure beside its bar."""
    return f"{text}: {'met' if met else 'NOT met'}"


def kernel_functions(lab: Any, rounds: int) -> None:
    """``acall`` over bare functions of the kernel."""

    async def shout_later(text: str) -> str:
        """Say it louder, asynchronously."""
        return text.upper()

    def shout(text: str) -> str:
        """Say it louder."""
        return text.upper()

    lab.tool(name="ShoutLater")(shout_later)
    lab.tool(name="Shout")(shout)
    acall = lab.tools.acall

    async def bare_sync() -> str:
        return shout(**ARGUMENTS)

    works: dict[str, Callable[[], Awaitable[Any]]] = {
        "async function, bare": lambda: shout_later(**ARGUMENTS),
        "async function, acall": lambda: acall("ShoutLater", ARGUMENTS),
        "sync function, bare": bare_sync,
        "sync function, bare in a worker thread": lambda: to_worker(shout, **ARGUMENTS),
        "sync function, acall": lambda: acall("Shout", ARGUMENTS),
    }
    times = library_loop().run(alternate(works, rounds, rounds // 10))
    middle = {name: statistics.median(values) for name, values in times.items()}
    asynchronous = (middle["async function, acall"] - middle["async function, bare"]) * 1e6
    synchronous = (middle["sync function, acall"] - middle["sync function, bare"]) * 1e6
    notes = {
        "async function, acall": bar(asynchronous <= 150, f"adds {asynchronous:.0f} µs (≤ 150)"),
        "sync function, acall": bar(synchronous <= 300, f"adds {synchronous:.0f} µs (≤ 300)"),
    }
    for name, values in times.items():
        line(name, values, notes.get(name, ""))

    blocking = blocking_alternate(
        {
            "async function, blocking twin": lambda: lab.tools.call("ShoutLater", ARGUMENTS),
            "sync function, blocking twin": lambda: lab.tools.call("Shout", ARGUMENTS),
            "nothing, hop from the main thread and back": lambda: library_loop().run(
                asyncio.sleep(0)
            ),
        },
        rounds,
        rounds // 10,
    )
    hop = asyncio.run(
        alternate(
            {"async function, acall from another loop": lambda: acall("ShoutLater", ARGUMENTS)},
            rounds,
            rounds // 10,
        )
    )
    for name, values in (blocking | hop).items():
        line(name, values)


def stdio(lab: Any, folder: Path, name: str, file: str, program: str, rounds: int) -> None:
    """A stdio call through the manager over the bare child."""
    environment = {
        key: value
        for key, value in lab.tools.call(name, {"environment": True}).items()
        # The mark of a call that is over: whatever bears it is ended.
        if key != MARK
    }
    # `python` of a manifest is the interpreter that runs this.
    executable = sys.executable if program == "python" else shutil.which(program)
    assert executable is not None
    given = json.dumps(ARGUMENTS).encode()

    async def bare() -> None:
        child = await asyncio.create_subprocess_exec(
            executable,
            file,
            cwd=folder / name,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, _ = await child.communicate(given)
        assert json.loads(out) == {"status": "success", "result": ARGUMENTS["text"]}

    works: dict[str, Callable[[], Awaitable[Any]]] = {
        f"{program}: create_subprocess_exec, bare": bare,
        f"{program}: stdio plugin, acall": lambda: lab.tools.acall(name, ARGUMENTS),
    }
    times = library_loop().run(alternate(works, rounds, 5))
    values = list(times.values())
    ratio = statistics.median(values[1]) / statistics.median(values[0])
    notes = ["", bar(ratio <= 1.25, f"{ratio:.2f} × (≤ 1.25)")]
    for (label, row), note in zip(times.items(), notes, strict=True):
        line(label, row, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=2000, help="calls of each kernel function")
    parser.add_argument("--processes", type=int, default=60, help="processes of each kind")
    options = parser.parse_args()
    print(
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        if hasattr(os, "getloadavg")
        else platform.platform()
    )
    print(f"\n{'':46} {'median µs':>10} {'p95 µs':>10}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with vl.Lab(folder / "lab") as lab:
            kernel_functions(lab, options.calls)
            made = [("EchoPy", "echo.py", "python", ECHO)]
            if shutil.which("node"):
                made.append(("EchoJs", "echo.js", "node", ECHO_NODE))
            for name, file, program, text in made:
                make(folder / "plugins", name, file, f"{program} {file}", text)
                lab.plugins.add(folder / "plugins" / name, trust=True)
                stdio(lab, folder / "plugins", name, file, program, options.processes)


if __name__ == "__main__":
    main()
