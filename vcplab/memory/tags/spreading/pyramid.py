"""The residual pyramid: tags that explain a query's vector, layer by layer."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.tags.vectors import TagVectors

__all__ = ["NearestTags", "Pyramid", "ResidualPyramid"]

_TINY = 1e-9


@dataclasses.dataclass(frozen=True, repr=False)
class NearestTags(Configurable):
    """Seeds from a query's vector: the tags with the highest cosine.

    Attributes:
        nearest: How many at most.
        floor: Least cosine.
    """

    nearest: int = 10
    floor: float = 0.4

    def __post_init__(self) -> None:
        _check(self.nearest >= 1 and -1 <= self.floor < 1, self)

    def seeds(self, vector: NDArray[np.float64], tags: TagVectors) -> dict[int, float]:
        """Tag → cosine above the floor, for one unit query vector."""
        cosines = tags.matrix @ vector
        best = _best(cosines, tags.known, self.nearest)
        return {
            at: float(cosines[at]) for at in best.tolist() if cosines[at] > max(self.floor, 0.0)
        }


@dataclasses.dataclass(frozen=True)
class Pyramid:
    """How a query's vector is made of tags (facts/vcp-memory §8.2.2).

    Attributes:
        contributions: Tag → |⟨residual, its own new direction⟩| · ``fade``^level, best level.
        coverage: Share of the vector's energy that the tags explain.
        coherence: Length of the mean direction from the nearest tags to the query.
        pattern: Mean |cosine| between those directions.
    """

    contributions: dict[int, float]
    coverage: float
    coherence: float
    pattern: float

    @property
    def activation(self) -> float:
        """Coverage · pattern · (1 − (1 − pattern)(1 − coherence))."""
        return self.coverage * self.pattern * (1 - (1 - self.pattern) * (1 - self.coherence))

    @property
    def novelty(self) -> float:
        """.7 · (1 − coverage) + .3 · coherence: what no tag says."""
        return 0.7 * (1 - self.coverage) + 0.3 * self.coherence


@dataclasses.dataclass(frozen=True, repr=False)
class ResidualPyramid(Configurable):
    """Seeds from a query's vector, layer by layer (facts/vcp-memory §8.2.2).

    The nearest tags of the vector explain what they can (Gram–Schmidt, in the order of their
    cosines: the original takes the order of its table); the tags nearest to what is left explain
    more, with the weight ``fade``^level; until little is left.

    Attributes:
        levels: Layers at most.
        nearest: Tags per layer.
        fade: Weight of a layer against the one before.
        rest: Share of the energy at which it stops.
    """

    levels: int = 3
    nearest: int = 10
    fade: float = 0.7
    rest: float = 0.1

    def __post_init__(self) -> None:
        _check(
            self.levels >= 1 and self.nearest >= 1 and 0 < self.fade <= 1 and 0 <= self.rest < 1,
            self,
        )

    def seeds(self, vector: NDArray[np.float64], tags: TagVectors) -> dict[int, float]:
        """Tag → contribution, for one unit query vector."""
        return self.taken_apart(vector, tags).contributions

    def taken_apart(self, vector: NDArray[np.float64], tags: TagVectors) -> Pyramid:
        """The layers of one unit query vector."""
        residual = np.array(vector, np.float64)
        whole = float(residual @ residual)
        found: dict[int, float] = {}
        basis: list[NDArray[np.float64]] = []
        first: NDArray[np.int64] = np.empty(0, np.int64)
        if whole <= _TINY:
            return Pyramid({}, 0.0, 0.0, 0.0)
        for level in range(self.levels):
            if float(residual @ residual) <= max(self.rest * whole, _TINY):
                break
            best = _best(tags.matrix @ residual, tags.known, self.nearest)
            if level == 0:
                first = best
            start = residual.copy()
            for at in best.tolist():
                own = np.array(tags.matrix[at])
                for known in basis:
                    own -= (own @ known) * known
                length = float(np.linalg.norm(own))
                if length <= 1e-6:
                    continue  # says nothing new
                own /= length
                basis.append(own)
                share = abs(float(start @ own)) * self.fade**level
                if share > _TINY:
                    found[at] = max(found.get(at, 0.0), share)
                residual = residual - (residual @ own) * own
        coverage = min(1.0, max(0.0, 1 - float(residual @ residual) / whole))
        ways = vector[None, :] - tags.matrix[first]
        lengths = np.linalg.norm(ways, axis=1)
        ways = ways[lengths > _TINY] / lengths[lengths > _TINY][:, None]
        coherence = float(np.linalg.norm(ways.mean(axis=0))) if len(ways) else 0.0
        some = ways[:5]
        cosines = np.abs(some @ some.T)[np.triu_indices(len(some), 1)]
        pattern = float(cosines.mean()) if len(cosines) else 0.0
        return Pyramid(found, coverage, coherence, pattern)


def _best(values: NDArray[np.float64], known: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """Places of the largest values among the known, ties by place."""
    places = np.flatnonzero(known)
    if len(places) > 4 * most:
        values_known = values[places]
        cut = np.partition(values_known, len(places) - most)[len(places) - most]
        places = places[values_known >= cut - _TINY]
    order = np.lexsort((places, -np.round(values[places], 9)))
    return np.asarray(places[order[:most]])


def _check(fits: bool, value: Configurable) -> None:
    if not fits:
        raise InvalidInputError(
            f"{value!r} finds no seeds.",
            where="vectors",
            next_step="Counts from 1; floor, fade and rest are shares.",
        )
