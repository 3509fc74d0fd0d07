"""What ``why_not`` answers: the smallest change that recalls a memory, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcplab.memory.explaining.changes import Change
from vcplab.memory.explaining.code import as_code
from vcplab.memory.explaining.space import SearchSpace
from vcplab.memory.stages.base import Stage

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cost", "MetricChange", "WhyNot"]


@dataclass(frozen=True, slots=True)
class MetricChange:
    """What a change of the system does to the mean of one metric over a data set.

    Attributes:
        metric: As ir_measures names it.
        before: Mean of the system as it is.
        after: Mean of the changed one.
        delta: Mean paired difference, after minus before.
        low: Lower end of its interval.
        high: Upper end.
    """

    metric: str
    before: float
    after: float
    delta: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What a change does besides recalling the memory.

    Attributes:
        places: How many of the other places among the first k hold another document than before.
        left: Documents that were among the first k and are not any more.
        metrics: The change of the means over all queries of a data set; empty where none is known.
        n: Number of queries that these means are over.
    """

    places: int
    left: tuple[str, ...]
    metrics: tuple[MetricChange, ...] = ()
    n: int = 0

    def __str__(self) -> str:
        gone = f", {', '.join(self.left[:3])} {'leave' if len(self.left) > 1 else 'leaves'}"
        told = [f"{self.places} other places change" + (gone if self.left else "")]
        told += [
            f"{m.metric} {m.before:.3f} → {m.after:.3f} ({m.delta:+.3f} [{m.low:+.3f}, "
            f"{m.high:+.3f}], {self.n} queries)"
            for m in self.metrics
        ]
        return "; ".join(told)


@dataclass(frozen=True)
class WhyNot:
    """Why a memory was not recalled, and the smallest change that would have.

    "Smallest" is among the settings of :attr:`space`, whose rules are in
    :mod:`vcplab.memory.explaining.space`: one change before two, and then by distance.

    Attributes:
        query: What was asked.
        docno: The memory.
        k: Into how many it should come.
        before: The system as it is.
        rank_before: The memory's position from 0 there; None if it is not in the list at all.
        changes: What to change; empty if it is recalled anyway, or no setting recalls it.
        system: The changed system, a value that can be used; None if no setting recalls it.
        rank_after: The memory's position there.
        size: How far the change is (1 is one switch, or the whole range of a number).
        searched: How many settings were tried.
        complete: Whether all of the space was: False where ``most`` settings were not enough.
        cost: What the change does besides; None where there is none.
        blocking: The stage that keeps the memory out, where no setting recalls it.
        reason: What that stage says.
        nearest_rank: The best position that some setting gave it, where none recalls it.
        space: What was tried.
    """

    query: str
    docno: str
    k: int
    before: Stage
    rank_before: int | None
    changes: tuple[Change, ...]
    system: Stage | None
    rank_after: int | None
    size: float
    searched: int
    complete: bool
    cost: Cost | None
    blocking: str | None
    reason: str
    nearest_rank: int | None
    space: SearchSpace

    @property
    def recalled(self) -> bool:
        """Whether the memory is among the first k as it is."""
        return self.rank_before is not None and self.rank_before < self.k

    @property
    def found(self) -> bool:
        """Whether the memory is recalled by :attr:`system`."""
        return self.system is not None

    @property
    def code(self) -> str:
        """Python that makes the changed system; "" where there is none."""
        return as_code(self.system) if self.system is not None else ""

    def to_frame(self) -> pd.DataFrame:
        """One row per change: parameter, old, new; and size, ranks and settings searched."""
        import pandas as pd

        rows = [
            (c.parameter, c.old, c.new, self.size, self.rank_before, self.rank_after, self.searched)
            for c in self.changes
        ]
        columns = ["parameter", "old", "new", "size", "rank_before", "rank_after", "searched"]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({"rank_before": "Int64", "rank_after": "Int64"})

    def facts(self) -> list[tuple[str, str]]:
        """The answer as headings and texts, in the order in which they are read."""
        facts = [("place", _place(self.rank_before))]
        if self.recalled:
            return [*facts, ("answer", f"It is among the first {self.k} already.")]
        if self.system is None:
            end = "" if self.complete else " (the nearest ones; there are more)"
            blocked = f"{self.blocking}: {self.reason}" if self.reason else f"{self.blocking}"
            facts += [
                ("answer", f"None of {self.searched} settings recalls it{end}."),
                ("blocked by", blocked),
            ]
            if self.nearest_rank is not None:
                facts.append(("nearest", f"at best {_place(self.nearest_rank)}"))
            return facts
        facts += [
            ("change", "; ".join(map(str, self.changes))),
            ("place then", _place(self.rank_after)),
            ("size", f"{self.size:.2f} (settings tried: {self.searched})"),
        ]
        if self.cost is not None:
            facts.append(("cost", str(self.cost)))
        return [*facts, ("code", self.code)]

    def __repr__(self) -> str:
        if self.recalled:
            told = f"at rank {self.rank_before} already"
        elif self.system is None:
            told = f"blocked by {self.blocking}, {self.searched} settings tried"
        else:
            told = "; ".join(map(str, self.changes))
        return f"WhyNot({self.docno!r} for {self.query!r}: {told})"

    def __str__(self) -> str:
        from vcplab.core.display import plain_table

        return plain_table(["", "answer"], self.facts(), caption=self._title())

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_card, style_block

        return style_block() + html_card(self._title(), self.facts())

    def _title(self) -> str:
        return (
            f"Why not {self.docno} in the first {self.k} of {self.before.name} for “{self.query}”"
        )


def _place(rank: int | None) -> str:
    return "not in the list" if rank is None else f"place {rank + 1}"
