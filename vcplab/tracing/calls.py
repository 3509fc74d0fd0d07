"""The values of VCPLog: a tool call, and what is counted over many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from vcplab.core.events import Event
from vcplab.tracing.records import LogRecord, SpanRecord
from vcplab.tracing.sessions import STATUS, ExecutionStatus

__all__ = [
    "CALL_KIND",
    "CallUpdate",
    "LogWritten",
    "ToolCall",
    "ToolStatistics",
    "ToolType",
    "TraceStatistics",
    "call_of",
    "statistics_of",
]

CALL_KIND = "tool"
ToolType: TypeAlias = Literal["mcp", "builtin", "plugin", "workflow"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    Attributes:
        id: Its identifier.
        trace_id: The trace it belongs to.
        parent_call_id: The span around it, if any.
        tool_name: The tool.
        tool_type: ``"mcp"``, ``"builtin"``, ``"plugin"`` or ``"workflow"``.
        status: Where it stands.
        start_time: When it began.
        end_time: When it ended.
        duration: Milliseconds; None while it runs.
        input: What it was given, whole.
        output: What it gave, whole.
        error: ``{"message", "code"}`` of a failure.
        metadata: Further facts.
    """

    id: str
    trace_id: str
    parent_call_id: str | None
    tool_name: str
    tool_type: str
    status: ExecutionStatus
    start_time: datetime
    end_time: datetime | None = None
    duration: float | None = None
    input: Any = None
    output: Any = None
    error: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class CallUpdate(Event):
    """A call began, ended or failed.

    Attributes:
        type: ``"start"``, ``"end"`` or ``"error"``.
        call: The call as it stands.
    """

    type: Literal["start", "end", "error"]
    call: ToolCall


@dataclass(frozen=True, kw_only=True, slots=True)
class LogWritten(Event):
    """A line was written.

    Attributes:
        log: The line; its id is given out when it is stored.
    """

    log: LogRecord


@dataclass(frozen=True, slots=True)
class ToolStatistics:
    """The calls of one tool; times in milliseconds.

    Attributes:
        tool_name: The tool.
        count: Calls that have ended.
        errors: Of them, those that failed.
        total: Sum of their times.
        mean: Their mean time.
        p50: Their median time (the ceil(count/2)-th smallest).
        p95: The time that 95 % of them did not exceed (nearest rank).
        longest: The longest time.
    """

    tool_name: str
    count: int
    errors: int
    total: float
    mean: float
    p50: float
    p95: float
    longest: float


@dataclass(frozen=True, slots=True)
class TraceStatistics:
    """What happened in one trace.

    Attributes:
        trace_id: The trace.
        start_time: When its first span began.
        end_time: When its last span ended; None while one is open.
        total_duration: Milliseconds from the first beginning to the last end.
        call_count: Calls.
        success_count: Calls that succeeded.
        error_count: Calls that failed.
        tools: Statistics of each tool, by name.
    """

    trace_id: str
    start_time: datetime
    end_time: datetime | None
    total_duration: float | None
    call_count: int
    success_count: int
    error_count: int
    tools: Mapping[str, ToolStatistics]


def call_of(record: SpanRecord) -> ToolCall:
    """The call of a span of the kind ``tool``."""
    facts = record.attributes
    error = None
    if record.error_message is not None or record.status == "error":
        error = {"message": record.error_message or "", "code": record.error_type or ""}
    end = None
    if record.duration_ns is not None:
        end = record.start + timedelta(microseconds=record.duration_ns // 1000)
    return ToolCall(
        id=record.span_id,
        trace_id=record.trace_id,
        parent_call_id=record.parent_id,
        tool_name=str(facts.get("tool", record.name)),
        tool_type=str(facts.get("tool_type", "builtin")),
        status=STATUS[record.status],
        start_time=record.start,
        end_time=end,
        duration=record.duration_ms,
        input=facts.get("input"),
        output=facts.get("output"),
        error=error,
        metadata=facts.get("metadata") or {},
    )


def statistics_of(calls: Sequence[ToolCall]) -> dict[str, ToolStatistics]:
    """Statistics of each tool over calls that have ended, by the tool's name."""
    times: dict[str, list[float]] = {}
    errors: dict[str, int] = {}
    for call in calls:
        if call.duration is not None:
            times.setdefault(call.tool_name, []).append(call.duration)
            errors[call.tool_name] = errors.get(call.tool_name, 0) + (call.status == "error")
    return {
        name: ToolStatistics(
            tool_name=name,
            count=len(values),
            errors=errors[name],
            total=sum(values),
            mean=sum(values) / len(values),
            p50=_percentile(values, 50),
            p95=_percentile(values, 95),
            longest=max(values),
        )
        for name, values in sorted(times.items())
    }


def _percentile(values: Sequence[float], percent: int) -> float:
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(rank, 1) - 1]
