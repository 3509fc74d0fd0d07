"""Decisions at a threshold: confusion, balanced accuracy, F1, MCC, thresholds, McNemar's test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice
from vcplab.evaluation.statistics.judged import judged

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Confusion",
    "McNemar",
    "Threshold",
    "balanced_accuracy",
    "best_threshold",
    "confusion",
    "f1_score",
    "matthews",
    "mcnemar",
]

Aim = Literal["balanced_accuracy", "f1", "mcc", "cost"]
_AIMS = ("balanced_accuracy", "f1", "mcc", "cost")


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of right and wrong decisions; true means flagged.

    Attributes:
        tp: Positives that were flagged.
        fp: Negatives that were flagged.
        fn: Positives that were not.
        tn: Negatives that were not.
    """

    tp: float
    fp: float
    fn: float
    tn: float

    @property
    def n(self) -> float:
        """Number of decisions."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def precision(self) -> float:
        """Share of positives among what was flagged; nan if nothing was."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of positives that were flagged; nan without positives."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float:
        """Share of negatives that were not flagged; nan without negatives."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def accuracy(self) -> float:
        """Share of right decisions; nan without any."""
        return _ratio(self.tp + self.tn, self.n)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of recall and specificity: .5 for flagging all or nothing; nan without a class."""
        return (self.recall + self.specificity) / 2

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; nan where nothing is positive or flagged."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> float:
        """Matthews' correlation of labels and decisions; 0 where either is all alike."""
        if not self.n:
            return math.nan
        sizes = (self.tp + self.fp, self.tp + self.fn, self.tn + self.fp, self.tn + self.fn)
        product = math.prod(sizes)
        return (self.tp * self.tn - self.fp * self.fn) / math.sqrt(product) if product else 0.0


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan


