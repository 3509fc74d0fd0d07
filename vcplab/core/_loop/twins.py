"""Blocking twins of asynchronous functions."""

from __future__ import annotations

import ast
import concurrent.futures
import inspect
import types
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar, overload

from vcplab.core._loop.engine import here, refuse_loop_thread, wait_blocking
from vcplab.core._loop.library import library_loop, run
from vcplab.core._loop.session import Session, aclose, enter, leave, step
from vcplab.core.errors import InvalidInputError

__all__ = ["blocking"]

P = ParamSpec("P")
T = TypeVar("T")


@overload
def blocking(
    method: Callable[P, Coroutine[Any, Any, T]], *, name: str | None = None
) -> Callable[P, T]: ...
@overload
def blocking(
    method: Callable[P, AsyncGenerator[T, Any]], *, name: str | None = None
) -> Callable[P, Generator[T, Any, None]]: ...
@overload
def blocking(
    method: Callable[P, AsyncIterator[T]], *, name: str | None = None
) -> Callable[P, Iterator[T]]: ...
@overload
def blocking(
    method: Callable[P, AbstractAsyncContextManager[T, bool | None]], *, name: str | None = None
) -> Callable[P, AbstractContextManager[T, bool | None]]: ...
def blocking(method: Callable[..., Any], *, name: str | None = None) -> Any:
    """Make the blocking, interruptible twin of an asynchronous function or method.

    ============================================  =============================================
    of                                            the twin is
    ============================================  =============================================
    a coroutine function                          a function
    an async generator function                   a generator function; items are pulled on
                                                  demand, closing it early closes the async one
    an ``@asynccontextmanager`` function, or one  a function that returns a context manager;
    that returns an async context manager         exceptions go in, suppression is honoured
    ============================================  =============================================

    As a class attribute, ``call = blocking(acall)``, the twin looks ``acall`` up on the instance,
    so a subclass overrides only ``acall``. (``Base.call(instance)``, spelt with the class, means
    that class's ``acall``.) Class and static methods work the same, given as ``blocking(aload)``
    below ``@classmethod async def aload``. The whole of a generator or context manager runs in one
    task on the library's loop, in a copy of the context in which it was first entered.

    Args:
        method: The asynchronous one.
        name: The twin's name; by default the class attribute's, else ``method``'s without its "a".
    """
    return _Twin(method, name)


