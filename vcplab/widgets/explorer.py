"""The retrieval explorer: move a parameter, see the table; open a query, see why.

The browser says what it wants to see as one state with a running number; the kernel works towards
the newest state only, and everything it sends carries the number that it answers. So a move cancels
the work of the one before, and what is out of date is never shown.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any

import anywidget

from vcplab.core.display import html_table, style_block
from vcplab.core.errors import VCPError
from vcplab.core.loop import submit, to_worker
from vcplab.evaluation.data import RetrievalData
from vcplab.memory.corpus import Corpus
from vcplab.memory.explaining.code import as_code
from vcplab.widgets.explorer_engine import Cancelled, Exploration
from vcplab.widgets.explorer_messages import control_message, cut, query_messages
from vcplab.widgets.explorer_parameters import controls, stage_of
from vcplab.widgets.explorer_views import VIEWS, Wanted, read_wanted, recall, system_message

__all__ = ["RetrievalExplorer", "explorer"]

_STATIC = Path(__file__).parent / "static"
_VIEWS_KEPT = 8


class RetrievalExplorer(anywidget.AnyWidget):
    """Systems under one's hands: parameters, table, queries, rankings, reasons and tags.

    Args:
        systems: As :func:`vcplab.compare` takes them: recipes, pipelines, bound retrievers,
            functions, finished runs. Those with parameters get sliders.
        data_or_corpus: A data set or its name; or a corpus, where free text is asked and nothing is
            measured.
        metrics: As ir_measures names them; None for nDCG@10, R@20 and RR.
        k: Documents kept per query.
        seed: Of the bootstrap; the settings' if None.

    Raises:
        InvalidInputError: Something is not a system, a metric or a number of documents.
        InvalidDataError: No query of the data has a relevant document.
        NotFoundError: There is no such data set.
    """

    _esm = _STATIC / "explorer.js"
    _css = _STATIC / "explorer.css"

    def __init__(
        self,
        systems: Any,
        data_or_corpus: RetrievalData | Corpus | str,
        metrics: Any = None,
        k: int = 100,
        seed: int | None = None,
    ) -> None:
        exploration = Exploration(systems, data_or_corpus, metrics, k, seed)
        super().__init__()
        self._made_in = copy_context()
        self._exploration = exploration
        self._lock = threading.Lock()  # of what follows
        self._wanted: dict[str, tuple[int, Mapping[str, Any]]] = {}  # view -> newest state
        self._done: dict[str, int] = {}  # view -> number of the last state that was answered
        self._shown: dict[str, dict[str, str]] = {}  # view -> part -> what was sent, in short
        self._working = False
        self._closed = False
        self._system: Any = exploration.systems[0].value
        self.on_msg(self._asked)

    @property
    def system(self) -> Any:
        """The selected system with its parameters as they stand: a value to go on with."""
        return self._system

    @property
    def code(self) -> str:
        """The selected system as Python."""
        stage = stage_of(self._system)
        return "" if stage is None else as_code(stage)

    def close(self) -> None:
        """Stop and remove it from the notebook."""
        self._closed = True
        super().close()

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message from where the explorer was made, whoever sends it.

        A comm's clicks go to the subshell from which it last sent (ipykernel 7.4): sent from within
        a click, it would be luck whether the next one waits for a cell that runs.
        """
        self._made_in.copy().run(super().send, content, buffers)

    # What the browser asks

    def _asked(self, _: Any, message: Any, buffers: Any = None) -> None:
        if not isinstance(message, Mapping) or self._closed:
            return
        view, kind = message.get("view"), message.get("kind")
        if not isinstance(view, str) or not 0 < len(view) <= 64:
            return
        if kind == "open":
            submit(to_worker(self._open, view))
        elif kind == "want":
            seq, state = message.get("seq"), message.get("state")
            if isinstance(seq, int) and isinstance(state, Mapping):
                self._want(view, seq, state)

    def _want(self, view: str, seq: int, state: Mapping[str, Any]) -> None:
        with self._lock:
            if seq <= self._wanted.get(view, (-1, {}))[0]:
                return
            self._wanted.pop(view, None)
            self._wanted[view] = (seq, dict(state))
            while len(self._wanted) > _VIEWS_KEPT:
                old = next(iter(self._wanted))
                for kept in (self._wanted, self._done, self._shown):
                    kept.pop(old, None)
            if self._working:
                return
            self._working = True
        submit(to_worker(self._work))

    def _newest(self) -> tuple[str, int, Mapping[str, Any]] | None:
        """What is wanted and not answered yet, the latest first."""
        with self._lock:
            for view, (seq, state) in reversed(self._wanted.items()):
                if self._done.get(view, -1) < seq and not self._closed:
                    return view, seq, state
            self._working = False
        return None

    def _work(self) -> None:
        """Answer the newest states until none is left; one at a time, on a worker thread."""
        while (newest := self._newest()) is not None:
            view, seq, state = newest
            with suppress(Cancelled):
                self._answer(view, seq, state)
            with self._lock:
                self._done[view] = max(seq, self._done.get(view, -1))

    # What the browser is told

    def _open(self, view: str) -> None:
        """Everything that does not depend on parameters."""
        exploration = self._exploration
        data = exploration.data
        with self._lock:
            self._shown.pop(view, None)
        message: dict[str, Any] = {
            "kind": "setup",
            "view": view,
            "title": self._title(),
            "judged": data is not None,
            "tested": data is not None and data.holds("test"),
            "metrics": list(exploration.metrics),
            "queries": query_messages(exploration),
            "count": len(exploration.qids),
            "k": exploration.k,
            "notes": [cut(note, 1000) for note in exploration.notices],
            "systems": [
                {
                    "name": cut(system.name, 120),
                    "controls": [control_message(c) for c in controls(system.value)],
                }
                for system in exploration.systems
            ],
        }
        self.send(message)

    def _answer(self, view: str, seq: int, state: Mapping[str, Any]) -> None:
        began = time.perf_counter()

        def cancelled() -> bool:
            with self._lock:
                return self._closed or self._wanted.get(view, (seq, {}))[0] != seq

        def told(part: str, message: Mapping[str, Any]) -> None:
            if cancelled():
                raise Cancelled
            content = json.dumps(message, sort_keys=True, allow_nan=False)
            shown = self._shown.setdefault(view, {})
            if shown.get(part) == content:
                self.send({"kind": "same", "part": part, "view": view, "seq": seq})
                return
            shown[part] = content
            self.send({**message, "kind": part, "view": view, "seq": seq})

        problems: dict[str, str] = {}
        pending: list[str] = []
        try:
            wanted = read_wanted(self._exploration, state)
        except Exception as error:  # a system refuses its parameters: said beside the sliders
            problems["system"] = _error_text(error)
        else:
            self._system = wanted.value
            told("system", system_message(self._exploration, wanted))
            self._tell_all(wanted, told, cancelled, problems)
            if wanted.recall and wanted.docno is not None and not cancelled():
                # It may take seconds and cannot be stopped: the next move does not wait for it.
                submit(to_worker(self._search, view, seq, wanted, cancelled))
                pending.append("recall")
        took = round((time.perf_counter() - began) * 1000, 1)
        if not cancelled():
            done = {"kind": "done", "view": view, "seq": seq, "took": took}
            self.send({**done, "problems": problems, "pending": pending})

    def _search(self, view: str, seq: int, wanted: Wanted, cancelled: Callable[[], bool]) -> None:
        """Look for the smallest change that recalls the document, on a worker of its own."""
        try:
            message = recall(self._exploration, wanted, cancelled)
        except Cancelled:
            return
        except Exception as error:  # said where the answer would stand
            message = {"problem": _error_text(error)}
        if not cancelled():
            message = message or {"problem": "This system has no parameters to search."}
            self.send({**message, "kind": "recall", "view": view, "seq": seq})

    def _tell_all(
        self,
        wanted: Wanted,
        told: Callable[[str, Mapping[str, Any]], None],
        cancelled: Callable[[], bool],
        problems: dict[str, str],
    ) -> None:
        for part, make in VIEWS.items():
            try:
                message = make(self._exploration, wanted, cancelled)
            except Cancelled:
                raise
            except Exception as error:  # one part that fails does not hide the others
                problems[part] = _error_text(error)
            else:
                if message is not None:
                    told(part, message)

    # What is left without a browser

    def _title(self) -> str:
        data = self._exploration.data
        if data is None:
            return f"{self._exploration.corpus.name}, {len(self._exploration.corpus)} documents"
        return f"{data.name} ({data.split}), {len(data.queries)} queries"

    def __repr__(self) -> str:
        names = ", ".join(system.name for system in self._exploration.systems)
        return f"<RetrievalExplorer of {names} on {self._title()}>"

    def _static(self) -> str:
        """The table of the systems as given, escaped."""
        exploration = self._exploration
        if exploration.data is None:
            rows = [(system.name,) for system in exploration.systems]
            return str(style_block() + html_table(["system"], rows, caption=self._title()))
        names = [system.name for system in exploration.systems]
        answers = [
            exploration.answer(place, system.value, lambda: False)
            for place, system in enumerate(exploration.systems)
        ]
        cells = [
            (
                row.name,
                *(f"{m:.3f} [{low:.3f}, {high:.3f}]" for m, low, high in row.cells.values()),
            )
            for row in exploration.table(names, answers, 0)
        ]
        columns = ["system", *exploration.metrics]
        return str(style_block() + html_table(columns, cells, caption=self._title()))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and a table for where there are none (saved pages, other viewers)."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            with suppress(VCPError):  # the widget itself says what is wrong
                data["text/html"] = self._static()
        return bundle


def explorer(comparison: Any, **options: Any) -> RetrievalExplorer:
    """Explore the systems of a comparison on its data.

    Args:
        comparison: What :func:`vcplab.compare` gave.
        **options: Of `RetrievalExplorer`.

    Raises:
        InvalidInputError: An option does not fit.
    """
    given = {"metrics": list(comparison.metrics), "k": comparison.k, "seed": comparison.plan.seed}
    return RetrievalExplorer(comparison.systems, comparison.data, **{**given, **options})


def _error_text(error: BaseException) -> str:
    text = str(error) if isinstance(error, VCPError) else f"{type(error).__name__}: {error}"
    return cut(text, 4000)
