"""The tag lane: documents whose tags a query's energy reaches."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import Lane, State
from vcplab.memory.tags.network import TagEnergies, TagNetwork

__all__ = ["TagLane"]

_CANDIDATES = 100
# Tags that a reason names.
_NAMED = 5


@dataclasses.dataclass(frozen=True, repr=False)
class TagLane(Stage):
    """The tag lane: Σ over a document's tags of energy · φ · specificity, by its number of tags.

    φ is the weight of the tag's place, specificity its inverse document frequency to the power
    ``specificity``: rare tags count more, and every tag once, where the port prefers frequent tags
    and counts the query's own twice (facts/vcp-memory §8.1). The sum is divided by
    (number of tags)^``length`` and scaled so that the best document has the query's certainty: 1,
    or less where words or documents gave no seeds (:class:`~vcplab.memory.tags.seeds.Seeds`).

    It stands beside other lanes (``BM25() + TagLane()``), or behind one ranked list
    (``LightMemo() >> TagLane() >> Convex(weights=(0.7, 0.3))``): then the tags of the first
    documents of that list are seeds too, and it gives two lists, that one and its own.

    Attributes:
        network: Graph, seeds and spreading.
        specificity: Exponent of a tag's inverse document frequency; 0 for none.
        length: Exponent of the number of tags; 0 for no normalisation, 1 for the mean.
        candidates: Length of the list; as long as is asked for and at least 100 if None.
    """

    kind: ClassVar[StageKind] = "lane"
    network: TagNetwork = TagNetwork()  # noqa: RUF009  (an immutable value)
    specificity: float = 1.0
    length: float = 0.5
    candidates: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.network, TagNetwork):
            raise InvalidInputError(
                f"{self.network!r} is no tag network.",
                where="network",
                next_step="Give a TagNetwork(spread=…, seeds=…, kernel=…).",
            )
        if self.specificity < 0 or self.length < 0:
            raise InvalidInputError(
                f"specificity={self.specificity} and length={self.length} must not be negative.",
                where="specificity" if self.specificity < 0 else "length",
                next_step="1 and 0.5 are usual, 0 leaves them out.",
            )
        if self.candidates is not None and self.candidates < 1:
            raise InvalidInputError(
                f"candidates={self.candidates} would find nothing.",
                where="candidates",
                next_step="Give at least 1; 100 is usual.",
            )

    @property
    def lanes_in(self) -> tuple[int, int]:
        """None, or one list whose first documents give seeds."""
        return (0, 1)

    def lanes_out(self, lanes: int) -> int:
        """Its own list beside the one it was given."""
        return lanes + 1

    def prepare(self, corpus: Corpus) -> None:
        """Build the tag graph."""
        self.network.prepare(corpus)

    def apply(self, state: State, context: Context) -> Output:
        """Rank documents by the energy of their tags."""
        found = state.lanes[0].rankings if state.lanes else None
        field = self.network.energies(context.corpus, state.queries, found)
        values = self._values(field)
        depth = max(_CANDIDATES, context.depth) if self.candidates is None else self.candidates
        rows = field.documents.rows
        allowed = None
        if state.mask is not None:
            inside = rows < len(state.mask)
            allowed = inside & state.mask[np.where(inside, rows, 0)]
        rankings, scales = [], []
        for energy, certainty in zip(field.energy, field.certainty.tolist(), strict=True):
            raw = values @ energy
            best = float(raw.max(initial=0.0))
            scales.append(certainty / best if best > 0 else 0.0)
            scores = raw * scales[-1]
            keep = scores > 0 if allowed is None else (scores > 0) & allowed
            rankings.append(Ranking.of(rows[keep], scores[keep], depth))
        scorer = _TagScorer(self, field, values, tuple(scales))
        own = Lane(self.name, "share", tuple(rankings), scorer)
        notices = () if len(field.graph) else ("No document has tags: the tag lane finds nothing.",)
        return Output(lanes=(*state.lanes, own), extra_milliseconds=field.cost, notices=notices)

    def _values(self, field: TagEnergies) -> sparse.csr_array:
        """What one unit of a tag's energy is worth in each document, shape (documents, tags)."""

        def make() -> sparse.csr_array:
            values = field.documents.incidence.copy()
            values.data = values.data * field.graph.specificity[values.indices] ** self.specificity
            counts = np.diff(values.indptr)
            values.data /= np.repeat(np.maximum(counts, 1) ** self.length, counts)
            return values

        return field.documents.made(("values", self.specificity, self.length), make)

    def _describe(self) -> str:
        return f"TagLane({type(self.network.spread).__name__})"


@dataclasses.dataclass(frozen=True, slots=True)
class _TagScorer:
    stage: TagLane
    field: TagEnergies
    values: sparse.csr_array
    scales: tuple[float, ...]

    def score(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        at = np.searchsorted(self.field.documents.rows, rows)
        # values[at] @ energy by hand: taking the rows out would cost far more than the sum.
        start = self.values.indptr[at]
        counts = self.values.indptr[at + 1] - start
        own = np.repeat(np.arange(len(at)), counts)
        place = np.arange(len(own)) + np.repeat(start - np.cumsum(counts) + counts, counts)
        shares = self.values.data[place] * self.field.energy[query][self.values.indices[place]]
        raw = np.bincount(own, shares, len(at))
        return np.asarray(raw * self.scales[query], np.float64)

    def terms(self, query: int, row: int) -> tuple[tuple[str, float], ...]:
        """Tags of the document with their shares of its score, largest first."""
        at = int(np.searchsorted(self.field.documents.rows, row))
        part = slice(self.values.indptr[at], self.values.indptr[at + 1])
        tags, values = self.values.indices[part], self.values.data[part]
        shares = values * self.field.energy[query][tags] * self.scales[query]
        names = self.field.graph.names
        pairs = [
            (names[tag], float(share)) for tag, share in zip(tags, shares, strict=True) if share > 0
        ]
        return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))

    def path(self, query: int, row: int) -> tuple[tuple[str, float], ...]:
        """How energy came to the document's strongest tag: tags and energies from a seed on."""
        best = self.terms(query, row)
        if not best:
            return ()
        place = self.field.graph.places[best[0][0]]
        network, field = self.stage.network, self.field
        return network.spread.path(field.kernel, field.seeds[query], place)

    def reasons(self, query: int, row: int) -> str:
        found = self.terms(query, row)
        if not found:
            return "no energy reaches its tags"
        text = ", ".join(f"{name} {share:.3g}" for name, share in found[:_NAMED])
        if len(found) > _NAMED:
            text += f", {len(found) - _NAMED} more"
        path = self.path(query, row)
        if path:
            sources = self.field.sources[query]
            seed = self.field.graph.places[path[0][0]]
            named = [name for name in _SOURCES if seed in (sources.get(name) or {})]
            start = " and ".join(_SOURCES[name] for name in named)
            text += f"; {' → '.join(name for name, _ in path)} (from {start})"
        return text


_SOURCES = {
    "words": "the query's words",
    "ghosts": "a ghost tag",
    "vector": "the query's vector",
    "documents": "documents found first",
}
