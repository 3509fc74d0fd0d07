"""What the contract tests share: the test plugins, waiting for conditions, finding processes."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from vcplab.protocol.results import ToolFailure

FOLDERS = Path(__file__).resolve().parent / "folders"
MARK = "CONTRACT_MARK"
T = TypeVar("T")

HAS_NODE = shutil.which("node") is not None
needs_node = pytest.mark.skipif(not HAS_NODE, reason="needs Node")
# The prefix of a test plugin's name says in which language it is written.
each_language = pytest.mark.parametrize(
    "language",
    [pytest.param("Py", id="python"), pytest.param("Js", id="javascript", marks=needs_node)],
)


class Watch:
    """How long something takes, on a machine that has time for it.

    Seconds in which processes had to wait for a processor do not count, as far as the system tells
    of them: limits say how fast this project is, not how busy the machine. A tenth of all seconds
    always counts, so that every limit is reached at some time.
    """

    def __init__(self) -> None:
        self._began, self._starved = time.monotonic(), _starved()

    @property
    def seconds(self) -> float:
        """Seconds since it was made that count."""
        passed, starved = time.monotonic() - self._began, _starved()
        if self._starved is None or starved is None:
            return passed / 3  # nobody knows; so patiently
        return max(passed - (starved - self._starved), passed / 10)


def _starved() -> float | None:
    """Seconds since the start of the system in which a process waited for a processor."""
    with suppress(OSError, ValueError, IndexError):
        line = Path("/proc/pressure/cpu").read_text("ascii").splitlines()[0]
        return int(line.rpartition("total=")[2]) / 1e6  # kernel: accounting/psi
    return None


def until(condition: Callable[[], T], seconds: float = 10.0, what: str = "") -> T:
    """Wait until a condition holds, and give what it gave; for the seconds see `Watch`."""
    watch = Watch()
    while True:
        value = condition()
        if value:
            return value
        assert watch.seconds < seconds, f"not within {seconds:g} s: {what or condition}"
        time.sleep(0.01)


def copied(name: str, folder: Path, **changes: Any) -> Path:
    """A copy of a test plugin whose manifest has other entries; None takes an entry out."""
    target = folder / changes.get("name", name)
    shutil.copytree(FOLDERS / name, target)
    path = target / "plugin-manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest.update(changes)
    for key in [key for key, value in changes.items() if value is None]:
        del manifest[key]
    path.write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    return target


def add(lab: Any, *names: str) -> Any:
    """Add test plugins to a lab, as far as there is what runs them."""
    for name in names:
        if HAS_NODE or not name.startswith("Js"):
            lab.plugins.add(FOLDERS / name, trust=True)
    return lab


def refused(lab: Any, name: str, args: dict[str, Any], **more: Any) -> ToolFailure:
    """The failure of a call, which has to fail."""
    with pytest.raises(ToolFailure) as caught:
        lab.tools.call(name, args, **more)
    return caught.value


def row(lab: Any, name: str) -> Any:
    """The row of a plugin."""
    (found,) = [row for row in lab.plugins.rows() if row.name == name]
    return found


def marked(mark: str, *, watchdog: bool = False) -> list[psutil.Process]:
    """The living processes with a marker in their environment or command line.

    The watchdog of this process bears the marker of the test that started it, and stays.
    """
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            if not watchdog and any(word.endswith("watchdog.py") for word in words):
                continue
            if mark in words or process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def none_left(mark: str, seconds: float = 3.0, *, watchdog: bool = False) -> None:
    """Check that every process with the marker is gone within a time; see `Watch`."""
    watch = Watch()
    while left := marked(mark, watchdog=watchdog):
        if watch.seconds > seconds:
            lines = [f"{process.pid} {told(process)}" for process in left]
            raise AssertionError(f"left after {seconds:g} s: {lines}")
        time.sleep(0.02)


def clear(mark: str) -> None:
    """End what an earlier test that failed has left, so that it fails alone."""
    for process in marked(mark):
        with suppress(psutil.Error):
            process.kill()
    none_left(mark)


def told(process: psutil.Process) -> str:
    """The command line of a process that may be going."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "?"
