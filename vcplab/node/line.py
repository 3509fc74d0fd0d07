"""One WebSocket of a link: what is registered on it, and what comes in by it.

VCPToolBox's registration is add-only, and a name is freed only when the connection that holds it
closes, which fails every call that runs on it (facts/vcp-protocol §4.2, §4.3). So in that dialect
each tool has a line of its own: to change it, its line waits for its own calls, closes and opens
anew, and nobody else is disturbed. Where tools can be unregistered one line carries them all.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from vcplab.core.errors import InvalidInputError, StateError, VCPError
from vcplab.net.dial import Dial, DialState, Wire
from vcplab.node.answering import Answering, CallTable
from vcplab.node.dialects import Acknowledged, Asked, Cancelled, Speech, hear
from vcplab.node.exposure import ExposedTool
from vcplab.node.guard import Guard
from vcplab.node.rows import ToolState

__all__ = ["Line", "LineOwner"]

_LARGE: Final = 200_000
_DRAIN: Final = 10.0
_MOST_KINDS: Final = 100
# A server that has not noticed yet that an old connection is dead still holds our names for it, and
# skips them without a word; so what may have been skipped is registered again now and then.
_AGAIN: Final = (0.3, 2.0, 10.0, 30.0, 60.0, 120.0)
_ALWAYS: Final = 300.0

_logger = logging.getLogger(__name__)


class LineOwner(Protocol):
    """What a line knows of its link."""

    speech: Speech
    answering: Answering
    guard: Guard
    ignored: Counter[str]
    malformed: int

    def node_name(self, line: Line) -> str:
        """How the node calls itself on a line."""
        ...

    def addresses(self, line: Line, wire: Wire) -> dict[str, Any]:
        """What a line reports of where the node is."""
        ...

    def changed(self, line: Line) -> None:
        """Its state changed, or what is registered on it."""
        ...

    def acknowledged(self, line: Line, told: Acknowledged) -> None:
        """The server told something of the line."""
        ...

    def ended(self, line: Line) -> None:
        """It carries nothing any more and was closed."""
        ...


class Line:
    """One WebSocket, dialled again and again until it is ended.

    Attributes:
        dial: Its connection.
        registered: Fingerprint by name of the tools that were sent on the present connection.
        draining: Whether it waits for its calls, in order to change what is registered.
        calls: The calls that run on the present connection.

    Args:
        owner: Its link.
        dial: Makes a connection, given what is told of its state.
        main: Whether it stands for the node itself; it is kept when it carries no tool.
        beside: What the main line does while it is open, e.g. tell placeholders.
    """

    def __init__(
        self,
        owner: LineOwner,
        dial: Callable[[Callable[[DialState], None]], Dial],
        *,
        main: bool = False,
        beside: Callable[[Wire], Iterable[Coroutine[Any, Any, None]]] = lambda wire: (),
    ) -> None:
        self.main = main
        self.registered: dict[str, str] = {}
        self.draining = False
        self.calls: CallTable = {}
        self._owner = owner
        self._beside = beside
        self._wanted: dict[str, ExposedTool] = {}
        self._prints: dict[str, str] = {}
        self._wire: Wire | None = None
        self._opened = 0
        self._leaving = False
        self._freed = False  # a name was given up, perhaps a moment too late for its taking back
        self._stirred = asyncio.Event()
        self._drained_at: float | None = None
        self.dial = dial(self._dialled)

    @property
    def wire(self) -> Wire | None:
        """Its connection; None while there is none."""
        return self._wire

    @property
    def tools(self) -> Mapping[str, ExposedTool]:
        """What it is to carry."""
        return self._wanted

    def state_of(self, name: str) -> ToolState:
        """How a tool that it is to carry stands: ``registered``, ``pending`` or ``draining``."""
        if self.draining:
            return "draining"
        sent = self._wire is not None and self.registered.get(name) == self._prints.get(name)
        return "registered" if sent else "pending"

    def want(self, tools: Mapping[str, ExposedTool]) -> None:
        """Say what it is to carry; it sees to it as soon as its calls allow.

        Args:
            tools: By the name that the server is told.
        """
        prints = {name: _fingerprint(tool.manifest) for name, tool in tools.items()}
        same = prints == self._prints
        self._wanted, self._prints = dict(tools), prints
        if not same or (not tools and not self.main):
            self._stirred.set()

    def accepts(self, name: str) -> bool:
        """Whether a call is taken: a line that cannot come to rest takes none of what changes."""
        late = self._drained_at is not None and _now() - self._drained_at > _DRAIN
        return not (late and self.registered.get(name) != self._prints.get(name))

    async def run(self) -> None:
        """Keep it connected, until it is cancelled or has nothing to carry."""
        keeper = asyncio.create_task(self._keep())
        try:
            await self.dial.run(self._serve)
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            self._owner.ended(self)

    async def close(self) -> None:
        """End it."""
        await self.dial.stop()

    def _dialled(self, state: DialState) -> None:
        self._owner.changed(self)

    # What comes in

    async def _serve(self, wire: Wire) -> None:
        self._opened += 1
        self._leaving = False
        self.registered, self.calls = {}, {}
        # Calls of the connection before this one are lost; nobody waits for them here.
        self._wire = wire
        helpers: list[asyncio.Task[None]] = []
        try:
            await self._introduce(wire)
            if self._owner.speech.unregister is None:
                helpers.append(asyncio.create_task(self._remind(wire)))
            helpers += [asyncio.create_task(_until_gone(job)) for job in self._beside(wire)]
            self._owner.changed(self)
            async for message in wire:
                await self._hear(message, wire)
        finally:
            self._wire = None
            self.draining = False
            self._drained_at = None
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            self._stirred.set()
            self._owner.changed(self)

    async def _hear(self, message: str | bytes, wire: Wire) -> None:
        owner = self._owner
        try:
            # In order, however large: what is said of a call comes after the call. Not in a worker:
            # tools may hold all of those.
            large = len(message) > _LARGE
            heard = await asyncio.to_thread(hear, message) if large else hear(message)
        except InvalidInputError as error:
            owner.malformed += 1
            _logger.debug("a malformed frame was left out: %s", error)
            return
        match heard:
            case Asked() if self._leaving:
                # Its answer could not be sent: the server fails it when it sees the goodbye.
                owner.ignored["(a call on a closing connection)"] += 1
            case Asked():
                if heard.request_id in self.calls:
                    owner.ignored["(a call sent twice)"] += 1
                    return
                owner.answering.take(heard, len(message), wire, self.calls, self._stirred.set)
            case Cancelled():
                if not owner.answering.cancel(heard.request_id, self.calls):
                    owner.ignored["cancel_tool (too late)"] += 1
            case Acknowledged():
                owner.acknowledged(self, heard)
            case _:
                kind = heard.type[:60]
                many = len(owner.ignored) >= _MOST_KINDS and kind not in owner.ignored
                owner.ignored["(others)" if many else kind] += 1
                if heard.answer is not None:
                    await wire.send(self._frame(heard.answer))

    # What goes out

    async def _introduce(self, wire: Wire) -> None:
        # Without waiting for an acknowledgement: older servers send none.
        if self._wanted:
            await self._register(wire)
        await wire.send(self._frame(self._owner.addresses(self, wire)))

    async def _register(self, wire: Wire) -> None:
        tools = [tool.manifest for tool in self._wanted.values()]
        prints = dict(self._prints)
        await wire.send(self._frame(self._owner.speech.register(self._name, tools)))
        self.registered = prints
        self._owner.changed(self)

    @property
    def _name(self) -> str:
        return self._owner.node_name(self)

    def _frame(self, frame: dict[str, Any]) -> str:
        return self._owner.guard.frame(frame)

    async def _remind(self, wire: Wire) -> None:
        doubtful = self._opened > 1 or self._freed
        self._freed = False
        waits = [b - a for a, b in zip((0.0, *_AGAIN), _AGAIN, strict=False)] if doubtful else []
        with suppress(StateError):
            while True:
                await asyncio.sleep(waits.pop(0) if waits else _ALWAYS)
                if self.registered and not self.draining:
                    await self._register(wire)

    # What changes

    async def _keep(self) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            try:
                await self._renew()
            except VCPError as error:  # the connection went meanwhile; the next one begins anew
                _logger.debug("a registration was not sent: %s", error)

    async def _renew(self) -> None:
        wire = self._wire
        if not self._wanted and not self.main and (wire is None or not self.calls):
            await self.dial.stop()
            return
        if wire is None:
            return
        gone = [name for name, sent in self.registered.items() if self._prints.get(name) != sent]
        speech = self._owner.speech
        if gone and speech.unregister is not None:
            await wire.send(self._frame(speech.unregister(self._name, gone)))
            self.registered = {k: v for k, v in self.registered.items() if k not in gone}
            gone = []
        if not gone:
            self.draining, self._drained_at = False, None
            if self._prints != self.registered and self._wanted:
                await self._register(wire)
            return
        if self.calls:
            if not self.draining:
                self.draining, self._drained_at = True, _now()
                self._owner.changed(self)
            return  # the last call that ends stirs again
        self._freed = self._leaving = True
        self.dial.redial()


async def _until_gone(job: Coroutine[Any, Any, None]) -> None:
    with suppress(StateError):  # the connection is gone
        await job


def _fingerprint(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, sort_keys=True, ensure_ascii=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
