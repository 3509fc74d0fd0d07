"""What the sidecar does: hand messages on, and answer the main server's pings by itself.

For each connection of the kernel it dials the main server, and only when that stands does it let
the kernel in; where it cannot, it answers with a 502 whose header says what is wrong, so that the
kernel tells its user of the main server's trouble and not of the relay. When either side ends, the
other is closed. Nothing is kept, so nothing is lost here or said twice.
"""

from __future__ import annotations

import asyncio
import hmac
import http
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from vcplab.core.errors import StateError, VCPErrorCode
from vcplab.net.dial import PROBLEM_HEADER, Dial, DialOptions, DialState
from vcplab.net.wire import Wire

__all__ = ["Relay"]


class Relay:
    """A relay from a loopback port to one main server.

    Args:
        url: The main server's address, with the key.
        shown: The same without.
        secrets: What no message may hold.
        token: What the kernel's path must be.
        options: How the main server is dialled.
    """

    def __init__(
        self, url: str, shown: str, secrets: tuple[str, ...], token: str, options: DialOptions
    ) -> None:
        self._url = url
        self._shown = shown
        self._secrets = secrets
        self._path = f"/{token}"
        self._options = options
        self._dropped = 0
        self._beyond: dict[ServerConnection, tuple[Dial, Wire]] = {}

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[int]:
        """Listen on 127.0.0.1 for a block.

        Args:
            port: The port; 0 for any that is free.

        Yields:
            The port.
        """
        quiet = logging.getLogger(__name__)
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        async with serve(
            self._hand_on,
            "127.0.0.1",
            port,
            process_request=self._let_in,
            compression=None,
            # The kernel may stand still for as long as it likes; it watches this side by itself.
            ping_interval=None,
            open_timeout=self._options.open_timeout + 5.0,
            close_timeout=self._options.close_timeout,
            max_size=self._options.max_size,
            logger=quiet,
        ) as server:
            yield next(iter(server.sockets)).getsockname()[1]

    async def _let_in(self, kernel: ServerConnection, request: Request) -> Response | None:
        if not hmac.compare_digest(request.path.encode(), self._path.encode()):
            return _refusal(http.HTTPStatus.NOT_FOUND)
        opened: asyncio.Future[Wire | DialState] = asyncio.get_running_loop().create_future()

        async def hold(wire: Wire) -> None:
            if not opened.done():
                opened.set_result(wire)
            await kernel.wait_closed()

        def told(state: DialState) -> None:
            if state.phase in ("waiting", "closed") and not opened.done():
                opened.set_result(state)

        dial = Dial(
            self._url, self._options, shown=self._shown, secrets=self._secrets, told=told,
            dropped=self._dropped,
        )  # fmt: skip
        running = asyncio.create_task(dial.run(hold))
        try:
            found = await opened
        except BaseException:
            running.cancel()
            raise
        if isinstance(found, Wire):
            self._dropped = 0
            self._beyond[kernel] = dial, found
            return None
        await dial.stop()
        silent = found.code is VCPErrorCode.DISTRIBUTED_AUTH_FAILED
        self._dropped = self._dropped + 1 if silent else 0
        return _refusal(http.HTTPStatus.BAD_GATEWAY, found)

    async def _hand_on(self, kernel: ServerConnection) -> None:
        dial, wire = self._beyond.pop(kernel)
        ways = [
            asyncio.create_task(_to_server(kernel, wire)),
            asyncio.create_task(_to_kernel(wire, kernel)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        await kernel.close(1001, (wire.ended or "")[:40])
        await dial.stop()
        await asyncio.gather(*ways, return_exceptions=True)


async def _to_server(kernel: ServerConnection, wire: Wire) -> None:
    try:
        async for message in kernel:
            await wire.send(message if isinstance(message, str) else message.decode())
    except (ConnectionClosed, StateError):
        return


async def _to_kernel(wire: Wire, kernel: ServerConnection) -> None:
    try:
        async for message in wire:
            await kernel.send(message)
    except ConnectionClosed:
        return


def _refusal(status: http.HTTPStatus, state: DialState | None = None) -> Response:
    headers = Headers([("Content-Length", "0"), ("Connection", "close")])
    if state is not None:
        told = {"problem": state.problem or "", "code": state.code}
        headers[PROBLEM_HEADER] = json.dumps(told)
    return Response(status.value, status.phrase, headers)
