"""What a link is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vcplab.core.events import EventBus
from vcplab.net.dial import DialOptions
from vcplab.node.address import ServerAddress
from vcplab.node.calls import CallBook
from vcplab.node.dialects import Speech
from vcplab.node.events import LogLevel
from vcplab.node.exposure import Exposure
from vcplab.node.guard import Guard
from vcplab.node.roots import Roots
from vcplab.node.sidecar import Sidecar
from vcplab.plugins.calling import Caller
from vcplab.plugins.manager import PluginManager

__all__ = ["LinkParts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParts:
    """What a link is made of.

    Attributes:
        id: Its identifier.
        name: How the node calls itself.
        address: The server.
        speech: How tools are registered.
        options: How connections are made and watched.
        exposure: What is offered.
        manager: The plugins.
        caller: Calls their tools.
        roots: Folders from which files are served.
        guard: Keeps secrets and local paths out of frames.
        book: The node's calls.
        events: Where what happens is told.
        log: Takes a line for the log: level, link, text.
        sidecar: A process that keeps the connections; None for this one.
    """

    id: str
    name: str
    address: ServerAddress
    speech: Speech
    options: DialOptions
    exposure: Exposure
    manager: PluginManager
    caller: Caller
    roots: Roots
    guard: Guard
    book: CallBook
    events: EventBus
    log: Callable[[LogLevel, str, str], None]
    sidecar: Sidecar | None = None
