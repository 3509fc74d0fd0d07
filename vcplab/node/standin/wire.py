"""One TCP connection of the stand-in server: an HTTP head, then a WebSocket or one answer.

It reads the head itself, because VCPToolBox destroys a socket without any answer when the key is
wrong (facts/vcp-protocol §4.1), which no WebSocket library offers. No task and no queue per
connection: what came is handed on from the transport's own callback.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

__all__ = ["Host", "Request", "Verdict", "Wire"]

Verdict: TypeAlias = Literal["accept", "destroy", "hold"]

_HEAD_END = b"\r\n\r\n"
_LONGEST_HEAD = 64 * 1024
_LARGEST_BODY = 100 * 2**20
_CLOSING_PATIENCE = 2.0
_INVALID_TEXT = 1007
# Opcodes of RFC 6455; the library's own would have to be imported with this module.
_CONTINUATION, _TEXT, _BINARY, _PONG = 0, 1, 2, 10
# Registered nowhere and silent: the library's own would write the key, which is in the path.
_SILENT = logging.Logger("vcplab.node.standin", logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request that is no WebSocket.

    Attributes:
        method: ``GET``, ``POST``, ….
        target: Path and query, as they came.
        headers: By lower-case name; of one given twice the last.
        body: What follows the head.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Host(Protocol):
    """Who owns connections and gets what they read."""

    max_size: int

    def made(self, wire: Wire) -> None:
        """A TCP connection stands."""

    def upgrade(self, wire: Wire, target: str) -> Verdict:
        """May this path become a WebSocket?"""

    def opened(self, wire: Wire) -> None:
        """It has become one."""

    def heard(self, wire: Wire, data: str | bytes) -> None:
        """A message came."""

    def asked(self, wire: Wire, request: Request) -> None:
        """An HTTP request came; `Wire.respond` answers it."""

    def lost(self, wire: Wire) -> None:
        """The TCP connection is gone."""


class Wire(asyncio.Protocol):
    """A connection.

    Attributes:
        peer: What its owner keeps with it once it is a WebSocket.
        alive: Whether a pong came since this was last set to false.
    """

    def __init__(self, host: Host) -> None:
        self.peer: Any = None
        self.alive = True
        self._host = host
        self._transport: asyncio.Transport
        self._socket: ServerProtocol | None = None
        self._data = bytearray()  # a head that is not whole yet, or what came while stalled
        self._body: tuple[Request, int] | None = None
        self._parts: list[Any] = []
        self._parts_are_text = False
        self._held: list[bytes] | None = None  # what is not written; None while nothing is stalled
        self._closing: asyncio.TimerHandle | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._host.made(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        socket = self._socket
        if socket is not None and self._held is None:
            socket.receive_data(data)
            self._deliver(socket)
            return
        self._data += data
        if self._held is None:
            self._read_head()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the owner."""
        if self._closing is not None:
            self._closing.cancel()
        self._host.lost(self)

    # What the owner calls

    @property
    def is_open(self) -> bool:
        """Whether a WebSocket message can be sent."""
        # `state` is an enum whose OPEN is 1; looked up by name only once in `_accept`.
        socket = self._socket
        return socket is not None and socket.state is self._open and not self._is_closing()

    def send(self, data: bytes, *, binary: bool) -> bool:
        """Send a message; false if the WebSocket is not open."""
        socket = self._socket
        if socket is None or socket.state is not self._open or self._is_closing():
            return False
        if binary:
            socket.send_binary(data)
        else:
            socket.send_text(data)
        self._flush(socket)
        return True

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        if self.is_open:
            assert self._socket is not None
            self._socket.send_ping(b"")
            self._flush(self._socket)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and close; a connection that is no WebSocket is just closed."""
        if self.is_open:
            assert self._socket is not None
            self._socket.send_close(code, reason)
            self._flush(self._socket)
        if self._held is not None:
            self._transport.abort()
        else:
            self._transport.close()
            self._abort_later()

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._transport.abort()

    def stall(self, on: bool) -> None:
        """Neither read nor write any more, as if the network were gone; or go on."""
        if on and self._held is None:
            self._held = []
            self._transport.pause_reading()
        elif not on and self._held is not None:
            held, self._held = self._held, None
            for chunk in held:
                self._write(chunk)
            self._transport.resume_reading()
            data, self._data = bytes(self._data), bytearray()
            if data:
                self.data_received(data)

    def respond(self, status: int, body: bytes, kind: str = "application/json") -> None:
        """Answer an HTTP request and close."""
        from http import HTTPStatus

        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"Content-Type: {kind}; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        if not self._is_closing():
            self._transport.write(head.encode("latin-1") + body)
            self._transport.close()

    # The head

    def _read_head(self) -> None:
        if self._body is not None:
            self._read_body()
            return
        end = self._data.find(_HEAD_END)
        if end < 0:
            if len(self._data) > _LONGEST_HEAD:
                self.abort()
            return
        lines = self._data[:end].decode("latin-1").split("\r\n")
        first = lines[0].split(" ")
        if len(first) != 3:
            self.abort()
            return
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("upgrade", "").lower() == "websocket":
            match self._host.upgrade(self, first[1]):
                case "accept":
                    self._accept(end + len(_HEAD_END))
                case "destroy":
                    self.abort()
                case "hold":
                    self.stall(True)
            return
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
            self.respond(411, b'{"error": "Content-Length required."}')
        elif int(length) > _LARGEST_BODY:
            self.respond(413, b'{"error": "The body is too large."}')
        else:
            del self._data[: end + len(_HEAD_END)]
            if headers.get("expect", "").lower() == "100-continue":
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._body = (Request(first[0], first[1], headers, b""), int(length))
            self._read_body()

    def _read_body(self) -> None:
        assert self._body is not None
        request, length = self._body
        if len(self._data) >= length:
            body = bytes(self._data[:length])
            self._data.clear()
            self._body = (request, 2 * _LARGEST_BODY)  # one request for a connection
            self._host.asked(self, Request(request.method, request.target, request.headers, body))

    # The WebSocket

    def _accept(self, head: int) -> None:
        from websockets.protocol import OPEN
        from websockets.server import ServerProtocol

        socket = ServerProtocol(max_size=self._host.max_size, logger=_SILENT)
        socket.receive_data(bytes(self._data[:head]))
        events = socket.events_received()
        if not events:  # a head that the library cannot read
            self.abort()
            return
        socket.send_response(socket.accept(events[0]))  # type: ignore[arg-type]
        rest, self._data = bytes(self._data[head:]), bytearray()
        self._socket, self._open = socket, OPEN
        self._flush(socket)
        if socket.state is OPEN:
            self._host.opened(self)
            if rest:
                self.data_received(rest)

    def _deliver(self, socket: ServerProtocol) -> None:
        for frame in socket.events_received():
            opcode: int = frame.opcode  # type: ignore[union-attr]
            if opcode <= _BINARY:
                self._take(socket, frame, opcode)
            elif opcode == _PONG:
                self.alive = True
        self._flush(socket)

    def _take(self, socket: ServerProtocol, frame: Any, opcode: int) -> None:
        if frame.fin and not self._parts:
            is_text, data = opcode == _TEXT, frame.data
        else:
            if opcode != _CONTINUATION:
                self._parts_are_text = opcode == _TEXT
            self._parts.append(frame.data)
            if not frame.fin:
                return
            is_text, data = self._parts_are_text, b"".join(self._parts)
            self._parts = []
        if not is_text:
            self._host.heard(self, bytes(data))
            return
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            socket.fail(_INVALID_TEXT, "invalid UTF-8")
            return
        self._host.heard(self, text)

    def _flush(self, socket: ServerProtocol) -> None:
        for chunk in socket.data_to_send():
            if self._held is not None:
                self._held.append(chunk)
            else:
                self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        if self._is_closing():
            return
        if chunk:
            self._transport.write(chunk)
            return
        # The end of what we say. The peer may still be sending: what it sends is read and thrown
        # away, or the reset would overtake our close frame.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._abort_later()

    def _abort_later(self) -> None:
        if self._closing is None:
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(_CLOSING_PATIENCE, self._transport.abort)

    def _is_closing(self) -> bool:
        return self._transport.is_closing()
