"""Scores as probabilities: Platt's logistic curve, and isotonic steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vcplab.core.errors import InvalidDataError, InvalidInputError

__all__ = [
    "CalibrationMethod",
    "Calibrator",
    "Isotonic",
    "Platt",
    "calibrator_from",
    "fit_isotonic",
    "fit_platt",
]

CalibrationMethod: TypeAlias = Literal["platt", "isotonic"]

_STEPS: Final = 100
_EXACT: Final = 1e-10


@dataclass(frozen=True, slots=True)
class Platt:
    """``1 / (1 + exp(-(slope · score + shift)))``.

    Attributes:
        slope: How steep; not below 0, so that the order of scores is kept.
        shift: The log-odds at score 0.
    """

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """The probabilities of scores."""
        return _sigmoid(self.slope * np.asarray(scores, dtype=float) + self.shift)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"method": "platt", "slope": self.slope, "shift": self.shift}


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A rising curve through points, flat beyond its ends.

    Attributes:
        scores: Where, ascending.
        values: The probabilities there, never falling.
    """

    scores: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """The probabilities of scores."""
        x = np.asarray(scores, dtype=float)
        p: NDArray[np.float64] = np.interp(x, self.scores, self.values)
        return p

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"method": "isotonic", "scores": list(self.scores), "values": list(self.values)}


Calibrator: TypeAlias = Platt | Isotonic


def fit_platt(scores: ArrayLike, labels: ArrayLike) -> Platt:
    """Fit Platt's curve to held-out scores, with his smoothed targets.

    The targets are ``(n₊ + 1) / (n₊ + 2)`` and ``1 / (n₋ + 2)``, so that few labels never give
    certainty (facts/hallucination §5: up to about 1,000 labels).

    Args:
        scores: Log-odds or any scores that rise with the probability.
        labels: Whether each is positive.

    Raises:
        InvalidInputError: There are not both labels, or a score is no number.
    """
    x, y = _checked(scores, labels)
    positives = float(y.sum())
    negatives = len(y) - positives
    target = np.where(y, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    slope, shift = 0.0, float(np.log((positives + 1) / (negatives + 1)))
    # Newton's method; the loss is convex in both.
    loss = _loss(x, target, slope, shift)
    for _ in range(_STEPS):
        p = _sigmoid(slope * x + shift)
        gradient = np.array([np.sum((p - target) * x), np.sum(p - target)])
        w = p * (1 - p)
        hessian = np.array([[np.sum(w * x * x), np.sum(w * x)], [np.sum(w * x), np.sum(w)]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        size = 1.0
        while size > _EXACT:
            new = _loss(x, target, slope - size * step[0], shift - size * step[1])
            if new <= loss:
                break
            size /= 2
        else:
            break
        slope, shift = float(slope - size * step[0]), float(shift - size * step[1])
        if loss - new < _EXACT:
            break
        loss = new
    if slope < 0:
        # Scores that say the opposite of the labels tell nothing: the base rate is what is left.
        return Platt(0.0, float(np.log((positives + 1) / (negatives + 1))))
    return Platt(slope, shift)


def fit_isotonic(scores: ArrayLike, labels: ArrayLike) -> Isotonic:
    """Fit the best rising curve to held-out scores by pooling adjacent violators.

    Args:
        scores: Scores that rise with the probability.
        labels: Whether each is positive.

    Raises:
        InvalidInputError: There are not both labels, or a score is no number.
    """
    from sklearn.isotonic import IsotonicRegression

    x, y = _checked(scores, labels)
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(x, y.astype(float))
    return Isotonic(
        tuple(float(value) for value in fitted.X_thresholds_),
        tuple(float(value) for value in fitted.y_thresholds_),
    )


def calibrator_from(data: Mapping[str, Any]) -> Calibrator:
    """The calibrator that ``to_dict`` described.

    Raises:
        InvalidDataError: It is none, or its numbers do not fit.
    """
    try:
        if data["method"] == "platt":
            slope, shift = float(data["slope"]), float(data["shift"])
            made: Calibrator = Platt(slope, shift)
            good = bool(np.isfinite([slope, shift]).all()) and slope >= 0
        elif data["method"] == "isotonic":
            scores = tuple(float(value) for value in data["scores"])
            values = tuple(float(value) for value in data["values"])
            made = Isotonic(scores, values)
            good = (
                len(scores) == len(values) > 0
                and bool(np.isfinite([*scores, *values]).all())
                and all(a <= b for a, b in pairwise(scores))
                and all(a <= b for a, b in pairwise(values))
                and values[0] >= 0.0
                and values[-1] <= 1.0
            )
        else:
            good = False
    except (KeyError, TypeError, ValueError):
        good = False
    if not good:
        raise InvalidDataError(
            "A stored calibration is broken.",
            where="calibration",
            next_step="Fit it again with fit_calibration().",
        )
    return made


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    x = np.asarray(scores, dtype=float).ravel()
    y = np.asarray(labels, dtype=bool).ravel()
    if len(x) != len(y) or not np.isfinite(x).all() or y.all() or not y.any():
        raise InvalidInputError(
            f"{len(x)} scores and {len(y)} labels cannot be calibrated.",
            where="labels",
            next_step="Give as many finite scores as labels, with both labels among them.",
        )
    return x, y


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    half: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * x))
    return half


def _loss(x: NDArray[np.float64], target: NDArray[np.float64], slope: float, shift: float) -> float:
    z = slope * x + shift
    return float(np.sum(np.logaddexp(0.0, z) - target * z))
