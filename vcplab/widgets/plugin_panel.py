"""The plugin panel: what was loaded, what it can do, and a form to run it.

A click only submits: what may take time happens on a worker thread or in the plugin's task, and the
answer comes later as a message. Changes are gathered, so that a plugin which is called a thousand
times a second sends ten updates. Whatever a plugin says is text, here and in the browser.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.core.loop import submit, to_worker
from vcplab.plugins.tasks import ENDED
from vcplab.widgets.plugin_messages import (
    Run,
    command_message,
    cut_text,
    error_text,
    parameter_messages,
    preview,
    row_message,
    shown_parts,
    static_table,
)

if TYPE_CHECKING:
    from vcplab.lab.plugins import PluginsFacet

__all__ = ["PluginPanel", "plugin_panel"]

_STATIC = Path(__file__).parent / "static"
_PAUSE = 0.1  # seconds between two updates
_LOOK = 1.0  # seconds between two looks at the details that are open
_OPEN_DETAILS = 8
_KEPT_RUNS = 40
_PREVIEW = 300
_ACTIONS = frozenset({"enable", "disable", "reload", "trust"})
_RUN_ID = re.compile(r"[a-z0-9-]{1,64}")


class PluginPanel(anywidget.AnyWidget):
    """The widget; made by ``lab.plugins.panel()``.

    Args:
        facet: The lab's plugins.
        log_lines: How many lines of a plugin's log it shows.

    Raises:
        InvalidInputError: ``log_lines`` is not from 10 to 5,000.
    """

    _esm = _STATIC / "plugin_panel.js"
    _css = _STATIC / "plugin_panel.css"

    def __init__(self, facet: PluginsFacet, log_lines: int = 200) -> None:
        if not 10 <= log_lines <= 5_000:
            raise InvalidInputError(
                f"The panel cannot show {log_lines} lines of a log.",
                where="log_lines",
                next_step="give a number from 10 to 5,000",
            )
        super().__init__()
        self._made_in = copy_context()
        self._facet = facet
        self._log_lines = log_lines
        self._lock = threading.Lock()  # of all that follows, but for what only the pump knows
        self._closed = False
        self._wanted = False  # something may have changed
        self._whole = False  # a browser knows nothing yet
        self._pumping = False
        self._runs: dict[str, Run] = {}
        self._open: dict[str, str] = {}  # key of a row -> its details as they were last sent
        self._keys: dict[str, Any] = {}  # key of a row -> the row
        # Only the pump touches these: there is one at a time.
        self._sent: dict[str, dict[str, Any]] = {}
        self._looked = 0.0
        self._must_look = False
        self.on_msg(self._asked)
        self._subscription = facet.on_change(self._touch)

    def close(self) -> None:
        """Stop listening and remove it from the notebook; what runs goes on."""
        subscription = getattr(self, "_subscription", None)
        if subscription is not None:
            subscription.close()
            self._closed = True
        super().close()

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message from where the panel was made, whoever sends it.

        A comm's clicks go to the subshell from which it last sent (ipykernel 7.4): sent from within
        a click, it would be luck whether the next one waits for a cell that runs.
        """
        self._made_in.copy().run(super().send, content, buffers)

    # What the browser asks

    def _asked(self, _: Any, message: Any, buffers: Any = None) -> None:
        if not isinstance(message, Mapping) or self._closed:
            return
        kind = str(message.get("kind"))[:_PREVIEW]
        if kind == "ready":
            with self._lock:
                self._whole = True
            self._touch()
        elif kind == "run":
            self._start(message)
        elif kind in {"details", "cancel", *_ACTIONS}:
            submit(to_worker(self._answer, kind, message))
        else:
            self._answer(kind, message)

    def _answer(self, kind: str, message: Mapping[str, Any]) -> None:
        """Do what was clicked, on a worker thread; an error goes back to where the click was."""
        key, problem = message.get("key"), ""
        try:
            if kind == "cancel":
                with self._lock:
                    run = self._runs.get(str(message.get("run")))
                if run is not None and run.task is not None:
                    run.task.cancel()
            elif kind == "details":
                self._show_details(str(key), self._row(key))
            elif kind in _ACTIONS:
                getattr(self._facet, kind)(self._own_row(key).name)
                self._must_look = True
            else:
                problem = f"The panel does not know the request {kind!r}."
        except Exception as error:  # the click's error belongs in the panel, whatever it is
            problem = error_text(error)
        self.send({"kind": "answer", "to": kind, "key": cut_text(key), "problem": problem})
        self._touch()

    def _row(self, key: object) -> Any:
        with self._lock:
            row = self._keys.get(key) if isinstance(key, str) else None
        if row is None:
            raise InvalidInputError(
                "This plugin is no longer there.",
                where="panel",
                next_step="choose one that the table lists",
            )
        return row

    def _own_row(self, key: object) -> Any:
        """A row whose plugin bears its name: others cannot be called by it."""
        row = self._row(key)
        if row.state == "clash":
            raise InvalidInputError(
                f"Another plugin bears the name {row.name!r}.",
                where="panel",
                next_step="unload that one first",
            )
        return row

    def _start(self, message: Mapping[str, Any]) -> None:
        run_id, arguments = message.get("run"), message.get("args")
        if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id) or run_id in self._runs:
            self.send({"kind": "answer", "to": "run", "key": "", "problem": "Run it again."})
            return
        run = Run(run_id, "", preview(arguments), None, time.monotonic())
        try:
            if not isinstance(arguments, Mapping):
                raise InvalidInputError(
                    "The arguments are not an object.",
                    where="panel",
                    next_step="write {...} in the field for more arguments",
                )
            run.name = self._own_row(message.get("key")).name
            given = {str(k): v for k, v in arguments.items()}
            run.task = self._facet.submit(run.name, given, origin="panel")
        except Exception as error:  # as above
            run.problem = error_text(error)
        with self._lock:
            ended = [known.id for known in self._runs.values() if known.state in ENDED]
            for old in ended[: max(0, len(self._runs) + 1 - _KEPT_RUNS)]:
                del self._runs[old]
            self._runs[run_id] = run
        if run.task is None:
            run.end()
        else:
            run.task.add_done_callback(partial(self._ended, run))
        self._touch()

    def _ended(self, run: Run, _: object) -> None:
        run.end()
        self._touch()

    # What the browser is told

    def _touch(self, _: object = None) -> None:
        """Something may have changed; called from any thread, as often as it likes."""
        with self._lock:
            self._wanted = True
            if self._pumping or self._closed:
                return
            self._pumping = True
        submit(self._pump())

    async def _pump(self) -> None:
        while True:
            with self._lock:
                live = any(run.sent not in ENDED for run in self._runs.values())
                if self._closed or not (self._wanted or live or self._must_look):
                    self._pumping = False
                    return
                wanted, self._wanted = self._wanted, False
                whole, self._whole = self._whole, False
            try:
                await to_worker(self._update, wanted, whole, live)
            except Exception as error:  # e.g. the lab was closed
                self._must_look = False
                self.send({"kind": "problem", "text": error_text(error)})
            await asyncio.sleep(_PAUSE)

    def _update(self, wanted: bool, whole: bool, live: bool) -> None:
        if whole:
            self._sent = {}
            with self._lock:
                for run in self._runs.values():
                    run.sent = ""
        self._send_runs()
        if wanted:
            self._must_look = bool(self._open)
            self._send_rows(whole)
        if (self._must_look or live) and time.monotonic() - self._looked >= _LOOK:
            self._look()

    def _send_rows(self, whole: bool) -> None:
        keys: dict[str, Any] = {}
        for row in self._facet.rows():
            key = f"{row.name}\n{row.source}"
            while key in keys:  # two of one name and place: still two rows
                key += "'"
            keys[key] = row
        with self._lock:
            self._keys = keys
        rows = {key: row_message(key, row) for key, row in keys.items()}
        changed = [row for key, row in rows.items() if self._sent.get(key) != row]
        gone = [key for key in self._sent if key not in rows]
        self._sent = rows
        if changed or gone or whole:
            self.send({"kind": "rows", "rows": changed, "gone": gone, "whole": whole})

    def _send_runs(self) -> None:
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            state = run.state
            if state == run.sent:
                continue
            run.sent, took = state, run.took_ms
            self.send(
                {
                    "kind": "run",
                    "run": run.id,
                    "name": run.name,
                    "args": run.arguments,
                    "state": state,
                    "elapsed": (time.monotonic() - run.began) * 1000 if took is None else took,
                    "ended": state in ENDED,
                    "parts": shown_parts(run, state),
                }
            )

    def _look(self) -> None:
        """Send the details that are open once more, where they have changed."""
        self._looked, self._must_look = time.monotonic(), False
        with self._lock:
            rows = [(key, self._keys.get(key)) for key in self._open]
        for key, row in rows:
            if row is not None:
                self._show_details(key, row)

    def _show_details(self, key: str, row: Any) -> None:
        message = self._details(key, row)
        text = json.dumps(message, sort_keys=True)
        with self._lock:
            same = self._open.pop(key, None) == text
            self._open[key] = text
            while len(self._open) > _OPEN_DETAILS:
                del self._open[next(iter(self._open))]
        if not same:
            self.send(message)

    def _details(self, key: str, row: Any) -> dict[str, Any]:
        facet, name, problems = self._facet, row.name, []

        def ask(call: Callable[[], Any], otherwise: Any) -> Any:
            try:
                return call()
            except Exception as error:  # one part that is missing does not hide the others
                problems.append(error_text(error))
                return otherwise

        message: dict[str, Any] = {"kind": "details", "key": key, "readme": None}
        message["parameters"] = message["commands"] = []
        lines: list[str] = []
        # A row that lost its name to another plugin, or has no manifest, would show the other's.
        if row.state not in {"broken", "clash"}:
            message["parameters"] = ask(lambda: parameter_messages(facet.parameters(name)), [])
            message["commands"] = ask(
                lambda: [command_message(c) for c in facet.commands(name)], []
            )
        if row.state != "clash":
            readme = ask(lambda: facet.readme(name), None)
            message["readme"] = None if readme is None else cut_text(readme)
            lines = ask(lambda: facet.logs(name, limit=self._log_lines), [])
        message["logs"] = [cut_text(line, 4_000) for line in lines[-self._log_lines :]]
        message["problems"] = problems
        return message

    # What is left without a browser

    def __repr__(self) -> str:
        return f"<PluginPanel of {self._facet!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The widget, and a table for where there are none (saved pages, other viewers)."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            with suppress(VCPError):  # the lab was closed: the widget still shows what it has
                data["text/html"] = str(static_table(self._facet.rows()))
        return bundle


def plugin_panel(facet: PluginsFacet, **options: Any) -> PluginPanel:
    """Draw ``lab.plugins``.

    Args:
        facet: The lab's plugins.
        **options: Of `PluginPanel`.

    Returns:
        The widget.
    """
    return PluginPanel(facet, **options)
