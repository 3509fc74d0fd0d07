"""A session that was recorded, and its calls made again: a regression test of a node.

::

    with StandInServer(record=True) as server:
        ...                                            # a node joins, calls are made
        Session.of(server.frames).save("session.jsonl")

    Session.load("session.jsonl").replay(server).check()    # later, another version of the node

Calls that ran side by side do so again: a call begins when those that had ended before it have
ended. Times are not kept.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from vcplab.core.errors import InvalidDataError, NotFoundError
from vcplab.core.files import write_atomic
from vcplab.node.standin.core import StandInServer
from vcplab.node.standin.frames import RecordedFrame
from vcplab.plugins.recording import OutputRow, Outputs, RecordedCall, output_row
from vcplab.protocol.results import ToolFailure

__all__ = ["Session"]

_ASKS: Final = frozenset({"execute_tool", "distributed_tool_call"})
_ANSWERS: Final = frozenset({"tool_result", "distributed_tool_result"})
_IGNORED: Final = ("timestamp",)


@dataclass(frozen=True, slots=True)
class _Exchange:
    call: RecordedCall
    begun: int  # places in the session
    ended: int


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """What went over a server's wires.

    Attributes:
        frames: The frames, in order.
    """

    frames: tuple[RecordedFrame, ...]

    @classmethod
    def of(cls, frames: Iterable[RecordedFrame]) -> Session:
        """A session of frames, e.g. those of a server made with ``record=True``."""
        return cls(tuple(frames))

    @classmethod
    def load(cls, path: str | Path) -> Session:
        """Read a file that `save` wrote.

        Raises:
            NotFoundError: There is no such file.
            InvalidDataError: A line of it is no frame; the error names the line.
        """
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except OSError as error:
            raise NotFoundError(
                f"The session {str(path)!r} cannot be read: {error.strerror}.",
                where=str(path),
                next_step="give the file that Session.save wrote",
            ) from None
        frames = []
        for number, line in enumerate(lines, start=1):
            try:
                read = json.loads(line)
                at = datetime.fromisoformat(read["at"])
                frames.append(
                    RecordedFrame(read["direction"], read["node"], read["type"], read["text"], at)
                )
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidDataError(
                    f"Line {number} of the session is no frame ({type(error).__name__}).",
                    where=f"{path}:{number}",
                    next_step="record the session again",
                ) from None
        return cls(tuple(frames))

    def save(self, path: str | Path) -> Path:
        """Write it to a file, a frame in each line. Arguments and results stand there as they were.

        Args:
            path: The file.

        Returns:
            The file.
        """
        lines = [
            json.dumps(
                {
                    "at": frame.at.isoformat(),
                    "direction": frame.direction,
                    "node": frame.node,
                    "type": frame.type,
                    "text": frame.text,
                },
                ensure_ascii=False,
            )
            for frame in self.frames
        ]
        target = Path(path)
        write_atomic(target, "".join(f"{line}\n" for line in lines).encode())
        return target

    @property
    def calls(self) -> tuple[RecordedCall, ...]:
        """The calls that were answered, in the order in which they were made."""
        return tuple(exchange.call for exchange in self._exchanges())

    def replay(
        self, server: StandInServer, *, ignore: Iterable[str] = _IGNORED, timeout: float = 60.0
    ) -> Outputs:
        """Make the calls again, at a server whose node has the tools.

        Args:
            server: The server.
            ignore: Keys whose values may differ, wherever they stand.
            timeout: Seconds that each call may take.

        Returns:
            The answers then and now.
        """
        rows: list[OutputRow] = server.home.run(self._replay(server, tuple(ignore), timeout))
        return Outputs(tuple(rows))

    async def _replay(
        self, server: StandInServer, ignore: tuple[str, ...], timeout: float
    ) -> list[OutputRow]:
        exchanges = self._exchanges()
        tasks: list[asyncio.Task[dict[str, Any]]] = []
        for exchange in exchanges:
            before = [
                task
                for task, other in zip(tasks, exchanges, strict=False)
                if other.ended < exchange.begun
            ]
            await asyncio.gather(*before)
            tasks.append(asyncio.create_task(_outcome(server, exchange.call, timeout)))
        now = await asyncio.gather(*tasks)
        return [
            output_row(exchange.call, exchange.call.output, output, ignore)
            for exchange, output in zip(exchanges, now, strict=True)
        ]

    def _exchanges(self) -> list[_Exchange]:
        asked: dict[tuple[str, Any], tuple[int, str, Mapping[str, Any]]] = {}
        found = []
        for place, frame in enumerate(self.frames):
            data = _data(frame)
            if data is None:
                continue
            key = (frame.node, data.get("requestId"))
            if frame.direction == "out" and frame.type in _ASKS:
                asked[key] = (place, str(data.get("toolName")), data.get("toolArgs") or {})
            elif frame.direction == "in" and frame.type in _ANSWERS and key in asked:
                begun, tool, arguments = asked.pop(key)
                failed = data.get("status") != "success"
                output = {"error": data.get("error")} if failed else {"value": data.get("result")}
                found.append(_Exchange(RecordedCall(tool, arguments, output), begun, place))
        return sorted(found, key=lambda exchange: exchange.begun)

    def __repr__(self) -> str:
        return f"<Session of {len(self.frames)} frames, {len(self.calls)} calls>"


def _data(frame: RecordedFrame) -> Mapping[str, Any] | None:
    try:
        read = frame.data
    except ValueError:
        return None
    data = read.get("data") if isinstance(read, dict) else None
    return data if isinstance(data, dict) else None


async def _outcome(server: StandInServer, call: RecordedCall, timeout: float) -> dict[str, Any]:
    try:
        return {"value": await server.araw_call(call.tool, call.arguments, timeout)}
    except ToolFailure as failure:
        # As the node worded it; the server's own words around it are not the node's.
        payload = failure.details.get("payload") or {}
        return {"error": payload.get("plugin_execution_error", failure.message)}
