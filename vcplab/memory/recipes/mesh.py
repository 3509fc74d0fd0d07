"""MeshMemo: filter first, then recall, then freshness and variety (seed 002 §2.3)."""

from __future__ import annotations

import dataclasses
from typing import Any

from vcplab.memory.filters import Condition
from vcplab.memory.recipes.base import Recipe, checked_count, fused, reranking
from vcplab.memory.stages.base import Stage
from vcplab.memory.stages.dense import Dense
from vcplab.memory.stages.diversity import MMR
from vcplab.memory.stages.filters import Filter
from vcplab.memory.stages.lexical import Tantivy
from vcplab.memory.stages.ranking import Decay
from vcplab.protocol.ports import Embedder, Reranker
from vcplab.text.analysis import Analyzer

__all__ = ["MeshMemo"]


@dataclasses.dataclass(frozen=True, repr=False)
class MeshMemo(Recipe):
    """Recall among documents that meet conditions, for memories with rich metadata.

    ``Filter >> Tantivy + Dense >> Convex [>> Decay] [>> Rerank] [>> MMR]``: the lanes search only
    among what the filter lets through, so a narrow filter never leaves the list empty by accident;
    variety is chosen last, over the final scores. The parameters are those of seed 002's
    ``meshMemoSearch``. (The original recalls by vectors alone, compares metadata instead of
    meaning for variety, and cuts at cosine 0.5: facts/vcp-memory §7.)

    The defaults were chosen on train queries (benchmarks/README.md): a mild preference for recent
    diaries helps there, variety neither helps nor hurts at 0.9 and costs below it.

    Attributes:
        filters: What may be found, in any spelling of
            :func:`~vcplab.memory.filters.spelling.as_condition`; None for everything.
        initial_top_k: Length of each lane's list.
        final_top_k: How many a search gives unless told otherwise; with ``diversity_sampling``,
            how many are chosen for variety.
        diversity_sampling: Choose the final ones by maximal marginal relevance
            (:class:`~vcplab.memory.stages.diversity.MMR`).
        diversity_lambda: Weight of relevance there, 0 to 1; 1 changes nothing.
        time_decay: Half-life of freshness (:class:`~vcplab.memory.stages.ranking.Decay`); None
            for none. Undated documents keep their score.
        decay_floor: The share of a score that age cannot take away.
        rerank: True for the quick rerank by :class:`~vcplab.memory.stages.proximity.Proximity`, a
            reranker, or a ranking stage.
        rerank_depth: How many candidates are reranked.
        bm25_weight: Weight of the lexical lane, ≥ 0; 0 recalls by vectors alone.
        semantic_weight: Weight of the cosine, ≥ 0.
        embedder: Any embedder; the offline MiniLM if None.
        analyzer: Text to terms; the default analyser if None.
        fields: Which fields of a document are searched.
    """

    filters: Condition | Any = None
    initial_top_k: int = 100
    final_top_k: int = 10
    diversity_sampling: bool = False
    diversity_lambda: float = 0.9
    time_decay: str | float | None = "1y"
    decay_floor: float = 0.8
    rerank: bool | Reranker | Stage = False
    rerank_depth: int = 50
    bm25_weight: float = 0.3
    semantic_weight: float = 0.7
    embedder: Embedder | Any | None = None
    analyzer: Analyzer | None = None
    fields: tuple[str, ...] = ("text", "tags")

    def __post_init__(self) -> None:
        checked_count("initial_top_k", self.initial_top_k)
        checked_count("final_top_k", self.final_top_k)
        self.stages()  # refuses impossible parameters where they are written

    @property
    def top_k(self) -> int:
        """How many a search gives unless told otherwise."""
        return self.final_top_k

    def stages(self) -> Stage:
        """The pipeline that these parameters stand for."""
        tantivy = Tantivy(analyzer=self.analyzer, fields=self.fields, candidates=self.initial_top_k)
        dense = Dense(self.embedder, fields=self.fields, candidates=self.initial_top_k)
        found = fused(tantivy, dense, self.bm25_weight, self.semantic_weight)
        if self.filters is not None:
            found = Filter(self.filters) >> found
        if self.time_decay is not None:
            found = found >> Decay(self.time_decay, self.decay_floor)
        reranker = reranking(self.rerank, self.rerank_depth)
        if reranker is not None:
            found = found >> reranker
        if self.diversity_sampling:
            found = found >> MMR(
                self.diversity_lambda,
                k=self.final_top_k,
                embedder=self.embedder,
                fields=self.fields,
            )
        return found
