"""What every way of spreading has in common, and the path that energy took."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.tags.kernel import TagKernel

__all__ = ["Spread", "strongest_path"]


@dataclasses.dataclass(frozen=True, repr=False)
class Spread(Configurable):
    """Base of the ways in which energy spreads from the tags of a query to their neighbours."""

    @property
    @abstractmethod
    def reach(self) -> int:
        """The most steps that energy takes, for paths."""

    @abstractmethod
    def spread(self, kernel: TagKernel, seeds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Energy of every tag after spreading.

        Args:
            kernel: Where energy goes.
            seeds: Energy at the start, ≥ 0, one row per query, each summing to 1 or 0; shape
                (queries, tags).

        Returns:
            Shape (queries, tags), ≥ 0. A query without seeds has no energy anywhere.
        """

    def path(
        self, kernel: TagKernel, seeds: NDArray[np.float64], tag: int
    ) -> tuple[tuple[str, float], ...]:
        """How energy came to a tag: the strongest path from a seed (:func:`strongest_path`).

        Args:
            kernel: Where energy goes.
            seeds: Of one query, shape (tags,).
            tag: The tag.

        Returns:
            The tags on the way with the energy that arrived at each along it; empty if none comes.
        """
        return strongest_path(kernel, seeds, tag, self.reach)


def strongest_path(
    kernel: TagKernel, seeds: NDArray[np.float64], tag: int, reach: int
) -> tuple[tuple[str, float], ...]:
    """The path to a tag along which most of a seed's energy arrives: its energy times all shares.

    Args:
        kernel: Where energy goes.
        seeds: Energy at the start, shape (tags,).
        tag: Where it leads.
        reach: Steps at most.

    Returns:
        Tags and energies from the seed to the tag; empty if no energy gets there.
    """
    inward = kernel.inward
    # From the end: how much of one unit at a tag would arrive, and where it would go next.
    arriving: dict[int, float] = {tag: 1.0}
    onward: list[dict[int, int]] = []
    best = (float(seeds[tag]), 0, tag)
    for step in range(1, reach + 1):
        before: dict[int, float] = {}
        towards: dict[int, int] = {}
        for place in sorted(arriving):
            part = slice(inward.indptr[place], inward.indptr[place + 1])
            shares = zip(inward.indices[part].tolist(), inward.data[part].tolist(), strict=True)
            for source, share in shares:
                value = share * arriving[place]
                if value > before.get(source, 0.0):
                    before[source], towards[source] = value, place
        if not before:
            break
        onward.append(towards)
        arriving = before
        for place, share in before.items():
            value = float(seeds[place]) * share
            if value > best[0]:
                best = (value, step, place)
    value, steps, place = best
    if value <= 0:
        return ()
    found = [(kernel.names[place], float(seeds[place]))]
    energy = float(seeds[place])
    for step in range(steps, 0, -1):
        following = onward[step - 1][place]
        energy *= float(kernel.flow[place, following])
        place = following
        found.append((kernel.names[place], energy))
    return tuple(found)
