"""What the explorer computes: systems with changed parameters on the queries, and their table.

Work that changed parameters leave as it was is not done again: stages by the memo, whole answers by
fingerprint. Between blocks of queries it looks whether the answer is still wanted.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.asking import ASKED_AT, with_times
from vcplab.evaluation.bootstrap import bootstrap_intervals
from vcplab.evaluation.data import RetrievalData
from vcplab.evaluation.ranking import ranked_outputs
from vcplab.evaluation.retrieval import RetrievalTask
from vcplab.evaluation.systems import System, as_systems
from vcplab.memory.asked import as_time
from vcplab.memory.corpus import Corpus
from vcplab.memory.retriever import Retriever
from vcplab.memory.stages.base import Memo, Stage
from vcplab.memory.stages.state import Query

__all__ = ["Answer", "Cancelled", "Exploration", "Row"]

_BLOCK = 64
_KEPT = 64
_STATES = 120  # of the memo, before it is begun anew


class Cancelled(Exception):
    """Something newer is wanted."""


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """What a system gives for all queries.

    Attributes:
        outputs: Query id → ``docnos``, ``scores``, ``ms``.
        scores: One row per query, one column per metric; NaN for queries that do not count.
        milliseconds: Mean CPU milliseconds per query; NaN if unknown.
        notices: What the reader should know.
    """

    outputs: Mapping[str, Mapping[str, Any]]
    scores: pd.DataFrame
    milliseconds: float
    notices: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A system in the table: per metric mean, low, high, and the difference from the other one.

    Attributes:
        name: The system.
        cells: Metric → (mean, low, high).
        deltas: Metric → (difference, low, high) from the system beside; empty in its own row.
        milliseconds: CPU ms per query.
    """

    name: str
    cells: Mapping[str, tuple[float, float, float]]
    deltas: Mapping[str, tuple[float, float, float]]
    milliseconds: float


