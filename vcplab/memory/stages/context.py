"""One run of a pipeline: where stages find the corpus, what they give, and what is kept of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.stages.state import Lane, Query, State

if TYPE_CHECKING:
    from vcplab.memory.corpus import Corpus
    from vcplab.memory.stages.base import Stage

__all__ = ["Context", "Memo", "Output", "merged"]


class Memo:
    """Keeps the states of pipeline prefixes, so that systems that share one run it once.

    Use one per block of queries: it holds on to everything until it is dropped.
    """

    def __init__(self) -> None:
        # Stages and corpora are kept as well: what is identified by being that very object must
        # not make room for another one at the same address.
        self._states: dict[tuple[str, Corpus, int, str, int], tuple[State, Stage]] = {}
        self.hits = 0

    def __len__(self) -> int:
        return len(self._states)


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """What a stage gives.

    Attributes:
        queries: Rewritten queries, or None if unchanged.
        lanes: New lanes, or None if unchanged.
        mask: bool, shape (rows,): the documents that lanes may find, or None if unchanged.
        extra_milliseconds: Correction of the clock per query (a cached encoding), shape (n,).
        notices: What the reader should know.
        volatile: Whether the next run may well give something else (a service that failed), so
            that the result must not be kept.
    """

    queries: tuple[Query, ...] | None = None
    lanes: tuple[Lane, ...] | None = None
    mask: NDArray[np.bool_] | None = None
    extra_milliseconds: NDArray[np.float64] | None = None
    notices: tuple[str, ...] = ()
    volatile: bool = False


class Context:
    """One run of a pipeline on a corpus: where stages find the indexes and where time is kept.

    Args:
        corpus: The documents.
        depth: Length of the lists that are asked for.
        memo: Shared with other runs on the same queries.
        watch: Told of every stage with the states before and after it (explanations).
    """

    def __init__(
        self,
        corpus: Corpus,
        depth: int,
        memo: Memo | None = None,
        watch: Callable[[Stage, State, State], None] | None = None,
    ) -> None:
        self.corpus = corpus
        self.depth = depth
        self.memo = memo
        self.watch = watch

    def run(self, stage: Stage, state: State) -> State:
        """The state after ``stage``, from the memo or freshly computed.

        Args:
            stage: Any stage but a composition (those call this for their parts).
            state: The state before it.
        """
        fingerprint = stage.fingerprint
        key = (fingerprint, self.corpus, self.corpus.version, state.key, self.depth)
        if self.memo is not None and key in self.memo._states:
            self.memo.hits += 1
            return self.memo._states[key][0]
        began = time.process_time()
        output = stage.apply(state, self)
        spent = (time.process_time() - began) * 1000 / max(1, len(state.queries))
        milliseconds = state.milliseconds + spent
        if output.extra_milliseconds is not None:
            milliseconds = milliseconds + output.extra_milliseconds
        after = State(
            state.queries if output.queries is None else output.queries,
            state.lanes if output.lanes is None else output.lanes,
            milliseconds,
            merged(state.notices, output.notices),
            f"{state.key}/{fingerprint}",
            state.mask if output.mask is None else output.mask,
            self._sources(stage, state, output),
            state.volatile or output.volatile,
        )
        if self.memo is not None:
            self.memo._states[key] = (after, stage)
        if self.watch is not None:
            self.watch(stage, state, after)
        return after

    @staticmethod
    def _sources(stage: Stage, state: State, output: Output) -> tuple[Lane, ...]:
        if stage.kind in ("fusion", "ranking", "filter"):
            return state.evidence
        if stage.kind == "lane" and state.lanes and output.lanes is not None:
            # A lane behind a list keeps it and adds its own.
            return (*state.evidence, *output.lanes[len(state.lanes) :])
        return state.sources


def merged(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Notices, each once, in order."""
    return first + tuple(n for n in second if n not in first)
