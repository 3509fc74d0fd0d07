"""Several awaits in one task: what generators and context managers need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeVar

from vcplab.core._loop.engine import Engine, Handle, nothing
from vcplab.core.errors import LoopError

__all__ = ["Request", "Session", "aclose", "enter", "leave", "step"]

T = TypeVar("T")


class Request(Handle[T]):
    """One thing that a session is asked to await."""

    def __init__(self, session: Session, call: Callable[[], Awaitable[T]]) -> None:
        super().__init__(session.engine, lambda: session.stop(self), nothing)
        self.call = call
        self.stopped = False


class Session:
    """One task on the library loop that awaits what it is given, one thing after the other.

    An asynchronous generator or context manager has to be entered, resumed and left in one task and
    one context: `asyncio.timeout`, task groups and the tokens of context variables all insist on
    it.

    Args:
        engine: Where the task runs.
        submit: How it is started there.
        cleanup: Awaited in the session's task when the session ends, also when the loop is closed.
    """

    def __init__(
        self,
        engine: Engine,
        submit: Callable[[Coroutine[Any, Any, None]], Handle[None]],
        cleanup: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        self.engine = engine
        self.cleanup = cleanup
        self._queue: asyncio.Queue[Request[Any] | None] = asyncio.Queue()
        self._current: Request[Any] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._ended = False
        self._job = submit(self._serve())

    @property
    def is_busy(self) -> bool:
        """Whether something that it was asked is still running."""
        return self._current is not None

    def ask(self, call: Callable[[], Awaitable[T]]) -> Handle[T]:
        """Await ``call()`` in the session's task.

        Raises:
            LoopError: The session has ended because the library's loop was closed.
        """
        request: Request[T] = Request(self, call)
        if self._job.done() or not self.engine.call(self._take, request):
            request.abandon()
            raise LoopError(
                "The library's loop was closed while this iterator or context manager was in use.",
                next_step="Call it again: the loop restarts by itself.",
            )
        return request

    def finish(self) -> Handle[None]:
        """End the session after what it was asked so far; the handle is done after ``cleanup``."""
        if not self.engine.call(self._take, None):
            self._job.abandon()
        return self._job

    def stop(self, request: Request[Any]) -> None:
        """Cancel one request (on the loop's thread); the session itself goes on."""
        if request.done() or request.stopped:
            return
        request.stopped = True
        if request is self._current and self._task is not None:
            self._task.cancel()

    def _take(self, request: Request[Any] | None) -> None:
        if not self._ended:
            self._queue.put_nowait(request)
        elif request is not None:
            request.settle_cancelled()

    async def _serve(self) -> None:
        self._task = asyncio.current_task()
        try:
            while (request := await self._queue.get()) is not None:
                if request.stopped:
                    request.settle_cancelled()
                else:
                    await self._answer(request, self._task)
        finally:
            self._ended = True
            while not self._queue.empty():
                if (left := self._queue.get_nowait()) is not None:
                    left.settle_cancelled()
            if self.cleanup is not None:
                await self.cleanup()

    async def _answer(self, request: Request[Any], task: asyncio.Task[Any] | None) -> None:
        assert task is not None
        self._current = request
        settle: Callable[[], None]
        cancelled = False
        try:
            settle = partial(request.settle, await request.call())
        except asyncio.CancelledError:
            cancelled, settle = True, request.settle_cancelled
        except BaseException as error:  # also KeyboardInterrupt: it belongs to whoever asked
            settle = partial(request.settle_error, error)
        if request.stopped:
            task.uncancel()
        # Before the waiter is told: it looks at `is_busy` from another thread.
        self._current = None
        settle()
        if cancelled and task.cancelling():
            raise asyncio.CancelledError  # not by `stop`: the loop is closing


async def step(iterator: AsyncIterator[T], sent: Any, thrown: Any) -> tuple[T] | None:
    """The next item in a tuple, or None at the end (StopAsyncIteration crosses no future well)."""
    try:
        if isinstance(iterator, AsyncGenerator):
            if thrown is not None:
                return (await iterator.athrow(thrown),)
            return (await iterator.asend(sent),)
        if thrown is not None:
            raise thrown
        return (await anext(iterator),)
    except StopAsyncIteration:
        return None


async def aclose(iterator: AsyncIterator[Any]) -> None:
    """Close a generator; another iterator has nothing to close."""
    if isinstance(iterator, AsyncGenerator):
        await iterator.aclose()


async def enter(session: Session, manager: AbstractAsyncContextManager[T, bool | None]) -> T:
    """Enter a context whose session leaves it if nobody else does (the loop is closed)."""
    value = await manager.__aenter__()
    session.cleanup = partial(manager.__aexit__, None, None, None)
    return value


async def leave(
    session: Session, manager: AbstractAsyncContextManager[Any, bool | None], error: Any
) -> bool | None:
    """Leave a context."""
    session.cleanup = None
    return await manager.__aexit__(*error)
