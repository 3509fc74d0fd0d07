"""A corpus: documents, and the indexes that every retriever on it shares."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.memory.document import Document
from vcplab.memory.reading.report import ReadReport
from vcplab.memory.shelf import Derived, Shelf

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Corpus", "Derived"]

_D = TypeVar("_D", bound=Derived)

_HASH_MODULUS = 2**128
# Rows are numbered anew once more are dead than live, and at least this many.
_MIN_DEAD = 1000


class _Entry(NamedTuple):
    """A live document, its row, and its digest when it came: what leaves the hash with it."""

    row: int
    document: Document
    digest: int


class Corpus:
    """Documents with an identity, and what is derived from them.

    A document has a *row*, its number in order of arrival; an update gives it a new one. Indexes
    are made when a retriever first needs them, keyed by what they depend on (analyser, embedder),
    shared by all retrievers, and brought up to date before each use: a new memory is visible at
    once. When most rows belong to documents that are gone, the next change numbers them anew and
    indexes are made again. Thread-safe. Its pickle holds the documents only; indexes are made
    again where it arrives.

    Args:
        documents: The first documents.
        name: What tables call it.

    Raises:
        InvalidInputError: Two documents share an id.
    """

    def __init__(self, documents: Iterable[Document] = (), *, name: str = "corpus") -> None:
        self.name = name
        self.report = ReadReport()
        self.version = 0
        self._lock = RLock()
        self._documents: list[Document | None] = []
        self._entries: dict[str, _Entry] = {}
        self._deleted: list[int] = []
        self._hash = 0
        self._kept = Shelf()
        self.add(documents)

    @staticmethod
    def read(path: str | Path, *, name: str | None = None) -> Corpus:
        """Read a folder or file: diaries, Markdown, plain text, JSONL, CSV; told by content.

        Args:
            path: A folder (read with everything below it) or a file.
            name: What tables call it; the last part of the path by default.

        Returns:
            The corpus; files and lines that could not be read are rows of ``corpus.report``.

        Raises:
            NotFoundError: There is nothing at the path.
        """
        from vcplab.memory.reading.reader import read_documents

        documents, report = read_documents(Path(path))
        corpus = Corpus(documents, name=name or Path(path).resolve().name)
        corpus.report = report
        return corpus

    @staticmethod
    def from_documents(documents: Iterable[Document], *, name: str = "corpus") -> Corpus:
        """A corpus of ready-made documents."""
        return Corpus(documents, name=name)

    @staticmethod
    def from_frame(
        frame: pd.DataFrame, *, columns: dict[str, str] | None = None, name: str = "frame"
    ) -> Corpus:
        """A corpus from a table.

        Args:
            frame: One row per document. Known columns are ``id`` (or ``docno``), ``text``,
                ``tags``, ``time``; all others become metadata.
            columns: Known name → the frame's name, where it differs.
            name: What tables call it.

        Returns:
            The corpus; rows that could not be read are rows of ``corpus.report``.
        """
        from vcplab.memory.reading.tables import read_frame

        documents, report = read_frame(frame, columns or {})
        corpus = Corpus(documents, name=name)
        corpus.report = report
        return corpus

    # Documents

    def add(self, documents: Document | Iterable[Document]) -> int:
        """Add new documents, all or none.

        Returns:
            How many were added.

        Raises:
            InvalidInputError: An id is already there, or twice among the new ones.
        """
        new = _digested(documents)
        with self._lock:
            for doc, _ in new:
                if doc.id in self._entries:
                    raise InvalidInputError(
                        f"The corpus already has a document {doc.id!r}.",
                        where=doc.source,
                        next_step="Use upsert() to replace it, or give the new one another id.",
                    )
            self._append(new)
        return len(new)

    def update(self, documents: Document | Iterable[Document]) -> int:
        """Replace documents that are there, all or none.

        Raises:
            NotFoundError: An id is not there.
        """
        new = _digested(documents)
        with self._lock:
            self._require([doc.id for doc, _ in new], "Use upsert() to add what is missing.")
            self._replace(new)
        return len(new)

    def upsert(self, documents: Document | Iterable[Document]) -> int:
        """Add documents, replacing those that are there; unchanged ones cost nothing.

        Returns:
            How many were added or changed.
        """
        new = _digested(documents)
        with self._lock:
            changed = [
                (doc, digest)
                for doc, digest in new
                if (old := self._entries.get(doc.id)) is None or old.digest != digest
            ]
            self._replace(changed)
        return len(changed)

    def delete(self, ids: str | Iterable[str]) -> int:
        """Remove documents, all or none.

        Raises:
            NotFoundError: An id is not there.
        """
        wanted = [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
        with self._lock:
            self._require(wanted, "`id in corpus` tells which are there.")
            self._remove(wanted)
            if wanted:
                self._changed()
        return len(wanted)

    def clear(self) -> None:
        """Remove every document and every index."""
        with self._lock:
            self._documents, self._entries, self._deleted, self._hash = [], {}, [], 0
            self._kept.clear()
            self.version += 1

    def count(self) -> int:
        """Number of documents."""
        return len(self._entries)

    def get(self, docno: str, default: Document | None = None) -> Document | None:
        """A document by id, or the default."""
        entry = self._entries.get(docno)
        return default if entry is None else entry.document

    def __getitem__(self, docno: str) -> Document:
        found = self.get(docno)
        if found is None:
            self._require([docno], "`docno in corpus` tells which are there.")
        assert found is not None
        return found

    def __contains__(self, docno: object) -> bool:
        return docno in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Document]:
        with self._lock:
            return iter([doc for doc in self._documents if doc is not None])

    @property
    def fingerprint(self) -> str:
        """Hash of all documents, whatever their order: 32 hex digits."""
        # A sum of independent hashes: adding and removing one document costs one addition.
        return f"{(self._hash + len(self._entries)) % _HASH_MODULUS:032x}"

    def to_frame(self) -> pd.DataFrame:
        """One row per document: docno, text, tags, time, and a column per metadata key."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"docno": d.id, "text": d.text, "tags": list(d.tags), "time": d.time, **d.metadata}
                for d in self
            ]
        )

    # Rows, for stages

    def document(self, row: int) -> Document:
        """The document in a row that a current ranking names."""
        found = self._documents[row]
        assert found is not None, "rankings only name live rows"
        return found

    def row(self, docno: str) -> int:
        """The row of a document.

        Raises:
            NotFoundError: The id is not there.
        """
        with self._lock:
            self._require([docno], "`docno in corpus` tells which are there.")
            return self._entries[docno].row

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of all documents, ascending."""
        with self._lock:
            live = [row for row, doc in enumerate(self._documents) if doc is not None]
            return np.array(live, np.int64)

    @property
    def lock(self) -> RLock:
        """Held by a retriever while it runs, so that a ranking never meets a half-made change."""
        return self._lock

    def derived(self, key: Hashable, make: Callable[[], _D]) -> _D:
        """The structure kept under ``key``, made by ``make`` if new, brought up to date.

        Args:
            key: Names what it depends on besides the documents: kind, fingerprint of analyser or
                embedder, fields.
            make: Makes an empty one.

        Returns:
            The structure. The 64 that were asked for last are kept; any other is made again when
            it is asked for again.
        """
        with self._lock:
            return self._kept.current(key, make, self._documents, self._deleted)

    def __getstate__(self) -> tuple[str, list[Document], ReadReport]:
        return self.name, list(self), self.report

    def __setstate__(self, state: tuple[str, list[Document], ReadReport]) -> None:
        name, documents, report = state
        Corpus.__init__(self, documents, name=name)
        self.report = report

    def __repr__(self) -> str:
        problems = f", {len(self.report)} problems" if len(self.report) else ""
        return f"Corpus({self.name!r}, {len(self):,} documents{problems})"

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_card, style_block

        rows: list[tuple[str, object]] = [
            ("documents", f"{len(self):,}"),
            ("hash", self.fingerprint),
        ]
        if len(self.report):
            rows.append(("problems", f"{len(self.report)} (see .report)"))
        return style_block() + html_card(f"Corpus {self.name}", rows)

    # The callers below hold the lock and have validated everything.

    def _append(self, new: Sequence[tuple[Document, int]]) -> None:
        for doc, digest in new:
            self._entries[doc.id] = _Entry(len(self._documents), doc, digest)
            self._documents.append(doc)
        self._hash = (self._hash + sum(digest for _, digest in new)) % _HASH_MODULUS
        if new:
            self._changed()

    def _remove(self, ids: Sequence[str]) -> None:
        for docno in ids:
            entry = self._entries.pop(docno)
            self._documents[entry.row] = None
            self._deleted.append(entry.row)
            # Not the document's digest of today: someone may have written into its metadata.
            self._hash = (self._hash - entry.digest) % _HASH_MODULUS

    def _replace(self, new: Sequence[tuple[Document, int]]) -> None:
        self._remove([doc.id for doc, _ in new if doc.id in self._entries])
        self._append(new)

    def _changed(self) -> None:
        self.version += 1
        if len(self._deleted) > max(len(self._entries), _MIN_DEAD):
            # Rows never leave a run, and runs hold the lock: nobody knows the old numbers.
            live = [self._entries[doc.id] for doc in self._documents if doc is not None]
            self._documents = [entry.document for entry in live]
            self._entries = {
                entry.document.id: entry._replace(row=row) for row, entry in enumerate(live)
            }
            self._deleted = []
            self._kept.clear()

    def _require(self, ids: Sequence[str], next_step: str) -> None:
        missing = [docno for docno in ids if docno not in self._entries]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise NotFoundError(
                f"The corpus has no document {missing[0]!r}{more}.",
                where=self.name,
                next_step=next_step,
                details={"missing": missing[:20]},
            )


def _digested(documents: Document | Iterable[Document]) -> list[tuple[Document, int]]:
    """Documents with their digests, refused if one is none or two share an id."""
    new = [documents] if isinstance(documents, Document) else list(documents)
    seen: set[str] = set()
    for doc in new:
        if not isinstance(doc, Document):
            raise InvalidInputError(
                f"{doc!r} is not a Document.",
                next_step="Make one: vl.Document(id, text), or use Corpus.from_frame.",
            )
        if doc.id in seen:
            raise InvalidInputError(
                f"Two of the documents have the id {doc.id!r}.",
                where=doc.source,
                next_step="Ids must be unique: use the path, or number the rows.",
            )
        seen.add(doc.id)
    # All of them before anything changes: a document that has no digest is refused whole.
    return [(doc, int.from_bytes(doc.digest(), "big")) for doc in new]
