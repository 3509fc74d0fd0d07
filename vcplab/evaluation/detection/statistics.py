"""Metrics of detection as functions of weights, for intervals over groups.

Each takes the rows that count, one per sample, with the columns label, p, flagged, threshold,
judged, predicted, gold, both, typed_predicted, typed_gold, typed_both and iou; and gives a function
from weights (samples, rows) to values (samples,). With weights of one it is the metric of
:mod:`vcplab.evaluation.statistics` itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from vcplab.evaluation.statistics.probabilities import Binning, bin_edges
from vcplab.evaluation.statistics.ranked import RankedItems
from vcplab.evaluation.statistics.resampling import Statistic
from vcplab.evaluation.statistics.selective import confidence_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "accuracy_at",
    "auprc",
    "auroc",
    "brier",
    "calibration",
    "decided",
    "likelihood",
    "mean",
    "ratio",
    "risk",
]

Maker: TypeAlias = "Callable[[pd.DataFrame], Statistic]"
_BINS = 10


def _column(rows: pd.DataFrame, name: str) -> NDArray[np.float64]:
    column: NDArray[np.float64] = rows[name].to_numpy(float)
    return column


def _over(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    quotient: NDArray[np.float64] = np.divide(a, b, out=np.full(np.shape(a), np.nan), where=b > 0)
    return quotient


def auroc(rows: pd.DataFrame) -> Statistic:
    """AUROC of p."""
    return RankedItems.of(_column(rows, "label"), _column(rows, "p")).auroc


def auprc(rows: pd.DataFrame) -> Statistic:
    """Average precision of p."""
    return RankedItems.of(_column(rows, "label"), _column(rows, "p")).auprc


def decided(name: str) -> Maker:
    """A metric of the confusion matrix, by its name in ``Confusion``."""

    def maker(rows: pd.DataFrame) -> Statistic:
        truth, flagged = _column(rows, "label"), _column(rows, "flagged")
        table = np.stack(
            [
                truth * flagged,
                (1 - truth) * flagged,
                truth * (1 - flagged),
                (1 - truth) * (1 - flagged),
            ],
            axis=1,
        )

        def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return _of_confusion(name, *(weights @ table).T)

        return statistic

    return maker


def _of_confusion(
    name: str,
    tp: NDArray[np.float64],
    fp: NDArray[np.float64],
    fn: NDArray[np.float64],
    tn: NDArray[np.float64],
) -> NDArray[np.float64]:
    if name == "precision":
        return _over(tp, tp + fp)
    if name == "recall":
        return _over(tp, tp + fn)
    if name == "specificity":
        return _over(tn, tn + fp)
    if name == "accuracy":
        return _over(tp + tn, tp + fp + fn + tn)
    if name == "f1":
        return _over(2 * tp, 2 * tp + fp + fn)
    if name == "mcc":
        product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return np.nan_to_num(_over(tp * tn - fp * fn, np.sqrt(product)), nan=0.0)
    return (_over(tp, tp + fn) + _over(tn, tn + fp)) / 2


def ratio(above: tuple[str, ...], below: tuple[str, ...]) -> Maker:
    """Sum of some columns over the sum of others."""

    def maker(rows: pd.DataFrame) -> Statistic:
        a = sum((_column(rows, name) for name in above), np.zeros(len(rows)))
        b = sum((_column(rows, name) for name in below), np.zeros(len(rows)))

        def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return _over(weights @ a, weights @ b)

        return statistic

    return maker


def mean(name: str) -> Maker:
    """Mean of a column."""

    def maker(rows: pd.DataFrame) -> Statistic:
        return _mean_of(_column(rows, name))

    return maker


def _mean_of(values: NDArray[np.float64]) -> Statistic:
    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _over(weights @ values, weights.sum(axis=1))

    return statistic


def brier(rows: pd.DataFrame) -> Statistic:
    """Mean squared error of p."""
    return _mean_of((_column(rows, "p") - _column(rows, "label")) ** 2)


def likelihood(rows: pd.DataFrame) -> Statistic:
    """Mean negative log-likelihood of p."""
    tiny = np.finfo(np.float64).eps
    p = np.clip(_column(rows, "p"), tiny, 1 - tiny)
    return _mean_of(-np.where(_column(rows, "label") == 1, np.log(p), np.log(1 - p)))


def calibration(kind: Binning) -> Maker:
    """Calibration error; bins of equal mass are those of all rows, in every sample."""

    def maker(rows: pd.DataFrame) -> Statistic:
        p, truth = _column(rows, "p"), _column(rows, "label")
        place = np.searchsorted(bin_edges(p, _BINS, kind), p)
        gaps = np.zeros((len(p), _BINS))
        gaps[np.arange(len(p)), place] = truth - p

        def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            return _over(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))

        return statistic

    return maker


class _Certain:
    """Rows in falling order of certainty: weights and errors per run of equal certainty."""

    def __init__(self, rows: pd.DataFrame) -> None:
        threshold = _column(rows, "threshold")
        p = _column(rows, "p")
        sure = np.array([float(confidence_of(a, t)) for a, t in zip(p, threshold, strict=True)])
        wrong = (_column(rows, "flagged") != _column(rows, "label")).astype(float)
        self._ranked = RankedItems.of(wrong, sure)

    def __call__(
        self, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        wrong, right = self._ranked.masses(weights)
        return wrong + right, wrong


def risk(*, excess: bool) -> Maker:
    """AURC, or E-AURC; equally certain items have the mean over their orders."""

    def maker(rows: pd.DataFrame) -> Statistic:
        certain = _Certain(rows)

        def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            mass, wrong = certain(weights)
            answered, errors = np.cumsum(mass, axis=1), np.cumsum(wrong, axis=1)
            total = answered[:, -1]
            harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, total.max() + 1))])
            before, errors_before = answered - mass, errors - wrong
            share = np.divide(wrong, mass, out=np.zeros_like(mass), where=mass > 0)
            # Over a run: the sum over j of (E + j·share) / (K + j), with K answered before.
            span = harmonic[answered.astype(int)] - harmonic[before.astype(int)]
            area = (share * mass + (errors_before - before * share) * span).sum(axis=1)
            if excess:
                wrongs = np.rint(errors[:, -1])
                rights = total - wrongs
                tail = harmonic[total.astype(int)] - harmonic[rights.astype(int)]
                area = area - (wrongs - rights * tail)
            return _over(area, total)

        return statistic

    return maker


def accuracy_at(coverage: float) -> Maker:
    """Accuracy on the most certain rows."""

    def maker(rows: pd.DataFrame) -> Statistic:
        certain = _Certain(rows)

        def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            mass, wrong = certain(weights)
            total = mass.sum(axis=1)
            wanted = np.ceil(coverage * total - 1e-9)
            before = np.cumsum(mass, axis=1) - mass
            taken = np.clip(wanted[:, None] - before, 0, mass)
            share = np.divide(wrong, mass, out=np.zeros_like(mass), where=mass > 0)
            return 1 - _over((taken * share).sum(axis=1), wanted)

        return statistic

    return maker
