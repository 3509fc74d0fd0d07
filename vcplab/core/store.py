"""State on disk: one SQLite file (write-ahead log) and content-addressed blobs beside it.

::

    with Store("state.sqlite3", schema="my-tool", version=1) as store:
        store.put("notes", "today", b"…")
        with store.transaction():                  # all or nothing
            store.put_many("vectors", vectors)
        digest = store.put_blob(picture)           # logs refer to it; written once

Small values lie in the table, larger ones in files named by their SHA-256 under ``state.blobs/``,
so that nothing large is written twice. Threads share a store, each with its own connection; two
processes may write; what was committed survives ``kill -9``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from vcplab.core._blobs import Blobs
from vcplab.core._schema import Schema
from vcplab.core._sqlite import Database, read_only_error
from vcplab.core.clock import current_clock
from vcplab.core.errors import (
    InvalidInputError,
    NotFoundError,
    StateError,
)

__all__ = ["Store"]

_UPSERT = """
INSERT INTO kv (namespace, key, value, blob) VALUES (?, ?, ?, ?)
ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, blob = excluded.blob
"""
# Old builds of SQLite allow 999 variables in a statement.
_CHUNK = 900


class Store:
    """Namespaces of keys and values, blobs by their hash, and tables of one's own.

    Args:
        path: The database file. Missing folders are made. Blobs go to ``<stem>.blobs/`` beside it.
        schema: What the file is for; a file of another schema is refused.
        version: The schema's version; a newer file is refused, an older one migrated.
        migrations: For each old version n the function that brings the store to n + 1. All run in
        one
            transaction, after a backup to ``<name>.v<old>.bak``.
        tables: Further ``CREATE TABLE`` statements, run when the file is made. Later changes are
        migrations. read_only: Open without the possibility to write; the file must exist.
        blob_threshold: Values of more bytes than this go to blob files.

    Raises:
        SchemaMismatchError: The file is of another schema, or newer, or no migration leads here.
        InvalidDataError: The file is not a store; it is left as it is.
        NotFoundError: ``read_only`` and there is no file.
        StateError: The file cannot be opened.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        schema: str,
        version: int = 1,
        migrations: Mapping[int, Callable[[Store], object]] = MappingProxyType({}),
        tables: str = "",
        read_only: bool = False,
        blob_threshold: int = 64 * 1024,
    ) -> None:
        file = Path(path)
        self._begin(file, Schema(schema, version, tables), read_only, blob_threshold)
        if read_only and not file.exists():
            raise _nothing_to_read(str(file))
        if not read_only:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(
                    f"The store's folder cannot be made: {error.strerror}.",
                    where=str(file.parent),
                    next_step="Give a path in a folder that you may write.",
                ) from error
        try:
            self._set_up(migrations)
        except BaseException:
            self._database.close()
            raise

    @classmethod
    def memory(
        cls,
        *,
        schema: str = "vcplab-memory",
        version: int = 1,
        tables: str = "",
        read_only: bool = False,
        blob_threshold: int = 64 * 1024,
    ) -> Store:
        """A store that ends with the process; its one connection serves all threads in turn."""
        store = cls.__new__(cls)
        store._begin(None, Schema(schema, version, tables), False, blob_threshold)
        store._set_up({})
        store._database.read_only = read_only
        return store

    def _begin(
        self, path: Path | None, schema: Schema, read_only: bool, blob_threshold: int
    ) -> None:
        self._schema = schema
        self._blob_threshold = blob_threshold
        self._database = Database(path, read_only=read_only)
        self._blobs = Blobs(None if path is None else path.with_name(f"{path.stem}.blobs"))

    @property
    def path(self) -> Path | None:
        """The database file; None in memory."""
        return self._database.path

    @property
    def schema(self) -> str:
        """What the store is for."""
        return self._schema.name

    @property
    def version(self) -> int:
        """The schema's version."""
        return self._schema.version

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self._database.read_only

    def __repr__(self) -> str:
        mode = ", read-only" if self.read_only else ""
        closed = ", closed" if self._database.closed else ""
        return f"<Store {self._database.where}: {self.schema} {self.version}{mode}{closed}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads; closing twice is allowed."""
        self._database.close()

    # --- keys and values ----------------------------------------------------------------------

    def get(self, namespace: str, key: str) -> bytes | None:
        """A value, or None.

        Raises:
            StateError: The value's blob file is missing or damaged.
        """
        return self.get_many(namespace, [key]).get(key)

    def get_many(self, namespace: str, keys: Iterable[str]) -> dict[str, bytes]:
        """The values of those keys that exist, in the order asked for."""
        wanted = list(dict.fromkeys(_text(key, "key") for key in keys))
        found: dict[str, tuple[bytes | None, str | None]] = {}
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT key, value, blob FROM kv WHERE namespace = ? AND key IN ({marks})"  # noqa: S608
            for key, value, blob in self.rows(query, [_text(namespace, "namespace"), *chunk]):
                found[key] = (value, blob)
        values: dict[str, bytes] = {}
        for key in wanted:
            if key in found:
                value, blob = found[key]
                values[key] = value or b""
                if blob is not None:
                    values[key] = self._blobs.read(blob, f"{namespace}/{key}")
        return values

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Store a value, replacing an earlier one."""
        self.put_many(namespace, {key: value})

    def put_many(self, namespace: str, values: Mapping[str, bytes]) -> None:
        """Store many values, all or none.

        Raises:
            InvalidInputError: A key is not text or a value not bytes; nothing is written.
            ReadOnlyError: The store is read-only.
        """
        self._refuse_read_only()
        space = _text(namespace, "namespace")
        checked = [(_text(key, "key"), _bytes(value, key)) for key, value in values.items()]
        rows: list[tuple[str, str, bytes | None, str | None]] = []
        blobs: list[tuple[str, int]] = []
        for key, value in checked:
            if len(value) > self._blob_threshold:
                # The file first: a row never refers to a blob that is not on the disk.
                digest = self._blobs.write(value)
                blobs.append((digest, len(value)))
                rows.append((space, key, None, digest))
            else:
                rows.append((space, key, value, None))
        with self.transaction():
            self._note_blobs(blobs)
            self._database.write_many(_UPSERT, rows)

    def keys(self, namespace: str) -> list[str]:
        """All keys of a namespace, sorted."""
        query = "SELECT key FROM kv WHERE namespace = ? ORDER BY key"
        return [key for (key,) in self.rows(query, [_text(namespace, "namespace")])]

    def delete(self, namespace: str, key: str) -> bool:
        """Remove a key; whether it was there."""
        query = "DELETE FROM kv WHERE namespace = ? AND key = ?"
        return self.execute(query, [_text(namespace, "namespace"), _text(key, "key")]) > 0

    # --- blobs --------------------------------------------------------------------------------

    def put_blob(self, data: bytes) -> str:
        """Store bytes under their own hash.

        Returns:
            The SHA-256 in hexadecimal; the same bytes are stored once.
        """
        self._refuse_read_only()
        content = _bytes(data, "blob")
        digest = self._blobs.write(content)
        with self.transaction():
            self._note_blobs([(digest, len(content))])
        return digest

    def get_blob(self, digest: str) -> bytes:
        """The bytes of a hash, verified.

        Raises:
            NotFoundError: No such blob was stored.
            StateError: Its file is missing or damaged.
        """
        if _text(digest, "digest") and not self.rows(
            "SELECT 1 FROM blobs WHERE hash = ?", [digest]
        ):
            raise NotFoundError(
                f"No blob {digest} was stored here.",
                where=self._database.where,
                next_step="Check the digest, and that this is the store it came from.",
            )
        return self._blobs.read(digest, "blob")

    def blob_bytes(self) -> int:
        """Total size of all blobs in bytes."""
        return int(self.rows("SELECT coalesce(sum(size), 0) FROM blobs")[0][0])

    # --- tables -------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """Several writes, all or none.

        It belongs to the calling thread: do not ``await`` inside, or other tasks of the loop join
        it. Inside another transaction it is a savepoint: its failure undoes it alone, its success
        is final only with the outer one.

        Raises:
            ReadOnlyError: The store is read-only.
            StateError: Another process has been writing for more than 30 s.
        """
        with self._database.transaction():
            yield self

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement that writes; the number of rows concerned (-1 when it has no rows)."""
        return self._database.write(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run one statement that writes for many rows of parameters, all or none."""
        return self._database.write_many(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._database.rows(sql, parameters)

    # --- inside -------------------------------------------------------------------------------

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise read_only_error(self._database.where)

    def _note_blobs(self, blobs: Sequence[tuple[str, int]]) -> None:
        created = current_clock().now().isoformat()
        self._database.write_many(
            "INSERT OR IGNORE INTO blobs (hash, size, created) VALUES (?, ?, ?)",
            [(digest, size, created) for digest, size in blobs],
        )

    def _set_up(self, migrations: Mapping[int, Callable[[Store], object]]) -> None:
        database, schema = self._database, self._schema
        if schema.is_missing(database):
            if self.read_only:
                raise _nothing_to_read(database.where)
            with self.transaction():
                if schema.is_missing(database):  # still: another process may have been quicker
                    schema.create(database)
        old = schema.check(database)
        if not self.read_only:
            database.use_wal()
            if old < schema.version:
                with self.transaction():
                    self._migrate(schema.check(database), migrations)
        elif old < schema.version:
            raise schema.mismatch(
                database, old, "Open it once for writing, so that it can be migrated."
            )

    def _migrate(self, old: int, migrations: Mapping[int, Callable[[Store], object]]) -> None:
        # `old` was read again inside the transaction: another process may have migrated first.
        steps = range(old, self._schema.version)
        for step in steps:
            if step not in migrations:
                raise self._schema.mismatch(
                    self._database,
                    old,
                    f"No migration leads on from version {step}; use the vcplab that wrote it.",
                )
        path = self._database.path
        if path is not None and steps:
            self._database.backup(path.with_name(f"{path.name}.v{old}.bak"))
        for step in steps:
            migrations[step](self)
            self.execute("UPDATE meta SET version = ?", [step + 1])


def _nothing_to_read(where: str) -> NotFoundError:
    return NotFoundError(
        "There is no store to read.",
        where=where,
        next_step="Check the path, or open it once for writing.",
    )


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            pass
        else:
            return value
    raise InvalidInputError(
        f"A {what} of a store is text without lone surrogates, not {str(value)[:40]!a}.",
        where=what,
        next_step="Use str(…), or a hash of what cannot be text.",
    )


def _bytes(value: object, key: str) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise InvalidInputError(
        f"A store keeps bytes, not {type(value).__name__}.",
        where=f"value of {key!r}",
        next_step="Encode it first, e.g. json.dumps(value).encode().",
    )
