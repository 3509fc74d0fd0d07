"""The retrieval task: queries in, ranked documents out, measured by ir_measures."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.evaluation._options import whole_option
from vcplab.evaluation.asking import ASKED_AT, reads_clock, with_times, without_time
from vcplab.evaluation.measures import metric_cutoff, parse_metrics
from vcplab.evaluation.ranking import ascii_ids, ranked_outputs
from vcplab.evaluation.systems import (
    System,
    as_system,
    as_systems,
    check_coverage,
    check_qids,
)
from vcplab.evaluation.tasks import Output, SystemInfo

if TYPE_CHECKING:
    from vcplab.evaluation.comparison import Comparison
    from vcplab.evaluation.data import RetrievalData
    from vcplab.evaluation.matrix import MatrixResult

__all__ = ["RetrievalTask"]

_METRICS = ("nDCG@10", "R@20", "RR")
# What goes to the workers with a task.
_TRAVELS = frozenset({"data", "k", "now", "_timed_queries"})
# What a system may see of a query. Classes and splits are the judge's.
_VISIBLE = ("qid", "query", "language", ASKED_AT)


class RetrievalTask:
    """Rank the documents of a corpus for each query.

    An output is ``{"docnos": [...], "scores": [...], "ms": CPU milliseconds or None}``, in the
    order in which trec_eval reads a ranking (:mod:`vcplab.evaluation.ranking`).

    Args:
        data: Corpus, queries and judgements.
        k: Documents kept per query.
        now: When queries without ``asked_at`` are asked, for systems that read the clock; now, by
            the current clock, if None.

    Raises:
        InvalidInputError: ``k`` is not a positive whole number.
    """

    name = "retrieval"
    failed: ClassVar[str] = "count as 0"
    plural: ClassVar[str] = "queries"
    block: ClassVar[int] = 64
    threads: ClassVar[bool] = False

    def __init__(self, data: RetrievalData, k: int = 100, now: datetime | None = None) -> None:
        self.data = data
        self.k = whole_option(k, "k", 100)
        self.now = current_clock().now() if now is None else now
        self._bound: dict[int, tuple[System, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Bound retrievers are rebuilt where the task arrives; times are settled here.
        state = {key: value for key, value in self.__dict__.items() if key in _TRAVELS}
        return {**state, "_bound": {}}

    @property
    def fingerprint(self) -> str:
        """Hash of the corpus and k; the queries enter by :meth:`digest`, the judgements not."""
        return _sha("retrieval", self.data.corpus.fingerprint, str(self.k))

    def items(self) -> Sequence[str]:
        """Query ids in order."""
        return [str(qid) for qid in self.data.queries["qid"]]

    @cached_property
    def _queries(self) -> pd.DataFrame:
        shown = [column for column in _VISIBLE if column in self.data.queries.columns]
        return self.data.queries[shown].set_index("qid", drop=False)

    @cached_property
    def _timed_queries(self) -> pd.DataFrame:
        """The queries as systems that read the clock see them."""
        return with_times(self._queries, self.now)

    @cached_property
    def _times(self) -> str:
        """Hash of the times that had to be filled in; "" if there were none."""
        if self._timed_queries is self._queries:
            return ""
        return _sha("asked", *map(str, self._timed_queries[ASKED_AT]))

    def digest(self, items: Sequence[str]) -> str:
        """Hash of the queries as systems see them."""
        rows = self._queries.loc[list(items)]
        parts = [str(value) for row in rows.itertuples(index=False) for value in row]
        return _sha(*rows.columns, *parts)

    @cached_property
    def counted(self) -> frozenset[str]:
        """Queries with at least one relevant judgement (label 1 or more): only these are scored."""
        qrels = self.data.qrels
        return frozenset(qrels.loc[qrels["label"] > 0, "qid"])

    def describe(self, system: Any) -> SystemInfo:
        """Name, fingerprint and parameters of a competitor."""
        system = as_system(system)
        fingerprint = system.fingerprint
        corpus = getattr(system.value, "corpus", None)
        elsewhere = getattr(corpus, "fingerprint", None)
        if system.kind == "retriever" and fingerprint is not None:
            # A bound retriever reads its own corpus, which may be another one.
            fingerprint = None if elsewhere is None else _sha("bound", fingerprint, str(elsewhere))
            if elsewhere == self.data.corpus.fingerprint:
                fingerprint = system.fingerprint
        moment = self._times if reads_clock(system) else ""
        return SystemInfo(system.name, fingerprint, system.parameters, moment)

    def notes(self, systems: Sequence[System]) -> list[str]:
        """What is to be said about systems and data before anything is run.

        Raises:
            InvalidDataError: The ids of a finished run are none of this data's.
        """
        said = [check_coverage(system, self.data) for system in systems if system.kind == "run"]
        timeless = without_time(self._queries)
        clocked = [system.name for system in systems if reads_clock(system)] if timeless else []
        if clocked:
            said.append(
                f"{', '.join(clocked)}: where a query does not say when it is asked "
                f"({timeless} of {len(self._queries)}), it was asked at "
                f"{self.now.isoformat(timespec='seconds')}."
            )
        return [text for text in said if text]

    # --- what compare asks ----------------------------------------------------------------

    def competitors(self, systems: Any) -> tuple[System, ...]:
        """Recipes, retrievers, functions and finished runs, each with a name of its own."""
        return as_systems(systems)

    def metrics(self, given: Any) -> dict[str, Any]:
        """Label → ir_measures measure."""
        return parse_metrics(_METRICS if given is None else given)

    def check(self, systems: Sequence[Any], measures: Mapping[str, Any]) -> list[str]:
        """The notes of :meth:`notes`.

        Raises:
            InvalidDataError: No query has a relevant document, or a run answers none.
        """
        told = self.notes(systems)
        if not self.counted.intersection(self.data.queries["qid"]):
            raise InvalidDataError(
                f"No query of {self.data.name} (split {self.data.split}) has a relevant document.",
                where="qrels",
                next_step="Choose another split, or check that the ids of queries and qrels agree.",
            )
        return told

    def judged_by(self, measures: Mapping[str, Any]) -> str | None:
        """Hash of judgements and metrics."""
        return _sha(self.data.judgements_hash, *(repr(measure) for measure in measures.values()))

    def groups(self) -> Sequence[str] | None:
        """None: each query stands for itself."""
        return None

    def why_anew(self, system: Any) -> str:
        """Nothing tells when it changes."""
        return (
            "nothing tells when it changes (give it a `fingerprint` or, for a function, a "
            "`version`)"
        )

    def remarks(
        self, result: MatrixResult, scores: Sequence[pd.DataFrame], measures: Mapping[str, Any]
    ) -> list[str]:
        """Metrics that read deeper than what was kept."""
        deep = [m for m, measure in measures.items() if (metric_cutoff(measure) or 0) > self.k]
        if not deep:
            return []
        return [f"{', '.join(deep)} read deeper than the {self.k} documents kept (k={self.k})."]

    def board(self, **parts: Any) -> Comparison:
        """The comparison."""
        from vcplab.evaluation.comparison import Comparison

        return Comparison(data=self.data, k=self.k, now=self.now, **parts)

    # --- running --------------------------------------------------------------------------

    def prepare(self, systems: Sequence[Any]) -> None:
        """Bind recipes to the corpus and build their indexes and encodings."""
        for system in systems:
            retriever = self._retriever(as_system(system))
            ready = getattr(retriever, "prepare", None)
            if callable(ready):
                ready()

    def _retriever(self, system: System) -> Any:
        if system.kind in ("function", "run"):
            return None
        known = self._bound.get(id(system.value))
        if known is None:
            value = system.value
            known = (system, value.on(self.data.corpus) if system.kind == "recipe" else value)
            self._bound[id(value)] = known
        return known[1]

    def run(self, systems: Sequence[Any], items: Sequence[str]) -> list[list[Output]]:
        """Ranked documents per system and query; shared prefixes of the systems run once."""
        memo = _new_memo()
        results = []
        for given in systems:
            system = as_system(given)
            shown = self._timed_queries if reads_clock(system) else self._queries
            queries = shown.loc[list(items)].reset_index(drop=True)
            try:
                results.append(self._run_one(system, queries, memo))
            except Exception as error:
                error.add_note(f"While {system.name!r} answered {_span(items)}.")
                raise
        return results

    def _run_one(self, system: System, queries: pd.DataFrame, memo: Any) -> list[Output]:
        notices: list[str] = []
        volatile = False
        costs: Sequence[float | None]
        if system.kind == "run":
            wanted = system.value["qid"].isin(queries["qid"])
            frame, costs = system.value[wanted], [None] * len(queries)
        elif system.kind == "function":
            began = time.process_time()
            frame = system.value(queries.copy())
            spent = (time.process_time() - began) * 1000 / max(1, len(queries))
            costs = [spent] * len(queries)
            frame = _checked(frame, system.name, self._queries["qid"])
        else:
            retriever = self._retriever(system)
            if callable(getattr(retriever, "run", None)):
                result = retriever.run(queries, self.k, memo)
                frame, notices = result.frame, list(result.notices)
                volatile = getattr(result, "volatile", False)
                costs = [float(ms) for ms in result.milliseconds]
            else:
                frame, costs = _search_each(retriever, queries, self.k)
        outputs = ranked_outputs(
            frame, queries["qid"].tolist(), costs, self.k, system.name, notices
        )
        if notices and outputs:
            outputs[0]["notices"] = notices
        if volatile and outputs:
            outputs[0]["volatile"] = True
        return outputs

    def measure(self, outputs: Mapping[str, Output], metrics: Sequence[Any]) -> pd.DataFrame:
        """Scores per query by ir_measures.

        Queries without a relevant judgement have NaN; judged queries for which nothing was
        returned, or on which the system failed, have 0. The values are those that ir_measures has
        for the exported run; so the few measures that it does not take from trec_eval (``RR@k``,
        ``Judged@k``) have their own order of equal scores: ascending by id.

        Args:
            outputs: Query id → output of one system.
            metrics: Names or ir_measures measures.

        Raises:
            InvalidInputError: A metric does not exist or cannot be computed here.
        """
        import ir_measures

        measures = parse_metrics(metrics)
        labels = {measure: label for label, measure in measures.items()}
        counted = [qid for qid in outputs if qid in self.counted]
        table = pd.DataFrame(math.nan, index=list(outputs), columns=list(measures), dtype=float)
        table.index.name = "qid"
        table.loc[counted] = 0.0
        answered = [qid for qid in counted if outputs[qid].get("docnos")]
        if not answered:
            return table
        qids = ascii_ids(counted)
        docnos = ascii_ids(
            chain.from_iterable(
                (*self._judgements[qid], *outputs[qid].get("docnos", ())) for qid in counted
            )
        )
        run = {
            qids[qid]: {
                docnos[docno]: score
                for docno, score in zip(outputs[qid]["docnos"], outputs[qid]["scores"], strict=True)
            }
            for qid in answered
        }
        qrels = {
            qids[qid]: {docnos[docno]: label for docno, label in self._judgements[qid].items()}
            for qid in counted
        }
        evaluator = ir_measures.evaluator(list(measures.values()), qrels)
        values = {label: dict.fromkeys(qids.values(), 0.0) for label in measures}
        for metric in evaluator.iter_calc(run):
            values[labels[metric.measure]][metric.query_id] = float(metric.value)
        for label, column in values.items():
            table.loc[counted, label] = [column[qids[qid]] for qid in counted]
        return table

    @cached_property
    def _judgements(self) -> dict[str, dict[str, int]]:
        judged: dict[str, dict[str, int]] = {}
        qrels = self.data.qrels
        for qid, docno, label in zip(
            qrels["qid"], qrels["docno"], qrels["label"].tolist(), strict=True
        ):
            judged.setdefault(qid, {})[docno] = label
        return judged


def _sha(*parts: str) -> str:
    text = "\x1f".join(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _span(items: Sequence[str]) -> str:
    if len(items) == 1:
        return f"query {items[0]!r}"
    return f"the {len(items)} queries {items[0]!r} to {items[-1]!r}"


def _new_memo() -> Any:
    from vcplab.memory import Memo

    return Memo()


def _checked(frame: Any, name: str, known: pd.Series[str]) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        raise InvalidInputError(
            f"The function {name!r} returned {type(frame).__name__}, not a DataFrame.",
            where=name,
            next_step="Return a DataFrame with the columns qid, docno, score.",
        )
    tidy: pd.DataFrame = as_system(frame, name).value
    check_qids(tidy, name, known)
    return tidy


def _search_each(
    retriever: Any, queries: pd.DataFrame, k: int
) -> tuple[pd.DataFrame, list[float | None]]:
    rows: list[tuple[str, str, float]] = []
    costs: list[float | None] = []
    for qid, query in zip(queries["qid"], queries["query"], strict=True):
        began = time.process_time()
        passages = retriever.search(query, k)
        costs.append((time.process_time() - began) * 1000)
        rows.extend((qid, str(p.docno), float(p.score)) for p in passages)
    return pd.DataFrame(rows, columns=["qid", "docno", "score"]), costs
