"""What is kept of a span and of a log line: plain values, free of secrets."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, TypeAlias

from vcplab.core.trace import SpanStatus

__all__ = ["Level", "LogRecord", "SpanRecord", "plain"]

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A span as it was recorded.

    Attributes:
        span_id: 16 hexadecimal digits.
        trace_id: 32 hexadecimal digits, shared by all spans of one root.
        parent_id: The span around it, perhaps in another process; None for a root.
        name: What was done.
        kind: Its kind, e.g. ``"tool"``.
        status: ``"open"``, ``"ok"``, ``"error"`` or ``"cancelled"``.
        start_ns: Nanoseconds since 1970 (UTC).
        duration_ns: Nanoseconds; None while it is open.
        attributes: Facts, JSON-able. A large one is ``{"$blob": hash, "bytes": n, "preview": "…"}``
            until `TraceStore.whole` puts it back.
        events: What happened inside: ``{"name", "time_ns", "attributes"}`` each.
        error_type: Class name of the exception that ended it.
        error_message: Its text.
    """

    span_id: str
    trace_id: str
    parent_id: str | None
    name: str
    kind: str
    status: SpanStatus
    start_ns: int
    duration_ns: int | None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    error_type: str | None = None
    error_message: str | None = None

    @property
    def start(self) -> datetime:
        """When it was opened, in UTC to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.start_ns // 1000)

    @property
    def duration_ms(self) -> float | None:
        """How long it took in milliseconds; None while it is open."""
        return None if self.duration_ns is None else self.duration_ns / 1e6

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON-able."""
        content = {name: getattr(self, name) for name in self.__slots__}
        return {**content, "attributes": dict(self.attributes), "events": list(self.events)}


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line of the log.

    Attributes:
        id: Its number, rising.
        time: When, in UTC.
        level: ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
        category: What it is about.
        message: The text.
        data: Further facts, JSON-able.
        trace_id: The trace in which it was written, if any.
        call_id: The span in which it was written, if any.
    """

    id: int
    time: datetime
    level: Level
    category: str
    message: str
    data: Any = None
    trace_id: str | None = None
    call_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON-able."""
        content = {name: getattr(self, name) for name in self.__slots__}
        return {**content, "time": self.time.isoformat()}


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON can say it; whole, whatever it is made of.

    Dataclasses, models, arrays, frames, sets, dates and paths become what they stand for, other
    objects their ``repr``; a circle ends after twenty levels.
    """
    if value is None or isinstance(value, str | bool | int):
        return value if not isinstance(value, Enum) else value.value
    if isinstance(value, float):
        # JSON has no NaN and no infinity; other readers would refuse the whole line.
        return value if value - value == 0 else repr(value)
    if depth > _DEEPEST:
        return repr(type(value))
    try:
        if isinstance(value, Mapping):
            return {
                key if isinstance(key, str) else str(key): plain(inner, depth + 1)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(inner, depth + 1) for inner in value]
        return _other(value, depth)
    except (Exception, SystemExit):  # whatever somebody's object does, the trace goes on
        return f"<{type(value).__name__}>"


def _other(value: Any, depth: int) -> Any:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Enum):
        return plain(value.value, depth + 1)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [part.name for part in dataclasses.fields(value) if part.repr]
        return {name: plain(getattr(value, name), depth + 1) for name in names}
    for method in ("model_dump", "to_dict", "tolist"):
        convert = getattr(value, method, None)
        if convert is not None and not isinstance(value, type):
            return plain(convert(), depth + 1)
    return repr(value)


def dumps(value: Any) -> str:
    """Compact JSON in which every character stands for itself."""
    return _ENCODER.encode(value)


# Made once: `json.dumps` with these arguments would make one for every text.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
