"""How a node speaks: what comes in whatever the peer's dialect, what goes out in the peer's.

Every form that the seeds show is read on every link; an answer takes the form of its question.
The dialect of a link decides only how tools are registered (DESIGN, "Dialects"):

- ``toolbox``: ``register_tools`` is add-only, so a tool is taken back by closing the connection
  that registered it (facts/vcp-protocol §4.2);
- ``intellicore``: ``unregister_tools``, ``heartbeat`` (facts/sdk-and-neko A4);
- ``cherry``: seed 001's ``distributed_*`` names. The seed gives no fields; **our reading** puts
  the toolbox's payload of the same purpose under ``data``.

Seed 000 says that tools are called by JSON-RPC 2.0. No server does; **our reading** is the method
``execute_tool`` with the toolbox's payload as parameters, answered by a JSON-RPC response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from vcplab.core.errors import InvalidInputError, VCPErrorCode
from vcplab.protocol.dialect import Dialect
from vcplab.protocol.frames import (
    CancelToolFrame,
    ConnectionAckFrame,
    DistributedToolCallFrame,
    ExecuteToolFrame,
    FetchFileFrame,
    JsonRpcRequest,
    RegisterAckFrame,
    UnknownFrame,
    parse_frame,
)

__all__ = [
    "FILE_TOOL",
    "Acknowledged",
    "Asked",
    "Cancelled",
    "Form",
    "Heard",
    "Incoming",
    "Speech",
    "hear",
    "speech_of",
]

FILE_TOOL: Final = "internal_request_file"
"""The tool by which VCPToolBox fetches files (facts/vcp-protocol §4.7)."""

_METHOD: Final = "execute_tool"
_NO_METHOD: Final = -32601
_BAD_PARAMETERS: Final = -32602
_TOOL_FAILED: Final = -32000

Form: TypeAlias = Literal["tool_result", "distributed_tool_result", "jsonrpc", "file_result"]
"""In which form a call came, and is answered."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call.

    Attributes:
        request_id: What the answer has to carry; None if no answer is wanted.
        tool: The tool.
        arguments: Its arguments.
        form: How it is answered.
    """

    request_id: Any
    tool: str
    arguments: Mapping[str, Any]
    form: Form = "tool_result"

    def result(self, value: Any) -> dict[str, Any]:
        """The frame that answers it with a value (JSON)."""
        if self.form == "jsonrpc":
            return {"jsonrpc": "2.0", "id": self.request_id, "result": value}
        if self.form == "file_result":
            content = value.get("fileData") if isinstance(value, Mapping) else None
            return {
                "type": "file_result",
                "requestId": self.request_id,
                "success": True,
                "content": content,
            }
        data = {"requestId": self.request_id, "status": "success", "result": value}
        return {"type": self.form, "data": data}

    def error(self, text: str, *, code: int = _TOOL_FAILED) -> dict[str, Any]:
        """The frame that answers it with an error."""
        if self.form == "jsonrpc":
            error = {"code": code, "message": text}
            return {"jsonrpc": "2.0", "id": self.request_id, "error": error}
        if self.form == "file_result":
            return {
                "type": "file_result",
                "requestId": self.request_id,
                "success": False,
                "error": text,
            }
        data = {"requestId": self.request_id, "status": "error", "error": text}
        return {"type": self.form, "data": data}


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Nobody waits for a call any more.

    Attributes:
        request_id: The call.
    """

    request_id: Any


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The server tells how it calls us, or what it took on.

    Attributes:
        server_id: How it calls us, if it says.
        tools: Names of the tools that it took on, if it says.
    """

    server_id: str | None = None
    tools: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame that asks nothing of a node: counted, and ignored (facts/vcp-protocol §4.3).

    Attributes:
        type: What it calls itself.
        answer: What is sent back at once; None for nothing. Heartbeats get none: two peers that
            answer each other's would never stop.
    """

    type: str
    answer: dict[str, Any] | None = None


Incoming: TypeAlias = Asked | Cancelled | Acknowledged | Heard


def hear(message: str | bytes) -> Incoming:
    """What a message of a server means for a node.

    Args:
        message: A text or binary message.

    Raises:
        InvalidInputError: It is no frame, or a known one that is broken.
    """
    frame = parse_frame(message)
    match frame:
        case ExecuteToolFrame(data=data):
            return Asked(data.request_id, data.tool_name, data.tool_args)
        case CancelToolFrame(data=data):
            return Cancelled(data.request_id)
        case DistributedToolCallFrame(data=data):
            return Asked(data.request_id, data.tool_name, data.tool_args, "distributed_tool_result")
        case FetchFileFrame():
            arguments = {"fileUrl": frame.file_path}
            return Asked(frame.request_id, FILE_TOOL, arguments, "file_result")
        case JsonRpcRequest():
            return _json_rpc(frame)
        case ConnectionAckFrame(data=told):
            return Acknowledged(server_id=told.server_id if told is not None else None)
        case RegisterAckFrame(data=told):
            return Acknowledged(tools=tuple(_names(told.tools)))
        case UnknownFrame():
            return Heard(frame.type or "(no type)")
        case _:
            return Heard(str(getattr(frame, "type", "(no type)")))


