"""How well scores rank positives above negatives: AUROC, average precision.

Equal scores are one step: half a win in AUROC (Mann and Whitney 1947), one operating point in
average precision (Davis and Goadrich 2006, without interpolation). Both agree with scikit-learn's
``roc_auc_score`` and ``average_precision_score``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vcplab.evaluation.statistics.judged import judged

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["RankedItems", "auprc", "auroc", "prevalence"]


@dataclass(frozen=True, slots=True, eq=False)
class RankedItems:
    """Judged items in falling order of their scores, ready to be weighed again and again.

    Attributes:
        order: Positions of the items, best first.
        truth: Their labels in that order.
        starts: Where each run of equal scores starts.
    """

    order: NDArray[np.intp]
    truth: NDArray[np.float64]
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, truth: NDArray[np.float64], scores: NDArray[np.float64]) -> RankedItems:
        """Rank items.

        Args:
            truth: 0.0 or 1.0, shape (n,), n ≥ 1.
            scores: No NaN, shape (n,).
        """
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        return cls(order, truth[order], starts)

    def masses(
        self, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight of positives and of negatives per run of equal scores.

        Args:
            weights: Shape (samples, n), in the items' own order.

        Returns:
            Two arrays of shape (samples, runs).
        """
        ordered = weights[:, self.order]
        positive = ordered * self.truth
        if len(self.starts) < len(self.order):
            ordered = np.add.reduceat(ordered, self.starts, axis=1)
            positive = np.add.reduceat(positive, self.starts, axis=1)
        return positive, ordered - positive

    def auroc(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """AUROC of each weighing, shape (samples,); NaN where a class has no weight."""
        positive, negative = self.masses(weights)
        above = np.cumsum(positive, axis=1)
        won = np.einsum("ij,ij->i", negative, above - positive / 2)
        pairs = above[:, -1] * negative.sum(axis=1)
        return _over(won, pairs)

    def auprc(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average precision of each weighing, shape (samples,); NaN without positives."""
        positive, negative = self.masses(weights)
        found = np.cumsum(positive, axis=1)
        flagged = found + np.cumsum(negative, axis=1)
        precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
        return _over(np.einsum("ij,ij->i", positive, precision), found[:, -1])


def _over(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(a, b, out=np.full(a.shape, math.nan), where=b > 0)
    return ratio


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Probability that a positive item gets a higher score than a negative one.

    Args:
        labels: True, false, or None where nobody says (left out); shape (n,).
        scores: Larger is more positive; None or NaN where nothing was said (left out).

    Returns:
        From 0 to 1; .5 is chance; nan where one class is missing.

    Raises:
        InvalidInputError: Unequal lengths, or labels that are neither true nor false.
    """
    truth, said = judged(labels, scores)
    if not truth.size:
        return math.nan
    return float(RankedItems.of(truth, said).auroc(np.ones((1, truth.size)))[0])


def auprc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under precision and recall: average precision. Chance is the prevalence, not .5.

    Args:
        labels: As for :func:`auroc`.
        scores: As for :func:`auroc`.

    Returns:
        From 0 to 1; nan without positives. Print :func:`prevalence` beside it.

    Raises:
        InvalidInputError: Unequal lengths, or labels that are neither true nor false.
    """
    truth, said = judged(labels, scores)
    if not truth.size:
        return math.nan
    return float(RankedItems.of(truth, said).auprc(np.ones((1, truth.size)))[0])


def prevalence(labels: ArrayLike) -> float:
    """Share of positives among the items with a label; nan without any.

    Args:
        labels: True, false, or None where nobody says.

    Raises:
        InvalidInputError: A label is neither true nor false.
    """
    truth, _ = judged(labels, np.zeros(np.shape(labels)))
    return float(truth.mean()) if truth.size else math.nan
