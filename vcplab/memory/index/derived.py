"""Indexes as a corpus keeps them: how documents become tokens, vectors and language codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.document import Document
from vcplab.memory.index.exact import ExactDenseIndex
from vcplab.memory.index.postings import PostingsIndex
from vcplab.models.embedding import CachedEmbedder, EmbeddingCache
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
]


class LexicalDocuments:
    """Documents under an analyser.

    Args:
        analyzer: Text to tokens.
        fields: Which fields of a document are indexed.
    """

    def __init__(self, analyzer: Analyzer, fields: tuple[str, ...]) -> None:
        self.analyzer = analyzer
        self.fields = fields
        self.index = PostingsIndex()

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Analyse and index documents."""
        texts = [doc.field_text(self.fields) for doc in documents]
        self.index.add(rows, self.analyzer.analyze_many(texts))

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents."""
        self.index.delete(rows)


class DenseDocuments:
    """Documents under an embedder.

    Args:
        embedder: Text to unit vectors, with its cache.
        fields: Which fields of a document are encoded.
    """

    def __init__(self, embedder: CachedEmbedder, fields: tuple[str, ...]) -> None:
        self.embedder = embedder
        self.fields = fields
        self.index = ExactDenseIndex(embedder.dimension)

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Encode (or find in the cache) and index documents."""
        texts = [doc.field_text(self.fields) for doc in documents]
        self.index.add(rows, self.embedder.embed_documents(texts))

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents."""
        self.index.delete(rows)


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
    """

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        self._codes = np.zeros(0, "U3")
        self._live = np.zeros(0, np.bool_)
        self._covers: dict[frozenset[str] | None, LanguageCover] = {}

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Detect the languages of documents."""
        new = list(rows)
        codes = np.zeros(new[-1] + 1, "U3")
        codes[: len(self._codes)] = self._codes
        codes[new] = dominant_languages([doc.field_text(self.fields) for doc in documents])
        live = np.zeros(len(codes), np.bool_)
        live[: len(self._live)] = self._live
        live[new] = True
        self._codes, self._live = codes, live
        self._covers.clear()

    def delete(self, rows: Sequence[int]) -> None:
        """Forget documents."""
        self._live[list(rows)] = False
        self._covers.clear()

    def within(self, languages: frozenset[str] | None) -> LanguageCover:
        """Which documents a model of ``languages`` (None: any) can be trusted with."""
        if languages not in self._covers:
            covered = [str(c) for c in np.unique(self._codes) if is_covered(str(c), languages)]
            rows = np.isin(self._codes, covered)
            self._covers[languages] = LanguageCover(rows, bool(rows[self._live].all()))
        return self._covers[languages]
