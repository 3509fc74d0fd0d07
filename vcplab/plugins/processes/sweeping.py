"""Finding and ending processes by a mark in their environment. Standard library only.

The watchdog runs this file by its path, in an interpreter without vcplab.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

__all__ = ["MARK", "descendants", "kill", "kill_group", "sweep"]

MARK = "VCPLAB_CALL"
"""The variable that every process of a call inherits: ``<session>.<call>``."""


def kill_group(group: int) -> bool:
    """Kill a process group; whether anybody was in it."""
    if os.name != "posix":
        return False
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def descendants(pid: int) -> dict[int, str]:
    """The processes below one, each with the time at which it began (Linux; elsewhere none).

    Args:
        pid: The process, which is not among them.

    Returns:
        Process id → start time; both together name a process even when ids are used again.
    """
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            threads = os.listdir(f"/proc/{parent}/task")
        except OSError:  # it is gone, or this is no Linux
            continue
        for thread in threads:
            try:
                with open(f"/proc/{parent}/task/{thread}/children") as file:
                    children = [int(child) for child in file.read().split()]
            except OSError:
                continue
            for child in children:
                began = _began(child)
                if began is not None and child not in found:
                    found[child] = began
                    waiting.append(child)
    return found


def kill(processes: dict[int, str]) -> int:
    """Kill processes that are still the same ones; how many there were.

    Args:
        processes: Process id → start time, as of `descendants`.
    """
    killed = 0
    for pid, began in processes.items():
        if _began(pid) == began:
            killed += _kill_one(pid)
    return killed


def _kill_one(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _began(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/stat") as file:
            content = file.read()
    except OSError:
        return None
    fields = content.rpartition(")")[2].split()
    # A zombie is dead already; whoever is its parent has only to take note.
    return None if fields[0] == "Z" else fields[19]


def sweep(doomed: Callable[[str], bool]) -> int:
    """Kill every process whose mark is doomed (Linux; elsewhere nothing is found).

    Args:
        doomed: Says it of a mark.

    Returns:
        How many were killed.
    """
    killed = 0
    for pid, mark in _marked():
        if doomed(mark):
            killed += _kill_one(pid)
    return killed


def _marked() -> Iterator[tuple[int, str]]:
    prefix = f"{MARK}=".encode()
    own = os.getpid()
    try:
        entries = os.listdir("/proc")
    except OSError:
        return
    for entry in entries:
        if not entry.isdigit() or int(entry) == own:
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                content = file.read()
        except OSError:  # it is gone, or somebody else's
            continue
        if prefix not in content:
            continue
        for variable in content.split(b"\0"):
            if variable.startswith(prefix):
                yield int(entry), variable[len(prefix) :].decode("ascii", "replace")
                break
