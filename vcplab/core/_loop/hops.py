"""Async methods that run on the library's loop, whoever awaits them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeVar, cast

from vcplab.core._loop.engine import wait_from_other_loop
from vcplab.core._loop.library import library_loop
from vcplab.core._loop.session import Session, aclose, enter, leave, step
from vcplab.core.errors import InvalidInputError

__all__ = ["on_library_loop"]

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def on_library_loop(method: F) -> F:
    """Make an async method run on the library's loop, whichever loop awaits it.

    On the library's own loop it runs natively. Awaited from another one (the kernel's, in a cell)
    it hops: it runs over there in a copy of the caller's context, and cancelling goes both ways.
    For coroutine functions, async generator functions and functions that return an async context
    manager (put it above ``@asynccontextmanager``, below ``@classmethod``).

    Raises:
        InvalidInputError: Given a class or static method object, whose function it cannot replace.
    """
    if isinstance(method, staticmethod | classmethod):
        raise InvalidInputError(
            "@on_library_loop goes below @classmethod or @staticmethod, next to the function.",
            where=method.__func__.__qualname__,
            next_step="Swap the two decorators.",
        )
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def hop(*args: Any, **kwargs: Any) -> Any:
            library = library_loop()
            if library.is_current():
                return await method(*args, **kwargs)
            return await wait_from_other_loop(library.submit(method(*args, **kwargs)))

        return cast(F, hop)
    if inspect.isasyncgenfunction(method):

        @functools.wraps(method)
        async def hop_items(*args: Any, **kwargs: Any) -> Any:
            iterator = method(*args, **kwargs)
            library = library_loop()
            session = None if library.is_current() else library.session(partial(aclose, iterator))
            sent, thrown = None, None
            try:
                while True:
                    pull = partial(step, iterator, sent, thrown)
                    item = await (pull() if session is None else _ask(session, pull))
                    if item is None:
                        return
                    sent = thrown = None
                    try:
                        sent = yield item[0]
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        thrown = error
            finally:
                await (aclose(iterator) if session is None else _afinish(session))

        return cast(F, hop_items)

    @functools.wraps(method)
    def hop_context(*args: Any, **kwargs: Any) -> Any:
        return _HoppingContext(method(*args, **kwargs))

    return cast(F, hop_context)


class _HoppingContext(AbstractAsyncContextManager[Any, bool | None]):
    """An async context manager that is entered and left on the library's loop."""

    def __init__(self, manager: AbstractAsyncContextManager[Any, bool | None]) -> None:
        self._manager = manager
        self._session: Session | None = None

    async def __aenter__(self) -> Any:
        library = library_loop()
        if library.is_current():
            return await self._manager.__aenter__()
        session = library.session()
        try:
            value = await _ask(session, lambda: enter(session, self._manager))
        except BaseException:
            await _afinish(session)
            raise
        self._session = session
        return value

    async def __aexit__(self, *error: Any) -> bool | None:
        session, self._session = self._session, None
        if session is None:
            return await self._manager.__aexit__(*error)
        try:
            return await _ask(session, lambda: leave(session, self._manager, error))
        finally:
            await _afinish(session)


async def _ask(session: Session, call: Callable[[], Awaitable[T]]) -> T:
    return await wait_from_other_loop(session.ask(call))


async def _afinish(session: Session) -> None:
    job = session.finish()
    if not (session.is_busy or job.cancelled()):
        await wait_from_other_loop(job)