class Exploration:
    """Systems on a data set, or on a corpus without judgements.

    Args:
        systems: As :func:`vcplab.compare` takes them.
        data: A data set, its name, or a corpus.
        metrics: As ir_measures names them; None for the usual ones.
        k: Documents kept per query.
        seed: Of the bootstrap; the settings' if None.

    Raises:
        InvalidInputError: Something is not a system, a metric or a number of documents; or a
            system needs judged queries, and there is only a corpus.
        InvalidDataError: No query of the data has a relevant document.
    """

    def __init__(
        self,
        systems: Any,
        data: RetrievalData | Corpus | str,
        metrics: Any = None,
        k: int = 100,
        seed: int | None = None,
    ) -> None:
        if not isinstance(data, RetrievalData | Corpus):
            from vcplab.evaluation.datasets import load

            loaded: RetrievalData = load(data)
            data = loaded
        self.systems = as_systems(systems)
        self.now: datetime = current_clock().now()
        self.data = data if isinstance(data, RetrievalData) else None
        self.corpus: Corpus = data.corpus if isinstance(data, RetrievalData) else data
        self.seed = _seed(seed)
        self.k = k
        self.metrics: dict[str, Any] = {}
        self.notices: list[str] = []
        self.qids: list[str] = []
        self.labels: dict[str, dict[str, int]] = {}
        self._memo = Memo()
        self._lock = threading.Lock()  # of the answers: a search for a recall runs beside
        self._stages: dict[str, Stage] = {}
        self._answers: OrderedDict[tuple[int, str | int, int], Answer] = OrderedDict()
        if self.data is None:
            unable = [s.name for s in self.systems if s.kind in ("run", "function")]
            if unable:
                raise InvalidInputError(
                    f"{', '.join(unable)} can only be asked the queries of a data set.",
                    where="systems",
                    next_step="Give a data set, or recipes and pipelines.",
                )
            self._task = None
            return
        task = self._task = RetrievalTask(self.data, k, self.now)
        self.metrics = task.metrics(metrics)
        self.notices = task.check(self.systems, self.metrics)
        self.qids = list(task.items())
        self.queries = with_times(self.data.queries, self.now)
        self._texts = dict(zip(self.qids, self.queries["query"], strict=True))
        self._times = dict(zip(self.qids, self.queries[ASKED_AT], strict=True))
        qrels = self.data.qrels
        judged = zip(qrels["qid"], qrels["docno"], qrels["label"].tolist(), strict=True)
        for qid, docno, label in judged:
            self.labels.setdefault(qid, {})[docno] = int(label)

    def text(self, qid: str) -> str:
        """What a query asks."""
        return str(self._texts[qid])

    def asked_at(self, qid: str | None) -> str:
        """When a query is asked; free text is asked when the explorer was made."""
        return self.now.isoformat() if qid is None else str(self._times[qid])

    def parsed(self, qid: str | None, text: str) -> Query:
        """A query of the data or free text, as stages take it."""
        return Query(text, None, as_time(self.asked_at(qid), qid or "text"))

    def keep(self, stage: Stage) -> str:
        """Keep a system that was found; the name under which the browser can ask for it."""
        name = stage.fingerprint
        self._stages.pop(name, None)
        self._stages[name] = stage
        while len(self._stages) > _KEPT:
            del self._stages[next(iter(self._stages))]
        return name

    def kept(self, name: Any) -> Stage | None:
        """What :meth:`keep` has kept under a name."""
        return self._stages.get(name) if isinstance(name, str) else None

    def retriever(self, value: Any) -> Retriever | None:
        """A recipe or retriever on its corpus; None for finished runs and functions."""
        if isinstance(value, Stage):
            return value.on(self.corpus)
        return value if isinstance(value, Retriever) else None

    def answer(self, place: int, value: Any, cancelled: Callable[[], bool]) -> Answer:
        """What a system gives for all queries, from before if it is known.

        Args:
            place: Which of the systems it is.
            value: The system as it stands, its parameters changed or not.
            cancelled: Whether the answer is no longer wanted; asked between blocks.

        Raises:
            Cancelled: It is not.
        """
        key = self._key(place, value)
        with self._lock:
            known = self._answers.get(key)
            if known is not None:
                self._answers.move_to_end(key)
                return known
        if self._task is None:
            raise InvalidInputError(
                "Without judged queries nothing is measured.",
                where="explorer",
                next_step="Give a data set instead of a corpus.",
            )
        if len(self._memo) > _STATES:
            self._memo = Memo()
        retriever = self.retriever(value)
        system = self.systems[place]
        if retriever is None:
            current = dataclasses.replace(system, value=value)
            (outputs,) = self._task.run([current], self.qids)
            notices = tuple(outputs[0].get("notices", ())) if outputs else ()
        else:
            outputs, notices = self._run(retriever, system, cancelled)
        _stop(cancelled)
        by_qid = dict(zip(self.qids, outputs, strict=True))
        scores = self._task.measure(by_qid, list(self.metrics.values()))
        costs = [one["ms"] for one in outputs if one.get("ms") is not None]
        pace = float(np.mean(costs)) if costs else math.nan
        answer = Answer(by_qid, scores, pace, notices)
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        return answer

    def _key(self, place: int, value: Any) -> tuple[int, str | int, int]:
        """Which answer it is: of this system, as it stands, on the documents of now."""
        fingerprint = getattr(value, "fingerprint", None)
        stable = isinstance(fingerprint, str) and getattr(value, "cacheable", True)
        return place, str(fingerprint) if stable else id(value), self.corpus.version

    def _run(
        self, retriever: Retriever, system: System, cancelled: Callable[[], bool]
    ) -> tuple[list[Any], tuple[str, ...]]:
        outputs: list[Any] = []
        notices: list[str] = []
        for start in range(0, len(self.qids), _BLOCK):
            _stop(cancelled)
            block = self.queries.iloc[start : start + _BLOCK]
            run = retriever.run(block, self.k, self._memo)
            qids = self.qids[start : start + _BLOCK]
            told: list[str] = list(run.notices)
            costs = run.milliseconds.tolist()
            outputs += ranked_outputs(run.frame, qids, costs, self.k, system.name, told)
            notices += [text for text in told if text not in notices]
        return outputs, tuple(notices)

    def table(self, names: Sequence[str], answers: Sequence[Answer], beside: int) -> list[Row]:
        """Means with intervals, and differences from one of them on the same queries.

        The intervals are those of :func:`vcplab.compare`: 95 %, over queries, from the same seed.

        Args:
            names: What the rows are called.
            answers: One per row.
            beside: The row that the others are compared with.
        """
        if not answers:
            return []
        metrics = list(self.metrics)
        counted = ~answers[0].scores[metrics].isna().all(axis=1).to_numpy()
        scores = np.stack([one.scores[metrics].to_numpy()[counted] for one in answers])
        means = scores.transpose(1, 0, 2)
        deltas = (scores - scores[beside]).transpose(1, 0, 2)
        both = np.concatenate([means, deltas], axis=2)  # queries × rows × 2 metrics
        flat = both.reshape(len(both), -1)
        low, high = bootstrap_intervals(flat, seed=self.seed)
        shape = both.shape[1:]
        centre = flat.mean(axis=0).reshape(shape)
        ends = low.reshape(shape), high.reshape(shape)

        def three(row: int, column: int) -> tuple[float, float, float]:
            ways = (centre, *ends)
            first, second, third = (float(part[row, column]) for part in ways)
            return first, second, third

        count = len(metrics)
        return [
            Row(
                name,
                {metric: three(row, m) for m, metric in enumerate(metrics)},
                {metric: three(row, count + m) for m, metric in enumerate(metrics)}
                if row != beside
                else {},
                answers[row].milliseconds,
            )
            for row, name in enumerate(names)
        ]

    def found(self, value: Any, place: int, qid: str | None, text: str) -> tuple[Any, list[str]]:
        """The ranking of one query or of free text: ``docnos`` and ``scores``, and notices.

        A query of the data set is looked up in the answer that is known.
        """
        if qid is not None:
            known = self.answer(place, value, lambda: False)
            return known.outputs[qid], list(known.notices)
        retriever = self.retriever(value)
        if retriever is None:
            return {"docnos": [], "scores": []}, ["It can only be asked the queries of the data."]
        asked = pd.DataFrame({"qid": ["text"], "query": [text], ASKED_AT: [self.asked_at(None)]})
        run = retriever.run(asked, self.k)
        notices = list(run.notices)
        name = self.systems[place].name
        (output,) = ranked_outputs(run.frame, ["text"], [None], self.k, name, notices)
        return output, notices


def _stop(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled


def _seed(seed: int | None) -> int:
    if seed is not None:
        return seed
    from vcplab.core.settings import get_settings

    return get_settings().seed
