"""Bootstrap confidence intervals of means over items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation._arrays import TIE, matrix, vector
from vcplab.evaluation._options import whole_option

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RESAMPLES", "Interval", "bootstrap_interval", "bootstrap_intervals"]

RESAMPLES = 10_000
# Resampled cells drawn at a time: bounds the memory to some tens of megabytes.
_CELLS = 3_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


def bootstrap_interval(
    values: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    method: Literal["percentile", "BCa"] = "percentile",
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of a mean.

    Args:
        values: One score per item, shape (n,).
        confidence: Coverage, between 0 and 1.
        resamples: Number of bootstrap samples.
        method: "percentile", or "BCa" (bias-corrected and accelerated).
        seed: Fixes the samples: scipy's ``bootstrap`` draws the same ones from
            ``numpy.random.default_rng(seed)``.

    Returns:
        The interval; (nan, nan) for fewer than two items, (mean, mean) where all scores are equal.

    Raises:
        InvalidInputError: A score is NaN or infinite, or an option is out of range.
    """
    column = vector(values, "values")
    low, high = bootstrap_intervals(
        column[:, None], confidence=confidence, resamples=resamples, method=method, seed=seed
    )
    return Interval(float(low[0]), float(high[0]))


def bootstrap_intervals(
    table: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    method: Literal["percentile", "BCa"] = "percentile",
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bootstrap intervals of many means over the same items, from the same samples.

    A bootstrap sample of a mean is a vector of counts, so all samples of all columns are one matrix
    product.

    Args:
        table: Scores, shape (n, columns).
        confidence: Coverage, between 0 and 1.
        resamples: Number of bootstrap samples.
        method: "percentile" or "BCa" (Efron and Tibshirani 1993, 14.3).
        seed: Fixes the samples.

    Returns:
        Lower and upper ends, each of shape (columns,).

    Raises:
        InvalidInputError: A score is NaN or infinite, or an option is out of range.
    """
    scores = matrix(table, "table")
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise InvalidInputError(
            f"confidence must lie between 0 and 1, not {confidence!r}.",
            where="confidence",
            next_step="Use for example 0.95.",
        )
    resamples = whole_option(resamples, "resamples", RESAMPLES)
    if method not in ("percentile", "BCa"):
        raise InvalidInputError(
            f"There is no interval method {method!r}.",
            where="method",
            next_step='Use "percentile" or "BCa".',
        )
    n, columns = scores.shape
    if n < 2 or columns == 0:
        nothing = np.full(columns, np.nan)
        return nothing, nothing.copy()
    means = _resampled_means(scores, resamples, seed)
    alpha = (1 - confidence) / 2
    centre = scores.mean(axis=0)
    if method == "percentile":
        low, high = np.quantile(means, [alpha, 1 - alpha], axis=0)
    else:
        low, high = _bca(scores, centre, means, alpha)
    constant = np.ptp(scores, axis=0) == 0
    low[constant] = high[constant] = centre[constant]
    return low, high


def _resampled_means(scores: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    n = scores.shape[0]
    if n * resamples <= _CELLS:
        counts: NDArray[np.float64] = _kept_counts(n, resamples, seed)
        return np.asarray(counts @ scores / n, np.float64)
    random = np.random.default_rng(seed)
    means = np.empty((resamples, scores.shape[1]))
    step = max(1, _CELLS // n)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        means[start : start + rows] = _counts(random, rows, n) @ scores / n
    return means


def _counts(random: np.random.Generator, rows: int, n: int) -> NDArray[np.float64]:
    """How often each item is in each of some samples, shape (rows, n)."""
    drawn = random.integers(0, n, (rows, n))
    drawn += np.arange(rows)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


@lru_cache(maxsize=2)
def _kept_counts(n: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """All samples of a small set: drawn once for tables that are made again and again."""
    return _counts(np.random.default_rng(seed), resamples, n)


def _bca(
    scores: NDArray[np.float64],
    centre: NDArray[np.float64],
    means: NDArray[np.float64],
    alpha: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.special import ndtr, ndtri

    # Counts and sums round differently: a resampled mean this near the mean is the mean.
    near = np.abs(means - centre) <= TIE
    below = (((means < centre) & ~near).mean(axis=0) + ((means < centre) | near).mean(axis=0)) / 2
    bias = ndtri(below)
    # The jackknife of a mean in closed form: leaving item i out shifts it by (mean - x_i)/(n - 1).
    shifts = scores - centre
    spread = np.sum(shifts**2, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        acceleration = np.sum(shifts**3, axis=0) / (6 * spread**1.5)
        ends = []
        for z in (ndtri(alpha), ndtri(1 - alpha)):
            total = bias + z
            share = ndtr(bias + total / (1 - acceleration * total))
            ends.append(
                np.array(
                    [
                        np.quantile(means[:, j], share[j]) if np.isfinite(share[j]) else centre[j]
                        for j in range(means.shape[1])
                    ]
                )
            )
    return ends[0], ends[1]
