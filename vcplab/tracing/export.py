"""Traces for others: JSON lines, and OpenTelemetry where that package is there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vcplab.core.errors import InvalidDataError, MissingDependencyError
from vcplab.core.files import write_atomic
from vcplab.tracing.records import SpanRecord, dumps

__all__ = ["read_jsonl", "to_opentelemetry", "write_jsonl"]

_KINDS: Mapping[str, str] = {"client": "CLIENT", "server": "SERVER"}


def write_jsonl(records: Iterable[SpanRecord], path: str | Path) -> Path:
    """Write spans to a file, a JSON object per line, in one step.

    Args:
        records: The spans.
        path: The file; an existing one is replaced.

    Returns:
        The path.
    """
    target = Path(path)
    lines = "".join(f"{dumps(record.to_dict())}\n" for record in records)
    write_atomic(target, lines.encode("utf-8", "replace"))
    return target


def read_jsonl(path: str | Path) -> Iterator[SpanRecord]:
    """The spans of a file that `write_jsonl` wrote.

    Raises:
        InvalidDataError: A line is no span; the error names it.
    """
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                content = json.loads(line)
                yield SpanRecord(**{**content, "events": tuple(content["events"])})
            except (ValueError, TypeError, KeyError) as error:
                raise InvalidDataError(
                    f"Line {number} is no span: {error}.",
                    where=f"{path}:{number}",
                    next_step="give a file that write_jsonl made",
                ) from error


def to_opentelemetry(records: Iterable[SpanRecord], exporter: Any = None) -> list[Any]:
    """Spans as OpenTelemetry knows them.

    Args:
        records: The spans; open ones are left out, since it has none.
        exporter: A ``SpanExporter`` that is given them, e.g. ``OTLPSpanExporter()``; None to only
            convert.

    Returns:
        ``opentelemetry.sdk.trace.ReadableSpan`` objects with the same ids. Attributes that are
        neither scalars nor lists of one scalar type are JSON text, as it asks.

    Raises:
        MissingDependencyError: ``opentelemetry-sdk`` is not installed.
    """
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import Event, ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
    except ImportError as error:
        raise MissingDependencyError(
            "OpenTelemetry is not installed.",
            where="opentelemetry",
            next_step="pip install opentelemetry-sdk",
        ) from error

    def context(trace_id: str, span_id: str) -> Any:
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags)

    resource = Resource({"service.name": "vcplab"})
    spans = []
    for record in records:
        if record.duration_ns is None:
            continue
        failed = record.status == "error"
        code = StatusCode.ERROR if failed else StatusCode.UNSET
        spans.append(
            ReadableSpan(
                name=record.name,
                context=context(record.trace_id, record.span_id),
                parent=context(record.trace_id, record.parent_id) if record.parent_id else None,
                resource=resource,
                attributes={"vcplab.kind": record.kind, **_attributes(record.attributes)},
                events=[
                    Event(event["name"], _attributes(event["attributes"]), event["time_ns"])
                    for event in record.events
                ],
                kind=SpanKind[_KINDS.get(record.kind, "INTERNAL")],
                status=Status(code, record.error_message if failed else None),
                start_time=record.start_ns,
                end_time=record.start_ns + record.duration_ns,
            )
        )
    if exporter is not None:
        exporter.export(spans)
    return spans


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in values.items() if value is not None}
    for name, value in found.items():
        of_one_type = isinstance(value, list) and len({type(item) for item in value}) == 1
        sample = value[0] if of_one_type else value
        if not isinstance(sample, str | bool | int | float):
            found[name] = dumps(value)
    return found
