"""What the manifest and the README of a new plugin say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from vcplab.core.errors import InvalidInputError
from vcplab.plugins.parameters import Parameter
from vcplab.protocol.requests import VCPProtocolParser

__all__ = ["command_entry", "filled", "manifest_text", "readme_text", "sdk_source", "settings_text"]

_EXAMPLES = {
    "string": "text",
    "integer": "1",
    "number": "1.5",
    "boolean": "true",
    "array": "[]",
    "object": "{}",
    "any": "text",
}


def filled(template: str, **values: str) -> str:
    """A template of this package with ``@@name@@`` replaced.

    Args:
        template: Its name, without ``.txt``.
        values: The replacements.
    """
    text = files(__package__).joinpath("templates", f"{template}.txt").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@@{name}@@", value)
    return text


def sdk_source() -> str:
    """The text of ``vcplab.sdk.stdio``, which goes into each Python plugin as ``vcp_stdio.py``."""
    return files("vcplab.sdk").joinpath("stdio.py").read_text(encoding="utf-8")


def command_entry(
    plugin: str,
    identifier: str,
    summary: str,
    parameters: Sequence[Parameter],
    *,
    example: Mapping[str, str] | None = None,
    open_ended: bool = False,
) -> dict[str, Any]:
    """An entry of ``capabilities.invocationCommands`` (facts/vcp-protocol §2).

    Servers read ``description`` and ``example``; ``parameters`` is the same as JSON Schema, for
    those that check calls.

    Args:
        plugin: The plugin's name.
        identifier: The command's.
        summary: What it does.
        parameters: What it takes.
        example: Arguments of the example; by default made of the parameters.
        open_ended: Whether it takes other arguments, too.

    Raises:
        InvalidInputError: The example cannot be written as a tool request.
    """
    lines = [summary.strip() or f"Call {plugin}."]
    if parameters:
        lines += ["Parameters:", *map(_line, parameters)]
    arguments = _example(parameters) if example is None else dict(example)
    request = VCPProtocolParser().format_tool_request(plugin, {"maid": "Nova", **arguments})
    return {
        "command": identifier,
        "commandIdentifier": identifier,
        "description": "\n".join(lines),
        "example": request,
        "parameters": {
            "type": "object",
            "properties": {p.name: p.to_schema() for p in parameters},
            "required": [p.name for p in parameters if p.required],
            "additionalProperties": open_ended,
        },
    }


def manifest_text(fields: Mapping[str, Any]) -> str:
    """The text of ``plugin-manifest.json``; fields that are None are left out."""
    content = {
        "manifestVersion": "1.0.0",
        **{key: value for key, value in fields.items() if value is not None},
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def settings_text(schema: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of ``config.env.example``: each key of ``configSchema``, explained and off."""
    head = "# Copy this file to config.env and change what you need. Never publish config.env.\n"
    if not schema:
        return (
            head + "# This plugin has no settings; keys of the manifest's configSchema go here.\n"
        )
    return head + "".join(
        f"\n# {entry['description']}\n# {key}={entry.get('default', '')}\n"
        for key, entry in schema.items()
    )


def readme_text(
    name: str,
    display_name: str,
    description: str,
    *,
    described: Iterable[tuple[str, str]],
    script: str,
    arguments: Mapping[str, str] | None,
    settings: bool,
    use: str,
    requirements: bool = False,
) -> str:
    """The text of README.md.

    Args:
        name: The plugin's name.
        display_name: Its name for people.
        description: What it does.
        described: Files and what they are.
        script: The command that starts it.
        arguments: An example of its arguments; None for a static plugin.
        settings: Whether it has settings.
        use: How it is used in a prompt: a tool request, or a sentence on its placeholder.
        requirements: Whether ``requirements.txt`` is there.
    """
    if arguments is None:
        by_hand, in_a_lab = script, f'lab.plugins.reload("{name}")             # runs it anew'
    else:
        given = json.dumps(arguments, ensure_ascii=False)
        by_hand = f"echo '{given}' | {script}"
        in_a_lab = f'lab.tools.call("{name}", {given})'
    return filled(
        "README",
        name=name,
        display_name=display_name,
        description=description,
        files="\n".join(f"| `{path}` | {what} |" for path, what in described),
        check="python -m unittest",
        by_hand=by_hand,
        in_a_lab=in_a_lab,
        requirements=(
            " and install what `requirements.txt` names into the server's Python"
            if requirements
            else ""
        ),
        configure=" Settings go to `config.env`." if settings else "",
        use=use,
    )


def _line(parameter: Parameter) -> str:
    facts = [parameter.type, "required" if parameter.required else "optional"]
    if parameter.choices:
        facts.append("one of " + " | ".join(map(_shown, parameter.choices)))
    if parameter.has_default and parameter.default is not None:
        facts.append(f"default {_shown(parameter.default)}")
    text = f"- {parameter.name} ({', '.join(facts)})"
    return f"{text}: {parameter.description}" if parameter.description else text


def _example(parameters: Iterable[Parameter]) -> dict[str, str]:
    """Values for the required parameters, and for the others that have one to show."""
    example = {}
    for parameter in parameters:
        if parameter.has_default and parameter.default is not None:
            value = _shown(parameter.default)
        elif parameter.required:
            first = parameter.choices[0] if parameter.choices else _EXAMPLES[parameter.type]
            value = _shown(first)
        else:
            continue
        try:
            VCPProtocolParser().format_tool_request("X", {parameter.name: value})
        except InvalidInputError:
            continue  # a default that no tool request can carry
        example[parameter.name] = value
    return example


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
