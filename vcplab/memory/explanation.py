"""Why a document stands where it does: the pipeline run again, every stage asked about it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

from vcplab.memory.corpus import Corpus
from vcplab.memory.stages.base import Context, Stage
from vcplab.memory.stages.fusion import Fusion
from vcplab.memory.stages.state import Lane, Query, State

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StageAccount", "Why", "explain"]

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
        contribution: The lane's share of a fused score: shares of a fusion sum to its score.
        reason: Matched terms, or what kept the document out.
    """

    stage: str
    kind: str
    lane: str
    rank: int | None
    score: float | None
    contribution: float | None
    reason: str


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

    def to_frame(self) -> pd.DataFrame:
        """One row per stage and lane: stage, kind, lane, rank, score, contribution, reason."""
        import pandas as pd

        frame = pd.DataFrame([astuple(a) for a in self.accounts], columns=_COLUMNS)
        return frame.astype({"rank": "Int64"})

    def __repr__(self) -> str:
        place = "not found" if self.rank is None else f"rank {self.rank}"
        return f"Why({self.docno!r} for {self.query!r} by {self.system}: {place})"

    def __str__(self) -> str:
        from vcplab.core.display import plain_table

        return plain_table(_COLUMNS, self._rows(), caption=repr(self))

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_table, style_block

        return style_block() + html_table(_COLUMNS, self._rows(), caption=repr(self))

    def _rows(self) -> list[tuple[object, ...]]:
        return [astuple(account) for account in self.accounts]


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
            accounts.extend(_account(stage, before, after, row))

        system.prepare(corpus)
        system._run(State.start((query,)), Context(corpus, k, watch=watch))
        return tuple(accounts)

    return Why(query.text, docno, system.name, corpus.consistently(asked))


def _account(stage: Stage, before: State, after: State, row: int) -> list[StageAccount]:
    if stage.kind == "query":
        text = after.queries[0].text
        changed = "unchanged" if text == before.queries[0].text else f"now asks: {text}"
        return [StageAccount(stage.name, "query", "", None, None, None, changed)]
    if not after.lanes:
        mask = after.mask
        open_ = mask is None or (row < len(mask) and bool(mask[row]))
        reason = "lets it through" if open_ else "left out here: it does not meet the condition"
        return [StageAccount(stage.name, stage.kind, "", None, None, None, reason)]
    lane = after.lanes[-1]
    rank, score = _place(lane, row)
    reason = ""
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
    if rank is None and not reason:
        was = _place(before.lanes[0], row)[0] if len(before.lanes) == 1 else None
        reason = "not listed" if was is None else f"dropped here, was at rank {was}"
    return [*rows, StageAccount(stage.name, stage.kind, "", rank, score, None, reason)]


def _place(lane: Lane, row: int) -> tuple[int | None, float | None]:
    ranking = lane.rankings[0]
    where = np.flatnonzero(ranking.rows == row)
    if not len(where):
        return None, None
    return int(where[0]), float(ranking.scores[where[0]])
