"""Tags that mean the same: further edges of the kernel."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import numpy as np
from scipy import sparse

from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.tags.graph import TagGraph, as_csr
from vcplab.memory.tags.vectors import TagVectors

__all__ = ["Synonyms"]

_BLOCK = 1024


@dataclasses.dataclass(frozen=True, repr=False)
class Synonyms(Configurable):
    """Edges between tags that mean the same: the same letters in another case, or near vectors.

    Upstream joins tags at cosine .88 and moves a fifth of the weight (facts/vcp-memory §8.2.8);
    here they stay apart and energy flows between them.

    Attributes:
        weight: Weight of an edge at cosine 1, in units of the graph's strongest evidence.
        cosine: Least cosine; None for spelling alone, which needs no embedder.
        most: Edges per tag at most, the nearest.
    """

    weight: float = 0.5
    cosine: float | None = 0.88
    most: int = 5

    def __post_init__(self) -> None:
        if (
            not self.weight > 0
            or self.most < 1
            or not (self.cosine is None or 0 < self.cosine <= 1)
        ):
            raise InvalidInputError(
                f"{self!r} joins nothing.",
                where="synonyms",
                next_step="weight above 0, most from 1, cosine above 0 and up to 1 (or None).",
            )

    def edges(self, graph: TagGraph, vectors: TagVectors | None) -> sparse.csr_array:
        """The weights, symmetric, without a diagonal; CSR.

        Args:
            graph: The tags.
            vectors: Their vectors; None for spelling alone.
        """
        found: dict[tuple[int, int], float] = {}
        spelled: defaultdict[str, list[int]] = defaultdict(list)
        for place, name in enumerate(graph.names):
            spelled[name.casefold()].append(place)
        for alike in spelled.values():
            for first in alike:
                for second in alike:
                    if first != second:
                        found[first, second] = 1.0
        if vectors is not None and self.cosine is not None:
            self._near(vectors, found, self.cosine)
        rows = np.array([pair[0] for pair in found], np.int64)
        columns = np.array([pair[1] for pair in found], np.int64)
        values = self.weight * np.array(list(found.values()), np.float64)
        return as_csr(rows, columns, values, len(graph))

    def _near(self, vectors: TagVectors, found: dict[tuple[int, int], float], least: float) -> None:
        places = np.flatnonzero(vectors.known)
        known = vectors.matrix[places]
        for start in range(0, len(places), _BLOCK):
            cosines = np.round(known[start : start + _BLOCK] @ known.T, 9)
            cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = -1
            for own, other in zip(*np.nonzero(self._kept(cosines, least)), strict=True):
                value = float(min(1.0, cosines[own, other]))
                first, second = int(places[start + own]), int(places[other])
                for pair in ((first, second), (second, first)):
                    found[pair] = max(found.get(pair, 0.0), value)

    def _kept(self, cosines: np.ndarray, least: float) -> np.ndarray:
        """The nearest few of each row above the least cosine."""
        enough = cosines >= least
        for row in np.flatnonzero(enough.sum(axis=1) > self.most).tolist():
            order = np.lexsort((np.arange(cosines.shape[1]), -cosines[row]))
            enough[row, order[self.most :]] = False
        return np.asarray(enough)
