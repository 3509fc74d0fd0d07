"""Rerank: the first part of a list in the order of a model that reads query and document."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.memory.document import FIELDS
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import State
from vcplab.protocol.ports import Reranker

__all__ = ["Rerank", "reordered"]

OnError = Literal["keep", "raise"]
# Constant of reciprocal rank fusion (Cormack et al. 2009).
_RRF = 60


@dataclasses.dataclass(frozen=True, repr=False)
class Rerank(Stage):
    """Order the first ``k`` of a list by a reranker; what lies behind keeps its order.

    Attributes:
        reranker: :class:`vcplab.CrossEncoder`, :class:`vcplab.HTTPReranker`, or anything with
            ``name``, ``fingerprint`` and ``score(query, documents)``.
        k: How many are reranked.
        weight: Share of the reranker: 1 orders by it alone; below 1, by
            ``weight / (60 + its rank) + (1 − weight) / (60 + rank before)`` (facts/vcp-memory §5).
        on_error: When the reranker fails for a query: ``keep`` the whole list as it was, with a
            notice (never half of it), or ``raise``.
        fields: Which fields of a document it reads.
    """

    kind: ClassVar[StageKind] = "ranking"
    reranker: Reranker | Any
    k: int = 50
    weight: float = 1.0
    on_error: OnError = "keep"
    fields: tuple[str, ...] = ("text",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))
        wanted = ("name", "fingerprint", "score")
        if not all(hasattr(self.reranker, name) for name in wanted):
            raise InvalidInputError(
                f"{self.reranker!r} is no reranker.",
                where="reranker",
                next_step='Give vl.CrossEncoder("name or folder"), vl.HTTPReranker("http://…"), or '
                f"an object with {', '.join(wanted)}.",
            )
        if self.k < 1 or not 0 < self.weight <= 1:
            raise InvalidInputError(
                f"k={self.k}, weight={self.weight} rerank nothing.",
                where="Rerank",
                next_step="k counts from 1; weight is above 0 and at most 1.",
            )
        if self.on_error not in get_args(OnError) or not set(self.fields) <= set(FIELDS):
            raise InvalidInputError(
                f"on_error={self.on_error!r}, fields={self.fields!r} are not known.",
                where="Rerank",
                next_step=f"on_error: {', '.join(get_args(OnError))}; fields: {', '.join(FIELDS)}.",
            )

    def apply(self, state: State, context: Context) -> Output:
        """Rerank every list."""
        (lane,) = state.lanes
        rankings = []
        notices: dict[str, None] = {}
        for query, ranking in zip(state.queries, lane.rankings, strict=True):
            head = ranking.head(self.k)
            documents = context.corpus.documents(head.rows.tolist())
            texts = [doc.field_text(self.fields) for doc in documents]
            try:
                scores = self._scores(query.text, texts)
            except VCPError as error:
                if self.on_error == "raise":
                    raise
                notices[
                    f"{self.reranker.name} failed, so the order before it was kept: {error.message}"
                ] = None
                rankings.append(ranking)
                continue
            rankings.append(self._ordered(ranking, scores))
        lane = dataclasses.replace(lane, name=self.name, rankings=tuple(rankings), scorer=None)
        # What a service failed to do this time it may do the next.
        return Output(lanes=(lane,), notices=tuple(notices), volatile=bool(notices))

    def _scores(self, query: str, texts: list[str]) -> NDArray[np.float64]:
        if not texts:
            return np.empty(0)
        scores = np.asarray(self.reranker.score(query, texts), np.float64)
        if scores.shape != (len(texts),) or not np.isfinite(scores).all():
            raise InvalidInputError(
                f"The reranker gave scores of shape {scores.shape} for {len(texts)} documents, or "
                "scores that are no numbers.",
                where=self.reranker.name,
                next_step="Return one finite number per document.",
            )
        return scores

    def _ordered(self, ranking: Ranking, scores: NDArray[np.float64]) -> Ranking:
        if self.weight < 1:
            before = np.arange(1, len(scores) + 1)
            rank = np.empty(len(scores))
            rank[np.lexsort((before, -scores))] = before
            scores = self.weight / (_RRF + rank) + (1 - self.weight) / (_RRF + before)
        return reordered(ranking, scores)

    def _describe(self) -> str:
        return f"Rerank({self.reranker.name}, {self.k})"


def reordered(ranking: Ranking, scores: NDArray[np.float64]) -> Ranking:
    """A list with new scores for its first entries; the rest follows in its order, just below.

    Args:
        ranking: The list.
        scores: Finite, one for each of the first entries, shape (n,).
    """
    n = len(scores)
    order = np.lexsort((np.arange(n), -scores))
    rows = np.concatenate([ranking.rows[:n][order], ranking.rows[n:]])
    rest = len(ranking) - n
    floor = float(scores.min()) if n else 0.0
    # Small steps keep the scores strictly falling without claiming anything about distances.
    behind = floor - (1 + np.arange(rest)) * max(1.0, abs(floor)) * 1e-6
    return Ranking(rows, np.concatenate([scores[order], behind]))
