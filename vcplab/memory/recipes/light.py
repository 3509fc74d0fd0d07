"""LightMemo: BM25 and vectors, fused; light and quick (seed 002 §2.1)."""

from __future__ import annotations

import dataclasses
from typing import Any

from vcplab.memory.index.weighting import Variant
from vcplab.memory.recipes.base import Recipe, checked_count, fused, reranking
from vcplab.memory.stages.base import Stage
from vcplab.memory.stages.dense import Dense
from vcplab.memory.stages.lexical import BM25
from vcplab.protocol.ports import Embedder, Reranker
from vcplab.text.analysis import Analyzer

__all__ = ["LightMemo"]


@dataclasses.dataclass(frozen=True, repr=False)
class LightMemo(Recipe):
    """BM25 beside cosine, fused by a convex sum: ``BM25() + Dense() >> Convex(weights)``.

    The parameters are those of seed 002's ``lightMemoSearch``; its ``queryEmbedding`` is the
    argument ``query_embedding`` of :meth:`~vcplab.memory.retriever.Retriever.search`. Where the
    embedder does not know the language of query or document, the lexical lane counts alone.

    Attributes:
        bm25_weight: Weight of BM25 (divided by the query's highest score), ≥ 0.
        semantic_weight: Weight of the cosine, ≥ 0; 0 leaves the dense lane out.
        top_k: How many a search gives unless told otherwise.
        candidates: Length of each lane's list; as long as is asked for and at least 100 if None.
        embedder: Any embedder; the offline MiniLM if None.
        analyzer: Text to terms; the default analyser if None.
        k1: BM25 term-frequency saturation.
        b: BM25 length normalisation.
        variant: BM25 variant.
        fields: Which fields of a document are searched.
        rerank: True for the quick rerank by :class:`~vcplab.memory.stages.proximity.Proximity`, a
            reranker, or a ranking stage.
        rerank_depth: How many candidates are reranked.
    """

    bm25_weight: float = 0.3
    semantic_weight: float = 0.7
    top_k: int = 10
    candidates: int | None = None
    embedder: Embedder | Any | None = None
    analyzer: Analyzer | None = None
    k1: float = 1.2
    b: float = 0.75
    variant: Variant = "lucene"
    fields: tuple[str, ...] = ("text", "tags")
    rerank: bool | Reranker | Stage = False
    rerank_depth: int = 50

    def __post_init__(self) -> None:
        checked_count("top_k", self.top_k)
        self.stages()  # refuses impossible parameters where they are written

    def stages(self) -> Stage:
        """``BM25 + Dense >> Convex``, then the reranker if there is one."""
        bm25 = BM25(
            self.k1,
            self.b,
            self.variant,
            analyzer=self.analyzer,
            fields=self.fields,
            candidates=self.candidates,
        )
        dense = Dense(self.embedder, fields=self.fields, candidates=self.candidates)
        found = fused(bm25, dense, self.bm25_weight, self.semantic_weight)
        reranker = reranking(self.rerank, self.rerank_depth)
        return found if reranker is None else found >> reranker
