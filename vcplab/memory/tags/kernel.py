"""From a tag graph to the matrix that energy flows over: gains, hubs, wormholes, synonyms."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.tags.graph import TagGraph

__all__ = ["EdgeWeight", "Kernel", "TagKernel"]

EdgeWeight = Literal["ordered", "npmi", "count"]


@dataclasses.dataclass(frozen=True, eq=False)
class TagKernel:
    """Where the energy of a tag goes.

    Attributes:
        names: The tags, sorted.
        flow: Share of a tag's energy that each neighbour gets: rows sum to at most 1; float64 CSR.
        wormhole: Which entries of ``flow`` are wormholes, bool, shape (nnz,).
        inflow: Weight that points at each tag before any penalty, shape (tags,).
    """

    names: tuple[str, ...]
    flow: sparse.csr_array
    wormhole: NDArray[np.bool_]
    inflow: NDArray[np.float64]
    _pruned: dict[int, tuple[sparse.csr_array, NDArray[np.bool_]]] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    @cached_property
    def inward(self) -> sparse.csr_array:
        """The transpose of ``flow``: what each tag gets, row by row; float64 CSR."""
        return sparse.csr_array(self.flow.T)

    @cached_property
    def loss(self) -> float:
        """1 − the largest share of its energy that a tag passes on."""
        sums = self.flow.sum(axis=1)
        return 1.0 - float(sums.max(initial=0.0))

    def strongest(self, most: int) -> tuple[sparse.csr_array, NDArray[np.bool_]]:
        """The strongest ``most`` edges of each tag, ties by place, and which are wormholes."""
        if most not in self._pruned:
            self._pruned[most] = self._cut(most)
        return self._pruned[most]

    def _cut(self, most: int) -> tuple[sparse.csr_array, NDArray[np.bool_]]:
        flow = self.flow
        many = np.diff(flow.indptr)
        if many.max(initial=0) <= most:
            return flow, self.wormhole
        row = np.repeat(np.arange(len(self)), many)
        # Rounded, so that equal shares are equal whatever made them.
        order = np.lexsort((flow.indices, -np.round(flow.data, 12), row))
        within = np.arange(len(row)) - np.repeat(flow.indptr[:-1], many)
        keep = np.sort(order[within < most])
        indptr = np.concatenate([[0], np.cumsum(np.minimum(many, most))])
        cut = sparse.csr_array((flow.data[keep], flow.indices[keep], indptr), shape=flow.shape)
        return cut, self.wormhole[keep]

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return (
            f"TagKernel({len(self):,} tags, {self.flow.nnz:,} edges, "
            f"{int(self.wormhole.sum()):,} wormholes)"
        )


@dataclasses.dataclass(frozen=True, repr=False)
class Kernel(Configurable):
    """How edges of the tag graph become flow (facts/vcp-memory §8.2.5 and §8.2.6).

    The weight of an edge i → j is its evidence e (below), × ``wormhole_gain`` where e reaches
    ``wormhole``, × the hub penalty clamp((inflow_j/(1.1·median))^(−``hub``), ``hub_floor``,
    ``hub_ceiling``). Rows are then scaled to the sum ``mass``: what is missing to 1 leaks at every
    step, so energy fades with distance.

    * ``ordered``: e = ln(1 + w), w = forward sum + ``reverse`` · backward sum of
      :class:`~vcplab.memory.tags.graph.TagOrder`'s weights;
    * ``npmi``: e = :meth:`~vcplab.memory.tags.graph.TagGraph.npmi` with ``shrinkage``;
    * ``count``: e = ln(1 + documents with both).

    Attributes:
        weight: Which evidence.
        reverse: Share of an edge that also leads back, from the later tag to the earlier.
        shrinkage: Documents of doubt of ``npmi``.
        hub: Exponent of the penalty on tags that everything points at; 0 for none.
        hub_floor: Least factor of the penalty.
        hub_ceiling: Largest factor, for tags that little points at.
        hub_smoothing: Share of the median inflow that is added to it.
        wormhole: Evidence from which an edge is a wormhole; None for no wormholes.
        wormhole_gain: What its weight is multiplied with.
        mass: Sum of a row, above 0 and up to 1.
    """

    weight: EdgeWeight = "ordered"
    reverse: float = 0.35
    shrinkage: float = 1.0
    hub: float = 0.3
    hub_floor: float = 0.55
    hub_ceiling: float = 1.8
    hub_smoothing: float = 0.1
    wormhole: float | None = 1.0
    wormhole_gain: float = 1.35
    mass: float = 0.95

    def __post_init__(self) -> None:
        if self.weight not in get_args(EdgeWeight):
            raise InvalidInputError(
                f"There is no edge weight {self.weight!r}.",
                where="weight",
                next_step=f"Use {', '.join(get_args(EdgeWeight))}.",
            )
        ranges = {
            "reverse": 0 <= self.reverse <= 1,
            "shrinkage": self.shrinkage >= 0,
            "hub": self.hub >= 0,
            "hub_floor": 0 < self.hub_floor <= self.hub_ceiling,
            "hub_smoothing": self.hub_smoothing >= 0,
            "wormhole": self.wormhole is None or self.wormhole > 0,
            "wormhole_gain": self.wormhole_gain >= 1,
            "mass": 0 < self.mass <= 1,
        }
        for name, fits in ranges.items():
            if not fits:
                raise InvalidInputError(
                    f"{name}={getattr(self, name)!r} makes no kernel.",
                    where=name,
                    next_step="See the docstring of Kernel for what each parameter may be.",
                )

    def of(self, graph: TagGraph, synonyms: sparse.csr_array | None = None) -> TagKernel:
        """The kernel of a graph.

        Args:
            graph: The tag graph.
            synonyms: Weights of further edges between tags that mean the same, in units of the
                largest evidence of the graph (:class:`~vcplab.memory.tags.synonyms.Synonyms`).
        """
        weight = self._evidence(graph)
        if synonyms is not None and synonyms.nnz:
            top = float(weight.data.max()) if weight.nnz else 1.0
            weight = sparse.csr_array(weight.maximum(synonyms * top))
            weight.sort_indices()
        data = weight.data
        wormhole = np.zeros(len(data), np.bool_) if self.wormhole is None else data >= self.wormhole
        data = np.where(wormhole, data * self.wormhole_gain, data)
        inflow = np.bincount(weight.indices, data, len(graph)).astype(np.float64)
        data = data * self._penalty(inflow)[weight.indices]
        rows = np.repeat(np.arange(len(graph)), np.diff(weight.indptr))
        total = np.bincount(rows, data, len(graph))
        flow = sparse.csr_array(
            (self.mass * data / total[rows], weight.indices, weight.indptr), shape=weight.shape
        )
        return TagKernel(graph.names, flow, wormhole, inflow)

    def _evidence(self, graph: TagGraph) -> sparse.csr_array:
        if self.weight == "npmi":
            return graph.npmi(self.shrinkage)
        if self.weight == "count":
            weight = graph.together.copy()
        else:
            weight = sparse.csr_array(graph.ordered + self.reverse * graph.ordered.T)
            weight.eliminate_zeros()
            weight.sort_indices()
        weight.data = np.log1p(weight.data)
        return weight

    def _penalty(self, inflow: NDArray[np.float64]) -> NDArray[np.float64]:
        reached = inflow[inflow > 0]
        if self.hub == 0 or not len(reached):
            return np.ones(len(inflow))
        usual = float(np.median(reached))
        smooth = inflow + self.hub_smoothing * usual
        ratio = np.maximum(smooth, 1e-300) / ((1 + self.hub_smoothing) * usual)
        return np.clip(ratio**-self.hub, self.hub_floor, self.hub_ceiling)
