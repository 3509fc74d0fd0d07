"""A lab and a stand-in server for the tests of the node: real sockets, fast options."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import vcplab as vl
from vcplab.core.loop import run, submit
from vcplab.node.link import Link
from vcplab.node.standin import RecordedFrame, StandInServer

FAST: dict[str, Any] = {
    "ping_period": 2.0, "first_delay": 0.02, "longest_delay": 0.05, "stable_after": 0.2,
    "close_timeout": 1.0, "proxy": None,
}  # fmt: skip
"""Options of a link that loses no time; pings are rare enough for a machine that is busy."""


def eventually(condition: Callable[[], Any], within: float = 10.0) -> Any:
    """Wait until something holds; what it gave."""
    until = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < until, "what was waited for did not happen"
        time.sleep(0.003)
    return found


class Gate:
    """Holds asynchronous tools until it is opened."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.arrived = 0
        self.cancelled = 0

    async def passed(self) -> None:
        """Wait in a tool."""
        self.arrived += 1
        try:
            await self._event.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def reached(self, count: int = 1) -> None:
        """Wait until so many tools are held."""
        eventually(lambda: self.arrived >= count)

    def open(self) -> None:
        """Let all go on."""

        async def act() -> None:
            self._event.set()

        run(act())


class Joined:
    """A lab and the server that it joins.

    Attributes:
        lab: The lab.
        server: The server, which records.
    """

    def __init__(self, lab: vl.Lab, server: StandInServer) -> None:
        self.lab = lab
        self.server = server

    def join(self, expose: Any = None, **options: Any) -> Link:
        """Connect, and wait until all is registered."""
        given = {**FAST, "show": False, "name": "lab", "expose": expose, **options}
        link = self.lab.node.connect(self.server.url, self.server.key, **given)
        if options.get("wait", 5.0) >= 1:
            link.wait(10)
            # What was sent has also been read.
            self.server.wait_until(_have_reported)
        return link

    def begin(self, tool: str, /, args: Any = None, **options: Any) -> Future[Any]:
        """Call a tool from the server, without waiting."""
        return submit(self.server.acall(tool, args, **options))

    def call(self, tool: str, /, **args: Any) -> Any:
        """What a tool gives, as its node answered."""
        return self.server.raw_call(tool, args, 20)

    def settled(self) -> None:
        """Wait until the server has exactly the tools that are offered, and all connections."""
        (link,) = self.lab.node.links
        link.wait(10)
        eventually(lambda: set(self.server.tools) == {tool.name for tool in link.status().tools})

    def frames(self, *types: str | None, direction: str = "in") -> list[RecordedFrame]:
        """What the server got (or sent), of some types or of all."""
        return [
            frame
            for frame in self.server.frames
            if frame.direction == direction and (not types or frame.type in types)
        ]


def _have_reported(server: StandInServer) -> bool:
    told = {frame.node for frame in server.frames if frame.type == "report_ip"}
    return bool(server.nodes) and told.issuperset(node.server_id for node in server.nodes)


def put_plugin(root: Path, name: str, code: str, config: str = "", **fields: Any) -> Path:
    """A folder plugin: ``main.py`` beside its manifest.

    Args:
        root: The folder of plugins.
        name: Its name.
        code: ``main.py``.
        config: ``config.env``; none if empty.
        **fields: Of the manifest.
    """
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "name": name,
        "description": f"{name} does it.",
        "pluginType": "synchronous",
        "entryPoint": {"type": "stdio", "command": "python main.py"},
        "communication": {"timeout": 20000},
        "capabilities": {"invocationCommands": [{"command": "go", "description": "Goes."}]},
        **fields,
    }
    (folder / "plugin-manifest.json").write_text(json.dumps(manifest), "utf-8")
    (folder / "main.py").write_text(code, "utf-8")
    if config:
        (folder / "config.env").write_text(config, "utf-8")
    return folder
