"""Recipes: named engines that are short compositions of stages."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.fusion import Convex
from vcplab.memory.stages.proximity import Proximity
from vcplab.memory.stages.rerank import Rerank
from vcplab.memory.stages.state import State
from vcplab.protocol.ports import Reranker

__all__ = ["Recipe", "checked_count", "fused", "reranking"]


@dataclasses.dataclass(frozen=True, repr=False)
class Recipe(Stage):
    """Base of the engines: parameters, and the pipeline they stand for."""

    kind: ClassVar[StageKind] = "pipeline"

    @abstractmethod
    def stages(self) -> Stage:
        """The pipeline that these parameters stand for."""

    @property
    def cacheable(self) -> bool:
        """Whether results may be kept between runs: as its stages say."""
        return super().cacheable and self.stages().cacheable

    @property
    def reads_clock(self) -> bool:
        """Whether some stage looks at the time."""
        return self.stages().reads_clock

    @property
    def lanes_in(self) -> tuple[int, int]:
        """An engine starts from the query."""
        return (0, 0)

    def lanes_out(self, lanes: int) -> int:
        """An engine gives one list."""
        return 1

    def prepare(self, corpus: Corpus) -> None:
        """Prepare every stage."""
        self.stages().prepare(corpus)

    def apply(self, state: State, context: Context) -> Output:
        """Run the pipeline."""
        return self.stages().apply(state, context)

    def _run(self, state: State, context: Context) -> State:
        return self.stages()._run(state, context)

    def _content(self) -> dict[str, Any]:
        return {"stages": self.stages()}


def fused(bm25: Stage, dense: Stage, bm25_weight: float, semantic_weight: float) -> Stage:
    """Two lanes and their weighted sum, or the one lane that has weight.

    Raises:
        InvalidInputError: A weight is negative, or none is above 0.
    """
    total = bm25_weight + semantic_weight
    if min(bm25_weight, semantic_weight) < 0 or not total > 0:
        raise InvalidInputError(
            f"bm25_weight={bm25_weight} and semantic_weight={semantic_weight} do not weigh "
            "anything.",
            where="weights",
            next_step="Both must be ≥ 0 and one above 0; 0.3 and 0.7 are the defaults.",
        )
    if semantic_weight == 0:
        return bm25
    if bm25_weight == 0:
        return dense
    return bm25 + dense >> Convex(weights=(bm25_weight / total, semantic_weight / total))


def reranking(rerank: bool | Reranker | Stage, depth: int) -> Stage | None:
    """The stage that a recipe's parameter ``rerank`` stands for.

    Args:
        rerank: False for none; True for :class:`Proximity`, which needs no model; a reranker
            (:class:`vcplab.CrossEncoder`, :class:`vcplab.HTTPReranker`); or a ranking stage.
        depth: How many candidates are reranked.

    Raises:
        InvalidInputError: It is something else.
    """
    if rerank is False or rerank is None:
        return None
    if rerank is True:
        return Proximity(k=depth)
    if isinstance(rerank, Stage):
        if rerank.lanes_in != (1, 1):
            raise InvalidInputError(
                f"{rerank.name} does not take one ranked list.",
                where="rerank",
                next_step="Give True, a reranker, or a ranking stage such as Proximity().",
            )
        return rerank
    return Rerank(rerank, k=depth)


def checked_count(name: str, value: int) -> None:
    """Refuse a number of documents that is none.

    Raises:
        InvalidInputError: It is no whole number ≥ 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInputError(
            f"{name}={value!r} is no number of documents.",
            where=name,
            next_step="Give a whole number from 1.",
        )
