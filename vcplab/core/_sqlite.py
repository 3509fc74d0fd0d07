"""Connections to one SQLite file: one per thread and process, with waiting that ■ can interrupt.

Private: the public face is `vcplab.core.store`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from vcplab.core._leak import leak
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    ReadOnlyError,
    StateError,
    VCPError,
)

__all__ = ["Database", "read_only_error", "translated"]

T = TypeVar("T")

_PATIENCE = 30.0
"""Seconds to wait for another process's write."""
_SLICE = 0.25
"""Seconds of it that pass inside SQLite, where no interrupt is seen."""
_INCREMENTAL = 2
_SLICE_PAGES = 2000


class _Connection:
    """A connection that closes itself with its thread."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.depth = 0
        self._pid = os.getpid()

    def close(self) -> None:
        self.raw.close()

    def __del__(self, getpid: Callable[[], int] = os.getpid) -> None:
        # An argument, because at exit the module's own names may be gone before its objects.
        if self._pid == getpid():
            self.raw.close()
        else:
            # SQLite forbids even closing a connection in a forked child.
            leak(self.raw)


class _Process:
    """What belongs to one process: its threads' connections."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.local = threading.local()
        self.lock = threading.Lock()
        self.connections: weakref.WeakSet[_Connection] = weakref.WeakSet()


