"""Where thresholds of decisions come from: given, chosen on other samples, or cross-fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.samples.groups import draw_folds
from vcplab.evaluation.statistics.decisions import best_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Thresholds", "chosen", "cross_fitted", "given"]

_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """A threshold per sample, and where it comes from.

    Attributes:
        values: One per sample.
        told: Its provenance, in words.
        n: Samples that it was chosen on; 0 if it was given.
    """

    values: NDArray[np.float64]
    told: str
    n: int = 0


def given(value: float, count: int, told: str = "given, not chosen on data") -> Thresholds:
    """The same for all, chosen on nothing."""
    return Thresholds(np.full(count, value), told)


def chosen(
    labels: NDArray[np.float64], p: NDArray[np.float64], count: int, where: str
) -> Thresholds:
    """That with the best balanced accuracy on other samples; one half if they do not tell.

    Args:
        labels: Of the other samples; NaN where nobody says.
        p: What the detector says of them; NaN where it abstains.
        count: Samples that it is for.
        where: What the others are called.
    """
    try:
        best = best_threshold(labels, p)
    except InvalidInputError:
        return Thresholds(
            np.full(count, 0.5), f"one half: {where} has not both classes for this detector"
        )
    told = f"best balanced accuracy on {where} ({best.n} samples, {best.reached:.3f} there)"
    return Thresholds(np.full(count, best.value), told, best.n)


def cross_fitted(
    labels: NDArray[np.float64], p: NDArray[np.float64], groups: Sequence[str], seed: int = 0
) -> Thresholds:
    """For each fold of groups that with the best balanced accuracy on the other folds.

    Args:
        labels: Of the samples; NaN where nobody says.
        p: What the detector says of them; NaN where it abstains.
        groups: The group of each.
        seed: Of the folds.
    """
    count = min(_FOLDS, len(set(groups)))
    folds = np.array(draw_folds(groups, count, seed))
    values = np.full(len(folds), 0.5)
    fitted = 0
    for fold in range(count):
        held = folds == fold
        try:
            values[held] = best_threshold(labels[~held], p[~held]).value
            fitted += 1
        except InvalidInputError:
            continue
    told = f"best balanced accuracy on the other folds of groups ({fitted} of {count} fitted)"
    return Thresholds(values, told, int((np.isfinite(labels) & np.isfinite(p)).sum()))
