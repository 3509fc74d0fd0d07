"""The search behind ``why_not``: single changes by size, then pairs, prefixes shared."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.memory.corpus import Corpus
from vcplab.memory.explaining.changes import Change, applied, parameters
from vcplab.memory.explaining.remembered import Rerankers
from vcplab.memory.explaining.space import Option, SearchSpace
from vcplab.memory.explaining.whynot import Cost, WhyNot
from vcplab.memory.explanation import StageAccount, explain
from vcplab.memory.recipes.base import Recipe
from vcplab.memory.stages.base import Context, Memo, Stage
from vcplab.memory.stages.state import Query, State

__all__ = ["MOST", "why_not"]

# Settings tried at most: within two seconds on a small corpus.
MOST = 400


def why_not(
    system: Stage,
    corpus: Corpus,
    query: Query,
    docno: str,
    k: int,
    *,
    space: SearchSpace | Mapping[str, Sequence[Any]] | None = None,
    depth: int | None = None,
    most: int = MOST,
) -> WhyNot:
    """Find the smallest change of a system that brings a document into its first ``k``.

    All single changes of the space are tried, nearest first; then pairs of coarse steps (up to four
    per parameter), nearest first, until ``most`` settings were tried. The first one that recalls
    the document is the answer. Settings share the work of the stages that they have in common; a
    reranker is asked about each document once, and the answer is run again as it is.

    Args:
        system: A pipeline that gives one ranked list.
        corpus: The documents.
        query: The question.
        docno: The document.
        k: Among how many it should be.
        space: What may be changed: a space, or parameter → values to try; that of the system's own
            parameters if None.
        depth: How deep the lists go; ``k`` if None, as a search for ``k`` has it.
        most: How many settings are tried at most.

    Raises:
        NotFoundError: The corpus has no such document.
        InvalidInputError: ``space`` is none, or names what is no parameter.
    """
    if isinstance(space, Mapping):
        space = SearchSpace.given(system, space)
    searched = SearchSpace.of(system) if space is None else space
    if not isinstance(searched, SearchSpace):
        raise InvalidInputError(
            f"{space!r} is no search space.",
            where="space",
            next_step='Give values per parameter: {"bm25_weight": [0.1, 0.5]}.',
        )
    depth = k if depth is None else max(k, depth)

    def found() -> WhyNot:
        system.prepare(corpus)
        return _Search(system, corpus, query, docno, k, searched, depth, most).answer()

    return corpus.consistently(found)


class _Search:
    def __init__(
        self,
        system: Stage,
        corpus: Corpus,
        query: Query,
        docno: str,
        k: int,
        space: SearchSpace,
        depth: int,
        most: int,
    ) -> None:
        self.system = system
        self.corpus = corpus
        self.query = query
        self.docno = docno
        self.row = corpus.row(docno)
        self.k = k
        self.space = space
        self.depth = depth
        self.most = most
        self.tried = 0
        self.seen: set[str] = set()
        self.rerankers = Rerankers(system)
        self.context = Context(corpus, depth, Memo())
        self.start = State.start((query,))

    def answer(self) -> WhyNot:
        state = self._run(self.system)
        self.seen.add(state.key)
        before = _rows(state)
        rank = self._rank(before)
        empty = WhyNot(
            query=self.query.text,
            docno=self.docno,
            k=self.k,
            before=self.system,
            rank_before=rank,
            changes=(),
            system=None,
            rank_after=rank,
            size=0.0,
            searched=0,
            complete=True,
            cost=None,
            blocking=None,
            reason="",
            nearest_rank=None,
            space=self.space,
        )
        if rank is not None and rank < self.k:
            return dataclasses.replace(empty, system=self.system)
        known = parameters(self.system)
        best: tuple[float, Stage] = (np.inf if rank is None else float(rank), self.system)
        for options in self._settings():
            if self.tried >= self.most:
                empty = dataclasses.replace(empty, complete=False)
                break
            changes = {name: new for option in options for name, new in option.changes}
            outcome = self._try(changes)
            if outcome is None:
                continue
            changed, rows = outcome
            place = self._rank(rows)
            if place is not None and place < self.k and self._confirmed(changed, rows):
                return dataclasses.replace(
                    empty,
                    changes=_told(changes, known),
                    system=changed,
                    rank_after=place,
                    size=sum(option.size for option in options),
                    searched=self.tried,
                    cost=self._cost(before, rows),
                )
            if place is not None and self.k <= place < best[0]:
                best = (float(place), changed)
        stage, reason = self._blocking(best[1])
        return dataclasses.replace(
            empty,
            rank_after=None,
            searched=self.tried,
            blocking=stage,
            reason=reason,
            nearest_rank=int(best[0]) if np.isfinite(best[0]) else None,
        )

    def _settings(self) -> Iterator[tuple[Option, ...]]:
        """Single changes by size, then pairs of coarse ones by size; in a fixed order."""
        singles = [(option.size, (option,)) for axis in self.space.axes for option in axis.options]
        yield from (options for _, options in sorted(singles, key=lambda s: s[0]))
        pairs = [
            (a.size + b.size, (a, b))
            for first, second in combinations(self.space.axes, 2)
            for a in first.coarse()
            for b in second.coarse()
            if not _clash(a.changes, b.changes)
        ]
        yield from (options for _, options in sorted(pairs, key=lambda s: s[0]))

    def _try(self, changes: Mapping[str, Any]) -> tuple[Stage, NDArray[np.int64]] | None:
        """The changed system and its list; None if it cannot work that way or is nothing new."""
        try:
            changed = applied(self.system, changes)
            if changed.lanes_in[0] > 0 or changed.lanes_out(0) != 1:
                return None
            state = self._run(changed)
        except VCPError:
            return None
        if state.key in self.seen:
            # Another name for what was tried: a depth of a rerank that is off changes nothing.
            return None
        self.seen.add(state.key)
        self.tried += 1
        return changed, _rows(state)

    def _confirmed(self, system: Stage, rows: NDArray[np.int64]) -> bool:
        """Whether the system itself gives this list: a reranker may judge a list as a whole."""
        if not self.rerankers:
            return True
        state = system._run(self.start, Context(self.corpus, self.depth))
        return np.array_equal(_rows(state)[: self.k], rows[: self.k])

    def _run(self, system: Stage) -> State:
        system = self.rerankers.within(system)
        while isinstance(system, Recipe):
            system = system.stages()  # made once: each of its stages is hashed only once
        return system._run(self.start, self.context)

    def _rank(self, rows: NDArray[np.int64]) -> int | None:
        where = np.flatnonzero(rows == self.row)
        return int(where[0]) if len(where) else None

    def _cost(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> Cost:
        old, new = before[: self.k].tolist(), after[: self.k].tolist()
        pairs = zip(
            [*old, *[None] * (self.k - len(old))],
            [*new, *[None] * (self.k - len(new))],
            strict=True,
        )
        places = sum(a != b and b != self.row for a, b in pairs)
        left = self.corpus.docnos(row for row in old if row not in set(new))
        return Cost(places, tuple(left))

    def _blocking(self, nearest: Stage) -> tuple[str, str]:
        """The stage that keeps the document out as the system is.

        If that is a filter, leaving it out was tried and is not enough: then it is what keeps the
        document out in the setting that came nearest.
        """
        stage, reason, kind = blocking(self._accounts(self.system), self.k)
        if kind == "filter" and nearest is not self.system:
            further, told, _ = blocking(self._accounts(nearest), self.k)
            reason = f"{reason}; and without it {further}: {told}" if further != stage else reason
        return stage, reason

    def _accounts(self, system: Stage) -> tuple[StageAccount, ...]:
        return explain(system, self.corpus, self.query, self.docno, self.depth).accounts


def _rows(state: State) -> NDArray[np.int64]:
    return state.lanes[0].rankings[0].rows


def blocking(accounts: tuple[StageAccount, ...], k: int) -> tuple[str, str, str]:
    """The stage that keeps a document out of the first ``k``, what it says, and its kind.

    It is the stage from which on the document stands below ``k`` or not at all; the lanes together
    where none of them has it among its first ``k``.
    """
    wholes = [a for a in accounts if not a.lane and a.kind != "query"]
    shut = [a for a in wholes if a.kind == "filter" and a.score is None and "left out" in a.reason]
    if shut:
        return shut[0].stage, shut[0].reason, "filter"
    inside = [a.rank is not None and a.rank < k for a in wholes]
    if not any(inside):
        lanes = [a for a in wholes if a.kind == "lane"]
        texts = [_of_lane(a) if len(lanes) == 1 else f"{a.stage}: {_of_lane(a)}" for a in lanes]
        return " + ".join(a.stage for a in lanes), "; ".join(texts), "lane"
    last = len(inside) - 1 - inside[::-1].index(True)
    if last + 1 >= len(wholes):
        return wholes[-1].stage, wholes[-1].reason, wholes[-1].kind
    behind = [a for a in wholes[last + 1 :] if a.kind != "lane"] or wholes[last + 1 :]
    first = behind[0]
    where = "not listed" if first.rank is None else f"at place {first.rank + 1}"
    if first.kind == "fusion":
        # A lane may list what it cannot judge, and says so.
        listed = [a for a, own in zip(wholes, inside, strict=True) if a.kind == "lane" and own]
        told = "; ".join(f"{a.stage} had it at {_of_lane(a)}" for a in listed)
        return first.stage, f"{where} after it ({told})", first.kind
    told = f"{where} after it" + (f" ({first.reason})" if first.reason else "")
    return first.stage, told, first.kind


def _of_lane(account: StageAccount) -> str:
    where = "not listed" if account.rank is None else f"place {account.rank + 1}"
    return f"{where} ({account.reason})" if account.reason else where


def _told(changes: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(Change(name, known[name], new) for name, new in changes.items())


def _clash(first: tuple[tuple[str, Any], ...], second: tuple[tuple[str, Any], ...]) -> bool:
    """Whether two options change the same thing, or one a part of what the other replaces."""
    return any(
        a == b or a.startswith(f"{b}__") or b.startswith(f"{a}__")
        for a, _ in first
        for b, _ in second
    )
