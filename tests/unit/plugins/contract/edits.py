"""A plugin that tells its version, the ways in which its files are saved, and calls under load."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vcplab.core.loop import submit

NAME = "Versioned"
SCRIPT = "versioned.py"
MANIFEST = "plugin-manifest.json"


def script(version: int) -> str:
    """A script that is valid Python at most of its line ends, and tells if it is not whole."""
    # Cut in the middle it still runs and replies, but without `tail`.
    filling = "\n".join(f"# line {number} of version {version}" for number in range(400))
    return f'''"""Version {version}."""

import atexit
import json

with open("{MANIFEST}", encoding="utf-8") as file:
    manifest = json.load(file)["version"]
result = {{"head": {version}, "manifest": manifest}}
atexit.register(lambda: print(json.dumps({{"status": "success", "result": result}})))
{filling}
result["tail"] = {version}
'''


def manifest(version: int) -> str:
    """A manifest of a version."""
    return json.dumps(
        {
            "name": NAME,
            "version": f"{version}.0.0",
            "description": f"Tells its version, {version}.",
            "pluginType": "synchronous",
            "entryPoint": {"type": "python", "command": f"python {SCRIPT}"},
            "communication": {"protocol": "stdio", "timeout": 20000},
        },
        indent=2,
    )


def make(folder: Path) -> Path:
    """The plugin's folder with version 1."""
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(manifest(1), encoding="utf-8")
    (folder / SCRIPT).write_text(script(1), encoding="utf-8")
    return folder


def save_whole(path: Path, text: str) -> None:
    """Truncate and write at once, as most editors do."""
    path.write_text(text, encoding="utf-8")


def save_in_halves(
    path: Path, text: str, pause: float, share: float = 0.5, *, reopen: bool = False
) -> None:
    """Truncate, write a share of the lines, perhaps none, wait, and write the rest.

    The file stays open meanwhile, or is closed and opened again.
    """
    lines = text.splitlines(keepends=True)
    cut = round(len(lines) * share)
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(lines[:cut]))
        file.flush()
        if not reopen:
            time.sleep(pause)
            file.write("".join(lines[cut:]))
    if reopen:
        time.sleep(pause)
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(lines[cut:]))


def save_by_rename(path: Path, text: str) -> None:
    """Write beside it and rename, as careful editors do."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


@dataclass(slots=True)
class Call:
    """One call: when it began, and its future."""

    began: float
    future: Future[Any]


@dataclass(slots=True)
class Load:
    """Calls at a steady pace from a thread; they run on the library's loop.

    A second's worth of them waits at most: a machine that cannot keep the pace would else drown
    in processes, and show nothing but that.
    """

    lab: Any
    rate: float = 20.0
    calls: list[Call] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Load:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            if sum(not call.future.done() for call in self.calls[-60:]) >= self.rate:
                due = time.monotonic() + 0.01
                self._stop.wait(0.01)
                continue
            future = submit(self.lab.tools.acall(NAME, {"n": len(self.calls)}, timeout=30))
            self.calls.append(Call(time.monotonic(), future))
            due += 1 / self.rate
            self._stop.wait(max(0.0, due - time.monotonic()))

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def results(self) -> list[tuple[float, Any]]:
        """When each call began and what it gave; an exception where it was lost."""
        found = []
        for call in list(self.calls):
            try:
                found.append((call.began, call.future.result(60)))
            except Exception as error:
                found.append((call.began, error))
        return found


@dataclass(slots=True)
class Saved:
    """One save: when it began and came into force, and which versions serve from then on."""

    began: float
    done: float
    in_force: float
    script: int
    manifest: int
    how: str
    good: bool


def judge(results: list[tuple[float, Any]], saves: list[Saved], until: float) -> list[str]:
    """All that is wrong with the replies, given what was saved when."""
    wrong = []
    scripts, manifests = {1}, {"1.0.0"}
    for save in saves:
        if save.good:
            scripts.add(save.script)
            manifests.add(f"{save.manifest}.0.0")
    for began, value in results:
        if not isinstance(value, dict):
            wrong.append(f"lost {_after(began, saves)}: {value!r}"[:600])
        elif value.get("head") != value.get("tail") or value["head"] not in scripts:
            wrong.append(f"no whole version {_after(began, saves)}: {value}")
        elif value["manifest"] not in manifests:
            wrong.append(f"no whole manifest {_after(began, saves)}: {value}")
    for index, save in enumerate(saves):
        # From when the next save begins, replies may be of either.
        end = saves[index + 1].began if index + 1 < len(saves) else until
        for began, value in results:
            if not save.in_force < began < end or not isinstance(value, dict):
                continue
            told = (value.get("tail"), value.get("manifest"))
            if told != (save.script, f"{save.manifest}.0.0"):
                wrong.append(f"{began - save.in_force:.2f} s after {save.how} came in: {told}")
    return wrong


def _after(began: float, saves: list[Saved]) -> str:
    before = [save for save in saves if save.done <= began]
    if not before:
        return "before any save"
    return f"{began - before[-1].done:.2f} s after {before[-1].how}"
