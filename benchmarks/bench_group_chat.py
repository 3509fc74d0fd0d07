"""What a turn of a group chat costs, beside AutoGen and LangGraph.

Run ``python benchmarks/bench_group_chat.py``. Five agents speak in turn; every side has a replay
model with the same replies of about 110 characters (English and Chinese), gives it the same number
of latest messages, and is measured in a process of its own in each round, sides alternating: CPU
time of all threads while the chat runs. Figures are medians, ratios are taken round by round. Our
side always writes its log to a file, turn by turn; AutoGen keeps everything in memory (its
``save_state`` after each turn is a side of its own), LangGraph checkpoints each turn in memory or
in SQLite. LangGraph has no agents of its own: it is measured with nodes that only give mappings,
and with nodes that ask a replay model as everybody else does. AutoGen's window is its
``BufferedChatCompletionContext``: the token-limited one counts the whole history at every step.

The peers live in an environment of their own, since their requirements are not ours: ``--peers``
or ``VCPLAB_PEERS`` names one, else it is made in the cache folder from ``peers-group-chat.txt``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path

from vcplab.core.settings import Settings

HERE = Path(__file__).parent
CHILD = HERE / "group_chat_sides.py"
PINS = HERE / "peers-group-chat.txt"

#: Sides of the first table: all with the same number of turns.
OURS = ("vcplab", "vcplab-stream")
PEERS = (
    "autogen",
    "autogen-saved",
    "langgraph-bare",
    "langgraph-bare-disk",
    "langgraph",
    "langgraph-disk",
    "autogen-stream",
)
MEANING = {
    "vcplab": "vcplab, log in a file",
    "vcplab-stream": "vcplab, streaming to one subscriber",
    "autogen": "AutoGen round robin, nothing kept on disk",
    "autogen-saved": "the same, save_state to a file after each turn",
    "autogen-stream": "AutoGen round robin, streaming",
    "langgraph-bare": "LangGraph, nodes give mappings, InMemorySaver",
    "langgraph-bare-disk": "the same, SqliteSaver",
    "langgraph": "LangGraph, nodes ask a replay model, InMemorySaver",
    "langgraph-disk": "the same, SqliteSaver",
}


def interpreter(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def peers(given: str | None) -> Path | None:
    """The peers' Python; None where they can be had neither from here nor from an index."""
    if given:
        python = interpreter(Path(given))
        if not python.exists():
            raise SystemExit(f"{given} is no virtual environment: it has no {python.name}")
        return python
    folder = Settings.load().cache_dir / "benchmarks" / "peers-group-chat"
    python, stamp = interpreter(folder), folder / "installed.txt"
    pins = PINS.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == pins:
        return python
    print(f"Making the peers' environment in {folder} ...", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if subprocess.run([*command, "-r", str(PINS)], check=False).returncode:
        print("The peers could not be installed (is there a network?): only our own figures.")
        return None
    stamp.write_text(pins, encoding="utf-8")
    return python


@dataclass
class Side:
    """What one side needed, round by round."""

    turns: int = 0
    cpu: list[float] = field(default_factory=list)
    chunks: int = 0
    bytes: int = 0
    version: str = ""

    def milliseconds(self) -> list[float]:
        """CPU milliseconds of a turn, of each round."""
        return [1000 * seconds / self.turns for seconds in self.cpu]

    def microseconds(self) -> list[float]:
        """CPU microseconds of a piece, of each round."""
        return [1e6 * seconds / self.chunks for seconds in self.cpu]


def measure(python: Path, side: str, turns: int, into: Side) -> None:
    """Run one side once in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(python), str(CHILD), side, str(turns), folder],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    into.turns = found["turns"]
    into.cpu.append(found["cpu"])
    into.chunks = found.get("chunks", 0)
    into.bytes = found.get("bytes", 0)
    into.version = found["version"]


def bar(text: str, above: list[float], below: list[float], limit: float | None = None) -> None:
    """One ratio: the rounds' median, smallest and largest, that of the best rounds, and its bar."""
    values = [a / b for a, b in zip(above, below, strict=True)]
    middle = statistics.median(values)
    verdict = "" if limit is None else f"(≤ {limit:g}) {'met' if middle <= limit else 'NOT met'}"
    print(
        f"{text:68} {middle:6.3f}  [{min(values):.3f}, {max(values):.3f}]  "
        f"{min(above) / min(below):5.3f}  {verdict}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", default=os.environ.get("VCPLAB_PEERS"), help="an environment")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--long", type=int, default=1000, help="turns of the long chat")
    options = parser.parse_args()
    theirs = peers(options.peers)
    own = Path(sys.executable)
    python = dict.fromkeys(OURS, own) | (dict.fromkeys(PEERS, theirs) if theirs else {})
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores{load}; {options.rounds} rounds"
    )

    jobs = [(name, options.turns) for name in python] + [("vcplab", options.long)]
    if theirs:
        jobs.append(("autogen", options.long))
        jobs.append(("langgraph-bare", options.long))
    sides = {job: Side() for job in jobs}
    for number in range(options.rounds):
        for job in jobs if number % 2 else jobs[::-1]:
            measure(python[job[0]], job[0], job[1], sides[job])

    print(f"\n{'CPU ms a turn':54} {'turns':>6} {'median':>8} {'min':>8} {'max':>8}")
    for (name, turns), side in sides.items():
        values = side.milliseconds()
        print(
            f"{MEANING[name]:54} {turns:6} {statistics.median(values):8.3f} "
            f"{min(values):8.3f} {max(values):8.3f}"
        )
    print("\nversions: " + ", ".join(sorted({side.version for side in sides.values()})))

    def ms(name: str, turns: int = options.turns) -> list[float]:
        return sides[name, turns].milliseconds()

    print(f"\n{'ratio of CPU':68} {'median':>6}  [min, max]  of the best rounds")
    bar(
        f"{options.long} turns over {options.turns}, of a turn",
        ms("vcplab", options.long),
        ms("vcplab"),
        1.15,
    )
    if not theirs:
        return
    bar("a turn, of AutoGen, which keeps nothing", ms("vcplab"), ms("autogen"), 0.30)
    bar("a turn, of AutoGen with save_state", ms("vcplab"), ms("autogen-saved"))
    for name in ("langgraph", "langgraph-disk", "langgraph-bare", "langgraph-bare-disk"):
        what = "a replay model" if "bare" not in name else "no model"
        where = "SqliteSaver" if "disk" in name else "InMemorySaver"
        bar(f"a turn, of LangGraph, {what}, {where}", ms("vcplab"), ms(name), 0.7)
    ours, beside = sides["vcplab-stream", options.turns], sides["autogen-stream", options.turns]
    bar(
        f"a piece of a stream, of AutoGen ({ours.chunks} and {beside.chunks} pieces)",
        ours.microseconds(),
        beside.microseconds(),
        0.3,
    )
    for turns in (options.turns, options.long):
        mine, other = sides["vcplab", turns].bytes, sides["autogen", turns].bytes
        bar(
            f"bytes at {turns} turns: canonical log {mine:,} of save_state's {other:,}",
            [float(mine)],
            [float(other)],
            0.35,
        )
    for name in ("autogen", "langgraph-bare"):
        label = f"for comparison: {name}, {options.long} turns over {options.turns}"
        bar(label, ms(name, options.long), ms(name))


if __name__ == "__main__":
    main()
