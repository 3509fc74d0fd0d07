"""Cherry Studio's ``manifest.json`` (seed 001, facts/vcp-agents §10)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vcplab.core.errors import InvalidDataError
from vcplab.plugins.manifest.fields import (
    commands_of,
    mapping,
    milliseconds,
    name_of,
    placeholders_of,
    text,
)
from vcplab.plugins.manifest.manifest import (
    Command,
    Entry,
    HostName,
    Manifest,
    Placeholder,
    PluginType,
)
from vcplab.plugins.manifest.toolbox import checked_type, common_fields, host_of
from vcplab.plugins.parameters import from_params

__all__ = ["is_cherry", "read_cherry"]


def is_cherry(content: Mapping[str, Any]) -> bool:
    """Whether this is Cherry's form: ``params``, a script entry, or an external ``command``."""
    if "id" in content:
        return False
    entry = mapping(content, "entryPoint")
    scripted = entry.get("type") == "script" or ("script" in entry and "params" in content)
    return (
        isinstance(content.get("params"), list)
        or (scripted and "pluginType" in content)
        or (isinstance(content.get("command"), str) and "type" in content)
        or "defaultValue" in content
    )


def read_cherry(content: Mapping[str, Any]) -> Manifest:
    """Read Cherry's form: a script that exports ``execute``, or an external command.

    Args:
        content: The manifest's JSON.

    Raises:
        InvalidDataError: Something is missing or impossible.
    """
    name = name_of(content)
    kind: PluginType = checked_type(content, "pluginType" if "pluginType" in content else "type")
    entry = mapping(content, "entryPoint")
    command = text(entry, "command").strip() or text(content, "command").strip()
    script = text(entry, "script").strip()
    fixed = content.get("defaultValue")
    placeholders = placeholders_of(content) or _listed(content)
    if not command and not script and not (kind == "static" and isinstance(fixed, str)):
        raise InvalidDataError(
            "The manifest names no script and no command.",
            where="entryPoint",
            next_step='write e.g. {"type": "script", "script": "index.js"}',
        )
    if kind == "static" and not placeholders:
        placeholders = (Placeholder(f"VCP{name}", text(content, "description")),)
    if kind == "static" and isinstance(fixed, str) and not (command or script):
        placeholders = tuple(dataclasses.replace(one, value=fixed) for one in placeholders)
    commands = commands_of(content) or (_command(name, content),)
    host: HostName = host_of(kind, bool(script)) if command or script else "values"
    return Manifest(
        name=name,
        type=kind,
        dialect="cherry",
        host=host,
        entry=Entry(
            command or None,
            script or None,
            "preprocessor" if kind == "messagePreprocessor" else "cherry",
        ),
        timeout=milliseconds(mapping(content, "communication")) or milliseconds(content),
        commands=commands if kind != "static" else (),
        placeholders=placeholders,
        cron=text(content, "refreshIntervalCron") or None,
        lenient=True,
        **common_fields(content),
    )


def _listed(content: Mapping[str, Any]) -> tuple[Placeholder, ...]:
    """``placeholders`` at the top, where some manifests list them."""
    listed = content.get("placeholders")
    if not isinstance(listed, list):
        return ()
    return placeholders_of({"capabilities": {"systemPromptPlaceholders": listed}})


def _command(name: str, content: Mapping[str, Any]) -> Command:
    params = content.get("params")
    description = text(content, "description")
    parameters = from_params(params) if isinstance(params, list) else ()
    lines = [description] if description else []
    lines += [
        f"- {p.name} ({p.type}, {'required' if p.required else 'optional'})"
        + (f": {p.description}" if p.description else "")
        for p in parameters
    ]
    return Command(identifier="", command=name, description="\n".join(lines), parameters=parameters)
