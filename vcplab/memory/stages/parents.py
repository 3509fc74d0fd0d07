"""Pieces and their parents: one entry per text, or the neighbours of what was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.reordering import reordered
from vcplab.memory.stages.state import State

__all__ = ["Expand", "Parents"]

Pool = Literal["max", "mean", "sum"]


class _Families:
    """Who belongs to whom (a ``Derived``): rows by parent, in the order of their positions.

    Args:
        by: Metadata that names the parent.
        order: Metadata that gives the place among its pieces; the order of arrival if missing.
    """

    def __init__(self, by: str, order: str) -> None:
        self._by = by
        self._order = order
        self._place: dict[int, tuple[str, float]] = {}
        self._members: dict[str, list[tuple[float, int]]] = {}

    def add(self, rows: Sequence[int], documents: Sequence[Document]) -> None:
        for row, document in zip(rows, documents, strict=True):
            parent = document.metadata.get(self._by)
            if parent is None:
                continue
            place = document.metadata.get(self._order)
            numeric = isinstance(place, int | float) and not isinstance(place, bool)
            position = float(place) if numeric and place is not None else float(row)
            self._place[row] = (str(parent), position)
            members = self._members.setdefault(str(parent), [])
            members.append((position, row))
            if len(members) > 1 and members[-1] < members[-2]:
                members.sort()

    def delete(self, rows: Sequence[int]) -> None:
        for row in rows:
            if row in self._place:
                parent, position = self._place.pop(row)
                members = self._members[parent]
                members.remove((position, row))
                if not members:
                    del self._members[parent]

    def parent(self, row: int) -> str | None:
        """The parent's id, or None."""
        found = self._place.get(row)
        return None if found is None else found[0]

    def place(self, row: int) -> float:
        """Where a piece stands among its siblings."""
        found = self._place.get(row)
        return float(row) if found is None else found[1]

    def around(self, row: int, before: int, after: int) -> list[int]:
        """The piece and its neighbours, in their order."""
        found = self._place.get(row)
        if found is None:
            return [row]
        members = self._members[found[0]]
        at = members.index((found[1], row))
        return [r for _, r in members[max(0, at - before) : at + after + 1]]


@dataclasses.dataclass(frozen=True, repr=False)
class Parents(Stage):
    """One entry per text: the pieces of one parent count together.

    The entry is the parent itself if it is a document of the corpus, else its best piece. Documents
    without a parent stay as they are.

    Attributes:
        pool: A parent's score: the ``max``, ``mean`` or ``sum`` of its listed pieces' scores.
        by: Metadata that names the parent (:func:`vcplab.memory.chunking.chunk` writes it).
    """

    kind: ClassVar[StageKind] = "ranking"
    pool: Pool = "max"
    by: str = "parent"

    def __post_init__(self) -> None:
        if self.pool not in get_args(Pool):
            raise InvalidInputError(
                f"There is no pool {self.pool!r}.",
                where="pool",
                next_step=f"Use one of {', '.join(get_args(Pool))}.",
            )

    def apply(self, state: State, context: Context) -> Output:
        """Collapse every list."""
        (lane,) = state.lanes
        families = _families(context.corpus, self.by, "position")
        rankings = tuple(self._pooled(r, families, context.corpus) for r in lane.rankings)
        lane = dataclasses.replace(lane, name=self.name, rankings=rankings, scorer=None)
        return Output(lanes=(lane,))

    def prepare(self, corpus: Corpus) -> None:
        """Read who belongs to whom."""
        _families(corpus, self.by, "position")

    def _pooled(self, ranking: Ranking, families: _Families, corpus: Corpus) -> Ranking:
        groups: dict[str | int, list[int]] = {}
        for at, row in enumerate(ranking.rows.tolist()):
            parent = families.parent(row)
            groups.setdefault(row if parent is None else parent, []).append(at)
        rows, scores = [], []
        for key, members in groups.items():
            values = ranking.scores[members]
            own = isinstance(key, str) and key in corpus
            rows.append(corpus.row(str(key)) if own else int(ranking.rows[members[0]]))
            scores.append(getattr(np, self.pool)(values))
        # A parent that was listed beside its pieces stands once, with the better score.
        best: dict[int, float] = {}
        for row, score in zip(rows, scores, strict=True):
            best[row] = max(best.get(row, -np.inf), float(score))
        return Ranking.of(np.array(list(best), np.int64), np.array(list(best.values()), np.float64))

    def _describe(self) -> str:
        return f"Parents({self.pool})"


@dataclasses.dataclass(frozen=True, repr=False)
class Expand(Stage):
    """Give the neighbours of what was found with it, in their order (VCPChat's windows: 6 and 6).

    Windows of one parent that overlap or touch become one, at the place and with the score of the
    best piece in it; the pieces inside follow each other as in the text. Nothing stands twice.

    Attributes:
        before: How many pieces before each found one.
        after: How many behind it.
        by: Metadata that names the parent: a chunk's text, a message's conversation.
        order: Metadata that gives the place in it; the order of arrival where it is missing.
    """

    kind: ClassVar[StageKind] = "ranking"
    before: int = 1
    after: int = 1
    by: str = "parent"
    order: str = "position"

    def __post_init__(self) -> None:
        if min(self.before, self.after) < 0:
            raise InvalidInputError(
                f"before={self.before}, after={self.after} cannot be counted.",
                where="Expand",
                next_step="Give 0 or more.",
            )

    def apply(self, state: State, context: Context) -> Output:
        """Expand every list."""
        (lane,) = state.lanes
        families = _families(context.corpus, self.by, self.order)
        rankings = tuple(self._expanded(ranking, families) for ranking in lane.rankings)
        lane = dataclasses.replace(lane, name=self.name, rankings=rankings, scorer=None)
        return Output(lanes=(lane,))

    def prepare(self, corpus: Corpus) -> None:
        """Read who belongs to whom."""
        _families(corpus, self.by, self.order)

    def _expanded(self, ranking: Ranking, families: _Families) -> Ranking:
        windows: list[list[int]] = []
        scores: list[float] = []
        inside: dict[int, int] = {}
        for row, score in zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True):
            window = families.around(row, self.before, self.after)
            # One more on either side: windows that touch are one.
            reach = families.around(row, self.before + 1, self.after + 1)
            met = sorted({inside[r] for r in reach if r in inside})
            home = met[0] if met else len(windows)
            if not met:
                windows.append([])
                scores.append(score)
            for other in met[1:]:
                window = [*windows[other], *window]
                windows[other] = []
            merged = dict.fromkeys([*windows[home], *window])
            windows[home] = list(merged)
            inside.update(dict.fromkeys(merged, home))
        rows = [row for window in windows for row in sorted(window, key=families.place)]
        kept = [score for window, score in zip(windows, scores, strict=True) for _ in window]
        flat = Ranking(np.array(rows, np.int64), np.array(kept, np.float64))
        # Strictly falling, so that the order inside a window survives every sort.
        steps = np.arange(len(rows)) * 1e-9 * max(1.0, float(np.abs(flat.scores).max(initial=0)))
        return reordered(flat, flat.scores - steps)

    def _describe(self) -> str:
        return f"Expand({self.before}, {self.after})"


def _families(corpus: Corpus, by: str, order: str) -> _Families:
    return corpus.derived(("family", by, order), lambda: _Families(by, order))
