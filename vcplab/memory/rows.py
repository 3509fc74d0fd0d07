"""A corpus as stages see it: documents by row, and what is derived from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import NotFoundError, ReadOnlyError, StateError
from vcplab.memory.document import Document
from vcplab.memory.shelf import Derived, IndexAheadError, Lasting, Shelf
from vcplab.memory.storage.reading import ReadingLock
from vcplab.memory.storage.table import DocumentTable

__all__ = ["Rows"]

_D = TypeVar("_D", bound=Derived)
_L = TypeVar("_L", bound=Lasting)
_T = TypeVar("_T")

# Moments that are looked at before a reader gives up; each waits a little longer.
_ATTEMPTS = 50


class Rows:
    """Base of a corpus: rows, and the structures that are kept up to date with them."""

    name: str
    _table: DocumentTable
    _kept: Shelf
    _lock: AbstractContextManager[Any]

    def document(self, row: int) -> Document:
        """The document in a row that a current ranking names."""
        return self.documents([row])[0]

    def documents(self, rows: Iterable[int]) -> list[Document]:
        """The documents in rows that a current ranking names."""
        found = self._table.at([int(row) for row in rows])
        assert None not in found, "rankings only name live rows"
        return cast("list[Document]", found)

    def docnos(self, rows: Iterable[int]) -> list[str]:
        """The ids of rows that a current ranking names."""
        found = self._table.docnos([int(row) for row in rows])
        assert None not in found, "rankings only name live rows"
        return cast("list[str]", found)

    def row(self, docno: str) -> int:
        """The row of a document.

        Raises:
            NotFoundError: The id is not there.
        """
        with self._lock:
            self._require([docno], "`docno in corpus` tells which are there.")
            return self._table.find([docno])[docno].row

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of all documents, ascending."""
        with self._lock:
            return self._table.live()

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held by a retriever while it runs, so that a ranking never meets a half-made change.

        Inside it a corpus that another process writes stays as it was at one moment.
        """
        return self._lock

    def consistently(self, work: Callable[[], _T]) -> _T:
        """Do something with documents and indexes of one moment, under :attr:`lock`.

        Args:
            work: Reads only; done again at a newer moment if another process has meanwhile taken
                an index further than the moment's documents.

        Raises:
            StateError: Another process writes so fast that no moment holds still.
        """
        if isinstance(self._lock, ReadingLock) and self._lock.is_held():
            return work()  # the moment is the caller's, who looks again
        for attempt in range(_ATTEMPTS):
            with self._lock:
                try:
                    return work()
                except IndexAheadError:
                    pass
            time.sleep(0.002 * attempt)
        raise StateError(
            "Another process changes this corpus faster than it can be read.",
            where=self.name,
            next_step="Try again when it writes less.",
        )

    def derived(self, key: Hashable, make: Callable[[], _D]) -> _D:
        """The structure kept in memory under ``key``, made if new, brought up to date.

        Args:
            key: Names what it depends on besides the documents: kind, fingerprint of analyser or
                embedder, fields.
            make: Makes an empty one.

        Returns:
            The structure. The 64 that were asked for last are kept; any other is made again when
            it is asked for again.
        """
        with self._lock:
            return self._kept.current(key, make, self._table)

    def lasting(self, key: Hashable, make: Callable[[Path | None], _L]) -> _L:
        """The same for a structure that lives in the corpus's folder, if it has one.

        Args:
            key: As for :meth:`derived`, made of texts and numbers; its ``repr`` must say all.
            make: Opens the structure in a folder, or an empty one in memory for None.
        """
        with self._lock:
            return self._kept.lasting(key, make, self._table)

    def drop_indexes(self) -> None:
        """Give up every index, in memory and on disk; each is made again when it is next needed.

        For a folder that has collected indexes of analysers and embedders that are no longer used,
        or deleted documents whose traces in Tantivy's statistics matter.

        Raises:
            ReadOnlyError: The corpus is open read-only.
        """
        with self._lock:
            self._refuse_read_only()
            self._kept.drop()

    def _refuse_read_only(self) -> None:
        if getattr(self._table, "read_only", False):
            raise ReadOnlyError(
                "The corpus is open read-only.",
                where=self.name,
                next_step="Do it where it is open for writing.",
            )

    def _require(self, ids: Sequence[str], next_step: str) -> None:
        found = self._table.find(ids)
        missing = [docno for docno in ids if docno not in found]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise NotFoundError(
                f"The corpus has no document {missing[0]!r}{more}.",
                where=self.name,
                next_step=next_step,
                details={"missing": missing[:20]},
            )
