"""Answering a server's calls: tools run concurrently, answers go out as they come."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from vcplab.core.errors import InvalidInputError, NotFoundError, VCPError
from vcplab.core.trace import span
from vcplab.net.dial import Wire
from vcplab.node.calls import Call, CallBook
from vcplab.node.dialects import FILE_TOOL, Asked
from vcplab.node.exposure import ExposedTool
from vcplab.node.guard import Guard
from vcplab.node.roots import Roots
from vcplab.node.rows import CallState
from vcplab.plugins.calling import Caller
from vcplab.plugins.failures import ToolTimeoutError
from vcplab.plugins.jsonable import jsonable

__all__ = ["Answering", "CallTable"]

_GRACE: Final = 2.0
_AT_ONCE: Final = 256
_SMALL_TEXT: Final = 20_000
_SMALL_ITEMS: Final = 200

CallTable = dict[Any, Call]
"""The calls that run on one connection, by the server's identifier."""


@dataclass(slots=True)
class _Counts:
    answered: int = 0
    errors: int = 0
    cancelled: int = 0
    timed_out: int = 0
    lost: int = 0
    refused: int = 0
    by_tool: Counter[str] = field(default_factory=Counter)


class Answering:
    """Answers the calls of one server.

    An answer belongs to the connection on which its call came: where that is gone, the server has
    failed the call already (facts/vcp-protocol §4.3), so the answer is counted as lost, and is
    never sent on another connection.

    Attributes:
        counts: How calls ended.

    Args:
        link: The link's identifier.
        server: The server, for the trace.
        caller: Calls tools.
        offered: Finds an exposed tool by the name that the server uses.
        roots: Folders from which files are served.
        guard: Keeps secrets and local paths out of frames.
        book: The node's calls.
        told: Called with a call that began or ended.
        most: Bytes that a frame may have.
    """

    def __init__(
        self,
        link: str,
        server: str,
        caller: Caller,
        offered: Callable[[str], ExposedTool | None],
        roots: Roots,
        guard: Guard,
        book: CallBook,
        told: Callable[[Call], None],
        most: int,
    ) -> None:
        self.counts = _Counts()
        self._link = link
        self._server = server
        self._origin = f"node:{link}"
        self._caller = caller
        self._offered = offered
        self._roots = roots
        self._guard = guard
        self._book = book
        self._told = told
        self._most = most
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[int, Call] = {}

    @property
    def running(self) -> tuple[Call, ...]:
        """The calls that run, also those whose connection is gone."""
        return tuple(self._running.values())

    def take(
        self, asked: Asked, size: int, wire: Wire, table: CallTable, idle: Callable[[], None]
    ) -> None:
        """Begin a call.

        Args:
            asked: The call.
            size: Characters of its frame.
            wire: The connection on which it came.
            table: The calls that run on it.
            idle: Called when the last of them has ended.
        """
        call = Call(self._link, asked.tool, asked.request_id, asked.arguments, size)
        key = call.id if asked.request_id is None else asked.request_id
        table[key] = call
        self._book.begin(call)
        self._told(call)
        call.task = asyncio.create_task(self._perform(call, asked, wire))
        self._running[call.id] = call

        def ended(task: asyncio.Task[None]) -> None:
            self._running.pop(call.id, None)
            if table.get(key) is call:
                del table[key]
            if call.state == "running":  # cancelled before its first step
                self._end(call, "cancelled")
            if not table:
                idle()

        call.task.add_done_callback(ended)

    def cancel(self, request_id: Any, table: CallTable) -> bool:
        """Stop a call for which nobody waits any more; whether it ran.

        Args:
            request_id: The server's identifier.
            table: The calls of the connection on which it came.
        """
        call = table.get(request_id)
        if call is None or call.task is None:
            return False
        call.given_up = True
        call.task.cancel()
        return True

    def cancel_all(self) -> None:
        """Stop whatever runs, also for connections that have ended."""
        for call in self.running:
            if call.task is not None:
                call.task.cancel()

    async def _perform(self, call: Call, asked: Asked, wire: Wire) -> None:
        try:
            async with self._places:
                frame = await self._run(call, asked)
        except asyncio.CancelledError:
            why = "nobody waited for it any more" if call.given_up else "its link was closed"
            self._end(call, "cancelled", error=why)
            if not call.given_up:
                raise
            return
        if call.given_up:  # the tool went on all the same; its server would drop the answer
            self._end(call, "cancelled", error="nobody waited for it any more")
            return
        state: CallState = "succeeded"
        error = None
        if isinstance(frame, _Failed):
            state, error = frame.state, frame.text
            self.counts.refused += frame.refused
            frame = self._guard.frame(asked.error(frame.text))
        if asked.request_id is not None or asked.form != "jsonrpc":
            try:
                await wire.send(frame, soon=len(self._running) > 1)
            except VCPError:
                state, error = "lost", "its connection ended before it did"
        self._end(call, state, frame, error)

    async def _run(self, call: Call, asked: Asked) -> str | _Failed:
        """The frame that answers a call, or why it failed."""
        try:
            if asked.tool == FILE_TOOL:
                with span("node.file", kind="node", **self._facts(asked)):
                    value = await asyncio.to_thread(self._file, asked.arguments)
            else:
                value = await self._call(asked)
            return await self._written(asked, value)
        # The others too: made by a result's own methods, they would leave the caller waiting.
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            return self._failed(error)

    async def _call(self, asked: Asked) -> Any:
        tool = self._offered(asked.tool)
        if tool is None:
            span("node.refused", kind="node", tool=asked.tool, **self._facts(asked)).begin().end(
                error="not offered to this server"
            )
            raise NotFoundError(
                f'Plugin "{asked.tool[:200]}" not found for tool call.', where="tool"
            )
        self.counts.by_tool[asked.tool] += 1
        # The server's own time-out comes first, and with it its request to cancel.
        limit = None if tool.limit_s is None else tool.limit_s + _GRACE
        return await self._caller.acall(
            tool.local,
            asked.arguments,
            timeout=limit,
            origin=self._origin,
            facts=self._facts(asked),
        )

    def _facts(self, asked: Asked) -> dict[str, Any]:
        return {"server": self._server, "request_id": asked.request_id}

    def _file(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        url = arguments.get("fileUrl")
        if not isinstance(url, str):
            raise InvalidInputError(
                "The request names no file.", where="fileUrl", next_step="send fileUrl"
            )
        served = self._roots.read(url)
        data = base64.b64encode(served.data).decode("ascii")
        return {"status": "success", "fileData": data, "mimeType": served.mime}

    async def _written(self, asked: Asked, value: Any) -> str:
        # What is small is written here: a hop to a worker would cost more than the writing.
        if _is_small(value):
            frame = self._guard.frame(asked.result(value))
        else:
            # Not in a worker: tools may hold all of those.
            frame = await asyncio.to_thread(self._write, asked, value)
        if len(frame) * 4 > self._most and len(frame.encode()) > self._most:
            size = len(frame.encode()) / 2**20
            raise InvalidInputError(
                f"The result is too large to be sent: {size:.0f} MiB of {self._most / 2**20:.0f}.",
                where=asked.tool,
                next_step="give back less, or a file of a shared folder",
            )
        return frame

    def _write(self, asked: Asked, value: Any) -> str:
        return self._guard.frame(asked.result(jsonable(value)))

    def _failed(self, error: BaseException) -> _Failed:
        if not isinstance(error, VCPError):
            text = type(error).__name__
            with suppress(Exception):  # an exception whose text fails is still one
                text = f"{text}: {error}"
            return _Failed(self._guard.error(text))
        text = error.message
        if isinstance(error, InvalidInputError) and error.next_step:
            text = f"{text} {error.next_step}"  # the model can mend its own request
        late = isinstance(error, ToolTimeoutError)
        refused = isinstance(error, NotFoundError) and error.where == "tool"
        return _Failed(self._guard.error(text), "timed_out" if late else "failed", refused)

    def _end(self, call: Call, state: CallState, frame: str = "", error: str | None = None) -> None:
        counts = self.counts
        match state:
            case "succeeded":
                counts.answered += 1
            case "cancelled":
                counts.cancelled += 1
            case "lost":
                counts.lost += 1
            case _:
                counts.errors += 1
                counts.timed_out += state == "timed_out"
        call.end(state, result=frame, error=error)
        self._book.end(call)
        self._told(call)


@dataclass(frozen=True, slots=True)
class _Failed:
    text: str
    state: CallState = "failed"
    refused: bool = False


def _is_small(value: Any) -> bool:
    """Whether a value is plain JSON that is written in no time."""
    if value is None or type(value) in (bool, int):
        return True
    if type(value) is str:
        return len(value) <= _SMALL_TEXT
    left = _SMALL_ITEMS
    waiting = [value]
    length = 0
    while waiting:
        one = waiting.pop()
        left -= 1
        if left < 0:
            return False
        kind = type(one)
        if kind is str:
            length += len(one)
        elif kind is dict:
            if len(one) > left or not all(type(key) is str for key in one):
                return False
            length += sum(map(len, one))
            waiting.extend(one.values())
        elif kind is list:
            if len(one) > left:
                return False
            waiting.extend(one)
        elif kind is float:
            if one != one or one in (float("inf"), float("-inf")):
                return False
        elif one is not None and kind is not bool and kind is not int:
            return False
        if length > _SMALL_TEXT:
            return False
    return True
