"""What a request must show before a mounted app sees it: Host, Origin, token, size."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "BODY_LIMIT",
    "App",
    "Door",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "checked_origin",
    "new_token",
    "pass_in",
]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT = 100 * 2**20
"""Bytes of a request's body or of one WebSocket message, where a mount sets no other limit; what
VCPToolBox takes as well (facts/vcp-protocol §4.1)."""

_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_LINGER_BYTES = 8 * 2**20
_LINGER_SECONDS = 2.0

_logger = logging.getLogger("vcplab.net")


def new_token() -> str:
    """A token that nobody guesses (192 bits), fit for headers and paths."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class Door:
    """Who is let in to one mount.

    Attributes:
        prefix: The mount's path; "" for the root.
        app: What answers.
        token: What a request must show; None if nothing.
        origins: Origins besides the listener's own that a browser's page may have.
        body_limit: Bytes of a body or message.
        tasks: The requests under way.
        hang_ups: What ends the WebSockets under way.
    """

    prefix: str
    app: App
    token: str | None = field(repr=False)
    origins: frozenset[str]
    body_limit: int
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    hang_ups: set[Callable[[], Awaitable[None]]] = field(default_factory=set)


class _Refusal(Exception):
    def __init__(
        self, status: int, code: str, message: str, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = [*headers]


async def pass_in(
    doors: Iterable[Door], port: int, scope: Scope, receive: Receive, send: Send
) -> None:
    """Check a request, hand it to the app whose prefix it has, and answer for what fails.

    In this order: the Host is this machine and port (421; a page of a rebound name is stopped
    here), something is mounted there (404), the Origin, if any, is known (403), the token is right
    (401), the body is not too large (413). An error in the app becomes 500 without a traceback.
    """
    reply = _Reply(scope, send)
    try:
        _check_host(scope, port)
        door = _door(doors, scope)
        _check_origin(scope, port, door)
        inner = _check_token(scope, door)
        if scope["type"] == "http":
            _check_length(scope, door.body_limit)
    except _Refusal as refusal:
        await reply.refuse(refusal, linger=receive)
        return
    task = asyncio.current_task()
    assert task is not None, "an app runs in a task"
    door.tasks.add(task)
    door.hang_ups.add(reply.hang_up)
    taken = _Body(door.body_limit, reply, receive)
    try:
        await door.app(inner, taken.receive, reply.send)
    except asyncio.CancelledError:
        # The mount or the loop is being closed: whoever asked is told.
        await reply.refuse(_Refusal(503, "CLOSING", "This service is being closed."))
    except Exception:
        if not taken.is_over and not reply.is_gone:
            _logger.exception("A request to %s failed.", door.prefix or "/")
        await reply.refuse(_Refusal(500, "INTERNAL_ERROR", "The service failed; see its log."))
    else:
        if reply.has_begun:
            await reply.hang_up(1000)
        elif not taken.is_over and not reply.is_gone:
            _logger.error("The app at %s returned without an answer.", door.prefix or "/")
            await reply.refuse(_Refusal(500, "INTERNAL_ERROR", "The service gave no answer."))
    finally:
        door.tasks.discard(task)
        door.hang_ups.discard(reply.hang_up)


# --- the checks


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _check_host(scope: Scope, port: int) -> None:
    hosts = [host.strip().lower() for host in _header(scope, b"host")]
    allowed = {f"{host}:{port}" for host in _HOSTS} | (set(_HOSTS) if port == 80 else set())
    if len(hosts) != 1 or hosts[0] not in allowed:
        raise _Refusal(421, "WRONG_HOST", "The Host header names another host than this one.")


def _door(doors: Iterable[Door], scope: Scope) -> Door:
    path: str = scope["path"]
    found = [door for door in doors if path == door.prefix or path.startswith(f"{door.prefix}/")]
    if not found:
        raise _Refusal(404, "NOT_FOUND", "Nothing is mounted there.")
    return max(found, key=lambda door: len(door.prefix))


def _check_origin(scope: Scope, port: int, door: Door) -> None:
    origins = [origin.strip() for origin in _header(scope, b"origin")]
    if not origins:
        return
    if len(origins) == 1:
        origin = origins[0].lower()
        own = {f"http://{host}:{port}" for host in _HOSTS}
        if port == 80:
            own |= {f"http://{host}" for host in _HOSTS}
        if origin in own or origin in door.origins:
            return
    raise _Refusal(403, "WRONG_ORIGIN", "Pages of that origin are not let in.")


def _check_token(scope: Scope, door: Door) -> Scope:
    """The scope for the app, whose own path begins after the prefix and a token in the path."""
    inner = dict(scope)
    inner["root_path"] = door.prefix
    if door.token is None:
        return inner
    rest: str = scope["path"][len(door.prefix) :]
    first = rest[1:].partition("/")[0]
    shown = [*_header(scope, b"x-vcplab-token")]
    for value in _header(scope, b"authorization"):
        scheme, _, credentials = value.partition(" ")
        if scheme.lower() == "bearer":
            shown.append(credentials.strip())
    in_path = _is_same(first, door.token)
    # All of them, whatever the first says: the time that it takes tells nothing.
    in_header = True in [_is_same(value, door.token) for value in shown]
    if in_path:
        inner["root_path"] = f"{door.prefix}/{first}"
    elif not in_header:
        raise _Refusal(
            401,
            "WRONG_TOKEN",
            "A valid token is missing.",
            [(b"www-authenticate", b"Bearer")],
        )
    return inner


def _is_same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode("utf-8"))


