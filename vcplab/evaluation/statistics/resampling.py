"""Bootstrap intervals of anything over groups of items.

Items that share a source are not independent: whole groups are drawn (Davison and Hinkley 1997,
3.8), or whole pairs. A draw is a vector of counts, so a statistic is told how often each item was
drawn instead of being given the items.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation._arrays import TIE
from vcplab.evaluation._options import whole_option
from vcplab.evaluation.bootstrap import RESAMPLES, Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Resampled",
    "Statistic",
    "bootstrap_groups",
    "group_resamples",
    "paired_bootstrap_p",
    "percentile_interval",
    "resample_groups",
]

# Cells (samples × items) held at a time: what the processor's cache holds is fastest.
_CELLS = 200_000

#: From weights of shape (samples, items) to values of shape (samples,).
Statistic: TypeAlias = "Callable[[NDArray[np.float64]], NDArray[np.float64]]"
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A statistic and its bootstrap distribution.

    Attributes:
        value: On the items as they are.
        samples: On each bootstrap sample, shape (resamples,); NaN where it cannot be computed, as
            in samples with one class only.
    """

    value: float
    samples: NDArray[np.float64]

    def interval(self, confidence: float = 0.95) -> Interval:
        """Percentile interval; samples that are NaN are left out.

        Args:
            confidence: Coverage, between 0 and 1.

        Raises:
            InvalidInputError: It is out of range.
        """
        return percentile_interval(self.samples, confidence)


def percentile_interval(samples: NDArray[np.float64], confidence: float = 0.95) -> Interval:
    """Percentile interval of a bootstrap distribution; (nan, nan) where all samples are NaN.

    Args:
        samples: Shape (resamples,).
        confidence: Coverage, between 0 and 1.

    Raises:
        InvalidInputError: It is out of range.
    """
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise InvalidInputError(
            f"confidence must lie between 0 and 1, not {confidence!r}.",
            where="confidence",
            next_step="Use for example 0.95.",
        )
    known = samples[np.isfinite(samples)]
    if not known.size:
        return Interval(math.nan, math.nan)
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high))


def group_resamples(
    groups: Sequence[object], *, resamples: int = RESAMPLES, seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    """Draws of whole groups: how often each item is in each sample, chunk by chunk.

    Args:
        groups: The group of each item.
        resamples: Number of samples.
        seed: Fixes them (``numpy.random.default_rng(seed)``); with one item per group they are
            those of :func:`~vcplab.evaluation.bootstrap.bootstrap_interval`.

    Yields:
        Arrays of shape (samples, items).

    Raises:
        InvalidInputError: ``resamples`` is no positive whole number.
    """
    resamples = whole_option(resamples, "resamples", RESAMPLES)
    places: dict[object, int] = {}
    codes = np.array([places.setdefault(group, len(places)) for group in groups], dtype=np.intp)
    count = len(places)
    if not count:
        return
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // max(1, len(codes)))
    for begin in range(0, resamples, step):
        rows = min(step, resamples - begin)
        drawn = rng.integers(0, count, (rows, count))
        drawn += np.arange(rows)[:, None] * count
        counts = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield counts.astype(np.float64)[:, codes]


def resample_groups(
    statistics: Mapping[_Key, Statistic],
    groups: Sequence[object],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[_Key, Resampled]:
    """Several statistics of the same items over the same samples, so that they can be compared.

    Args:
        statistics: Name → function from weights (samples, items) to values (samples,).
        groups: The group of each item; one of its own per item for none.
        resamples: Number of samples.
        seed: Fixes them.

    Returns:
        Name → value and distribution, which is NaN where there are fewer than two groups.

    Raises:
        InvalidInputError: ``resamples`` is no positive whole number.
    """
    n = len(groups)
    found: dict[_Key, list[NDArray[np.float64]]] = {name: [] for name in statistics}
    if len(set(groups)) > 1:
        for weights in group_resamples(groups, resamples=resamples, seed=seed):
            for name, statistic in statistics.items():
                found[name].append(statistic(weights))
    ones = np.ones((1, n))
    return {
        name: Resampled(
            float(statistic(ones)[0]) if n else math.nan,
            np.concatenate(found[name]) if found[name] else np.full(resamples, math.nan),
        )
        for name, statistic in statistics.items()
    }


def bootstrap_groups(
    statistic: Statistic,
    groups: Sequence[object],
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile interval of one statistic over groups.

    Args:
        statistic: From weights (samples, items) to values (samples,), e.g.
            ``RankedItems.of(truth, scores).auroc``.
        groups: The group of each item.
        confidence: Coverage.
        resamples: Number of samples.
        seed: Fixes them.

    Returns:
        The interval; (nan, nan) for fewer than two groups.

    Raises:
        InvalidInputError: An option is out of range.
    """
    only = resample_groups({"": statistic}, groups, resamples=resamples, seed=seed)[""]
    return only.interval(confidence)


def paired_bootstrap_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p of a difference from its bootstrap distribution.

    Twice the smaller share of samples on one side of zero, zero counted on both: the level at
    which the percentile interval just reaches zero (Efron and Tibshirani 1993, 15.4).

    Args:
        differences: One per bootstrap sample of the same groups for both systems; NaN is left out.

    Returns:
        At least 2/(resamples + 1), at most 1; nan where all are NaN.
    """
    known = differences[np.isfinite(differences)]
    if not known.size:
        return math.nan
    below = (int((known <= TIE).sum()) + 1) / (known.size + 1)
    above = (int((known >= -TIE).sum()) + 1) / (known.size + 1)
    return min(1.0, 2 * min(below, above))
