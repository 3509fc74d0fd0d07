"""Servers and middle men for the tests of dialling: real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
from pathlib import Path

import psutil
from websockets.asyncio.server import serve

MIB = 2**20

# The server's own log holds the key; what tests look at is the client's.
_SILENT = logging.Logger("silent", logging.CRITICAL)


async def until(condition, within=10.0):
    """Wait for a condition."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - conditions of every kind
            await asyncio.sleep(0.005)


class Echo:
    """A WebSocket server that keeps what it gets and answers as told."""

    def __init__(self, answer=None, *, tls=None, port=0, max_size=None):
        self.answer = answer
        self.tls = tls
        self.port = port
        self.max_size = max_size
        self.got = []
        self.connections = []
        self.headers = []
        self.paths = []

    async def _handle(self, connection):
        self.connections.append(connection)
        self.headers.append(dict(connection.request.headers.raw_items()))
        self.paths.append(connection.request.path)
        with contextlib.suppress(Exception):
            async for message in connection:
                self.got.append(message)
                if self.answer is not None:
                    await self.answer(connection, message)

    async def __aenter__(self):
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            self.port,
            ssl=self.tls,
            compression=None,
            max_size=self.max_size,
            ping_interval=None,
            close_timeout=0.5,
            logger=_SILENT,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self._server.close()
        for connection in self.connections:
            connection.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self):
        return f"{'wss' if self.tls else 'ws'}://localhost:{self.port}/node/VCP_Key=key-123456"

    async def drop(self):
        """Break all connections off, without a goodbye."""
        for connection in self.connections:
            connection.transport.abort()
            await connection.wait_closed()


async def echo(connection, message):
    """Answer with the same."""
    await connection.send(message)


class Bare:
    """A TCP server that answers each connection with a function of its head."""

    def __init__(self, answer):
        self.answer = answer
        self.heads = []
        self._writers = []

    async def _handle(self, reader, writer):
        self._writers.append(writer)
        with contextlib.suppress(Exception):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            await self.answer(reader, writer, head.decode())
        writer.close()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}/node/VCP_Key=key-123456"


def status(line, headers=""):
    """An answer of a `Bare` server: one HTTP head, and the end."""

    async def answer(reader, writer, head):
        writer.write(f"HTTP/1.1 {line}\r\n{headers}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    return answer


async def destroy(reader, writer, head):
    """The answer of a main server to a bad key: none."""
    writer.transport.abort()


class Middle:
    """A TCP relay to a port that can stall, or let through so many bytes a second.

    Its own buffers are small, so that what it holds up is felt at once.
    """

    def __init__(self, port):
        self._to = port
        self._gate = asyncio.Event()
        self._gate.set()
        self.rate = None
        self._tasks = set()
        self._writers = []

    def stall(self):
        """Let nothing through any more; both sides stay connected."""
        self._gate.clear()

    def resume(self):
        self._gate.set()

    async def _handle(self, reader, writer):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._to))
        reader_to, writer_to = await asyncio.open_connection(sock=sock, limit=2**15)
        self._writers += [writer, writer_to]
        for ends in ((reader, writer_to), (reader_to, writer)):
            task = asyncio.create_task(self._pump(*ends))
            self._tasks.add(task)

    async def _pump(self, reader, writer):
        with contextlib.suppress(OSError):
            while True:
                await self._gate.wait()
                data = await reader.read(2**14)
                await self._gate.wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
                if self.rate is not None:
                    await asyncio.sleep(len(data) / self.rate)
        writer.close()

    async def __aenter__(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        sock.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._handle, sock=sock, limit=2**15)
        self.port = sock.getsockname()[1]
        return self

    async def __aexit__(self, *exc):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()


def connect_proxy(port, expected=None):
    """An answer of a `Bare` server that makes it an HTTP proxy: CONNECT, then a relay.

    Args:
        port: Where every way leads.
        expected: What Proxy-Authorization has to be.
    """

    async def pump(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def answer(reader, writer, head):
        if not head.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            writer.close()
        elif expected is not None and f"Proxy-Authorization: {expected}" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
        else:
            reader_to, writer_to = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pump(reader, writer_to), pump(reader_to, writer))

    return answer


def make_certificates(folder: Path, name: str = "localhost") -> tuple[Path, Path, Path]:
    """An authority and a certificate signed by it, with the openssl command.

    Returns:
        The authority's PEM file, the server's certificate and its key.
    """

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (folder / "ca.cnf").write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n[dn]\nCN=Test Authority\n"
        "[v3]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n"
    )
    (folder / "leaf.cnf").write_text(
        f"subjectAltName=DNS:{name}\nbasicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    authority = "req -x509 -keyout ca.key -out ca.pem -days 2 -config ca.cnf"
    request = f"req -new -keyout leaf.key -out leaf.csr -subj /CN={name}"
    sign = (
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem -days 2"
        " -extfile leaf.cnf"
    )
    openssl(*authority.split(), *curve)
    openssl(*request.split(), *curve)
    openssl(*sign.split())
    return folder / "ca.pem", folder / "leaf.pem", folder / "leaf.key"


def open_sockets() -> int:
    """How many connections and listeners this process has."""
    return len(psutil.Process().net_connections(kind="inet"))
