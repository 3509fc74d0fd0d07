"""The lock of a corpus on disk: one thread at a time, and one moment of the documents."""

from __future__ import annotations

from threading import RLock, get_ident
from typing import Any

from vcplab.memory.storage.table import DocumentTable

__all__ = ["ReadingLock"]


class ReadingLock:
    """A thread's lock that also holds the documents still while another process writes them.

    Args:
        table: The documents.
    """

    def __init__(self, table: DocumentTable) -> None:
        self._table = table
        self._lock = RLock()
        self._held: list[Any] = []
        self._owner = 0

    def is_held(self) -> bool:
        """Whether this thread is inside."""
        return self._owner == get_ident()

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            moment = self._table.reading()
            moment.__enter__()
        except BaseException:
            self._lock.release()
            raise
        self._held.append(moment)
        self._owner = get_ident()

    def __exit__(self, *problem: Any) -> None:
        try:
            moment = self._held.pop()
            if not self._held:
                self._owner = 0
            moment.__exit__(*problem)
        finally:
            self._lock.release()
