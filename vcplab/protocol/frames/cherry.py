"""Frames that seed 001 names for Cherry Studio (facts/vcp-protocol §0).

The seed names types and no fields, and VCPToolBox knows none of them. **Our reading**: the payload
is that of the toolbox's frame of the same purpose, under ``data``.
"""

from __future__ import annotations

from typing import Any, Literal

from vcplab.protocol.frames.base import Frame, Many, Text, WireModel
from vcplab.protocol.frames.node import ExecuteToolData, RegisterToolsData, ToolResultData

__all__ = [
    "DistributedHeartbeatData",
    "DistributedHeartbeatFrame",
    "DistributedRegisterFrame",
    "DistributedToolCallFrame",
    "DistributedToolListFrame",
    "DistributedToolResultFrame",
    "DistributedUnregisterData",
    "DistributedUnregisterFrame",
    "PluginDisabledFrame",
    "PluginEnabledFrame",
    "PluginEventData",
    "PluginEventFrame",
    "PluginRegisteredFrame",
    "PluginUnregisteredFrame",
    "PluginsReloadedEventData",
    "PluginsReloadedEventFrame",
]


class DistributedRegisterFrame(Frame):
    """Node → server: a node and its tools, as ``register_tools``."""

    type: Literal["distributed_register"] = "distributed_register"
    data: RegisterToolsData


class DistributedUnregisterData(WireModel):
    """Who leaves, or with what.

    Attributes:
        server_name: The node.
        tools: Names of tools; without them the whole node leaves.
    """

    server_name: Text | None = None
    tools: Many[Any] = ()


class DistributedUnregisterFrame(Frame):
    """Node → server: a node or some of its tools leave."""

    type: Literal["distributed_unregister"] = "distributed_unregister"
    data: DistributedUnregisterData | None = None


class DistributedToolListFrame(Frame):
    """Either side: all tools of a node, as ``register_tools``."""

    type: Literal["distributed_tool_list"] = "distributed_tool_list"
    data: RegisterToolsData


class DistributedToolCallFrame(Frame):
    """Server → node: run this tool, as ``execute_tool``."""

    type: Literal["distributed_tool_call"] = "distributed_tool_call"
    data: ExecuteToolData


class DistributedToolResultFrame(Frame):
    """Node → server: the answer, as ``tool_result``."""

    type: Literal["distributed_tool_result"] = "distributed_tool_result"
    data: ToolResultData


class DistributedHeartbeatData(WireModel):
    """Who is still there.

    Attributes:
        server_name: The node.
        timestamp: When: a number of milliseconds or a text.
    """

    server_name: Text | None = None
    timestamp: Any = None


class DistributedHeartbeatFrame(Frame):
    """Either side: I am still here."""

    type: Literal["distributed_heartbeat"] = "distributed_heartbeat"
    data: DistributedHeartbeatData | None = None


class PluginEventData(WireModel):
    """Which plugin it is about.

    Attributes:
        name: Its name.
        plugin: Its manifest, as the SDK's event of the same name has it, or its name again.
    """

    name: Text | None = None
    plugin: Any = None


class PluginEventFrame(Frame):
    """Something happened to a plugin.

    Attributes:
        data: Which one.
    """

    data: PluginEventData | None = None


class PluginRegisteredFrame(PluginEventFrame):
    """A plugin is there."""

    type: Literal["plugin_registered"] = "plugin_registered"


class PluginUnregisteredFrame(PluginEventFrame):
    """A plugin is gone."""

    type: Literal["plugin_unregistered"] = "plugin_unregistered"


class PluginEnabledFrame(PluginEventFrame):
    """A plugin may be called."""

    type: Literal["plugin_enabled"] = "plugin_enabled"


class PluginDisabledFrame(PluginEventFrame):
    """A plugin may not be called."""

    type: Literal["plugin_disabled"] = "plugin_disabled"


class PluginsReloadedEventData(WireModel):
    """What was loaded again.

    Attributes:
        message: A text for people.
        plugins: Names or manifests.
    """

    message: Text | None = None
    plugins: Many[Any] = ()


class PluginsReloadedEventFrame(Frame):
    """The plugins were loaded again; the toolbox spells it ``plugins-reloaded``."""

    type: Literal["plugins_reloaded"] = "plugins_reloaded"
    data: PluginsReloadedEventData | None = None
