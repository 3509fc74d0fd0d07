"""Why a document stands where it does: the pipeline run again, every stage asked about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vcplab.memory.corpus import Corpus
from vcplab.memory.stages.base import Context, Stage
from vcplab.memory.stages.fusion import Fusion
from vcplab.memory.stages.state import Lane, Query, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["StageAccount", "Why", "explain"]

_Pairs = tuple[tuple[str, float], ...]
_COLUMNS = ["stage", "kind", "lane", "rank", "score", "contribution", "reason"]


@dataclass(frozen=True, slots=True)
class StageAccount:
    """What one stage, or one lane within a fusion, did with the document.

    Attributes:
        stage: Name of the stage.
        kind: ``query``, ``filter``, ``lane``, ``fusion`` or ``ranking``.
        lane: Which lane a fusion's contribution comes from; empty for the stage as a whole.
        rank: Position from 0 in the stage's list; None if it is not listed there.
        score: Score there; for a lane also when it is not listed.
        contribution: The part's share of a score that is a sum: the shares of a fusion, or of a
            stage that adds to a score, sum to its score.
        reason: Matched terms, what kept the document out, or the old score and rank.
        terms: For a lexical lane the matched terms, for the tag lane the tags, with their shares
            of its score; for a query stage the terms it added, with their weights.
        path: How energy came to the document's strongest tag: tags and energies, from a seed on.
        before_rank: Where a ranking stage found the document; None elsewhere.
        before_score: Its score there.
    """

    stage: str
    kind: str
    lane: str
    rank: int | None
    score: float | None
    contribution: float | None
    reason: str
    terms: _Pairs = ()
    path: _Pairs = ()
    before_rank: int | None = None
    before_score: float | None = None


@dataclass(frozen=True)
class Why:
    """An explanation of one document's place for one query.

    Attributes:
        query: What was asked.
        docno: The document.
        system: Name of the system.
        accounts: In the order in which the stages ran.
    """

    query: str
    docno: str
    system: str
    accounts: tuple[StageAccount, ...]

    @property
    def rank(self) -> int | None:
        """The document's final position from 0, or None if it was not found."""
        return self.accounts[-1].rank

    @property
    def filters(self) -> tuple[tuple[str, str], ...]:
        """The stages that removed the document, each with its reason."""
        return tuple(
            (account.stage, account.reason)
            for account in self.accounts
            if not account.lane and account.rank is None and _is_removal(account)
        )

    @property
    def shares(self) -> Mapping[str, float]:
        """Lane → its part of the last fusion's score; the parts sum to that score."""
        last: dict[str, float] = {}
        shares: dict[str, float] = {}
        for account in self.accounts:
            if account.kind != "fusion":
                continue
            if not account.lane:
                last, shares = shares, {}
            elif account.contribution is not None:
                shares[account.lane] = account.contribution
        return last

    @property
    def path(self) -> _Pairs:
        """How energy came to the document's strongest tag: tags and energies; () without tags."""
        return next((account.path for account in self.accounts if account.path), ())

    def waterfall(self) -> pd.DataFrame:
        """The score as bars: what each part adds, what each later stage makes of the sum.

        One row per bar: stage, part, kind, start, end, change, rank_before, rank, reason; see
        :class:`~vcplab.memory.explaining.waterfall.Step`. The changes of the rows of kind ``part``
        sum to the end of the ``sum`` behind them.
        """
        from vcplab.memory.explaining.waterfall import waterfall_frame

        return waterfall_frame(self.accounts)

    def plot(self) -> Figure:
        """The waterfall as a matplotlib figure."""
        from vcplab.core.display import view

        figure: Figure = view("plot", "Why")(self)
        return figure

    def to_frame(self) -> pd.DataFrame:
        """One row per stage and part: stage, kind, lane, rank, score, contribution, reason.

        Then ``terms`` and ``path`` (lists of pairs), ``before_rank`` and ``before_score``.
        """
        import pandas as pd

        columns = [*_COLUMNS, "terms", "path", "before_rank", "before_score"]
        rows = [[getattr(account, name) for name in columns] for account in self.accounts]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({"rank": "Int64", "before_rank": "Int64"})

    def __repr__(self) -> str:
        place = "not found" if self.rank is None else f"rank {self.rank}"
        return f"Why({self.docno!r} for {self.query!r} by {self.system}: {place})"

    def __str__(self) -> str:
        from vcplab.core.display import plain_table

        return plain_table(_COLUMNS, self._rows(), caption=repr(self))

    def _repr_html_(self) -> str:
        from vcplab.core.display import style_block
        from vcplab.memory.explaining.waterfall import waterfall_html

        return style_block() + waterfall_html(self.accounts, self._title())

    def _title(self) -> str:
        # People count places from 1, as tables of hits do.
        place = "not found" if self.rank is None else f"place {self.rank + 1}"
        return f"{self.docno} for “{self.query}” by {self.system}: {place}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [tuple(getattr(account, name) for name in _COLUMNS) for account in self.accounts]


