"""What tests of a running chat need: models that wait, listeners, and waiting for conditions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from vcplab.agents.chat.events import ChatEvent
from vcplab.protocol.completions import ChatPiece, ChatRequest
from vcplab.protocol.messages import Usage

PATIENCE = 10.0


class Gate:
    """A model that says some pieces, and the last one only when it is opened.

    Attributes:
        requests: What it was asked.
        waiting: How many calls wait for it to be opened.
        closed: How many calls are over, by whatever end.
        broken: How many of them were cancelled.
    """

    def __init__(
        self, *pieces: str, last: str = "done", name: str = "gate", opened: bool = False
    ) -> None:
        self.name = name
        self.pieces = pieces
        self.last = last
        self.opened = opened
        self.requests: list[ChatRequest] = []
        self.waiting = 0
        self.closed = 0
        self.broken = 0

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatPiece]:
        self.requests.append(request)
        try:
            for piece in self.pieces:
                yield ChatPiece(piece)
            self.waiting += 1
            try:
                await until(lambda: self.opened)
            finally:
                self.waiting -= 1
            yield ChatPiece(self.last, finish_reason="stop", usage=Usage(10, 5))
        except (asyncio.CancelledError, GeneratorExit):
            self.broken += 1
            raise
        finally:
            self.closed += 1


class Heard:
    """Everything a chat tells, in order."""

    def __init__(self, chat: Any) -> None:
        self.events: list[ChatEvent] = []
        self._subscription = chat.subscribe(self.events.append)

    def types(self, *, without: str = "status") -> list[str]:
        return [event.type for event in self.events if event.type != without]

    def of(self, type_: str) -> list[Mapping[str, Any]]:
        return [event.data for event in self.events if event.type == type_]

    def streamed(self, turn: int | None = None) -> str:
        return "".join(
            data["chunk"] for data in self.of("agent:stream") if turn in (None, data["turn"])
        )


def logged(chat: Any, type_: str) -> list[Mapping[str, Any]]:
    """The facts of every logged event of a type."""
    return [event.data for event in chat.events if event.type == type_]


def texts(chat: Any) -> list[str]:
    """What was said, with who said it."""
    return [f"{message.agent_id}: {message.content}" for message in chat.messages]


def prompt(request: ChatRequest) -> str:
    """A whole prompt as one text."""
    return "\n".join(str(message.content) for message in request.messages)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition on the loop; a test fails where it is not met."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        await asyncio.sleep(0.001)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition in a thread; a test fails where it is not met."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.001)
