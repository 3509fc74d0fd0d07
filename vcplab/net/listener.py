"""One loopback HTTP and WebSocket listener for the whole process, on which rooms mount.

::

    mount = await listener().amount("/plugin-callback", app, token=new_token())
    mount.url           # http://127.0.0.1:49731/plugin-callback
    mount.secret_url    # the same with the token as the first part of the path
    mount.close()

Nothing listens before the first mount. It is a door in a browser's reach, so every request is
checked before the app sees it (DESIGN, "Trust"): see `Listener.amount`.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, cast
from urllib.parse import quote

from vcplab.core.errors import InvalidInputError, MissingDependencyError, StateError
from vcplab.core.loop import blocking, on_library_loop
from vcplab.net.gate import (
    BODY_LIMIT,
    App,
    Door,
    Receive,
    Scope,
    Send,
    checked_origin,
    new_token,
    pass_in,
)
from vcplab.net.serving import Serving, load_server

__all__ = ["BODY_LIMIT", "Listener", "Mount", "listener", "new_token"]

_HOSTS = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "::1", "[::1]": "::1"}
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_TOKEN = re.compile(r"[!-.0-~]+")
_GRACE = 2.0


class Mount:
    """An app's place on a listener. Close it, or let the listener's end close it.

    Attributes:
        prefix: The path under which the app is; "/" for the root.
        url: Its address.
        token: What requests must show; None if nothing.
    """

    def __init__(self, owner: Listener, serving: Serving, door: Door, base: str) -> None:
        self._owner = owner
        self._serving = serving
        self._door = door
        self.prefix = door.prefix or "/"
        self.url = f"{base}{self.prefix}"
        self.token = door.token

    def __repr__(self) -> str:
        return f"<Mount {self.url}: {'open' if self.is_open else 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether requests reach the app."""
        return self._owner._has(self._serving, self._door)

    @property
    def secret_url(self) -> str:
        """The address with the token in it, for clients that can send no header."""
        if self.token is None:
            return self.url
        return f"{self.url.rstrip('/')}/{quote(self.token, safe='')}"

    @on_library_loop
    async def aclose(self, grace: float = _GRACE) -> None:
        """Take the app off: new requests find nothing there (404).

        WebSockets are closed with 1001. Requests under way may finish; after ``grace`` seconds they
        are cancelled, and answered with 503 where the answer has not begun. May be called again.

        Args:
            grace: Seconds that requests under way get.
        """
        await self._owner._remove(self._serving, self._door, grace)

    close = blocking(aclose)


