"""Frames that only the SDK of 2025 (vcp-intellicore-sdk) sends (facts/sdk-and-neko A4).

Many of its fields lie beside ``type`` instead of under ``data``. Types for which the fact sheet
names no field have none here: what they carry is kept as it comes.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictBool

from vcplab.protocol.frames.base import Frame, Many, Number, Object, Text, WireModel

__all__ = [
    "ActionAckFrame",
    "AdminActionFrame",
    "AlertFrame",
    "FetchFileFrame",
    "FileResultFrame",
    "GetPluginsFrame",
    "GetStatsFrame",
    "GetSystemInfoFrame",
    "PingFrame",
    "PluginsResponseFrame",
    "PongFrame",
    "RegisterAckData",
    "RegisterAckFrame",
    "StatsResponseFrame",
    "SubscribeAckFrame",
    "SubscribeFrame",
    "SystemInfoFrame",
    "SystemUpdateFrame",
    "ToolCallInfoFrame",
    "ToolResultInfoFrame",
    "UnregisterToolsFrame",
    "WelcomeFrame",
]


class UnregisterToolsFrame(Frame):
    """Node → server: these tools are gone.

    Attributes:
        tools: Names, or manifests.
    """

    type: Literal["unregister_tools"] = "unregister_tools"
    tools: Many[Any]


class RegisterAckData(WireModel):
    """What the server took on.

    Attributes:
        tools: Names, or manifests.
        count: How many.
    """

    tools: Many[Any] = ()
    count: Number | None = None


class RegisterAckFrame(Frame):
    """Server → node: the answer to ``register_tools``; VCPToolBox sends none."""

    type: Literal["register_ack"] = "register_ack"
    data: RegisterAckData


class FetchFileFrame(Frame):
    """Server → node: send me this file.

    Attributes:
        request_id: ``file-…``; the answer has to carry it.
        file_path: The path on the node.
    """

    type: Literal["fetch_file"] = "fetch_file"
    request_id: Text
    file_path: Text


class FileResultFrame(Frame):
    """Node → server: the answer to ``fetch_file``.

    Attributes:
        request_id: That of the question.
        success: Whether the file is here.
        content: The file in base64.
        error: Why not.
    """

    type: Literal["file_result"] = "file_result"
    request_id: Text
    success: StrictBool
    content: Text | None = None
    error: Any = None


class PingFrame(Frame):
    """Client → VCPLog or VCPInfo: are you there?"""

    type: Literal["ping"] = "ping"


class PongFrame(Frame):
    """Server → client: the answer to ``ping``."""

    type: Literal["pong"] = "pong"


class WelcomeFrame(Frame):
    """Server → VCPLog: the first word.

    Attributes:
        message: A text for people.
    """

    type: Literal["welcome"] = "welcome"
    message: Text | None = None


class SubscribeFrame(Frame):
    """Client → VCPLog: only these kinds, please; the SDK keeps the wish and does not apply it.

    Attributes:
        log_types: Kinds of log.
    """

    type: Literal["subscribe"] = "subscribe"
    log_types: Many[Text] = ()


class SubscribeAckFrame(Frame):
    """Server → VCPLog: the answer to ``subscribe``."""

    type: Literal["subscribe_ack"] = "subscribe_ack"


class GetSystemInfoFrame(Frame):
    """Client → VCPInfo: how are you?"""

    type: Literal["get_system_info"] = "get_system_info"


class SystemInfoFrame(Frame):
    """Server → VCPInfo: the answer to ``get_system_info``."""

    type: Literal["system_info"] = "system_info"


class ToolCallInfoFrame(Frame):
    """Server → VCPInfo: a tool is called.

    Attributes:
        tool: Its name.
        args: Its arguments.
        server_id: The node that runs it, if one does.
        request_id: The call.
    """

    type: Literal["tool_call_info"] = "tool_call_info"
    tool: Text
    args: Object = Field(default_factory=dict)
    server_id: Text | None = None
    request_id: Text | None = None


class ToolResultInfoFrame(Frame):
    """Server → VCPInfo: a tool has answered.

    Attributes:
        tool: Its name.
        result: What it gave.
        duration: Milliseconds.
        success: Whether it did its work.
    """

    type: Literal["tool_result_info"] = "tool_result_info"
    tool: Text
    result: Any = None
    duration: Number | None = None
    success: StrictBool | None = None


class GetStatsFrame(Frame):
    """Admin panel → server: the figures, please."""

    type: Literal["get_stats"] = "get_stats"


class StatsResponseFrame(Frame):
    """Server → admin panel: the answer to ``get_stats``."""

    type: Literal["stats_response"] = "stats_response"


class GetPluginsFrame(Frame):
    """Admin panel → server: the plugins, please."""

    type: Literal["get_plugins"] = "get_plugins"


class PluginsResponseFrame(Frame):
    """Server → admin panel: the answer to ``get_plugins``."""

    type: Literal["plugins_response"] = "plugins_response"


class AdminActionFrame(Frame):
    """Admin panel → server: do this. The SDK answers and does nothing."""

    type: Literal["admin_action"] = "admin_action"


class ActionAckFrame(Frame):
    """Server → admin panel: the answer to ``admin_action``."""

    type: Literal["action_ack"] = "action_ack"


class SystemUpdateFrame(Frame):
    """Server → admin panel: something changed."""

    type: Literal["system_update"] = "system_update"


class AlertFrame(Frame):
    """Server → admin panel: something is wrong."""

    type: Literal["alert"] = "alert"
