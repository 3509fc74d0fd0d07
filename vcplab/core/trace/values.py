"""The small values around a span: an event inside it, and a span of another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RemoteSpan", "SpanEvent"]


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
class RemoteSpan:
    """The caller's span in another process: only its ids are known here."""

    _trace: int
    _id: int

    @classmethod
    def of(cls, trace_id: str, span_id: str) -> RemoteSpan:
        """The span with these ids, e.g. one that was recorded."""
        return cls(int(trace_id, 16), int(span_id, 16))

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits shared by all spans of one root."""
        return f"{self._trace:032x}"

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return f"{self._id:016x}"
