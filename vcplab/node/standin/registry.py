"""What a stand-in server knows of its nodes: their tools, placeholders and addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vcplab.node.standin.wire import Wire

__all__ = ["FILE_TOOL", "Node", "Registry", "ServerInfo"]

FILE_TOOL = "internal_request_file"
"""The tool that every node has and none registers (facts/vcp-protocol §4.2, §4.7)."""

_CLOUD = "[云端] "


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A node, as `StandInServer.get_distributed_servers` tells of it (seed 003).

    Attributes:
        server_id: ``dist-<clientId>``.
        server_name: How it calls itself; None before it said so.
        tools: Names of its tools that can be called.
        local_ips: Addresses it reported.
        public_ip: Its address in the internet, None if it reported none.
        connected_at: Since when it is here.
        capabilities: What it declared with its tools.
    """

    server_id: str
    server_name: str | None
    tools: tuple[str, ...]
    local_ips: tuple[str, ...]
    public_ip: str | None
    connected_at: datetime
    capabilities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Node:
    """A connection of a node, while it lasts."""

    server_id: str
    client_id: str
    wire: Wire
    connected_at: datetime
    name: str | None = None
    tools: list[str] = field(default_factory=list)
    local_ips: tuple[str, ...] = ()
    public_ip: str | None = None
    capabilities: dict[str, Any] = field(default_factory=dict)
    cancels: bool = False

    def info(self) -> ServerInfo:
        """What there is to tell."""
        return ServerInfo(
            self.server_id,
            self.name,
            tuple(self.tools),
            self.local_ips,
            self.public_ip,
            self.connected_at,
            dict(self.capabilities),
        )


@dataclass(slots=True)
class Registry:
    """All nodes and what they brought (facts/vcp-protocol §4.2, §4.3).

    Attributes:
        nodes: By server id, in the order of their coming.
        tools: By name: the manifest, with the server's display name, and whose it is.
        placeholders: By name in braces: the value and whose it is.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    tools: dict[str, tuple[dict[str, Any], Node]] = field(default_factory=dict)
    placeholders: dict[str, tuple[Any, Node]] = field(default_factory=dict)

    def register(
        self, node: Node, tools: Iterable[Any], *, renews: bool = False
    ) -> tuple[list[str], int]:
        """Add tools.

        Args:
            node: Whose they are.
            tools: Manifests, as they came.
            renews: Whether a node's own tool is replaced; VCPToolBox only ever adds.

        Returns:
            The names taken on, and how many entries were skipped: without name, pluginType or
            entryPoint, of a name that is taken, or called like the server's own file tool.
        """
        taken: list[str] = []
        skipped = 0
        for tool in tools:
            if not isinstance(tool, Mapping) or not all(map(tool.get, ("name", "pluginType"))):
                skipped += 1
                continue
            name = tool["name"]
            present = self.tools.get(name) if isinstance(name, str) else None
            if (
                not isinstance(name, str)
                # JavaScript takes an empty object for something, and an empty text for nothing.
                or tool.get("entryPoint") in (None, "", False, 0)
                or name == FILE_TOOL
                or (present is not None and not (renews and present[1] is node))
            ):
                skipped += 1
                continue
            shown = f"{_CLOUD}{tool.get('displayName') or name}"
            self.tools[name] = ({**tool, "displayName": shown}, node)
            if name not in node.tools:
                node.tools.append(name)
            taken.append(name)
        return taken, skipped

    def unregister(self, node: Node, tools: Iterable[Any]) -> list[str]:
        """Remove tools of a node, given by name or manifest; returns the names that were there."""
        gone = []
        for tool in tools:
            name = tool.get("name") if isinstance(tool, Mapping) else tool
            if name in node.tools:
                node.tools.remove(name)
                del self.tools[name]
                gone.append(name)
        return gone

    def place(self, node: Node, values: Mapping[str, Any]) -> None:
        """Set placeholders; names may come with or without braces."""
        for key, value in values.items():
            name = key if key.startswith("{{") and key.endswith("}}") else f"{{{{{key}}}}}"
            self.placeholders[name] = (value, node)

    def leave(self, node: Node) -> None:
        """Forget a node and all that was its. Nobody else's skipped tool takes a name over."""
        self.nodes.pop(node.server_id, None)
        for name in node.tools:
            del self.tools[name]
        node.tools = []
        for name in [name for name, (_, owner) in self.placeholders.items() if owner is node]:
            del self.placeholders[name]

    def find(self, server: str) -> Node | None:
        """The node of an id or, failing that, of a name."""
        node = self.nodes.get(server)
        if node is None:
            node = next((node for node in self.nodes.values() if node.name == server), None)
        return node
