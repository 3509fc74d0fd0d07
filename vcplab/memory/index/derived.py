"""Indexes as a corpus keeps them: how documents become tokens, vectors and language codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.document import Document
from vcplab.memory.index.exact import ExactDenseIndex
from vcplab.memory.index.postings import PostingsIndex
from vcplab.text.analysis import Analyzer
from vcplab.text.language import dominant_languages, is_covered

if TYPE_CHECKING:
    from vcplab.models.embedding.cache import CachedEmbedder

__all__ = ["DenseDocuments", "DocumentLanguages", "LexicalDocuments"]


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


class DocumentLanguages:
    """The dominant language of each document, by row.

    Args:
        fields: Which fields count.
    """

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        self._codes = np.zeros(0, "U3")

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        """Detect the languages of documents."""
        grown = np.zeros(rows[-1] + 1, "U3")
        grown[: len(self._codes)] = self._codes
        grown[list(rows)] = dominant_languages([doc.field_text(self.fields) for doc in documents])
        self._codes = grown

    def delete(self, rows: Sequence[int]) -> None:
        """Nothing to do: dead rows are never asked for."""

    def within(self, languages: frozenset[str] | None) -> NDArray[np.bool_]:
        """Whether a model of ``languages`` can be trusted with each row, shape (rows,)."""
        covered = [code for code in np.unique(self._codes) if is_covered(str(code), languages)]
        return np.isin(self._codes, covered)
