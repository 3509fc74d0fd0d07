"""A wire: one open WebSocket connection, as those who talk over it see it.

Made by `vcplab.net.dial.Dial`, and given to what it serves::

    async def serve(wire: Wire) -> None:
        await wire.send('{"type": "report_ip"}')
        async for message in wire:          # ends when the connection ends
            ...
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Self

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError, StateError, VCPErrorCode

if TYPE_CHECKING:
    from vcplab.net._connection import Connection

__all__ = ["Wire"]

_LOOK = 0.02
_LARGE = 2**16
_LONGEST_REASON = 123  # bytes; RFC 6455, section 5.5


class Wire:
    """One open connection. Used on the loop on which it was opened.

    Attributes:
        shown: The address, free of secrets.
        opened_at: When it was opened.
        messages_in: Messages that were read from it.
        messages_out: Messages that were sent.
    """

    __slots__ = (
        "_close_timeout",
        "_closed",
        "_connection",
        "_open",
        "_scrub",
        "messages_in",
        "messages_out",
        "opened_at",
        "shown",
    )

    def __init__(
        self,
        connection: Connection,
        *,
        shown: str,
        close_timeout: float,
        scrub: Callable[[str], str],
    ) -> None:
        from websockets.exceptions import ConnectionClosed
        from websockets.protocol import OPEN

        self._connection = connection
        self._open = OPEN
        self._closed = ConnectionClosed
        self._close_timeout = close_timeout
        self._scrub = scrub
        self.shown = shown
        self.opened_at: datetime = current_clock().now()
        self.messages_in = 0
        self.messages_out = 0

    def __repr__(self) -> str:
        return f"<Wire {self.shown}: {self.ended or 'open'}>"

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._connection.is_open

    @property
    def bytes_in(self) -> int:
        """Bytes received, with the handshake and the frames' heads."""
        return self._connection.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes written, with the handshake and the frames' heads."""
        return self._connection.bytes_out

    @property
    def local_address(self) -> str:
        """The address of this machine by which the server sees it; empty if nobody knows."""
        address = self._connection.transport.get_extra_info("sockname")
        return str(address[0]) if isinstance(address, tuple) and address else ""

    @property
    def latencies(self) -> deque[tuple[float, float]]:
        """The latest 120 answers to pings: when (``time.monotonic()``), and milliseconds."""
        return self._connection.latencies

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds from the last ping to its answer; None before the first."""
        latencies = self._connection.latencies
        return latencies[-1][1] if latencies else None

    @property
    def ended(self) -> str | None:
        """Why the connection ended; None while it is open."""
        connection = self._connection
        if not connection.is_gone:
            return None
        return connection.verdict or self._scrub(_farewell(connection))

    @property
    def is_dead(self) -> bool:
        """Whether this side gave it up, for want of a sign of life."""
        return self._connection.verdict is not None

    async def send(self, text: str, *, soon: bool = False) -> None:
        """Send a text message, and wait while much is still unsent.

        It returns when the message is on its way, not when it has arrived.

        Args:
            text: The message.
            soon: Whether it may wait for others until the loop's next turn, to go with them.

        Raises:
            StateError: The connection is gone (DISTRIBUTED_CONNECTION_ERROR), or was lost while
                the message waited to be sent.
            InvalidInputError: The text holds lone surrogates, which no UTF-8 can carry.
        """
        connection = self._connection
        protocol = connection.protocol
        if protocol.state is not self._open or connection.transport.is_closing():
            raise self._gone()
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"The message holds a lone surrogate at position {error.start}.",
                where="text",
                next_step="escape it, e.g. with json.dumps(…, ensure_ascii=True)",
            ) from None
        protocol.send_text(data)
        if soon and len(data) <= _LARGE and not connection.paused:
            connection.send_soon()
        else:
            connection.send_data()
        if connection.paused:
            await connection.drain()
            if protocol.state is not self._open:
                raise self._gone()
        if connection.transport.is_closing():
            raise self._gone()
        self.messages_out += 1

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            message = await self._connection.recv()
        except self._closed:
            raise StopAsyncIteration from None
        self.messages_in += 1
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; a second call does nothing.

        What is under way is sent first, as long as it moves. When it stands still, or the server
        does not answer the goodbye, for ``close_timeout`` seconds, the connection is cut.

        Args:
            code: The WebSocket close code.
            reason: Why; cut to 123 bytes.
        """
        connection = self._connection
        if connection.is_gone:
            return
        try:
            if await self._flushed():
                async with asyncio.timeout(self._close_timeout):
                    await connection.close(code, _cut(reason))
        except TimeoutError:
            pass
        finally:
            if not connection.is_gone:
                connection.transport.abort()
                await asyncio.shield(connection.connection_lost_waiter)

    async def _flushed(self) -> bool:
        connection = self._connection
        left = connection.waiting()
        deadline = time.monotonic() + self._close_timeout
        while left and connection.is_open:
            await asyncio.sleep(_LOOK)
            now, before = time.monotonic(), left
            left = connection.waiting()
            if left < before:
                deadline = now + self._close_timeout
            elif now > deadline:
                return False
        return True

    def _gone(self) -> StateError:
        why = self.ended or "It is closing."
        return StateError(
            f"The connection to {self.shown} is gone. {why}",
            code=VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR,
            where="Wire.send",
            next_step="send it again on the next connection, if it still matters then",
        )


def _cut(reason: str) -> str:
    return reason.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")


def _farewell(connection: Connection) -> str:
    protocol = connection.protocol
    received, sent = protocol.close_rcvd, protocol.close_sent
    if received is not None and (sent is None or protocol.close_rcvd_then_sent):
        said = f"The server closed the connection ({_words(received.code, received.reason)})."
        if received.code == 1009:
            said += " A frame was larger than it takes."
        return said
    if sent is None or sent.code == 1006:
        error = connection.connection_exc
        detail = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        return f"The connection broke off without a goodbye{detail}."
    if sent.code == 1009:
        return "The server sent a message that is too large. Raise max_size if that is wanted."
    if sent.code in (1002, 1007):
        return f"The server broke the WebSocket protocol ({_words(sent.code, sent.reason)})."
    return f"It was closed from here ({_words(sent.code, sent.reason)})."


def _words(code: int, reason: str) -> str:
    return f"{code}: {reason}" if reason else str(code)
