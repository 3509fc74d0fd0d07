"""What is gained by answering only where one is sure: risk and coverage.

Items are answered from the most to the least certain one; the risk at a coverage is the share of
errors among those answered so far (El-Yaniv and Wiener 2010). Items of equal certainty have no
order: what is told is the mean over all their orders.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.statistics.judged import judged

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["aurc", "confidence_of", "e_aurc", "risk_coverage", "selective_accuracy"]


def confidence_of(p: ArrayLike, threshold: float = 0.5) -> NDArray[np.float64]:
    """How sure a decision at a threshold is: 0 on the threshold, 1 at probabilities 0 and 1.

    Args:
        p: Probabilities; NaN stays NaN.
        threshold: Of the decision; at .5 this orders items as max(p, 1 - p) does.
    """
    said = np.asarray(p, dtype=np.float64)
    below, above = max(threshold, 1e-300), max(1 - threshold, 1e-300)
    distance = said - threshold
    confidence: NDArray[np.float64] = np.where(distance >= 0, distance / above, -distance / below)
    return confidence


def _errors(wrong: ArrayLike, confidence: ArrayLike) -> NDArray[np.float64]:
    """Mean number of errors among the k most certain items, for k = 1 … n."""
    errors, sure = judged(wrong, confidence)
    order = np.argsort(-sure, kind="stable")
    ranked, errors = sure[order], errors[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]])[: ranked.size])
    if len(starts) < len(errors):
        sizes = np.diff(np.append(starts, len(errors)))
        errors = np.repeat(np.add.reduceat(errors, starts) / sizes, sizes)
    total: NDArray[np.float64] = np.cumsum(errors)
    return total


def risk_coverage(wrong: ArrayLike, confidence: ArrayLike) -> pd.DataFrame:
    """The risk–coverage curve.

    Args:
        wrong: Whether each decision is an error; None where nobody says (left out).
        confidence: How sure it is; None or NaN where nothing was decided (left out).

    Returns:
        One row per item answered: coverage (share of items answered), risk (share of errors among
        them).

    Raises:
        InvalidInputError: Unequal lengths, or something is neither true nor false.
    """
    import pandas as pd

    errors = _errors(wrong, confidence)
    answered = np.arange(1, errors.size + 1)
    return pd.DataFrame({"coverage": answered / max(1, errors.size), "risk": errors / answered})


def aurc(wrong: ArrayLike, confidence: ArrayLike) -> float:
    """Area under the risk–coverage curve: the mean risk over all coverages (Geifman 2019).

    Args:
        wrong: As for :func:`risk_coverage`.
        confidence: As there.

    Returns:
        From 0 (best) to 1; nan without items.

    Raises:
        InvalidInputError: As for :func:`risk_coverage`.
    """
    errors = _errors(wrong, confidence)
    if not errors.size:
        return math.nan
    return float(np.mean(errors / np.arange(1, errors.size + 1)))


def e_aurc(wrong: ArrayLike, confidence: ArrayLike) -> float:
    """AURC beyond that of the best order, which puts all errors last (Geifman et al. 2019).

    The best order's area is the exact sum over these items, not its limit for many.

    Args:
        wrong: As for :func:`risk_coverage`.
        confidence: As there.

    Returns:
        0 for a perfect order; nan without items.

    Raises:
        InvalidInputError: As for :func:`risk_coverage`.
    """
    errors = _errors(wrong, confidence)
    if not errors.size:
        return math.nan
    answered = np.arange(1, errors.size + 1)
    right = errors.size - round(float(errors[-1]))
    best = np.maximum(0, answered - right) / answered
    return float(np.mean(errors / answered) - best.mean())


def selective_accuracy(wrong: ArrayLike, confidence: ArrayLike, coverage: float = 0.8) -> float:
    """Accuracy on the most certain items.

    Args:
        wrong: As for :func:`risk_coverage`.
        confidence: As there.
        coverage: Share of the items that are answered, above 0; rounded up to whole items.

    Returns:
        From 0 to 1; nan without items.

    Raises:
        InvalidInputError: As for :func:`risk_coverage`, or a coverage out of range.
    """
    if not 0 < coverage <= 1:
        raise InvalidInputError(
            f"A coverage of {coverage!r} is impossible.",
            where="coverage",
            next_step="Give a share above 0 and at most 1, such as 0.8.",
        )
    errors = _errors(wrong, confidence)
    if not errors.size:
        return math.nan
    answered = min(errors.size, math.ceil(coverage * errors.size - 1e-9))
    return float(1 - errors[answered - 1] / answered)
