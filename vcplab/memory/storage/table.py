"""The table of documents behind a corpus, and its form in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.document import Document

__all__ = ["HASH_MODULUS", "DocumentTable", "Found", "MemoryTable"]

HASH_MODULUS = 2**128


@dataclass(frozen=True, slots=True)
class Found:
    """Where a live document is, and its digest when it came: what leaves the hash with it."""

    row: int
    digest: int


class DocumentTable(Protocol):
    """Documents by row and by id, with the log of what was removed.

    A document's *row* is its number in order of arrival within an *epoch*; a replaced document
    gets a new one. Numbering the rows anew begins the next epoch.
    """

    @property
    def version(self) -> int:
        """Grows with every change."""
        ...

    @property
    def epoch(self) -> int:
        """Grows whenever rows are numbered anew."""
        ...

    @property
    def hash(self) -> int:
        """Sum of the digests of all live documents, modulo ``HASH_MODULUS``."""
        ...

    @property
    def next_row(self) -> int:
        """The row that the next new document gets."""
        ...

    @property
    def removed(self) -> int:
        """How many rows were removed in this epoch."""
        ...

    def __len__(self) -> int:
        """Number of live documents."""
        ...

    def find(self, docnos: Collection[str]) -> dict[str, Found]:
        """Those of the ids that are there."""
        ...

    def get(self, docno: str) -> Document | None:
        """A live document by id."""
        ...

    def at(self, rows: Sequence[int]) -> list[Document | None]:
        """Documents by row, None where there is none (any more)."""
        ...

    def docnos(self, rows: Sequence[int]) -> list[str | None]:
        """Ids by row, None where there is none (any more)."""
        ...

    def scan(self, first: int, batch: int) -> Iterator[tuple[list[int], list[Document]]]:
        """Live documents from a row on, ascending, in batches of ``batch`` at most."""
        ...

    def removed_since(self, count: int) -> list[int]:
        """The removed rows after the first ``count`` removals."""
        ...

    def live(self) -> NDArray[np.int64]:
        """Rows of all live documents, ascending."""
        ...

    def apply(self, gone: Sequence[str], new: Sequence[tuple[Document, int]]) -> None:
        """Remove documents that are there and append new ones with their digests, all or none."""
        ...

    def renumber(self) -> None:
        """Give the live documents the rows 0, 1, … in their order, and begin a new epoch."""
        ...

    def clear(self) -> None:
        """Remove everything, and begin a new epoch."""
        ...

    def reading(self) -> AbstractContextManager[object]:
        """Inside, what this thread reads is the state of one moment."""
        ...


class MemoryTable:
    """Documents as Python objects (a :class:`DocumentTable`); its caller holds the lock."""

    def __init__(self) -> None:
        self.version = 0
        self.epoch = 0
        self.hash = 0
        self._documents: list[Document | None] = []
        # The document as well: whoever asks by id needs no lock while rows are numbered anew.
        self._found: dict[str, tuple[Found, Document]] = {}
        self._removed: list[int] = []

    @property
    def next_row(self) -> int:
        """See :class:`DocumentTable`."""
        return len(self._documents)

    @property
    def removed(self) -> int:
        """See :class:`DocumentTable`."""
        return len(self._removed)

    def __len__(self) -> int:
        return len(self._found)

    def find(self, docnos: Collection[str]) -> dict[str, Found]:
        """See :class:`DocumentTable`."""
        return {docno: self._found[docno][0] for docno in docnos if docno in self._found}

    def get(self, docno: str) -> Document | None:
        """See :class:`DocumentTable`."""
        found = self._found.get(docno)
        return None if found is None else found[1]

    def at(self, rows: Sequence[int]) -> list[Document | None]:
        """See :class:`DocumentTable`."""
        return [self._documents[row] for row in rows]

    def docnos(self, rows: Sequence[int]) -> list[str | None]:
        """See :class:`DocumentTable`."""
        return [None if doc is None else doc.id for doc in self.at(rows)]

    def scan(self, first: int, batch: int) -> Iterator[tuple[list[int], list[Document]]]:
        """See :class:`DocumentTable`."""
        # A copy: the caller may let go of the lock between batches.
        live = [
            (row, doc) for row, doc in enumerate(self._documents[first:], first) if doc is not None
        ]
        for start in range(0, len(live), batch):
            part = live[start : start + batch]
            yield [row for row, _ in part], [doc for _, doc in part]

    def removed_since(self, count: int) -> list[int]:
        """See :class:`DocumentTable`."""
        return self._removed[count:]

    def live(self) -> NDArray[np.int64]:
        """See :class:`DocumentTable`."""
        rows = [row for row, doc in enumerate(self._documents) if doc is not None]
        return np.array(rows, np.int64)

    def apply(self, gone: Sequence[str], new: Sequence[tuple[Document, int]]) -> None:
        """See :class:`DocumentTable`."""
        change = 0
        for docno in gone:
            found, _ = self._found.pop(docno)
            self._documents[found.row] = None
            self._removed.append(found.row)
            # Not the document's digest of today: someone may have written into its metadata.
            change -= found.digest
        for doc, digest in new:
            self._found[doc.id] = Found(len(self._documents), digest), doc
            self._documents.append(doc)
            change += digest
        self.hash = (self.hash + change) % HASH_MODULUS
        self.version += 1

    def renumber(self) -> None:
        """See :class:`DocumentTable`."""
        live = [doc for doc in self._documents if doc is not None]
        self._found = {
            doc.id: (Found(row, self._found[doc.id][0].digest), doc) for row, doc in enumerate(live)
        }
        self._documents = list(live)
        self._removed = []
        self.epoch += 1

    def clear(self) -> None:
        """See :class:`DocumentTable`."""
        self._documents, self._found, self._removed, self.hash = [], {}, [], 0
        self.version += 1
        self.epoch += 1

    def reading(self) -> AbstractContextManager[object]:
        """See :class:`DocumentTable`."""
        return nullcontext()
