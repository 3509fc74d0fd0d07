"""The library's own loop, one for a process."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextvars
import inspect
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, ParamSpec, TypeVar

from vcplab.core._leak import leak
from vcplab.core._loop.engine import (
    GRACE,
    Engine,
    Handle,
    Job,
    here,
    refuse_loop_thread,
    wait_blocking,
)
from vcplab.core._loop.session import Session
from vcplab.core._loop.workers import Workers
from vcplab.core.errors import InvalidInputError, LoopError, MissingDependencyError

__all__ = ["LibraryLoop", "allow_nested_loops", "library_loop", "run", "submit", "to_worker"]

P = ParamSpec("P")
T = TypeVar("T")


class LibraryLoop:
    """A daemon thread with one asyncio loop: started when first needed, restarted after `close`.

    Use the process's own, `library_loop`; a second one is for tests. What waits (`run`, `close`,
    the blocking twins) refuses to be called from a loop's own thread. A forked child begins with a
    fresh thread; what the parent had submitted stays the parent's.

    Args:
        name: The thread's name.
        grace: Seconds that `close` gives cancelled tasks to end.
    """

    def __init__(self, name: str = "vcplab-loop", *, grace: float = GRACE) -> None:
        self._name = name
        self._grace = grace
        self._engine: Engine | None = None
        # Re-entrant: a collected generator's `finally` may call us while this very thread holds it.
        self._lock = threading.RLock()
        _loops.add(self)

    def __repr__(self) -> str:
        engine = self._engine
        state = "idle" if engine is None else f"{len(engine.pending)} jobs"
        return f"<LibraryLoop {self._name}: {state}>"

    @property
    def is_running(self) -> bool:
        """Whether the thread is there."""
        return self._engine is not None and self._engine.thread.is_alive()

    def is_current(self) -> bool:
        """Whether the caller is on this loop's own thread."""
        return here.engine is not None and here.engine.owner is self

    def start(self) -> None:
        """Start the thread if it is not there; everything else does so by itself.

        Raises:
            LoopError: The interpreter is exiting and starts no threads any more.
        """
        self._ensure()

    def submit(
        self, coroutine: Coroutine[Any, Any, T], *, context: contextvars.Context | None = None
    ) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop and return at once.

        It runs in a copy of the caller's context: spans and the clock are inherited, and what it
        prints later lands under the submitting cell (ipykernel ≥ 7.4).

        Args:
            coroutine: What to run.
            context: Run in this context itself instead of a copy of the caller's.

        Returns:
            Its future. ``cancel()`` asks the task to stop; the future is done, and ``cancelled()``,
            once the task's ``finally`` blocks have run.

        Raises:
            InvalidInputError: ``coroutine`` is not a coroutine.
            LoopError: The interpreter is exiting and starts no threads any more.
        """
        if not inspect.iscoroutine(coroutine):
            raise InvalidInputError(
                f"submit() takes a coroutine, not {type(coroutine).__name__}.",
                next_step="Call the async function: submit(fetch(url)), not submit(fetch).",
            )
        try:
            engine = self._ensure()
        except LoopError:
            coroutine.close()
            raise
        return self._submit(engine, coroutine, context)

    def run(self, awaitable: Awaitable[T], timeout: float | None = None) -> T:
        """Wait for an awaitable that runs on the loop; interruptible by ■ and Ctrl-C.

        An interrupt cancels the task, gives its ``finally`` blocks up to 2 s, and goes on to the
        caller. May be called from any thread but the loop's own, also where another loop runs (a
        cell).

        Args:
            awaitable: A coroutine or other awaitable.
            timeout: A limit in seconds.

        Returns:
            What the awaitable returns.

        Raises:
            LoopError: Called from the loop's own thread, where it could only deadlock.
            OperationTimeoutError: The limit passed; the task was cancelled.
            InvalidInputError: Not an awaitable.
            concurrent.futures.CancelledError: Something else cancelled it, for instance `close`.
        """
        try:
            refuse_loop_thread("run()", "await …")
            engine = self._ensure()
        except LoopError:
            if inspect.iscoroutine(awaitable):
                awaitable.close()  # or Python warns that nobody awaited it
            raise
        coroutine: Coroutine[Any, Any, T] = (
            awaitable if inspect.iscoroutine(awaitable) else _awaiting(awaitable, engine)
        )
        return wait_blocking(self._submit(engine, coroutine, None), timeout)

    def close(self) -> None:
        """Cancel all tasks, let them finish (bounded), end the thread.

        Called at exit; may be called again; the next call of anything else starts anew.

        Raises:
            LoopError: Called from the loop's own thread.
        """
        refuse_loop_thread("close()", "asyncio.to_thread(library_loop().close)")
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close(self._grace)

    def session(self, cleanup: Callable[[], Awaitable[Any]] | None = None) -> Session:
        """One task on the loop that awaits several things in turn (for generators and contexts)."""
        engine = self._ensure()
        return Session(engine, lambda serve: self._submit(engine, serve, None), cleanup)

    def _ensure(self) -> Engine:
        with self._lock:
            if self._engine is None or not self._engine.thread.is_alive():
                _register_hooks()
                self._engine = Engine(self, self._name)
            return self._engine

    def _submit(
        self,
        engine: Engine,
        coroutine: Coroutine[Any, Any, T],
        context: contextvars.Context | None,
    ) -> Handle[T]:
        job = Job(engine, coroutine, contextvars.copy_context() if context is None else context)
        if not engine.call(job.begin):
            job.abandon()
        return job

    def _forget(self) -> None:
        """Begin anew in a forked child, which has our objects but not our thread."""
        if self._engine is not None:
            # Closing it would unregister descriptors from the epoll that the parent still uses, and
            # dropping it would run the `finally` blocks of the parent's tasks.
            leak(self._engine)
        self._engine = None
        self._lock = threading.RLock()


_loops: weakref.WeakSet[LibraryLoop] = weakref.WeakSet()
_library = LibraryLoop()  # neither thread nor loop before it is used
_workers = Workers(32, "vcplab-worker")
_in_worker: contextvars.ContextVar[bool] = contextvars.ContextVar("vcplab_in_worker", default=False)
_hooked = False


def library_loop() -> LibraryLoop:
    """The process's one library loop."""
    return _library


