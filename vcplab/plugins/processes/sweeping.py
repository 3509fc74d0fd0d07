"""Finding and ending processes by a mark in their environment. Standard library only.

The watchdog runs this file by its path, in an interpreter without vcplab.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

__all__ = ["MARK", "kill_group", "sweep"]

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
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
            killed += 1
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
