"""Daemon threads for functions that block."""

from __future__ import annotations

import concurrent.futures
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Workers"]

T = TypeVar("T")


class Workers:
    """A bounded pool of daemon threads for functions that block.

    Not a ThreadPoolExecutor, because Python joins the threads of those at exit without limit: a
    user's function that never returns would keep the interpreter alive.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._calls: queue.SimpleQueue[tuple[concurrent.futures.Future[Any], Callable[[], Any]]]
        self._calls = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._started = 0

    def submit(
        self, call: Callable[[], T], *, own_thread: bool = False
    ) -> concurrent.futures.Future[T]:
        """Run a function in a worker, or with ``own_thread`` in a thread outside the bound."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        if own_thread:
            threading.Thread(
                target=_perform, args=(future, call), name=f"{self._name}-nested", daemon=True
            ).start()
            return future
        self._calls.put((future, call))
        with self._lock:
            if not self._idle.acquire(blocking=False) and self._started < self._limit:
                name = f"{self._name}-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
                self._started += 1
        return future

    def _work(self) -> None:
        while True:
            try:
                future, call = self._calls.get_nowait()
            except queue.Empty:
                self._idle.release()
                future, call = self._calls.get()
            _perform(future, call)
            del future, call  # an idle worker keeps nobody's data alive


def _perform(future: concurrent.futures.Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except StopIteration as error:
        # A future cannot carry it: asyncio would raise in a callback and the waiter would wait for
        # ever.
        wrapped = RuntimeError("The function raised StopIteration.")
        wrapped.__cause__ = error
        future.set_exception(wrapped)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
