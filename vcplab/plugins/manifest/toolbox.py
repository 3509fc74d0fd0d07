"""VCPToolBox's ``plugin-manifest.json``, and seed 000's form of it (facts/vcp-protocol §2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vcplab.core.errors import InvalidDataError
from vcplab.plugins.manifest.fields import (
    commands_of,
    config_keys,
    mapping,
    milliseconds,
    name_of,
    placeholders_of,
    push_of,
    text,
    words,
)
from vcplab.plugins.manifest.manifest import (
    PLUGIN_TYPES,
    Entry,
    HostName,
    Manifest,
    PluginType,
)

__all__ = [
    "checked_type",
    "common_fields",
    "host_of",
    "is_module",
    "is_toolbox",
    "read_module",
    "read_toolbox",
]

_COMMANDED: Final = frozenset({"static", "synchronous", "asynchronous"})
_STYLES: Final = {
    "hybridservice": "toolbox", "service": "toolbox", "messagePreprocessor": "preprocessor",
}  # fmt: skip


def is_toolbox(content: Mapping[str, Any]) -> bool:
    """Whether this is VCPToolBox's form."""
    return "pluginType" in content


def is_module(content: Mapping[str, Any]) -> bool:
    """Whether this is seed 000's form, whose module has ``getTools`` and ``executeTool``."""
    return isinstance(content.get("main"), str) and "type" in content


def checked_type(content: Mapping[str, Any], key: str = "pluginType") -> PluginType:
    """The plugin's type.

    Raises:
        InvalidDataError: There is no such type.
    """
    told = content.get(key)
    for known in PLUGIN_TYPES:
        if told == known:
            return known
    raise InvalidDataError(
        f"There is no plugin type {told!r}.",
        where=key,
        next_step=f"one of: {', '.join(PLUGIN_TYPES)}",
    )


def common_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that all dialects write alike."""
    return {
        "display_name": text(content, "displayName") or text(content, "name"),
        "description": text(content, "description"),
        "version": text(content, "version"),
        "author": text(content, "author"),
        "config_schema": config_keys(content),
        "push": push_of(content),
        "dependencies": words(content, "dependencies"),
        "permissions": words(content, "permissions"),
        "raw": dict(content),
    }


def read_toolbox(content: Mapping[str, Any]) -> Manifest:
    """Read VCPToolBox's form: ``name``, ``pluginType`` and ``entryPoint`` are needed.

    Args:
        content: The manifest's JSON.

    Raises:
        InvalidDataError: Something is missing or impossible.
    """
    name = name_of(content)
    kind = checked_type(content)
    entry = mapping(content, "entryPoint")
    if not isinstance(content.get("entryPoint"), Mapping):
        raise InvalidDataError(
            "The manifest has no entryPoint.",
            where="entryPoint",
            next_step='write e.g. {"type": "stdio", "command": "python plugin.py"}',
        )
    command, script = text(entry, "command").strip(), text(entry, "script").strip()
    wanted = command if kind in _COMMANDED else script or command
    if not wanted:
        key = "command" if kind in _COMMANDED else "script"
        raise InvalidDataError(
            f"A {kind} plugin needs entryPoint.{key}.",
            where=f"entryPoint.{key}",
            next_step='write e.g. "command": "node plugin.js"'
            if key == "command"
            else 'write e.g. "script": "plugin.js"',
        )
    communication = mapping(content, "communication")
    timeout = milliseconds(communication)
    if timeout is None:
        timeout = milliseconds(entry)
    return Manifest(
        name=name,
        type=kind,
        dialect="toolbox",
        host=host_of(kind, bool(script)),
        entry=Entry(command or None, script or None, _STYLES.get(kind, "")),
        timeout=timeout,
        commands=commands_of(content),
        placeholders=placeholders_of(content),
        cron=text(content, "refreshIntervalCron") or None,
        requires_admin=content.get("requiresAdmin") is True,
        packages=words(content, "dependencies"),
        **{**common_fields(content), "dependencies": words(content, "requires")},
    )


def host_of(kind: PluginType, script: bool) -> HostName:
    """What runs a plugin that has a folder.

    Args:
        kind: Its type.
        script: Whether its entry is a module.
    """
    # A service's routes need a resident host; messages are handed to a module's function.
    if kind == "service" or (kind == "messagePreprocessor" and not script):
        return "none"
    return "stdio"


def read_module(content: Mapping[str, Any]) -> Manifest:
    """Read seed 000's form: ``main``, ``type``, ``dependencies``, ``permissions``.

    Its type is ``tool``; VCPToolBox's words are taken, too.

    Args:
        content: The manifest's JSON.

    Raises:
        InvalidDataError: Something is missing or impossible.
    """
    told = text(content, "type")
    kind: PluginType = "synchronous" if told == "tool" else checked_type(content, "type")
    return Manifest(
        name=name_of(content),
        type=kind,
        dialect="toolbox",
        host=host_of(kind, script=True),
        entry=Entry(script=text(content, "main"), style=_STYLES.get(kind, "module")),
        timeout=milliseconds(mapping(content, "communication")),
        commands=commands_of(content),
        placeholders=placeholders_of(content),
        cron=text(content, "refreshIntervalCron") or None,
        **common_fields(content),
    )