class _Twin:
    """A descriptor, because only a descriptor knows whether it was reached through an instance."""

    __name__: str
    __qualname__: str

    def __init__(self, method: Any, name: str | None) -> None:
        self._wrapper = type(method) if isinstance(method, staticmethod | classmethod) else None
        self._function = method.__func__ if self._wrapper else method
        self._async_name: str = getattr(self._function, "__name__", type(self._function).__name__)
        self._named = name is not None
        self.__name__ = name or self._async_name.removeprefix("a") or self._async_name
        qualifier = getattr(self._function, "__qualname__", "").rpartition(".")[0]
        self.__qualname__ = f"{qualifier}.{self.__name__}" if qualifier else self.__name__
        self.__module__ = self._function.__module__
        first = (inspect.getdoc(self._function) or "").split("\n", 1)[0]
        self.__doc__ = f"{first}\n\nBlocking twin of `{self._async_name}`.".lstrip()
        with suppress(ValueError, TypeError):  # a callable without a signature has none here
            self.__signature__ = _blocking_signature(self._function)

        def by_name(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
            return self._call_on(owner, args, kwargs)

        self._by_name = self._dressed(by_name)

    def __set_name__(self, owner: type, name: str) -> None:
        if not self._named:
            self.__name__ = name
        self.__qualname__ = f"{owner.__qualname__}.{self.__name__}"
        self._dressed(self._by_name)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        cls = type(instance) if owner is None else owner
        if self._wrapper is staticmethod:
            return self._dressed(lambda *args, **kwargs: self._call_on(cls, args, kwargs))
        if self._wrapper is classmethod:
            return types.MethodType(self._by_name, cls)
        return self if instance is None else types.MethodType(self._by_name, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._block(self._function, args, kwargs)

    def __repr__(self) -> str:
        return f"<blocking twin {self.__qualname__}>"

    def __reduce__(self) -> str:
        return self.__qualname__  # pickled by reference, as a function is

    def _call_on(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        method = getattr(owner, self._async_name, None)
        if method is None:  # made from a function that is no attribute of the class
            method = partial(self._function, owner)
        return self._block(method, args, kwargs)

    def _block(self, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        # Before the call, which would leave a coroutine that nobody awaits.
        refuse_loop_thread(f"{self.__name__}()", f"await {self._async_name}(…)")
        made = method(*args, **kwargs)
        if isinstance(made, AbstractAsyncContextManager):
            return _BlockingContext(made)
        if isinstance(made, AsyncIterable):
            return _iterate(aiter(made))
        if inspect.isawaitable(made):
            return run(made)
        raise InvalidInputError(
            f"`{self._async_name}` returned {type(made).__name__}, which is nothing asynchronous.",
            where=self.__qualname__,
            next_step="Give blocking() a coroutine, async generator or async context function.",
        )

    def _dressed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        for attribute in ("__name__", "__qualname__", "__module__", "__doc__", "__signature__"):
            if hasattr(self, attribute):
                setattr(function, attribute, getattr(self, attribute))
        return function


def _iterate(iterator: AsyncIterator[T]) -> Generator[T, Any, None]:
    """Pull the items of an async iterator on demand, all within one task."""
    session = library_loop().session(partial(aclose, iterator))
    sent, thrown = None, None
    try:
        while True:
            item = wait_blocking(session.ask(partial(step, iterator, sent, thrown)))
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
        _finish(session)


def _finish(session: Session) -> None:
    job = session.finish()
    # A generator that nobody holds any more may be collected on the loop's own thread, and an
    # interrupted call may refuse to end: then nobody waits.
    if here.engine is None and not session.is_busy:
        with suppress(concurrent.futures.CancelledError):  # the loop was closed first
            wait_blocking(job)


class _BlockingContext(AbstractContextManager[Any, bool | None]):
    """An async context manager, entered and left by blocking calls within one task."""

    def __init__(self, manager: AbstractAsyncContextManager[Any, bool | None]) -> None:
        self._manager = manager
        self._session: Session | None = None

    def __enter__(self) -> Any:
        refuse_loop_thread("with …", "async with …")
        session = library_loop().session()
        entering = session.ask(lambda: enter(session, self._manager))
        try:
            value = wait_blocking(entering)
        except BaseException:
            _finish(session)  # leaves it again if it was entered just when the interrupt came
            raise
        self._session = session
        return value

    def __exit__(self, *error: Any) -> bool | None:
        session, self._session = self._session, None
        assert session is not None, "left before it was entered"
        refuse_loop_thread("with …", "async with …")
        try:
            return wait_blocking(session.ask(lambda: leave(session, self._manager, error)))
        finally:
            _finish(session)


_ITERATORS = ("AsyncIterator", "AsyncIterable", "AsyncGenerator")
_CONTEXTS = ("AsyncContextManager", "AbstractAsyncContextManager")


def _blocking_signature(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    returned = signature.return_annotation
    if inspect.iscoroutinefunction(function) or returned is inspect.Signature.empty:
        return signature  # a coroutine function is annotated with what it returns when awaited
    # `@asynccontextmanager` leaves a plain function, annotated with its generator's type.
    manages = not inspect.isasyncgenfunction(function) and inspect.isasyncgenfunction(
        inspect.unwrap(function)
    )
    rewritten = (_rewrite_text if isinstance(returned, str) else _rewrite_type)(returned, manages)
    return signature.replace(return_annotation=rewritten)


def _rewrite_text(annotation: str, manages: bool) -> str:
    """Rewrite an annotation that ``from __future__ import annotations`` left as text."""
    with suppress(SyntaxError):
        node = ast.parse(annotation, mode="eval").body
        if isinstance(node, ast.Subscript):
            name = ast.unparse(node.value).rpartition(".")[2]
            arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            first, last = ast.unparse(arguments[0]), ast.unparse(arguments[-1])
            if name in _CONTEXTS or (manages and name in _ITERATORS):
                return f"ContextManager[{first}]"
            if name in _ITERATORS:
                return f"Iterator[{first}]"
            if name in ("Coroutine", "Awaitable"):
                return last
    return annotation


def _rewrite_type(annotation: Any, manages: bool) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if not arguments:
        return annotation
    name = getattr(origin, "__name__", "")
    if name in _CONTEXTS or (manages and name in _ITERATORS):
        return types.GenericAlias(AbstractContextManager, (arguments[0],))
    if name in _ITERATORS:
        return types.GenericAlias(Iterator, (arguments[0],))
    return arguments[-1] if name in ("Coroutine", "Awaitable") else annotation
