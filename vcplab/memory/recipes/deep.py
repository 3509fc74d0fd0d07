"""DeepMemo: two lanes on disk, then a reranker; for large collections (seed 002 §2.2)."""

from __future__ import annotations

import dataclasses
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.memory.filters import Condition
from vcplab.memory.recipes.base import Recipe, checked_count, fused, reranking
from vcplab.memory.stages.base import Stage
from vcplab.memory.stages.dense import Dense
from vcplab.memory.stages.filters import Filter
from vcplab.memory.stages.lexical import Syntax, Tantivy
from vcplab.memory.stages.queries import Exclusions, QueryLanguage
from vcplab.protocol.ports import Embedder, Reranker
from vcplab.text.analysis import Analyzer

__all__ = ["DeepMemo"]


@dataclasses.dataclass(frozen=True, repr=False)
class DeepMemo(Recipe):
    """Tantivy beside vectors, fused and reranked: ``Tantivy() + Dense() >> Convex >> Rerank``.

    On a corpus in a folder (:meth:`vcplab.Corpus.open`) both indexes are on disk: a million
    memories are searched in milliseconds and opened again in no time. The parameters are those of
    seed 002's ``deepMemoSearch`` and of VCPChat's DeepMemo; ``queryEmbedding`` is the argument
    ``query_embedding`` of :meth:`~vcplab.memory.retriever.Retriever.search`.

    Attributes:
        initial_top_k: Length of each lane's list, from which the final one is made.
        final_top_k: How many a search gives unless told otherwise.
        rerank: True for the quick rerank by :class:`~vcplab.memory.stages.proximity.Proximity`,
            which needs no model; a reranker (:class:`vcplab.CrossEncoder`,
            :class:`vcplab.HTTPReranker`); or a ranking stage.
        rerank_depth: How many candidates are reranked.
        filters: What may be found, in any spelling of
            :func:`~vcplab.memory.filters.spelling.as_condition`.
        syntax: ``deepmemo`` for the query language of docs/query-language.md; ``plain`` takes
            every character as text.
        query_preset: With ``deepmemo``, a query that is added to every query.
        bm25_weight: Weight of the lexical lane, ≥ 0.
        semantic_weight: Weight of the cosine, ≥ 0; 0 leaves the dense lane out.
        embedder: Any embedder; the offline MiniLM if None.
        analyzer: Text to terms; the default analyser if None.
        fields: Which fields of a document are searched.
    """

    initial_top_k: int = 100
    final_top_k: int = 10
    rerank: bool | Reranker | Stage = False
    rerank_depth: int = 50
    filters: Condition | Any = None
    syntax: Syntax = "plain"
    query_preset: str | None = None
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
        """``[QueryLanguage >>] [Filter >>] Tantivy + Dense >> Convex [>> Rerank]``."""
        tantivy = Tantivy(analyzer=self.analyzer, fields=self.fields, candidates=self.initial_top_k)
        dense = Dense(self.embedder, fields=self.fields, candidates=self.initial_top_k)
        found = fused(tantivy, dense, self.bm25_weight, self.semantic_weight)
        if self.filters is not None:
            found = Filter(self.filters) >> found
        if self.syntax == "deepmemo":
            spoken = QueryLanguage(self.query_preset)
            found = spoken >> found >> Exclusions(self.analyzer, self.fields)
        elif self.syntax != "plain" or self.query_preset is not None:
            raise InvalidInputError(
                f"syntax={self.syntax!r}, query_preset={self.query_preset!r} do not fit together.",
                where="syntax",
                next_step='Use syntax="deepmemo" for the query language, "plain" without a preset.',
            )
        reranker = reranking(self.rerank, self.rerank_depth)
        return found if reranker is None else found >> reranker
