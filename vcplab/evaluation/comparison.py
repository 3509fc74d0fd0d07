"""``compare``: systems side by side on data, with intervals and tests; and what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation import presentation
from vcplab.evaluation.cache import BlockCache
from vcplab.evaluation.convert import RunFrame, run_frame
from vcplab.evaluation.data import RetrievalData
from vcplab.evaluation.matrix import Failure, Matrix, MatrixResult
from vcplab.evaluation.measures import parse_metrics
from vcplab.evaluation.retrieval import RetrievalTask
from vcplab.evaluation.scoring import baseline_place, own_notices, score
from vcplab.evaluation.summary import TestPlan, summarise
from vcplab.evaluation.systems import System, as_systems
from vcplab.evaluation.tasks import SystemInfo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vcplab.core.store import Store
    from vcplab.evaluation.explaining import Whys

__all__ = ["Comparison", "compare"]


def compare(
    systems: Any,
    data: RetrievalData | str | Path,
    metrics: Any = ("nDCG@10", "R@20", "RR"),
    baseline: int | str | None = 0,
    *,
    k: int = 100,
    block: int = 64,
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
) -> Comparison:
    """Run systems on the queries of a data set and say which is better, by how much, how sure.

    Queries without a relevant document are run, but left out of means and tests; the result states
    how many. Queries for which a system returns nothing count as 0.

    Args:
        systems: Recipes, pipelines, bound retrievers, functions frame → frame, finished runs
            (frames or TREC run files); a sequence, a mapping name → system, or a single one.
        data: A data set, or its name or path.
        metrics: As ir_measures names them.
        baseline: Position or name of the system that others are tested against; None for no tests.
        k: Documents kept per query.
        block: Queries per block: the unit of caching and of sharing work between systems.
        seed: Of bootstrap and permutations; the settings' seed if None.
        jobs: Number of processes; the settings' if None.
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
        on_error: "raise", or "record": a query on which a system fails counts as 0 and is stated.
        cancel: An event that stops the run between blocks.

    Returns:
        The comparison.

    Raises:
        InvalidInputError: Something is not a system, a metric or an option.
        InvalidDataError: No query of the data has a relevant document, or a finished run answers
            none of its queries.
        NotFoundError: There is no such data set or baseline.
        StateError: The run was cancelled, or the corpus changed meanwhile.
    """
    if not isinstance(data, RetrievalData):
        from vcplab.evaluation.datasets import load

        data = load(data)
    if seed is None:
        from vcplab.core.settings import get_settings

        seed = get_settings().seed
    plan = TestPlan(seed, test, correction, confidence, interval, resamples, permutations)
    plan.check()
    measures = parse_metrics(metrics)
    competitors = as_systems(systems)
    place = baseline_place(baseline, [system.name for system in competitors])
    task = RetrievalTask(data, k)
    told = task.notes(competitors)
    if not task.counted.intersection(data.queries["qid"]):
        raise InvalidDataError(
            f"No query of {data.name} (split {data.split}) has a relevant document.",
            where="qrels",
            next_step="Choose another split, or check that the ids of queries and qrels agree.",
        )
    matrix = Matrix(
        task,
        competitors,
        block=block,
        cache=cache,
        executor=executor,
        jobs=jobs,
        progress=progress,
        on_error=on_error,
        cancel=cancel,
    )
    result, scores = score(matrix, task, measures, BlockCache(cache))
    counted = ~scores[0].isna().all(axis=1).to_numpy()
    values = {
        metric: np.stack([frame[metric].to_numpy(dtype=np.float64)[counted] for frame in scores])
        for metric in measures
    }
    long = summarise([info.name for info in result.systems], values, place, plan)
    said: dict[str, list[str]] = {}
    for name, text in result.notices:
        said.setdefault(text, []).append(name)
    notices = [f"{', '.join(names)}: {text}" for text, names in said.items()]
    notices += [*told, *own_notices(result, measures, task.k)]
    return Comparison(
        data=data,
        systems=competitors,
        infos=result.systems,
        metrics=tuple(measures),
        baseline=None if place is None else competitors[place].name,
        plan=plan,
        k=task.k,
        now=task.now,
        notices=tuple(notices),
        failures=result.failures,
        _long=long,
        _scores=scores,
        _result=result,
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


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Systems side by side.

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
    infos: tuple[SystemInfo, ...]
    metrics: tuple[str, ...]
    baseline: str | None
    plan: TestPlan
    k: int
    now: datetime
    notices: tuple[str, ...]
    failures: tuple[Failure, ...]
    _long: pd.DataFrame
    _scores: tuple[pd.DataFrame, ...]
    _result: MatrixResult

    @property
    def names(self) -> tuple[str, ...]:
        """The systems' names, in order."""
        return tuple(info.name for info in self.infos)

    @property
    def n(self) -> int:
        """Number of queries that count."""
        return int((~self._scores[0].isna().all(axis=1)).sum())

    @property
    def excluded(self) -> int:
        """Number of queries left out, because no document is relevant."""
        return len(self.data.queries) - self.n

    def to_frame(self) -> pd.DataFrame:
        """One row per system and metric.

        Columns as in :data:`~vcplab.evaluation.summary.COLUMNS`; deltas are system minus baseline.
        """
        return self._long.copy()

    @property
    def table(self) -> pd.DataFrame:
        """One row per system; per metric its mean, interval and comparison with the baseline."""
        adjusted = "p" if self.plan.correction == "none" else f"p_{self.plan.correction}"
        wide: dict[str, Any] = {"system": list(self.names)}
        for metric in self.metrics:
            rows = self._long[self._long["metric"] == metric]
            wide[metric] = rows["mean"].to_numpy()
            for column in ("low", "high", "delta", "p", "effect"):
                wide[f"{metric} {column}"] = rows[column].to_numpy()
            wide[f"{metric} {adjusted}"] = rows["p_adjusted"].to_numpy()
        wide["ms/query"] = [self.milliseconds(name) for name in self.names]
        return pd.DataFrame(wide)

    def milliseconds(self, system: str) -> float:
        """Mean CPU milliseconds per query of a system; NaN for finished runs."""
        costs = self._costs[self.names.index(system)]
        return float(np.nanmean(costs)) if np.isfinite(costs).any() else float("nan")

    @cached_property
    def _costs(self) -> tuple[np.ndarray[Any, np.dtype[np.float64]], ...]:
        costs = tuple(
            np.array([output.get("ms") for output in self._result.outputs(s).values()], np.float64)
            for s in range(len(self.infos))
        )
        self._result.release()
        return costs

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

    def why(self, qid: str, docno: str) -> Whys:
        """Where a document stands for a query and why, stage by stage, system by system."""
        from vcplab.evaluation.explaining import explain_all

        return explain_all(self, qid, docno)

    def plot(self, metric: str | None = None) -> Figure:
        """Forest plot: means and paired differences with their intervals.

        Args:
            metric: One of :attr:`metrics`; the first if None.

        Returns:
            A matplotlib figure, which notebooks show and ``savefig`` writes.

        Raises:
            NotFoundError: There is no such metric.
        """
        from vcplab.core.display import view

        figure: Figure = view("plot", "Comparison")(self, metric)
        return figure

    def report(self, path: str | Path) -> Path:
        """Write one HTML file with everything about the comparison; it refers to no other file.

        Args:
            path: The file, replaced at once when complete.

        Returns:
            The path.
        """
        from vcplab.evaluation.report import write_report

        return write_report(self, path)

    def to_text(self, width: int | None = None) -> str:
        """The table and its notes for a terminal.

        Args:
            width: Columns of the terminal; its own if None. Metrics that do not fit beside each
                other go below each other.
        """
        return presentation.text(self, width)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        leader = self._long[self._long["metric"] == self.metrics[0]]
        best = leader.iloc[int(leader["mean"].to_numpy().argmax())]
        return (
            f"Comparison({len(self.infos)} systems on {self.data.name!r}, {self.n} queries; best "
            f"{self.metrics[0]}: {best['system']} {best['mean']:.3f})"
        )

    def _repr_html_(self) -> str:
        return presentation.html(self)
