"""LightMemo: BM25 and vectors, fused; light and quick (seed 002 §2.1)."""

from __future__ import annotations

import dataclasses
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.weighting import Variant
from vcplab.memory.recipes.base import Recipe
from vcplab.memory.stages.base import Stage
from vcplab.memory.stages.fusion import Convex
from vcplab.memory.stages.lanes import BM25, Dense
from vcplab.protocol.ports import Embedder
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

    def __post_init__(self) -> None:
        if min(self.bm25_weight, self.semantic_weight) < 0 or not self._weights_sum() > 0:
            raise InvalidInputError(
                f"bm25_weight={self.bm25_weight} and semantic_weight={self.semantic_weight} "
                "do not weigh anything.",
                where="LightMemo",
                next_step="Both must be ≥ 0 and one above 0; 0.3 and 0.7 are the defaults.",
            )
        if self.top_k < 1:
            raise InvalidInputError(
                f"top_k={self.top_k} finds nothing.",
                where="LightMemo",
                next_step="Give at least 1.",
            )
        self.stages()  # refuses impossible lane parameters where they are written

    def stages(self) -> Stage:
        """``BM25 + Dense >> Convex``, or the one lane that has weight."""
        bm25 = BM25(
            self.k1,
            self.b,
            self.variant,
            analyzer=self.analyzer,
            fields=self.fields,
            candidates=self.candidates,
        )
        dense = Dense(self.embedder, fields=self.fields, candidates=self.candidates)
        if self.semantic_weight == 0:
            return bm25
        if self.bm25_weight == 0:
            return dense
        total = self._weights_sum()
        return bm25 + dense >> Convex(
            weights=(self.bm25_weight / total, self.semantic_weight / total)
        )

    def _weights_sum(self) -> float:
        return self.bm25_weight + self.semantic_weight

    def _content(self) -> dict[str, Any]:
        return {"stages": self.stages()}