class Database:
    """One database file, or one in memory.

    Args:
        path: The file; None for a database in memory, whose one connection all threads share.
        read_only: Open with ``mode=ro``.
        durable: Flush every commit to the disk, so that a power cut loses none either.
    """

    def __init__(self, path: Path | None, *, read_only: bool, durable: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.durable = durable
        self.closed = False
        self._process = _Process()
        # One connection for all threads must be used by one at a time, whole transactions long.
        self._shared: _Connection | None = None
        self._guard: AbstractContextManager[Any] = nullcontext()
        if path is None:
            self._guard = threading.RLock()
            self._shared = _Connection(
                sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            )

    @property
    def where(self) -> str:
        """The file's name for messages."""
        return "memory" if self.path is None else str(self.path)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._guard, translated(self.where):
            connection = self._connection()
            return self._patiently(
                connection, lambda: connection.raw.execute(sql, parameters).fetchall()
            )

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement that writes, in a transaction; the number of rows concerned."""
        if self.read_only:
            raise read_only_error(self.where)
        with self._guard:
            connection = self._connection()
            raw = connection.raw
            if connection.depth or raw.in_transaction:
                with self.transaction(), translated(self.where):
                    return raw.execute(sql, parameters).rowcount
            # A statement by itself is its own transaction; BEGIN and COMMIT would double its cost.
            with translated(self.where):
                return self._patiently(connection, lambda: raw.execute(sql, parameters).rowcount)

    def write_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run one statement for many rows of parameters, in a transaction."""
        with self.transaction() as raw, translated(self.where):
            return raw.executemany(sql, parameters).rowcount

    @contextmanager
    def transaction(self, patience: float | None = None) -> Iterator[sqlite3.Connection]:
        """BEGIN IMMEDIATE … COMMIT, or a savepoint inside one; undone on any exception.

        Args:
            patience: Seconds to wait for another process's write, beyond SQLite's own quarter.
        """
        if self.read_only:
            raise read_only_error(self.where)
        with self._guard:
            connection = self._connection()
            raw, depth = connection.raw, connection.depth
            with translated(self.where):
                if depth == 0:
                    if raw.in_transaction:  # left by an interrupt between BEGIN and `try`
                        raw.execute("ROLLBACK")
                    begin = "BEGIN IMMEDIATE"
                    self._patiently(connection, lambda: raw.execute(begin), patience)
                else:
                    raw.execute(f"SAVEPOINT vcplab_{depth}")
            connection.depth = depth + 1
            try:
                yield raw
                with translated(self.where):
                    raw.execute(f"RELEASE vcplab_{depth}" if depth else "COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has already undone everything
                    if raw.in_transaction and depth:
                        raw.execute(f"ROLLBACK TO vcplab_{depth}")
                        raw.execute(f"RELEASE vcplab_{depth}")
                    elif raw.in_transaction:
                        raw.execute("ROLLBACK")
                raise
            finally:
                connection.depth = depth

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What this thread reads inside is the state of one moment, whatever others commit."""
        with self._guard:
            connection = self._connection()
            if connection.depth or connection.raw.in_transaction:
                yield
                return
            with translated(self.where):
                connection.raw.execute("BEGIN")
            try:
                yield
            finally:
                with translated(self.where):
                    connection.raw.execute("COMMIT")

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside a transaction."""
        with self._guard:
            return self._connection().depth > 0

    def pages(self) -> tuple[int, int, int]:
        """Number of pages, how many of them are free, and the bytes of one."""
        names = ("page_count", "freelist_count", "page_size")
        count, free, size = (int(self.rows(f"PRAGMA {name}")[0][0]) for name in names)
        return count, free, size

    def grow_and_shrink(self) -> None:
        """Let `shrink` give pages back cheaply; only before the first table is made."""
        self.rows("PRAGMA auto_vacuum=INCREMENTAL")

    def shrink(self) -> None:
        """Give free pages back to the disk, outside any transaction.

        A file made by `grow_and_shrink` loses them in slices, between which others may write; an
        older one is rewritten once, when a quarter of it is free.
        """
        count, free, _ = self.pages()
        if self.path is None or not free:
            return
        if self.rows("PRAGMA auto_vacuum") == [(_INCREMENTAL,)]:
            vacuum = f"PRAGMA incremental_vacuum({_SLICE_PAGES})"
            with translated(self.where):
                connection = self._connection()
                for _ in range(0, free, _SLICE_PAGES):
                    # execute() would take one step of it, which is one page.
                    self._patiently(connection, lambda: connection.raw.executescript(vacuum))
        elif 4 * free > count:
            self.grow_and_shrink()
            self.rows("VACUUM")
        # Only the checkpoint shortens the file; a reader at work postpones it.
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def use_wal(self) -> None:
        """Switch to write-ahead logging: readers do not wait for writers, a kill loses nothing."""
        if self.path is not None:
            self.rows("PRAGMA journal_mode=WAL")

    def backup(self, target: Path) -> None:
        """Copy the last committed state to another file, by a connection of its own."""
        assert self.path is not None
        temporary = target.with_name(target.name + ".tmp")
        temporary.unlink(missing_ok=True)
        with translated(self.where):
            source, copy = self._open(read_only=True), sqlite3.connect(temporary)
            try:
                source.backup(copy)
            finally:
                copy.close()
                source.close()
        temporary.replace(target)

    def close(self) -> None:
        """Close the connections of all threads."""
        self.closed = True
        with self._guard:
            if self._shared is not None:
                self._shared.close()
            with self._process.lock:
                mine = list(self._process.connections) if self._process.pid == os.getpid() else []
            for connection in mine:
                connection.close()

    def _connection(self) -> _Connection:
        if self.closed:
            raise StateError(
                "The store was closed.", where=self.where, next_step="Open it anew: Store(path, …)."
            )
        if self._shared is not None:
            return self._shared
        if self._process.pid != os.getpid():
            self._process = _Process()  # the parent's connections are not to be touched
        process = self._process
        connection: _Connection | None = getattr(process.local, "connection", None)
        if connection is None:
            connection = _Connection(self._open(read_only=self.read_only))
            process.local.connection = connection
            with process.lock:
                process.connections.add(connection)
        return connection

    def _open(self, *, read_only: bool) -> sqlite3.Connection:
        assert self.path is not None
        location = self.path.absolute().as_posix()
        # file:///folder/x, file:///C:/folder/x, file:////server/share/x
        uri = "file://" + ("" if location.startswith("/") else "/") + quote(location, safe="/:")
        with translated(self.where):
            raw = sqlite3.connect(
                f"{uri}?mode={'ro' if read_only else 'rwc'}",
                uri=True,
                timeout=_SLICE,
                isolation_level=None,
                check_same_thread=False,  # closed from the thread that closes the store
            )
            try:
                raw.execute("PRAGMA foreign_keys=ON")
                raw.execute(f"PRAGMA synchronous={'FULL' if self.durable else 'NORMAL'}")
            except BaseException:
                raw.close()
                raise
            return raw

    def _patiently(
        self, connection: _Connection, act: Callable[[], T], patience: float | None = None
    ) -> T:
        deadline = time.monotonic() + (_PATIENCE if patience is None else patience)
        while True:
            try:
                return act()
            except sqlite3.OperationalError as error:
                busy = _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or connection.depth or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)  # SQLite may refuse at once, without its own waiting


def read_only_error(where: str) -> ReadOnlyError:
    """The refusal of a write."""
    return ReadOnlyError(
        "This is open read-only; nothing was written.",
        where=where,
        next_step="Close it where it is open for writing (another kernel or program) and open "
        "it again here, or work on a copy of the folder.",
    )


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, where) from error


def _code(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _translate(error: sqlite3.Error, where: str) -> VCPError:
    code = _code(error)
    if code == sqlite3.SQLITE_READONLY:
        return read_only_error(where)
    if code == sqlite3.SQLITE_NOTADB:
        return InvalidDataError(
            "The file is not an SQLite database; it was left as it is.",
            where=where,
            next_step="Give another path, or move the file away to begin with an empty store.",
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return InvalidDataError(
            f"The database is damaged: {error}.",
            where=where,
            next_step="Restore a backup (*.bak beside it), or move it away to begin anew.",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StateError(
            f"Another process has been writing for more than {_PATIENCE:g} s.",
            where=where,
            next_step="Wait for it or end it, then try again.",
        )
    if code in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH):
        return InvalidInputError(
            f"The tables do not allow this row: {error}.",
            where=where,
            next_step="Nothing was written; correct the row.",
        )
    if code in (sqlite3.SQLITE_ERROR, None):
        return InvalidInputError(
            f"SQLite cannot run this: {error}.",
            where=where,
            next_step="Correct the statement or its parameters.",
        )
    return StateError(
        f"The database cannot be used: {error}.",
        where=where,
        next_step="Check that the folder exists, may be written, and that the disk is not full.",
    )