def confusion(labels: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> Confusion:
    """Count decisions: flagged is what has at least the threshold.

    Args:
        labels: True, false, or None where nobody says (left out).
        scores: Larger is more positive; None or NaN where nothing was said (left out).
        threshold: The smallest score that is flagged.

    Raises:
        InvalidInputError: Unequal lengths, or labels that are neither true nor false.
    """
    truth, said = judged(labels, scores)
    flagged = said >= threshold
    positive = truth == 1
    return Confusion(
        int((flagged & positive).sum()),
        int((flagged & ~positive).sum()),
        int((~flagged & positive).sum()),
        int((~flagged & ~positive).sum()),
    )


def balanced_accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> float:
    """Mean of recall and specificity (``sklearn.metrics.balanced_accuracy_score``).

    Arguments and errors are those of :func:`confusion`; nan where a class is missing.
    """
    return confusion(labels, scores, threshold).balanced_accuracy


def f1_score(labels: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> float:
    """F1 of the positive class (``sklearn.metrics.f1_score``).

    It rewards flagging everything where positives are frequent (facts/hallucination §7): print it
    beside the always-positive baseline. Arguments and errors are those of :func:`confusion`.
    """
    return confusion(labels, scores, threshold).f1


def matthews(labels: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> float:
    """Matthews' correlation coefficient (``sklearn.metrics.matthews_corrcoef``).

    Arguments and errors are those of :func:`confusion`.
    """
    return confusion(labels, scores, threshold).mcc


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold and what it was chosen for.

    Attributes:
        value: Flag what has at least this score.
        aim: What it is best in.
        reached: The aim's value on the items it was chosen on (for ``cost``, per item).
        n: How many there were.
    """

    value: float
    aim: str
    reached: float
    n: int


def best_threshold(
    labels: ArrayLike,
    scores: ArrayLike,
    aim: Aim = "balanced_accuracy",
    *,
    miss: float = 1.0,
    alarm: float = 1.0,
) -> Threshold:
    """The threshold that is best on these items; use it on others.

    Args:
        labels: True, false, or None where nobody says (left out).
        scores: Larger is more positive; None or NaN where nothing was said (left out).
        aim: What is to be best: ``balanced_accuracy``, ``f1``, ``mcc``, or the lowest ``cost``.
        miss: For ``cost``, what a positive costs that is not flagged.
        alarm: For ``cost``, what a negative costs that is flagged.

    Returns:
        The threshold, halfway between the two scores that it parts. Among equally good ones, the
        one in the widest gap; flagging nothing only where nothing else is as good.

    Raises:
        InvalidInputError: Unequal lengths, labels that are neither true nor false, an infinite
            score, a class that is missing, or an unknown aim.
    """
    checked_choice(aim, _AIMS, "aim", f"There is no aim {aim!r}.")
    truth, said = judged(labels, scores)
    positives = float(truth.sum())
    negatives = truth.size - positives
    if not positives or not negatives or not np.isfinite(said).all():
        raise InvalidInputError(
            "A threshold needs finite scores of positive and of negative items.",
            where="labels",
            next_step=f"There are {positives:.0f} positive and {negatives:.0f} negative items with "
            "a score; give some of both.",
        )
    values, inverse = np.unique(said, return_inverse=True)
    # tp[k], fp[k]: what is flagged from the k-th distinct score upwards; the last flags nothing.
    tp = np.append(np.cumsum(np.bincount(inverse, truth)[::-1])[::-1], 0.0)
    fp = np.append(np.cumsum(np.bincount(inverse, 1 - truth)[::-1])[::-1], 0.0)
    fn, tn = positives - tp, negatives - fp
    if aim == "cost":
        gain: NDArray[np.float64] = -(miss * fn + alarm * fp) / truth.size
    elif aim == "balanced_accuracy":
        gain = (tp / positives + tn / negatives) / 2
    else:
        counted = zip(tp, fp, fn, tn, strict=True)
        gain = np.array([getattr(Confusion(*map(float, c)), aim) for c in counted])
    top = float(values[-1])
    upper = np.append(values, np.nextafter(top, math.inf))
    lower = np.append(values[0], values)
    best = np.flatnonzero(gain >= np.nanmax(gain) - 1e-12)
    gaps = upper - lower
    gaps[-1] = -1.0  # flagging nothing only where nothing else is as good
    place = int(best[np.argmax(gaps[best])])
    middle = float(lower[place] + (upper[place] - lower[place]) / 2)
    # Rounding must not move an item to the other side.
    value = middle if lower[place] < middle <= upper[place] else float(upper[place])
    reached = float(gain[place])
    return Threshold(value, aim, -reached if aim == "cost" else reached, int(truth.size))


@dataclass(frozen=True, slots=True)
class McNemar:
    """Whether two detectors err equally often on the same items.

    Attributes:
        only_first: Items on which only the first is right.
        only_second: Items on which only the second is.
        both: Items on which both are.
        neither: Items on which neither is.
        p: Two-sided, exact; 1 where they never differ.
    """

    only_first: int
    only_second: int
    both: int
    neither: int
    p: float


def mcnemar(labels: ArrayLike, first: ArrayLike, second: ArrayLike) -> McNemar:
    """McNemar's exact test (1947) of two detectors' decisions (``statsmodels`` agrees).

    Items are taken as independent: where several share a source, believe the intervals over groups
    rather than this.

    Args:
        labels: True, false, or None where nobody says (left out).
        first: Decisions, true means flagged; None where there is none (left out).
        second: Those of the other.

    Raises:
        InvalidInputError: Unequal lengths, or something is neither true nor false.
    """
    said = [np.asarray(values, dtype=np.float64) for values in (labels, first, second)]
    if len({values.shape for values in said}) > 1:
        raise InvalidInputError(
            "Labels and decisions differ in number.",
            where="first, second",
            next_step="Give one decision of each detector per label.",
        )
    kept = ~np.isnan(np.stack(said)).any(axis=0)
    truth, a, b = (values[kept] for values in said)
    if not all(np.isin(values, (0.0, 1.0)).all() for values in (truth, a, b)):
        raise InvalidInputError(
            "A label or decision is neither true nor false.",
            where="labels, first, second",
            next_step="Give decisions (score >= threshold), not scores.",
        )
    right_a, right_b = a == truth, b == truth
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = 1.0
    if only_a + only_b:
        from scipy.stats import binomtest

        p = float(binomtest(only_a, only_a + only_b, 0.5).pvalue)
    return McNemar(
        only_a, only_b, int((right_a & right_b).sum()), int((~right_a & ~right_b).sum()), p
    )
