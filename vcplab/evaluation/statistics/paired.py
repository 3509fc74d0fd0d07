"""Intervals, paired tests and effect sizes for per-item scores.

Tests are scipy's and corrections statsmodels'. Many comparisons go through one call, so that they
share the random permutations: each p-value is the one that scipy returns for that pair alone with
the same seed.
"""

from __future__ import annotations

import gc
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation._arrays import TIE, matrix, pair, same_shape
from vcplab.evaluation._options import whole_option
from vcplab.evaluation.bootstrap import (
    RESAMPLES,
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
)
from vcplab.evaluation.permutation import sampled_p_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Interval",
    "PairedDifference",
    "adjust",
    "bootstrap_interval",
    "bootstrap_intervals",
    "check_correction",
    "effect_size",
    "effect_sizes",
    "holm",
    "paired_difference",
    "paired_permutation_test",
    "paired_permutation_tests",
    "paired_t_test",
    "paired_t_tests",
]

PERMUTATIONS = 9_999
# Permuted cells held at a time: bounds the memory to some tens of megabytes.
_CELLS = 3_000_000
# No number of resamples reaches all assignments of this many items.
_ENUMERABLE = 60


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """How much better ``a`` is than ``b`` on the same items.

    Attributes:
        mean: Mean of a - b.
        low: Lower end of its bootstrap interval.
        high: Upper end.
        p_t: Two-sided p of the paired t-test.
        p_permutation: Two-sided p of the paired permutation test.
        effect: Cohen's d_z.
        wins: Items where a is better.
        ties: Items where both are equal.
        losses: Items where b is better.
        n: Number of items.
    """

    mean: float
    low: float
    high: float
    p_t: float
    p_permutation: float
    effect: float
    wins: int
    ties: int
    losses: int
    n: int


def paired_permutation_test(
    a: ArrayLike, b: ArrayLike, *, resamples: int = PERMUTATIONS, seed: int = 0
) -> float:
    """Two-sided paired permutation test of the mean difference (``scipy.stats.permutation_test``).

    Args:
        a: Scores of one system, shape (n,).
        b: Scores of the other on the same items, shape (n,).
        resamples: Random permutations; the test is exact where 2**n is not larger.
        seed: Fixes the permutations (``numpy.random.default_rng(seed)``).

    Returns:
        The p-value; 1 where all differences are zero, nan for fewer than two items.

    Raises:
        InvalidInputError: Unequal lengths, NaN or infinite scores.
    """
    first, second = pair(a, b)
    return float(
        paired_permutation_tests(first[None, :], second[None, :], resamples=resamples, seed=seed)[0]
    )


def paired_permutation_tests(
    a: ArrayLike, b: ArrayLike, *, resamples: int = PERMUTATIONS, seed: int = 0
) -> NDArray[np.float64]:
    """The same for many pairs of rows over the same items, sharing the permutations.

    Args:
        a: Scores, shape (pairs, n).
        b: Scores, shape (pairs, n).
        resamples: Random permutations.
        seed: Fixes the permutations.

    Returns:
        One p-value per row, shape (pairs,).

    Raises:
        InvalidInputError: Unequal shapes, NaN or infinite scores, or no permutations.
    """
    resamples = whole_option(resamples, "permutations", PERMUTATIONS)
    first, second = matrix(a, "a"), matrix(b, "b")
    same_shape(first, second)
    pairs, n = first.shape
    if n < 2:
        return np.full(pairs, np.nan)
    p = np.ones(pairs)
    differ = np.flatnonzero(np.any(np.abs(first - second) > TIE, axis=1))
    if differ.size:
        if n < _ENUMERABLE and 2**n <= resamples:
            p[differ] = _exact_p_values(first[differ], second[differ], resamples)
        else:
            p[differ] = sampled_p_values(first[differ], second[differ], resamples, seed)
    return p


def _exact_p_values(
    a: NDArray[np.float64], b: NDArray[np.float64], resamples: int
) -> NDArray[np.float64]:
    from scipy.stats import permutation_test

    p: NDArray[np.float64] = permutation_test(
        (a, b),
        _mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, _CELLS // a.size),
        alternative="two-sided",
        axis=-1,
    ).pvalue
    return p


def _mean_difference(x: Any, y: Any, axis: int) -> Any:
    return x.mean(axis=axis) - y.mean(axis=axis)


