"""Exact search among vectors: every cosine computed, none twice.

Up to about 50,000 memories this is as fast as anything (facts/retrieval §2.5) and never wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.index.ports import Ranking

__all__ = ["cosines", "exact_top"]

# Queries per matrix product: large enough for BLAS, small enough for the cache of scores.
_BATCH = 64
# Vectors per product: bounds the scores that are held at once, whatever the collection's size.
_BLOCK = 65_536
# More than single precision loses in a product of unit vectors.
_SINGLE_ERROR = np.float32(1e-5)
# Double precision is the same in any order of summation to more places than these.
_DECIMALS = 9


def exact_top(
    vectors: NDArray[np.float32],
    matrix: NDArray[np.float32],
    rows: NDArray[np.int64],
    k: int,
    allowed: NDArray[np.bool_] | None = None,
) -> list[Ranking]:
    """The best ``k`` rows by cosine, for each query.

    Args:
        vectors: Unit query vectors, shape (n, dimension).
        matrix: Unit vectors, shape (m, dimension).
        rows: Their rows, ascending, shape (m,).
        k: How many at most.
        allowed: bool, shape (m,): which of them count; None for all.

    Returns:
        One ranking per query; a query of zeros finds nothing.
    """
    out: list[Ranking] = []
    for at in range(0, len(vectors), _BATCH):
        out.extend(_batch(vectors[at : at + _BATCH], matrix, rows, k, allowed))
    return out


def cosines(vector: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines in double precision, the same however many are asked for at once."""
    products = matrix.astype(np.float64) @ vector.astype(np.float64)
    return np.asarray(np.round(products, _DECIMALS), np.float64)


def _batch(
    vectors: NDArray[np.float32],
    matrix: NDArray[np.float32],
    rows: NDArray[np.int64],
    k: int,
    allowed: NDArray[np.bool_] | None,
) -> Iterator[Ranking]:
    near: list[list[NDArray[np.int64]]] = [[] for _ in vectors]
    for begin in range(0, len(matrix), _BLOCK):
        block = matrix[begin : begin + _BLOCK]
        inside = None if allowed is None else np.flatnonzero(allowed[begin : begin + _BLOCK])
        if inside is not None:
            if not len(inside):
                continue
            if len(inside) < len(block) // 2:
                block = block[inside]
                scores = vectors @ block.T
            else:
                # A product with what does not count is cheaper than copying what does.
                scores = (vectors @ block.T)[:, inside]
        else:
            scores = vectors @ block.T
        for own, found in zip(near, scores, strict=True):
            if k < len(found):
                # Single precision depends on the size of the batch, so it only chooses the
                # candidates: all that come near the k-th, so that ties are broken among all who
                # tie.
                cut = np.partition(found, len(found) - k)[len(found) - k]
                best = np.flatnonzero(found >= cut - _SINGLE_ERROR)
            else:
                best = np.arange(len(found))
            own.append(begin + (best if inside is None else inside[best]))
    for vector, parts in zip(vectors, near, strict=True):
        if not parts or not vector.any():
            yield Ranking.empty()  # no direction: nothing is nearer than anything else
            continue
        at = np.concatenate(parts) if len(parts) > 1 else parts[0]
        yield Ranking.of(rows[at], cosines(vector, matrix[at]), k)
