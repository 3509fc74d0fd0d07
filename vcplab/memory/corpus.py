"""A corpus: documents, and the indexes that every retriever on it shares."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.memory.document import Document
from vcplab.memory.reading.report import ReadReport

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Corpus", "Derived"]

_HASH_MODULUS = 2**128


class Derived(Protocol):
    """Something computed from the documents and kept up to date with them: an index, a graph."""

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Take in new documents. Raising leaves it as it was: the same rows come again later."""
        ...

    def delete(self, rows: Sequence[int]) -> None:
        """Forget documents."""
        ...


_D = TypeVar("_D", bound=Derived)


class _Kept:
    """A derived structure and how much of the corpus it has seen."""

    __slots__ = ("added", "deleted", "value")

    def __init__(self, value: Derived) -> None:
        self.value = value
        self.added = 0
        self.deleted = 0


class Corpus:
    """Documents with an identity, and what is derived from them.

    A document has a *row*, its number in order of arrival; an update gives it a new one. Indexes
    are made when a retriever first needs them, keyed by what they depend on (analyser, embedder),
    shared by all retrievers, and brought up to date before each use: a new memory is visible at
        once. Thread-safe.

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
        self._row: dict[str, int] = {}
        self._deleted: list[int] = []
        self._hash = 0
        self._kept: dict[Hashable, _Kept] = {}
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
        new = _as_list(documents)
        with self._lock:
            self._refuse_doubles(new)
            for doc in new:
                if doc.id in self._row:
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
        new = _as_list(documents)
        with self._lock:
            self._refuse_doubles(new)
            self._require([doc.id for doc in new], "Use upsert() to add what is missing.")
            self._replace(new)
        return len(new)

    def upsert(self, documents: Document | Iterable[Document]) -> int:
        """Add documents, replacing those that are there; unchanged ones cost nothing.

        Returns:
            How many were added or changed.
        """
        new = _as_list(documents)
        with self._lock:
            self._refuse_doubles(new)
            changed = [
                d for d in new if self.get(d.id) is None or self[d.id].digest() != d.digest()
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
                self.version += 1
        return len(wanted)

    def clear(self) -> None:
        """Remove every document and every index."""
        with self._lock:
            self._documents.clear()
            self._row.clear()
            self._deleted.clear()
            self._kept.clear()
            self._hash = 0
            self.version += 1

    def count(self) -> int:
        """Number of documents."""
        return len(self._row)

    def get(self, docno: str, default: Document | None = None) -> Document | None:
        """A document by id, or the default."""
        row = self._row.get(docno)
        return default if row is None else self._documents[row]

    def __getitem__(self, docno: str) -> Document:
        found = self.get(docno)
        if found is None:
            self._require([docno], "`docno in corpus` tells which are there.")
        assert found is not None
        return found

    def __contains__(self, docno: object) -> bool:
        return docno in self._row

    def __len__(self) -> int:
        return len(self._row)

    def __iter__(self) -> Iterator[Document]:
        with self._lock:
            return iter([doc for doc in self._documents if doc is not None])

    @property
    def fingerprint(self) -> str:
        """Hash of all documents, whatever their order: 32 hex digits."""
        # A sum of independent hashes: adding and removing one document costs one addition.
        return f"{(self._hash + len(self._row)) % _HASH_MODULUS:032x}"

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
        self[docno]
        return self._row[docno]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of all documents, ascending."""
        with self._lock:
            return np.fromiter(sorted(self._row.values()), np.int64, len(self._row))

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
        """
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = _Kept(make())
            total = len(self._documents)
            known = kept.added
            gone = self._deleted[kept.deleted :]
            if gone:
                kept.value.delete([row for row in gone if row < known])
                kept.deleted = len(self._deleted)
            if known < total:
                rows = [row for row in range(known, total) if self._documents[row] is not None]
                if rows:
                    kept.value.add(rows, [self.document(row) for row in rows])
                kept.added = total
            value: Any = kept.value
            return value  # type: ignore[no-any-return]

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

    def _append(self, documents: Sequence[Document]) -> None:
        for doc in documents:
            self._row[doc.id] = len(self._documents)
            self._documents.append(doc)
            self._hash = (self._hash + int.from_bytes(doc.digest(), "big")) % _HASH_MODULUS
        if documents:
            self.version += 1

    def _remove(self, ids: Sequence[str]) -> None:
        for docno in ids:
            row = self._row.pop(docno)
            doc = self.document(row)
            self._hash = (self._hash - int.from_bytes(doc.digest(), "big")) % _HASH_MODULUS
            self._documents[row] = None
            self._deleted.append(row)

    def _replace(self, documents: Sequence[Document]) -> None:
        self._remove([doc.id for doc in documents if doc.id in self._row])
        self._append(documents)

    def _refuse_doubles(self, documents: Sequence[Document]) -> None:
        seen: set[str] = set()
        for doc in documents:
            if doc.id in seen:
                raise InvalidInputError(
                    f"Two of the documents have the id {doc.id!r}.",
                    where=doc.source,
                    next_step="Ids must be unique: use the path, or number the rows.",
                )
            seen.add(doc.id)

    def _require(self, ids: Sequence[str], next_step: str) -> None:
        missing = [docno for docno in ids if docno not in self._row]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise NotFoundError(
                f"The corpus has no document {missing[0]!r}{more}.",
                where=self.name,
                next_step=next_step,
                details={"missing": missing[:20]},
            )


def _as_list(documents: Document | Iterable[Document]) -> list[Document]:
    new = [documents] if isinstance(documents, Document) else list(documents)
    for doc in new:
        if not isinstance(doc, Document):
            raise InvalidInputError(
                f"{doc!r} is not a Document.",
                next_step="Make one: vl.Document(id, text), or use Corpus.from_frame.",
            )
    return new
