"""Seeds: where energy starts, from a query's words, its vector, ghost tags and documents found."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.tags.graph import TagGraph
from vcplab.memory.tags.sources import normal_tag
from vcplab.memory.tags.spreading.pyramid import NearestTags, ResidualPyramid
from vcplab.text.analysis import Analyzer

__all__ = ["GhostTag", "SeedSources", "Seeds", "TagTerms", "ghost_tags"]

_GHOST: Final = re.compile(r"\[@(!?)([^\[\]@\n]{1,80})\]")

# Source (words, vector, ghosts, documents) → tag → weight, each source summing to 1.
SeedSources = Mapping[str, Mapping[int, float]]


@dataclasses.dataclass(frozen=True, slots=True)
class GhostTag:
    """A tag that a text names by hand: ``[@tag]``, or ``[@!tag]`` for a core one.

    Attributes:
        name: The tag.
        core: Whether it was marked with ``!``.
    """

    name: str
    core: bool


def ghost_tags(text: str) -> list[GhostTag]:
    """The ghost tags of a text, in order."""
    found = [GhostTag(normal_tag(name), bool(mark)) for mark, name in _GHOST.findall(text)]
    return [tag for tag in found if tag.name]


class TagTerms:
    """The terms of the tags' names, and what share of a name a text covers.

    Args:
        graph: The tags.
        analyzer: Name to terms.
    """

    def __init__(self, graph: TagGraph, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        own = [sorted(set(analyzer.analyze_query(name))) for name in graph.names]
        vocabulary: dict[str, int] = {}
        columns = [vocabulary.setdefault(t, len(vocabulary)) for terms in own for t in terms]
        indptr = np.concatenate([[0], np.cumsum([len(terms) for terms in own])]).astype(int)
        shape = (len(own), len(vocabulary))
        has = sparse.csr_array((np.ones(len(columns)), columns, indptr), shape=shape)
        count = np.bincount(columns, minlength=len(vocabulary)) if columns else np.empty(0)
        # A word of many tags' names says less about which is meant.
        weight = np.log1p(len(own) / np.maximum(count, 1))
        whole = has @ weight
        scale = sparse.diags_array(1 / np.where(whole > 0, whole, 1))
        self._vocabulary = vocabulary
        self._shares = sparse.csc_array(scale @ has @ sparse.diags_array(weight))

    def covered(self, text: str) -> dict[int, float]:
        """Tag → share of its name (weighted by rarity) that occurs in a text, above 0, up to 1."""
        terms = set(self._analyzer.analyze_query(text))
        known = sorted(self._vocabulary[term] for term in terms if term in self._vocabulary)
        out: dict[int, float] = {}
        shares = self._shares
        for term in known:
            part = slice(shares.indptr[term], shares.indptr[term + 1])
            pairs = zip(shares.indices[part].tolist(), shares.data[part].tolist(), strict=True)
            for tag, share in pairs:
                out[tag] = out.get(tag, 0.0) + share
        return out


@dataclasses.dataclass(frozen=True, repr=False)
class Seeds(Configurable):
    """From where energy starts.

    Every source is scaled to 1 and weighted. A source that finds nothing takes its weight with it
    (``cautious``): where a query's words name no tag, what the documents found first say about it
    counts by their weight alone, and the energies of the query sum to less than 1.

    Attributes:
        words: Weight of tags whose names occur in the query.
        cover: Least share of a name that must occur, above 0 and up to 1.
        documents: Weight of the tags of the documents that the base found first.
        feedback: How many of those documents.
        vector: Weight of tags near the query's vector.
        nearest: How those are found: :class:`NearestTags` or :class:`ResidualPyramid`.
        ghost: Weight of ghost tags; a core one (``[@!tag]``) counts ``core`` times.
        core: See there.
        specificity: Exponent of a tag's inverse document frequency in words and documents: rare
            tags say more (the port has it the other way round).
        cautious: See above; False leaves the weight to the other sources. A source that could not
            be asked (no ghost tags, a language without vectors, no base) never counts as missing.
    """

    words: float = 1.0
    cover: float = 0.5
    documents: float = 0.6
    feedback: int = 3
    vector: float = 0.0
    nearest: NearestTags | ResidualPyramid = NearestTags()  # noqa: RUF009  (an immutable value)
    ghost: float = 1.0
    core: float = 1.33
    specificity: float = 1.0
    cautious: bool = True

    def __post_init__(self) -> None:
        weights = (self.words, self.documents, self.vector, self.ghost)
        if min(weights) < 0 or not sum(weights) > 0 or self.feedback < 1:
            raise InvalidInputError(
                f"{self!r} starts nowhere.",
                where="seeds",
                next_step="Weights must be ≥ 0 and one above 0; feedback counts documents from 1.",
            )
        if not 0 < self.cover <= 1 or self.core <= 0 or self.specificity < 0:
            raise InvalidInputError(
                f"{self!r} cannot be used.",
                where="seeds",
                next_step="cover lies above 0 and up to 1, core above 0, specificity from 0.",
            )

    def from_words(self, text: str, terms: TagTerms, graph: TagGraph) -> dict[int, float]:
        """Tags whose names occur in a text, by covered share and specificity."""
        covered = terms.covered(text)
        return {
            tag: share * float(graph.specificity[tag]) ** self.specificity
            for tag, share in covered.items()
            if share >= self.cover - 1e-12
        }

    def from_ghosts(self, text: str, graph: TagGraph) -> dict[int, float]:
        """Tags that a text names by hand, as far as they exist."""
        out: dict[int, float] = {}
        for tag in ghost_tags(text):
            place = graph.places.get(tag.name)
            if place is not None:
                out[place] = max(out.get(place, 0.0), self.core if tag.core else 1.0)
        return out

    def from_documents(
        self,
        ranking: Ranking,
        incidence: sparse.csr_array,
        rows: NDArray[np.int64],
        graph: TagGraph,
    ) -> dict[int, float]:
        """Tags of the first documents of a list, by score, place in the tag line, specificity."""
        best = ranking.head(self.feedback)
        positive = best.scores > 0
        at = np.searchsorted(rows, best.rows[positive])
        if not len(at):
            return {}
        weights = best.scores[positive] @ incidence[at]
        tags = np.flatnonzero(weights)
        values = weights[tags] * graph.specificity[tags] ** self.specificity
        return dict(zip(tags.tolist(), values.tolist(), strict=True))

    def mixed(self, sources: Mapping[str, Mapping[int, float]], size: int) -> NDArray[np.float64]:
        """One row of seeds; it sums to 1, to less where sources found nothing, to 0 if all did.

        Args:
            sources: ``words``, ``documents``, ``vector``, ``ghosts`` → tag → weight; those that
                could be asked.
            size: Number of tags.
        """
        out = np.zeros(size)
        asked = 0.0
        parts = {
            "words": self.words,
            "documents": self.documents,
            "vector": self.vector,
            "ghosts": self.ghost,
        }
        for name, weight in parts.items():
            own = sources.get(name) or {}
            total = sum(own.values())
            asked += weight if name in sources else 0.0
            if weight > 0 and total > 0:
                tags = np.fromiter(own, np.int64, len(own))
                out[tags] += weight * np.fromiter(own.values(), np.float64, len(own)) / total
        whole = float(out.sum())
        if whole <= 0:
            return out
        return np.asarray(out / (asked if self.cautious else whole))
