"""A main server that behaves as VCPToolBox does towards its nodes, for tests and for trying out.

::

    server = StandInServer(key="a-key")
    server.start()
    lab.node.connect(server.url, server.key)
    server.wait_for_tool("SuperDice")
    server.call("SuperDice", {"notation": "2d6"})        # what an agent of that server would get
    server.close()

It has upstream's quirks (facts/vcp-protocol §4): a bad key drops the socket without an answer,
registration only ever adds, late results are thrown away, a node that leaves loses its calls. It is
no server to work with: there are no plugins, no agents and no files behind it.
"""

from __future__ import annotations

import asyncio
import random
import socket as sockets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

from vcplab.core.errors import InvalidInputError, OperationTimeoutError, StateError, VCPErrorCode
from vcplab.core.loop import LibraryLoop, blocking, library_loop
from vcplab.node.standin._desk import Desk
from vcplab.node.standin._levers import Levers
from vcplab.node.standin._sockets import LOOPBACK, bound
from vcplab.node.standin.quirks import Quirks
from vcplab.protocol.results import ToolFailure, normalise_output

__all__ = ["StandInServer"]

T = TypeVar("T")

_GRACE = 3.0
_TURNS = 3


class StandInServer(Levers):
    """The stand-in of a main server, on 127.0.0.1.

    It lives on the library's loop, or on a loop of its own. Every method may be called from any
    thread and any loop; the blocking ones not from the library loop's own thread.

    Args:
        key: What clients must have in their path. Without one nobody gets in, as upstream.
        port: Where to listen; 0 for any free port, which is kept over `close` and `arestart`.
        quirks: How it differs from VCPToolBox.
        record: Keep what goes over the wire in `frames`: True for the last 10,000, or how many.
        own_thread: Run in a thread of its own instead of the library's.
        seed: For the random part of ids.

    Attributes:
        key: The key.
        quirks: How it differs.
        home: The loop on which it lives.

    Raises:
        InvalidInputError: The port is none.
    """

    def __init__(
        self,
        key: str = "stand-in-key",
        port: int = 0,
        quirks: Quirks | None = None,
        *,
        record: bool | int = False,
        own_thread: bool = False,
        seed: int | None = None,
    ) -> None:
        if not 0 <= port <= 65535:
            raise InvalidInputError(
                f"{port!r} is no port.", where="port", next_step="give 0 to 65535; 0 is any"
            )
        self.key = key
        self.quirks = quirks or Quirks()
        self._own_thread = own_thread
        self._port = port
        self._listening: asyncio.Server | None = None
        self._kept: sockets.socket | None = None
        limit = 10_000 if record is True else int(record)
        super().__init__(
            Desk(key, self.quirks, random.Random(seed), limit),  # noqa: S311 - ids only
            LibraryLoop("vcplab-stand-in") if own_thread else library_loop(),
        )

    def __repr__(self) -> str:
        if self._listening is None:
            return "<StandInServer: closed>"
        return (
            f"<StandInServer {self.url}: {len(self._desk.registry.nodes)} connections, "
            f"{len(self._desk.registry.tools)} tools>"
        )

    # Its life

    async def astart(self) -> Self:
        """Listen. The port of last time is taken again.

        Raises:
            StateError: The port is taken by somebody else.
        """
        await self._at_home(self._start())
        return self

    start = blocking(astart)

    async def aclose(self) -> None:
        """Say goodbye to all clients and stop listening. May be called again."""
        await self._at_home(self._stop(abrupt=False))
        if self._own_thread and not self.home.is_current():
            await asyncio.to_thread(self.home.close)

    close = blocking(aclose)

    async def arestart(self, down: float = 0.0) -> None:
        """Fall over and come back on the same port, with nothing kept: no tools, no placeholders.

        Args:
            down: Seconds during which connections are refused.
        """
        await self._at_home(self._restart(down))

    restart = blocking(arestart)

    async def __aenter__(self) -> Self:
        return await self.astart()

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # What it is

    @property
    def port(self) -> int:
        """Where it listens; 0 before the first start."""
        return self._port

    @property
    def url(self) -> str:
        """Its address for nodes, ``ws://127.0.0.1:port``; path and key are the node's to add."""
        return f"ws://{LOOPBACK}:{self._port}"

    @property
    def node_url(self) -> str:
        """The whole address at which a node connects, with the key: not to be shown."""
        return f"{self.url}/vcp-distributed-server/VCP_Key={self.key}"

    @property
    def http_url(self) -> str:
        """Its address for HTTP."""
        return f"http://{LOOPBACK}:{self._port}"

    # Calling tools

    async def araw_call(
        self,
        tool: str,
        args: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        *,
        server: str | None = None,
    ) -> Any:
        """Call a tool and return what its node answered, as it is.

        Args:
            tool: Its name.
            args: Its arguments.
            timeout: Seconds; by default the manifest's ``communication.timeout``, else 60.
            server: Id or name of the node to ask; by default the one that registered the tool.

        Raises:
            ToolFailure: With upstream's text: no such tool, an error of the node
                (``TOOL_EXECUTION_FAILED``), no answer in time (``TOOL_TIMEOUT``), or the node left
                (``DISTRIBUTED_CONNECTION_ERROR``).
            NotFoundError: ``server`` is not connected.
            InvalidInputError: The arguments are nothing that JSON can say.
        """
        if self.home.is_current():
            return await self._desk.calls.begin(tool, args, timeout, server)
        return await self._at_home(self._raw(tool, args, timeout, server))

    raw_call = blocking(araw_call)

    async def acall(
        self,
        tool: str,
        args: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        *,
        server: str | None = None,
    ) -> dict[str, Any]:
        """Call a tool as an agent of the server does: the object of facts/vcp-protocol §1.5.

        Args:
            tool: Its name.
            args: Its arguments.
            timeout: Seconds; by default the manifest's ``communication.timeout``, else 60.
            server: Id or name of the node to ask; by default the one that registered the tool.

        Raises:
            ToolFailure: As `araw_call`, and where a result says ``{"status": "error"}``; its
                ``payload`` is what upstream throws.
            NotFoundError: ``server`` is not connected.
            InvalidInputError: The arguments are nothing that JSON can say.
        """
        given = (args or {}).get("maid")
        maid = given if isinstance(given, str) else None
        code: VCPErrorCode | None = None
        try:
            raw = await self.araw_call(tool, args, timeout, server=server)
        except ToolFailure as error:
            raw, code = error, error.code
        try:
            result = normalise_output(raw, source="distributed", maid=maid, tool=tool)
        except ToolFailure as error:
            error.code = code or error.code
            self._log(tool, "error", error.to_json())
            raise
        self._log(tool, "success", result)
        return result

    call = blocking(acall)

    async def execute_distributed_tool(
        self,
        server_id_or_name: str,
        tool: str,
        args: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Call a tool of one node, whether it is registered or not (seed 003).

        Args:
            server_id_or_name: The node.
            tool: Its name.
            args: Its arguments.
            timeout: **Milliseconds**, as in the seed; by default the manifest's, else 60,000.

        Raises:
            NotFoundError: There is no such node.
            ToolFailure: As `araw_call`.
        """
        seconds = None if timeout is None else timeout / 1000
        return await self.araw_call(tool, args, seconds, server=server_id_or_name)

    async def afetch_file(self, path: str, *, server: str, timeout: float = 30.0) -> dict[str, Any]:
        """Ask a node for a file: ``internal_request_file``, or ``fetch_file`` as the SDK has it.

        Args:
            path: A ``file://`` URL or path.
            server: Id or name of the node.
            timeout: Seconds.

        Returns:
            What the node answered; the bytes are base64 under ``fileData`` or ``content``.

        Raises:
            NotFoundError: There is no such node.
            ToolFailure: The node answered with an error, or not in time.
        """
        if self.quirks.dialect == "intellicore":
            answer = await self._at_home(self._fetch(path, timeout, server))
        else:
            answer = await self.araw_call(
                "internal_request_file", {"fileUrl": path}, timeout, server=server
            )
        return dict(answer)

    fetch_file = blocking(afetch_file)

    # Steering

    async def await_until(self, holds: Callable[[Self], object], timeout: float = 10.0) -> None:
        """Wait until something holds; looked at again whenever a frame or a connection comes.

        Args:
            holds: Given the server; runs on its loop, so it must not block.
            timeout: Seconds.

        Raises:
            OperationTimeoutError: It did not come to hold.
        """
        await self._at_home(self._until(lambda: holds(self), timeout))

    wait_until = blocking(await_until)

    async def await_for_tool(self, name: str, present: bool = True, timeout: float = 10.0) -> None:
        """Wait until a tool is registered, or gone.

        Args:
            name: The tool.
            present: False to wait until it is gone.
            timeout: Seconds.

        Raises:
            OperationTimeoutError: It did not come, or did not go.
        """
        tools = self._desk.registry.tools
        await self._at_home(self._until(lambda: (name in tools) is present, timeout))

    wait_for_tool = blocking(await_for_tool)

    # At home

    async def _raw(
        self, tool: str, args: Mapping[str, Any] | None, timeout: float | None, server: str | None
    ) -> Any:
        return await self._desk.calls.begin(tool, args, timeout, server)

    async def _fetch(self, path: str, timeout: float, server: str) -> Any:
        return await self._desk.calls.begin_file(path, timeout, server)

    async def _start(self) -> None:
        if self._listening is not None:
            return
        from vcplab.node.standin.web import serve

        loop = asyncio.get_running_loop()
        kept, self._kept = self._kept, None
        try:
            sock = kept if kept is not None else bound(self._port)
            self._listening = await loop.create_server(self._desk.new_wire, sock=sock)
        except OSError as error:
            raise StateError(
                f"Port {self._port} cannot be listened on: {error.strerror}.",
                where="port",
                next_step="give another port, or 0 for any free one",
            ) from None
        self._port = self._listening.sockets[0].getsockname()[1]
        self._desk.begin_life(lambda wire, request: serve(self, wire, request))

    async def _stop(self, *, abrupt: bool) -> None:
        listening, self._listening = self._listening, None
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
        if listening is not None:
            # What was accepted a moment ago gets its transport in the loop's next turns. A server
            # that is closed before leaves it half made and open (CPython gh-109564).
            loop = asyncio.get_running_loop()
            with suppress(NotImplementedError):  # the proactor loop of Windows
                for sock in listening.sockets:
                    loop.remove_reader(sock.fileno())
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            listening.close()
        self._desk.end_life(abrupt=abrupt)
        with suppress(OperationTimeoutError):
            await self._until(lambda: not self._desk.wires, _GRACE)
        for wire in tuple(self._desk.wires):
            wire.abort()
        await self._desk.end_tasks()
        await asyncio.sleep(0)  # the transports close in the loop's next turn

    async def _restart(self, down: float) -> None:
        was_listening = self._listening is not None
        await self._stop(abrupt=True)
        if was_listening:
            # Bound but not listening, it refuses everybody and nobody else can get the port: not
            # even a client that dials it, which could otherwise come out on that very port and
            # be connected to itself.
            self._kept = bound(self._port)
        if down > 0:
            await asyncio.sleep(down)
        await self._start()

    async def _until(self, holds: Callable[[], object], timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not holds():
                    await self._desk.change()
        except TimeoutError:
            raise OperationTimeoutError(
                f"What was waited for did not happen within {timeout:g} s.",
                where="stand-in server",
                next_step="look at .counts and .nodes: did the node connect and register?",
            ) from None
