"""The values of VCPInfo: a session, its steps, and what subscribers are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from vcplab.core.events import Event
from vcplab.core.names import checked_choice
from vcplab.core.trace import SpanStatus
from vcplab.tracing.records import SpanRecord

__all__ = [
    "SESSION_KINDS",
    "STATUS",
    "STEP_KIND",
    "ExecutionSession",
    "ExecutionStatus",
    "ExecutionStep",
    "InfoEvent",
    "final_status",
    "session_of",
]

ExecutionStatus: TypeAlias = Literal["pending", "running", "success", "error", "cancelled"]
SESSION_KINDS = ("tool", "plugin", "workflow", "agent")
STEP_KIND = "step"
STATUS: Mapping[str, ExecutionStatus] = {
    "open": "running",
    "ok": "success",
    "error": "error",
    "cancelled": "cancelled",
}
_SPAN_STATUS: Mapping[str, SpanStatus] = {
    "success": "ok",
    "error": "error",
    "cancelled": "cancelled",
}


@dataclass(frozen=True, slots=True)
class ExecutionStep:
    """One step of a session.

    Attributes:
        id: Its identifier.
        name: What it does.
        status: Where it stands.
        start_time: When it began; None while it is pending.
        end_time: When it ended.
        duration: Milliseconds; None until it has ended.
        message: The latest message.
        progress: From 0 to 100.
        metadata: Further facts.
    """

    id: str
    name: str
    status: ExecutionStatus
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration: float | None = None
    message: str = ""
    progress: float = 0.0
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExecutionSession:
    """Something that runs: a tool, plugin, workflow or agent.

    Attributes:
        id: Its identifier.
        type: ``"tool"``, ``"plugin"``, ``"workflow"`` or ``"agent"``.
        name: What runs.
        status: Where it stands.
        start_time: When it began.
        end_time: When it ended.
        steps: Its steps, in order.
        current_step_index: Of the step that runs, or ran last; -1 before the first.
        metadata: Further facts.
        parent_session_id: The span around it, if any.
        error: What went wrong.
        trace_id: The trace it belongs to.
    """

    id: str
    type: str
    name: str
    status: ExecutionStatus
    start_time: datetime
    end_time: datetime | None = None
    steps: tuple[ExecutionStep, ...] = ()
    current_step_index: int = -1
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parent_session_id: str | None = None
    error: str | None = None
    trace_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class InfoEvent(Event):
    """What VCPInfo tells its subscribers.

    Attributes:
        type: ``session:start``, ``session:update``, ``session:end``, ``step:start``,
            ``step:progress``, ``step:end``, or the type of a published event.
        session_id: The session concerned.
        step_id: The step concerned, if one is.
        name: What began, went on or ended.
        status: Where it stands.
        progress: From 0 to 100.
        message: The latest message.
        data: Of a published event, all it says.
    """

    type: str
    session_id: str | None = None
    step_id: str | None = None
    name: str = ""
    status: ExecutionStatus = "running"
    progress: float = 0.0
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def final_status(status: str) -> SpanStatus:
    """The status of the span of something that ends so.

    Raises:
        InvalidInputError: Nothing ends so.
    """
    checked_choice(status, _SPAN_STATUS, "status", f"Nothing ends as {status!r}.")
    return _SPAN_STATUS[status]


def session_of(
    record: SpanRecord, steps: Sequence[SpanRecord], pending: Sequence[ExecutionStep] = ()
) -> ExecutionSession:
    """The session of a span.

    Args:
        record: The span.
        steps: Its steps' spans, in any order.
        pending: Steps that have not begun.
    """
    begun = [_step_of(step) for step in sorted(steps, key=lambda step: step.start_ns)]
    return ExecutionSession(
        id=record.span_id,
        type=record.kind,
        name=record.name,
        status=STATUS[record.status],
        start_time=record.start,
        end_time=_end_of(record),
        steps=(*begun, *pending),
        current_step_index=len(begun) - 1,
        metadata=record.attributes.get("metadata") or {},
        parent_session_id=record.parent_id,
        error=record.error_message,
        trace_id=record.trace_id,
    )


def _end_of(record: SpanRecord) -> datetime | None:
    if record.duration_ns is None:
        return None
    return record.start + timedelta(microseconds=record.duration_ns // 1000)


def _step_of(record: SpanRecord) -> ExecutionStep:
    progress = [event["attributes"] for event in record.events if event["name"] == "progress"]
    latest = progress[-1] if progress else {}
    done = record.status == "ok"
    message = record.error_message or record.attributes.get("message") or latest.get("message", "")
    return ExecutionStep(
        id=record.attributes.get("step", record.span_id),
        name=record.name,
        status=STATUS[record.status],
        start_time=record.start,
        end_time=_end_of(record),
        duration=record.duration_ms,
        message=str(message),
        progress=100.0 if done else float(latest.get("progress", 0.0)),
        metadata=record.attributes.get("metadata") or {},
    )
