"""Where blocks run: this thread, threads, processes, or any executor that the user brings."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from vcplab.evaluation._options import whole_option

__all__ = ["Payload", "open_executor", "payload_for"]

_loaded: OrderedDict[str, tuple[Any, tuple[Any, ...]]] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Payload:
    """Task and systems on their way to a worker.

    Processes of this machine read them from a temporary file, once each, however many blocks they
    run; the file is written and read by this program only and is gone when the run ends.

    Attributes:
        path: The file, or None if the objects travel themselves.
        task: The task, if they do.
        systems: The systems, if they do.
    """

    path: str | None = None
    task: Any = None
    systems: tuple[Any, ...] = field(default=())

    def load(self) -> tuple[Any, tuple[Any, ...]]:
        """Task and systems, prepared."""
        if self.path is None:
            return self.task, self.systems
        with _lock:
            if self.path not in _loaded:
                task, systems = pickle.loads(Path(self.path).read_bytes())  # noqa: S301
                task.prepare(systems)
                _loaded.clear()  # one run at a time is enough for a worker
                _loaded[self.path] = (task, systems)
            return _loaded[self.path]


@contextmanager
def open_executor(
    executor: Executor | None, jobs: int | None, blocks: int, *, threads: bool = False
) -> Iterator[Executor | None]:
    """The executor to use; None means this thread.

    Args:
        executor: The user's, which is left open.
        jobs: Number of loky processes otherwise; the settings' ``jobs`` if None.
        blocks: Number of blocks to run.
        threads: Whether threads of this process are used instead: for work that waits for others.

    Raises:
        InvalidInputError: ``jobs`` is not positive.
    """
    if executor is not None:
        yield executor
        return
    if jobs is None:
        from vcplab.core.settings import get_settings

        jobs = get_settings().jobs
    jobs = whole_option(jobs, "jobs", 2)
    if min(jobs, blocks) == 1:
        yield None
        return
    if threads:
        with ThreadPoolExecutor(min(jobs, blocks), thread_name_prefix="vcplab-compare") as pool:
            yield pool
        return
    from loky import get_reusable_executor

    # loky's workers stay alive for the next run and end by themselves when idle.
    yield get_reusable_executor(max_workers=jobs, timeout=60)


@contextmanager
def payload_for(executor: Executor, task: Any, systems: Sequence[Any]) -> Iterator[Payload]:
    """How task and systems reach the workers of an executor."""
    local = isinstance(executor, ProcessPoolExecutor) or type(executor).__module__.startswith(
        "loky"
    )
    if not local or isinstance(executor, ThreadPoolExecutor):
        yield Payload(None, task, tuple(systems))
        return
    # loky's serialiser also takes functions and classes of a notebook cell.
    from loky.backend.reduction import dumps

    handle, name = tempfile.mkstemp(prefix="vcplab-", suffix=".task")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(dumps((task, tuple(systems))))
        yield Payload(name)
    finally:
        Path(name).unlink(missing_ok=True)
