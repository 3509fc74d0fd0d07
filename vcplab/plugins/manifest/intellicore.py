"""The manifest of seed 003's SDK: ``id`` and ``type`` (facts/sdk-and-neko A3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vcplab.core.errors import InvalidDataError
from vcplab.plugins.manifest.fields import (
    bare,
    commands_of,
    mapping,
    milliseconds,
    name_of,
    placeholders_of,
    text,
)
from vcplab.plugins.manifest.manifest import (
    Entry,
    HostName,
    Manifest,
    Placeholder,
    PluginType,
)
from vcplab.plugins.manifest.toolbox import common_fields

__all__ = ["is_intellicore", "read_intellicore"]

_TYPES: Final[dict[str, tuple[PluginType, HostName]]] = {
    "direct": ("synchronous", "stdio"),
    "distributed": ("synchronous", "remote"),
    "preprocessor": ("messagePreprocessor", "kernel"),
    "service": ("service", "kernel"),
    "static": ("static", "values"),
    "internal": ("synchronous", "kernel"),
}
_SECONDS: Final = {"direct": 10.0, "distributed": 30.0, "internal": 5.0}
"""The SDK's limits where a manifest names none; ``internal`` ones are answered by a listener."""


def is_intellicore(content: Mapping[str, Any]) -> bool:
    """Whether this is the SDK's form."""
    return "id" in content or (content.get("type") in _TYPES and "main" not in content)


def read_intellicore(content: Mapping[str, Any]) -> Manifest:
    """Read the SDK's form: ``id``, ``name`` and ``type`` are needed.

    A plugin is called by its ``id``, as ``executePlugin`` does.

    Args:
        content: The manifest's JSON.

    Raises:
        InvalidDataError: Something is missing or impossible.
    """
    told = content.get("type")
    if told not in _TYPES:
        raise InvalidDataError(
            f"There is no plugin type {told!r}.",
            where="type",
            next_step=f"one of: {', '.join(_TYPES)}",
        )
    name = name_of(content, "id")
    kind, host = _TYPES[told]
    entry = mapping(content, "entryPoint")
    command, script = text(entry, "command").strip(), text(content, "main").strip()
    if told == "preprocessor" and script:
        host = "stdio"
    style = "preprocessor" if told == "preprocessor" else "toolbox"
    if told == "direct" and not command and not script:
        host = "none"  # it can be described, as seed 003's first example is, but not run
    if told == "static" and command:
        host = "stdio"
    timeout = milliseconds(mapping(content, "communication")) or milliseconds(content)
    return Manifest(
        name=name,
        type=kind,
        dialect="intellicore",
        host=host,
        entry=Entry(command or None, script or None, style),
        timeout=timeout or _SECONDS.get(told),
        commands=commands_of(content),
        placeholders=_values(content) or placeholders_of(content),
        cron=text(content, "refreshIntervalCron") or None,
        lenient=True,
        **common_fields(content),
    )


def _values(content: Mapping[str, Any]) -> tuple[Placeholder, ...]:
    values = content.get("placeholders")
    if not isinstance(values, Mapping):
        return ()
    return tuple(
        Placeholder(bare(str(name)), value=value if isinstance(value, str) else str(value))
        for name, value in values.items()
    )
