"""Keeping a store within its budget. Private: see `vcplab.core.store`.

What makes it safe beside other threads and processes, and under ``kill -9``:

* A row goes, durably, before its file: no row ever refers to a file that was removed.
* A file is removed under the database's write lock, after a look that no row names it; whoever
  stores a blob looks under the same lock that the file is still there.
* A reader that misses a file reads the row again (`Store.get_many`).

Use is recorded by day, and once a day at most: reading costs no more than one write per entry and
day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from vcplab.core._blobs import Blobs
from vcplab.core._sqlite import Database, read_only_error
from vcplab.core.clock import SystemClock, current_clock
from vcplab.core.errors import InvalidInputError, StateError, VCPError

__all__ = ["Collector", "GcReport"]

# Entries, or files, per transaction: others wait no longer than for one batch.
_BATCH = 500
_DAY = 86_400
# A write takes no hour, so what is older and half-written was left by a killed process.
_KEEP_SECONDS = 3600.0
# Collected automatically from this multiple of the budget on, down to the budget itself.
_EXCESS = 1.1
_UNREFERENCED = "held = 0 AND NOT EXISTS (SELECT 1 FROM kv WHERE kv.blob = blobs.hash)"


@dataclass(frozen=True, slots=True)
class GcReport:
    """What a collection did.

    Attributes:
        removed_entries: Keys whose values were dropped.
        removed_blobs: Blob files removed.
        freed_bytes: By how much the store became smaller; leavings of killed writers count.
        kept_bytes: Its size afterwards, as `Store.total_bytes` counts.
    """

    removed_entries: int
    removed_blobs: int
    freed_bytes: int
    kept_bytes: int


class Collector:
    """The housekeeping of one store.

    Args:
        database: Its tables.
        blobs: Its files.
        budget: Bytes that it should not exceed; None for no limit.
        evictable: Namespaces whose entries may be dropped; True for all.

    Raises:
        InvalidInputError: ``budget`` or ``evictable`` is of another kind.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        budget: int | None = None,
        evictable: Collection[str] | bool = (),
    ) -> None:
        self._database = database
        self._blobs = blobs
        self.budget = _checked_budget(budget)
        self._all = evictable is True
        if isinstance(evictable, str):
            raise InvalidInputError(
                "The evictable namespaces are a collection of names, not one text.",
                where="evictable",
                next_step=f"Use evictable=({evictable!a},), or True for all namespaces.",
            )
        self._names = frozenset(()) if isinstance(evictable, bool) else frozenset(evictable)
        # Looked at with the first write, then whenever a hundredth of the budget was written.
        self._unseen = self.budget or 0
        self._unavoidable = 0

    # --- use ----------------------------------------------------------------------------------

    def day(self, namespace: str) -> int:
        """Today's number for an evictable namespace, 0 for any other."""
        if not self._all and namespace not in self._names:
            return 0
        return max(1, int(current_clock().now().timestamp() // _DAY))

    def touch(self, namespace: str, keys: Iterable[str], day: int) -> None:
        """Record that entries were used; left out when another process is writing just now."""
        changed = [(day, namespace, key, day) for key in keys]
        if not changed:
            return
        update = "UPDATE kv SET used = ? WHERE namespace = ? AND key = ? AND used < ?"
        # A read must not fail, nor wait, for the sake of its own record.
        with suppress(VCPError), self._database.transaction(patience=0):
            self._database.write_many(update, changed)

    # --- size ---------------------------------------------------------------------------------

    def blob_bytes(self) -> int:
        """Total size of all blobs."""
        return int(self._database.rows("SELECT coalesce(sum(size), 0) FROM blobs")[0][0])

    def table_bytes(self) -> int:
        """Size of the tables without their free pages."""
        count, free, size = self._database.pages()
        return (count - free) * size

    def total_bytes(self) -> int:
        """Size of tables and blobs."""
        return self.table_bytes() + self.blob_bytes()

    def note_written(self, size: int) -> None:
        """Count bytes towards the next look at the budget."""
        self._unseen += size

    def collect_if_due(self) -> None:
        """Collect when the store has outgrown its budget; outside transactions only."""
        if self.budget is None or self._unseen < self.budget / 100:
            return
        # The write before this one has succeeded; housekeeping must not make it look failed.
        with suppress(VCPError):
            if self._database.in_transaction:
                return
            self._unseen = 0
            # What cannot be dropped is not looked through again until there is more of it.
            if self.total_bytes() > _EXCESS * max(self.budget, self._unavoidable):
                self._unavoidable = self.collect(None, _KEEP_SECONDS).kept_bytes

    # --- collection ---------------------------------------------------------------------------

    def collect(self, budget: int | None, keep_seconds: float) -> GcReport:
        """Remove what nothing refers to, then the least recently used above the budget.

        Args:
            budget: Bytes; None for the store's own.
            keep_seconds: Files younger than this stay though no row refers to them.
        """
        database = self._database
        limit = self.budget if budget is None else _checked_budget(budget)
        if not keep_seconds >= 0:
            raise InvalidInputError(
                f"Files cannot be kept for {keep_seconds} seconds.",
                where="keep_seconds",
                next_step="Use a number from 0.",
            )
        if database.read_only:
            raise read_only_error(database.where)
        if database.in_transaction:
            raise StateError(
                "A collection inside a transaction could not be undone with it.",
                where=database.where,
                next_step="Call gc() after the transaction.",
            )
        # The file system's clock is the machine's, so an injected one has no say here.
        now = SystemClock().now().timestamp()
        tables = self.table_bytes()
        written = self._blobs.written()
        entries = self._forget_missing(written)
        leavings = self._blobs.remove_temporary(now - max(keep_seconds, _KEEP_SECONDS))
        files = self._remove_files(self._drop_rows())
        # In memory there is no time of writing, and no process that could be killed.
        old = [digest for digest, at in written.items() if at <= now - keep_seconds]
        files += self._remove_files(old)
        if limit is not None:
            dropped, more = self._evict(limit)
            entries += dropped
            files += more
        with suppress(VCPError):  # busy elsewhere: free pages are used again all the same
            database.shrink()
        freed = max(0, tables - self.table_bytes()) + leavings + sum(files)
        return GcReport(entries, len(files), freed, self.total_bytes())

    def _forget_missing(self, written: Collection[str]) -> int:
        """Drop what a missing file has made worthless; entries that may not go are kept."""
        known = [digest for (digest,) in self._database.rows("SELECT hash FROM blobs")]
        condition, names = self._evictable()
        entries = 0
        for some in _chunks([digest for digest in known if digest not in written], _BATCH):
            with self._database.transaction():
                # Looked at again: it may have been stored since the folder was read.
                gone = [(digest, *names) for digest in some if not self._blobs.has(digest)]
                delete = f"DELETE FROM kv WHERE blob = ? AND {condition}"  # noqa: S608
                entries += max(0, self._database.write_many(delete, gone))
        return entries

    def _drop_rows(self, digests: Sequence[str] | None = None) -> list[str]:
        """Delete the rows of blobs (all, or these) that nothing refers to; their digests."""
        find = f"SELECT hash FROM blobs WHERE {_UNREFERENCED}"  # noqa: S608
        delete = f"DELETE FROM blobs WHERE hash = ? AND {_UNREFERENCED}"  # noqa: S608
        with self._database.transaction():
            if digests is None:
                digests = [digest for (digest,) in self._database.rows(find)]
            self._database.write_many(delete, [(digest,) for digest in digests])
        return list(digests)

    def _remove_files(self, digests: Iterable[str]) -> list[int]:
        """Remove the files that no row names; their sizes."""
        sizes: list[int] = []
        for some in _chunks(digests, _BATCH):
            marks = ",".join("?" * len(some))
            with self._database.transaction():
                query = f"SELECT hash FROM blobs WHERE hash IN ({marks})"  # noqa: S608
                named = {digest for (digest,) in self._database.rows(query, some)}
                removed = [self._blobs.remove(digest) for digest in some if digest not in named]
                sizes += [size for size in removed if size]
        return sizes

    def _evict(self, limit: int) -> tuple[int, list[int]]:
        """Drop least recently used entries until the limit is met or none is left."""
        condition, names = self._evictable()
        query = (
            "SELECT rowid, used, blob, coalesce(length(value), 0)"  # noqa: S608
            " + 2 * (length(namespace) + length(key)) + 24"
            " + coalesce((SELECT size FROM blobs WHERE hash = kv.blob), 0)"
            f" FROM kv WHERE (used, rowid) > (?, ?) AND {condition}"
            f" ORDER BY used, rowid LIMIT {_BATCH}"
        )
        count, sizes, at = 0, [], (-1, 0)
        page = self._database.pages()[2]
        while (excess := self.total_bytes() - limit) > 0:
            with self._database.transaction():
                rows, size = [], 0
                for row in self._database.rows(query, [*at, *names]):
                    rows.append(row)
                    size += row[3]
                    if size >= max(excess, page):
                        break
                if not rows:
                    break
                delete = "DELETE FROM kv WHERE rowid = ?"
                self._database.write_many(delete, [(row[0],) for row in rows])
                digests = self._drop_rows(list({row[2] for row in rows if row[2] is not None}))
            at = (rows[-1][1], rows[-1][0])
            count += len(rows)
            sizes += self._remove_files(digests)
        return count, sizes

    def _evictable(self) -> tuple[str, list[str]]:
        if self._all:
            return "1", []
        names = sorted(self._names)
        return f"namespace IN ({','.join('?' * len(names))})", names


def _checked_budget(budget: int | None) -> int | None:
    if budget is None or (isinstance(budget, int) and not isinstance(budget, bool) and budget >= 0):
        return budget
    raise InvalidInputError(
        f"A budget is a whole number of bytes, not {budget!a}.",
        where="budget",
        next_step="Use for example 4 * 2**30, or None for no limit.",
    )


def _chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
