"""The frames of a stand-in server, as the dialects spell them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from vcplab.core.errors import InvalidInputError, VCPErrorCode
from vcplab.node.standin.quirks import Quirks

__all__ = ["RecordedFrame", "call_frame", "dumped", "unwrapped"]

_CHERRY = {
    "distributed_register": "register_tools",
    "distributed_unregister": "unregister_tools",
    "distributed_tool_result": "tool_result",
    "distributed_heartbeat": "heartbeat",
}
# Made once: `json.dumps` would make one for every frame.
_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPED = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A message that went over the wire.

    Attributes:
        direction: ``in`` to the server, ``out`` from it.
        node: The server id of the peer; its client type if it is no node.
        type: The frame's type, None if it has none.
        text: What went, as it was; binary frames decoded.
        at: When.
    """

    direction: Literal["in", "out"]
    node: str
    type: str | None
    text: str = field(repr=False)
    at: datetime

    @property
    def data(self) -> Any:
        """The frame, read.

        Raises:
            ValueError: It is not JSON.
        """
        return json.loads(self.text)


def dumped(frame: Mapping[str, Any]) -> bytes:
    """The bytes of a frame.

    Raises:
        InvalidInputError: It is nothing that JSON can say.
    """
    try:
        try:
            return _PLAIN.encode(frame).encode()
        except UnicodeEncodeError:  # half an emoji can be sent escaped only
            return _ESCAPED.encode(frame).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"The frame cannot be written as JSON ({type(error).__name__}).",
            code=VCPErrorCode.INVALID_PROTOCOL,
            where="args",
            next_step="give objects, arrays, texts, finite numbers, booleans or None only",
        ) from None


def call_frame(quirks: Quirks, request_id: str, tool: str, args: Any) -> dict[str, Any]:
    """The frame that asks a node to run a tool."""
    if quirks.jsonrpc:
        params = {"toolName": tool, "toolArgs": args}
        return {"jsonrpc": "2.0", "id": request_id, "method": "execute_tool", "params": params}
    kind = "distributed_tool_call" if quirks.dialect == "cherry" else "execute_tool"
    data = {"requestId": request_id, "toolName": tool, "toolArgs": args}
    return {"type": kind, "data": data}


def unwrapped(quirks: Quirks, frame: dict[str, Any]) -> tuple[Any, Any]:
    """Type and data of a frame that came, in the toolbox's spelling.

    Frames of a dialect that the server does not speak keep their own type, which it ignores.
    """
    kind, data = frame.get("type"), frame.get("data")
    if quirks.jsonrpc and kind is None and frame.get("jsonrpc") == "2.0" and "method" not in frame:
        error = frame.get("error")
        if error is None:
            status = {"status": "success", "result": frame.get("result")}
        else:
            message = error.get("message") if isinstance(error, dict) else error
            status = {"status": "error", "error": message}
        return "tool_result", {"requestId": frame.get("id"), **status}
    if quirks.dialect == "cherry":
        return (_CHERRY.get(kind, kind) if isinstance(kind, str) else kind), data
    if quirks.dialect == "intellicore" and kind in ("unregister_tools", "file_result"):
        return kind, frame  # these have their fields beside the type
    return kind, data
