"""Parameters of a tool: what a manifest declares, and checking a call against it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.protocol.requests import VCPProtocolParser

__all__ = [
    "SERVER_KEYS",
    "Parameter",
    "check_arguments",
    "from_example",
    "from_params",
    "from_schema",
]

SERVER_KEYS: Final = frozenset(
    {"maid", "MaidName", "valet", "command", "river_context", "vref_files", "__vcp_timed_call"}
)
"""Keys that servers add to a call, which no plugin declares (facts/vcp-protocol §1.2)."""

_TYPES: Final = ("string", "integer", "number", "boolean", "array", "object", "any")
_ALIASES: Final = {
    "str": "string", "text": "string", "int": "integer", "float": "number", "double": "number",
    "bool": "boolean", "list": "array", "dict": "object", "json": "object",
}  # fmt: skip
_NUMBERED: Final = re.compile(r"(.+?)\d+")
_TRUE, _FALSE = frozenset({"true", "yes", "1", "on"}), frozenset({"false", "no", "0", "off"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a tool.

    Attributes:
        name: Its name.
        description: What it means.
        type: ``string``, ``integer``, ``number``, ``boolean``, ``array``, ``object`` or ``any``.
        required: Whether a call must give it.
        default: What stands in for it, JSON-able.
        has_default: Whether there is such a value.
        choices: The values it may take; empty if any.
        declared: Whether the manifest declares it. False: it was only seen in an example, so it is
            suggested and never enforced.
        schema: Its JSON Schema, where there is one.
    """

    name: str
    description: str = ""
    type: str = "string"
    required: bool = False
    default: Any = None
    has_default: bool = False
    choices: tuple[Any, ...] = ()
    declared: bool = True
    schema: Mapping[str, Any] | None = None

    def to_schema(self) -> dict[str, Any]:
        """The parameter as JSON Schema."""
        if self.schema is not None:
            return dict(self.schema)
        schema: dict[str, Any] = {} if self.type == "any" else {"type": self.type}
        if self.description:
            schema["description"] = self.description
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.has_default:
            schema["default"] = self.default
        return schema


def from_params(params: Sequence[Any], where: str = "params") -> tuple[Parameter, ...]:
    """Read Cherry's list of ``{name, description, type, required, default}`` (seed 001).

    Args:
        params: The list.
        where: What an error names.

    Raises:
        InvalidDataError: An entry has no name.
    """
    found = []
    for number, entry in enumerate(params):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
            raise InvalidDataError(
                "A parameter has no name.",
                where=f"{where}[{number}]",
                next_step='write e.g. {"name": "query", "type": "string", "required": true}',
            )
        found.append(_parameter(entry["name"], entry, entry.get("required") is True))
    return tuple(found)


def from_schema(schema: Mapping[str, Any], where: str = "parameters") -> tuple[Parameter, ...]:
    """Read a JSON Schema of an object.

    Args:
        schema: ``{"type": "object", "properties": {…}, "required": […]}``.
        where: What an error names.

    Raises:
        InvalidDataError: ``properties`` is no mapping.
    """
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        raise InvalidDataError(
            "The properties of a schema are a mapping.",
            where=f"{where}.properties",
            next_step='write e.g. {"query": {"type": "string"}}',
        )
    needed = schema.get("required")
    required = set(needed) if isinstance(needed, list) else set()
    return tuple(
        _parameter(str(name), entry if isinstance(entry, Mapping) else {}, name in required, True)
        for name, entry in properties.items()
    )


def from_example(text: str) -> tuple[Parameter, ...]:
    """The keys of the tool requests in an example, as suggestions.

    Args:
        text: The example of a command, with or without prose around it.
    """
    seen: dict[str, Parameter] = {}
    for request in VCPProtocolParser().parse_tool_requests(text):
        for key, value in request.args.items():
            if key not in SERVER_KEYS:
                seen.setdefault(
                    key,
                    Parameter(key, description=f"e.g. {value[:80]}", type="any", declared=False),
                )
    return tuple(seen.values())


