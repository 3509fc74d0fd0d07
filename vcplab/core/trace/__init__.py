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

from vcplab.core.trace.context import attach, attach_from_environment, carrier, in_context
from vcplab.core.trace.sinks import SinkHandle, SpanSink, add_sink, remove_sink
from vcplab.core.trace.spans import Span, SpanStatus, current_span, span
from vcplab.core.trace.values import RemoteSpan, SpanEvent

__all__ = [
    "RemoteSpan",
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
