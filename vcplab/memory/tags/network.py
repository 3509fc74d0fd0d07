"""The tag network as a value: graph, kernel, seeds and spreading, shared by all tag stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.configurable import Configurable
from vcplab.memory.stages.state import Query
from vcplab.memory.tags.graph import TagGraph, TagOrder
from vcplab.memory.tags.kernel import Kernel, TagKernel
from vcplab.memory.tags.seeds import Seeds, SeedSources, TagTerms
from vcplab.memory.tags.sources import TagSource, check_source
from vcplab.memory.tags.spreading.base import Spread
from vcplab.memory.tags.spreading.ppr import PageRank
from vcplab.memory.tags.store import TagDocuments, tag_documents
from vcplab.memory.tags.synonyms import Synonyms
from vcplab.memory.tags.vectors import (
    TagVectors,
    encoder_of,
    query_vectors,
    tag_vectors,
    vector_key,
)
from vcplab.models.embedding import default_embedder
from vcplab.text.analysis import Analyzer, default_analyzer

__all__ = ["TagEnergies", "TagNetwork"]


@dataclasses.dataclass(frozen=True, eq=False)
class TagEnergies:
    """Where the energy of some queries went.

    Attributes:
        documents: Tags by document.
        kernel: Where energy flows.
        sources: Per query, from where the seeds come.
        seeds: Energy at the start, shape (queries, tags); what it sums to says how sure it is.
        energy: Energy after spreading, shape (queries, tags).
        cost: Correction of the clock in ms per query (vectors out of a cache), shape (queries,).
    """

    documents: TagDocuments
    kernel: TagKernel
    sources: tuple[SeedSources, ...]
    seeds: NDArray[np.float64]
    energy: NDArray[np.float64]
    cost: NDArray[np.float64]

    @property
    def certainty(self) -> NDArray[np.float64]:
        """How much of what was asked for seeds found some, 0 to 1, shape (queries,)."""
        return np.asarray(np.minimum(self.seeds.sum(axis=1), 1.0))

    @property
    def graph(self) -> TagGraph:
        """The tag graph."""
        return self.documents.graph


@dataclasses.dataclass(frozen=True, repr=False)
class TagNetwork(Configurable):
    """How a query's energy finds its way over a corpus's tags.

    Attributes:
        spread: ``NoSpread()``, ``BreadthFirst()``, ``Spikes()`` or ``PageRank()``.
        seeds: Where energy starts.
        kernel: How edges become flow.
        order: Weights of pairs of tags.
        source: Where a document's tags come from: ``tags``, ``keyphrases`` or ``either``.
        synonyms: Edges between tags that mean the same; None for none.
        analyzer: How a query's words are compared with tags; the default analyser if None.
        embedder: For vector seeds and synonyms; the offline MiniLM if None.
    """

    spread: Spread = PageRank()  # noqa: RUF009  (immutable values, here and below)
    seeds: Seeds = Seeds()  # noqa: RUF009
    kernel: Kernel = Kernel()  # noqa: RUF009
    order: TagOrder = TagOrder()  # noqa: RUF009
    source: TagSource = "tags"
    synonyms: Synonyms | None = None
    analyzer: Analyzer | None = None
    embedder: Any | None = None

    def __post_init__(self) -> None:
        check_source(self.source)
        kinds = {"spread": Spread, "seeds": Seeds, "kernel": Kernel, "order": TagOrder}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise InvalidInputError(
                    f"{getattr(self, name)!r} is no {kind.__name__}.",
                    where=name,
                    next_step=f"Give a {kind.__name__}, for example {self._example(name)}.",
                )

    @staticmethod
    def _example(name: str) -> str:
        return {"spread": "PageRank(0.5)", "order": "TagOrder()"}.get(name, f"{name.title()}()")

    @property
    def uses_vectors(self) -> bool:
        """Whether tags have to be encoded."""
        return self.seeds.vector > 0 or (
            self.synonyms is not None and self.synonyms.cosine is not None
        )

    def documents(self, corpus: Corpus) -> TagDocuments:
        """The tags of a corpus, up to date."""
        return tag_documents(corpus, self.order, self.source)

    def prepare(self, corpus: Corpus) -> None:
        """Build graph and kernel, and encode tags where vectors are used."""
        documents = self.documents(corpus)
        self.built(documents)
        self.tag_terms(documents)
        _ = documents.incidence

    def built(self, documents: TagDocuments) -> TagKernel:
        """The kernel of a corpus's tags, made when first asked for."""
        return documents.made(self.kernel_key(), lambda: self._kernel(documents))

    def kernel_key(self) -> tuple[str, ...]:
        """What the kernel depends on besides the documents."""
        if self.synonyms is None:
            return ("kernel", self.kernel.fingerprint)
        vectors = "" if self.synonyms.cosine is None else vector_key(encoder_of(self.embedder))
        return ("kernel", self.kernel.fingerprint, self.synonyms.fingerprint, vectors)

    def _kernel(self, documents: TagDocuments) -> TagKernel:
        synonyms = None
        if self.synonyms is not None:
            vectors = None if self.synonyms.cosine is None else self.vectors(documents)
            synonyms = self.synonyms.edges(documents.graph, vectors)
        kernel = self.kernel.of(documents.graph, synonyms)
        _ = kernel.inward  # made here, not within the first query
        return kernel

    def vectors(self, documents: TagDocuments) -> TagVectors:
        """The vectors of the tags."""
        return tag_vectors(documents, encoder_of(self.embedder))

    def tag_terms(self, documents: TagDocuments) -> TagTerms:
        """The terms of the tags' names."""
        analyzer = self.used_analyzer()
        key = ("terms", analyzer.fingerprint)
        return documents.made(key, lambda: TagTerms(documents.graph, analyzer))

    def energies(
        self, corpus: Corpus, queries: Sequence[Query], found: Sequence[Ranking] | None = None
    ) -> TagEnergies:
        """Seeds and energies of queries.

        Args:
            corpus: The documents.
            queries: The questions.
            found: What a base found for each, for seeds from documents; None for none.
        """
        documents = self.documents(corpus)
        graph = documents.graph
        kernel = self.built(documents)
        terms = self.tag_terms(documents)
        near: list[dict[int, float] | None] = [None for _ in queries]
        cost = np.zeros(len(queries))
        if self.seeds.vector > 0 and len(graph):
            tags = self.vectors(documents)
            vectors, known, cost = query_vectors(queries, encoder_of(self.embedder))
            for at in np.flatnonzero(known).tolist():
                near[at] = self.seeds.nearest.seeds(vectors[at], tags)
        sources: list[SeedSources] = []
        for at, query in enumerate(queries):
            own = {"words": self.seeds.from_words(query.text, terms, graph)}
            ghosts = self.seeds.from_ghosts(query.text, graph)
            if ghosts:
                own["ghosts"] = ghosts
            nearest = near[at]
            if nearest is not None:
                own["vector"] = nearest
            if found is not None and self.seeds.documents > 0:
                own["documents"] = self.seeds.from_documents(
                    found[at], documents.incidence, documents.rows, graph
                )
            sources.append(own)
        seeds = np.zeros((len(queries), len(graph)))
        for at, own_sources in enumerate(sources):
            seeds[at] = self.seeds.mixed(own_sources, len(graph))
        energy = self.spread.spread(kernel, seeds)
        return TagEnergies(documents, kernel, tuple(sources), seeds, energy, cost)

    def used_analyzer(self) -> Analyzer:
        """How words are compared."""
        return self.analyzer or default_analyzer()

    def _content(self) -> dict[str, Any]:
        content = {**self._children(), "analyzer": self.used_analyzer(), "embedder": None}
        if self.uses_vectors:
            embedder = self.embedder or default_embedder()
            languages = getattr(embedder, "languages", None)
            content["embedder"] = [
                embedder.fingerprint,
                None if languages is None else sorted(languages),
            ]
        return content
