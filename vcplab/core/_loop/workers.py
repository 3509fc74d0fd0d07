"""Daemon threads for functions that block."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

__all__ = ["Workers"]

T = TypeVar("T")
_Waiting: TypeAlias = "tuple[asyncio.Future[Any], Callable[[], Any]]"


class Workers:
    """A bounded pool of daemon threads for functions that block.

    Not a ThreadPoolExecutor, because Python joins the threads of those at exit without limit: a
    user's function that never returns would keep the interpreter alive.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._calls: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._started = 0

    def submit(self, call: Callable[[], T], *, own_thread: bool = False) -> asyncio.Future[T]:
        """Run a function in a worker, or with ``own_thread`` in a thread outside the bound.

        Returns:
            A future of the running loop; one that is cancelled before its turn is not begun.
        """
        # Not a future of threads wrapped in one of the loop: each costs more than the hop itself.
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
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


def _perform(future: asyncio.Future[T], call: Callable[[], T]) -> None:
    if future.cancelled():
        return
    result: T | None = None
    problem: BaseException | None = None
    try:
        result = call()
    except (StopIteration, GeneratorExit) as error:
        # A future cannot carry the first: asyncio would raise in a callback and the waiter would
        # wait for ever. To whoever waits the second would mean that the waiting itself was ended.
        problem = RuntimeError(f"The function raised {type(error).__name__}.")
        problem.__cause__ = error
    except BaseException as error:
        problem = error
    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
        future.get_loop().call_soon_threadsafe(_settle, future, result, problem)


def _settle(future: asyncio.Future[Any], result: Any, problem: BaseException | None) -> None:
    if future.done():  # cancelled: the result is dropped
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)
