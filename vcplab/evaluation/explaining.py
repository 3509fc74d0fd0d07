"""Why a document was or was not found by each system of a comparison, and what would find it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.evaluation.asking import ASKED_AT, with_times
from vcplab.memory.asked import as_time
from vcplab.memory.explaining.search import MOST, why_not
from vcplab.memory.explaining.space import SearchSpace
from vcplab.memory.explaining.whynot import MetricChange, WhyNot
from vcplab.memory.explanation import StageAccount, Why
from vcplab.memory.retriever import Retriever
from vcplab.memory.stages.base import Stage
from vcplab.memory.stages.state import Query

if TYPE_CHECKING:
    from vcplab.evaluation.comparison import Comparison

__all__ = ["WhyNots", "Whys", "explain_all", "why_not_all"]


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


@dataclass(frozen=True)
class WhyNots:
    """For each system of a comparison, the smallest change that recalls a missed document.

    Attributes:
        label: The judged relevance of the document; None if it was not judged.
        each: One answer per system that can be changed.
    """

    label: int | None
    each: tuple[WhyNot, ...]

    def __iter__(self) -> Iterator[WhyNot]:
        return iter(self.each)

    def __len__(self) -> int:
        return len(self.each)

    def to_frame(self) -> pd.DataFrame:
        """One row per system and metric: what would have to change, and what that costs.

        Columns: system, found, changes, size, rank_before, rank_after, searched, blocking, metric,
        before, after, delta, low, high.
        """
        rows = []
        for answer in self.each:
            base = {
                "system": answer.before.name,
                "found": answer.found,
                "changes": "; ".join(map(str, answer.changes)),
                "size": answer.size,
                "rank_before": answer.rank_before,
                "rank_after": answer.rank_after,
                "searched": answer.searched,
                "blocking": answer.blocking,
            }
            costs = answer.cost.metrics if answer.cost is not None else ()
            shown = ("metric", "before", "after", "delta", "low", "high")
            rows += [{**base, **{n: getattr(cost, n) for n in shown}} for cost in costs] or [
                {**base, **dict.fromkeys(shown)}
            ]
        frame = pd.DataFrame(rows)
        return frame.astype({"rank_before": "Int64", "rank_after": "Int64"})

    def __repr__(self) -> str:
        judged = "not judged" if self.label is None else f"judged {self.label}"
        return f"WhyNots({judged}; {', '.join(map(repr, self.each))})"

    def __str__(self) -> str:
        return "\n\n".join(str(answer) for answer in self.each)

    def _repr_html_(self) -> str:
        return "".join(answer._repr_html_() for answer in self.each)


def explain_all(board: Comparison, asked: str, docno: str) -> Whys:
    """Explain a document's place for one query, system by system.

    Args:
        board: The comparison.
        asked: The id of one of its queries, or any text.
        docno: A document of its corpus.

    Raises:
        NotFoundError: There is no such document, or a query id that looks like the data's own.
        InvalidInputError: No system of the comparison can explain itself (finished runs,
            functions).
    """
    qid, query = _query(board, asked)
    explained = []
    for place, name, retriever in _retrievers(board):
        why = retriever.why(query.text, docno, board.k, asked_at=query.asked_at)
        accounts = why.accounts
        if qid is not None:
            last = _as_ranked(accounts[-1], board.ranking(place, qid), docno, board.k)
            accounts = (*accounts[:-1], last)
        explained.append(Why(why.query, why.docno, name, accounts))
    return Whys(_label(board, qid, docno), tuple(explained))


def why_not_all(
    board: Comparison,
    asked: str,
    docno: str,
    k: int = 10,
    *,
    system: int | str | None = None,
    space: SearchSpace | Mapping[str, Sequence[Any]] | None = None,
    most: int = MOST,
) -> WhyNots:
    """Find, for each system, the smallest change that recalls a document, and what it costs.

    The cost is measured over all queries of the comparison's data: the change of each of its
    metrics, with the interval of the paired differences.

    Args:
        board: The comparison.
        asked: The id of one of its queries, or any text.
        docno: A document of its corpus.
        k: Into how many it should come.
        system: Position or name of one system; all that can be changed if None.
        space: What may be changed (:meth:`~vcplab.memory.retriever.Retriever.why_not`).
        most: How many settings are tried at most, per system.

    Raises:
        NotFoundError: There is no such document or system, or a query id that looks like the
            data's own.
        InvalidInputError: No system of the comparison can be changed (finished runs, functions).
    """
    qid, query = _query(board, asked)
    names = list(board.names)
    if isinstance(system, str) and system not in names:
        raise NotFoundError(
            f"There is no system {system!r}.",
            where="system",
            next_step=f"The systems are: {', '.join(names)}.",
        )
    wanted = names.index(system) if isinstance(system, str) else system
    answers = []
    for place, name, retriever in _retrievers(board):
        if wanted is not None and place != wanted % len(names):
            continue
        stage = retriever.system.named(name)
        answer = why_not(
            stage, retriever.corpus, query, docno, k, space=space, depth=board.k, most=most
        )
        answers.append(_costed(board, retriever, answer))
    if not answers:
        raise _unable()
    return WhyNots(_label(board, qid, docno), tuple(answers))


def _costed(board: Comparison, retriever: Retriever, answer: WhyNot) -> WhyNot:
    """The answer with what its change does to the metrics over all queries."""
    from vcplab.evaluation.comparison import compare

    if answer.system is None or answer.cost is None:
        return answer
    pair = {
        "before": retriever.system.on(retriever.corpus),
        "after": answer.system.on(retriever.corpus),
    }
    plan = board.plan
    # Asked when the comparison was: a system that reads the clock must not be judged by another.
    with use_clock(FrozenClock(board.now)):
        measured = compare(
            pair,
            board.data,
            list(board._measures.values()),
            baseline="before",
            seed=plan.seed,
            confidence=plan.confidence,
            interval=plan.interval,
            resamples=plan.resamples,
            # Nobody reads these p-values.
            test="t",
            correction="none",
            progress=False,
            jobs=1,
            k=board.k,
        )
    rows: list[dict[str, Any]] = measured.to_frame().to_dict("records")  # type: ignore[assignment]
    means = {row["metric"]: row["mean"] for row in rows if row["system"] == "before"}
    changes = [
        MetricChange(
            row["metric"],
            float(means[row["metric"]]),
            *(float(row[name]) for name in ("mean", "delta", "delta_low", "delta_high")),
        )
        for row in rows
        if row["system"] == "after"
    ]
    return replace(answer, cost=replace(answer.cost, metrics=tuple(changes), n=measured.n))


def _query(board: Comparison, asked: str) -> tuple[str | None, Query]:
    """The query that is meant: its id, None for a free text; and text and time."""
    queries = board.data.queries
    rows = queries[queries["qid"] == asked]
    if rows.empty:
        rows = queries[queries["query"] == asked].head(1)
    if rows.empty:
        if _shape(asked) in {_shape(qid) for qid in queries["qid"]}:
            raise NotFoundError(
                f"The data has no query {asked!r}.",
                where="why",
                next_step=f"Queries are {', '.join(queries['qid'].head(3))}, …; any text that is "
                "no such id is taken as a question.",
            )
        return None, Query(asked, None, board.now)
    rows = with_times(rows, board.now)
    qid = str(rows["qid"].iloc[0])
    return qid, Query(rows["query"].iloc[0], None, as_time(rows[ASKED_AT].iloc[0], qid))


def _shape(qid: str) -> str:
    """What ids of one kind have in common: q017 and q9 are q0."""
    return re.sub(r"\d+", "0", qid)


def _retrievers(board: Comparison) -> list[tuple[int, str, Retriever]]:
    """Position, name and retriever of the systems that can explain themselves."""
    found = []
    for place, system in enumerate(board.systems):
        value = system.value
        retriever = value.on(board.data.corpus) if isinstance(value, Stage) else value
        if isinstance(retriever, Retriever):
            found.append((place, system.name, retriever))
    if not found:
        raise _unable()
    return found


def _unable() -> InvalidInputError:
    return InvalidInputError(
        "None of these systems can explain itself.",
        where="why",
        next_step="Compare recipes or pipelines; a finished run has nothing left to ask.",
    )


def _label(board: Comparison, qid: str | None, docno: str) -> int | None:
    qrels = board.data.qrels
    labels = qrels[(qrels["qid"] == qid) & (qrels["docno"] == docno)]["label"]
    return None if labels.empty else int(labels.iloc[0])
