"""What a stand-in server does with the frames of its nodes (facts/vcp-protocol §4.2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from vcplab.node.standin._outbox import Outbox, Sendable
from vcplab.node.standin.calls import Calls
from vcplab.node.standin.frames import unwrapped
from vcplab.node.standin.quirks import Quirks
from vcplab.node.standin.registry import Node, Registry

__all__ = ["Inbox"]

_PUSH = "plugin_callback_notification"


class Inbox:
    """Acts on frames. What cannot be read is counted and forgotten, as upstream.

    Args:
        quirks: How the server differs.
        registry: Nodes, tools, placeholders.
        calls: Calls under way.
        outbox: Where answers are sent.
        broadcast: Sends to all clients of a type, or of every type.

    Attributes:
        callbacks: What asynchronous plugins reported, by plugin and task.
        playlist: The last ``music_playlist_update``.
    """

    def __init__(
        self,
        quirks: Quirks,
        registry: Registry,
        calls: Calls,
        outbox: Outbox,
        broadcast: Callable[[Sendable, str | None], int],
    ) -> None:
        self.callbacks: dict[tuple[str, str], dict[str, Any]] = {}
        self.playlist: dict[str, Any] | None = None
        self._quirks = quirks
        self._registry = registry
        self._calls = calls
        self._outbox = outbox
        self._counts = outbox.counts
        self._broadcast = broadcast
        self._acts: dict[str, Callable[[Node, dict[str, Any]], object]] = {
            "tool_result": calls.answer,
            "register_tools": self._register,
            "report_ip": self._ip,
            "update_static_placeholders": self._place,
            "plugin_callback_forward": self._callback,
            "music_playlist_update": self._tracks,
        }
        if quirks.dialect != "toolbox":
            self._acts["unregister_tools"] = self._unregister
        if quirks.dialect == "intellicore":
            self._acts["file_result"] = self._file
        if quirks.dialect == "cherry":
            self._acts["distributed_tool_list"] = self._list

    def heard(self, peer: object, data: str | bytes) -> None:
        """Act on a message."""
        counts = self._counts
        counts["in"] += 1
        try:
            frame = json.loads(data)
        except (ValueError, RecursionError):
            frame = None
        if self._outbox.records:
            self._outbox.record("in", peer, frame, data)
        if not isinstance(frame, dict):
            counts["malformed"] += 1
            return
        if not isinstance(peer, Node):
            counts["ignored"] += 1
            return
        kind, fields = unwrapped(self._quirks, frame)
        act = self._acts.get(kind) if isinstance(kind, str) else None
        if act is not None:
            if isinstance(fields, dict):
                act(peer, fields)
            else:
                counts["malformed"] += 1
        elif kind == "heartbeat" and self._quirks.dialect != "toolbox":
            counts["heartbeats"] += 1
        else:
            counts["ignored"] += 1

    def _register(self, node: Node, data: dict[str, Any]) -> None:
        tools = data.get("tools")
        if not isinstance(tools, list):
            self._counts["malformed"] += 1
            return
        self._name(node, data)
        can = data.get("capabilities")
        if isinstance(can, dict):
            node.capabilities.update(can)
            node.cancels = node.cancels or can.get("cancelTool") is True
        renews = self._quirks.dialect != "toolbox"
        taken, skipped = self._registry.register(node, tools, renews=renews)
        self._counts["registered"] += len(taken)
        self._counts["skipped"] += skipped
        if self._quirks.dialect == "intellicore":
            ack = {"type": "register_ack", "data": {"tools": taken, "count": len(taken)}}
            self._outbox.tell(node.wire, ack)

    def _list(self, node: Node, data: dict[str, Any]) -> None:
        tools = data.get("tools")
        if isinstance(tools, list):
            named = [tool.get("name") for tool in tools if isinstance(tool, Mapping)]
            self._remove(node, [name for name in node.tools if name not in named])
        self._register(node, data)

    def _unregister(self, node: Node, data: dict[str, Any]) -> None:
        tools = data.get("tools")
        if tools is None and self._quirks.dialect == "cherry":
            tools = list(node.tools)
        if isinstance(tools, list):
            self._remove(node, tools)
        else:
            self._counts["malformed"] += 1

    def _remove(self, node: Node, tools: list[Any]) -> None:
        self._counts["unregistered"] += len(self._registry.unregister(node, tools))

    def _ip(self, node: Node, data: dict[str, Any]) -> None:
        self._name(node, data)
        local, public = data.get("localIPs"), data.get("publicIP")
        if isinstance(local, list):
            node.local_ips = tuple(ip for ip in local if isinstance(ip, str))
        node.public_ip = public if isinstance(public, str) else None

    def _place(self, node: Node, data: dict[str, Any]) -> None:
        self._name(node, data)
        values = data.get("placeholders")
        if isinstance(values, dict):
            self._registry.place(node, values)
        else:
            self._counts["malformed"] += 1

    def _callback(self, node: Node, data: dict[str, Any]) -> None:
        said = data.get("callbackData")
        said = said if isinstance(said, dict) else {}
        plugin = said.get("pluginName") or said.get("PLUGIN_NAME_FOR_CALLBACK")
        task = said.get("taskId") or said.get("task_id") or said.get("TaskId")
        if not plugin or not task:
            self._counts["malformed"] += 1
            return
        self._counts["callbacks"] += 1
        self.callbacks[str(plugin), str(task)] = said
        manifest, _ = self._registry.tools.get(str(plugin), ({}, node))
        push = manifest.get("webSocketPush")
        if isinstance(push, Mapping) and push.get("enabled"):
            kind = push.get("messageType") or _PUSH
            self._broadcast({"type": kind, "data": said}, push.get("targetClientType") or None)

    def _tracks(self, node: Node, data: dict[str, Any]) -> None:
        self.playlist = data

    def _file(self, node: Node, data: dict[str, Any]) -> None:
        self._calls.answer_file(data)

    def _name(self, node: Node, data: dict[str, Any]) -> None:
        name = data.get("serverName")
        # The SDK of 2025 takes no notice of it.
        if isinstance(name, str) and name and self._quirks.dialect != "intellicore":
            node.name = name
