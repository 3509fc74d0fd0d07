"""No spreading: the ablation's zero point."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.tags.kernel import TagKernel
from vcplab.memory.tags.spreading.base import Spread

__all__ = ["NoSpread"]


@dataclasses.dataclass(frozen=True, repr=False)
class NoSpread(Spread):
    """Energy stays where it is: documents are found by the query's own tags alone."""

    @property
    def reach(self) -> int:
        """No steps."""
        return 0

    def spread(self, kernel: TagKernel, seeds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The seeds as they are."""
        return np.array(seeds, np.float64)
