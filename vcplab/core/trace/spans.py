"""A span: one piece of work, timed, in its place under the span around it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import random
from collections.abc import Callable
from concurrent.futures import CancelledError as FutureCancelledError
from contextvars import ContextVar, Token
from datetime import UTC, datetime, timedelta
from time import perf_counter_ns
from types import MappingProxyType, TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar

from vcplab.core._texts import error_text
from vcplab.core.clock import epoch_ns
from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.trace.values import RemoteSpan, SpanEvent

__all__ = [
    "Moment",
    "Span",
    "SpanStatus",
    "current_span",
    "present",
    "report_to",
    "span",
]

P = ParamSpec("P")
R = TypeVar("R")

SpanStatus = Literal["open", "ok", "error", "cancelled"]
Moment = Literal["on_start", "on_end", "on_event"]

_logger = logging.getLogger(__package__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CANCELLED = (asyncio.CancelledError, FutureCancelledError, KeyboardInterrupt, GeneratorExit)

# A private generator: SystemRandom is slow, and the shared one may be seeded by the user, which
# would give two runs the same ids.
_ids = random.Random(os.urandom(32))  # noqa: S311 - ids, not secrets


def _reseed() -> None:
    _ids.seed(os.urandom(32))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reseed)  # or parent and child would draw the same ids


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
        self._token: Token[Span | RemoteSpan | None] | None = None

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
        report = _report
        if report is not None:
            report("on_event", self)
        return self

    def __enter__(self) -> Self:
        self._refuse_opened()
        self._open(present.get())
        self._token = present.set(self)
        report = _report
        if report is not None:
            try:
                report("on_start", self)
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
            self.error_message = error_text(exc)
        self._leave()
        report = _report
        if report is not None:
            report("on_end", self)

    def begin(self, parent: Span | RemoteSpan | None = None) -> Self:
        """Open it without making it the present one; ``end`` closes it, from anywhere.

        For work that begins in one call and ends in another: a session, a stream, a callback.

        Args:
            parent: The span around it; None for a root.

        Returns:
            The span.

        Raises:
            StateError: It was opened before.
        """
        self._refuse_opened()
        self._open(parent)
        report = _report
        if report is not None:
            report("on_start", self)
        return self

    def end(self, status: SpanStatus = "ok", error: BaseException | str | None = None) -> Self:
        """Close a span that ``begin`` opened; a second call does nothing.

        Args:
            status: ``"ok"``, ``"error"`` or ``"cancelled"``; an ``error`` makes ``"ok"`` an error.
            error: What went wrong.

        Returns:
            The span.

        Raises:
            StateError: It was never opened, or belongs to a ``with`` block, which closes it.
        """
        if not self._id or self._token is not None:
            raise StateError(
                f"The span {self.name!r} cannot be ended here.",
                where="span",
                next_step="end what begin() opened; a with block ends its own",
            )
        if self.duration_ns is not None:
            return self
        self.duration_ns = perf_counter_ns() - self._started
        self.status = "error" if error is not None and status == "ok" else status
        if error is not None:
            self.error_type = "Error" if isinstance(error, str) else type(error).__name__
            self.error_message = error if isinstance(error, str) else error_text(error)
        report = _report
        if report is not None:
            report("on_end", self)
        return self

    def _refuse_opened(self) -> None:
        if self._id:
            raise StateError(
                f"The span {self.name!r} was opened before.",
                where="span",
                next_step="make a new one with span(...) for every block",
            )

    def _open(self, around: Span | RemoteSpan | None) -> None:
        if around is None:
            self._trace = _ids.getrandbits(128) or 1
        else:
            self._trace = around._trace
            self._parent = around._id
        self._id = _ids.getrandbits(64) or 1
        self.start_ns = epoch_ns()
        self._started = perf_counter_ns()

    def _leave(self) -> None:
        token, self._token = self._token, None
        assert token is not None
        try:
            present.reset(token)
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


present: ContextVar[Span | RemoteSpan | None] = ContextVar("vcplab_span", default=None)
"""The span that is open here, or the one of another process that is continued here."""


def current_span() -> Span | None:
    """The innermost span that is open here, or None."""
    here = present.get()
    return here if isinstance(here, Span) else None


_report: Callable[[Moment, Span], None] | None = None


def report_to(report: Callable[[Moment, Span], None] | None) -> None:
    """Say who is told of every start and end; the sinks do, so that spans need not know them.

    Args:
        report: Called in the thread of the span; None while nobody listens.
    """
    global _report
    _report = report
