"""Sinks: who is told when spans open and close."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol, Self, runtime_checkable

from vcplab.core.errors import InvalidInputError
from vcplab.core.trace.spans import Moment, Span, report_to

__all__ = ["SinkHandle", "SpanSink", "add_sink", "remove_sink"]

_logger = logging.getLogger(__package__)


@runtime_checkable
class SpanSink(Protocol):
    """Receives spans in the thread that opens and closes them.

    A sink that was added while a span was open gets its end without its start. A sink that also
    has a method ``on_event(span)`` is told when something is noted inside a span.
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
    if not isinstance(sink, SpanSink):
        raise InvalidInputError(
            f"A {type(sink).__name__} is not a sink of spans.",
            where="sink",
            next_step="pass an object with the methods on_start(span) and on_end(span)",
        )
    handle = SinkHandle(sink)
    with _sinks_lock:
        _set((*_sinks, handle))
    return handle


def remove_sink(sink: SpanSink) -> None:
    """Take a sink off, however often it was added; nothing happens if it was not.

    Args:
        sink: The object that was given to ``add_sink``.
    """
    _keep(lambda handle: handle.sink is not sink)


def _keep(wanted: Callable[[SinkHandle], bool]) -> None:
    with _sinks_lock:
        _set(tuple(handle for handle in _sinks if wanted(handle)))


def _set(sinks: tuple[SinkHandle, ...]) -> None:
    global _sinks
    _sinks = sinks
    report_to(_tell if sinks else None)  # without a sink, a span does not even call


def _tell(method: Moment, span: Span) -> None:
    if getattr(_telling, "busy", False):
        return
    _telling.busy = True
    try:
        for handle in _sinks:
            try:
                tell = getattr(handle.sink, method, None)  # on_event is optional
                if tell is not None:
                    tell(span)
            except Exception:
                level = logging.DEBUG if handle.failed else logging.ERROR
                handle.failed = True
                _logger.log(level, "sink %r failed", type(handle.sink).__name__, exc_info=True)
    finally:
        _telling.busy = False
