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

A cache names a budget and what may be dropped to keep it, least recently used first::

    with Store("cache.sqlite3", schema="my-cache", budget=2**30, evictable=("vectors",)) as store:
        store.put_many("vectors", vectors)         # collects now and then by itself
        report = store.gc()                        # or now: GcReport(removed_entries=0, …)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from vcplab.core._blobs import Blobs
from vcplab.core._checks import checked_bytes, checked_text
from vcplab.core._collect import Collector, GcReport
from vcplab.core._schema import Schema, nothing_to_read
from vcplab.core._sqlite import Database, read_only_error
from vcplab.core.clock import current_clock
from vcplab.core.errors import NotFoundError, StateError

__all__ = ["GcReport", "Store"]

_UPSERT = """
INSERT INTO kv (namespace, key, value, blob, used) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (namespace, key) DO UPDATE
SET value = excluded.value, blob = excluded.blob, used = excluded.used
"""
_NOTE_BLOB = """
INSERT INTO blobs (hash, size, created, held) VALUES (?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET held = 1 WHERE excluded.held AND NOT held
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
            one transaction, after a backup to ``<name>.v<old>.bak``.
        tables: Further ``CREATE TABLE`` statements, run when the file is made. Later changes are
            migrations.
        read_only: Open without the possibility to write; the file must exist.
        blob_threshold: Values of more bytes than this go to blob files.
        budget: Bytes of tables and blobs that `gc` keeps to by dropping evictable entries. It runs
            by itself after a write that leaves the store a tenth above; None for no limit.
        evictable: Namespaces whose entries may be dropped, because they can be made again; True
            for all. Others are never dropped, however full the store is.
        durable: Flush every commit to the disk: a power cut loses none either.

    Raises:
        InvalidInputError: ``budget`` is no number of bytes, or ``evictable`` one text.
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
        budget: int | None = None,
        evictable: Collection[str] | bool = (),
        durable: bool = False,
    ) -> None:
        file = Path(path)
        self._begin(file, Schema(schema, version, tables), read_only, blob_threshold, durable)
        self._collector = Collector(self._database, self._blobs, budget, evictable)
        if read_only and not file.exists():
            raise nothing_to_read(str(file))
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
            self._schema.settle(self._database, self, migrations)
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
        store._schema.settle(store._database, store, {})
        store._database.read_only = read_only
        return store

    def _begin(
        self,
        path: Path | None,
        schema: Schema,
        read_only: bool,
        blob_threshold: int,
        durable: bool = False,
    ) -> None:
        self._schema = schema
        self._blob_threshold = blob_threshold
        self._database = Database(path, read_only=read_only, durable=durable)
        self._blobs = Blobs(None if path is None else path.with_name(f"{path.stem}.blobs"))
        self._collector = Collector(self._database, self._blobs)

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
        space = checked_text(namespace, "namespace")
        wanted = list(dict.fromkeys(checked_text(key, "key") for key in keys))
        today = 0 if self.read_only else self._collector.day(space)
        # A reader asks for no day of use: it opens files of older layouts too.
        columns = "key, value, blob" + (", used" if today else ", 0")
        found: dict[str, tuple[bytes | None, str | None]] = {}
        unmarked: list[str] = []
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT {columns} FROM kv WHERE namespace = ? AND key IN ({marks})"  # noqa: S608
            for key, value, blob, day in self.rows(query, [space, *chunk]):
                found[key] = (value, blob)
                if day < today:
                    unmarked.append(key)
        values: dict[str, bytes] = {}
        for key in wanted:
            if key in found:
                content, blob = found[key]
                if blob is not None:
                    content = self._blob_of(namespace, key, blob)
                    if content is None:
                        continue
                values[key] = content or b""
        self._collector.touch(namespace, unmarked, today)
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
        space = checked_text(namespace, "namespace")
        checked = [
            (checked_text(key, "key"), checked_bytes(value, key)) for key, value in values.items()
        ]
        today = self._collector.day(space)
        rows: list[tuple[str, str, bytes | None, str | None, int]] = []
        blobs: dict[str, bytes] = {}
        for key, value in checked:
            if len(value) > self._blob_threshold:
                # The file first: a row never refers to a blob that is not on the disk.
                digest = self._blobs.write(value)
                blobs[digest] = value
                rows.append((space, key, None, digest, today))
            else:
                rows.append((space, key, value, None, today))
        with self.transaction():
            self._note_blobs(blobs, held=False)
            self._database.write_many(_UPSERT, rows)
            self._collector.note_written(sum(len(value) for _, value in checked))

    def keys(self, namespace: str) -> list[str]:
        """All keys of a namespace, sorted."""
        query = "SELECT key FROM kv WHERE namespace = ? ORDER BY key"
        return [key for (key,) in self.rows(query, [checked_text(namespace, "namespace")])]

    def delete(self, namespace: str, key: str) -> bool:
        """Remove a key; whether it was there."""
        query = "DELETE FROM kv WHERE namespace = ? AND key = ?"
        found = [checked_text(namespace, "namespace"), checked_text(key, "key")]
        return self.execute(query, found) > 0

    # --- blobs --------------------------------------------------------------------------------

    def put_blob(self, data: bytes) -> str:
        """Store bytes under their own hash.

        Returns:
            The SHA-256 in hexadecimal; the same bytes are stored once, and never dropped.
        """
        self._refuse_read_only()
        content = checked_bytes(data, "blob")
        digest = self._blobs.write(content)
        with self.transaction():
            self._note_blobs({digest: content}, held=True)
            self._collector.note_written(len(content))
        return digest

    def get_blob(self, digest: str) -> bytes:
        """The bytes of a hash, verified.

        Raises:
            NotFoundError: No such blob was stored.
            StateError: Its file is missing or damaged.
        """
        if checked_text(digest, "digest") and not self.rows(
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
        return self._collector.blob_bytes()

    # --- size ---------------------------------------------------------------------------------

    @property
    def budget(self) -> int | None:
        """Bytes that the store should not exceed; None for no limit."""
        return self._collector.budget

    def total_bytes(self) -> int:
        """Size of tables and blobs in bytes, without what is free or about to be collected."""
        return self._collector.total_bytes()

    def gc(self, *, budget: int | None = None, keep_seconds: float = 3600.0) -> GcReport:
        """Collect garbage, then drop entries until the budget is kept, then give the space back.

        Garbage is: blobs whose keys were deleted or overwritten, and files that a killed process
        wrote without referring to them. Above the budget, evictable entries go, least recently
        used first (by day, then by age). Evictable entries whose blob file is missing go too; other
        such keys, and what `put_blob` stored, stay. Others may read and write meanwhile.

        Args:
            budget: Bytes to keep to this time; None for the store's own.
            keep_seconds: Files without a reference stay while they are younger than this.

        Raises:
            InvalidInputError: ``budget`` or ``keep_seconds`` is negative or no number.
            ReadOnlyError: The store is read-only.
            StateError: Called inside a transaction.
        """
        return self._collector.collect(budget, keep_seconds)

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
        self._collector.collect_if_due()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement that writes; the number of rows concerned (-1 when it has no rows)."""
        return self._database.write(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run one statement that writes for many rows of parameters, all or none."""
        return self._database.write_many(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._database.rows(sql, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """What the calling thread reads inside is the state of one moment, whoever writes."""
        with self._database.snapshot():
            yield self

    # --- inside -------------------------------------------------------------------------------

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise read_only_error(self._database.where)

    def _note_blobs(self, blobs: Mapping[str, bytes], *, held: bool) -> None:
        created = current_clock().now().isoformat()
        self._database.write_many(
            _NOTE_BLOB,
            [(digest, len(data), created, held) for digest, data in blobs.items()],
        )
        for digest, data in blobs.items():
            # Now that nobody else can: a collection may have taken the file since it was written.
            if not self._blobs.has(digest):
                self._blobs.write(data)

    def _blob_of(self, namespace: str, key: str, blob: str) -> bytes | None:
        for last in (False, False, True):
            try:
                return self._blobs.read(blob, f"{namespace}/{key}")
            except StateError:
                # The entry may have been dropped or replaced since its row was read.
                query = "SELECT value, blob FROM kv WHERE namespace = ? AND key = ?"
                now = self.rows(query, [namespace, key])
                if not now or now[0][1] is None:
                    return now[0][0] if now else None
                if last:
                    raise
                blob = now[0][1]
        return None
