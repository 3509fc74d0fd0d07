"""One uvicorn server on the library's loop, from its socket to its last connection."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import socket
import sys
from contextlib import suppress
from typing import Any

from vcplab.core._leak import leak
from vcplab.core.errors import MissingDependencyError, StateError
from vcplab.net.gate import BODY_LIMIT, App

__all__ = ["Serving", "load_server"]

_CLOSING_SECONDS = 0.5

_wire = logging.getLogger("vcplab.net.wire")
"""What the server itself says about connections; of interest to whoever sets it to DEBUG."""


class Serving:
    """A listening socket and what serves it.

    Made and used on the library's loop alone, after `load_server`. Connections are taken
    from the moment it is made; they wait until `begun` is done.

    Args:
        app: What answers everything.
        host: "127.0.0.1" or "::1".
        port: The port; 0 for any that is free.

    Raises:
        StateError: The port is taken.
    """

    def __init__(self, app: App, host: str, port: int) -> None:
        self._server = _server(app)
        self.socket = _listening(host, port)
        self.port: int = self.socket.getsockname()[1]
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.begun: asyncio.Future[None] = self.loop.create_future()
        # In a context of its own: a request has nothing of the cell that happened to mount first.
        self._task = self.loop.create_task(self._serve(), context=contextvars.Context())

    @property
    def is_over(self) -> bool:
        """Whether nobody is served any more (it was closed, or its loop was)."""
        return self._task.done() or self.loop.is_closed() or self._stop.is_set()

    async def aclose(self) -> None:
        """Stop listening, and end the connections that are open."""
        self._stop.set()
        await asyncio.wait({self._task})

    async def _serve(self) -> None:
        try:
            await self._server.startup(sockets=[self.socket])
            await self._server.on_tick(0)
            self.begun.set_result(None)
            await self._stop.wait()
        except BaseException as error:
            if not self.begun.done():
                self.begun.set_exception(_failed(error))
                self.begun.exception()  # or asyncio complains where nobody waits for it
            raise
        finally:
            await self._end()

    async def _end(self) -> None:
        for server in getattr(self._server, "servers", ()):
            server.close()
        self.socket.close()
        state = self._server.server_state
        for connection in list(state.connections):
            with suppress(Exception):  # its client may be gone in any state
                connection.shutdown()
        deadline = self.loop.time() + _CLOSING_SECONDS
        # uvicorn tells nobody when a connection has gone.
        while state.connections and self.loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        for connection in list(state.connections):
            connection.transport.abort()
        # Aborted connections, and the tasks that were started for them, end in the next steps.
        deadline += _CLOSING_SECONDS
        while state.connections and self.loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def forget(self) -> None:
        """Let go of the sockets in a forked child, whose parent goes on using them."""
        leak(self)
        with suppress(OSError):
            self.socket.close()
        for connection in list(self._server.server_state.connections):
            # Not by its transport, which would unregister it from the parent's selector.
            with suppress(OSError, AttributeError):
                os.close(connection.transport.get_extra_info("socket").fileno())


def _failed(error: BaseException) -> StateError:
    return StateError(
        f"The listener could not start: {error or type(error).__name__}.",
        where="vcplab.net",
        next_step="Mount again; if it persists, look at the log.",
    )


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let another program take the same port.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise StateError(
            f"The listener cannot have {host}:{port}: {error.strerror or error}.",
            where=f"{host}:{port}",
            next_step="Take port 0 for any that is free, or end the program that holds this one.",
        ) from error
    return listening


def load_server() -> None:
    """Import what serves: half a second the first time, so not on the loop's thread.

    Raises:
        MissingDependencyError: uvicorn is not installed.
    """
    try:
        import uvicorn  # noqa: F401
        from uvicorn.lifespan import off  # noqa: F401
        from uvicorn.protocols.http import h11_impl  # noqa: F401
        from uvicorn.protocols.websockets import auto  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "The listener needs the package uvicorn.",
            where="vcplab.net",
            next_step="pip install uvicorn websockets starlette.",
        ) from error


def _server(app: App) -> Any:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=_quiet(H11Protocol),  # one implementation, whatever else is installed
        ws=_quiet(AutoWebSocketsProtocol) if AutoWebSocketsProtocol is not None else "none",
        ws_max_size=BODY_LIMIT,
        ws_per_message_deflate=False,  # costs more than it saves on one machine
        lifespan="off",
        log_config=None,
        proxy_headers=False,  # nobody on this machine may say that he is somebody else
        server_header=False,
        date_header=False,  # would have to be renewed every second
        workers=1,  # or WEB_CONCURRENCY is read
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server


def _quiet(protocol: Any) -> Any:
    """The protocol without access log, its messages in our log instead of uvicorn's.

    Settings of uvicorn's would do it for the whole process, servers of the user's included; and
    its messages hold paths, which may hold tokens.
    """
    if _only_debugging not in _wire.filters:
        _wire.addFilter(_only_debugging)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        protocol.__init__(self, *args, **kwargs)
        self.access_log = False
        self.logger = _wire

    return type(f"Quiet{protocol.__name__}", (protocol,), {"__init__": __init__})


def _only_debugging(record: logging.LogRecord) -> bool:
    return _wire.isEnabledFor(logging.DEBUG)
