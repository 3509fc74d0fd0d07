"""Labels with what was said of them: checks that the metrics of detection share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vcplab.core.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["judged", "judged_probabilities"]


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{name} is not a list of numbers.",
            where=name,
            next_step="Give one number (or true, false) per item; None where there is none.",
        ) from error
    if array.ndim != 1:
        raise InvalidInputError(
            f"{name} has {array.ndim} dimensions, not 1.",
            where=name,
            next_step="Give one number per item.",
        )
    return array


def judged(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Labels (0.0, 1.0) and scores of the items that have both.

    Args:
        labels: True, false, or None/NaN where nobody says; shape (n,).
        scores: Numbers, None/NaN where nothing was said; shape (n,). Infinite ones are numbers.

    Raises:
        InvalidInputError: Unequal lengths, no numbers, or a label other than 0 and 1.
    """
    truth, said = _numbers(labels, "labels"), _numbers(scores, "scores")
    if truth.shape != said.shape:
        raise InvalidInputError(
            f"There are {truth.size} labels and {said.size} scores.",
            where="scores",
            next_step="Give one score per label, None where there is none.",
        )
    kept = ~(np.isnan(truth) | np.isnan(said))
    truth, said = truth[kept], said[kept]
    if not np.isin(truth, (0.0, 1.0)).all():
        raise InvalidInputError(
            "A label is neither true nor false.",
            where="labels",
            next_step="Use True (hallucinated), False, or None where nobody says.",
        )
    return truth, said


def judged_probabilities(
    labels: ArrayLike, p: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same for probabilities.

    Raises:
        InvalidInputError: As :func:`judged`, or a probability outside 0 to 1.
    """
    truth, said = judged(labels, p)
    if said.size and (said.min() < 0 or said.max() > 1):
        raise InvalidInputError(
            f"A probability lies outside 0 to 1: from {said.min():g} to {said.max():g}.",
            where="p",
            next_step="Calibrate the scores first, or use AUROC, which needs no probabilities.",
        )
    return truth, said
