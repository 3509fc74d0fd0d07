"""Indexes as a corpus keeps them: how documents become tokens, vectors and language codes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError
from vcplab.core.files import write_atomic
from vcplab.memory.document import Document
from vcplab.memory.index.dense import VectorIndex
from vcplab.memory.index.postings import PostingsIndex
from vcplab.memory.index.tantivy import TantivyIndex
from vcplab.models.embedding import CachedEmbedder, EmbeddingCache, cached, default_embedder
from vcplab.protocol.ports import Embedder
from vcplab.text.analysis import Analyzer
from vcplab.text.language import dominant_languages, is_covered

if TYPE_CHECKING:
    from vcplab.memory.corpus import Corpus

__all__ = [
    "DenseDocuments",
    "DocumentLanguages",
    "FittedDocuments",
    "LanguageCover",
    "LexicalDocuments",
    "TantivyDocuments",
    "dense_documents",
    "document_languages",
]


class LexicalDocuments:
    """Documents under an analyser, in memory.

    Args:
        analyzer: Text to tokens.
        fields: Which fields of a document are indexed.
        texts: Gives the documents of rows, for queries with phrases.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        fields: tuple[str, ...],
        texts: Callable[[Sequence[int]], Sequence[Document]],
    ) -> None:
        self.analyzer = analyzer
        self.fields = fields
        self._texts = texts
        self.index = PostingsIndex(self._tokens_of)

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Analyse and index documents."""
        self.index.add(rows, self._tokens(documents))

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents."""
        self.index.delete(rows)

    def _tokens(self, documents: Sequence[Document]) -> list[list[str]]:
        return self.analyzer.analyze_many([doc.field_text(self.fields) for doc in documents])

    def _tokens_of(self, rows: Sequence[int]) -> list[list[str]]:
        return self._tokens(self._texts(rows))


class TantivyDocuments:
    """Documents under an analyser, in a Tantivy index that outlives the process.

    Args:
        analyzer: Text to tokens.
        fields: Which fields of a document are indexed.
        folder: Where the index lies; None for memory.
    """

    def __init__(self, analyzer: Analyzer, fields: tuple[str, ...], folder: Path | None) -> None:
        self.analyzer = analyzer
        self.fields = fields
        self.index = TantivyIndex(folder)

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Analyse and index documents."""
        texts = [doc.field_text(self.fields) for doc in documents]
        self.index.add(rows, self.analyzer.analyze_many(texts))

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents."""
        self.index.delete(rows)

    def seen(self) -> tuple[int, int]:
        """See ``Lasting``."""
        return self.index.seen()

    def commit(self, added: int, removed: int) -> None:
        """See ``Lasting``."""
        self.index.commit(added, removed)

    def reload(self) -> None:
        """See ``Lasting``."""
        self.index.reload()


class DenseDocuments:
    """Documents under an embedder, in a dense index that outlives the process.

    Args:
        embedder: Text to unit vectors, with its cache.
        fields: Which fields of a document are encoded.
        folder: Where the index lies; None for memory.
    """

    def __init__(
        self, embedder: CachedEmbedder, fields: tuple[str, ...], folder: Path | None = None
    ) -> None:
        self.embedder = embedder
        self.fields = fields
        self.index = VectorIndex(embedder.dimension, folder)

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Encode (or find in the cache) and index documents."""
        texts = [doc.field_text(self.fields) for doc in documents]
        self.index.add(rows, self.embedder.embed_documents(texts))

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents."""
        self.index.delete(rows)

    def seen(self) -> tuple[int, int]:
        """See ``Lasting``."""
        return self.index.seen()

    def commit(self, added: int, removed: int) -> None:
        """See ``Lasting``."""
        self.index.commit(added, removed)

    def reload(self) -> None:
        """See ``Lasting``."""
        self.index.reload()


class FittedDocuments:
    """Documents under an embedder that learns from them: fitted anew whenever they have changed.

    Args:
        recipe: An embedder with ``fit(texts)``.
        fields: Which fields of a document are learned from and encoded.
    """

    def __init__(self, recipe: Any, fields: tuple[str, ...]) -> None:
        self.recipe = recipe
        self.fields = fields
        self._current: DenseDocuments | None = None

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """The fit is out of date."""
        self._current = None

    def delete(self, rows: Sequence[int]) -> None:
        """The fit is out of date."""
        self._current = None

    def current(self, corpus: Corpus) -> DenseDocuments:
        """The documents under an embedder that was fitted to all of them."""
        if self._current is None:
            documents = list(corpus)
            fitted = self.recipe.fit([doc.field_text(self.fields) for doc in documents])
            # Its vectors are as quick to make as to read: they stay out of the cache on disk.
            encoder = CachedEmbedder(fitted, EmbeddingCache.memory())
            current = DenseDocuments(encoder, self.fields)
            current.add(corpus.rows.tolist(), documents)
            self._current = current
        return self._current


