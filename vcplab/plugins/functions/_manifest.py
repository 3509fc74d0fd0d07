"""A function as a manifest of the VCPToolBox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError
from vcplab.plugins.functions._texts import as_text
from vcplab.protocol.requests import RESERVED_KEYS, ParserConfig, ToolRequest
from vcplab.protocol.requests.writer import write_request

if TYPE_CHECKING:
    from vcplab.plugins.functions.spec import FunctionSpec
    from vcplab.plugins.parameters import Parameter

__all__ = ["manifest_of", "writable"]

_KEY = re.compile("[A-Za-z0-9_]+")


def writable(name: str) -> bool:
    """Whether a parameter can be given in tool-request text (facts/vcp-protocol §1.1, §1.2)."""
    return _KEY.fullmatch(name) is not None and name not in RESERVED_KEYS


def manifest_of(
    spec: FunctionSpec,
    examples: Mapping[str, str],
    *,
    command: str,
    timeout: float,
    version: str,
    author: str,
) -> dict[str, Any]:
    """See `FunctionSpec.manifest`; the examples are texts that fit, by parameter."""
    return {
        "manifestVersion": "1.0.0",
        "name": spec.name,
        "displayName": spec.name,
        "version": version,
        "description": spec.description.partition("\n")[0] or spec.name,
        "author": author,
        "pluginType": "synchronous",
        "entryPoint": {"type": command.partition(" ")[0], "command": command},
        "communication": {"protocol": "stdio", "timeout": round(timeout * 1000)},
        "configSchema": {},
        "capabilities": {
            "invocationCommands": [
                {
                    "command": spec.name,
                    "commandIdentifier": spec.name,
                    "description": _description(spec),
                    "example": _example(spec, examples),
                }
            ]
        },
    }


def _description(spec: FunctionSpec) -> str:
    parts = [spec.description or spec.name]
    if spec.parameters:
        parts.append("\n".join(["Parameters:", *map(_line, spec.parameters)]))
    if spec.returns:
        parts.append(f"Returns: {spec.returns}")
    return "\n\n".join(parts)


def _line(parameter: Parameter) -> str:
    facts = [parameter.type, "required" if parameter.required else "optional"]
    if parameter.choices:
        facts.append("one of " + " | ".join(map(as_text, parameter.choices)))
    if parameter.has_default and parameter.default is not None:
        facts.append(f"default {as_text(parameter.default)}")
    told = f": {parameter.description}" if parameter.description else ""
    return f"- {parameter.name} ({', '.join(facts)}){told}"


def _example(spec: FunctionSpec, examples: Mapping[str, str]) -> str:
    """A request with everything that is required, or else with the first that can be given."""
    known = [p for p in spec.parameters if p.name in examples and writable(p.name)]
    shown = [p for p in known if p.required] or known[:1]
    args = {p.name: examples[p.name].strip() for p in shown}
    try:
        return write_request(ToolRequest(spec.name, args), ParserConfig())
    except InvalidInputError:  # a choice or a default that no reader would give back
        return write_request(ToolRequest(spec.name), ParserConfig())
