"""Who comes to a stand-in server, and how they are received; all of it on one loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from vcplab.core.clock import current_clock
from vcplab.node.standin._ids import Ids
from vcplab.node.standin._inbox import Inbox
from vcplab.node.standin._outbox import Outbox, Sendable
from vcplab.node.standin.calls import Calls
from vcplab.node.standin.quirks import Quirks
from vcplab.node.standin.registry import Node, Registry
from vcplab.node.standin.wire import Request, Verdict, Wire

__all__ = ["Desk", "Serve"]

Serve: TypeAlias = Callable[[Wire, Request], Coroutine[Any, Any, None]]

# Path and client type; facts/vcp-protocol §4.1.
_PATHS = {
    "vcp-distributed-server": "DistributedServer",
    "VCPlog": "VCPLog",
    "vcpinfo": "VCPInfo",
    "vcp-chrome-observer": "ChromeObserver",
    "vcp-chrome-control": "ChromeControl",
    "vcp-admin-panel": "AdminPanel",
}
_NODE = "DistributedServer"
# Those that get an ack and broadcasts; facts/vcp-protocol §4.1, §4.6.
_ADDRESSED = frozenset({_NODE, "VCPLog", "VCPInfo"})
_KEY = "VCP_Key="


class Desk:
    """The host of all connections (`vcplab.node.standin.wire.Host`).

    Args:
        key: What clients must have in their path.
        quirks: How the server differs.
        rng: For ids.
        kept: How many frames are recorded.

    Attributes:
        registry: Nodes, tools, placeholders.
        outbox: Sends, records and counts.
        calls: Calls under way.
        inbox: Acts on frames.
        wires: All TCP connections.
        draining: Whether nobody is let in.
        stalled: Whether WebSockets hold still.
    """

    def __init__(self, key: str, quirks: Quirks, rng: random.Random, kept: int) -> None:
        self.max_size = quirks.max_size
        self.registry = Registry()
        self.outbox = Outbox(quirks.binary, kept)
        self.wires: set[Wire] = set()
        self.draining = False
        self.stalled = False
        self._ids = Ids(quirks, rng)
        self.calls = Calls(quirks, self.registry, self.outbox, self._ids)
        self.inbox = Inbox(quirks, self.registry, self.calls, self.outbox, self.broadcast)
        self._key = key
        self._quirks = quirks
        self._serve: Serve
        self._tasks: set[asyncio.Task[None]] = set()
        self._watchers = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._pulse: asyncio.TimerHandle | None = None
        self._over = False

    # Its life

    def begin_life(self, serve: Serve) -> None:
        """Get ready for connections.

        Args:
            serve: Answers HTTP requests.
        """
        self._serve = serve
        self.draining = self.stalled = self._over = False
        self._wait_for_beat()

    def end_life(self, *, abrupt: bool) -> None:
        """Close all connections; the loss of each rejects its calls. Later ones are dropped."""
        self._over = True
        if self._pulse is not None:
            self._pulse.cancel()
        for wire in list(self.wires):
            if abrupt:
                wire.abort()
            else:
                wire.close(1001, "Server shutting down")

    async def end_tasks(self) -> None:
        """Stop answering HTTP requests."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def change(self) -> None:
        """Wait until something has happened."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _wait_for_beat(self) -> None:
        if self._quirks.heartbeat is not None:
            loop = asyncio.get_running_loop()
            self._pulse = loop.call_later(self._quirks.heartbeat, self._beat)

    def _beat(self) -> None:
        for node in list(self.registry.nodes.values()):
            if not node.wire.alive:
                node.wire.abort()
            else:
                node.wire.alive = False
                node.wire.ping()
        self._wait_for_beat()

    # Connections

    def new_wire(self) -> Wire:
        """A connection, before it stands."""
        return Wire(self)

    def made(self, wire: Wire) -> None:
        """A TCP connection stands."""
        self.wires.add(wire)
        if self._over:  # accepted in the server's last moment
            wire.abort()

    def upgrade(self, wire: Wire, target: str) -> Verdict:
        """Let in whoever has the key in a path we know; the rest is dropped without a word."""
        if self.stalled:
            return "hold"
        path = target.partition("#")[0].partition("?")[0]
        _, _, rest = path.partition("/")
        place, _, rest = rest.partition("/")
        key = rest.removeprefix(_KEY)
        fits = (key if self._quirks.any_key else key == self._key) and key != rest and key
        kind = _PATHS.get(place)
        if self.draining or kind is None or not fits:
            self.outbox.counts["refused"] += 1
            self._changed()
            return "destroy"
        wire.peer = kind
        return "accept"

    def opened(self, wire: Wire) -> None:
        """Greet a client."""
        kind: str = wire.peer
        sdk = self._quirks.dialect == "intellicore"
        acks: list[dict[str, Any]] = [
            {
                "type": "connection_ack",
                "message": f"WebSocket connection successful for {kind}.",
            }
        ]
        if kind == _NODE:
            server_id, client_id = self._ids.node(self.registry.nodes)
            node = Node(server_id, client_id, wire, current_clock().now())
            wire.peer = self.registry.nodes[server_id] = node
            if sdk:
                data = {"serverId": server_id, "message": "Distributed server connected."}
                acks.append({"type": "connection_ack", "data": data})
            else:
                acks[0]["data"] = {"serverId": server_id, "clientId": client_id}
        self._watchers += kind == "VCPLog"
        self.outbox.counts["connected"] += 1
        if self._quirks.acknowledges and kind in _ADDRESSED:
            for ack in acks:
                self.outbox.tell(wire, ack)
        self._changed()

    def heard(self, wire: Wire, data: str | bytes) -> None:
        """A message came."""
        self.inbox.heard(wire.peer, data)
        if self._waiting:
            self._changed()

    def asked(self, wire: Wire, request: Request) -> None:
        """Answer an HTTP request, in a task: a tool may take its time."""
        task = asyncio.get_running_loop().create_task(self._serve(wire, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def lost(self, wire: Wire) -> None:
        """Reject the calls of a node that left, at once, and forget what was its."""
        self.wires.discard(wire)
        if isinstance(wire.peer, Node):
            self.outbox.counts["left"] += 1
            self.calls.reject(wire.peer)
            self.registry.leave(wire.peer)
        self._watchers -= wire.peer == "VCPLog"
        self._changed()

    # What it is told to do

    def broadcast(self, frame: Sendable, target: str | None = None) -> int:
        """Send to nodes and watchers, or to one client type; returns how many got it."""
        sent = 0
        for wire in list(self.wires):
            kind = _NODE if isinstance(wire.peer, Node) else wire.peer
            if kind in _ADDRESSED and target in (None, kind):
                sent += self.outbox.tell(wire, frame)
        return sent

    def log(self, tool: str, status: str, content: Any) -> None:
        """Tell the log's watchers of a call (facts/vcp-protocol §4.6)."""
        if self._watchers:
            data = {"tool_name": tool, "status": status, "content": content}
            self.broadcast({"type": "vcp_log", "data": data}, "VCPLog")

    def kick(self, server: str | None) -> int:
        """Drop the connection of one node or of all; returns how many."""
        nodes = [self.calls.node(server)] if server else list(self.registry.nodes.values())
        for node in nodes:
            node.wire.abort()
        return len(nodes)

    def stall(self, on: bool) -> None:
        """Hold all WebSockets still, or go on."""
        self.stalled = on
        for wire in list(self.wires):
            if not on or wire.peer is not None:
                wire.stall(on)
