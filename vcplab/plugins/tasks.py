"""Tasks: calls that go on after their first answer, or that nobody waited for."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from vcplab.core.clock import current_clock
from vcplab.core.display import html_card, style_block
from vcplab.core.errors import NotFoundError, OperationTimeoutError, VCPError
from vcplab.core.store import Store
from vcplab.protocol.results import ToolResult

__all__ = ["ENDED", "Task", "TaskState", "Tasks"]

TaskState: TypeAlias = Literal[
    "running", "pending", "succeeded", "failed", "cancelled", "timed_out", "lost"
]
ENDED: Final = frozenset({"succeeded", "failed", "cancelled", "timed_out", "lost"})
"""The states of a task that is over."""
_logger = logging.getLogger(__name__)
_SPACE: Final = "plugin-tasks"
_MOST: Final = 1000


class Task:
    """One task.

    Attributes:
        id: Its identifier: the plugin's own where it gave one.
        tool: The tool.
        arguments: What it was called with.
        origin: Where the call came from: ``notebook``, ``answer``, ``panel`` or a node's link.
        reply: The first answer of an asynchronous plugin.
        started: When it began.
    """

    def __init__(
        self, tool: str, arguments: Mapping[str, Any], id: str, origin: str = "notebook"
    ) -> None:
        self.id = id
        self.tool = tool
        self.origin = origin
        self.arguments = dict(arguments)
        self.reply: Any = None
        self.started: datetime = current_clock().now()
        self._lock = threading.Lock()
        self._state: TaskState = "running"
        self._result: ToolResult | None = None
        self._stops: list[Callable[[], object]] = []
        self._done: Future[Task] = Future()
        self._callbacks: list[Callable[[Task], object]] = []

    @property
    def state(self) -> TaskState:
        """``running``, ``pending`` (it answered and goes on), or how it ended."""
        return self._state

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._state in ENDED

    @property
    def result(self) -> ToolResult | None:
        """What came of it; None while it runs."""
        return self._result

    def wait(self, timeout: float | None = None) -> ToolResult:
        """Wait for its end, from any thread but the library's loop; ■ interrupts.

        Args:
            timeout: Seconds.

        Raises:
            OperationTimeoutError: It goes on; it is not cancelled.
        """
        until = None if timeout is None else current_clock().monotonic() + timeout
        while not self.done:
            left = 0.05 if until is None else min(0.05, until - current_clock().monotonic())
            if left <= 0:
                raise OperationTimeoutError(
                    f"The task {self.id} of {self.tool} goes on after {timeout:g} s.",
                    where=self.id,
                    next_step="wait again, or cancel() it",
                )
            with suppress(TimeoutError):
                self._done.result(left)
        assert self._result is not None
        return self._result

    def __await__(self) -> Generator[Any, None, ToolResult]:
        yield from asyncio.shield(asyncio.wrap_future(self._done)).__await__()
        assert self._result is not None
        return self._result

    def cancel(self) -> bool:
        """Stop it and end its processes; False when it had ended."""
        if self.done:
            return False
        stops = list(self._stops)
        ended = self.finish(
            "cancelled", ToolResult(self.tool, success=False, error="The task was cancelled.")
        )
        for stop in stops:
            stop()
        return ended

    def add_done_callback(self, function: Callable[[Task], object]) -> None:
        """Call a function with the task once it has ended, perhaps at once, in any thread."""
        with self._lock:
            if not self.done:
                self._callbacks.append(function)
                return
        function(self)

    def on_cancel(self, stop: Callable[[], object]) -> None:
        """Say how it is stopped, beside what was said before (for hosts)."""
        self._stops.append(stop)

    def answer(self, reply: Any) -> None:
        """Note the first answer: it goes on as ``pending``."""
        self.reply = reply
        with self._lock:
            if self._state == "running":
                self._state = "pending"

    def finish(self, state: TaskState, result: ToolResult) -> bool:
        """End it; False when it had ended before."""
        with self._lock:
            if self.done:
                return False
            # In this order: whoever sees the end finds the result.
            self._result = result
            self._state = state
            callbacks, self._callbacks = self._callbacks, []
        self._done.set_result(self)
        for function in callbacks:
            function(self)
        return True

    def to_dict(self) -> dict[str, Any]:
        """The task as JSON, with ``taskId``, ``tool``, ``status``, ``result`` and ``error``."""
        result = self._result
        return {
            "taskId": self.id,
            "tool": self.tool,
            "status": self._state,
            "startedAt": self.started.isoformat(),
            "reply": self.reply,
            "result": result.value if result is not None else None,
            "error": result.error if result is not None else None,
        }

    def __repr__(self) -> str:
        return f"<Task {self.id} of {self.tool}: {self._state}>"

    def _repr_html_(self) -> str:
        result = self._result
        rows = [("Task", self.id), ("Tool", self.tool), ("State", self._state)]
        if result is not None:
            rows.append(("Result" if result.success else "Error", result.text))
        return style_block() + html_card("Task", rows)


class Tasks:
    """The tasks of a lab, the latest thousand; they outlive the process as records.

    Args:
        store: Where their records are kept.
        mask: Takes secrets out of a text.
    """

    def __init__(self, store: Store, mask: Callable[[str], str] = str) -> None:
        self._store = store
        self._mask = mask
        self._lock = threading.Lock()
        self._tasks: dict[tuple[str, str], Task] = {}
        self._earlier: dict[str, dict[str, Any]] = {}
        for key, data in store.get_many(_SPACE, store.keys(_SPACE)).items():
            self._earlier[key] = json.loads(data)
        self._forget_old()

    def new(
        self, tool: str, arguments: Mapping[str, Any], id: str, origin: str = "notebook"
    ) -> Task:
        """Begin a task.

        Args:
            tool: The tool.
            arguments: What it was called with.
            id: Its identifier.
            origin: Where the call came from.
        """
        task = Task(tool, arguments, id, origin)
        with self._lock:
            self._tasks[tool, id] = task
            while len(self._tasks) > _MOST:
                ended = next((key for key, one in self._tasks.items() if one.done), None)
                if ended is None:
                    break
                del self._tasks[ended]
        task.add_done_callback(self._keep)
        return task

    def rename(self, task: Task, id: str) -> None:
        """Give a task the identifier that its plugin chose, unless another bears it."""
        with self._lock:
            if (task.tool, id) in self._tasks:
                return
            self._tasks.pop((task.tool, task.id), None)
            task.id = id
            self._tasks[task.tool, id] = task
        self._keep(task)

    def find(self, tool: str, id: str) -> Task | None:
        """The task of a tool, or None."""
        return self._tasks.get((tool, id))

    def get(self, id: str) -> Task:
        """A task by its identifier alone.

        Args:
            id: The identifier.

        Raises:
            NotFoundError: This process has no such task; an earlier one's is in `records`.
        """
        with self._lock:
            found = [task for (_, known), task in self._tasks.items() if known == id]
        if not found:
            raise NotFoundError(
                f"There is no task {id!r}.",
                where="task",
                next_step="lab.tools.tasks lists them",
            )
        return found[-1]

    def __iter__(self) -> Any:
        with self._lock:
            return iter(list(self._tasks.values()))

    def __len__(self) -> int:
        return len(self._tasks)

    def records(self) -> list[dict[str, Any]]:
        """All tasks as JSON, those of earlier processes first.

        What an earlier process had not seen to its end is ``lost``.
        """
        now = {f"{task.tool}::{task.id}": task.to_dict() for task in self}
        earlier = [
            record if record["status"] in ENDED else {**record, "status": "lost"}
            for key, record in self._earlier.items()
            if key not in now
        ]
        return [*earlier, *now.values()]

    def close(self) -> None:
        """Stop what runs."""
        for task in self:
            task.cancel()

    def _keep(self, task: Task) -> None:
        if self._store.read_only:
            return
        data = self._mask(json.dumps(task.to_dict(), ensure_ascii=False, default=str))
        try:
            self._store.put(_SPACE, f"{task.tool}::{task.id}", data.encode("utf-8", "replace"))
        except (OSError, VCPError) as error:  # a full disk must not end what it tells of
            _logger.warning("the task %s of %s was not recorded: %s", task.id, task.tool, error)

    def _forget_old(self) -> None:
        old = sorted(self._earlier, key=lambda key: str(self._earlier[key].get("startedAt")))
        for key in old[:-_MOST]:
            del self._earlier[key]
            if not self._store.read_only:
                self._store.delete(_SPACE, key)

    def __repr__(self) -> str:
        running = sum(not task.done for task in self)
        return f"<Tasks {len(self)}, {running} of them running>"