@dataclass(frozen=True, slots=True)
class LanguageCover:
    """Which documents are in a language that a model knows.

    Attributes:
        rows: bool, shape (rows,).
        everywhere: Whether all live documents are.
    """

    rows: NDArray[np.bool_]
    everywhere: bool


class DocumentLanguages:
    """The dominant language of each document, by row.

    Args:
        fields: Which fields count.
        folder: Where the codes are kept; None for memory.
    """

    def __init__(self, fields: tuple[str, ...], folder: Path | None = None) -> None:
        self.fields = fields
        self._file = None if folder is None else folder / "languages.npz"
        self._seen = (0, 0)
        self._codes = np.zeros(0, "S3")
        self._live = np.zeros(0, np.bool_)
        self._covers: dict[frozenset[str] | None, LanguageCover] = {}
        self.reload()

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Detect the languages of documents."""
        new = list(rows)
        codes = np.zeros(new[-1] + 1, "S3")
        codes[: len(self._codes)] = self._codes
        found = dominant_languages([doc.field_text(self.fields) for doc in documents])
        codes[new] = np.array(found, "S3")
        live = np.zeros(len(codes), np.bool_)
        live[: len(self._live)] = self._live
        live[new] = True
        self._codes, self._live = codes, live
        self._covers.clear()

    def delete(self, rows: Sequence[int]) -> None:
        """Forget documents."""
        gone = np.asarray(rows, np.int64)
        self._live[gone[gone < len(self._live)]] = False
        self._covers.clear()

    def within(self, languages: frozenset[str] | None) -> LanguageCover:
        """Which documents a model of ``languages`` (None: any) can be trusted with."""
        if languages not in self._covers:
            codes = [code.decode("ascii") for code in np.unique(self._codes)]
            covered = [code.encode("ascii") for code in codes if is_covered(code, languages)]
            rows = np.isin(self._codes, covered)
            self._covers[languages] = LanguageCover(rows, bool(rows[self._live].all()))
        return self._covers[languages]

    def seen(self) -> tuple[int, int]:
        """See ``Lasting``."""
        return self._seen

    def commit(self, added: int, removed: int) -> None:
        """See ``Lasting``."""
        self._seen = (added, removed)
        if self._file is not None:
            content = io.BytesIO()
            np.savez_compressed(
                content, codes=self._codes, live=self._live, seen=np.array(self._seen)
            )
            write_atomic(self._file, content.getvalue())

    def reload(self) -> None:
        """See ``Lasting``."""
        if self._file is None or not self._file.exists():
            return
        try:
            with np.load(self._file, allow_pickle=False) as found:
                self._codes, self._live = found["codes"], found["live"]
                added, removed = found["seen"].tolist()
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InvalidDataError(
                f"The language codes cannot be read: {error}.",
                where=str(self._file),
                next_step="Delete the file: it is made again from the documents.",
            ) from error
        self._seen = (added, removed)
        self._covers.clear()


def dense_documents(
    corpus: Corpus, embedder: Embedder | Any | None, fields: tuple[str, ...]
) -> DenseDocuments:
    """The vectors of a corpus's documents, made or brought up to date; shared by all who ask.

    Args:
        corpus: The documents.
        embedder: Any embedder, one that is fitted to the corpus (``fit``), or None for the
            default one.
        fields: Which fields of a document are encoded.
    """
    given = default_embedder() if embedder is None else embedder
    if hasattr(given, "fit"):
        key = ("fitted", given.fingerprint, fields)
        return corpus.derived(key, lambda: FittedDocuments(given, fields)).current(corpus)
    encoder = cached(given)
    key = ("dense", encoder.fingerprint, fields)
    return corpus.lasting(key, lambda folder: DenseDocuments(encoder, fields, folder))


def document_languages(corpus: Corpus, fields: tuple[str, ...]) -> DocumentLanguages:
    """The languages of a corpus's documents, detected or brought up to date."""
    key = ("languages", fields)
    return corpus.lasting(key, lambda folder: DocumentLanguages(fields, folder))
