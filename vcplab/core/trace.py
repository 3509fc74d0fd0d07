"""Spans: what ran inside what, for how long, and how it ended.

::

    with span("memory.search", k=5) as here:
        here.set(hits=3)

    @span("tool.call")                     # a span per call; plain and async functions
    async def call(...): ...

The present span travels with the context: tasks inherit it, threads by ``in_context``, processes
by ``carrier`` and ``attach`` (W3C Trace Context level 1, https://www.w3.org/TR/trace-context-1/).
Without a sink nothing is kept, and a span costs a few microseconds.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError as FutureCancelledError
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter_ns
from types import MappingProxyType, TracebackType
from typing import Any, Literal, ParamSpec, Protocol, Self, TypeVar, runtime_checkable

from vcplab.core.clock import epoch_ns
from vcplab.core.errors import InvalidInputError, StateError

__all__ = [
    "SinkHandle",
    "Span",
    "SpanEvent",
    "SpanSink",
    "SpanStatus",
    "add_sink",
    "attach",
    "attach_from_environment",
    "carrier",
    "current_span",
    "in_context",
    "remove_sink",
    "span",
]

P = ParamSpec("P")
R = TypeVar("R")

SpanStatus = Literal["open", "ok", "error", "cancelled"]

_logger = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANCELLED = (asyncio.CancelledError, FutureCancelledError, KeyboardInterrupt, GeneratorExit)

# A private generator: SystemRandom is slow, and the shared one may be seeded by the user, which
# would give two runs the same ids.
_ids = random.Random(os.urandom(32))  # noqa: S311 - ids, not secrets


def _reseed() -> None:
    _ids.seed(os.urandom(32))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reseed)  # or parent and child would draw the same ids


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened inside a span.

    Attributes:
        name: What happened.
        time_ns: When, in nanoseconds since 1970 (UTC).
        attributes: JSON-able facts.
    """

    name: str
    time_ns: int
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Remote:
    """The caller's span in another process: only its ids are known here."""

    _trace: int
    _id: int


