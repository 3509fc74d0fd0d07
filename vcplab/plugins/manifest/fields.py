"""Reading single fields of a manifest, with errors that name them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from vcplab.core.errors import InvalidDataError
from vcplab.plugins.manifest.manifest import Command, ConfigKey, Placeholder, Push
from vcplab.plugins.parameters import Parameter, from_example, from_params, from_schema

__all__ = [
    "bare",
    "commands_of",
    "config_keys",
    "mapping",
    "milliseconds",
    "name_of",
    "placeholders_of",
    "push_of",
    "text",
    "words",
]


def text(content: Mapping[str, Any], key: str) -> str:
    """A text; empty where it is missing or something else."""
    value = content.get(key)
    return value if isinstance(value, str) else ""


def mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object; empty where it is missing or something else."""
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def name_of(content: Mapping[str, Any], key: str = "name") -> str:
    """The name, which must be a line of text without control characters.

    Raises:
        InvalidDataError: It is not.
    """
    name = content.get(key)
    if not isinstance(name, str) or not name.strip():
        raise InvalidDataError(
            f"The manifest has no {key}.", where=key, next_step=f'write "{key}": "MyPlugin"'
        )
    if name != name.strip() or any(unicodedata.category(c).startswith("C") for c in name):
        raise InvalidDataError(
            f"The {key} {name!r} has blanks around it or control characters in it.",
            where=key,
            next_step="write a plain name",
        )
    return name


def milliseconds(content: Mapping[str, Any], key: str = "timeout") -> float | None:
    """A time limit in milliseconds, as seconds; None where none is given.

    Raises:
        InvalidDataError: It is no positive number.
    """
    value = content.get(key)
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidDataError(
            f"The time limit {value!r} is no positive number of milliseconds.",
            where=key,
            next_step='write e.g. "timeout": 60000',
        )
    return value / 1000


def words(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of words, or the keys of an object (``{"Other": "^1.0"}``)."""
    value = content.get(key)
    if isinstance(value, Mapping):
        return tuple(map(str, value))
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str))
    return (value,) if isinstance(value, str) and value else ()


def config_keys(content: Mapping[str, Any]) -> tuple[ConfigKey, ...]:
    """``configSchema``: a type for each key, or an object with ``type`` and ``default``."""
    schema = mapping(content, "configSchema")
    # Some manifests write a JSON Schema here.
    if isinstance(schema.get("properties"), Mapping) and schema.get("type") == "object":
        schema = schema["properties"]
    keys = []
    for name, told in schema.items():
        entry = told if isinstance(told, Mapping) else {"type": told}
        keys.append(
            ConfigKey(
                str(name),
                str(entry.get("type") or "string"),
                entry.get("default"),
                text(entry, "description"),
                secret=entry.get("secret") is True
                or "password" in (entry.get("format"), entry.get("type")),
            )
        )
    return tuple(keys)


def commands_of(content: Mapping[str, Any]) -> tuple[Command, ...]:
    """``capabilities.invocationCommands``.

    Raises:
        InvalidDataError: The parameters of one are broken.
    """
    listed = mapping(content, "capabilities").get("invocationCommands")
    found = []
    for number, entry in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(entry, Mapping):
            continue
        command = text(entry, "command") or None
        example = text(entry, "example")
        declared, open_ended = _declared(entry, f"invocationCommands[{number}]")
        found.append(
            Command(
                identifier=text(entry, "commandIdentifier") or command or "",
                command=command,
                description=text(entry, "description"),
                example=example,
                parameters=declared or from_example(example or text(entry, "description")),
                open_ended=open_ended,
            )
        )
    return tuple(found)


def _declared(entry: Mapping[str, Any], where: str) -> tuple[tuple[Parameter, ...], bool]:
    for key in ("parameters", "params", "inputSchema"):
        value = entry.get(key)
        if isinstance(value, list):
            return from_params(value, f"{where}.{key}"), False
        if isinstance(value, Mapping) and "properties" in value:
            return from_schema(value, f"{where}.{key}"), value.get("additionalProperties") is True
    return (), False


def placeholders_of(content: Mapping[str, Any]) -> tuple[Placeholder, ...]:
    """``capabilities.systemPromptPlaceholders``."""
    listed = mapping(content, "capabilities").get("systemPromptPlaceholders")
    return tuple(
        Placeholder(bare(entry["placeholder"]), text(entry, "description"))
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, Mapping) and isinstance(entry.get("placeholder"), str)
    )


def push_of(content: Mapping[str, Any]) -> Push:
    """``webSocketPush`` (facts/vcp-protocol §2); seed 003's ``all`` means everybody."""
    entry = mapping(content, "webSocketPush")
    target = text(entry, "targetClientType")
    return Push(
        enabled=entry.get("enabled") is True,
        message_type=text(entry, "messageType") or "plugin_callback_notification",
        target=target if target and target.lower() != "all" else None,
    )


def bare(placeholder: str) -> str:
    """A placeholder's name, without the braces that some manifests write."""
    return placeholder.strip().lstrip("{").rstrip("}").strip()