class Listener:
    """A loopback listener; rooms share the process's own, `listener`.

    It runs on the library's loop, starts with the first mount, and ends by `close`, with the loop
    (`library_loop().close()`) or at exit; mounts end with it, and the next mount starts it anew. A
    forked child begins without mounts; the parent's go on.

    Args:
        host: "127.0.0.1", "localhost" (the same) or "::1".
        port: The port; 0 for any that is free, another one after each start.

    Raises:
        InvalidInputError: Another host than this machine's loopback, or no port.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        if host not in _HOSTS:
            raise InvalidInputError(
                f"The listener is for this machine alone, so it cannot listen on {host!r}.",
                where="host",
                next_step='Take "127.0.0.1" (or "::1").',
            )
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
            raise InvalidInputError(
                f"{port!r} is no port.", where="port", next_step="Take 0 for any that is free."
            )
        self._host = _HOSTS[host]
        self._port = port
        self._serving: Serving | None = None
        self._doors: dict[str, Door] = {}
        _register_hook()
        _listeners.add(self)

    def __repr__(self) -> str:
        return f"<Listener {self.url or 'idle'}: {len(self._current())} mounts>"

    @property
    def is_running(self) -> bool:
        """Whether it listens."""
        return self._serving is not None and not self._serving.is_over

    @property
    def port(self) -> int | None:
        """The port it listens on; None while it does not."""
        serving = self._serving
        return None if serving is None or serving.is_over else serving.port

    @property
    def url(self) -> str | None:
        """Its address, without a path; None while it does not listen."""
        port = self.port
        return None if port is None else self._base(port)

    @on_library_loop
    async def amount(
        self,
        prefix: str,
        app: App | Sequence[Any],
        *,
        token: str | None = None,
        origins: Iterable[str] = (),
        body_limit: int = BODY_LIMIT,
    ) -> Mount:
        """Put an app under a path.

        A request reaches it only if its ``Host`` is this machine with the listener's port (else
        421: a name that was rebound to 127.0.0.1 is no way in); its ``Origin``, if it has one, is
        the listener's own or in ``origins`` (else 403); it shows the token (else 401) as
        ``Authorization: Bearer …``, as ``X-VCPLab-Token`` or as the first part of the path after
        the prefix; and its body is within the limit (else 413). WebSockets are checked the same
        before they are accepted, and closed with 1009 by a message that is too large. An error in
        the app is logged, and answered with 500 and no details.

        The app sees the whole path, with the prefix (and a token in the path) as ``root_path``, as
        ASGI has it. It gets no lifespan events.

        Args:
            prefix: The path, such as "/plugin-callback"; "/" for what nothing else takes. The
                longest prefix that fits wins.
            app: An ASGI app, or a list of starlette routes.
            token: What requests must show, printable ASCII without spaces and slashes: `new_token`.
            origins: Origins of pages in browsers that are let in, such as "http://localhost:8888".
            body_limit: Bytes of a body or of a WebSocket message; at most 100 MiB for the latter.

        Raises:
            InvalidInputError: A prefix, app, token, origin or limit that is none.
            StateError: The prefix is taken, or the port is.
            MissingDependencyError: uvicorn, or starlette for routes, is not installed.
        """
        door = Door(
            _checked_prefix(prefix),
            _checked_app(app),
            _checked_token(token),
            frozenset(map(_checked_origin, origins)),
            _checked_limit(body_limit),
        )
        await asyncio.to_thread(load_server)
        serving = self._started()
        if door.prefix in self._doors:
            raise StateError(
                f"Something is mounted at {prefix!r} already.",
                where=prefix,
                next_step="Close that mount first, or take another prefix.",
            )
        self._doors[door.prefix] = door
        try:
            await asyncio.shield(serving.begun)
        except BaseException:
            self._forget_door(door)
            raise
        return Mount(self, serving, door, self._base(serving.port))

    mount = blocking(amount)

    @on_library_loop
    async def aclose(self, grace: float = _GRACE) -> None:
        """Close every mount, then stop listening; the next mount starts anew.

        Args:
            grace: Seconds that requests under way get.
        """
        serving = self._serving
        if serving is None or serving.is_over:
            return
        doors = list(self._doors.values())
        await asyncio.gather(*(self._remove(serving, door, grace) for door in doors))
        if self._serving is serving:
            self._serving = None
        await serving.aclose()

    close = blocking(aclose)

    def _started(self) -> Serving:
        # Without an await, so two rooms that mount at once start one server.
        if self._serving is None or self._serving.is_over:
            self._doors = {}
            self._serving = Serving(self._answer, self._host, self._port)
        return self._serving

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._serving is not None, "it serves"
        await pass_in(list(self._doors.values()), self._serving.port, scope, receive, send)

    async def _remove(self, serving: Serving, door: Door, grace: float) -> None:
        if serving.is_over or self._serving is not serving:
            return
        self._forget_door(door)
        await asyncio.gather(*(hang_up() for hang_up in list(door.hang_ups)))
        mine = asyncio.current_task()
        for limit in (max(0.0, grace), _GRACE):
            if tasks := {task for task in door.tasks if task is not mine}:
                _, late = await asyncio.wait(tasks, timeout=limit)
                for task in late:
                    task.cancel()

    def _forget_door(self, door: Door) -> None:
        if self._doors.get(door.prefix) is door:
            del self._doors[door.prefix]

    def _has(self, serving: Serving, door: Door) -> bool:
        return self._serving is serving and self._current().get(door.prefix) is door

    def _current(self) -> dict[str, Door]:
        return self._doors if self.is_running else {}

    def _base(self, port: int) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}"

    def _forget(self) -> None:
        """Begin anew in a forked child."""
        serving, self._serving, self._doors = self._serving, None, {}
        if serving is not None:
            serving.forget()


_listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
_lock = threading.Lock()
_own: Listener | None = None
_hooked = False


def listener() -> Listener:
    """The process's one listener."""
    global _own
    with _lock:
        if _own is None:
            _own = Listener()
        return _own


def _register_hook() -> None:
    # Not at import: a process that listens nowhere has no hook.
    global _hooked
    if not _hooked:
        _hooked = True
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for each in list(_listeners):
        each._forget()


def _checked_prefix(prefix: str) -> str:
    if prefix == "/":
        return ""
    if (
        not isinstance(prefix, str)
        or not _PREFIX.fullmatch(prefix)
        or {".", ".."}.intersection(prefix.split("/"))
    ):
        raise InvalidInputError(
            f"{prefix!r} is no prefix.",
            where="prefix",
            next_step='Write it as "/name" or "/name/more": letters, digits and . _ ~ - alone.',
        )
    return prefix


def _checked_app(app: App | Sequence[Any]) -> App:
    if callable(app):
        return app
    if not isinstance(app, Sequence) or isinstance(app, str | bytes):
        raise InvalidInputError(
            f"{type(app).__name__} is no ASGI app.",
            where="app",
            next_step="Give an async function of (scope, receive, send), or starlette routes.",
        )
    try:
        from starlette.applications import Starlette
    except ImportError as error:
        raise MissingDependencyError(
            "Mounting routes needs the package starlette.",
            where="app",
            next_step="pip install starlette, or give an ASGI app.",
        ) from error

    async def failed(request: Any, error: Exception) -> Any:
        # Starlette would answer and then raise; the gate logs first and then answers.
        raise error

    return cast(App, Starlette(routes=list(app), exception_handlers={Exception: failed}))


def _checked_token(token: str | None) -> str | None:
    if token is not None and (not isinstance(token, str) or not _TOKEN.fullmatch(token)):
        raise InvalidInputError(
            "The token is empty or holds characters that a header or path cannot (not shown).",
            where="token",
            next_step="Take new_token().",
        )
    return token


def _checked_origin(origin: str) -> str:
    plain = checked_origin(origin)
    if plain is None:
        raise InvalidInputError(
            f"{origin!r} is no origin.",
            where="origins",
            next_step='Write it as "http://localhost:8888", without a path.',
        )
    return plain


def _checked_limit(limit: int) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise InvalidInputError(
            f"{limit!r} is no number of bytes.",
            where="body_limit",
            next_step="Give a whole number of bytes.",
        )
    return limit
