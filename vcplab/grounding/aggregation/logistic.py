"""Standardised logistic regression, its penalty chosen by grouped cross-validation."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vcplab.core.errors import InvalidDataError, InvalidInputError

__all__ = ["STRENGTHS", "Fitted", "Logistic", "checked_rows", "fit_logistic", "grouped_folds"]

STRENGTHS: Final = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Inverse strengths of the penalty that cross-validation chooses from."""

# Beyond these many standard deviations a feature says no more: an odd text must not decide alone.
_CLIP: Final = 6.0


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic regression on standardised features.

    Attributes:
        mean: Of each feature in training.
        scale: Its standard deviation; 1 where it did not vary.
        weights: Per standard deviation.
        intercept: The log-odds of an average sample.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    @property
    def width(self) -> int:
        """How many features a row has."""
        return len(self.weights)

    def scores(self, features: ArrayLike) -> NDArray[np.float64]:
        """The log-odds of rows of features."""
        total: NDArray[np.float64] = self._standard(features) @ np.asarray(self.weights)
        return total + self.intercept

    def contributions(self, features: ArrayLike) -> NDArray[np.float64]:
        """What each feature of each row adds to the log-odds of an average sample."""
        parts: NDArray[np.float64] = self._standard(features) * np.asarray(self.weights)
        return parts

    def _standard(self, features: ArrayLike) -> NDArray[np.float64]:
        x = np.atleast_2d(np.asarray(features, dtype=float))
        z = (x - np.asarray(self.mean)) / np.asarray(self.scale)
        clipped: NDArray[np.float64] = np.clip(z, -_CLIP, _CLIP)
        return clipped

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "mean": list(self.mean),
            "scale": list(self.scale),
            "weights": list(self.weights),
            "intercept": self.intercept,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Logistic:
        """The regression that ``to_dict`` described.

        Raises:
            InvalidDataError: Numbers are missing or not finite, or their counts differ.
        """
        try:
            made = cls(
                tuple(float(value) for value in data["mean"]),
                tuple(float(value) for value in data["scale"]),
                tuple(float(value) for value in data["weights"]),
                float(data["intercept"]),
            )
            numbers = [*made.mean, *made.scale, *made.weights, made.intercept]
            good = (
                len(made.mean) == len(made.scale) == len(made.weights)
                and bool(np.isfinite(numbers).all())
                and min(made.scale, default=1.0) > 0
            )
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            raise InvalidDataError(
                "A stored regression is broken.",
                where="model",
                next_step="Fit the model again, or take the file from where it was made.",
            )
        return made


@dataclass(frozen=True, slots=True)
class Fitted:
    """A regression with what cross-validation said of it.

    Attributes:
        model: Fitted to all rows.
        held_out: The score of each row by the models that did not see its group.
        strength: The inverse strength of the penalty that was chosen.
        loss: The mean held-out log-loss with it.
    """

    model: Logistic
    held_out: NDArray[np.float64]
    strength: float
    loss: float


def fit_logistic(
    features: ArrayLike,
    labels: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    *,
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 5,
    sample_weight: ArrayLike | None = None,
    max_iter: int = 300,
) -> Fitted:
    """Fit to rows of features; the penalty with the best held-out log-loss is chosen.

    Args:
        features: A row for each sample.
        labels: Whether each is positive.
        groups: What each row shares its source with: groups are never split.  None: every row is
            a group.
        strengths: Inverse strengths to choose from.
        folds: In how many parts the groups are cut; as many as there are groups if those are
            fewer.
        sample_weight: Of each row.
        max_iter: Steps of the solver.

    Raises:
        InvalidInputError: There are not both labels in at least two groups, or counts differ.
    """
    x, y, own = checked_rows(features, labels, groups)
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    if len(weight) != len(y):
        raise InvalidInputError(
            f"{len(y)} rows and {len(weight)} weights do not belong together.",
            where="sample_weight",
            next_step="Give one weight per sample.",
        )
    cut = list(grouped_folds(y, own, folds))
    best: Fitted | None = None
    best_loss = np.inf
    for strength in strengths:
        held = np.zeros(len(y))
        for inside, outside in cut:
            model = _fit(x[inside], y[inside], weight[inside], strength, max_iter)
            held[outside] = model.scores(x[outside])
        loss = float(np.average(np.logaddexp(0.0, np.where(y, -held, held)), weights=weight))
        if loss < best_loss - 1e-9:
            best_loss = loss
            best = Fitted(Logistic((), (), (), 0.0), held, strength, loss)
    assert best is not None
    return Fitted(
        _fit(x, y, weight, best.strength, max_iter), best.held_out, best.strength, best.loss
    )


def checked_rows(
    features: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], Sequence[Hashable]]:
    """Rows, labels and groups that belong together; without groups every row is one.

    Raises:
        InvalidInputError: Their counts differ, or a feature is no finite number.
    """
    x = np.asarray(features, dtype=float)
    y = np.asarray(labels, dtype=bool).ravel()
    own: Sequence[Hashable] = range(len(y)) if groups is None else groups
    if x.ndim != 2 or not len(x) == len(y) == len(own):
        raise InvalidInputError(
            f"{len(x)} rows, {len(y)} labels and {len(own)} groups do not belong together.",
            where="features",
            next_step="Give one row, label and group per sample.",
        )
    if not np.isfinite(x).all():
        raise InvalidInputError(
            "A feature is not a finite number.", where="features", next_step="Leave that row out."
        )
    return x, y, own


def grouped_folds(
    labels: ArrayLike, groups: Sequence[Hashable], folds: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows inside and outside of each fold; groups stay whole, both labels are on both sides.

    The same rows always give the same folds: groups go, largest first, to the fold with the
    fewest rows of their majority label.

    Raises:
        InvalidInputError: Fewer than two groups hold each label.
    """
    y = np.asarray(labels, dtype=bool)
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    holding = [sum(any(y[row] == label for row in rows) for rows in members.values())
               for label in (False, True)]  # fmt: skip
    count = min(folds, len(members))
    if min(holding) < 2 or count < 2:
        raise InvalidInputError(
            f"{len(members)} groups with {int(y.sum())} positive of {len(y)} rows cannot be "
            "cross-validated.",
            where="groups",
            next_step="Give labelled samples of at least two sources for each label.",
        )
    counts = np.zeros((count, 2))
    fold = np.zeros(len(y), dtype=int)
    ordered = sorted(members.values(), key=lambda rows: (-len(rows), rows[0]))
    for rows in ordered:
        own = np.array([np.sum(~y[rows]), np.sum(y[rows])], dtype=float)
        cost = counts @ own + 1e-3 * counts.sum(axis=1)
        place = int(np.argmin(cost))
        counts[place] += own
        fold[rows] = place
    for place in range(count):
        outside = np.flatnonzero(fold == place)
        inside = np.flatnonzero(fold != place)
        if len(outside) and y[inside].any() and not y[inside].all():
            yield inside, outside


def _fit(
    x: NDArray[np.float64],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    strength: float,
    max_iter: int,
) -> Logistic:
    from sklearn.linear_model import LogisticRegression

    mean = np.average(x, axis=0, weights=weight)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight))
    scale = np.where(deviation > 1e-9, deviation, 1.0)
    z = np.clip((x - mean) / scale, -_CLIP, _CLIP)
    fitted = LogisticRegression(C=strength, max_iter=max_iter, tol=1e-4)
    fitted.fit(z, y, sample_weight=weight)
    return Logistic(
        tuple(float(value) for value in mean),
        tuple(float(value) for value in scale),
        tuple(float(value) for value in fitted.coef_[0]),
        float(fitted.intercept_[0]),
    )
