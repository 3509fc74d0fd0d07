"""How far probabilities can be believed: calibration error, Brier score and its parts, log loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vcplab.core.names import checked_choice
from vcplab.evaluation._options import whole_option
from vcplab.evaluation.statistics.judged import judged_probabilities

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Binning",
    "BrierParts",
    "bin_edges",
    "brier_parts",
    "brier_score",
    "expected_calibration_error",
    "log_loss",
    "reliability_bins",
]

Binning = Literal["width", "mass"]


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Murphy's (1973) partition of the Brier score.

    ``brier = reliability - resolution + uncertainty + within``.

    Attributes:
        brier: Mean squared error of the probabilities.
        reliability: Mean squared distance of probability and observed share per bin; 0 is best.
        resolution: How much the observed shares of bins differ from the prevalence; more is better.
        uncertainty: Prevalence times its complement: what always saying the prevalence has.
        within: What is lost by putting unequal probabilities into one bin (Stephenson et al.
            2008); 0 where each distinct probability has its own.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def bin_edges(p: NDArray[np.float64], bins: int, kind: Binning) -> NDArray[np.float64]:
    """Inner edges of bins; a probability on an edge belongs to the lower bin.

    Args:
        p: Probabilities, for bins of equal mass.
        bins: Number of bins.
        kind: ``width``: of equal width over 0 to 1; ``mass``: between quantiles of ``p``, so that
            equal probabilities are never parted.
    """
    inner = np.linspace(0, 1, bins + 1)
    if kind == "mass" and p.size:
        inner = np.percentile(p, inner * 100)
    return inner[1:-1]


def _binned(
    labels: ArrayLike, p: ArrayLike, bins: int, kind: Binning
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp], int]:
    truth, said = judged_probabilities(labels, p)
    bins = whole_option(bins, "bins", 10)
    checked_choice(kind, ("width", "mass"), "kind", f"There are no bins of equal {kind!r}.")
    return truth, said, np.searchsorted(bin_edges(said, bins, kind), said), bins


def expected_calibration_error(
    labels: ArrayLike, p: ArrayLike, *, bins: int = 10, kind: Binning = "width"
) -> float:
    """Mean distance of mean probability and observed share per bin, weighted by the bins' items.

    Bins are those of Guo et al. (2017), open below and closed above, or between quantiles (Nixon
    et al. 2019); ``sklearn.calibration.calibration_curve`` gives the same points. The positive
    class's probability is judged, not the winning class's.

    Args:
        labels: True, false, or None where nobody says (left out).
        p: Probabilities of true; None or NaN where there is none (left out).
        bins: Number of bins.
        kind: Bins of equal ``width`` or ``mass``.

    Returns:
        From 0 to 1; nan without items.

    Raises:
        InvalidInputError: Unequal lengths, labels that are neither true nor false, a probability
            outside 0 to 1, or no bins.
    """
    truth, said, place, bins = _binned(labels, p, bins, kind)
    if not truth.size:
        return math.nan
    gaps = np.bincount(place, truth - said, minlength=bins)
    return float(np.abs(gaps).sum() / truth.size)


def reliability_bins(
    labels: ArrayLike, p: ArrayLike, *, bins: int = 10, kind: Binning = "width"
) -> pd.DataFrame:
    """The points of a reliability diagram.

    Args:
        labels: As for :func:`expected_calibration_error`.
        p: As there.
        bins: Number of bins.
        kind: Bins of equal ``width`` or ``mass``.

    Returns:
        One row per bin that has items: predicted (mean probability), observed (share of
        positives), n.

    Raises:
        InvalidInputError: As for :func:`expected_calibration_error`.
    """
    import pandas as pd

    truth, said, place, bins = _binned(labels, p, bins, kind)
    n = np.bincount(place, minlength=bins)
    rows = np.flatnonzero(n)
    predicted = np.bincount(place, said, minlength=bins)[rows] / n[rows]
    observed = np.bincount(place, truth, minlength=bins)[rows] / n[rows]
    return pd.DataFrame({"predicted": predicted, "observed": observed, "n": n[rows]})


def brier_score(labels: ArrayLike, p: ArrayLike) -> float:
    """Mean squared error of the probabilities (Brier 1950; ``sklearn.metrics.brier_score_loss``).

    Args:
        labels: True, false, or None where nobody says (left out).
        p: Probabilities of true; None or NaN where there is none (left out).

    Returns:
        From 0 (best) to 1; nan without items.

    Raises:
        InvalidInputError: Unequal lengths, labels that are neither true nor false, or a
            probability outside 0 to 1.
    """
    truth, said = judged_probabilities(labels, p)
    return float(np.mean((said - truth) ** 2)) if truth.size else math.nan


def brier_parts(
    labels: ArrayLike, p: ArrayLike, *, bins: int | None = None, kind: Binning = "width"
) -> BrierParts:
    """The Brier score with its parts.

    Args:
        labels: As for :func:`brier_score`.
        p: As for :func:`brier_score`.
        bins: Number of bins; None for one per distinct probability, which leaves nothing within.
        kind: Bins of equal ``width`` or ``mass``.

    Raises:
        InvalidInputError: As for :func:`brier_score`, or no bins.
    """
    if bins is None:
        truth, said = judged_probabilities(labels, p)
        _, place = np.unique(said, return_inverse=True)
    else:
        truth, said, place, _ = _binned(labels, p, bins, kind)
    if not truth.size:
        return BrierParts(*[math.nan] * 5)
    n = np.bincount(place)
    n_or_1 = np.maximum(n, 1)
    predicted = np.bincount(place, said) / n_or_1
    observed = np.bincount(place, truth) / n_or_1
    base = float(truth.mean())
    spread = said - predicted[place]
    return BrierParts(
        brier=float(np.mean((said - truth) ** 2)),
        reliability=float(n @ (predicted - observed) ** 2 / truth.size),
        resolution=float(n @ (observed - base) ** 2 / truth.size),
        uncertainty=base * (1 - base),
        within=float(np.mean(spread**2) - 2 * np.mean((truth - observed[place]) * spread)),
    )


def log_loss(labels: ArrayLike, p: ArrayLike) -> float:
    """Mean negative log-likelihood in nats (``sklearn.metrics.log_loss``).

    Probabilities of 0 and 1 are drawn in by the machine's epsilon, so a sure error costs 36 nats,
    not infinitely many.

    Args:
        labels: As for :func:`brier_score`.
        p: As for :func:`brier_score`.

    Returns:
        At least 0; nan without items.

    Raises:
        InvalidInputError: As for :func:`brier_score`.
    """
    truth, said = judged_probabilities(labels, p)
    if not truth.size:
        return math.nan
    tiny = np.finfo(np.float64).eps
    said = np.clip(said, tiny, 1 - tiny)
    return float(-np.mean(np.where(truth == 1, np.log(said), np.log(1 - said))))