class Span:
    """One piece of work. Made by ``span``; opened by ``with``, ``async with`` or as a decorator.

    Attributes:
        name: What is being done, e.g. ``"memory.search"``.
        kind: Its kind; ``"internal"`` unless given.
        attributes: JSON-able facts, added to by ``set``.
        status: ``"open"``, then ``"ok"``, ``"error"`` or ``"cancelled"``.
        start_ns: When it was opened, in nanoseconds since 1970 (UTC) by the clock in force;
            0 before.
        duration_ns: How long it took, in nanoseconds of the machine; None until it is closed.
        error_type: Class name of the exception that ended it, if one did.
        error_message: Text of that exception.
    """

    __slots__ = (
        "_events",
        "_id",
        "_parent",
        "_started",
        "_token",
        "_trace",
        "attributes",
        "duration_ns",
        "error_message",
        "error_type",
        "kind",
        "name",
        "start_ns",
        "status",
    )

    def __init__(self, name: str, kind: str, attributes: dict[str, Any]) -> None:
        self.name = name
        self.kind = kind
        self.attributes = attributes
        self.status: SpanStatus = "open"
        self.start_ns = 0
        self.duration_ns: int | None = None
        self.error_type: str | None = None
        self.error_message: str | None = None
        self._events: list[SpanEvent] | None = None
        self._id = 0  # 0 is not a valid id: not opened yet
        self._parent = 0
        self._trace = 0
        self._token: Token[Span | _Remote | None] | None = None

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits shared by all spans of one root; all 0 before it is opened."""
        return f"{self._trace:032x}"

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits; all 0 before it is opened."""
        return f"{self._id:016x}"

    @property
    def parent_id(self) -> str | None:
        """The span around this one (perhaps in another process), or None for a root."""
        return f"{self._parent:016x}" if self._parent else None

    @property
    def start(self) -> datetime:
        """When it was opened, in UTC to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.start_ns // 1000)

    @property
    def events(self) -> tuple[SpanEvent, ...]:
        """What happened inside, in order."""
        return tuple(self._events or ())

    def set(self, /, **attributes: Any) -> Self:
        """Add attributes, replacing those of the same name.

        Args:
            **attributes: JSON-able facts.

        Returns:
            The span.
        """
        self.attributes.update(attributes)
        return self

    def event(self, name: str, /, **attributes: Any) -> Self:
        """Note that something happened just now.

        Args:
            name: What happened.
            **attributes: JSON-able facts.

        Returns:
            The span.
        """
        if self._events is None:
            self._events = []
        self._events.append(SpanEvent(name, epoch_ns(), MappingProxyType(attributes)))
        return self

    def __enter__(self) -> Self:
        if self._id:
            raise StateError(
                f"The span {self.name!r} was opened before.",
                where="span",
                next_step="make a new one with span(...) for every block",
            )
        around = _current.get()
        if around is None:
            self._trace = _ids.getrandbits(128) or 1
        else:
            self._trace = around._trace
            self._parent = around._id
        self._id = _ids.getrandbits(64) or 1
        self._token = _current.set(self)
        self.start_ns = epoch_ns()
        self._started = perf_counter_ns()
        if _sinks:
            try:
                _tell("on_start", self)
            except BaseException:
                # ■ arrived inside a sink: the block will not run, so __exit__ will not either.
                self._leave()
                raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.duration_ns = perf_counter_ns() - self._started
        if exc_type is None:
            self.status = "ok"
        else:
            self.status = "cancelled" if issubclass(exc_type, _CANCELLED) else "error"
            self.error_type = exc_type.__name__
            self.error_message = _text(exc)
        self._leave()
        if _sinks:
            _tell("on_end", self)

    def _leave(self) -> None:
        token, self._token = self._token, None
        assert token is not None
        try:
            _current.reset(token)
        except ValueError:
            # A generator was finished in another context than it began in (asyncio does that to
            # abandoned ones). This context never saw the span, so there is nothing to restore.
            _logger.debug("span %s was closed in another context", self.name)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *exc: Any) -> None:
        self.__exit__(*exc)

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        """Decorate a plain or async function: every call runs in a new span like this one.

        Args:
            function: The function.

        Returns:
            The function, wrapped.

        Raises:
            InvalidInputError: It is no function, or a generator (whose body runs after the call).
        """
        if not callable(function):
            raise InvalidInputError(
                f"A span decorates a function, not {function!r}.",
                where="span",
                next_step='write @span("a.name") above the function',
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidInputError(
                f"{function.__qualname__} is a generator, which runs after the call is over.",
                where="span",
                next_step='write `with span("a.name"):` inside it',
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                with Span(self.name, self.kind, dict(self.attributes)):
                    return await function(*args, **kwargs)

            return traced_coroutine  # type: ignore[return-value]  # R is the coroutine

        @functools.wraps(function)
        def traced(*args: P.args, **kwargs: P.kwargs) -> R:
            with Span(self.name, self.kind, dict(self.attributes)):
                return function(*args, **kwargs)

        return traced

    def __repr__(self) -> str:
        took = "" if self.duration_ns is None else f", {self.duration_ns / 1e6:.3f} ms"
        return f"<Span {self.name!r} {self.status}{took}>"


def span(name: str, /, kind: str = "internal", **attributes: Any) -> Span:
    """A piece of work to be traced: use it with ``with``, ``async with`` or as a decorator.

    Exceptions pass through and are noted. CancelledError, KeyboardInterrupt and the closing of a
    generator end the span as ``"cancelled"``, other exceptions as ``"error"``.

    Args:
        name: What is being done, e.g. ``"memory.search"``.
        kind: Its kind, e.g. ``"client"`` or ``"server"``.
        **attributes: JSON-able facts.

    Returns:
        The span, not yet opened.

    Raises:
        InvalidInputError: ``name`` is not text (``@span`` without a name gets the function).
    """
    if not isinstance(name, str):
        raise InvalidInputError(
            f"A span needs a name, not {name!r}.", where="name", next_step='write span("a.name")'
        )
    return Span(name, kind, attributes)


_current: ContextVar[Span | _Remote | None] = ContextVar("vcplab_span", default=None)


def current_span() -> Span | None:
    """The innermost span that is open here, or None."""
    here = _current.get()
    return here if isinstance(here, Span) else None


def in_context(function: Callable[P, R]) -> Callable[P, R]:
    """Bind a function to the present context, for a thread or an executor.

    Args:
        function: A plain function.

    Returns:
        The function; every call, also several at once, sees the span, clock and settings that are
        in force now.

    Raises:
        InvalidInputError: The function is asynchronous; tasks inherit the context by themselves.
    """
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidInputError(
            f"{function.__qualname__} is asynchronous.",
            where="function",
            next_step="start a task instead: asyncio tasks inherit the context",
        )
    context = copy_context()

    @functools.wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered only once at a time; its copy costs next to nothing.
        return context.copy().run(function, *args, **kwargs)

    return bound


_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<id>[0-9a-f]{16})-[0-9a-f]{2}(?P<rest>-.*)?",
    re.DOTALL,
)


def carrier() -> dict[str, str]:
    """What another process needs to continue this trace.

    Returns:
        ``{"traceparent": "00-<trace>-<span>-01"}``, or ``{}`` where no span is open. As an
        environment variable the name is written TRACEPARENT.
    """
    here = _current.get()
    return {} if here is None else {"traceparent": f"00-{here._trace:032x}-{here._id:016x}-01"}


@contextmanager
def attach(carrier: Mapping[str, str]) -> Iterator[None]:
    """Continue the trace of another process for a block.

    A carrier that is empty or malformed begins a new trace; it never raises.

    Args:
        carrier: What ``carrier`` returned there; the name is found in any case.
    """
    token = _current.set(_remote(carrier))
    try:
        yield
    finally:
        _current.reset(token)


def attach_from_environment() -> AbstractContextManager[None]:
    """Continue the trace that the parent process named in the variable TRACEPARENT, for a block.

    A missing or malformed variable begins a new trace; it never raises.

    Returns:
        The context manager.
    """
    return attach({"traceparent": os.environ.get("TRACEPARENT", "")})


def _remote(carrier: object) -> _Remote | None:
    if not isinstance(carrier, Mapping):
        return None
    text = next(
        (v for k, v in carrier.items() if isinstance(k, str) and k.lower() == "traceparent"), None
    )
    found = _TRACEPARENT.fullmatch(text.strip(" \t")) if isinstance(text, str) else None
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["rest"]):
        return None
    trace, span_id = int(found["trace"], 16), int(found["id"], 16)
    return _Remote(trace, span_id) if trace and span_id else None


@runtime_checkable
class SpanSink(Protocol):
    """Receives spans in the thread that opens and closes them.

    A sink that was added while a span was open gets its end without its start.
    """

    def on_start(self, span: Span) -> None:
        """A span was opened."""
        ...

    def on_end(self, span: Span) -> None:
        """A span was closed; its status and duration are set."""
        ...


class SinkHandle:
    """A sink's place; close it, or use it as a context manager. Made by ``add_sink``."""

    __slots__ = ("failed", "sink")

    def __init__(self, sink: SpanSink) -> None:
        self.sink = sink
        self.failed = False

    def close(self) -> None:
        """Take the sink off; a second call does nothing."""
        _keep(lambda handle: handle is not self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


_sinks: tuple[SinkHandle, ...] = ()
_sinks_lock = threading.RLock()
_telling = threading.local()


def add_sink(sink: SpanSink) -> SinkHandle:
    """Have every span of this process reported, from now on.

    A sink that raises is logged (in full the first time) and harms nobody. Spans that a sink
    opens itself are not reported, or there would be no end.

    Args:
        sink: An object with ``on_start`` and ``on_end``.

    Returns:
        A handle that takes the sink off again.

    Raises:
        InvalidInputError: It lacks one of the two methods.
    """
    global _sinks
    if not isinstance(sink, SpanSink):
        raise InvalidInputError(
            f"A {type(sink).__name__} is not a sink of spans.",
            where="sink",
            next_step="pass an object with the methods on_start(span) and on_end(span)",
        )
    handle = SinkHandle(sink)
    with _sinks_lock:
        _sinks = (*_sinks, handle)
    return handle


def remove_sink(sink: SpanSink) -> None:
    """Take a sink off, however often it was added; nothing happens if it was not.

    Args:
        sink: The object that was given to ``add_sink``.
    """
    _keep(lambda handle: handle.sink is not sink)


def _keep(wanted: Callable[[SinkHandle], bool]) -> None:
    global _sinks
    with _sinks_lock:
        _sinks = tuple(handle for handle in _sinks if wanted(handle))


def _tell(method: Literal["on_start", "on_end"], span: Span) -> None:
    if getattr(_telling, "busy", False):
        return
    _telling.busy = True
    try:
        for handle in _sinks:
            try:
                getattr(handle.sink, method)(span)
            except Exception:
                level = logging.DEBUG if handle.failed else logging.ERROR
                handle.failed = True
                _logger.log(level, "sink %r failed", type(handle.sink).__name__, exc_info=True)
    finally:
        _telling.busy = False


def _text(error: BaseException | None) -> str:
    try:
        return str(error)
    except Exception:  # an exception whose __str__ fails must not hide that it happened
        return "(its text cannot be shown)"
