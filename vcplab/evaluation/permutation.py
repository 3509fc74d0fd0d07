"""The null distribution of ``scipy.stats.permutation_test``, without its detours.

For paired samples scipy moves each item's two scores by index arrays of their own, which for many
items costs five times as much as it need. Here the same random stream swaps the same scores and the
same sums are taken in the same order, so the distribution, ties included, is scipy's to the last
bit; the tests compare the p-values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["sampled_p_values"]

# Swaps drawn at a time: bounds the memory to some tens of megabytes.
_CELLS = 1_500_000


def sampled_p_values(
    first: NDArray[np.float64], second: NDArray[np.float64], resamples: int, seed: int
) -> NDArray[np.float64]:
    """Two-sided p of the mean difference of each row, from random swaps that all rows share.

    Args:
        first: Scores, shape (pairs, n), in C order.
        second: Scores, shape (pairs, n), in C order.
        resamples: Number of random swaps, fewer than 2**n.
        seed: Fixes the swaps.

    Returns:
        p-values as scipy defines them (Phipson and Smyth 2010), shape (pairs,).
    """
    observed = first.mean(axis=-1) - second.mean(axis=-1)
    null = _null(first, second, resamples, seed)
    # scipy's tolerance for values that are equal but for rounding.
    tolerance = np.abs(np.finfo(np.float64).eps * 100 * observed)
    less = np.count_nonzero(null <= observed + tolerance, axis=0) + 1
    greater = np.count_nonzero(null >= observed - tolerance, axis=0) + 1
    p: NDArray[np.float64] = np.minimum(less, greater) / (resamples + 1) * 2
    return np.minimum(p, 1.0)


def _null(
    first: NDArray[np.float64], second: NDArray[np.float64], resamples: int, seed: int
) -> NDArray[np.float64]:
    pairs, n = first.shape
    random = np.random.default_rng(seed)
    both = np.ascontiguousarray(np.stack([first, second]).transpose(2, 0, 1))  # (n, 2, pairs)
    step = min(resamples, max(1, _CELLS // n))
    unswapped = np.tile(np.arange(2), (step, n, 1))
    null = np.empty((resamples, pairs))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = random.permuted(unswapped, axis=-1)[:rows, :, 0]
        left = np.ascontiguousarray(drawn.T)  # (n, rows): which of the two scores goes to the left
        right = 1 - left
        sums = np.zeros((2, rows, pairs))
        taken = np.empty((rows, pairs))
        for item in range(n):
            # One item after the other: the order in which numpy adds up along a leading axis.
            for side, chosen in enumerate((left, right)):
                np.take(both[item], chosen[item], axis=0, out=taken, mode="clip")
                sums[side] += taken
        null[start : start + rows] = sums[0] / n - sums[1] / n
    return null
