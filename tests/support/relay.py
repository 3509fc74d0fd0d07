"""A TCP relay whose connections are stalled, slowed down and cut one by one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any


class Way:
    """One connection through the proxy; what it holds up neither side is told."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.rate: float | None = None  # bytes a second, each way
        self._due = [0.0, 0.0]
        self.passed = [0, 0]  # bytes to the server, and from it
        self.writers: list[asyncio.StreamWriter] = []

    def stall(self) -> None:
        """Let nothing through any more."""
        self.open.clear()

    async def pace(self, number: int, size: int) -> None:
        """Wait as long as so many bytes take."""
        if self.rate is not None:
            now = asyncio.get_running_loop().time()
            self._due[number] = max(self._due[number], now) + size / self.rate
            await asyncio.sleep(self._due[number] - now)

    def tell_server(self) -> None:
        """Break off the server's half, as when its own system finds out at last."""
        self.writers[1].transport.abort()


class Relay:
    """A TCP relay to a port of this machine.

    Args:
        port: The port.
        host: Where it listens.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.ways: list[Way] = []
        self._to = port
        self._host = host
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._coming: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(
            self._come, sock=_small_socket(self._host), limit=2**16
        )
        self.url = f"ws://{self._host}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await asyncio.gather(*self._coming, return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._coming.add(me)
        me.add_done_callback(self._coming.discard)
        self._writers.append(writer)
        way = Way()
        sock = _small_socket()
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._to))
            reader_to, writer_to = await asyncio.open_connection(sock=sock, limit=2**16)
            self._writers.append(writer_to)
            way.writers = [writer, writer_to]
            self.ways.append(way)
            for number, ends in enumerate(((reader, writer_to), (reader_to, writer))):
                self._tasks.append(asyncio.create_task(self._pump(way, number, *ends)))
            return
        sock.close()
        writer.transport.abort()

    async def _pump(
        self, way: Way, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                await way.open.wait()
                writer.write(data)
                await writer.drain()
                way.passed[number] += len(data)
                await way.pace(number, len(data))
                await way.open.wait()
        await way.open.wait()
        writer.close()


def _small_socket(host: str | None = None) -> socket.socket:
    """A socket with small buffers, so that what stands still is felt at once."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
    if host is not None:
        sock.bind((host, 0))
    sock.setblocking(False)
    return sock
