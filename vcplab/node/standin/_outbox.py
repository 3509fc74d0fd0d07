"""What a stand-in server sends, and the record of what went over the wire."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from vcplab.core.clock import current_clock
from vcplab.node.standin.frames import RecordedFrame, dumped
from vcplab.node.standin.registry import Node
from vcplab.node.standin.wire import Wire

__all__ = ["Outbox", "Sendable"]

Sendable: TypeAlias = Mapping[str, Any] | str | bytes
"""An object, or text or bytes that go as they are."""


class Outbox:
    """Sends and records.

    Args:
        binary: Whether objects and texts go as binary frames.
        kept: How many frames are recorded.

    Attributes:
        counts: How often things happened.
        recorded: The latest frames.
        records: Whether any are kept.
    """

    def __init__(self, binary: bool, kept: int) -> None:
        self.counts: Counter[str] = Counter()
        self.recorded: deque[RecordedFrame] = deque(maxlen=kept)
        self.records = kept > 0
        self._binary = binary

    def tell(self, wire: Wire, frame: Sendable) -> bool:
        """Send something; false if the connection is not open."""
        if isinstance(frame, Mapping):
            return self.post(wire, dumped(frame), frame)
        if isinstance(frame, bytes):
            return self.post(wire, frame, None, binary=True)
        return self.post(wire, frame.encode("utf-8", "surrogatepass"), None)

    def post(
        self, wire: Wire, data: bytes, frame: Mapping[str, Any] | None, *, binary: bool = False
    ) -> bool:
        """Send bytes that say ``frame``."""
        sent = wire.send(data, binary=binary or self._binary)
        if sent:
            self.counts["out"] += 1
            if self.records:
                self.record("out", wire.peer, frame, data)
        return sent

    def record(
        self, direction: Literal["in", "out"], peer: Any, frame: Any, data: str | bytes
    ) -> None:
        """Keep what went."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        kind = frame.get("type") if isinstance(frame, Mapping) else None
        kind = kind if isinstance(kind, str) else None
        who = peer.server_id if isinstance(peer, Node) else str(peer)
        self.recorded.append(RecordedFrame(direction, who, kind, text, current_clock().now()))
