"""What can be seen of a stand-in server, from any thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vcplab.node.standin._desk import Desk
from vcplab.node.standin.frames import RecordedFrame
from vcplab.node.standin.registry import ServerInfo

__all__ = ["View"]


class View:
    """The read side of `vcplab.node.standin.StandInServer`: copies, as of the moment of asking."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def tools(self) -> Mapping[str, Mapping[str, Any]]:
        """The manifests of all tools that nodes have registered, by name."""
        tools = list(self._desk.registry.tools.items())
        return {name: MappingProxyType(manifest) for name, (manifest, _) in tools}

    @property
    def nodes(self) -> list[ServerInfo]:
        """The connections of nodes, in the order of their coming."""
        return [node.info() for node in list(self._desk.registry.nodes.values())]

    def get_distributed_servers(self) -> dict[str, ServerInfo]:
        """The connections of nodes by server id (seed 003)."""
        return {node.server_id: node for node in self.nodes}

    @property
    def placeholders(self) -> dict[str, Any]:
        """The values that nodes have set, by placeholder in braces."""
        values = list(self._desk.registry.placeholders.items())
        return {name: value for name, (value, _) in values}

    @property
    def callbacks(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What asynchronous plugins reported, by plugin and task."""
        return dict(self._desk.inbox.callbacks)

    @property
    def playlist(self) -> dict[str, Any] | None:
        """The last ``music_playlist_update``."""
        return self._desk.inbox.playlist

    @property
    def pending(self) -> int:
        """How many calls wait for an answer."""
        return len(self._desk.calls)

    @property
    def counts(self) -> Counter[str]:
        """How often things happened since it was made.

        ``connected``, ``refused`` (sockets destroyed), ``left``; ``called``, ``answered`` (of these
        ``failed`` with an error), ``timed_out``, ``rejected`` (the node left), ``cancelled``
        (``cancel_tool`` sent), ``late`` (answers to calls that nobody waits for), ``foreign``
        (answers of a node that was not asked); ``registered``, ``skipped``, ``unregistered``
        (tools); ``malformed``, ``ignored`` (frames); ``in``, ``out`` (frames).
        """
        return Counter(self._desk.outbox.counts)

    @property
    def frames(self) -> tuple[RecordedFrame, ...]:
        """What went over the wire, oldest first, if it was made with ``record``."""
        return tuple(self._desk.outbox.recorded)