def _check_length(scope: Scope, limit: int) -> None:
    for value in _header(scope, b"content-length"):
        if value.isascii() and value.isdigit() and int(value[:20]) > limit:
            raise _too_large(limit)


def _too_large(limit: int) -> _Refusal:
    return _Refusal(413, "TOO_LARGE", f"The body is larger than {limit:,} bytes.")


def checked_origin(origin: str) -> str | None:
    """An origin as browsers write it; None if it is none."""
    try:
        parts = urlsplit(origin.lower())
        parts.port  # noqa: B018  (raises for a port that is no number)
    except ValueError:
        return None
    plain = f"{parts.scheme}://{parts.netloc}"
    if not parts.scheme or not parts.hostname or "@" in parts.netloc or plain != origin.lower():
        return None
    return plain


# --- what goes in and out


class _Body:
    """What an app receives, counted as it comes."""

    def __init__(self, limit: int, reply: _Reply, receive: Receive) -> None:
        self._limit = limit
        self._reply = reply
        self._receive = receive
        self._size = 0
        self.is_over = False

    async def receive(self) -> Message:
        """The next message; a disconnection once the limit has been passed."""
        if self.is_over:
            return self._gone()
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
        elif message["type"] == "websocket.receive":
            text, data = message.get("text"), message.get("bytes")
            self._size = len(data or b"") if text is None else len(text.encode("utf-8"))
        elif message["type"] in ("http.disconnect", "websocket.disconnect"):
            self._reply.is_gone = True
        if self._size > self._limit:
            self.is_over = True
            if self._reply.is_websocket:
                await self._reply.hang_up(1009)
            else:
                await self._reply.refuse(_too_large(self._limit), linger=self._receive)
            return self._gone()
        return message

    def _gone(self) -> Message:
        if self._reply.is_websocket:
            return {"type": "websocket.disconnect", "code": 1009, "reason": ""}
        return {"type": "http.disconnect"}


class _Reply:
    """What an app sends; after our own answer has gone out, nothing of the app's follows."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.is_websocket = scope["type"] == "websocket"
        self._can_answer = "websocket.http.response" in (scope.get("extensions") or {})
        self._send = send
        self._ended = False
        self.has_begun = False
        self.is_gone = False

    async def send(self, message: Message) -> None:
        """Hand on what the app sends."""
        if self._ended:
            return
        self.has_begun = True
        if message["type"] == "websocket.close":
            self._ended = True
        await self._send(message)

    async def hang_up(self, code: int = 1001) -> None:
        """Close a WebSocket (1001: the service goes away); an HTTP answer is left alone."""
        if self.is_websocket and not self._ended:
            self._ended = self.has_begun = True
            if self.is_gone:
                return
            await self._send({"type": "websocket.close", "code": code, "reason": ""})

    async def refuse(self, refusal: _Refusal, *, linger: Receive | None = None) -> None:
        """Answer in place of the app, if nothing has been answered yet."""
        if self._ended or self.is_gone:
            return
        if self.has_begun:
            # The server ends the connection, so that half an answer is not taken for a whole one.
            await self.hang_up(1011)
            self._ended = True
            return
        self._ended = self.has_begun = True
        if self.is_websocket and not self._can_answer:
            await self._send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        kind = "websocket.http.response" if self.is_websocket else "http.response"
        body = json.dumps({"error": {"code": refusal.code, "message": str(refusal)}}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *refusal.headers,
        ]
        await self._send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
        if linger is None or self.is_websocket:
            await self._send({"type": f"{kind}.body", "body": body, "more_body": False})
            return
        await self._send({"type": f"{kind}.body", "body": body, "more_body": True})
        # Whoever is still sending would see a broken connection instead of the answer.
        await _drain(linger)
        await self._send({"type": f"{kind}.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    left = _LINGER_BYTES
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return
