"""A thread with a loop, the futures of what runs there, and the two ways of waiting for them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from vcplab.core._leak import leak
from vcplab.core.errors import LoopError, OperationTimeoutError

__all__ = [
    "GRACE",
    "Engine",
    "Handle",
    "Job",
    "here",
    "nothing",
    "refuse_loop_thread",
    "wait_blocking",
    "wait_from_other_loop",
]

T = TypeVar("T")

GRACE = 2.0
"""Seconds that a cancelled task is given to run its ``finally`` blocks before its waiter goes
on."""

_LAST_TURNS = 3
_SLICE = 0.05
"""Longest uninterruptible wait in seconds. A lock cannot be interrupted on Windows, nor on POSIX
when the signal reaches another thread, so every wait is made of slices."""


class _Here(threading.local):
    """Which engine, if any, runs in the calling thread."""

    engine: Engine | None = None


here = _Here()


def refuse_loop_thread(what: str, instead: str) -> None:
    """Raise LoopError when the caller is on a library loop, which a blocking wait would freeze."""
    if here.engine is not None:
        raise LoopError(
            f"{what} was called on the library's own loop, where waiting for it would never end.",
            where=threading.current_thread().name,
            next_step=f"await it: `{instead}`.",
        )


class Handle(concurrent.futures.Future[T]):
    """A future that is done only once the work has really ended.

    `cancel` asks the work to stop. Other than with the standard future, the handle is done (and
    ``cancelled()``) only after the coroutine's ``finally`` blocks have run, so "cancel, then wait"
    means what it says.
    """

    def __init__(
        self, engine: Engine, stop: Callable[[], object], drop: Callable[[], object]
    ) -> None:
        super().__init__()
        self.engine = engine
        self._stop = stop  # runs on the loop's thread
        self._drop = drop  # runs anywhere, after the loop has ended
        engine.pending.add(self)

    def cancel(self) -> bool:
        """Ask the work to stop; False when it has already ended otherwise."""
        if self.done():
            return self.cancelled()
        if not self.engine.call(self._stop):
            self.abandon()
        return True

    def abandon(self) -> None:
        """Release the waiter of work that will never be resumed."""
        if self.engine.is_inherited:
            leak(self)  # with its task: collecting that would run the parent's `finally` blocks
        elif not self.done():
            self._drop()
        self.settle_cancelled()

    def settle(self, result: T) -> None:
        """End with a value."""
        self.engine.pending.discard(self)
        # A handle that was abandoned because the loop hung may still see its task end.
        with suppress(concurrent.futures.InvalidStateError):
            self.set_result(result)

    def settle_error(self, error: BaseException) -> None:
        """End with an error."""
        self.engine.pending.discard(self)
        with suppress(concurrent.futures.InvalidStateError):
            self.set_exception(error)

    def settle_cancelled(self) -> None:
        """End as cancelled."""
        self.engine.pending.discard(self)
        if not self.done() and super().cancel():
            self.set_running_or_notify_cancel()


class Job(Handle[T]):
    """One coroutine that runs as one task."""

    def __init__(
        self, engine: Engine, coroutine: Coroutine[Any, Any, T], context: contextvars.Context
    ) -> None:
        super().__init__(engine, self._cancel_task, coroutine.close)
        self._coroutine = coroutine
        self._context = context
        self._task: asyncio.Task[T] | None = None

    def begin(self) -> None:
        """Create the task (on the loop's thread)."""
        self._task = self.engine.loop.create_task(self._coroutine, context=self._context)
        # From here on the task owns the coroutine; closing it under a running task would raise.
        self._drop = nothing
        self._task.add_done_callback(self._end)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[T]) -> None:
        self._task = None
        if task.cancelled():
            self.settle_cancelled()
        elif (error := task.exception()) is not None:
            self.settle_error(error)
        else:
            self.settle(task.result())


