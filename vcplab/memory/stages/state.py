"""What flows through a pipeline: queries and ranked lanes, many queries side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.index.ports import Ranking

if TYPE_CHECKING:
    from vcplab.memory.syntax.tree import QueryTree

__all__ = ["Applies", "Lane", "LaneScorer", "Query", "Scale", "State"]

# How a lane's raw scores are to be read: BM25 has no upper end, a cosine lives in [-1, 1], a fused
# score is whatever its fusion says.
Scale = str


@dataclass(frozen=True, slots=True)
class Query:
    """One question.

    Attributes:
        text: What is asked.
        embedding: A caller's own query vector, float32, shape (dimension,); replaces the
            embedder's.
        asked_at: When it is asked; the current clock if None. Recency stages read it.
        terms: Extra weighted terms from query stages, added to those of the text.
        metadata: Extras for stages of one's own.
        tree: What a query language made of the text; lexical lanes ask for it instead.
    """

    text: str
    embedding: NDArray[np.float32] | None = None
    asked_at: datetime | None = None
    terms: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tree: QueryTree | None = None

    def digest(self) -> bytes:
        """16 bytes of content, for memo keys."""
        parts = (
            self.text.encode("utf-8", "surrogatepass"),
            b"" if self.embedding is None else self.embedding.tobytes(),
            repr((self.asked_at, sorted(self.terms.items()), sorted(self.metadata.items()))).encode(
                "utf-8", "surrogatepass"
            ),
            str(self.tree).encode("utf-8", "surrogatepass"),
        )
        return hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()


class Applies(Protocol):
    """Whether a lane's judgement of documents means anything: languages it knows."""

    def __call__(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """One answer per row for query number ``query``."""
        ...


class LaneScorer(Protocol):
    """Answers for documents that a lane did not rank high enough to list."""

    def score(self, query: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The lane's raw scores of any rows for query number ``query``."""
        ...

    def reasons(self, query: int, row: int) -> str:
        """What the lane saw in one document, in a few words."""
        ...


@dataclass(frozen=True, slots=True)
class Lane:
    """The ranked lists of one lane, one per query.

    Attributes:
        name: What tables call it.
        scale: ``bm25``, ``cosine``, ``share`` (0 to 1, comparable between queries) or ``fused``.
        rankings: One per query, with raw scores.
        scorer: Scores for rows outside the lists; None once they were cut or changed.
        applies: Which documents the lane can judge; None means all.
    """

    name: str
    scale: Scale
    rankings: tuple[Ranking, ...]
    scorer: LaneScorer | None = None
    applies: Applies | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Queries and the lanes found for them so far.

    Attributes:
        queries: The questions, in order.
        lanes: None yet (before the first lane), several side by side, or one ranked list.
        mask: bool, shape (rows,): the documents that lanes may find; None means all. Set by a
            filter that stands before the lanes.
        sources: The lanes as the lane stages gave them, with raw scores, once a later stage has
            changed ``lanes``; a gate or a learned ranker looks at them.
        volatile: Whether the next run may well give something else, so that nobody keeps this.
        milliseconds: CPU ms spent per query so far, shape (n,), as if this pipeline ran alone.
        notices: What the reader should know, each once.
        key: Names the content for the memo: equal keys, equal states.
    """

    queries: tuple[Query, ...]
    lanes: tuple[Lane, ...]
    milliseconds: NDArray[np.float64]
    notices: tuple[str, ...]
    key: str
    mask: NDArray[np.bool_] | None = None
    sources: tuple[Lane, ...] = ()
    volatile: bool = False

    @property
    def evidence(self) -> tuple[Lane, ...]:
        """What the lane stages found, whatever has been made of it since."""
        return self.sources or self.lanes

    @staticmethod
    def start(queries: tuple[Query, ...]) -> State:
        """The state before any stage."""
        digest = hashlib.blake2b(b"".join(q.digest() for q in queries), digest_size=16).hexdigest()
        return State(queries, (), np.zeros(len(queries)), (), digest)
