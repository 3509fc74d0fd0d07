"""A corpus: documents, and the indexes that every retriever on it shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from vcplab.core.errors import InvalidInputError
from vcplab.memory.document import Document
from vcplab.memory.reading.report import ReadReport
from vcplab.memory.rows import Rows
from vcplab.memory.shelf import Derived, Lasting, Shelf
from vcplab.memory.storage.disk import DiskTable
from vcplab.memory.storage.folder import OPENING, CorpusFolder
from vcplab.memory.storage.reading import ReadingLock
from vcplab.memory.storage.table import HASH_MODULUS, DocumentTable, MemoryTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Corpus", "Derived", "Lasting"]

# Rows are numbered anew once more are dead than live, and at least this many.
_MIN_DEAD = 1000
# Documents that are read at once when a corpus on disk is gone through.
_SCAN = 1000


class Corpus(Rows):
    """Documents with an identity, and what is derived from them.

    A document has a *row*, its number in order of arrival; an update gives it a new one. Indexes
    are made when a retriever first needs them, keyed by what they depend on (analyser, embedder),
    shared by all retrievers, and brought up to date before each use: a new memory is visible at
    once. When most rows belong to documents that are gone, the next change numbers them anew and
    indexes are made again. Thread-safe.

    ``Corpus(documents)`` lives in memory; its pickle holds the documents, and indexes are made
    again where it arrives. :meth:`open` gives one that lives in a folder.

    Args:
        documents: The first documents.
        name: What tables call it.

    Raises:
        InvalidInputError: Two documents share an id.
    """

    def __init__(self, documents: Iterable[Document] = (), *, name: str = "corpus") -> None:
        self._settle(name, MemoryTable(), None)
        self.add(documents)

    def _settle(self, name: str, table: DocumentTable, folder: CorpusFolder | None) -> None:
        self.name = name
        self.report = ReadReport()
        self._folder = folder
        self._table = table
        self._kept = Shelf(None if folder is None else folder.indexes)
        self._lock = RLock() if folder is None else ReadingLock(table)

    @staticmethod
    def open(
        path: str | Path, *, read_only: bool = False, create: bool = True, name: str | None = None
    ) -> Corpus:
        """Open a corpus that lives in a folder, documents and indexes.

        Every change is on the disk when the call that made it returns, whole or not at all,
        whatever happens to the process. One process writes; any number open it with
        ``read_only=True`` and see each change at their next call. Indexes that can last
        (:class:`vcplab.Tantivy`, :class:`vcplab.Dense`) are kept beside the documents and opened
        again in no time; they follow the documents by themselves.

        Opened again for writing in the same process, it is the same object (a notebook's cell may
        run twice).

        Args:
            path: The folder.
            read_only: Open beside another process that writes.
            create: Make the folder where there is none.
            name: What tables call it; the folder's name by default.

        Raises:
            NotFoundError: There is no corpus, and it is not to be made.
            ReadOnlyError: Another process has it open for writing.
            InvalidInputError: The folder holds something else.
            SchemaMismatchError: It was made by a newer vcplab.
        """
        folder = CorpusFolder.at(path)
        with OPENING:
            if not read_only and (known := folder.opened()) is not None:
                return known
            table = folder.open_table(read_only=read_only, create=create)
            corpus = Corpus.__new__(Corpus)
            corpus._settle(name or folder.path.name, table, folder)
            if not read_only:
                folder.note_opened(corpus)
            return corpus

    def save(self, path: str | Path) -> Corpus:
        """Write the documents to a folder and open it.

        Args:
            path: A new or empty folder.

        Returns:
            The corpus in the folder; this one stays as it is.

        Raises:
            InvalidInputError: There are documents already.
        """
        target = Corpus.open(path, name=self.name)
        if len(target):
            raise InvalidInputError(
                f"There is already a corpus of {len(target):,} documents.",
                where=str(path),
                next_step="Give a new folder, or open it and upsert() the documents.",
            )
        target.add(self)
        return target

    @property
    def path(self) -> Path | None:
        """The folder it lives in; None in memory."""
        return None if self._folder is None else self._folder.path

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return isinstance(self._table, DiskTable) and self._table.read_only

    def close(self) -> None:
        """Give the folder up, so that another process may write; closing twice is allowed."""
        if self._folder is not None:
            self._kept.clear()
            self._folder.close(self._table)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

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
            ReadOnlyError: The corpus is open read-only.
        """
        new = _digested(documents)
        with self._lock:
            found = self._table.find([doc.id for doc, _ in new])
            for doc, _ in new:
                if doc.id in found:
                    raise InvalidInputError(
                        f"The corpus already has a document {doc.id!r}.",
                        where=doc.source,
                        next_step="Use upsert() to replace it, or give the new one another id.",
                    )
            self._apply([], new)
        return len(new)

    def update(self, documents: Document | Iterable[Document]) -> int:
        """Replace documents that are there, all or none.

        Raises:
            NotFoundError: An id is not there.
            ReadOnlyError: The corpus is open read-only.
        """
        new = _digested(documents)
        with self._lock:
            gone = [doc.id for doc, _ in new]
            self._require(gone, "Use upsert() to add what is missing.")
            self._apply(gone, new)
        return len(new)

    def upsert(self, documents: Document | Iterable[Document]) -> int:
        """Add documents, replacing those that are there; unchanged ones cost nothing.

        Returns:
            How many were added or changed.

        Raises:
            ReadOnlyError: The corpus is open read-only.
        """
        new = _digested(documents)
        with self._lock:
            found = self._table.find([doc.id for doc, _ in new])
            changed = [
                (doc, digest)
                for doc, digest in new
                if (old := found.get(doc.id)) is None or old.digest != digest
            ]
            self._apply([doc.id for doc, _ in changed if doc.id in found], changed)
        return len(changed)

    def delete(self, ids: str | Iterable[str]) -> int:
        """Remove documents, all or none.

        Raises:
            NotFoundError: An id is not there.
            ReadOnlyError: The corpus is open read-only.
        """
        wanted = [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
        with self._lock:
            self._require(wanted, "`id in corpus` tells which are there.")
            self._apply(wanted, [])
        return len(wanted)

    def clear(self) -> None:
        """Remove every document and every index."""
        with self._lock:
            self._table.clear()
            self._kept.clear()

    def count(self) -> int:
        """Number of documents."""
        return len(self._table)

    def get(self, docno: str, default: Document | None = None) -> Document | None:
        """A document by id, or the default."""
        found = self._table.get(docno)
        return default if found is None else found

    def __getitem__(self, docno: str) -> Document:
        found = self.get(docno)
        if found is None:
            self._require([docno], "`docno in corpus` tells which are there.")
        assert found is not None
        return found

    def __contains__(self, docno: object) -> bool:
        return isinstance(docno, str) and docno in self._table.find([docno])

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Document]:
        with self._lock:
            batches = self._table.scan(0, _SCAN)
            if self._folder is None:
                return iter([doc for _, documents in batches for doc in documents])
        return (doc for _, documents in batches for doc in documents)

    @property
    def version(self) -> int:
        """Grows with every change; part of every cache key."""
        return self._table.version

    @property
    def fingerprint(self) -> str:
        """Hash of all documents, whatever their order: 32 hex digits."""
        # A sum of independent hashes: adding and removing one document costs one addition.
        with self._lock:
            return f"{(self._table.hash + len(self._table)) % HASH_MODULUS:032x}"

    def to_frame(self) -> pd.DataFrame:
        """One row per document: docno, text, tags, time, and a column per metadata key."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"docno": d.id, "text": d.text, "tags": list(d.tags), "time": d.time, **d.metadata}
                for d in self
            ]
        )

    def __getstate__(self) -> tuple[Any, ...]:
        if self._folder is not None:
            # Whoever receives it reads the same folder.
            return self.name, self._folder.path, self.report
        return self.name, list(self), self.report

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        name, content, report = state
        if isinstance(content, Path):
            folder = CorpusFolder.at(content)
            self._settle(name, folder.open_table(read_only=True, create=False), folder)
        else:
            Corpus.__init__(self, content, name=name)
        self.report = report

    def __repr__(self) -> str:
        problems = f", {len(self.report)} problems" if len(self.report) else ""
        where = "" if self._folder is None else f" in {str(self._folder.path)!r}"
        mode = ", read-only" if self.read_only else ""
        return f"Corpus({self.name!r}, {len(self):,} documents{where}{mode}{problems})"

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_card, style_block

        rows: list[tuple[str, object]] = [
            ("documents", f"{len(self):,}"),
            ("hash", self.fingerprint),
        ]
        if self._folder is not None:
            rows.append(("folder", f"{self._folder.path}{' (read-only)' * self.read_only}"))
        if len(self.report):
            rows.append(("problems", f"{len(self.report)} (see .report)"))
        return style_block() + html_card(f"Corpus {self.name}", rows)

    # The callers below hold the lock and have validated everything.

    def _apply(self, gone: Sequence[str], new: Sequence[tuple[Document, int]]) -> None:
        if not gone and not new:
            return
        table = self._table
        table.apply(gone, new)
        if table.removed > max(len(table), _MIN_DEAD):
            # Rows never leave a run, and runs hold the lock: nobody knows the old numbers.
            table.renumber()


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
