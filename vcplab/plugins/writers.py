"""Whether somebody is still writing in a folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["is_being_written"]


def is_being_written(folder: Path) -> bool:
    """Whether a process of this user has a file of a folder open for writing.

    Linux only; elsewhere, and of other users' processes, nobody can tell, and the answer is False.

    Args:
        folder: The folder.
    """
    inside = f"{os.path.realpath(folder)}{os.sep}"
    user = os.getuid() if hasattr(os, "getuid") else -1
    try:
        processes = [entry for entry in os.scandir("/proc") if entry.name.isdigit()]
    except OSError:
        return False
    for process in processes:
        with suppress(OSError):  # it ended meanwhile, or is not ours
            if process.stat().st_uid != user:
                continue
            for name in os.listdir(f"{process.path}/fd"):
                with suppress(OSError):
                    target = os.readlink(f"{process.path}/fd/{name}")
                    if target.startswith(inside) and _writes(f"{process.path}/fdinfo/{name}"):
                        return True
    return False


def _writes(info: str) -> bool:
    with open(info) as file:
        for line in file:
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False
