"""Enhancing a query by related tags, before any lane sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import Query, State
from vcplab.memory.tags.network import TagEnergies, TagNetwork
from vcplab.memory.tags.spreading.epa import EPA
from vcplab.memory.tags.spreading.pyramid import ResidualPyramid
from vcplab.memory.tags.vectors import TagVectors, encoder_of, query_vectors, vector_key
from vcplab.models.embedding import default_embedder

__all__ = ["TagEnhance"]


@dataclasses.dataclass(frozen=True, repr=False)
class TagEnhance(Stage):
    """Move a query's vector towards its related tags, and ask for their names too.

    q′ = norm((1 − α)·q + α·c), c = norm(Σ energy · tag vector) (facts/vcp-memory §8.2.8); tags
    nearer to each other than ``alike`` count as one: the weaker gives ``transfer`` of its energy to
    the stronger and is left out. Where the embedder does not know the query's language its vector
    stays as it is; tags in other languages have no part in c (upstream's language penalties,
    without exceptions). The names of the strongest tags that the query did not name become extra
    terms for lexical lanes.

    Attributes:
        network: Graph, seeds and spreading; seeds from documents have none here.
        vector: α, from 0 (the vector stays) up to 1.
        terms: Weight of an extra term at full energy, ≥ 0; a word of the query has 1.
        most: Tags that take part, the strongest.
        alike: Cosine from which two tags count as one; 1 for never.
        transfer: What the weaker of two alike tags gives to the stronger.
        strength: Adapts α to the query (:class:`~vcplab.memory.tags.spreading.epa.EPA`); None for
            the same α for all.
    """

    kind: ClassVar[StageKind] = "query"
    network: TagNetwork = TagNetwork()  # noqa: RUF009  (an immutable value)
    vector: float = 0.3
    terms: float = 0.0
    most: int = 50
    alike: float = 0.88
    transfer: float = 0.2
    strength: EPA | None = None

    def __post_init__(self) -> None:
        shares = (self.vector, self.alike, self.transfer)
        if not all(0 <= share <= 1 for share in shares) or self.terms < 0 or self.most < 1:
            raise InvalidInputError(
                f"{self!r} cannot enhance a query.",
                where="vector",
                next_step="vector, alike and transfer lie from 0 to 1, terms from 0, most from 1.",
            )

    def prepare(self, corpus: Corpus) -> None:
        """Build the tag graph and encode the tags where vectors are moved."""
        self.network.prepare(corpus)
        if self.vector:
            self.network.vectors(self.network.documents(corpus))

    def apply(self, state: State, context: Context) -> Output:
        """Enhance every query."""
        field = self.network.energies(context.corpus, state.queries)
        queries = list(state.queries)
        cost = field.cost
        if self.vector and len(field.graph):
            tags = self.network.vectors(field.documents)
            vectors, known, more = query_vectors(queries, encoder_of(self.network.embedder))
            cost = cost + more
            for at in np.flatnonzero(known).tolist():
                moved = self._moved(vectors[at], field.energy[at], tags, field)
                if moved is not None:
                    queries[at] = dataclasses.replace(queries[at], embedding=moved)
        if self.terms:
            queries = [
                dataclasses.replace(query, terms=_sum(query, self._terms(field, at)))
                for at, query in enumerate(queries)
            ]
        return Output(queries=tuple(queries), extra_milliseconds=cost)

    def _strongest(self, energy: NDArray[np.float64]) -> NDArray[np.int64]:
        tags = np.flatnonzero(energy)
        return np.asarray(tags[np.lexsort((tags, -np.round(energy[tags], 12)))[: self.most]])

    def _moved(
        self,
        vector: NDArray[np.float64],
        energy: NDArray[np.float64],
        tags: TagVectors,
        field: TagEnergies,
    ) -> NDArray[np.float32] | None:
        """The moved vector, or None where no tag in a known language has energy."""
        best = self._strongest(np.where(tags.known, energy, 0.0))
        own = tags.matrix[best]
        weight = energy[best].copy()
        kept: list[int] = []
        for at in range(len(best)):
            alike = next(
                (k for k in kept if self.alike < 1 and own[k] @ own[at] > self.alike), None
            )
            if alike is None:
                kept.append(at)
            else:
                weight[alike] += self.transfer * weight[at]
        centre = weight[kept] @ own[kept] if kept else np.zeros(len(vector))
        length = float(np.linalg.norm(centre))
        if length <= 1e-12:
            return None
        share = self.vector
        if self.strength is not None:
            epa = self.strength
            basis = field.documents.made(
                ("epa", epa.fingerprint, vector_key(encoder_of(self.network.embedder))),
                lambda: epa.basis(tags),
            )
            share = epa.strength(
                share, basis.signals(vector), ResidualPyramid().taken_apart(vector, tags)
            )
        moved = (1 - share) * vector + share * centre / length
        length = float(np.linalg.norm(moved))
        return None if length <= 1e-12 else (moved / length).astype(np.float32)

    def _terms(self, field: TagEnergies, at: int) -> Mapping[str, float]:
        analyzer = self.network.used_analyzer()
        energy = np.where(field.seeds[at] > 0, 0.0, field.energy[at])
        best = self._strongest(energy)
        out: dict[str, float] = {}
        if not len(best):
            return out
        top = float(field.energy[at].max()) / float(field.certainty[at])
        for tag in best.tolist():
            words = list(dict.fromkeys(analyzer.analyze_query(field.graph.names[tag])))
            for word in words:
                weight = self.terms * float(energy[tag]) / top / len(words)
                out[word] = max(out.get(word, 0.0), weight)
        return out

    def _describe(self) -> str:
        return f"TagEnhance({type(self.network.spread).__name__})"

    def _content(self) -> dict[str, Any]:
        embedder = self.network.embedder or default_embedder()
        languages = getattr(embedder, "languages", None)
        return {
            **self._children(),
            "embedder": [embedder.fingerprint, None if languages is None else sorted(languages)],
        }


def _sum(query: Query, terms: Mapping[str, float]) -> dict[str, float]:
    return {t: query.terms.get(t, 0.0) + terms.get(t, 0.0) for t in {**query.terms, **terms}}
