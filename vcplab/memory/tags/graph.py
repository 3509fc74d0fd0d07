"""The tag graph: which tags occur together, in which order, how often.

Sums are kept as whole numbers (a weight is counted in units of 2^-32), so that they do not depend
on the order in which documents came and went: a graph that was changed step by step is bit for bit
the graph that is built at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.configurable import Configurable

__all__ = ["UNIT", "TagGraph", "TagOrder"]

# One unit of the whole numbers that weights are summed in.
UNIT = 2.0**-32


@dataclasses.dataclass(frozen=True, repr=False)
class TagOrder(Configurable):
    """How much a pair of tags of one document weighs, by their places (facts/vcp-memory §8.2.5).

    The tag at place ``i`` of ``n`` has the weight φ = ``first`` − (``first`` − ``last``)·i/(n−1); a
    pair weighs φᵢ·φⱼ·e^(−``gap``·(j−i−1)), from the earlier tag to the later one.

    Attributes:
        first: φ of the first tag, above 0.
        last: φ of the last tag, above 0.
        gap: Loss per tag between the two (upstream's ``distanceDecay``).
        limit: A document with more tags than this joins none of them: a list, not a diary's tags.
    """

    first: float = 0.9
    last: float = 0.5
    gap: float = 0.08
    limit: int = 100

    def __post_init__(self) -> None:
        if not (0 < self.first <= 1 and 0 < self.last <= 1 and self.gap >= 0 and self.limit >= 1):
            raise InvalidInputError(
                f"{self!r} does not weigh pairs of tags.",
                where="order",
                next_step="first and last lie above 0 and up to 1, gap from 0, limit from 1.",
            )

    def places(self, count: int) -> NDArray[np.float64]:
        """φ of every place among ``count`` tags."""
        if count < 2:
            return np.full(count, self.first)
        return self.first - (self.first - self.last) * np.arange(count) / (count - 1)

    def pairs(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Places of the earlier and the later tag of every pair, and its weight in units."""
        if count > self.limit:
            nothing = np.empty(0, np.int64)
            return nothing, nothing, nothing
        earlier, later = np.triu_indices(count, 1)
        phi = self.places(count)
        weight = phi[earlier] * phi[later] * np.exp(-self.gap * (later - earlier - 1))
        return earlier, later, np.rint(weight / UNIT).astype(np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class TagGraph:
    """Tags that occur together: a value; :class:`~vcplab.memory.tags.store.TagDocuments` makes it.

    Attributes:
        names: The tags, sorted.
        documents: Number of documents, tagged or not.
        frequency: In how many documents a tag occurs, int64, shape (tags,).
        ordered: Sum of the weights of pairs, from the earlier tag to the later one; float64 CSR.
        together: In how many documents two tags occur together; float64 CSR, symmetric.
    """

    names: tuple[str, ...]
    documents: int
    frequency: NDArray[np.int64]
    ordered: sparse.csr_array
    together: sparse.csr_array

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        edges = self.together.nnz // 2
        return f"TagGraph({len(self):,} tags, {edges:,} edges, {self.documents:,} documents)"

    @cached_property
    def places(self) -> dict[str, int]:
        """Tag → its number."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def specificity(self) -> NDArray[np.float64]:
        """Inverse document frequency ln(1 + (N − f + ½)/(f + ½)), shape (tags,): above 0."""
        f = self.frequency.astype(np.float64)
        return np.log1p(np.maximum(0.0, self.documents - f + 0.5) / (f + 0.5))

    def npmi(self, shrinkage: float = 1.0) -> sparse.csr_array:
        """How much more often two tags meet than chance would have it, from 0 to 1; CSR, symmetric.

        (1 + NPMI)/2 · c/(c + ``shrinkage``), where c counts the documents with both: what was seen
        once is believed by half. Tags that are in every document have NPMI 1, its limit, where the
        formula is 0/0 (facts/vcp-memory §8.1).

        Args:
            shrinkage: Documents of doubt, ≥ 0.
        """
        edges = self.together.tocoo()
        first, second = edges.coords
        both = edges.data
        # Pairs exist only where documents do, so N ≥ 1 and both ≥ 1.
        log_both = np.log(both / self.documents)
        log_chance = np.log(self.frequency[first] / self.documents) + np.log(
            self.frequency[second] / self.documents
        )
        always = log_both >= 0
        with np.errstate(divide="ignore", invalid="ignore"):
            npmi = np.where(always, 1.0, (log_both - log_chance) / -log_both)
        weight = (1 + np.clip(npmi, -1, 1)) / 2 * both / (both + shrinkage)
        return as_csr(first, second, weight, len(self))

    def neighbours(self, tag: str, most: int = 10) -> list[tuple[str, int]]:
        """The tags that occur most often together with a tag, and in how many documents."""
        place = self.places.get(tag)
        if place is None:
            return []
        row = slice(self.together.indptr[place], self.together.indptr[place + 1])
        found = zip(self.together.indices[row], self.together.data[row], strict=True)
        best = sorted(found, key=lambda pair: (-pair[1], pair[0]))[:most]
        return [(self.names[other], int(count)) for other, count in best]


def as_csr(
    rows: Sequence[int] | NDArray[np.int64],
    columns: Sequence[int] | NDArray[np.int64],
    values: NDArray[np.float64],
    size: int,
) -> sparse.csr_array:
    """A square matrix from its entries, with sorted indices and without zeros."""
    matrix = sparse.csr_array((values, (rows, columns)), shape=(size, size))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix
