"""Variety: maximal marginal relevance, and lists without near duplicates."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import checked_fields
from vcplab.memory.index.derived import dense_documents
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.likeness import by_meaning, by_terms
from vcplab.memory.stages.reordering import reordered
from vcplab.memory.stages.state import State
from vcplab.protocol.ports import Embedder
from vcplab.text.normalise import normalise

__all__ = ["MMR", "Dedup"]

By = Literal["embedding", "text"]


@dataclasses.dataclass(frozen=True, repr=False)
class MMR(Stage):
    """Maximal marginal relevance: each next document is relevant and unlike those before it.

    Picks, one by one, the document with the largest
    ``relevance · score − (1 − relevance) · (likeness to the most alike one picked)``
    (Carbonell & Goldstein, SIGIR 1998), over the final scores, scaled to 0…1 in each list.
    Likeness is the cosine of document vectors, and where the embedder does not know a document's
    language, of its terms. What is left follows in its order.

    Attributes:
        relevance: λ: 1 leaves the order as it is, 0 looks at variety alone.
        k: How many are picked.
        pool: How many of the list they are picked from.
        embedder: Any embedder; the offline MiniLM if None. Its vectors are those of the dense lane.
        fields: Which fields are compared.
    """

    kind: ClassVar[StageKind] = "ranking"
    relevance: float = 0.7
    k: int = 10
    pool: int = 100
    embedder: Embedder | Any | None = None
    fields: tuple[str, ...] = ("text", "tags")

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", checked_fields(self.fields, "compared"))
        if not 0 <= self.relevance <= 1 or self.k < 1 or self.pool < 1:
            raise InvalidInputError(
                f"relevance={self.relevance}, k={self.k}, pool={self.pool} cannot be picked by.",
                where="MMR",
                next_step="relevance is 0 to 1 (0.7 is usual); k and pool count from 1.",
            )

    def apply(self, state: State, context: Context) -> Output:
        """Pick from every list."""
        (lane,) = state.lanes
        rankings = tuple(self._picked(r, context.corpus) for r in lane.rankings)
        return Output(
            lanes=(dataclasses.replace(lane, name=self.name, rankings=rankings, scorer=None),)
        )

    def prepare(self, corpus: Corpus) -> None:
        """Encode the documents."""
        if self.relevance < 1:
            dense_documents(corpus, self.embedder, self.fields)

    def _picked(self, ranking: Ranking, corpus: Corpus) -> Ranking:
        head = ranking.head(self.pool)
        if self.relevance == 1 or len(head) < 2:
            return ranking
        span = float(head.scores[0] - head.scores[-1])
        score = (head.scores - head.scores[-1]) / span if span > 0 else np.ones(len(head))
        alike = by_meaning(corpus, head.rows, self.embedder, self.fields)
        picked, values = _greedy(score, alike, self.relevance, min(self.k, len(head)))
        left = np.setdiff1d(np.arange(len(head)), picked)
        rest = ranking.rows[len(head) :]
        rows = np.concatenate([head.rows[picked], head.rows[left], rest])
        return reordered(Ranking(rows, np.zeros(len(rows))), values)

    def _describe(self) -> str:
        return f"MMR({self.relevance:g}, {self.k})"


@dataclasses.dataclass(frozen=True, repr=False)
class Dedup(Stage):
    """Drop what nearly repeats a document before it; the same text is always dropped.

    Attributes:
        threshold: Likeness from which two documents count as one, above 0: of vectors (0.92 is
            VCPToolBox's, facts/vcp-memory §4), or the Jaccard overlap of their terms.
        by: ``embedding`` or ``text``.
        pool: How many of the list are looked at; what lies behind stays.
        embedder: As for :class:`MMR`.
        fields: Which fields are compared.
    """

    kind: ClassVar[StageKind] = "ranking"
    threshold: float = 0.92
    by: By = "embedding"
    pool: int = 100
    embedder: Embedder | Any | None = None
    fields: tuple[str, ...] = ("text",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", checked_fields(self.fields, "compared"))
        if self.threshold <= 0 or self.pool < 1 or self.by not in get_args(By):
            raise InvalidInputError(
                f"threshold={self.threshold}, by={self.by!r}, pool={self.pool} cannot be compared "
                "by.",
                where="Dedup",
                next_step='threshold is above 0 (0.92 is usual); by is "embedding" or "text".',
            )

    def apply(self, state: State, context: Context) -> Output:
        """Drop from every list."""
        (lane,) = state.lanes
        rankings = tuple(self._kept(r, context.corpus) for r in lane.rankings)
        return Output(
            lanes=(dataclasses.replace(lane, name=self.name, rankings=rankings, scorer=None),)
        )

    def prepare(self, corpus: Corpus) -> None:
        """Encode the documents."""
        if self.by == "embedding":
            dense_documents(corpus, self.embedder, self.fields)

    def _kept(self, ranking: Ranking, corpus: Corpus) -> Ranking:
        head = ranking.head(self.pool)
        if len(head) < 2:
            return ranking
        if self.by == "embedding":
            alike = by_meaning(corpus, head.rows, self.embedder, self.fields)
        else:
            alike = by_terms(corpus, head.rows, self.fields, jaccard=True)
        texts = [
            normalise(doc.field_text(self.fields), "NFKC", lowercase=False).strip()
            for doc in corpus.documents(head.rows.tolist())
        ]
        kept: list[int] = []
        seen: set[str] = set()
        for at, text in enumerate(texts):
            if text not in seen and not (alike[at, kept] >= self.threshold).any():
                kept.append(at)
                seen.add(text)
        at_all = np.concatenate([np.array(kept, np.int64), np.arange(len(head), len(ranking))])
        return Ranking(ranking.rows[at_all], ranking.scores[at_all])

    def _describe(self) -> str:
        return f"Dedup({self.threshold:g})"


def _greedy(
    score: NDArray[np.float64], alike: NDArray[np.float64], relevance: float, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Positions in the order of picking, and the value each was picked for, never rising."""
    nearest = np.zeros(len(score))
    free = np.ones(len(score), np.bool_)
    picked: list[int] = []
    values: list[float] = []
    for _ in range(k):
        value = np.where(free, relevance * score - (1 - relevance) * nearest, -np.inf)
        best = int(np.argmax(value))  # the earlier one of equals
        picked.append(best)
        values.append(float(value[best]))
        free[best] = False
        nearest = np.maximum(nearest, alike[best])
    return np.array(picked, np.int64), np.array(values)
