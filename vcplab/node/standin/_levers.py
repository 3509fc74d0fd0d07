"""How a stand-in server is steered, from any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from vcplab.core.loop import LibraryLoop
from vcplab.node.standin._desk import Desk
from vcplab.node.standin._outbox import Sendable
from vcplab.node.standin._view import View

__all__ = ["Levers"]

T = TypeVar("T")

_GRACE = 10.0


class Levers(View):
    """What can be done to the connections of `vcplab.node.standin.StandInServer`."""

    def __init__(self, desk: Desk, home: LibraryLoop) -> None:
        super().__init__(desk)
        self.home = home

    def broadcast(self, frame: Sendable) -> int:
        """Send something to all nodes and watchers; returns how many got it."""
        return self._do(lambda: self._desk.broadcast(frame))

    def send(self, server_id: str, frame: Sendable) -> None:
        """Send something to one node.

        Args:
            server_id: Its id or name.
            frame: An object, or text or bytes that go as they are, however malformed.

        Raises:
            NotFoundError: There is no such node.
        """
        self._do(lambda: self._desk.outbox.tell(self._desk.calls.node(server_id).wire, frame))

    def kick(self, server_id: str | None = None) -> int:
        """Drop the TCP connection of a node, or of all; returns how many."""
        return self._do(lambda: self._desk.kick(server_id))

    def drain(self, on: bool = True) -> None:
        """Let nobody in any more, as upstream before it shuts down; present ones stay."""

        def switch() -> None:
            self._desk.draining = on

        self._do(switch)

    def stall(self, on: bool = True) -> None:
        """Neither read from nor write to any WebSocket, new ones too: a half-open link.

        Plain HTTP requests are still answered.
        """
        self._do(lambda: self._desk.stall(on))

    def _log(self, tool: str, status: str, content: Any) -> None:
        self._do(lambda: self._desk.log(tool, status, content))

    async def _at_home(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self.home.is_current():
            return await coroutine
        return await asyncio.wrap_future(self.home.submit(coroutine))

    def _do(self, act: Callable[[], T]) -> T:
        if self.home.is_current():
            return act()

        async def later() -> T:
            return act()

        # Short and waits for nothing, so it may be waited for even on another loop's thread.
        return self.home.submit(later()).result(_GRACE)
