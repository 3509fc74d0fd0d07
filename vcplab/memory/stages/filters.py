"""The filter: which documents may be found at all."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.corpus import Corpus
from vcplab.memory.filters.conditions import Condition
from vcplab.memory.filters.masks import Judged, judge, make_ready
from vcplab.memory.filters.spelling import as_condition
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import State

__all__ = ["Filter"]


@dataclasses.dataclass(frozen=True, repr=False)
class Filter(Stage):
    """Only documents that meet a condition.

    ::

        Filter(field("category") == "dress") >> BM25()      # the lane searches among them
        BM25() >> Filter(field("time") >= "2026-01-01")     # the others are dropped from the list

    Before the lanes a list is as long as without it, if there are as many; behind them, shorter.

    Attributes:
        condition: In any spelling of :func:`~vcplab.memory.filters.spelling.as_condition`; what
            the operators mean is in :mod:`vcplab.memory.filters.operators`.

    Raises:
        InvalidInputError: It is no condition, or one that cannot work.
    """

    kind: ClassVar[StageKind] = "filter"
    condition: Condition | Any = dataclasses.field(default_factory=tuple)

    def __post_init__(self) -> None:
        object.__setattr__(self, "condition", as_condition(self.condition))

    @property
    def cacheable(self) -> bool:
        """Whether results may be kept between runs: not with a function without a version."""
        return super().cacheable and bool(self.condition.cacheable)

    def mask(self, corpus: Corpus) -> NDArray[np.bool_]:
        """Which rows of a corpus meet the condition, bool, shape (highest row + 1,), read-only."""
        return judge(self.condition, corpus).mask

    def apply(self, state: State, context: Context) -> Output:
        """Narrow what lanes may find, or drop from the list."""
        if not state.lanes:
            judged = judge(self.condition, context.corpus)
            mask = judged.mask
            if state.mask is not None:
                both = min(len(mask), len(state.mask))
                mask = mask[:both] & state.mask[:both]
                mask.setflags(write=False)
            return Output(mask=mask, notices=self._notices(judged))
        notices: tuple[str, ...] = ()
        if self.condition.cacheable:
            judged = judge(self.condition, context.corpus)
            allowed, notices = judged.mask, self._notices(judged)
        else:
            allowed = self._judged_one_by_one(state, context)
        lanes = tuple(
            dataclasses.replace(
                lane, rankings=tuple(_kept(r, allowed) for r in lane.rankings), scorer=None
            )
            for lane in state.lanes
        )
        return Output(lanes=lanes, notices=notices)

    def prepare(self, corpus: Corpus) -> None:
        """Read the fields of all documents and judge them."""
        make_ready(self.condition, corpus)

    def _judged_one_by_one(self, state: State, context: Context) -> NDArray[np.bool_]:
        """The same for listed documents only: a function may be slow."""
        listed = [ranking.rows for lane in state.lanes for ranking in lane.rankings]
        rows = np.unique(np.concatenate(listed)) if listed else np.empty(0, np.int64)
        allowed = np.zeros(int(rows[-1]) + 1 if len(rows) else 0, np.bool_)
        documents = context.corpus.documents(rows.tolist())
        allowed[rows] = [self.condition.matches(document) for document in documents]
        return allowed

    def _notices(self, judged: Judged) -> tuple[str, ...]:
        notices = tuple(f"No document has a field {name!r}." for name in judged.absent)
        if not judged.mask.any():
            notices += (f"No document meets {self.condition!r}.",)
        return notices

    def _describe(self) -> str:
        return f"Filter({self.condition!r})"


def _kept(ranking: Ranking, allowed: NDArray[np.bool_]) -> Ranking:
    if not len(ranking):
        return ranking
    keep = allowed[ranking.rows]
    return Ranking(ranking.rows[keep], ranking.scores[keep])
