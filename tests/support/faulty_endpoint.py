"""A chat endpoint on a real socket whose every byte and every silence the test decides.

Raw asyncio, in a thread of its own: no HTTP library stands between a fault and the client.

::

    with FaultyEndpoint() as server:
        server.then(status(500), status(500), says("fine"))
        OpenAIChat("m", base_url=server.url).ask("…")
        assert len(server.requests) == 3

A behaviour is ``async def behave(exchange)``. The last one given answers all further requests.
Behaviours are plain functions of this module, so that ``python faulty_endpoint.py`` can serve as
the benchmark's endpoint in another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: threading.Event = field(default_factory=threading.Event)
    begun: bool = False

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, code: int, content: object, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines = {"content-type": "application/json", "content-length": str(len(data))}
        lines.update({name.replace("_", "-"): value for name, value in headers.items()})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.raw(f"HTTP/1.1 {code} X\r\n{head}\r\n".encode() + data)

    async def stream(self, *events: object) -> None:
        """Send events: objects as ``data:`` lines, bytes as they are."""
        if not self.begun:
            self.begun = True
            await self.raw(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                b"transfer-encoding: chunked\r\n\r\n"
            )
        for event in events:
            data = event if isinstance(event, bytes) else b"data: " + _json(event) + b"\n\n"
            await self.raw(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def end(self, *events: object) -> None:
        """Send events, and end the stream well."""
        await self.stream(*events)
        await self.raw(b"0\r\n\r\n")

    async def drop(self) -> None:
        """Break the connection."""
        self.writer.transport.abort()

    async def wait_gone(self) -> None:
        """Wait until the client has closed the connection, and note it."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1024):
                pass
        self.gone.set()


Behaviour = Callable[[Exchange], Awaitable[None]]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk as OpenAI writes it; ``more`` goes into the delta."""
    delta = {**({} if text is None else {"content": text}), **more}
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "served",
        "choices": [choice],
    }


def usage(**counts: Any) -> dict[str, Any]:
    """The extra last chunk of dialect 1: no choices."""
    return {**chunk(), "choices": [], "usage": {**USAGE, **counts}}


def says(*texts: str) -> Behaviour:
    """Streams these texts as OpenAI does, usage in an extra chunk if asked for."""

    async def behave(exchange: Exchange) -> None:
        wanted = (exchange.body.get("stream_options") or {}).get("include_usage")
        tail = [usage(), DONE] if wanted else [DONE]
        await exchange.end(chunk(role="assistant"), *map(chunk, texts), chunk(finish="stop"), *tail)

    return behave


def sends(*events: object) -> Behaviour:
    """Streams exactly these events, and ends the stream well."""

    async def behave(exchange: Exchange) -> None:
        await exchange.end(*events)

    return behave


def breaks_after(*events: object) -> Behaviour:
    """Streams these events, then breaks the connection."""

    async def behave(exchange: Exchange) -> None:
        if events:
            await exchange.stream(*events)
        await exchange.drop()

    return behave


def hangs_after(*events: object) -> Behaviour:
    """Streams these events, then says nothing until the client goes."""

    async def behave(exchange: Exchange) -> None:
        if events:
            await exchange.stream(*events)
        await exchange.wait_gone()

    return behave


def status(code: int, content: object = b"", **headers: str) -> Behaviour:
    """Answers with a status."""

    async def behave(exchange: Exchange) -> None:
        await exchange.reply(code, content, **headers)

    return behave


class FaultyEndpoint:
    """The server. Entered, it listens; left, it and all its connections are gone."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.requests: list[Exchange] = []
        self.host = host
        self.port = 0
        self.together = 0
        self.most_together = 0
        self._behaviours: list[Behaviour] = [says("hello")]
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    @property
    def bodies(self) -> list[Any]:
        return [exchange.body for exchange in self.requests if exchange.method == "POST"]

    def then(self, *behaviours: Behaviour) -> FaultyEndpoint:
        """What the next requests meet; the last one also all further ones."""
        self._behaviours = list(behaviours)
        return self

    def __enter__(self) -> FaultyEndpoint:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._loop.close()

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._connected, self.host, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went
        except asyncio.CancelledError:
            pass  # the end of the test
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        body = json.loads(content) if content else None
        exchange = Exchange(method, path, headers, body, reader, writer)
        self.requests.append(exchange)
        behave = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        try:
            await behave(exchange)
        except ConnectionError:
            exchange.gone.set()
        finally:
            self.together -= 1
        return not writer.is_closing()


def main() -> None:
    """Serve as many chunks as the request's ``max_tokens`` says, until standard input ends."""

    async def behave(exchange: Exchange) -> None:
        events = [chunk("word ")] * exchange.body["max_tokens"]
        frames = [b"data: " + _json(event) + b"\n\n" for event in events]
        await exchange.stream(chunk(role="assistant"))
        for frame in frames:  # a write for each, as a model writes them
            await exchange.stream(frame)
        await exchange.end(chunk(finish="stop"), usage(), DONE)

    with FaultyEndpoint().then(behave) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
