"""What a node does on its main line beside answering calls: placeholders, reports, heartbeats."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from vcplab.net.wire import Wire
from vcplab.node.dialects import Speech
from vcplab.node.guard import Guard

__all__ = ["Duties"]

_LOOK: Final = 1.0
_REPEAT: Final = 30.0
_MOST_WAITING: Final = 1_000


class Duties:
    """The duties of one link. Placeholders and reports belong to the node: they wait for a line.

    Args:
        name: How the node calls itself.
        speech: How it speaks.
        guard: Keeps secrets and local paths out of frames.
        statics: Gives the values of the static plugins that are exposed, by placeholder.
        beat: Seconds between two heartbeats, where the dialect has them.
    """

    def __init__(
        self,
        name: str,
        speech: Speech,
        guard: Guard,
        statics: Callable[[], Mapping[str, str]],
        beat: float,
    ) -> None:
        self._name = name
        self._speech = speech
        self._guard = guard
        self._statics = statics
        self._beat_period = beat
        self._reports: deque[tuple[str, str, Mapping[str, Any]]] = deque(maxlen=_MOST_WAITING)
        self._report_came = asyncio.Event()

    def on(self, wire: Wire) -> tuple[Coroutine[Any, Any, None], ...]:
        """The duties on a connection, each until it ends.

        Args:
            wire: The connection.
        """
        return self._tell_placeholders(wire), self._tell_reports(wire), self._beat(wire)

    def report(self, plugin: str, task: str, body: Mapping[str, Any]) -> None:
        """Send the report of a task, now or on the next connection.

        Args:
            plugin: The plugin, as the lab calls it.
            task: The task.
            body: What it reported.
        """
        self._reports.append((plugin, task, body))
        self._report_came.set()

    def take_over(self, other: Duties) -> None:
        """Send the reports that another link to the same server could not send.

        Args:
            other: Its duties; it is closed.
        """
        self._reports.extendleft(reversed(other._reports))
        self._report_came.set()

    async def _tell_placeholders(self, wire: Wire) -> None:
        told: Mapping[str, str] = {}
        at = 0.0
        while True:
            values = self._statics()
            now = asyncio.get_running_loop().time()
            if values and (values != told or now - at >= _REPEAT):  # as VCPChat's node does
                await self._send(wire, self._speech.placeholders(self._name, values))
                told, at = values, now
            await asyncio.sleep(_LOOK)

    async def _tell_reports(self, wire: Wire) -> None:
        while True:
            while self._reports:
                plugin, task, body = self._reports[0]
                # Under the lab's name, which the plugin's answer named as well: by it the server's
                # {{VCP_ASYNC_RESULT::…}} finds the report, whatever prefix the tool has there.
                await self._send(wire, self._speech.callback(self._name, plugin, task, body))
                self._reports.popleft()
            self._report_came.clear()
            await self._report_came.wait()

    async def _beat(self, wire: Wire) -> None:
        while self._speech.heartbeat is not None:
            await self._send(wire, self._speech.heartbeat)
            await asyncio.sleep(self._beat_period)

    async def _send(self, wire: Wire, frame: dict[str, Any]) -> None:
        await wire.send(self._guard.frame(frame))
