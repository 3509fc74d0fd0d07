"""What happens to plugins, as typed events; ``type`` is the word that the peers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final

from vcplab.core.events import Event
from vcplab.plugins.jsonable import jsonable

__all__ = [
    "EVENT_TYPES",
    "InternalPluginExecute",
    "PluginDisabled",
    "PluginEnabled",
    "PluginErrorEvent",
    "PluginEvent",
    "PluginExecuted",
    "PluginLogged",
    "PluginPush",
    "PluginRegistered",
    "PluginUnregistered",
    "PluginsReloaded",
    "TaskReported",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginEvent(Event):
    """Something happened to a plugin.

    Attributes:
        plugin: Its name.
    """

    type: ClassVar[str] = ""
    plugin: str

    def to_dict(self) -> dict[str, Any]:
        """The frame that peers know: ``{"type", "data": {…}}``."""
        told = {f.name: jsonable(getattr(self, f.name)) for f in fields(self) if f.name != "time"}
        return {"type": self.type, "data": told}


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginRegistered(PluginEvent):
    """A plugin was added, or changed its state."""

    type: ClassVar[str] = "plugin_registered"


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginUnregistered(PluginEvent):
    """A plugin was taken away."""

    type: ClassVar[str] = "plugin_unregistered"


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginEnabled(PluginEvent):
    """A plugin was switched on."""

    type: ClassVar[str] = "plugin_enabled"


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginDisabled(PluginEvent):
    """A plugin was switched off."""

    type: ClassVar[str] = "plugin_disabled"


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginsReloaded(PluginEvent):
    """A plugin was loaded anew; ``plugin`` is empty when all were.

    Attributes:
        message: What a person is told.
    """

    type: ClassVar[str] = "plugins_reloaded"
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginExecuted(PluginEvent):
    """A call succeeded.

    Attributes:
        arguments: What it was given.
        result: What the plugin gave.
        duration: Milliseconds.
    """

    type: ClassVar[str] = "plugin_executed"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    result: Any = None
    duration: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginErrorEvent(PluginEvent):
    """A call, a load or a reload failed.

    Attributes:
        error: What went wrong.
        arguments: What a call was given; None if it was no call that failed.
        duration: Milliseconds, of a call.
    """

    type: ClassVar[str] = "plugin_error"
    error: Exception
    arguments: Mapping[str, Any] | None = None
    duration: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginLogged(PluginEvent):
    """A plugin wrote a line to its log.

    Attributes:
        line: The line.
    """

    type: ClassVar[str] = "plugin_log"
    line: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginPush(PluginEvent):
    """The report of a task, to be pushed as its manifest's ``webSocketPush`` says.

    Attributes:
        message_type: The frame's ``type``.
        target: The kind of client it goes to; None for all.
        data: What the plugin reported.
    """

    type: ClassVar[str] = "plugin_push"
    message_type: str
    target: str | None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskReported(PluginEvent):
    """An asynchronous plugin reported one of its tasks.

    Attributes:
        task: The task.
        origin: Where its call came from, e.g. a node's link; empty for a task of an earlier
            process.
        data: What the plugin reported.
    """

    type: ClassVar[str] = "plugin_callback"
    task: str
    origin: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class InternalPluginExecute(PluginEvent):
    """An internal plugin was called; whoever answers calls ``respond`` (facts/sdk-and-neko A3).

    Attributes:
        arguments: The call's arguments.
        respond: Takes the result; the first answer counts.
    """

    type: ClassVar[str] = "internal_plugin_execute"
    arguments: Mapping[str, Any]
    respond: Any


_KINDS: Final[tuple[type[PluginEvent], ...]] = (
    PluginRegistered,
    PluginUnregistered,
    PluginEnabled,
    PluginDisabled,
    PluginsReloaded,
    PluginExecuted,
    PluginErrorEvent,
    PluginLogged,
    PluginPush,
    TaskReported,
    InternalPluginExecute,
)
EVENT_TYPES: Final[dict[str, type[PluginEvent]]] = {
    **{kind.type: kind for kind in _KINDS},
    "plugin_unloaded": PluginUnregistered,
    "plugins-reloaded": PluginsReloaded,
}
"""The peers' words → events; the SDK says ``plugin_unloaded``, VCPToolBox ``plugins-reloaded``."""
