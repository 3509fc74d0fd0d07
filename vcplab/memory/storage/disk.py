"""Documents in an SQLite file: one process writes, any number read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock, local
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import StateError
from vcplab.core.store import Store
from vcplab.memory.document import Document
from vcplab.memory.storage.encoding import (
    decode_document,
    decode_id,
    encode_document,
    encode_id,
)
from vcplab.memory.storage.table import HASH_MODULUS, Found

__all__ = ["DiskTable"]

_SCHEMA = "vcplab-corpus"
_VERSION = 1
_TABLES = """
CREATE TABLE documents (
    row INTEGER PRIMARY KEY, docno BLOB NOT NULL UNIQUE, digest BLOB NOT NULL, body BLOB NOT NULL
);
CREATE TABLE removed (number INTEGER PRIMARY KEY, row INTEGER NOT NULL);
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, epoch INTEGER NOT NULL,
    next_row INTEGER NOT NULL, live INTEGER NOT NULL, removed INTEGER NOT NULL, hash TEXT NOT NULL
);
INSERT INTO state VALUES (1, 0, 0, 0, 0, 0, '0');
"""
# Old builds of SQLite allow 999 variables in a statement.
_CHUNK = 900
# Decoded documents that are kept: a page of results and its neighbours, many times over.
_KEPT = 4096


class _State(NamedTuple):
    version: int
    epoch: int
    next_row: int
    live: int
    removed: int
    hash: int


class DiskTable:
    """Documents in ``documents.sqlite3`` of a folder (a ``DocumentTable``).

    Every change is one transaction that is on the disk when the call returns.

    Args:
        folder: The corpus's folder.
        read_only: Only read; what the writer commits is seen at the next call.

    Raises:
        NotFoundError: ``read_only`` and there is no corpus.
        SchemaMismatchError: The file is newer, or something else.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.read_only = read_only
        self._closed = False
        self.store = Store(
            folder / "documents.sqlite3",
            schema=_SCHEMA,
            version=_VERSION,
            tables=_TABLES,
            read_only=read_only,
            durable=True,
        )
        # Only the writer may rely on what it knows.
        self._own = None if read_only else self._read_state()
        self._inside = local()  # a thread's snapshot: the state of its moment
        self._guard = Lock()
        self._decoded: OrderedDict[tuple[int, int], Document] = OrderedDict()

    @property
    def version(self) -> int:
        """See ``DocumentTable``."""
        return self._state().version

    @property
    def epoch(self) -> int:
        """See ``DocumentTable``."""
        return self._state().epoch

    @property
    def hash(self) -> int:
        """See ``DocumentTable``."""
        return self._state().hash

    @property
    def next_row(self) -> int:
        """See ``DocumentTable``."""
        return self._state().next_row

    @property
    def removed(self) -> int:
        """See ``DocumentTable``."""
        return self._state().removed

    def __len__(self) -> int:
        return self._state().live

    def find(self, docnos: Collection[str]) -> dict[str, Found]:
        """See ``DocumentTable``."""
        found: dict[str, Found] = {}
        for marks, chunk in _chunks([encode_id(docno) for docno in docnos]):
            query = f"SELECT docno, row, digest FROM documents WHERE docno IN ({marks})"  # noqa: S608
            for docno, row, digest in self.store.rows(query, chunk):
                found[decode_id(docno)] = Found(row, int.from_bytes(digest, "big"))
        return found

    def get(self, docno: str) -> Document | None:
        """See ``DocumentTable``."""
        found = self.store.rows("SELECT body FROM documents WHERE docno = ?", [encode_id(docno)])
        return decode_document(docno, found[0][0]) if found else None

    def at(self, rows: Sequence[int]) -> list[Document | None]:
        """See ``DocumentTable``."""
        epoch = self.epoch
        found: dict[int, Document] = {}
        with self._guard:
            for row in rows:
                if (doc := self._decoded.get((epoch, row))) is not None:
                    found[row] = doc
                    self._decoded.move_to_end((epoch, row))
        if found and self.read_only and self.removed:
            # A row keeps its content for ever, but somebody may have removed it since.
            alive = {row for row, docno in zip(rows, self.docnos(rows), strict=True) if docno}
            found = {row: doc for row, doc in found.items() if row in alive}
        missing = [row for row in dict.fromkeys(rows) if row not in found]
        for marks, chunk in _chunks(missing):
            query = f"SELECT row, docno, body FROM documents WHERE row IN ({marks})"  # noqa: S608
            for row, docno, body in self.store.rows(query, chunk):
                found[row] = decode_document(decode_id(docno), body)
        with self._guard:
            for row in missing:
                if row in found:
                    self._decoded[epoch, row] = found[row]
            while len(self._decoded) > _KEPT:
                self._decoded.popitem(last=False)
        return [found.get(row) for row in rows]

    def docnos(self, rows: Sequence[int]) -> list[str | None]:
        """See ``DocumentTable``."""
        found: dict[int, str] = {}
        for marks, chunk in _chunks(list(dict.fromkeys(rows))):
            query = f"SELECT row, docno FROM documents WHERE row IN ({marks})"  # noqa: S608
            found.update((row, decode_id(docno)) for row, docno in self.store.rows(query, chunk))
        return [found.get(row) for row in rows]

    def scan(self, first: int, batch: int) -> Iterator[tuple[list[int], list[Document]]]:
        """See ``DocumentTable``."""
        while True:
            found = self.store.rows(
                "SELECT row, docno, body FROM documents WHERE row >= ? ORDER BY row LIMIT ?",
                [first, batch],
            )
            if not found:
                return
            first = found[-1][0] + 1
            yield (
                [row for row, _, _ in found],
                [decode_document(decode_id(docno), body) for _, docno, body in found],
            )

    def removed_since(self, count: int) -> list[int]:
        """See ``DocumentTable``."""
        found = self.store.rows(
            "SELECT row FROM removed WHERE number >= ? ORDER BY number", [count]
        )
        return [row for (row,) in found]

    def live(self) -> NDArray[np.int64]:
        """See ``DocumentTable``."""
        found = self.store.rows("SELECT row FROM documents ORDER BY row")
        return np.fromiter((row for (row,) in found), np.int64, len(found))

    def apply(self, gone: Sequence[str], new: Sequence[tuple[Document, int]]) -> None:
        """See ``DocumentTable``."""
        bodies = [encode_document(doc) for doc, _ in new]  # refused before anything changes
        with self._changing() as before:
            found = self.find(gone)
            leaving = [found[docno] for docno in gone]
            self.store.executemany(
                "DELETE FROM documents WHERE row = ?", [(f.row,) for f in leaving]
            )
            self.store.executemany(
                "INSERT INTO removed (number, row) VALUES (?, ?)",
                [(before.removed + i, f.row) for i, f in enumerate(leaving)],
            )
            self.store.executemany(
                "INSERT INTO documents (row, docno, digest, body) VALUES (?, ?, ?, ?)",
                (
                    (before.next_row + i, encode_id(doc.id), digest.to_bytes(16, "big"), body)
                    for i, ((doc, digest), body) in enumerate(zip(new, bodies, strict=True))
                ),
            )
            change = sum(digest for _, digest in new) - sum(f.digest for f in leaving)
            self._write(
                _State(
                    before.version + 1,
                    before.epoch,
                    before.next_row + len(new),
                    before.live + len(new) - len(leaving),
                    before.removed + len(leaving),
                    (before.hash + change) % HASH_MODULUS,
                )
            )
        with self._guard:
            for f in leaving:
                self._decoded.pop((before.epoch, f.row), None)

    def renumber(self) -> None:
        """See ``DocumentTable``."""
        with self._changing() as before:
            self.store.execute("CREATE TEMP TABLE numbered (old INTEGER PRIMARY KEY, new INTEGER)")
            self.store.execute(
                "INSERT INTO numbered SELECT row, ROW_NUMBER() OVER (ORDER BY row) - 1"
                " FROM documents"
            )
            # Rows only become smaller, and in ascending order none meets one that is still there.
            self.store.execute(
                "UPDATE documents SET row = (SELECT new FROM numbered WHERE old = row)"
                " WHERE row <> (SELECT new FROM numbered WHERE old = row)"
            )
            self.store.execute("DROP TABLE numbered")
            self.store.execute("DELETE FROM removed")
            self._write(
                before._replace(
                    version=before.version + 1,
                    epoch=before.epoch + 1,
                    next_row=before.live,
                    removed=0,
                )
            )

    def clear(self) -> None:
        """See ``DocumentTable``."""
        with self._changing() as before:
            self.store.execute("DELETE FROM documents")
            self.store.execute("DELETE FROM removed")
            self._write(_State(before.version + 1, before.epoch + 1, 0, 0, 0, 0))
        self.store.gc()

    def reading(self) -> AbstractContextManager[object]:
        """See ``DocumentTable``."""
        return _Reading(self)

    def close(self) -> None:
        """Close the file."""
        self._own = None
        self._closed = True
        self.store.close()

    def _state(self) -> _State:
        # The writer knows its own state; a reader looks, once per moment.
        if self._own is not None:
            return self._own
        if self._closed:
            raise StateError(
                "The corpus was closed.",
                where=str(self.store.path),
                next_step="Open it anew: Corpus.open(path).",
            )
        seen: _State | None = getattr(self._inside, "state", None)
        if seen is not None:
            return seen
        return self._read_state()

    def _read_state(self) -> _State:
        version, epoch, next_row, live, removed, digests = self.store.rows(
            "SELECT version, epoch, next_row, live, removed, hash FROM state"
        )[0]
        return _State(version, epoch, next_row, live, removed, int(digests, 16))

    def _write(self, state: _State) -> None:
        self.store.execute(
            "UPDATE state SET version = ?, epoch = ?, next_row = ?, live = ?, removed = ?,"
            " hash = ?",
            [*state[:5], f"{state.hash:x}"],
        )

    def _changing(self) -> _Changing:
        return _Changing(self)


def _chunks(values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Parts of a list with the placeholders of an SQL statement for them."""
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        yield ",".join("?" * len(chunk)), chunk


class _Changing:
    """One transaction of the writer; what it knows of its own state follows the file's."""

    def __init__(self, table: DiskTable) -> None:
        self._table = table
        self._transaction: Any = None

    def __enter__(self) -> _State:
        before = self._table._state()
        self._transaction = self._table.store.transaction()
        self._transaction.__enter__()
        return before

    def __exit__(self, *problem: Any) -> Any:
        try:
            return self._transaction.__exit__(*problem)
        finally:
            # From the file, whether the transaction succeeded or not.
            self._table._own = self._table._read_state()


class _Reading:
    """A snapshot of the file for one thread, and the state of that moment."""

    def __init__(self, table: DiskTable) -> None:
        self._table = table
        self._snapshot: Any = None

    def __enter__(self) -> None:
        table = self._table
        if not table.read_only or getattr(table._inside, "state", None) is not None:
            return
        self._snapshot = table.store.snapshot()
        self._snapshot.__enter__()
        table._inside.state = table._state()

    def __exit__(self, *problem: Any) -> None:
        if self._snapshot is not None:
            self._table._inside.state = None
            self._snapshot.__exit__(*problem)
