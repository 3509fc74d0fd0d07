"""What a plugin is, whatever dialect its manifest is written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from vcplab.core.errors import InvalidInputError
from vcplab.plugins.parameters import Parameter

__all__ = [
    "CALLABLE_TYPES",
    "PLUGIN_TYPES",
    "Command",
    "ConfigKey",
    "Entry",
    "HostName",
    "Manifest",
    "Placeholder",
    "PluginType",
    "Push",
    "check_command",
]

PluginType: TypeAlias = Literal[
    "static", "synchronous", "asynchronous", "messagePreprocessor", "service", "hybridservice"
]
PLUGIN_TYPES: Final = (
    "static", "synchronous", "asynchronous", "messagePreprocessor", "service", "hybridservice",
)  # fmt: skip
CALLABLE_TYPES: Final = frozenset({"synchronous", "asynchronous", "hybridservice"})
"""Types that can be called as a tool; the others fill prompts, change messages or serve."""

HostName: TypeAlias = Literal["stdio", "kernel", "remote", "values", "none"]


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that a tool can do (``capabilities.invocationCommands``).

    Attributes:
        identifier: Its ``commandIdentifier``; the ``command`` where there is none.
        command: The word as upstream's descriptions show it; None shows as ``N/A``.
        description: What is told to the model; empty keeps it out of the prompt.
        example: An example of a request.
        parameters: Its parameters, declared or suggested by the example.
        open_ended: Whether arguments beside the declared ones are allowed.
    """

    identifier: str = ""
    command: str | None = None
    description: str = ""
    example: str = ""
    parameters: tuple[Parameter, ...] = ()
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One key of ``configSchema``.

    Attributes:
        name: The key.
        type: ``integer``, ``boolean`` or anything else, which is text.
        default: The lowest layer of the cascade; None if there is none.
        description: What it means.
        secret: Whether the schema says that it is a secret.
    """

    name: str
    type: str = "string"
    default: Any = None
    description: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder that a static plugin fills.

    Attributes:
        name: Its name, without braces.
        description: What it holds.
        value: A fixed value (seed 003's ``placeholders``); None if a command makes it.
    """

    name: str
    description: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """How the report of an asynchronous task is pushed (``webSocketPush``).

    Attributes:
        enabled: Whether it is.
        message_type: The frame's ``type``.
        target: The kind of client it goes to; None for all.
    """

    enabled: bool = False
    message_type: str = "plugin_callback_notification"
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """How a plugin is started.

    Attributes:
        command: A command line, run in the plugin's folder.
        script: A module of the folder, run by an adapter.
        style: What the module exports: ``cherry`` (``execute``), ``module`` (``executeTool``),
            ``toolbox`` (``processToolCall``) or ``preprocessor`` (``processMessages``).
    """

    command: str | None = None
    script: str | None = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A plugin's manifest.

    Attributes:
        name: Its name, under which it is called.
        type: Its type, in VCPToolBox's words.
        dialect: ``toolbox``, ``cherry`` or ``intellicore``; ``kernel`` for a function.
        host: What runs it: ``stdio`` (a process for each call), ``kernel`` (this one), ``remote``
            (another node), ``values`` (nothing runs, its placeholders are fixed) or ``none``
            (its host is not built yet).
        entry: How it is started.
        display_name: Its name for people.
        description: What it does.
        version: Its version.
        author: Who wrote it.
        timeout: Seconds that a call may take; None for the type's default.
        commands: What it can do.
        config_schema: Its settings.
        placeholders: What a static plugin fills.
        cron: When a static plugin runs, 5 fields or 6 with seconds in front.
        push: How reports of its tasks are pushed.
        lenient: Whether its replies are read leniently (facts/vcp-protocol §2, VCPChat).
        requires_admin: Whether it needs the administrator's code.
        dependencies: Names of plugins that must be ready.
        packages: Names that may be plugins or packages (VCPToolBox's ``dependencies``): a plugin of
            such a name must be ready, a name that no plugin bears is taken for a package.
        permissions: What it says it needs; shown, not enforced.
        raw: The manifest as it was written.
    """

    name: str
    type: PluginType
    dialect: str
    host: HostName
    entry: Entry = field(default_factory=Entry)
    display_name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    timeout: float | None = None
    commands: tuple[Command, ...] = ()
    config_schema: tuple[ConfigKey, ...] = ()
    placeholders: tuple[Placeholder, ...] = ()
    cron: str | None = None
    push: Push = field(default_factory=Push)
    lenient: bool = False
    requires_admin: bool = False
    dependencies: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def callable(self) -> bool:
        """Whether it is a tool."""
        return self.type in CALLABLE_TYPES and self.host != "none"

    def command_of(self, arguments: Mapping[str, Any]) -> Command | None:
        """Which command a call means; None if it does not say, or says one that is not listed.

        Args:
            arguments: The call's arguments.
        """
        if len(self.commands) == 1:
            return self.commands[0]
        word = arguments.get("command", arguments.get("commandIdentifier"))
        for command in self.commands:
            if word is not None and word in (command.identifier, command.command):
                return command
        return None

    def parameters_of(self, command: Command | None = None) -> tuple[Parameter, ...]:
        """The parameters of one command, or those of all: then ``command`` chooses."""
        if command is None and len(self.commands) == 1:
            command = self.commands[0]
        if command is not None:
            return command.parameters
        merged: dict[str, Parameter] = {}
        words = tuple(c.identifier for c in self.commands if c.identifier)
        if len(words) > 1:
            merged["command"] = Parameter("command", "What to do.", choices=words, declared=False)
        for one in self.commands:
            for parameter in one.parameters:
                merged.setdefault(parameter.name, _optional(parameter))
        return tuple(merged.values())


def _optional(parameter: Parameter) -> Parameter:
    # Only some commands take it, so a call of the tool as a whole need not give it.
    return Parameter(
        parameter.name,
        parameter.description,
        parameter.type,
        choices=parameter.choices,
        declared=False,
        schema=parameter.schema,
    )


def check_command(manifest: Manifest, arguments: Mapping[str, Any]) -> None:
    """Check that a call of a tool with several commands says which, where that can be known.

    Commands that declare their parameters are what a call must choose from; of others nobody
    knows how they are told apart, since many tools go by their arguments.

    Args:
        manifest: The tool's manifest.
        arguments: The call's arguments, which name no listed command.

    Raises:
        InvalidInputError: Every command declares its parameters, and none is chosen.
    """
    module = manifest.entry.style == "module"
    declared = all(any(p.declared for p in c.parameters) for c in manifest.commands)
    batch = any(key.startswith("command") and key != "command" for key in arguments)
    if len(manifest.commands) < 2 or batch or not (declared or module):
        return
    names = ", ".join(c.identifier for c in manifest.commands)
    given = arguments.get("command")
    problem = "does not say which command" if given is None else f"has no command {given!r}"
    raise InvalidInputError(
        f"{manifest.name} {problem}."
        if given is not None
        else f"The call of {manifest.name} {problem} it means.",
        where=manifest.name,
        next_step=f"give command=, one of: {names}",
    )
