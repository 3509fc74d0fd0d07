"""Module plugins that say themselves which tools they have (seed 000's ``getTools``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from vcplab.core.errors import InvalidDataError
from vcplab.plugins.hosts.base import Version
from vcplab.plugins.hosts.stdio import StdioHost
from vcplab.plugins.manifest import Command, Manifest
from vcplab.plugins.parameters import Parameter, from_params, from_schema

__all__ = ["described_commands"]


async def described_commands(
    host: StdioHost, version: Version, log: Callable[[str], None]
) -> Manifest:
    """A version's manifest with the tools that its module lists as commands.

    Args:
        host: Runs the module.
        version: The version, which is trusted.
        log: Takes what the module wrote to standard error.

    Raises:
        InvalidDataError: It lists no tools.
        ContractError: It failed.
    """
    manifest = version.manifest
    tools = await host.run_module(version, "describe", {}, log)
    if isinstance(tools, Mapping):  # {name: {description, …}}
        tools = [{"name": name, **_entry(entry)} for name, entry in tools.items()]
    if not isinstance(tools, list):
        raise InvalidDataError(
            f"getTools() of {manifest.name} gave no list of tools.",
            where=manifest.entry.script,
            next_step='return e.g. [{"name": "echo", "description": "…", "parameters": {…}}]',
        )
    commands = tuple(_command(entry) for entry in map(_entry, tools) if entry.get("name"))
    return dataclasses.replace(manifest, commands=commands)


def _entry(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"name": value}
    return dict(value) if isinstance(value, Mapping) else {}


def _command(entry: Mapping[str, Any]) -> Command:
    name = str(entry["name"])
    parameters: tuple[Parameter, ...] = ()
    for key in ("parameters", "inputSchema", "params"):
        value = entry.get(key)
        if isinstance(value, list):
            parameters = from_params(value)
        elif isinstance(value, Mapping) and "properties" in value:
            parameters = from_schema(value)
        elif isinstance(value, Mapping):  # {name: {type, description}} or {name: "text"}
            parameters = from_schema(
                {"properties": {k: v if isinstance(v, Mapping) else {} for k, v in value.items()}}
            )
    return Command(name, name, str(entry.get("description") or ""), "", parameters)
