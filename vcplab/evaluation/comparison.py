"""``compare``: systems side by side on data, with intervals and tests; and what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import pandas as pd

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.evaluation.board import Board
from vcplab.evaluation.cache import BlockCache
from vcplab.evaluation.convert import RunFrame, run_frame
from vcplab.evaluation.data import RetrievalData
from vcplab.evaluation.matrix import Matrix
from vcplab.evaluation.scoring import baseline_place, own_notices, score
from vcplab.evaluation.summary import TestPlan
from vcplab.evaluation.systems import System
from vcplab.evaluation.tasks import Comparable
from vcplab.evaluation.units import summarise_task

if TYPE_CHECKING:
    from vcplab.core.store import Store
    from vcplab.evaluation.explaining import WhyNots, Whys

__all__ = ["Comparison", "compare"]


@overload
def compare(
    systems: Any,
    data: RetrievalData | str | Path,
    metrics: Any = None,
    baseline: int | str | None = 0,
    **options: Any,
) -> Comparison: ...
@overload
def compare(
    systems: Any,
    data: Comparable,
    metrics: Any = None,
    baseline: int | str | None = 0,
    **options: Any,
) -> Any: ...
def compare(
    systems: Any,
    data: Comparable | str | Path,
    metrics: Any = None,
    baseline: int | str | None = 0,
    *,
    block: int | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    cache: bool | str | Path | Store = True,
    progress: bool | None = None,
    correction: str = "holm",
    test: Literal["permutation", "t"] = "permutation",
    confidence: float = 0.95,
    interval: Literal["percentile", "BCa"] = "percentile",
    resamples: int = 10_000,
    permutations: int = 9_999,
    on_error: Literal["raise", "record"] = "raise",
    cancel: Event | None = None,
    **options: Any,
) -> Any:
    """Run systems on data and say which is better, by how much, how sure.

    The data decide what is run. On a retrieval data set, systems rank documents for its queries:
    those without a relevant document are run, but left out of means and tests; the result states
    how many; queries for which a system returns nothing count as 0. On chat scenarios
    (:class:`~vcplab.evaluation.chats.ChatScenarios`), teams of agents talk. On samples of
    responses (:class:`~vcplab.evaluation.samples.GroundingData`), detectors of hallucinations say
    which are not supported, and where; with ``task="suppression"``, suppressors mend them.

    Args:
        systems: What competes: a sequence, a mapping name → system, or a single one. For
            retrieval recipes, pipelines, bound retrievers, functions frame → frame, finished runs
            (frames or TREC run files); for chats :class:`~vcplab.evaluation.chat_teams.ChatTeam`;
            for samples detectors (:class:`~vcplab.protocol.ports.Detector`), or whatever has
            ``suppress``.
        data: A data set, or the name or path of one for retrieval.
        metrics: For retrieval as ir_measures names them (nDCG@10, R@20, RR); for chats see
            :mod:`vcplab.evaluation.chat_metrics`, for samples
            :mod:`vcplab.evaluation.detection.metrics` and
            :mod:`vcplab.evaluation.suppression.metrics`. None for the usual ones.
        baseline: Position or name of the system that others are tested against; None for no tests.
        block: Items per block: the unit of caching and of sharing work between systems; 64
            queries, one chat or 32 samples.
        seed: Of bootstrap and permutations; the settings' seed if None.
        jobs: Number of processes (for chats: of threads); the settings' if None.
        executor: Any ``concurrent.futures`` executor instead.
        cache: True (the settings' cache folder), False, a path or a ``Store``.
        progress: Whether a progress bar is shown; None decides by the surroundings.
        correction: Adjustment of p-values over the systems of a metric: a statsmodels name or
            "none".
        test: "permutation" (paired, two-sided) or "t" (paired t-test).
        confidence: Coverage of intervals.
        interval: Bootstrap method, "percentile" or "BCa".
        resamples: Bootstrap samples.
        permutations: Random permutations of the test.
        on_error: "raise", or "record": an item on which a system fails is stated; a query counts
            as 0, a chat is left out.
        cancel: An event that stops the run between blocks.
        **options: The task's own. For retrieval ``k``, the documents kept per query (100); for
            chats ``seeds`` and ``units``; for samples ``task``, ``baselines`` and ``threshold``
            or ``judge``.

    Returns:
        The comparison: :class:`Comparison` for retrieval,
        :class:`~vcplab.evaluation.chat_board.ChatBoard` for chats,
        :class:`~vcplab.evaluation.detection.board.DetectionBoard` or
        :class:`~vcplab.evaluation.suppression.board.SuppressionBoard` for samples.

    Raises:
        InvalidInputError: Something is not a system, a metric or an option.
        InvalidDataError: No query of the data has a relevant document, or a finished run answers
            none of its queries.
        NotFoundError: There is no such data set or baseline.
        StateError: The run was cancelled, or the corpus changed meanwhile.
    """
    if isinstance(data, str | Path) or not isinstance(data, Comparable):
        from vcplab.evaluation.datasets import load

        loaded: Comparable = load(data)
        data = loaded
    if seed is None:
        from vcplab.core.settings import get_settings

        seed = get_settings().seed
    plan = TestPlan(seed, test, correction, confidence, interval, resamples, permutations)
    plan.check()
    task = data.task(**options)
    measures = task.metrics(metrics)
    competitors = task.competitors(systems)
    place = baseline_place(baseline, [system.name for system in competitors])
    told = task.check(competitors, measures)
    matrix = Matrix(
        task,
        competitors,
        block=task.block if block is None else block,
        cache=cache,
        executor=executor,
        jobs=jobs,
        progress=progress,
        on_error=on_error,
        cancel=cancel,
    )
    result, scores = score(matrix, task, measures, BlockCache(cache))
    names = [info.name for info in result.systems]
    long, used = summarise_task(task, names, scores, measures, place, plan)
    said: dict[str, list[str]] = {}
    for name, text in result.notices:
        said.setdefault(text, []).append(name)
    notices = [f"{', '.join(names)}: {text}" for text, names in said.items()]
    notices += [*told, *own_notices(result, task, competitors)]
    notices += task.remarks(result, scores, measures)
    return task.board(
        systems=competitors,
        infos=result.systems,
        metrics=tuple(measures),
        baseline=None if place is None else competitors[place].name,
        plan=plan,
        notices=tuple(notices),
        failures=result.failures,
        _long=long,
        _scores=scores,
        _result=result,
        _measures=measures,
        _used=used,
    )


class _Runs(Mapping[str, RunFrame]):
    """Rankings by system name, made when asked for."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison

    def __getitem__(self, name: str) -> RunFrame:
        names = [info.name for info in self._comparison.infos]
        if name not in names:
            raise NotFoundError(
                f"There is no system {name!r}.",
                where="runs",
                next_step=f"The systems are: {', '.join(names)}.",
            )
        return self._comparison._run(names.index(name))

    def __iter__(self) -> Iterator[str]:
        return iter([info.name for info in self._comparison.infos])

    def __len__(self) -> int:
        return len(self._comparison.infos)

    def __repr__(self) -> str:
        return f"runs of {', '.join(self)}"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Comparison(Board):
    """Retrieval systems side by side.

    Attributes:
        data: What they were compared on.
        systems: The competitors.
        infos: Their names, fingerprints and parameters.
        metrics: Labels of the metrics.
        baseline: Name of the system the others are tested against, or None.
        plan: Seed, test, correction and intervals.
        k: Documents kept per query.
        now: When it was run; systems that read the clock were asked then, unless a query says.
        notices: What the reader should know.
        failures: Queries on which a system failed, where ``on_error="record"``.
    """

    data: RetrievalData
    systems: tuple[System, ...]
    k: int
    now: datetime

    pace_heading: ClassVar[str] = "ms/query"

    @property
    def units(self) -> str:
        """Intervals are over queries."""
        return "queries"

    @property
    def title(self) -> str:
        """Data and number of queries, for figures."""
        return f"{self.data.name} ({self.data.split}), {self.n} queries"

    @property
    def data_name(self) -> str:
        """What the data are called."""
        return self.data.name

    @property
    def n(self) -> int:
        """Number of queries that count."""
        return int((~self._scores[0].isna().all(axis=1)).sum())

    @property
    def excluded(self) -> int:
        """Number of queries left out, because no document is relevant."""
        return len(self.data.queries) - self.n

    def milliseconds(self, system: str) -> float:
        """Mean CPU milliseconds per query of a system; NaN for finished runs."""
        return self.pace(system)

    def ranking(self, system: int, qid: str) -> list[str]:
        """Ids of the documents that a system (by position) found for a query, best first."""
        return list(self._result.outputs(system)[qid].get("docnos", ()))

    @cached_property
    def _per_query(self) -> pd.DataFrame:
        queries = self.data.queries
        taken = {"qid", "query", "system", "ms", *self.metrics}
        extra = [column for column in queries.columns if column not in taken]
        parts = []
        for s, (name, scores) in enumerate(zip(self.names, self._scores, strict=True)):
            part = queries[["qid", "query"]].copy()
            part["system"] = name
            for metric in self.metrics:
                part[metric] = scores[metric].to_numpy()
            part["ms"] = self._costs[s]
            parts.append(pd.concat([part, queries[extra]], axis=1))
        return pd.concat(parts, ignore_index=True)

    @property
    def per_query(self) -> pd.DataFrame:
        """One row per query and system: qid, query, system, each metric, ms, the query's columns.

        Metrics are NaN where no document is relevant.
        """
        return self._per_query.copy()

    def by(self, column: str) -> pd.DataFrame:
        """Means for groups of queries.

        Args:
            column: A column of the queries, such as "class" or "language".

        Returns:
            One row per group and system: the group, system, n (queries that count), queries, and
            the mean of each metric.

        Raises:
            InvalidInputError: There is no such column.
        """
        if column not in self.data.queries.columns:
            raise InvalidInputError(
                f"The queries have no column {column!r}.",
                where="by",
                next_step=f"Columns: {', '.join(self.data.queries.columns)}.",
            )
        frame = self._per_query
        groups = frame.groupby([column, "system"], sort=False)
        means = groups[list(self.metrics)].mean()
        means.insert(0, "n", groups[self.metrics[0]].count())
        means.insert(1, "queries", groups.size())
        order = [(value, name) for value in sorted(frame[column].unique()) for name in self.names]
        return means.loc[order].reset_index()

    @property
    def runs(self) -> Mapping[str, RunFrame]:
        """System name → its ranking (qid, query, docno, score, rank), with ``to_trec(path)``."""
        return _Runs(self)

    def _run(self, system: int) -> RunFrame:
        outputs = self._result.outputs(system)
        texts = dict(zip(self.data.queries["qid"], self.data.queries["query"], strict=True))
        self._result.release()
        return run_frame(outputs, texts, self.names[system])

    def panel(self, **options: Any) -> Any:
        """The explorer of these systems on these data, a widget.

        Args:
            **options: Of `vcplab.widgets.explorer.RetrievalExplorer`.
        """
        from vcplab.core.display import view

        return view("panel", "Comparison")(self, **options)

    def why(self, qid_or_text: str, docno: str) -> Whys:
        """Where a document stands for a query and why, stage by stage, system by system."""
        from vcplab.evaluation.explaining import explain_all

        return explain_all(self, qid_or_text, docno)

    def why_not(self, qid_or_text: str, docno: str, k: int = 10, **options: Any) -> WhyNots:
        """The smallest change of each system that recalls a document, and its cost over the data.

        Args:
            qid_or_text: The id of a query, or any text.
            docno: A document of the corpus.
            k: Into how many it should come.
            **options: ``system``, ``space`` and ``most`` of
                :func:`~vcplab.evaluation.explaining.why_not_all`.
        """
        from vcplab.evaluation.explaining import why_not_all

        return why_not_all(self, qid_or_text, docno, k, **options)

    # --- how it is told -------------------------------------------------------------------

    def about_data(self) -> list[str]:
        """The data set, and which queries count."""
        facts = self.data.facts()
        return [
            f"Data: {facts['name']}, version {facts['version']}, split {facts['split']}, licence "
            f"{facts['licence']}, hash {facts['hash'][:12]}; {facts['documents']:,} documents; "
            f"{self.n} of {facts['queries']} queries count{self._left_out()}."
        ]

    def _left_out(self) -> str:
        if not self.excluded:
            return ""
        shown = f"; {self.excluded} left out, because no document is relevant"
        if "class" in self.data.queries.columns:
            frame = self.per_query
            first = frame[(frame["system"] == self.names[0]) & frame[self.metrics[0]].isna()]
            counts = first["class"].value_counts()
            shown += f" ({', '.join(f'{name} {count}' for name, count in counts.items())})"
        return shown

    def about_pace(self) -> str:
        """What milliseconds are."""
        return (
            f"ms/query: mean CPU milliseconds, measured when the outputs were computed; k = "
            f"{self.k}; seed {self.plan.seed}."
        )

    def problems(self) -> str:
        """How many problems the data files have."""
        count = self.data.facts()["problems"]
        return f"The data files have {count} problem(s): see data.report." if count else ""

    def report_sections(self) -> list[tuple[str, list[Any]]]:
        """Groups of queries, queries that differ most, systems, data, and how to repeat it."""
        from vcplab.evaluation.report import retrieval_sections

        return retrieval_sections(self)
