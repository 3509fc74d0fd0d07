"""EPA: how focused a query's vector is among the axes of the tags' vectors."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.tags.spreading.pyramid import Pyramid
from vcplab.memory.tags.vectors import TagVectors

__all__ = ["EPA", "EPABasis", "EPASignals"]


@dataclass(frozen=True, slots=True)
class EPASignals:
    """What the axes say about one query (facts/vcp-memory §8.2.1).

    Attributes:
        entropy: H of the energies over the axes, 0 (one axis) to 1 (all alike).
        resonance: R, how strongly further axes sound together with the first.
    """

    entropy: float
    resonance: float

    @property
    def focus(self) -> float:
        """L = 1 − H."""
        return 1.0 - self.entropy


@dataclass(frozen=True, eq=False)
class EPABasis:
    """Axes of a corpus's tag vectors.

    Attributes:
        centre: Mean of the clusters by their sizes, shape (dimension,).
        axes: Orthonormal, largest variance first, shape (axes, dimension).
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]

    def signals(self, vector: NDArray[np.float64]) -> EPASignals:
        """Entropy and resonance of one unit query vector."""
        energy = (self.axes @ (vector - self.centre)) ** 2
        total = float(energy.sum())
        if len(energy) < 2 or total <= 1e-12:
            return EPASignals(1.0, 0.0)
        share = energy / total
        some = share[share > 0]
        entropy = float(-(some * np.log2(some)).sum() / math.log2(len(share)))
        loud = np.sort(share[share > 0.05])[::-1]
        together = np.sqrt(loud[:1] * loud[1:])
        return EPASignals(min(1.0, max(0.0, entropy)), float(together[together > 0.15].sum()))


@dataclasses.dataclass(frozen=True, repr=False)
class EPA(Configurable):
    """Axes of the tags' vectors and what they make of a query (facts/vcp-memory §8.2.1, §8.2.3).

    k-means of the tags' vectors, then a principal component analysis of the centres weighted by
    their sizes. The original starts its clusters at random and names an axis after the cluster of
    the same number, which has nothing to do with it; here ``seed`` fixes the clusters, and axes
    have no names.

    Attributes:
        clusters: Number of clusters.
        variance: Share of the variance that the axes keep.
        least: Axes at least.
        most: Axes at most.
        low: Least factor of the strength (upstream's ``dynamicBoostRange``).
        high: Largest factor.
        seed: Of the clusters.
    """

    clusters: int = 64
    variance: float = 0.95
    least: int = 8
    most: int = 64
    low: float = 0.3
    high: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        fits = self.clusters >= 2 and 0 < self.variance <= 1 and 1 <= self.least <= self.most
        if not fits or not 0 <= self.low <= self.high:
            raise InvalidInputError(
                f"{self!r} has no axes.",
                where="strength",
                next_step="clusters from 2, variance up to 1, least ≤ most, low ≤ high.",
            )

    def basis(self, tags: TagVectors) -> EPABasis:
        """The axes of a corpus's tags."""
        known = tags.matrix[tags.known]
        dimension = tags.matrix.shape[1]
        if len(known) < 2:
            return EPABasis(np.zeros(dimension), np.zeros((0, dimension)))
        centres, sizes = known, np.ones(len(known))
        if len(known) > self.clusters:
            from sklearn.cluster import KMeans

            found = KMeans(self.clusters, n_init=1, max_iter=50, random_state=self.seed).fit(known)
            centres = found.cluster_centers_
            sizes = np.bincount(found.labels_, minlength=self.clusters).astype(np.float64)
        weight = sizes / sizes.sum()
        centre = weight @ centres
        _, values, axes = np.linalg.svd(
            np.sqrt(weight)[:, None] * (centres - centre), full_matrices=False
        )
        energy = values**2
        if energy.sum() <= 1e-12:
            return EPABasis(centre, np.zeros((0, dimension)))
        wanted = int(np.searchsorted(np.cumsum(energy) / energy.sum(), self.variance)) + 1
        count = min(max(wanted, self.least), self.most, int((energy > 1e-12).sum()))
        return EPABasis(centre, axes[:count])

    def strength(self, base: float, signals: EPASignals, pyramid: Pyramid) -> float:
        """How far a query's vector is moved: ``base`` times what the signals make of it.

        min(1, base · clamp(L·(1 + ln(1 + R))/(1 + H/2)·(½ + A), ``low``, ``high``)).

        Args:
            base: Without signals.
            signals: Of the query.
            pyramid: How tags explain the query; A is its activation.
        """
        factor = signals.focus * (1 + math.log1p(signals.resonance)) / (1 + signals.entropy / 2)
        factor *= 0.5 + pyramid.activation
        return min(1.0, base * min(self.high, max(self.low, factor)))
