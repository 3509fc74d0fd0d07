"""The folder of a corpus on disk: what lies in it, and who may write.

::

    my-memory/
      documents.sqlite3      the documents: the truth; all else can be made again from them
      indexes/<kind>-<key>/  generations of one index, and the pointer file that names the current
      .lock  .owner.json     held by the one process that writes, and who it is
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError, NotFoundError, ReadOnlyError, StateError
from vcplab.core.files import write_atomic
from vcplab.memory.storage.disk import DiskTable

if TYPE_CHECKING:
    from vcplab.memory.corpus import Corpus
    from vcplab.memory.storage.table import DocumentTable

__all__ = ["OPENING", "CorpusFolder"]

# Held while a folder is opened, so that two threads do not both think they are the first.
OPENING = RLock()
_DOCUMENTS = "documents.sqlite3"
# Folder and process → the corpus that is open for writing there.
_writers: WeakValueDictionary[tuple[Path, int], Corpus] = WeakValueDictionary()


class CorpusFolder:
    """The folder of a corpus.

    Args:
        path: Absolute and free of links.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: FileLock | None = None

    @staticmethod
    def at(path: str | Path) -> CorpusFolder:
        """The folder at a path, which need not exist; ``~`` is expanded."""
        return CorpusFolder(Path(os.path.realpath(Path(path).expanduser())))

    @property
    def indexes(self) -> Path:
        """Where the indexes are."""
        return self.path / "indexes"

    def opened(self) -> Corpus | None:
        """The corpus that this process has open here for writing."""
        return _writers.get((self.path, os.getpid()))

    def note_opened(self, corpus: Corpus) -> None:
        """Remember the corpus for :meth:`opened`."""
        _writers[self.path, os.getpid()] = corpus

    def open_table(self, *, read_only: bool, create: bool) -> DiskTable:
        """Open the documents, for the one writer or for reading.

        Raises:
            NotFoundError: There is no corpus, and it is not to be made.
            ReadOnlyError: Another process writes.
            InvalidInputError: The folder holds something else.
            StateError: The folder cannot be written.
        """
        there = (self.path / _DOCUMENTS).exists()
        if not there and (read_only or not create):
            raise NotFoundError(
                "There is no corpus here.",
                where=str(self.path),
                next_step="Check the path. Corpus.open(path) without read_only makes a new one; "
                "Corpus.read(path) reads a folder of diaries or other texts.",
            )
        if read_only:
            return DiskTable(self.path, read_only=True)
        if not there:
            self._require_vacant()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Not thread-local: a kernel opens in one thread and closes in another.
            lock = FileLock(self.path / ".lock", thread_local=False)
            lock.acquire(blocking=False)
        except Timeout:
            raise ReadOnlyError(
                f"{self._owner()} has this corpus open for writing.",
                where=str(self.path),
                next_step="Close it there, or open it here with read_only=True: changes are seen "
                "as they are made.",
            ) from None
        except OSError as error:
            raise StateError(
                f"The folder cannot be written: {error.strerror}.",
                where=str(self.path),
                next_step="Give a path in a folder that you may write, or open it with "
                "read_only=True.",
            ) from error
        try:
            owner = {
                "pid": os.getpid(),
                "host": platform.node(),
                "since": current_clock().now().isoformat(timespec="seconds"),
            }
            write_atomic(self.path / ".owner.json", json.dumps(owner))
            table = DiskTable(self.path)
        except BaseException:
            lock.release()
            raise
        self._lock = lock
        return table

    def close(self, table: DocumentTable) -> None:
        """Close the documents and let go of the folder."""
        assert isinstance(table, DiskTable)
        table.close()
        _writers.pop((self.path, os.getpid()), None)
        if self._lock is not None:
            (self.path / ".owner.json").unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def _require_vacant(self) -> None:
        if self.path.is_file():
            problem = "This is a file, not a folder."
        elif self.path.is_dir() and any(
            entry.name not in (".lock", ".owner.json", "indexes") for entry in self.path.iterdir()
        ):
            problem = "The folder holds files, but no corpus."
        else:
            return
        raise InvalidInputError(
            problem,
            where=str(self.path),
            next_step="Give a new or empty folder. To search the texts that are here: "
            "Corpus.read(path), and .save(other_path) to keep them with their indexes.",
        )

    def _owner(self) -> str:
        try:
            owner = json.loads((self.path / ".owner.json").read_text(encoding="utf-8"))
            return f"Process {owner['pid']} on {owner['host']} (since {owner['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "Another process"
