"""Reranking by the potential field of a query's tags."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.index.derived import DenseDocuments, dense_documents
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import State
from vcplab.memory.tags.network import TagEnergies, TagNetwork
from vcplab.memory.tags.potential import Chain, Passage, Settings, passage, potentials
from vcplab.memory.tags.vectors import TagVectors
from vcplab.models.embedding import default_embedder

__all__ = ["TagField"]


@dataclasses.dataclass(frozen=True, repr=False)
class TagField(Stage):
    """Raise documents whose chain of tags lies high in the potential field of the query's energy.

    score + top score · certainty · bonus (facts/vcp-memory §8.2.9, upstream's ``+`` and
    ``geodesicRerank``).
    bonus = min(cap, ``alpha`` · confidence · [(geometry − ``floor``)/(``saturation`` −
    ``floor``)]₀¹); the cap is ``direct`` where the query names a tag of the chain or two of its
    contacts are strong, ``structural`` where the way along the chain holds together
    (``continuity``), ``thematic`` for the rest. Bonuses are in units of the list's top score, as
    upstream's are of a cosine.

    With ``vectors`` tags near to a node of the field share its potential, and a tag is close to a
    document by cosine. Where vectors say nothing (a language the embedder does not know), a tag has
    its own energy alone and is close to a document as far as the text has its name.

    Attributes:
        network: Graph, seeds and spreading; the documents of the list give seeds too.
        k: How many candidates are reranked; the others follow as they were.
        alpha: Weight of the field.
        mass: Share of the energy that the nodes of the field hold (``fieldEnergyMassRatio``).
        nodes: Nodes at most (``maxFieldNodes``).
        similarity: Cosine from which a tag feels a node (``fieldSimilarityThreshold``).
        exponent: Of that rise (``fieldKernelExponent``).
        neighbours: Nodes a tag can feel (``maxFieldNeighbors``).
        weak: Potential of a contact (``weakContactThreshold``).
        strong: Potential of a strong one (``strongContactThreshold``).
        position: Loss of mass per place (``candidatePositionDecay``).
        hub_floor: Least specificity of a public hub (``publicHubFloor``).
        closure: Cosine below which a tag is far from its text (``minClosureSimilarity``).
        floor: Geometry without a bonus (``geoRewardFloor``).
        saturation: Geometry with the full bonus (``geoRewardSaturation``).
        direct: Cap (``directBonusCap``).
        structural: Cap (``structuralBonusCap``).
        thematic: Cap (``thematicBonusCap``).
        continuity: Least continuity of structure (``structuralContinuityMin``).
        peak: Least largest potential of a theme (``thematicMinPotential``).
        isolated: Most isolation of a theme (``thematicMaxIsolatedRatio``).
        vectors: Whether cosines take part.
        fields: Which fields of a document its vector is made of.
    """

    kind: ClassVar[StageKind] = "ranking"
    network: TagNetwork = TagNetwork()  # noqa: RUF009  (an immutable value)
    k: int = 50
    alpha: float = 0.6
    mass: float = 0.95
    nodes: int = 48
    similarity: float = 0.5
    exponent: float = 2.0
    neighbours: int = 4
    weak: float = 0.04
    strong: float = 0.14
    position: float = 0.035
    hub_floor: float = 0.35
    closure: float = 0.2
    floor: float = 0.015
    saturation: float = 0.25
    direct: float = 0.18
    structural: float = 0.10
    thematic: float = 0.035
    continuity: float = 0.08
    peak: float = 0.08
    isolated: float = 0.65
    vectors: bool = False
    fields: tuple[str, ...] = ("text", "tags")

    def __post_init__(self) -> None:
        counts = min(self.k, self.nodes, self.neighbours) >= 1
        shares = ("mass", "weak", "strong", "hub_floor", "direct", "structural", "thematic")
        wrong = [name for name in shares if not 0 <= getattr(self, name) <= 1]
        below = 0 <= self.similarity < 1 and 0 <= self.closure < 1 and self.alpha >= 0
        if wrong or not counts or not below or not self.floor < self.saturation:
            raise InvalidInputError(
                f"{self!r} has no field.",
                where=wrong[0] if wrong else "field",
                next_step="Shares lie from 0 to 1, counts from 1, floor below saturation.",
            )

    def prepare(self, corpus: Corpus) -> None:
        """Build the tag graph, and encode tags and documents where cosines take part."""
        self.network.prepare(corpus)
        if self.vectors:
            self.network.vectors(self.network.documents(corpus))
            dense_documents(corpus, self.network.embedder, self.fields)

    def apply(self, state: State, context: Context) -> Output:
        """Rerank every list."""
        (lane,) = state.lanes
        field = self.network.energies(context.corpus, state.queries, lane.rankings)
        rankings = []
        for query, ranking in enumerate(lane.rankings):
            head = ranking.head(self.k)
            if not len(head) or head.scores[0] <= 0:
                rankings.append(ranking)
                continue
            documents = context.corpus.documents(head.rows.tolist())
            passages = self._passages(context.corpus, field, query, head.rows, documents)
            top = float(head.scores[0]) * float(field.certainty[query])
            bonus = top * np.array([self.bonus(p) for p in passages])
            raised = Ranking.of(head.rows, head.scores + bonus)
            rest = slice(len(head), None)
            rankings.append(
                Ranking(
                    np.concatenate([raised.rows, ranking.rows[rest]]),
                    np.concatenate([raised.scores, ranking.scores[rest]]),
                )
            )
        out = dataclasses.replace(
            lane, name=self.name, scale="fused", rankings=tuple(rankings), scorer=None
        )
        return Output(lanes=(out,), extra_milliseconds=field.cost)

    def bonus(self, found: Passage | None) -> float:
        """The bonus of a chain, from 0 to its cap."""
        if found is None:
            return 0.0
        if found.exact or found.strong >= 2:
            cap = self.direct
        elif found.continuity >= self.continuity:
            cap = self.structural
        elif found.peak >= self.peak and found.isolated <= self.isolated:
            cap = self.thematic
        else:
            return 0.0
        rise = (found.geometry - self.floor) / (self.saturation - self.floor)
        return min(cap, self.alpha * found.confidence * min(1.0, max(0.0, rise)))

    def shares(
        self, before: State, context: Context, query: int, row: int
    ) -> tuple[tuple[str, float, str], ...]:
        """The score it was given and the bonus, as the score's two parts."""
        (lane,) = before.lanes
        ranking = lane.rankings[query]
        at = np.flatnonzero(ranking.rows == row)
        if not len(at):
            return ()
        score = float(ranking.scores[at[0]])
        first = (lane.name, score, "")
        if at[0] >= self.k or ranking.scores[0] <= 0:
            return (first, ("field", 0.0, "not among the candidates that are reranked"))
        field = self.network.energies(context.corpus, before.queries, lane.rankings)
        documents = context.corpus.documents([row])
        (found,) = self._passages(context.corpus, field, query, np.array([row]), documents)
        bonus = float(ranking.scores[0]) * float(field.certainty[query]) * self.bonus(found)
        if found is None:
            return (first, ("field", 0.0, "no tag in contact with the field"))
        told = (
            f"confidence {found.confidence:.2f}, geometry {found.geometry:.2f}, "
            f"{found.strong} strong and {found.exact} named tags"
        )
        return (first, ("field", bonus, told))

    def _passages(
        self,
        corpus: Corpus,
        field: TagEnergies,
        query: int,
        rows: NDArray[np.int64],
        documents: list[Document],
    ) -> list[Passage | None]:
        energy = field.energy[query]
        top = float(energy.max(initial=0.0))
        if top <= 0:
            return [None] * len(documents)
        nodes = self._nodes(energy)
        specificity = self._specificity(field)
        named = field.sources[query].get("words") or {}
        tags = self.network.vectors(field.documents) if self.vectors else None
        dense = dense_documents(corpus, self.network.embedder, self.fields) if tags else None
        out: list[Passage | None] = []
        settings = self._settings()
        for row, document in zip(rows.tolist(), documents, strict=True):
            chain = field.documents.tags(row)
            if not len(chain):
                out.append(None)
                continue
            cosines = None if tags is None else _cosines(tags, chain, nodes)
            u = potentials(chain, nodes, energy / top, cosines, specificity, settings)
            covered, between = self._fixed(field, chain, row, document)
            made = Chain(
                potential=u,
                closure=self._closure(covered, chain, row, tags, dense),
                specificity=specificity[chain],
                exact=np.array([tag in named for tag in chain.tolist()], np.bool_),
                angle=_angles(tags, chain),
                flow=between,
            )
            out.append(passage(made, settings))
        return out

    def _nodes(self, energy: NDArray[np.float64]) -> NDArray[np.int64]:
        """The strongest tags that together hold ``mass`` of the energy."""
        tags = np.flatnonzero(energy)
        order = tags[np.lexsort((tags, -np.round(energy[tags], 12)))]
        held = np.cumsum(energy[order]) / energy.sum()
        count = int(np.searchsorted(held, self.mass - 1e-12)) + 1
        return np.asarray(np.sort(order[: min(count, self.nodes)]))

    def _specificity(self, field: TagEnergies) -> NDArray[np.float64]:
        """What is not a public hub: 1 − √(inflow/largest), at least ``hub_floor``."""
        inflow = field.kernel.inflow
        share = inflow / max(float(inflow.max(initial=0.0)), 1e-300)
        return np.asarray(np.maximum(self.hub_floor, 1 - np.sqrt(share)))

    def _fixed(
        self, field: TagEnergies, chain: NDArray[np.int64], row: int, document: Document
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What no query changes: shares of the tags' names in the text, flows between neighbours.

        Kept until documents change.
        """
        network, documents = self.network, field.documents
        key = ("chains", network.kernel_key(), network.used_analyzer().fingerprint)
        kept: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]
        kept = documents.made(key, dict)
        if row not in kept:
            covered = network.tag_terms(documents).covered(document.text)
            flow = field.kernel.flow
            pairs = zip(chain[:-1].tolist(), chain[1:].tolist(), strict=True)
            between = [max(float(flow[a, b]), float(flow[b, a])) for a, b in pairs]
            kept[row] = (
                np.array([covered.get(tag, 0.0) for tag in chain.tolist()], np.float64),
                np.array(between, np.float64),
            )
        return kept[row]

    def _closure(
        self,
        covered: NDArray[np.float64],
        chain: NDArray[np.int64],
        row: int,
        tags: TagVectors | None,
        dense: DenseDocuments | None,
    ) -> NDArray[np.float64]:
        out = covered
        if tags is not None and dense is not None:
            vector = dense.index.vectors(np.array([row]))[0].astype(np.float64)
            cosines = tags.matrix[chain] @ vector
            near = np.clip((cosines - self.closure) / (1 - self.closure), 0, 1)
            out = np.where(tags.known[chain], np.maximum(near, out), out)
        return np.asarray(np.clip(out, 0.0, 1.0))

    def _settings(self) -> Settings:
        return Settings(
            self.similarity,
            self.exponent,
            self.neighbours,
            self.weak,
            self.strong,
            self.position,
            self.closure,
        )

    def _describe(self) -> str:
        return f"TagField({type(self.network.spread).__name__})"

    def _content(self) -> dict[str, Any]:
        if not self.vectors:
            return self._children()
        embedder = self.network.embedder or default_embedder()
        languages = getattr(embedder, "languages", None)
        named = [embedder.fingerprint, None if languages is None else sorted(languages)]
        return {**self._children(), "embedder": named}


def _cosines(
    tags: TagVectors, chain: NDArray[np.int64], nodes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cosines between tags, NaN where one has no vector."""
    cosines = tags.matrix[chain] @ tags.matrix[nodes].T
    return np.where(tags.known[chain][:, None] & tags.known[nodes][None, :], cosines, np.nan)


def _angles(tags: TagVectors | None, chain: NDArray[np.int64]) -> NDArray[np.float64]:
    """Angles between neighbours in units of π; a right angle where one has no vector."""
    out = np.full(max(0, len(chain) - 1), 0.5)
    if tags is not None:
        own = tags.matrix[chain]
        cosines = np.clip((own[:-1] * own[1:]).sum(axis=1), -1, 1)
        known = tags.known[chain]
        out = np.where(known[:-1] & known[1:], np.arccos(cosines) / np.pi, out)
    return out