def explain(system: Stage, corpus: Corpus, query: Query, docno: str, k: int) -> Why:
    """Run a pipeline for one query and ask every stage about one document.

    Args:
        system: A pipeline that gives one ranked list.
        corpus: The documents.
        query: The question.
        docno: The document.
        k: How deep the lists go.

    Raises:
        NotFoundError: The corpus has no such document.
    """

    def asked() -> tuple[StageAccount, ...]:
        accounts: list[StageAccount] = []
        row = corpus.row(docno)

        def watch(stage: Stage, before: State, after: State) -> None:
            accounts.extend(_account(stage, before, after, row, quiet))

        system.prepare(corpus)
        quiet = Context(corpus, k)
        system._run(State.start((query,)), Context(corpus, k, watch=watch))
        return tuple(accounts)

    return Why(query.text, docno, system.name, corpus.consistently(asked))


def _is_removal(account: StageAccount) -> bool:
    if account.kind == "filter" and account.before_rank is None:
        return account.reason.startswith("left out")
    return account.before_rank is not None


def _account(
    stage: Stage, before: State, after: State, row: int, context: Context
) -> list[StageAccount]:
    if stage.kind == "query":
        return [_query_account(stage, before.queries[0], after.queries[0])]
    if not after.lanes:
        mask = after.mask
        open_ = mask is None or (row < len(mask) and bool(mask[row]))
        reason = "lets it through" if open_ else "left out here: it does not meet the condition"
        return [StageAccount(stage.name, stage.kind, "", None, None, None, reason)]
    lane = after.lanes[-1]
    rank, score = _place(lane, row)
    reason = ""
    terms: _Pairs = ()
    path: _Pairs = ()
    if (
        stage.kind == "lane"
        and after.mask is not None
        and not (row < len(after.mask) and after.mask[row])
    ):
        return [StageAccount(stage.name, "lane", "", None, None, None, "left out by a filter")]
    if stage.kind == "lane" and lane.scorer is not None:
        at = np.array([row], np.int64)
        score = float(lane.scorer.score(0, at)[0])
        reason = lane.scorer.reasons(0, row)
        # A lane of one's own need not have them.
        terms = getattr(lane.scorer, "terms", _no_pairs)(0, row)
        path = getattr(lane.scorer, "path", _no_pairs)(0, row)
    rows: list[StageAccount] = []
    if isinstance(stage, Fusion):
        parts = stage.contributions(before.lanes, 0)
        where = np.flatnonzero(parts.rows == row)
        for i, own in enumerate(before.lanes):
            share = float(parts.values[i, where[0]]) if len(where) else None
            own_rank, own_score = _place(own, row)
            rows.append(
                StageAccount(stage.name, stage.kind, own.name, own_rank, own_score, share, "")
            )
    for name, value, told in stage.shares(before, context, 0, row):
        rows.append(StageAccount(stage.name, stage.kind, name, None, None, value, told))
    was: tuple[int | None, float | None] = (None, None)
    if stage.kind in ("ranking", "filter") and len(before.lanes) == 1:
        was = _place(before.lanes[0], row)
    if rank is None and not reason:
        reason = "not listed" if was[0] is None else f"dropped here, was at rank {was[0]}"
    elif was != (None, None) and was != (rank, score):
        reason = f"score {was[1]:.4g} → {score:.4g}, rank {was[0]} → {rank}"
    whole = StageAccount(stage.name, stage.kind, "", rank, score, None, reason, terms, path)
    return [*rows, replace(whole, before_rank=was[0], before_score=was[1])]


def _no_pairs(query: int, row: int) -> _Pairs:
    return ()


def _query_account(stage: Stage, before: Query, after: Query) -> StageAccount:
    """What a query stage made of the text, the terms and the vector."""
    told = [] if after.text == before.text else [f"now asks: {after.text}"]
    added = {
        term: weight - before.terms.get(term, 0.0)
        for term, weight in after.terms.items()
        if weight != before.terms.get(term, 0.0)
    }
    terms = tuple(sorted(added.items(), key=lambda pair: (-pair[1], pair[0])))
    if terms:
        told.append("adds " + ", ".join(f"{term} {weight:.2f}" for term, weight in terms[:8]))
    if after.embedding is not None and after.embedding is not before.embedding:
        told.append("moves the vector")
    reason = "; ".join(told) or "unchanged"
    return StageAccount(stage.name, "query", "", None, None, None, reason, terms)


def _place(lane: Lane, row: int) -> tuple[int | None, float | None]:
    ranking = lane.rankings[0]
    where = np.flatnonzero(ranking.rows == row)
    if not len(where):
        return None, None
    return int(where[0]), float(ranking.scores[where[0]])
