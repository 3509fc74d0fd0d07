"""The ports of the indexes: what a lane may ask of any lexical or dense index.

An index knows documents by *row*: the integer that its corpus gave them. Rows only grow; an updated
document gets a new row. Ties in score go to the smaller row, so that an index that was changed
step by step ranks exactly as one that was built at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["DenseIndex", "LexicalIndex", "Ranking", "StructuredQuery", "TermQuery"]

# The weighted terms of one query.
TermQuery = dict[str, float]


@dataclass(frozen=True, slots=True)
class StructuredQuery:
    """Terms, phrases and what must not occur.

    A document is found if it has one of the terms or phrases and none of what is excluded. Its
    score is the sum over terms and phrases; a phrase counts as a term whose document frequency is
    not known: the sum of its words' inverse document frequencies, its occurrences as term
    frequency (Lucene's and Tantivy's rule).

    Attributes:
        terms: Term → weight, > 0.
        phrases: Tokens that must stand next to each other in this order, at least two, with the
            phrase's weight.
        excluded: A document with one of these is not found: a single token, or tokens in a row.
    """

    terms: Mapping[str, float]
    phrases: tuple[tuple[tuple[str, ...], float], ...] = ()
    excluded: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """One ranked list.

    Attributes:
        rows: int64, shape (n,), best first.
        scores: float64, shape (n,), descending; ties by ascending row.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def head(self, k: int) -> Ranking:
        """The first ``k`` entries."""
        return self if k >= len(self.rows) else Ranking(self.rows[:k], self.scores[:k])

    @staticmethod
    def empty() -> Ranking:
        """A list without entries."""
        return Ranking(np.empty(0, np.int64), np.empty(0, np.float64))

    @staticmethod
    def of(rows: NDArray[np.int64], scores: NDArray[np.float64], k: int | None = None) -> Ranking:
        """Rank rows by descending score, ties by ascending row, and cut at ``k``."""
        order = np.lexsort((rows, -scores))
        if k is not None:
            order = order[:k]
        return Ranking(rows[order], scores[order])


class LexicalIndex(Protocol):
    """Finds documents by their terms."""

    def __len__(self) -> int:
        """Number of live documents."""
        ...

    def add(self, rows: Sequence[int], tokens: Sequence[Sequence[str]]) -> None:
        """Add documents; ``rows`` are new, ascending and larger than any added before."""
        ...

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents; unknown rows are ignored."""
        ...

    def search(
        self,
        queries: Sequence[TermQuery | StructuredQuery],
        k: int,
        *,
        mask: NDArray[np.bool_] | None = None,
    ) -> list[Ranking]:
        """The best ``k`` rows with a positive score per query, masked rows excluded.

        ``mask`` has one entry per row; rows beyond its end are excluded.
        """
        ...

    def score(
        self, query: TermQuery | StructuredQuery, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The scores that ``search`` would give to ``rows`` (0 where no term occurs)."""
        ...


class DenseIndex(Protocol):
    """Finds documents by their vectors."""

    def __len__(self) -> int:
        """Number of live documents."""
        ...

    def add(self, rows: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Add unit vectors, shape (len(rows), dimension); rows as for :class:`LexicalIndex`."""
        ...

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents; unknown rows are ignored."""
        ...

    def search(
        self, vectors: NDArray[np.float32], k: int, *, mask: NDArray[np.bool_] | None = None
    ) -> list[Ranking]:
        """The best ``k`` rows by cosine for query vectors of shape (n, dimension)."""
        ...

    def score(self, vector: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosines of one query vector, shape (dimension,), with the documents in ``rows``."""
        ...

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The unit vectors of live rows, shape (len(rows), dimension)."""
        ...