def check_arguments(
    parameters: Iterable[Parameter],
    arguments: Mapping[str, Any],
    tool: str,
    *,
    open_ended: bool = False,
) -> dict[str, Any]:
    """Check a call against what is declared, and convert texts to the declared types.

    Texts are what the protocol carries, so ``"5"`` is a number where one is declared. Where
    nothing is declared everything passes. Keys that servers add pass, and so does the batch
    convention of plugins: a declared name with a number behind it (``filePath1``).

    Args:
        parameters: The parameters; suggested ones are not enforced.
        arguments: The arguments.
        tool: The tool's name, for the error.
        open_ended: Whether undeclared arguments are allowed.

    Returns:
        The arguments, those with a type converted.

    Raises:
        InvalidInputError: Something is missing, unknown or of another type; all of it is named.
    """
    declared = {parameter.name: parameter for parameter in parameters if parameter.declared}
    if not declared:
        return dict(arguments)
    checked: dict[str, Any] = {}
    problems: list[str] = []
    batch = False
    for key, value in arguments.items():
        parameter = declared.get(key)
        if parameter is None:
            numbered = _NUMBERED.fullmatch(key)
            if numbered is not None and (numbered[1] in declared or numbered[1] == "command"):
                parameter, batch = declared.get(numbered[1]), True
            elif key not in SERVER_KEYS and not open_ended:
                near = get_close_matches(key, declared, n=1, cutoff=0.6)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                problems.append(f"it has no parameter {key!r}{hint}")
                continue
        if parameter is None:
            checked[key] = value
            continue
        try:
            checked[key] = _converted(parameter, value)
        except ValueError as error:
            problems.append(f"{key!r} {error}")
    if not batch:
        missing = [name for name, p in declared.items() if p.required and name not in arguments]
        problems += [f"{name!r} is missing" for name in missing]
    if problems:
        known = ", ".join(f"{name}{'' if p.required else '?'}" for name, p in declared.items())
        raise InvalidInputError(
            f"{tool} cannot be called like this: {'; '.join(problems)}.",
            where=tool,
            next_step=f"its parameters are: {known}",
        )
    return checked


def _parameter(
    name: str, entry: Mapping[str, Any], required: bool, schema: bool = False
) -> Parameter:
    told = entry.get("type")
    if isinstance(told, list):  # ["string", "null"]
        rest = [kind for kind in told if kind != "null"]
        told = rest[0] if len(rest) == 1 else "any"
    kind = _ALIASES.get(str(told).lower(), str(told).lower())
    choices = entry.get("enum", entry.get("choices"))
    return Parameter(
        name,
        description=str(entry.get("description") or ""),
        type=kind if kind in _TYPES else ("any" if schema or told is not None else "string"),
        required=required,
        default=entry.get("default"),
        has_default="default" in entry,
        choices=tuple(choices) if isinstance(choices, list | tuple) else (),
        schema=dict(entry) if schema else None,
    )


def _converted(parameter: Parameter, value: Any) -> Any:
    convert = _CONVERTERS.get(parameter.type)
    if convert is not None and value is not None:
        value = convert(value)
    elif value is None and parameter.required:
        raise ValueError("is missing")
    if parameter.choices and value not in parameter.choices:
        allowed = ", ".join(map(str, parameter.choices))
        raise ValueError(f"is {value!r}, which is none of: {allowed}")
    return value


def _string(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"is text, not {type(value).__name__}")


def _integer(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,4000}\s*", value):
        return int(value)
    raise ValueError(f"is a whole number, not {_shown(value)}")


def _number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return _integer(value)
        except ValueError:
            pass
        try:
            return float(value)
        except ValueError:
            pass
    raise ValueError(f"is a number, not {_shown(value)}")


def _boolean(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(f"is true or false, not {_shown(value)}")


def _array(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return list(value)
    return _json(value, list, "a list (JSON)")


def _object(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return _json(value, dict, "an object (JSON)")


def _json(value: Any, kind: type, what: str) -> Any:
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = None
        if isinstance(read, kind):
            return read
    raise ValueError(f"is {what}, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
}
