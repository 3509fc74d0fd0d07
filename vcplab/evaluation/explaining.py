"""Why a document was or was not found by each system of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.evaluation.asking import ASKED_AT, with_times
from vcplab.memory.explanation import StageAccount, Why
from vcplab.memory.retriever import Retriever
from vcplab.memory.stages.base import Stage

if TYPE_CHECKING:
    from vcplab.evaluation.comparison import Comparison

__all__ = ["Whys", "explain_all"]


@dataclass(frozen=True)
class Whys:
    """One document and one query, explained system by system.

    Attributes:
        label: The judged relevance of the document; None if it was not judged.
        each: One explanation per system that can explain itself.
    """

    label: int | None
    each: tuple[Why, ...]

    def to_frame(self) -> pd.DataFrame:
        """The accounts of all systems under each other, with a column ``system``."""
        parts = [why.to_frame() for why in self.each]
        for why, part in zip(self.each, parts, strict=True):
            part.insert(0, "system", why.system)
        return pd.concat(parts, ignore_index=True)

    def __repr__(self) -> str:
        places = ", ".join(
            f"{why.system}: {'not found' if why.rank is None else f'rank {why.rank}'}"
            for why in self.each
        )
        judged = "not judged" if self.label is None else f"judged {self.label}"
        return f"Whys({self.each[0].docno!r}, {judged}; {places})"

    def __str__(self) -> str:
        return "\n\n".join(str(why) for why in self.each)

    def _repr_html_(self) -> str:
        return "".join(why._repr_html_() for why in self.each)


def _as_ranked(account: StageAccount, ranking: Sequence[str], docno: str, k: int) -> StageAccount:
    """The last account with the comparison's own rank: it has its order of ties, and a depth."""
    if docno in ranking:
        return replace(account, rank=list(ranking).index(docno))
    if account.rank is not None and account.rank >= k:
        return replace(account, rank=None, reason=f"at rank {account.rank}, below the {k} kept")
    return account


def explain_all(board: Comparison, qid: str, docno: str) -> Whys:
    """Explain a document's place for one query of a comparison.

    Args:
        board: The comparison.
        qid: One of its queries.
        docno: A document of its corpus.

    Raises:
        NotFoundError: There is no such query or document.
        InvalidInputError: No system of the comparison can explain itself (finished runs,
            functions).
    """
    rows = board.data.queries[board.data.queries["qid"] == qid]
    if rows.empty:
        raise NotFoundError(
            f"The data has no query {qid!r}.",
            where="why",
            next_step=f"Queries are {', '.join(board.data.queries['qid'].head(3))}, …",
        )
    rows = with_times(rows, board.now)
    explained = []
    for place, system in enumerate(board.systems):
        retriever = (
            system.value.on(board.data.corpus) if isinstance(system.value, Stage) else system.value
        )
        if isinstance(retriever, Retriever):
            asked = rows["query"].iloc[0], docno, board.k
            why = retriever.why(*asked, asked_at=rows[ASKED_AT].iloc[0])
            last = _as_ranked(why.accounts[-1], board.ranking(place, qid), docno, board.k)
            explained.append(Why(why.query, why.docno, system.name, (*why.accounts[:-1], last)))
    if not explained:
        raise InvalidInputError(
            "None of these systems can explain itself.",
            where="why",
            next_step="Compare recipes or pipelines; a finished run has nothing left to ask.",
        )
    qrels = board.data.qrels
    labels = qrels[(qrels["qid"] == qid) & (qrels["docno"] == docno)]["label"]
    return Whys(None if labels.empty else int(labels.iloc[0]), tuple(explained))
