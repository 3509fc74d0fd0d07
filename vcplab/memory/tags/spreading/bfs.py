"""Breadth-first expansion, as VCPChat's and Cherry's port does it (facts/vcp-memory §8.1)."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.tags.kernel import TagKernel
from vcplab.memory.tags.spreading.base import Spread

__all__ = ["BreadthFirst"]


@dataclasses.dataclass(frozen=True, repr=False)
class BreadthFirst(Spread):
    """A tag gives its strongest neighbours w · share · ``decay``^hop; each keeps the best offer.

    A share is an edge's flow in units of the strongest edge of the same tag. The decay compounds as
    it does in the original: ``decay`` on the first hop, ``decay``·``decay``² on the second. Each
    tag is expanded once, in the hop that reached it. (The original also counts the seeds twice;
    here they keep their energy, once.)

    Attributes:
        depth: Hops.
        neighbours: How many neighbours of a tag are followed.
        floor: Weakest share that is followed.
        decay: Loss per hop.
    """

    depth: int = 2
    neighbours: int = 5
    floor: float = 0.2
    decay: float = 0.7

    def __post_init__(self) -> None:
        if (
            self.depth < 1
            or self.neighbours < 1
            or not 0 <= self.floor <= 1
            or not (0 < self.decay <= 1)
        ):
            raise InvalidInputError(
                f"{self!r} reaches nothing.",
                where="spread",
                next_step="depth and neighbours from 1, floor 0 to 1, decay above 0 and up to 1.",
            )

    @property
    def reach(self) -> int:
        """As many steps as hops."""
        return self.depth

    def spread(self, kernel: TagKernel, seeds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expand every query's seeds."""
        out = np.array(seeds, np.float64)
        for energy in out:
            self._expand(kernel, energy)
        return out

    def _expand(self, kernel: TagKernel, energy: NDArray[np.float64]) -> None:
        flow = kernel.flow
        frontier = np.flatnonzero(energy)
        seen = set(frontier.tolist())
        for hop in range(1, self.depth + 1):
            offers: dict[int, float] = {}
            for tag in frontier.tolist():
                part = slice(flow.indptr[tag], flow.indptr[tag + 1])
                places, data = flow.indices[part], flow.data[part]
                if not len(data):
                    continue
                shares = data / data.max()
                order = np.lexsort((places, -np.round(shares, 12)))[: self.neighbours]
                for at in order.tolist():
                    place = int(places[at])
                    if shares[at] >= self.floor and place not in seen:
                        value = float(energy[tag] * shares[at] * self.decay**hop)
                        offers[place] = max(offers.get(place, 0.0), value)
            for place, value in offers.items():
                energy[place] = value
            seen.update(offers)
            frontier = np.array(sorted(offers), np.int64)
