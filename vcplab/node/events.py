"""What happens to a node, as typed events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from vcplab.core.events import Event
from vcplab.node.rows import CallRow

__all__ = [
    "CallEnded",
    "CallStarted",
    "ExposureChanged",
    "LinkChanged",
    "LogLevel",
    "NodeEvent",
    "NodeLogged",
]

LogLevel: TypeAlias = Literal["info", "warning", "error"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeEvent(Event):
    """Something happened to a link.

    Attributes:
        link: The link's identifier.
    """

    link: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkChanged(NodeEvent):
    """A link connected, lost its connection, or was closed.

    Attributes:
        state: Its state now.
        problem: What keeps it from its server; None while nothing does.
    """

    state: str
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallStarted(NodeEvent):
    """A server called a tool.

    Attributes:
        call: The call.
    """

    call: CallRow


@dataclass(frozen=True, kw_only=True, slots=True)
class CallEnded(NodeEvent):
    """A call ended, however.

    Attributes:
        call: The call.
    """

    call: CallRow


@dataclass(frozen=True, kw_only=True, slots=True)
class ExposureChanged(NodeEvent):
    """What a server is offered changed, or was registered there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeLogged(NodeEvent):
    """A line of the log.

    Attributes:
        level: How grave it is.
        text: The line; without keys.
    """

    level: LogLevel
    text: str
