"""A WebSocket connection that counts its bytes and watches for signs of life.

Private: see `vcplab.net.dial`, which imports it, and with it ``websockets``, when the first
connection is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.protocol import OPEN

from vcplab.core._version import package_version

# In ping periods: with at most two looks more, a dead link is noticed within two.
_PATIENCE = 1.75
_LOOKS = 32
_LONGEST_LOOK = 0.625
_LATENCIES = 120
# The frames come faster than they are read only for moments: readers start tasks.
_MAX_QUEUE = 128
_WRITE_LIMIT = 2**17
# What the system may hold unsent: with more, bytes that it took would say nothing about the peer.
_UNSENT = 2**17
_TCP_NOTSENT_LOWAT = getattr(
    socket, "TCP_NOTSENT_LOWAT", 25 if hasattr(socket, "TCP_QUICKACK") else None
)


class Connection(ClientConnection):
    """A client connection that knows when the other side is gone.

    Attributes:
        bytes_in: Bytes received, with the handshake.
        bytes_out: Bytes written, with the handshake.
        verdict: Why this side gave the connection up; None if it did not.
        latencies: The latest 120 answers to pings: when (monotonic), and milliseconds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bytes_in = 0
        self.bytes_out = 0
        self.verdict: str | None = None
        self.latencies: deque[tuple[float, float]] = deque(maxlen=_LATENCIES)
        self._period = 0.0
        self._interval = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._flush: asyncio.Handle | None = None
        self._ping: tuple[bytes, float] | None = None
        self._pings = 0
        self._next_ping = 0.0
        self._closing_at: float | None = None
        # At the last look: bytes in, bytes out, bytes waiting.
        self._seen = (0, 0, 0)
        self._looked_at = 0.0
        # Seconds in which this loop was able to look, and how many of them until a sign of life.
        self._watched = 0.0
        self._alive_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent."""
        return self.protocol.state is OPEN and not self.transport.is_closing()

    @property
    def is_gone(self) -> bool:
        """Whether the transport is closed, so that nothing more will come."""
        return self.connection_lost_waiter.done()

    def waiting(self) -> int:
        """Bytes that are written but not yet taken by the system."""
        transport: Any = self.transport
        size = 0
        while transport is not None:
            size += transport.get_write_buffer_size()
            # A TLS transport hands all it has to the one below, whose buffer it does not count.
            transport = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
        return size

    def watch(self, period: float) -> None:
        """Begin to send pings, one each ``period`` seconds, and to look for signs of life."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and _TCP_NOTSENT_LOWAT is not None:
            # Without it, slow uplinks are judged by what the system's own buffer takes.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _UNSENT)
        self._period = period
        self._interval = min(period / _LOOKS, _LONGEST_LOOK)
        self._seen = (self.bytes_in, self.bytes_out, self.waiting())
        self._looked_at = self._next_ping = time.monotonic()
        self._look()

    def give_up(self, verdict: str) -> None:
        """Cut the connection without a goodbye, and say why."""
        if self.verdict is None and not self.is_gone:
            self.verdict = verdict
        self.transport.abort()

    def _look(self) -> None:
        self._watch = None
        if self.is_gone:
            return
        now = time.monotonic()
        # A look that comes late was held up by our own loop; nothing the peer could have sent in
        # that time has been read yet, so it counts little, however often that happens.
        self._watched += min(now - self._looked_at, 2 * self._interval)
        self._looked_at = now
        before_in, before_out, before_waiting = self._seen
        waiting = self.waiting()
        self._seen = (self.bytes_in, self.bytes_out, waiting)
        left = (self.bytes_out - before_out) - (waiting - before_waiting)
        # What leaves an empty buffer only shows that the system has room; what leaves a full one
        # shows that the peer takes something.
        if self.bytes_in > before_in or (before_waiting > 0 and left > 0):
            self._alive_at = self._watched
        elif self.recv_messages.paused and waiting == 0:
            self._alive_at = self._watched  # it is we who do not read
        quiet = self._watched - self._alive_at
        if quiet > _PATIENCE * self._period:
            self.give_up(
                f"The connection is dead: for {quiet:.1f} s nothing came and nothing got through."
            )
            return
        if self.protocol.state is not OPEN:
            if self._closing_at is None:
                self._closing_at = self._watched
            elif (
                self.close_timeout is not None
                and self._watched - self._closing_at > self.close_timeout
            ):
                self.transport.abort()  # after both goodbyes, the server has not hung up
                return
        elif now >= self._next_ping and self._ping is None:
            self._next_ping = now + self._period
            self._send_ping(now)
        self._watch = self.loop.call_later(self._interval, self._look)

    def _send_ping(self, now: float) -> None:
        self._pings += 1
        name = self._pings.to_bytes(8, "big")
        self._ping = (name, now)
        self.protocol.send_ping(name)
        self.send_data()

    def acknowledge_pings(self, data: bytes) -> None:
        """Take a pong; called for each that arrives."""
        if self._ping is not None and self._ping[0] == data:
            now = time.monotonic()
            self.latencies.append((now, (now - self._ping[1]) * 1000.0))
            self._ping = None
        super().acknowledge_pings(data)

    def data_received(self, data: bytes) -> None:
        """Take bytes; called by the transport."""
        self.bytes_in += len(data)
        super().data_received(data)

    def send_data(self) -> None:
        """Write what the protocol has to send; the base class's, but counted, and in one piece."""
        transport = self.transport
        waiting = self.protocol.data_to_send()
        data = b"".join(waiting)
        if data and not transport.is_closing():  # else nobody is there to read it
            self.bytes_out += len(data)
            transport.write(data)
        if waiting and not waiting[-1]:  # the end of the stream
            if transport.can_write_eof():
                with contextlib.suppress(OSError, RuntimeError):  # it is closing in any case
                    transport.write_eof()
            else:
                transport.close()

    def send_soon(self) -> None:
        """Write what the protocol has to send, with all that is sent until the loop's next turn.

        Each write is a system call that gives up the GIL, and may get it back late.
        """
        if self._flush is None:
            self._flush = self.loop.call_soon(self._send_now)

    def _send_now(self) -> None:
        self._flush = None
        self.send_data()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the watch; called by the transport."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """A logger for websockets that never prints frames or request lines: the key is in the path."""

    def __init__(self, logger: logging.Logger, scrub: Callable[[str], str]) -> None:
        super().__init__(logger, {})
        self._scrub = scrub

    def isEnabledFor(self, level: int) -> bool:
        return level >= logging.WARNING and self.logger.isEnabledFor(level)

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return self._scrub(str(msg)), kwargs


class _Connect(connect):
    """Follows no redirect: a server that has moved is told about, not silently believed."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_connection(
    url: str,
    *,
    proxy: str | None,
    tls: ssl.SSLContext | None,
    headers: Mapping[str, str],
    open_timeout: float,
    close_timeout: float,
    max_size: int,
    logger: logging.Logger,
    scrub: Callable[[str], str],
) -> Connection:
    """Open a connection: TCP, a proxy, TLS, the handshake.

    Raises:
        OSError, TimeoutError, ssl.SSLError, WebSocketException, ImportError: As they come;
            `vcplab.net._failures.explain` turns them into words.
    """
    more: dict[str, Any] = {}
    if tls is not None and url.startswith("wss:"):
        more["ssl"] = tls
    if tls is not None and proxy is not None and proxy.startswith("https:"):
        more["proxy_ssl"] = tls
    connection = await _Connect(
        url,
        compression=None,
        additional_headers=dict(headers),
        user_agent_header=f"vcplab/{package_version()}",
        proxy=proxy,
        open_timeout=open_timeout,
        ping_interval=None,
        ping_timeout=None,
        close_timeout=close_timeout,
        max_size=max_size,
        max_queue=_MAX_QUEUE,
        write_limit=_WRITE_LIMIT,
        logger=_Quiet(logger, scrub),
        create_connection=Connection,
        **more,
    )
    assert isinstance(connection, Connection)
    return connection
