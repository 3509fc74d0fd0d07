"""A stand-in server in a process of its own, as a real one would be.

::

    with StandInProcess() as server:
        link = lab.node.connect(server.url, server.key)
        server.wait_for_tool("SuperDice")
        server.call("SuperDice", notation="2d6")

What holds up this interpreter (a long cell, a C call) does not hold up the server.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self
from urllib.parse import urlencode

from vcplab.core.errors import OperationTimeoutError, StateError
from vcplab.core.loop import blocking, to_worker
from vcplab.node.child import ModuleChild
from vcplab.node.standin.main_server import MainServer
from vcplab.node.standin.quirks import Quirks
from vcplab.node.standin.web import STATE_PATH, STEER_PATH

__all__ = ["StandInProcess"]

_POLL = 20.0


class StandInProcess(MainServer):
    """Starts ``python -m vcplab.node.standin`` and steers it.

    The child ends when this process does, or when `close` is called; ■ and Ctrl-C do not reach it.
    Blocking methods have an asynchronous twin with an "a" before the name.

    Args:
        key: What clients must have; by default a random one.
        port: Where to listen; 0 for any free port, which is kept over restarts.
        quirks: How it differs from VCPToolBox.
        timeout: Seconds to wait for the answer to a request.
        start_timeout: Seconds that the child has for starting.

    Raises:
        InvalidInputError: The key cannot stand in a header.
    """

    def __init__(
        self,
        key: str | None = None,
        port: int = 0,
        quirks: Quirks | None = None,
        *,
        timeout: float = 120.0,
        start_timeout: float = 30.0,
    ) -> None:
        super().__init__(
            f"http://127.0.0.1:{port}", key or secrets.token_urlsafe(16), timeout=timeout
        )
        self.quirks = quirks or Quirks()
        self._child = ModuleChild(
            "vcplab.node.standin", "The stand-in server", start_timeout=start_timeout
        )

    def __repr__(self) -> str:
        state = f"process {self.pid}" if self.is_running else "closed"
        return f"<StandInProcess {self.url}: {state}>"

    @property
    def url(self) -> str:
        """Its address for nodes, ``ws://127.0.0.1:port``; path and key are the node's to add."""
        return f"ws://{self._host}:{self._port}"

    @property
    def port(self) -> int:
        """Where it listens; 0 before the first start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether the child is there."""
        return self._child.is_running

    # Its life

    async def astart(self) -> Self:
        """Start the child, unless it runs.

        Raises:
            StateError: It could not start, for instance because its port is taken.
            OperationTimeoutError: It did not start in time.
        """
        await to_worker(self._start)
        return self

    start = blocking(astart)

    async def aclose(self) -> None:
        """End the child. May be called again; `start` starts anew on the same port."""
        await to_worker(self._end, False)

    close = blocking(aclose)

    async def akill(self) -> None:
        """End the child as a crash would; nobody is told goodbye."""
        await to_worker(self._end, True)

    kill = blocking(akill)

    async def arestart(self) -> None:
        """Crash and come back on the same port, with nothing kept.

        Raises:
            StateError: It could not start.
            OperationTimeoutError: It did not start in time.
        """
        await self.akill()
        await self.astart()

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

    # What it knows

    async def astate(self) -> dict[str, Any]:
        """Its tools, nodes, placeholders, callbacks and counts.

        Raises:
            StateError: It does not run.
        """
        return await self._state({})

    state = blocking(astate)

    @property
    def tools(self) -> Mapping[str, Mapping[str, Any]]:
        """The manifests of all tools that nodes have registered, by name. Asks the child."""
        state: dict[str, Any] = self.state()
        tools: dict[str, Mapping[str, Any]] = state["tools"]
        return tools

    async def await_for_tool(self, name: str, present: bool = True, timeout: float = 10.0) -> None:
        """Wait until a tool is registered, or gone.

        Args:
            name: The tool.
            present: False to wait until it is gone.
            timeout: Seconds.

        Raises:
            OperationTimeoutError: It did not come, or did not go.
            StateError: The server does not run.
        """
        left = timeout
        while True:
            # In turns, so that a long wait is not the silence that a request gives up on.
            turn = min(left, _POLL)
            state = await self._state(
                {"tool": name, "present": str(int(present)), "timeout": f"{turn:.3f}"}
            )
            if (name in state["tools"]) is present:
                return
            left -= turn
            if left <= 0:
                raise OperationTimeoutError(
                    f"The tool {name} did not {'come' if present else 'go'} within {timeout:g} s.",
                    where=self.url,
                    next_step="look at .state(): did the node connect and register?",
                )

    wait_for_tool = blocking(await_for_tool)

    # Steering

    async def akick(self, server: str | None = None) -> int:
        """Drop the TCP connection of a node, by id or name, or of all; returns how many."""
        answer = await self._steer("kick", {} if server is None else {"server": server})
        return int(answer["kicked"])

    kick = blocking(akick)

    async def adrain(self) -> None:
        """Let nobody in any more; present nodes stay."""
        await self._steer("drain")

    drain = blocking(adrain)

    async def astall(self) -> None:
        """Neither read from nor write to any WebSocket: a half-open link."""
        await self._steer("stall")

    stall = blocking(astall)

    async def aresume(self) -> None:
        """End draining and stalling."""
        await self._steer("resume")

    resume = blocking(aresume)

    async def _state(self, query: Mapping[str, str]) -> dict[str, Any]:
        return await self._get("GET", STATE_PATH, query)

    async def _steer(self, what: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._get("POST", STEER_PATH + what, query or {})

    async def _get(self, method: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        if not self.is_running:
            raise StateError(
                "The stand-in server does not run.",
                where=self.url,
                next_step="call start(), or use it in a with statement",
            )
        whole = f"{path}?{urlencode(query)}" if query else path
        status, body = await to_worker(self._ask, method, whole, b"" if method == "POST" else None)
        if status != 200:
            self._check(status, body)
            raise StateError(f"It answered with HTTP status {status}.", where=self.url)
        return body

    # The child

    def _start(self) -> None:
        settings = {"key": self.key, "port": self._port, "quirks": asdict(self.quirks)}
        ready = self._child.start(settings, secrets=(self.key,))
        if ready is not None:
            self._port = int(ready["port"])

    def _end(self, abrupt: bool) -> None:
        self._child.stop(abrupt=abrupt)
