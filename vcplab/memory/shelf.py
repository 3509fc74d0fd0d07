"""Where a corpus keeps what is derived from its documents, up to date and in bounds."""

from __future__ import annotations

import hashlib
import shutil
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar

from vcplab.core.errors import InvalidDataError, SchemaMismatchError
from vcplab.memory.document import Document
from vcplab.memory.storage.generations import Generations
from vcplab.memory.storage.table import DocumentTable

__all__ = ["Derived", "IndexAheadError", "Lasting", "Shelf"]

_D = TypeVar("_D", bound="Derived")
_L = TypeVar("_L", bound="Lasting")

# Structures beyond this number are given up, the least recently used first.
_LIMIT = 64
# Documents that are handed over at once: a corpus on disk must not be read whole into memory.
_BATCH = 20_000


class Derived(Protocol):
    """Something computed from the documents and kept up to date with them: an index, a graph."""

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Take in new documents. Raising leaves it as it was: the same rows come again later."""
        ...

    def delete(self, rows: Sequence[int]) -> None:
        """Forget documents."""
        ...


class Lasting(Derived, Protocol):
    """A derived structure that can live in a folder and outlive the process."""

    def seen(self) -> tuple[int, int]:
        """Rows and removals that were taken in as of the last commit in the folder.

        Whatever happened to an earlier process, what comes after these is not in it. Removals may
        be reported again that it knows already.
        """
        ...

    def commit(self, added: int, removed: int) -> None:
        """Make durable, in one step, what was taken in: now rows < ``added``, so many removals."""
        ...

    def reload(self) -> None:
        """Take over what another process has committed since; forget what was not committed."""
        ...


class IndexAheadError(Exception):
    """An index on disk knows more than this reader's moment: another process went on meanwhile.

    Never seen by users: ``Corpus.consistently`` looks again at a newer moment.
    """


class _Kept:
    """A derived structure and how much of the corpus it has seen."""

    __slots__ = ("added", "epoch", "folder", "removed", "value")

    def __init__(self, value: Any, epoch: int, folder: Path | None = None) -> None:
        self.value = value
        self.epoch = epoch
        self.folder = folder
        self.added = 0
        self.removed = 0

    def is_behind(self, table: DocumentTable) -> bool:
        return self.added < table.next_row or self.removed < table.removed

    def is_ahead(self, table: DocumentTable) -> bool:
        return self.added > table.next_row or self.removed > table.removed

    def catch_up(self, table: DocumentTable) -> None:
        total, known = table.next_row, self.added
        if self.removed < table.removed:
            # What came and went between two calls was never told.
            gone = table.removed_since(self.removed)
            self.value.delete([row for row in gone if row < known])
            self.removed += len(gone)
        if known < total:
            for rows, documents in table.scan(known, _BATCH):
                self.value.add(rows, documents)
                self.added = rows[-1] + 1
            self.added = total


class Shelf:
    """The derived structures of one corpus, by key. Its caller holds the corpus's lock.

    Args:
        home: Folder for those that last; None keeps all of them in memory.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = home
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def current(self, key: Hashable, make: Callable[[], _D], table: DocumentTable) -> _D:
        """The structure under a key, made if new and told what has happened since.

        Args:
            key: Names what it depends on besides the documents.
            make: Makes an empty one.
            table: The documents.
        """
        kept = self._kept.get(key)
        if kept is None or kept.epoch != table.epoch:
            kept = _Kept(make(), table.epoch)
            self._keep(key, kept)
        else:
            self._kept.move_to_end(key)
        kept.catch_up(table)
        value: Any = kept.value
        return value  # type: ignore[no-any-return]

    def lasting(self, key: Hashable, make: Callable[[Path | None], _L], table: DocumentTable) -> _L:
        """The same for a structure that is kept in a folder where the corpus has one.

        Args:
            key: Names what it depends on besides the documents; its ``repr`` must say all.
            make: Makes an empty one (None), or opens what is in a folder, possibly nothing yet.
            table: The documents.
        """
        if self.home is None:
            return self.current(key, lambda: make(None), table)
        place = self._place(key)
        folder = place.current()
        kept = self._kept.get(key)
        if kept is not None and (kept.epoch != table.epoch or kept.folder != folder):
            self._kept.pop(key)
            kept = None
        if kept is None and folder is not None:
            kept = self._opened(key, place, folder, make, table)
        if kept is not None and _reads(table) and kept.is_ahead(table):
            self._kept.pop(key, None)
            raise IndexAheadError
        if kept is None or kept.is_behind(table):
            with ExitStack() as held:
                try:
                    held.enter_context(place.lock())
                except OSError:
                    # A folder that may not be written: what it lacks is made in memory.
                    return self.current(("memory", key), lambda: make(None), table)
                kept = self._caught_up(key, place, make, table)
        else:
            self._kept.move_to_end(key)
        value: Any = kept.value
        return value  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Give up everything in memory; it is made again, or opened, when it is asked for."""
        self._kept.clear()

    def drop(self) -> None:
        """Give up everything, in the folder too.

        Windows keeps what somebody has open until the next time.
        """
        self._kept.clear()
        if self.home is not None:
            shutil.rmtree(self.home, ignore_errors=True)

    def _place(self, key: Hashable) -> Generations:
        assert self.home is not None
        kind = str(key[0]) if isinstance(key, tuple) else "index"
        digest = hashlib.blake2b(repr(key).encode("utf-8"), digest_size=8).hexdigest()
        return Generations(self.home / f"{kind}-{digest}")

    def _opened(
        self,
        key: Hashable,
        place: Generations,
        folder: Path,
        make: Callable[[Path | None], Any],
        table: DocumentTable,
    ) -> _Kept | None:
        """A generation on disk, or None if it is of other documents or cannot be read."""
        about, mine = place.about(folder), _about(key, table)
        if about != mine:
            if _reads(table) and about.get("epoch", 0) > mine["epoch"]:
                raise IndexAheadError
            return None
        try:
            value = make(folder)
        except (InvalidDataError, SchemaMismatchError):
            return None  # damaged or of another layout: derived from the documents, made again
        kept = _Kept(value, table.epoch, folder)
        kept.added, kept.removed = value.seen()
        self._keep(key, kept)
        return kept

    def _caught_up(
        self,
        key: Hashable,
        place: Generations,
        make: Callable[[Path | None], Any],
        table: DocumentTable,
    ) -> _Kept:
        """The structure as of the documents of now; the caller holds the generations' lock."""
        folder = place.current()
        kept = self._kept.pop(key, None)
        if kept is not None and kept.folder == folder:
            try:
                # Another process may have been faster.
                kept.value.reload()
                kept.added, kept.removed = kept.value.seen()
            except InvalidDataError:
                kept = None
        else:
            kept = None if folder is None else self._opened(key, place, folder, make, table)
        if kept is not None and kept.is_ahead(table):
            # Ahead of a reader's moment is another process's progress. Ahead of the writer itself
            # it belongs to documents that are no more (a restored copy of the table).
            if _reads(table):
                raise IndexAheadError
            kept = None
        if kept is not None:
            try:
                self._bring_up(key, kept, table, fresh=False)
            except InvalidDataError:
                kept = None  # damaged: made again like one that cannot be opened
        if kept is None:
            begun = place.begin(_about(key, table))
            kept = _Kept(make(begun), table.epoch, begun)
            self._bring_up(key, kept, table, fresh=True)
        assert kept.folder is not None
        if place.current() != kept.folder:
            place.publish(kept.folder)
        self._keep(key, kept)
        return kept

    def _bring_up(self, key: Hashable, kept: _Kept, table: DocumentTable, *, fresh: bool) -> None:
        # What fails on the way is not kept: the next one opens what was last committed.
        self._kept.pop(key, None)
        if fresh or kept.is_behind(table):
            kept.catch_up(table)
            kept.value.commit(kept.added, kept.removed)

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        if len(self._kept) > _LIMIT:
            self._kept.popitem(last=False)


def _reads(table: DocumentTable) -> bool:
    """Whether another process writes the documents."""
    return bool(getattr(table, "read_only", False))


def _about(key: Hashable, table: DocumentTable) -> dict[str, Any]:
    return {"index": repr(key), "epoch": table.epoch}