class Engine:
    """One thread with one asyncio loop, from its start to its end."""

    def __init__(self, owner: object, name: str) -> None:
        self.owner = owner
        self.loop = _new_event_loop()
        self.pending: set[Handle[Any]] = set()
        self._pid = os.getpid()
        self._stopping = False
        self._closer: asyncio.Task[None] | None = None
        self._executor = concurrent.futures.ThreadPoolExecutor(32, thread_name_prefix=f"{name}-io")
        self.loop.set_default_executor(self._executor)
        self.thread = threading.Thread(target=self._main, name=name, daemon=True)
        try:
            self.thread.start()
        except RuntimeError as error:  # Python >= 3.12 starts no thread while it exits
            self.loop.close()
            raise LoopError(
                "The library's loop cannot start while the interpreter is exiting.",
                next_step="Close what needs the loop before the program ends.",
            ) from error

    @property
    def is_inherited(self) -> bool:
        """Whether this is a forked child, which has the object but not the thread."""
        return self._pid != os.getpid()

    def call(self, function: Callable[..., object], *arguments: Any) -> bool:
        """Run a function soon on the loop's thread; False when the loop has ended."""
        if self.is_inherited:
            return False
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return False
        return True

    def close(self, grace: float) -> None:
        """Cancel everything, let it finish for at most ``grace`` seconds, end the thread."""
        self.call(self._begin_shutdown, grace)
        deadline = time.monotonic() + 2 * grace + 1
        while self.thread.is_alive() and time.monotonic() < deadline:
            self.thread.join(_SLICE)
        self._release()

    def _release(self) -> None:
        for handle in list(self.pending):
            handle.abandon()

    def _main(self) -> None:
        here.engine = self
        asyncio.set_event_loop(self.loop)
        try:
            while True:
                try:
                    self.loop.run_forever()
                except (KeyboardInterrupt, SystemExit):
                    # A task raised it. Its handle carries it to whoever waits; the others go on.
                    if not self._stopping:
                        continue
                break
        finally:
            asyncio.set_event_loop(None)
            self._executor.shutdown(wait=False, cancel_futures=True)
            self.loop.close()
            self._release()

    def _begin_shutdown(self, grace: float) -> None:
        if self._closer is None:
            self._closer = self.loop.create_task(self._shutdown(grace))

    async def _shutdown(self, grace: float) -> None:
        deadline = self.loop.time() + grace
        try:
            # Again and again, because a `finally` block may start further tasks.
            while (tasks := asyncio.all_tasks() - {self._closer}) and (
                left := deadline - self.loop.time()
            ) > 0:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks, timeout=left)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.loop.shutdown_asyncgens(), grace)
            # Transports that were told to close do so in the next turns.
            for _ in range(_LAST_TURNS):
                await asyncio.sleep(0)
        finally:
            self._stopping = True
            self.loop.stop()


def wait_blocking(handle: Handle[T], timeout: float | None = None) -> T:
    """Wait for a handle in slices.

    Whatever ends the wait early (an interrupt, the time limit) cancels the work and gives it
    `GRACE` seconds for its ``finally`` blocks.

    Raises:
        OperationTimeoutError: ``timeout`` seconds passed.
    """
    try:
        if _wait(handle, timeout):
            return handle.result()
        raise OperationTimeoutError(
            f"The call did not finish within {timeout:g} s; it was cancelled.",
            next_step="Give it more time with `timeout=`, or look at what it waits for.",
        )
    except BaseException:
        if not handle.done():
            handle.cancel()
            _wait(handle, GRACE)
        raise
    finally:
        # The traceback of an error refers to this frame and the handle to the error.
        del handle


def _wait(handle: Handle[Any], timeout: float | None) -> bool:
    deadline = None if timeout is None else time.monotonic() + timeout
    while not handle.done():
        left = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
        if left < 0:
            return False
        with suppress(TimeoutError, concurrent.futures.CancelledError):
            handle.exception(left)
    return True


async def wait_from_other_loop(handle: concurrent.futures.Future[T]) -> T:
    """Await a handle on a loop that is not the library's, as transparently as a plain ``await``.

    Cancelling the awaiting task cancels the work, waits for its end (at most `GRACE` seconds) and,
    as a plain ``await`` would, delivers what the work made of it.
    """
    loop = asyncio.get_running_loop()
    try:
        return await asyncio.wrap_future(handle)
    except asyncio.CancelledError:
        ended = asyncio.Event()

        def tell(_: object) -> None:
            with suppress(RuntimeError):  # this loop may be gone by then
                loop.call_soon_threadsafe(ended.set)

        handle.add_done_callback(tell)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await ended.wait()
        if handle.done() and not handle.cancelled():
            return handle.result()
        raise


def nothing() -> None:
    """Do nothing."""


def _new_event_loop() -> asyncio.AbstractEventLoop:
    # Not by the policy: ipykernel may have set one for its own thread whose loops start no
    # subprocess on Windows.
    if sys.platform == "win32":
        return asyncio.ProactorEventLoop()
    return asyncio.SelectorEventLoop()
