"""The sidecar: a relay process between the kernel and one main server.

A C call that holds the GIL stops all of Python, so the kernel cannot answer pings; a server that is
not patient drops it, and with it its tools. The sidecar has an interpreter of its own: it answers
the pings, and keeps what the server says until the kernel can read it.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import Any, Final

from vcplab.core.errors import VCPError
from vcplab.core.loop import to_worker
from vcplab.net.dial import DialOptions
from vcplab.node.address import ServerAddress
from vcplab.node.child import ModuleChild

__all__ = ["Sidecar"]

_AGAIN: Final = 1.0


class Sidecar:
    """Starts ``python -m vcplab.node.sidecar``, and starts it again if it dies.

    Args:
        address: The main server.
        options: How it is dialled.
        told: Called with a line for the log when it died.
    """

    def __init__(
        self, address: ServerAddress, options: DialOptions, told: Callable[[str], object]
    ) -> None:
        self._address = address
        self._options = options
        self._told = told
        self._token = secrets.token_urlsafe(24)
        self._port = 0
        self._child = ModuleChild("vcplab.node.sidecar", "The sidecar")
        self._keeper: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address that the kernel dials in the server's stead."""
        return f"ws://127.0.0.1:{self._port}/{self._token}"

    @property
    def token(self) -> str:
        """What its address ends in; a secret."""
        return self._token

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        return self._child.pid

    async def start(self) -> None:
        """Start it.

        Raises:
            StateError: It could not start.
            OperationTimeoutError: It did not start in time.
        """
        await self._start()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End it."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        await asyncio.to_thread(self._child.stop)

    async def _start(self) -> None:
        given = {field.name: getattr(self._options, field.name) for field in fields(DialOptions)}
        options: dict[str, Any] = {k: v for k, v in given.items() if not k.startswith("_")}
        options["headers"] = dict(options["headers"])
        if options["ca"] is not None:
            options["ca"] = str(options["ca"])
        settings = {
            "url": self._address.url,
            "shown": self._address.shown,
            "secrets": [self._address.key],
            "token": self._token,
            "port": self._port,
            "options": options,
        }
        hidden = (self._address.key, self._token)
        ready = await to_worker(self._child.start, settings, secrets=hidden)
        if ready is not None:
            self._port = int(ready["port"])

    async def _keep(self) -> None:
        while True:
            await self._ended()
            self._told("the sidecar died; it is started again")
            await asyncio.sleep(_AGAIN)
            with suppress(VCPError):
                await self._start()

    async def _ended(self) -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def wait() -> None:
            self._child.wait()
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(over.set)

        # A daemon thread of its own: it waits for ever, and must not hold up the exit.
        threading.Thread(target=wait, name="vcplab-sidecar", daemon=True).start()
        await over.wait()
