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
# More than single precision loses in a product of unit vectors.
_SINGLE_ERROR = np.float32(1e-5)
# Double precision is the same in any order of summation to more places than these.
_DECIMALS = 9


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
                batch = vectors[at : at + _BATCH]
                out.extend(
                    _top(query, scores, matrix, rows, k)
                    for query, scores in zip(batch, batch @ matrix.T, strict=True)
                )
            return out

    def score(self, vector: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Cosines of one query vector with documents, shape (len(rows),)."""
        with self._lock:
            at = np.searchsorted(self._rows[: self._size], rows)
            return _cosines(vector, self._matrix[at])


def _cosines(vector: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines in double precision, the same however many are asked for at once."""
    products = matrix.astype(np.float64) @ vector.astype(np.float64)
    return np.asarray(np.round(products, _DECIMALS), np.float64)


def _top(
    query: NDArray[np.float32],
    scores: NDArray[np.float32],
    matrix: NDArray[np.float32],
    rows: NDArray[np.int64],
    k: int,
) -> Ranking:
    if not query.any():
        return Ranking.empty()  # no direction: nothing is nearer than anything else
    if k < len(scores):
        # Single precision depends on the size of the batch, so it only chooses the candidates:
        # with all that come near the k-th, so that ties are broken among all who tie.
        cut = np.partition(scores, len(scores) - k)[len(scores) - k]
        near = np.flatnonzero(scores >= cut - _SINGLE_ERROR)
        matrix, rows = matrix[near], rows[near]
    return Ranking.of(rows, _cosines(query, matrix), k)
