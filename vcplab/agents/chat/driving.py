"""Small parts of what drives a chat: taking the wheel, what waits, what a run came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vcplab.agents.chat.message import ChatMessage
from vcplab.core.errors import VCPError
from vcplab.core.loop import library_loop, run

if TYPE_CHECKING:
    from vcplab.agents.chat.runtime import Runtime

__all__ = ["Driving", "Outbox", "RunResult", "Said", "at_once", "counted", "on_loop"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to.

    Attributes:
        messages: What agents said, in order.
        rounds: Rounds in which something happened; what is left of a begun one counts.
        reason: Why it stopped, a sentence.
        kind: The same in a word: a stopping condition's kind, ``interrupted``, ``paused``,
            ``silence``, ``failed``, ``asked`` (for so many rounds) or ``ended``.
        failed: Turns that failed; the log says why (``chat.timeline()``).
    """

    messages: tuple[ChatMessage, ...]
    rounds: int
    reason: str
    kind: str
    failed: int = 0

    def __repr__(self) -> str:
        counts = f"{counted(len(self.messages), 'message')}, {counted(self.rounds, 'round')}"
        if self.failed:
            counts += f", {counted(self.failed, 'failed turn')}"
        return f"<RunResult {counts}: {self.reason}>"


def counted(number: int, what: str) -> str:
    """``1 round``, ``2 rounds``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@dataclass(slots=True)
class Said:
    """Something a person said that waits to be taken up."""

    message: ChatMessage
    answered: asyncio.Future[list[ChatMessage]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def settle(self, outcome: list[ChatMessage] | Exception) -> None:
        """Answer it, unless nobody waits any more."""
        if self.answered.done():
            return
        if isinstance(outcome, Exception):
            self.answered.set_exception(outcome)
        else:
            self.answered.set_result(outcome)


class Driving:
    """Being the one who drives a chat that is going on.

    Args:
        runtime: The chat's.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __aenter__(self) -> None:
        self._runtime.require_active()
        await self._runtime.lock.acquire()
        try:
            self._runtime.require_active()
            self._runtime.require_open()
        except VCPError:
            self._runtime.lock.release()
            raise
        self._runtime.halted = False
        self._runtime.settle()

    async def __aexit__(self, *exc: object) -> None:
        self._runtime.lock.release()
        self._runtime.rest()


class Outbox:
    """Takes what a turn logs: at once if it is the first, else when the ones before are over.

    Args:
        record: Logs an event.
        is_open: Whether it is the first.
    """

    def __init__(self, record: Callable[..., Any], *, is_open: bool) -> None:
        self._record = record
        self._open = is_open
        self._waiting: list[tuple[str, Mapping[str, Any], float]] = []
        self.messages: list[ChatMessage] = []

    def emit(self, type_: str, data: Mapping[str, Any], seconds: float) -> None:
        """Log an event, or keep it until it is this turn's time."""
        if not self._open:
            self._waiting.append((type_, data, seconds))
            return
        message = self._record(type_, data, seconds).message
        if message is not None:
            self.messages.append(message)

    def open(self) -> None:
        """It is this turn's time."""
        self._open = True
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self.emit(*one)


def on_loop(function: Callable[..., object], *args: Any) -> None:
    """Call something on the library's loop, without waiting for it.

    Args:
        function: What is called.
        *args: Its arguments.
    """

    async def call() -> None:
        function(*args)

    if library_loop().is_current():
        function(*args)
    else:
        library_loop().submit(call())


def at_once(function: Callable[[], object]) -> None:
    """Call something on the library's loop, and wait until it is done.

    Args:
        function: What is called; it must not wait itself.
    """

    async def call() -> None:
        function()

    if library_loop().is_current():
        function()
    else:
        run(call())
