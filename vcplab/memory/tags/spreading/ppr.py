"""Personalised PageRank: the core of River's topology fields (facts/vcp-memory §8.3)."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.tags.kernel import TagKernel
from vcplab.memory.tags.spreading.base import Spread

__all__ = ["PageRank"]

# Steps that a path of an explanation may have: beyond them little arrives.
_REACH = 4


@dataclasses.dataclass(frozen=True, repr=False)
class PageRank(Spread):
    """The fixed point u = (1 − ``walk``)·s + ``walk``·Pᵀu, by the power series of it.

    s are the seeds, P the kernel: the place of a walker who goes on with probability ``walk`` at
    each step and else starts again from the seeds. River uses .15 for its local and .55 for its
    transfer field; HippoRAG .5. The number of steps depends on ``walk``, ``tolerance`` and the
    kernel alone, so that a query's energies do not depend on its neighbours in a batch.

    Attributes:
        walk: Probability of going on, 0 to below 1.
        tolerance: Largest share of all energy that the steps left out could still bring.
        limit: Steps at most.
    """

    walk: float = 0.85
    tolerance: float = 1e-4
    limit: int = 200

    def __post_init__(self) -> None:
        if not 0 <= self.walk < 1 or not 0 < self.tolerance < 1 or self.limit < 1:
            raise InvalidInputError(
                f"{self!r} has no fixed point that could be reached.",
                where="spread",
                next_step="walk lies from 0 to below 1, tolerance between 0 and 1, limit from 1.",
            )

    @property
    def reach(self) -> int:
        """Steps of a path that is shown."""
        return _REACH if self.walk else 0

    def steps(self, kernel: TagKernel) -> int:
        """How many steps are taken on a kernel."""
        # No tag passes on more than 1 - loss, so each step moves at most this share of the last.
        share = self.walk * (1 - kernel.loss)
        if share <= 0:
            return 0 if self.walk == 0 else 1
        return min(self.limit, max(1, math.ceil(math.log(self.tolerance) / math.log(share))))

    def spread(self, kernel: TagKernel, seeds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Walk from every query's seeds."""
        start = (1 - self.walk) * np.asarray(seeds, np.float64)
        steps = self.steps(kernel)
        if not steps or not start.size:
            return start
        inward = kernel.inward * self.walk
        if len(start) == 1:
            # One query: vectors are quicker than matrices of one column, and seeds are few.
            tags = np.flatnonzero(start[0])
            energy, own = start[0], start[0][tags]
            for _ in range(steps):
                energy = np.asarray(inward @ energy)
                energy[tags] += own
            return np.asarray(energy[None, :])
        first = np.ascontiguousarray(start.T)
        wave = first
        for _ in range(steps):
            wave = inward @ wave
            wave += first
        return np.ascontiguousarray(wave.T)
