"""Frames between a main server and its nodes (facts/vcp-protocol §4.1–4.5).

The SDK of 2025 shares these names; where it leaves out a field, the field is optional here
(facts/sdk-and-neko A4).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictBool

from vcplab.protocol.frames.base import Frame, Many, Number, Object, Text, WireModel

__all__ = [
    "CallbackData",
    "CancelToolData",
    "CancelToolFrame",
    "ConnectionAckData",
    "ConnectionAckFrame",
    "ExecuteToolData",
    "ExecuteToolFrame",
    "MusicPlaylistUpdateData",
    "MusicPlaylistUpdateFrame",
    "NodeCapabilities",
    "PluginCallbackForwardData",
    "PluginCallbackForwardFrame",
    "RegisterToolsData",
    "RegisterToolsFrame",
    "ReportIPData",
    "ReportIPFrame",
    "ToolResultData",
    "ToolResultFrame",
    "UpdateStaticPlaceholdersData",
    "UpdateStaticPlaceholdersFrame",
]


class ConnectionAckData(WireModel):
    """How the server calls a node.

    Attributes:
        server_id: ``dist-<clientId>``.
        client_id: Base36 milliseconds, a dash and seven characters; the SDK sends none.
        message: The SDK's text.
    """

    server_id: Text | None = None
    client_id: Text | None = None
    message: Text | None = None


class ConnectionAckFrame(Frame):
    """Server → client: the connection stands. Older servers send none, so nobody waits for it.

    Attributes:
        message: A text for people.
        data: Only nodes get it.
    """

    type: Literal["connection_ack"] = "connection_ack"
    message: Text | None = None
    data: ConnectionAckData | None = None


class NodeCapabilities(WireModel):
    """What a node can do beyond running tools.

    Attributes:
        cancel_tool: Whether it stops a call on ``cancel_tool``.
    """

    cancel_tool: StrictBool = False


class RegisterToolsData(WireModel):
    """The tools of a node.

    Attributes:
        server_name: How the node calls itself.
        tools: Manifests as they are; the server skips entries it cannot use.
        capabilities: What else the node can do.
    """

    server_name: Text | None = None
    tools: Many[Object]
    capabilities: NodeCapabilities | None = None


class RegisterToolsFrame(Frame):
    """Node → server: its tools. Add-only: sent again it neither updates nor removes."""

    type: Literal["register_tools"] = "register_tools"
    data: RegisterToolsData


class ReportIPData(WireModel):
    """Where a node is.

    Attributes:
        server_name: How the node calls itself.
        local_ips: Addresses in its network.
        public_ip: None while it is offline.
    """

    server_name: Text | None = None
    local_ips: Many[Text] = Field(default=(), alias="localIPs")
    public_ip: Text | None = Field(default=None, alias="publicIP")


class ReportIPFrame(Frame):
    """Node → server: its addresses, by which files are fetched (facts §4.7)."""

    type: Literal["report_ip"] = "report_ip"
    data: ReportIPData


class UpdateStaticPlaceholdersData(WireModel):
    """Values of static plugins.

    Attributes:
        server_name: How the node calls itself.
        placeholders: Value by placeholder, with or without braces. Values are texts; another one
            does not make the rest unreadable.
    """

    server_name: Text | None = None
    placeholders: Object


class UpdateStaticPlaceholdersFrame(Frame):
    """Node → server: placeholder values, which overwrite even the server's own."""

    type: Literal["update_static_placeholders"] = "update_static_placeholders"
    data: UpdateStaticPlaceholdersData


class ExecuteToolData(WireModel):
    """A call.

    Attributes:
        request_id: What the answer has to carry.
        tool_name: The tool; ``internal_request_file`` asks for a file.
        tool_args: Its arguments.
        vcp_context: Read by VCPChat; VCPToolBox does not send it (facts §4.3).
    """

    request_id: Text
    tool_name: Text
    tool_args: Object = Field(default_factory=dict)
    vcp_context: Any = Field(default=None, alias="_vcpContext")


class ExecuteToolFrame(Frame):
    """Server → node: run this tool."""

    type: Literal["execute_tool"] = "execute_tool"
    data: ExecuteToolData


class CancelToolData(WireModel):
    """Which call to stop.

    Attributes:
        request_id: That of the ``execute_tool``.
    """

    request_id: Text


class CancelToolFrame(Frame):
    """Server → node: nobody waits for this call any more. Sent once, on timeout."""

    type: Literal["cancel_tool"] = "cancel_tool"
    data: CancelToolData


class ToolResultData(WireModel):
    """How a call ended.

    Attributes:
        request_id: That of the call. VCPToolBox needs it; without it the SDK takes the result for
            that of an asynchronous tool.
        status: ``success`` or ``error``.
        result: What the tool gave; it may itself be ``{"status": …}`` (facts §1.5).
        error: Usually a text.
    """

    request_id: Text | None = None
    status: Literal["success", "error"]
    result: Any = None
    error: Any = None


class ToolResultFrame(Frame):
    """Node → server: the answer to ``execute_tool``, in any order."""

    type: Literal["tool_result"] = "tool_result"
    data: ToolResultData


class CallbackData(WireModel):
    """What an asynchronous plugin reported; its names have several spellings, kept as they came."""

    @property
    def plugin_name(self) -> str | None:
        """``pluginName``, else ``PLUGIN_NAME_FOR_CALLBACK``."""
        return self._first("pluginName", "PLUGIN_NAME_FOR_CALLBACK")

    @property
    def task_id(self) -> str | None:
        """``taskId``, else ``task_id``, else ``TaskId``; a number as text."""
        return self._first("taskId", "task_id", "TaskId")

    def _first(self, *names: str) -> str | None:
        extra = self.model_extra or {}
        for name in names:
            value = extra.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
        return None


class PluginCallbackForwardData(WireModel):
    """A callback that reached the node.

    Attributes:
        server_name: How the node calls itself.
        callback_data: What the plugin posted.
    """

    server_name: Text | None = None
    callback_data: CallbackData


class PluginCallbackForwardFrame(Frame):
    """Node → server: an asynchronous plugin finished; the server keeps and pushes its result."""

    type: Literal["plugin_callback_forward"] = "plugin_callback_forward"
    data: PluginCallbackForwardData


class MusicPlaylistUpdateData(WireModel):
    """The music of a VCPChat node.

    Attributes:
        server_name: How the node calls itself.
        reason: Why it is sent.
        playlist_path: The file.
        exists: Whether the file is there.
        tracks: Its entries.
        count: How many.
        updated_at: When the file changed: a number of milliseconds or a text.
    """

    server_name: Text | None = None
    reason: Text | None = None
    playlist_path: Text | None = None
    exists: StrictBool | None = None
    tracks: Many[Any] = ()
    count: Number | None = None
    updated_at: Any = None


class MusicPlaylistUpdateFrame(Frame):
    """Node → server: the play list, from VCPChat."""

    type: Literal["music_playlist_update"] = "music_playlist_update"
    data: MusicPlaylistUpdateData
