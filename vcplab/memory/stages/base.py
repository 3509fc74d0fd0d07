"""Stages and their algebra: ``+`` puts lanes side by side, ``>>`` lets one stage follow another.

Five kinds of stage make a pipeline; each says how many lanes it takes and gives, so that a
composition that cannot work is refused where it is written:

========  ===============================  =========  ==========
kind      what it does                     lanes in   lanes out
========  ===============================  =========  ==========
query     rewrites or expands the query    0          0
lane      finds candidates                 0 or 1     1 more
fusion    makes one list of several        ≥ 1        1
ranking   reorders or shortens one list    1          1
filter    narrows what may be found        0 or 1     as given
========  ===============================  =========  ==========

A lane that takes a list (:class:`~vcplab.memory.stages.tags.TagLane`) keeps it and puts its own
beside it. A filter before the lanes makes them search among fewer documents; behind them it drops
from the list.

A stage is an immutable value. Run on a corpus it is a pure function of (stage, corpus, queries),
so a :class:`Memo` can keep what it gave: systems that share a prefix share the work, and each is
still charged the time of the whole, as if it had run alone.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.configurable import Configurable, is_versioned
from vcplab.memory.stages.context import Context, Memo, Output, merged
from vcplab.memory.stages.state import Lane, State

if TYPE_CHECKING:
    from vcplab.memory.corpus import Corpus
    from vcplab.memory.retriever import Retriever

__all__ = ["Context", "Memo", "Output", "Pipeline", "SideBySide", "Stage", "StageKind"]

StageKind = Literal["query", "lane", "fusion", "ranking", "filter", "pipeline"]

# Kind → fewest and most lanes it takes.
_LANES_IN: dict[str, tuple[int, int]] = {
    "query": (0, 0),
    "lane": (0, 0),
    "fusion": (1, 99),
    "ranking": (1, 1),
    "filter": (0, 1),
}


@dataclasses.dataclass(frozen=True, repr=False)
class Stage(Configurable):
    """Base of everything that can stand in a pipeline.

    Attributes:
        label: What tables call it; its ``repr`` if None. Not part of the fingerprint.
    """

    kind: ClassVar[StageKind]
    label: str | None = dataclasses.field(default=None, kw_only=True, compare=False, repr=False)

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.label or self._describe()

    def named(self, label: str) -> Self:
        """A copy that tables call ``label``."""
        return dataclasses.replace(self, label=label)

    @property
    def cacheable(self) -> bool:
        """Whether results may be kept between runs: its fingerprint says all there is to say.

        A stage class of one's own is cacheable once it states ``version: ClassVar[str]``.
        """
        return is_versioned(type(self))

    @property
    def reads_clock(self) -> bool:
        """Whether results depend on when a query without ``asked_at`` is run."""
        return False

    @property
    def lanes_in(self) -> tuple[int, int]:
        """The smallest and largest number of lanes it can take."""
        return _LANES_IN[self.kind]

    def lanes_out(self, lanes: int) -> int:
        """The number of lanes it gives when it is given ``lanes``."""
        if self.kind == "filter":
            return lanes
        return 0 if self.kind == "query" else 1

    @abstractmethod
    def apply(self, state: State, context: Context) -> Output:
        """Do the work of the stage for all queries of the state."""

    def prepare(self, corpus: Corpus) -> None:
        """Build what the stage needs of the corpus ahead of the first query."""

    def shares(
        self, before: State, context: Context, query: int, row: int
    ) -> tuple[tuple[str, float, str], ...]:
        """The parts that a document's new score is the sum of, for explanations.

        Args:
            before: The state before the stage.
            context: The run.
            query: Which query.
            row: The document.

        Returns:
            Name, value and reason of each part; empty for a stage whose score is not a sum.
        """
        return ()

    def _run(self, state: State, context: Context) -> State:
        return context.run(self, state)

    def __add__(self, other: Stage) -> SideBySide:
        return SideBySide(_parts(self, SideBySide) + _parts(other, SideBySide))

    def __rshift__(self, other: Stage) -> Pipeline:
        return Pipeline(_parts(self, Pipeline) + _parts(other, Pipeline))

    def on(self, corpus: Corpus) -> Retriever:
        """Bind to a corpus.

        Args:
            corpus: The documents; its indexes are shared by every retriever that needs the same.

        Raises:
            InvalidInputError: The stage does not give one ranked list.
        """
        from vcplab.memory.retriever import Retriever

        low, _ = self.lanes_in
        if low > 0 or self.lanes_out(0) != 1:
            given = self.lanes_out(0) if low == 0 else 0
            raise InvalidInputError(
                f"{self.name} gives {given} ranked lists, not one.",
                next_step="Start with a lane (BM25(), Dense()) and fuse several with >> RRF() "
                "or >> Convex(0.3).",
            )
        return Retriever(self, corpus)

    def _describe(self) -> str:
        return repr(self).removesuffix("()")


def _parts(stage: Stage, kind: type[SideBySide] | type[Pipeline]) -> tuple[Stage, ...]:
    """The parts of an unlabelled composition of the same kind, so that chains stay flat."""
    if not isinstance(stage, Stage):
        raise InvalidInputError(
            f"{stage!r} is not a stage.",
            next_step="Compose stages: BM25() + Dense() >> RRF(). Wrap a function of your own "
            "with Rewrite(...).",
        )
    if isinstance(stage, kind) and stage.label is None:
        return stage.parts
    return (stage,)


@dataclasses.dataclass(frozen=True, repr=False)
class _Composition(Stage):
    kind: ClassVar[StageKind] = "pipeline"
    symbol: ClassVar[str]
    parts: tuple[Stage, ...] = ()

    def part_names(self) -> tuple[str, ...]:
        """Parameter prefixes of the parts: the class name in lower case, numbered when repeated."""
        names = [
            "lanes" if isinstance(part, SideBySide) else type(part).__name__.lower()
            for part in self.parts
        ]
        return tuple(
            f"{name}_{names[: i + 1].count(name)}" if names.count(name) > 1 else name
            for i, name in enumerate(names)
        )

    def _children(self) -> dict[str, Any]:
        return dict(zip(self.part_names(), self.parts, strict=True))

    def _content(self) -> dict[str, Any]:
        # A list: the order of lanes and stages is part of what they are.
        return {"parts": list(self.parts)}

    @property
    def cacheable(self) -> bool:
        return all(part.cacheable for part in self.parts)

    @property
    def reads_clock(self) -> bool:
        return any(part.reads_clock for part in self.parts)

    def _with_children(self, changes: Mapping[str, Any]) -> Self:
        parts = tuple(changes.get(n, p) for n, p in self._children().items())
        return dataclasses.replace(self, parts=parts)

    def prepare(self, corpus: Corpus) -> None:
        for part in self.parts:
            part.prepare(corpus)

    def apply(self, state: State, context: Context) -> Output:
        after = self._run(state, context)
        return Output(after.queries, after.lanes, after.mask, None, after.notices)

    def __repr__(self) -> str:
        # `+` binds tighter than `>>` in Python, so only a pipeline inside a sum needs brackets.
        return self.symbol.join(
            f"({part!r})"
            if isinstance(part, Pipeline) and isinstance(self, SideBySide)
            else repr(part)
            for part in self.parts
        )

    def _describe(self) -> str:
        return self.symbol.join(part.name for part in self.parts)


@dataclasses.dataclass(frozen=True, repr=False)
class SideBySide(_Composition):
    """Lanes next to each other, made by ``+``; a fusion has to follow."""

    symbol: ClassVar[str] = " + "

    def __post_init__(self) -> None:
        for part in self.parts:
            if part.lanes_in[0] > 0 or part.lanes_out(0) == 0:
                raise InvalidInputError(
                    f"{part.name} finds nothing by itself, so it cannot stand beside another lane.",
                    where=" + ".join(p.name for p in self.parts),
                    next_step="Put lanes on both sides of +, and >> before what reorders them.",
                )

    @property
    def lanes_in(self) -> tuple[int, int]:
        """Lanes start from the query."""
        return (0, 0)

    def lanes_out(self, lanes: int) -> int:
        """As many as its parts give together."""
        return sum(part.lanes_out(0) for part in self.parts)

    def _run(self, state: State, context: Context) -> State:
        results = [part._run(state, context) for part in self.parts]
        lanes = tuple(lane for result in results for lane in result.lanes)
        spent = sum((r.milliseconds - state.milliseconds for r in results), state.milliseconds)
        notices = state.notices
        for result in results:
            notices = merged(notices, result.notices)
        sources: tuple[Lane, ...] = ()
        if any(result.sources for result in results):
            sources = tuple(lane for result in results for lane in result.evidence)
        return State(
            state.queries,
            lanes,
            np.asarray(spent),
            notices,
            f"{state.key}/{self.fingerprint}",
            state.mask,
            sources,
            any(result.volatile for result in results),
        )


@dataclasses.dataclass(frozen=True, repr=False)
class Pipeline(_Composition):
    """Stages one after the other, made by ``>>``."""

    symbol: ClassVar[str] = " >> "

    def __post_init__(self) -> None:
        lanes = (
            self.parts[0].lanes_out(0) if self.parts and self.parts[0].lanes_in[0] == 0 else None
        )
        for before, part in zip(self.parts, self.parts[1:], strict=False):
            low, high = part.lanes_in
            if lanes is None:  # a tail of stages, to be put behind a lane later
                break
            if lanes < low:
                raise InvalidInputError(
                    f"{part.name} needs a ranked list, but {before.name} finds none.",
                    next_step="Put a lane such as BM25() before it.",
                )
            if lanes > high:
                raise InvalidInputError(
                    f"{part.name} takes {'no list' if high == 0 else 'one ranked list'}, but "
                    f"{before.name} gives {lanes}.",
                    next_step="Put a fusion between them: >> RRF() or >> Convex(0.3)."
                    if high
                    else "Query stages come before the lanes; put two lanes side by side with +.",
                )
            lanes = part.lanes_out(lanes)

    @property
    def lanes_in(self) -> tuple[int, int]:
        """What its first part takes."""
        return self.parts[0].lanes_in

    def lanes_out(self, lanes: int) -> int:
        """What its last part gives."""
        for part in self.parts:
            lanes = part.lanes_out(lanes)
        return lanes

    def _run(self, state: State, context: Context) -> State:
        for part in self.parts:
            state = part._run(state, context)
        return state
