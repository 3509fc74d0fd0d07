"""The exact dense index: one float32 matrix, every cosine computed.

Up to about 50,000 memories this is as fast as anything (facts/retrieval §2.5) and never wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.ports import Ranking

__all__ = ["ExactDenseIndex"]

# Queries per matrix product: large enough for BLAS, small enough for the cache of scores.
_BATCH = 64


class ExactDenseIndex:
    """Unit vectors of live documents in a contiguous matrix (a ``DenseIndex``). Thread-safe.

    Args:
        dimension: Length of a vector.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._lock = RLock()
        self._matrix = np.zeros((0, dimension), np.float32)
        self._rows = np.zeros(0, np.int64)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, rows: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Add unit vectors, shape (len(rows), dimension); rows are new and ascending.

        Raises:
            InvalidInputError: The shape does not fit, or a vector is not finite.
        """
        if vectors.shape != (len(rows), self.dimension):
            raise InvalidInputError(
                f"Vectors of shape {vectors.shape} do not fit {len(rows)} rows × {self.dimension}."
            )
        if not np.isfinite(vectors).all():
            raise InvalidInputError("A vector has values that are not finite numbers.")
        with self._lock:
            needed = self._size + len(rows)
            if needed > len(self._matrix):
                # Doubling keeps adding one by one linear.
                capacity = max(needed, 2 * len(self._matrix), 64)
                matrix = np.zeros((capacity, self.dimension), np.float32)
                matrix[: self._size] = self._matrix[: self._size]
                kept = np.zeros(capacity, np.int64)
                kept[: self._size] = self._rows[: self._size]
                self._matrix, self._rows = matrix, kept
            self._matrix[self._size : needed] = vectors
            self._rows[self._size : needed] = rows
            self._size = needed

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents; unknown rows are ignored."""
        with self._lock:
            keep = ~np.isin(self._rows[: self._size], np.asarray(rows, np.int64))
            count = int(keep.sum())
            if count < self._size:
                self._matrix[:count] = self._matrix[: self._size][keep]
                self._rows[:count] = self._rows[: self._size][keep]
                self._size = count

    def search(
        self, vectors: NDArray[np.float32], k: int, *, mask: NDArray[np.bool_] | None = None
    ) -> list[Ranking]:
        """The best ``k`` rows by cosine.

        Args:
            vectors: Unit query vectors, shape (n, dimension).
            k: How many rows at most.
            mask: bool, shape (rows,): False excludes a row.

        Returns:
            One ranking per query vector.
        """
        with self._lock:
            matrix, rows = self._matrix[: self._size], self._rows[: self._size]
            if mask is not None:
                chosen = mask[rows]
                matrix, rows = matrix[chosen], rows[chosen]
            if not len(rows):
                return [Ranking.empty() for _ in range(len(vectors))]
            out: list[Ranking] = []
            for at in range(0, len(vectors), _BATCH):
                scores = vectors[at : at + _BATCH] @ matrix.T
                out.extend(_top(row_scores, rows, k) for row_scores in scores)
            return out

    def score(self, vector: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosines of one query vector with documents, shape (len(rows),)."""
        with self._lock:
            at = np.searchsorted(self._rows[: self._size], rows)
            return (self._matrix[at] @ vector).astype(np.float64)


def _top(scores: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> Ranking:
    if k < len(scores):
        cut = np.partition(scores, len(scores) - k)[len(scores) - k]
        # Everything that ties with the k-th takes part in the tie-break.
        near = np.flatnonzero(scores >= cut)
        scores, rows = scores[near], rows[near]
    return Ranking.of(rows, scores.astype(np.float64), k)
