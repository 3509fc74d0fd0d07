"""Quick rerank without a model: query words that stand together count more."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.reordering import reordered
from vcplab.memory.stages.state import State
from vcplab.text.analysis import Analyzer, default_analyzer

__all__ = ["Proximity"]


@dataclasses.dataclass(frozen=True, repr=False)
class Proximity(Stage):
    """Add to the scores of the first ``k`` what their words' neighbourhood says.

    After the sequential dependence model (Metzler & Croft, SIGIR 2005): for each pair of
    neighbouring query terms, how often they stand in this order side by side, and within a window
    of eight in any order; each count c as c / (c + 1), mean over the pairs. To the score, divided
    by the list's largest, ``weight`` times (coverage + ordered + near) / 3 is added; coverage is
    the share of the query's terms that occur. Costs one analysis of each of ``k`` texts.

    Attributes:
        k: How many are reranked.
        weight: How much the neighbourhood counts.
        window: Terms within which two count as near.
        analyzer: Text to terms; the default analyser if None.
        fields: Which fields of a document are read.
    """

    kind: ClassVar[StageKind] = "ranking"
    k: int = 50
    weight: float = 0.2
    window: int = 8
    analyzer: Analyzer | None = None
    fields: tuple[str, ...] = ("text", "tags")

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))
        if self.k < 1 or self.weight < 0 or self.window < 2:
            raise InvalidInputError(
                f"k={self.k}, weight={self.weight}, window={self.window} cannot be reranked by.",
                where="Proximity",
                next_step="k counts from 1, weight is 0 or more, window at least 2.",
            )

    def apply(self, state: State, context: Context) -> Output:
        """Rerank every list."""
        (lane,) = state.lanes
        analyzer = self.analyzer or default_analyzer()
        rankings = []
        for query, ranking in zip(state.queries, lane.rankings, strict=True):
            head = ranking.head(self.k)
            asked = analyzer.analyze_query(query.text)
            if len(head) < 2 or not asked:
                rankings.append(ranking)
                continue
            documents = context.corpus.documents(head.rows.tolist())
            terms = analyzer.analyze_many([doc.field_text(self.fields) for doc in documents])
            found = np.array([_neighbourhood(asked, own, self.window) for own in terms])
            largest = float(np.abs(head.scores).max()) or 1.0
            rankings.append(self._raised(ranking, head.scores / largest + self.weight * found))
        lane = dataclasses.replace(lane, name=self.name, rankings=tuple(rankings), scorer=None)
        return Output(lanes=(lane,))

    def _raised(self, ranking: Ranking, scores: NDArray[np.float64]) -> Ranking:
        return reordered(ranking, scores)

    def _content(self) -> dict[str, Any]:
        return {**self._children(), "analyzer": self.analyzer or default_analyzer()}

    def _describe(self) -> str:
        return f"Proximity({self.k})"


def _neighbourhood(asked: Sequence[str], terms: Sequence[str], window: int) -> float:
    """0 to 1: how many query terms a text has, and how close they stand."""
    wanted = set(asked)
    places: dict[str, list[int]] = {}
    for at, term in enumerate(terms):
        if term in wanted:
            places.setdefault(term, []).append(at)
    coverage = len(places) / len(wanted)
    pairs = [(a, b) for a, b in pairwise(asked) if a != b]
    if not pairs:
        return coverage
    ordered = near = 0.0
    for a, b in pairs:
        first, second = places.get(a, []), places.get(b, [])
        if not first or not second:
            continue
        then = set(second)
        side_by_side = sum(at + 1 in then for at in first)
        close = 0
        for at in first:
            low = bisect_left(second, at - window + 1)
            close += low < len(second) and second[low] < at + window
        ordered += side_by_side / (side_by_side + 1)
        near += close / (close + 1)
    return (coverage + (ordered + near) / len(pairs)) / 3