def _json_rpc(frame: JsonRpcRequest) -> Incoming:
    request_id = None if frame.is_notification else frame.id
    asked = Asked(request_id, "", {}, "jsonrpc")
    if frame.method != _METHOD:
        answer = asked.error(f"There is no method {frame.method[:100]!r}.", code=_NO_METHOD)
        return Heard(f"jsonrpc:{frame.method[:50]}", None if frame.is_notification else answer)
    given = frame.params if isinstance(frame.params, dict) else {}
    tool, arguments = given.get("toolName"), given.get("toolArgs", {})
    if not isinstance(tool, str) or not isinstance(arguments, Mapping):
        answer = asked.error("toolName is a text, toolArgs an object.", code=_BAD_PARAMETERS)
        return Heard("jsonrpc:broken", None if frame.is_notification else answer)
    return Asked(request_id, tool, dict(arguments), "jsonrpc")


def _names(tools: Sequence[Any]) -> list[str]:
    named = (tool.get("name") if isinstance(tool, Mapping) else tool for tool in tools)
    return [name for name in named if isinstance(name, str)]


@dataclass(frozen=True, slots=True)
class Speech:
    """How a link registers its tools.

    Attributes:
        dialect: Its dialect.
        register: The frame that registers tools, by the node's name and manifests.
        unregister: The frame that takes tools back, by the node's name and theirs; None where only
            the end of the connection does.
        heartbeat: The frame that says "still here"; None where none is sent.
    """

    dialect: Dialect
    register: Callable[[str, Sequence[Mapping[str, Any]]], dict[str, Any]] = field(repr=False)
    unregister: Callable[[str, Sequence[str]], dict[str, Any]] | None = field(repr=False)
    heartbeat: dict[str, Any] | None = None

    @staticmethod
    def addresses(name: str, local: Sequence[str]) -> dict[str, Any]:
        """The frame that reports where the node is; its public address is nobody's business."""
        data = {"serverName": name, "localIPs": list(local), "publicIP": None}
        return {"type": "report_ip", "data": data}

    @staticmethod
    def placeholders(name: str, values: Mapping[str, str]) -> dict[str, Any]:
        """The frame that tells the values of static plugins."""
        braced = {key if key.startswith("{{") else f"{{{{{key}}}}}": v for key, v in values.items()}
        data = {"serverName": name, "placeholders": braced}
        return {"type": "update_static_placeholders", "data": data}

    @staticmethod
    def callback(name: str, plugin: str, task: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The frame that forwards the report of an asynchronous task."""
        told = {**body, "pluginName": plugin, "taskId": task}
        data = {"serverName": name, "callbackData": told}
        return {"type": "plugin_callback_forward", "data": data}


def _registering(kind: str) -> Callable[[str, Sequence[Mapping[str, Any]]], dict[str, Any]]:
    def register(name: str, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        data = {
            "serverName": name,
            "tools": [dict(tool) for tool in tools],
            "capabilities": {"cancelTool": True},
        }
        return {"type": kind, "data": data}

    return register


def _unregister_intellicore(name: str, tools: Sequence[str]) -> dict[str, Any]:
    return {"type": "unregister_tools", "tools": list(tools)}


def _unregister_cherry(name: str, tools: Sequence[str]) -> dict[str, Any]:
    data = {"serverName": name, "tools": list(tools)}
    return {"type": "distributed_unregister", "data": data}


_SPEECHES: Final[Mapping[Dialect, Speech]] = {
    "toolbox": Speech("toolbox", _registering("register_tools"), None),
    "intellicore": Speech(
        "intellicore",
        _registering("register_tools"),
        _unregister_intellicore,
        {"type": "heartbeat"},
    ),
    "cherry": Speech(
        "cherry",
        _registering("distributed_register"),
        _unregister_cherry,
        {"type": "distributed_heartbeat"},
    ),
}


def speech_of(dialect: Dialect) -> Speech:
    """How a dialect registers.

    Args:
        dialect: One that was checked.

    Raises:
        InvalidInputError: Nothing is known of it.
    """
    try:
        return _SPEECHES[dialect]
    except KeyError:
        raise InvalidInputError(
            f"A node cannot speak {dialect!r}.",
            code=VCPErrorCode.INVALID_INPUT,
            where="dialect",
            next_step=f"one of: {', '.join(_SPEECHES)}",
        ) from None