def run(awaitable: Awaitable[T], timeout: float | None = None) -> T:
    """Wait for an awaitable on the library's loop: `LibraryLoop.run` of `library_loop`."""
    return library_loop().run(awaitable, timeout)


def submit(
    coroutine: Coroutine[Any, Any, T], *, context: contextvars.Context | None = None
) -> concurrent.futures.Future[T]:
    """Start a coroutine on the library's loop: `LibraryLoop.submit` of `library_loop`."""
    return library_loop().submit(coroutine, context=context)


async def to_worker(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that blocks in a worker thread, in the caller's context.

    At most 32 run at a time; one started from within a worker gets a thread of its own, so that
    waiting for each other cannot use up the pool. Cancelling drops the result; a thread cannot be
    stopped, and does not hold up the interpreter's exit.

    Raises:
        InvalidInputError: The function is a coroutine function.
    """
    if inspect.iscoroutinefunction(function):
        raise InvalidInputError(
            "to_worker() takes a function that blocks, not a coroutine function.",
            where=getattr(function, "__qualname__", None),
            next_step="Await it instead.",
        )
    _register_hooks()
    nested = _in_worker.get()
    context = contextvars.copy_context()
    context.run(_in_worker.set, True)
    call = partial(context.run, partial(function, *args, **kwargs))
    return await _workers.submit(call, own_thread=nested)


def allow_nested_loops() -> None:
    """Let third-party code call ``asyncio.run`` inside a cell; vcplab itself never needs it.

    It patches asyncio for the whole process by ``nest_asyncio2.apply()`` and cannot be undone. It
    is an opt-in, never done by an import, because a patched kernel treats widgets badly: with
    nest-asyncio 1.6 under JupyterLab and ipykernel 7.4, one nested run and a click lose that click
    and every later widget event; with nest-asyncio2 the click waits until the nested run has ended.
    Better: write ``await``, use a blocking twin, or call the third-party function in a worker
    thread (``await to_worker(f)``), where no loop is running.

    Raises:
        MissingDependencyError: nest-asyncio2 is not installed.
    """
    try:
        import nest_asyncio2
    except ImportError as error:
        raise MissingDependencyError(
            "allow_nested_loops() needs the package nest-asyncio2.",
            next_step="pip install nest-asyncio2 (not nest-asyncio, which loses widget events).",
        ) from error
    nest_asyncio2.apply()


def _awaiting(awaitable: Awaitable[T], engine: Engine) -> Coroutine[Any, Any, T]:
    if not inspect.isawaitable(awaitable):
        raise InvalidInputError(
            f"run() takes an awaitable, not {type(awaitable).__name__}.",
            next_step="Call the async function: run(fetch(url)), not run(fetch).",
        )
    if asyncio.isfuture(awaitable) and awaitable.get_loop() is not engine.loop:
        raise LoopError(
            "A task or future of another loop was given to run(), whose loop cannot await it.",
            next_step="Await it where it was made, or give run() the coroutine itself.",
        )

    async def wait() -> T:
        return await awaitable

    return wait()


def _register_hooks() -> None:
    # Not at import: a process that never does I/O has neither thread nor hooks.
    global _hooked
    if not _hooked:
        _hooked = True
        atexit.register(_close_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)


def _close_all() -> None:
    for loop in list(_loops):
        loop.close()


def _after_fork() -> None:
    global _workers
    here.engine = None
    _workers = Workers(32, "vcplab-worker")
    for loop in list(_loops):
        loop._forget()