def paired_t_test(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided paired t-test (``scipy.stats.ttest_rel``).

    Args:
        a: Scores of one system, shape (n,).
        b: Scores of the other on the same items, shape (n,).

    Returns:
        The p-value; 1 where all differences are zero (scipy returns nan), nan for fewer than two
        items.

    Raises:
        InvalidInputError: Unequal lengths, NaN or infinite scores.
    """
    first, second = pair(a, b)
    return float(paired_t_tests(first[None, :], second[None, :])[0])


def paired_t_tests(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """The same for many pairs of rows.

    Args:
        a: Scores, shape (pairs, n).
        b: Scores, shape (pairs, n).

    Returns:
        One p-value per row, shape (pairs,).

    Raises:
        InvalidInputError: Unequal shapes, NaN or infinite scores.
    """
    first, second = matrix(a, "a"), matrix(b, "b")
    same_shape(first, second)
    pairs, n = first.shape
    if n < 2:
        return np.full(pairs, np.nan)
    p = np.ones(pairs)
    differ = np.flatnonzero(np.any(np.abs(first - second) > TIE, axis=1))
    if differ.size:
        from scipy.stats import ttest_rel

        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            # Differences that are all alike have no variance: scipy warns and returns p = 0.
            warnings.simplefilter("ignore", RuntimeWarning)
            p[differ] = ttest_rel(first[differ], second[differ], axis=-1).pvalue
    return p


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Holm's step-down adjustment of one family of p-values (``statsmodels``).

    Args:
        p_values: Shape (m,); nan stays nan and does not count as a test.

    Returns:
        Adjusted p-values, shape (m,).
    """
    return adjust(p_values, "holm")


def adjust(p_values: Sequence[float] | NDArray[np.float64], method: str) -> NDArray[np.float64]:
    """Adjust one family of p-values by any method of ``statsmodels`` ("holm", "fdr_bh", …).

    Args:
        p_values: Shape (m,); nan stays nan and does not count as a test.
        method: A name of ``statsmodels.stats.multitest.multipletests``, or "none".

    Returns:
        Adjusted p-values, shape (m,).

    Raises:
        InvalidInputError: There is no such method.
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = np.isfinite(p)
    if method == "none" or not known.any():
        return p.copy()
    from statsmodels.stats.multitest import multipletests

    check_correction(method)
    adjusted = p.copy()
    with _no_collection():
        adjusted[known] = multipletests(p[known], method=method)[1]
    return adjusted


def check_correction(method: str) -> None:
    """Refuse an adjustment that statsmodels does not have.

    Args:
        method: Its name, or "none".

    Raises:
        InvalidInputError: There is no such method.
    """
    if method == "none":
        return
    from statsmodels.stats.multitest import multitest_alias, multitest_methods_names

    if method not in multitest_alias and method not in multitest_methods_names:
        raise InvalidInputError(
            f"There is no correction {method!r}.",
            where="correction",
            next_step='Use "holm", "bonferroni", "fdr_bh", another statsmodels name, or "none".',
        )


@contextmanager
def _no_collection() -> Iterator[None]:
    # multipletests runs a full garbage collection on each call, some 0.1 s in a notebook; objects
    # that are frozen meanwhile are not looked at.
    freeze = gc.get_freeze_count() == 0
    if freeze:
        gc.freeze()
    try:
        yield
    finally:
        if freeze:
            gc.unfreeze()


def effect_size(a: ArrayLike, b: ArrayLike, *, kind: Literal["d_z", "d_av"] = "d_z") -> float:
    """Standardised size of the mean difference a - b over the same items.

    Args:
        a: Scores of one system, shape (n,).
        b: Scores of the other on the same items, shape (n,).
        kind: ``d_z``, the mean difference over the standard deviation of the differences (Cohen
            1988; what the paired tests see), or ``d_av``, the paired standardised mean gain: the
            mean difference over the mean standard deviation of the two systems (Lakens 2013;
            comparable between studies, because it does not grow with their correlation).

    Returns:
        The effect; 0 where all differences are zero, ±inf where they are all alike and not zero,
        nan for fewer than two items.

    Raises:
        InvalidInputError: Unequal lengths, NaN or infinite scores, or an unknown kind.
    """
    first, second = pair(a, b)
    if kind not in ("d_z", "d_av"):
        raise InvalidInputError(
            f"There is no effect size {kind!r}.", where="kind", next_step='Use "d_z" or "d_av".'
        )
    if first.size < 2:
        return math.nan
    if kind == "d_z":
        return float(effect_sizes((first - second)[:, None])[0])
    gain = float((first - second).mean())
    spread = float((first.std(ddof=1) + second.std(ddof=1)) / 2)
    return _ratio(gain, spread)


def effect_sizes(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cohen's d_z of each column of differences, shape (n, columns) → (columns,)."""
    n, columns = differences.shape
    if n < 2:
        return np.full(columns, np.nan)
    gains = differences.mean(axis=0)
    spreads = differences.std(axis=0, ddof=1)
    return np.array([_ratio(float(g), float(s)) for g, s in zip(gains, spreads, strict=True)])


def _ratio(gain: float, spread: float) -> float:
    if abs(gain) <= TIE:
        return 0.0
    return gain / spread if spread > TIE else math.copysign(math.inf, gain)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> PairedDifference:
    """Everything about one pair of systems on the same items.

    Args:
        a: Scores of one system, shape (n,).
        b: Scores of the other, shape (n,).
        confidence: Coverage of the interval.
        resamples: Bootstrap samples.
        permutations: Random permutations.
        seed: Fixes both.

    Raises:
        InvalidInputError: Unequal lengths, NaN or infinite scores.
    """
    first, second = pair(a, b)
    difference = first - second
    interval = bootstrap_interval(difference, confidence=confidence, resamples=resamples, seed=seed)
    return PairedDifference(
        mean=float(difference.mean()) if difference.size else math.nan,
        low=interval.low,
        high=interval.high,
        p_t=paired_t_test(first, second),
        p_permutation=paired_permutation_test(first, second, resamples=permutations, seed=seed),
        effect=effect_size(first, second),
        wins=int((difference > TIE).sum()),
        ties=int((np.abs(difference) <= TIE).sum()),
        losses=int((difference < -TIE).sum()),
        n=int(difference.size),
    )
