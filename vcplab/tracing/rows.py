"""Records as rows of the tables, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from vcplab.tracing.records import LogRecord, SpanRecord, dumps

__all__ = ["LOG_COLUMNS", "SPAN_COLUMNS", "log_of", "row_of", "span_of"]

SPAN_COLUMNS = (
    "span", "trace", "parent", "name", "kind", "status", "start", "duration", "error_type",
    "error_message", "attributes", "events",
)  # fmt: skip
LOG_COLUMNS = ("id", "time", "level", "category", "message", "data", "trace", "call")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def row_of(span: SpanRecord) -> tuple[Any, ...]:
    """The values of a span in the order of `SPAN_COLUMNS`."""
    return (
        span.span_id,
        span.trace_id,
        span.parent_id,
        _text(span.name),
        _text(span.kind),
        span.status,
        span.start_ns,
        span.duration_ns,
        _text(span.error_type),
        _text(span.error_message),
        _text(dumps(dict(span.attributes))),
        _text(dumps(list(span.events))),
    )


def span_of(row: Sequence[Any]) -> SpanRecord:
    """The span of a row."""
    (
        span,
        trace,
        parent,
        name,
        kind,
        status,
        start,
        duration,
        error_type,
        message,
        facts,
        events,
    ) = row
    return SpanRecord(
        span_id=span,
        trace_id=trace,
        parent_id=parent,
        name=name,
        kind=kind,
        status=status,
        start_ns=start,
        duration_ns=duration,
        attributes=json.loads(facts),
        events=tuple(json.loads(events)),
        error_type=error_type,
        error_message=message,
    )


def log_of(row: Sequence[Any]) -> LogRecord:
    """The line of a row."""
    number, time_ns, level, category, message, data, trace, call = row
    return LogRecord(
        id=number,
        time=_EPOCH + timedelta(microseconds=time_ns // 1000),
        level=level,
        category=category,
        message=message,
        data=None if data is None else json.loads(data),
        trace_id=trace,
        call_id=call,
    )


def _text(text: str | None) -> str | None:
    # SQLite stores UTF-8, which has no lone surrogates.
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")
