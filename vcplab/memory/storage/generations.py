"""Generations of an index on disk: folders of which a pointer file names the one in use.

An index that must be made anew is made in a folder of its own, and comes into use by replacing the
pointer file in one step. Whoever still reads the old folder may go on; it is deleted by the next
one who makes a generation, where the system allows it (Windows refuses while a file is open).
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vcplab.core.errors import StateError
from vcplab.core.files import write_atomic

__all__ = ["Generations"]

_POINTER = "CURRENT"
_ABOUT = "about.json"
_FOLDER = re.compile(r"g(\d+)")
# Building an index of a million documents takes minutes; a process that died frees its lock.
_PATIENCE = 3600.0
_SLICE = 0.1


class Generations:
    """The generations of one index.

    Args:
        home: Their folder; made when the first generation is begun.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def current(self) -> Path | None:
        """The folder in use, or None."""
        try:
            name = (self.home / _POINTER).read_text(encoding="utf-8").strip()
        except OSError:
            return None
        folder = self.home / name
        return folder if _FOLDER.fullmatch(name) and folder.is_dir() else None

    def about(self, folder: Path) -> Mapping[str, Any]:
        """What was written down when a generation was begun."""
        try:
            found = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def begin(self, about: Mapping[str, Any]) -> Path:
        """A new, empty folder, not in use yet; folders that are in nobody's use are deleted.

        Args:
            about: What the index depends on, JSON-able.

        The caller holds :meth:`lock`.
        """
        used = self.current()
        numbers = [0]
        for folder in self.home.iterdir():
            if match := _FOLDER.fullmatch(folder.name):
                numbers.append(int(match[1]))
                if folder != used:
                    shutil.rmtree(folder, ignore_errors=True)
        made = self.home / f"g{max(numbers) + 1}"
        made.mkdir()
        (made / _ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
        return made

    def publish(self, folder: Path) -> None:
        """Bring a finished generation into use."""
        write_atomic(self.home / _POINTER, folder.name)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while the index is made or brought up to date, by one process at a time.

        Raises:
            StateError: Another process has held it for an hour.
            OSError: The folder cannot be written.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.home / ".lock", thread_local=False)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                # In slices: a wait inside the lock would not see an interrupt on Windows.
                lock.acquire(timeout=_SLICE)
                break
            except Timeout:
                if time.monotonic() > deadline:
                    raise StateError(
                        "Another process has been bringing this index up to date for an hour.",
                        where=str(self.home),
                        next_step="Wait for it, or end it and try again.",
                    ) from None
        try:
            yield
        finally:
            lock.release()
