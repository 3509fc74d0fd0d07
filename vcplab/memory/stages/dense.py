"""The dense lane: meaning, as far as the embedder knows the language."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.index.derived import (
    DenseDocuments,
    DocumentLanguages,
    LanguageCover,
    dense_documents,
    document_languages,
)
from vcplab.memory.stages.base import Context, Output
from vcplab.memory.stages.lanes import LaneStage
from vcplab.memory.stages.state import Lane, Query, State
from vcplab.models.embedding import CachedEmbedder, default_embedder
from vcplab.protocol.ports import Embedder
from vcplab.text.language import dominant_languages, is_covered

__all__ = ["Dense"]

_EMBEDDER = (
    "name",
    "fingerprint",
    "dimension",
    "languages",
    "embed_documents",
    "embed_queries",
)


@dataclasses.dataclass(frozen=True, repr=False)
class Dense(LaneStage):
    """The dense lane: cosine between query and document vectors.

    Attributes:
        embedder: Any embedder; the offline MiniLM if None. One with a ``fit`` method
            (:class:`vcplab.LSA`) is fitted to the corpus.
        fields: Which fields of a document are encoded.
        candidates: Length of the list; as long as is asked for and at least 100 if None.
    """

    embedder: Embedder | Any | None = None

    def __post_init__(self) -> None:
        LaneStage.__post_init__(self)
        wanted = ("fingerprint", "fit") if hasattr(self.embedder, "fit") else _EMBEDDER
        if self.embedder is not None and not all(hasattr(self.embedder, n) for n in wanted):
            raise InvalidInputError(
                f"{self.embedder!r} is no embedder.",
                where="embedder",
                next_step='Give one: vl.SentenceTransformer("name or folder", languages=...), '
                f"vl.LSA(), or an object with {', '.join(_EMBEDDER)}.",
            )

    def apply(self, state: State, context: Context) -> Output:
        """Rank documents by cosine."""
        kept = self._kept(context.corpus)
        embedder = kept.embedder
        vectors, cost = self._vectors(state.queries, embedder)
        rankings = kept.index.search(vectors, self._depth(context), mask=state.mask)
        known = embedder.languages
        codes = dominant_languages([query.text for query in state.queries])
        documents = self._languages(context.corpus).within(known)
        judge = _Within(tuple(is_covered(code, known) for code in codes), documents)
        notices = tuple(filter(None, (embedder.cache.notice, kept.index.notice)))
        if known is not None and not (all(judge.queries) and documents.everywhere):
            notices += (
                f"{embedder.name} was trained on {', '.join(sorted(known))} only; where query or "
                "document is in another language, fusions rank by the other lanes alone.",
            )
        scorer = _DenseScorer(kept, vectors, judge)
        return Output(
            lanes=(Lane(self.name, "cosine", tuple(rankings), scorer, judge),),
            extra_milliseconds=cost,
            notices=notices,
        )

    def prepare(self, corpus: Corpus) -> None:
        """Encode the documents, after fitting the embedder to them where it wants to be."""
        self._kept(corpus)
        self._languages(corpus)

    def recall(self, corpus: Corpus, queries: Sequence[str], k: int = 10) -> float:
        """The share of the true nearest ``k`` that the index finds, mean over the queries.

        1.0 while every vector is compared; below it where a graph names the candidates.

        Args:
            corpus: The documents.
            queries: Questions as users ask them.
            k: How many.
        """

        def measured() -> float:
            kept = self._kept(corpus)
            return kept.index.recall(kept.embedder.embed_queries(list(queries)), k)

        return corpus.consistently(measured)

    def _kept(self, corpus: Corpus) -> DenseDocuments:
        return dense_documents(corpus, self.embedder, self.fields)

    def _languages(self, corpus: Corpus) -> DocumentLanguages:
        return document_languages(corpus, self.fields)

    def _vectors(
        self, queries: Sequence[Query], embedder: CachedEmbedder
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        vectors = np.zeros((len(queries), embedder.dimension), np.float32)
        cost = np.zeros(len(queries))
        to_encode = [i for i, query in enumerate(queries) if query.embedding is None]
        if to_encode:
            texts = [queries[i].text for i in to_encode]
            began = time.process_time()
            vectors[to_encode], cost[to_encode] = embedder.embed_with_cost(texts, "query")
            # What was spent just now (loading a model, reading the cache) is taken off the clock:
            # every query is charged what encoding it costs, whether it was cached or not.
            cost -= (time.process_time() - began) * 1000 / len(queries)
        for i, query in enumerate(queries):
            if query.embedding is not None:
                vectors[i] = _unit(query.embedding, embedder)
        return vectors, cost

    def _content(self) -> dict[str, Any]:
        embedder = self.embedder or default_embedder()
        languages = getattr(embedder, "languages", None)
        return {
            **self._children(),
            "embedder": embedder.fingerprint,
            # The same vectors fused with other languages give other rankings.
            "languages": None if languages is None else sorted(languages),
        }

    def _describe(self) -> str:
        return "Dense" if self.embedder is None else f"Dense({self.embedder.name})"


@dataclasses.dataclass(frozen=True, slots=True)
class _Within:
    """Which queries and documents are in a language that the embedder knows."""

    queries: tuple[bool, ...]
    documents: LanguageCover

    def __call__(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not self.queries[query]:
            return np.zeros(len(rows), np.bool_)
        return self.documents.rows[rows]


@dataclasses.dataclass(frozen=True, slots=True)
class _DenseScorer:
    kept: DenseDocuments
    vectors: NDArray[np.float32]
    within: _Within

    def score(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.kept.index.score(self.vectors[query], rows)

    def reasons(self, query: int, row: int) -> str:
        if not self.within.queries[query]:
            return "the query is in a language that the embedder does not know"
        if not self.within(query, np.array([row]))[0]:
            return "the document is in a language that the embedder does not know"
        return ""


def _unit(embedding: NDArray[np.float32], embedder: Embedder) -> NDArray[np.float32]:
    vector = np.asarray(embedding, np.float32).ravel()
    norm = float(np.linalg.norm(vector))
    if len(vector) != embedder.dimension or not np.isfinite(norm) or norm == 0:
        raise InvalidInputError(
            f"The query embedding has {len(vector)} values and length {norm:g}; "
            f"{embedder.name} makes vectors of {embedder.dimension}.",
            where="query_embedding",
            next_step="Make it with the model that encoded the documents: "
            "embedder.embed_queries([text])[0].",
        )
    return vector / np.float32(norm)
