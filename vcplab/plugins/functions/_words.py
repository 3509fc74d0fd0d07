"""Hints in plain words, with examples: for errors and manifests."""

from __future__ import annotations

import collections.abc
import enum
import inspect
import types
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from vcplab.plugins.functions._hints import bare, takes_anything
from vcplab.plugins.functions._texts import as_text

__all__ = ["example_value", "expected", "json_type"]

_WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    complex: "a complex number such as 1+2j",
    bool: "true or false",
    type(None): "null",
    None: "null",
    bytes: "text",
    Decimal: "a decimal number",
    UUID: "a UUID",
    date: "a date such as 2025-01-31",
    datetime: "a date and time such as 2025-01-31T12:00:00",
    time: "a time such as 12:30:00",
    timedelta: "a duration such as PT1H30M",
}
_FORMATS = {
    "date": "2025-01-31",
    "date-time": "2025-01-31T12:00:00",
    "time": "12:30:00",
    "duration": "PT1H30M",
    "uuid": "12345678-1234-4234-8234-123456789abc",
    "path": "notes/today.md",
    "email": "someone@example.org",
    "uri": "https://example.org/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}
_LISTS = frozenset(
    {
        *(list, set, frozenset, tuple, collections.deque, collections.abc.Sequence),
        *(collections.abc.MutableSequence, collections.abc.Set, collections.abc.MutableSet),
        *(collections.abc.Iterable, collections.abc.Collection, collections.abc.Container),
    }
)
_DEEPEST = 6


def expected(hint: Any, schema: Mapping[str, Any], choices: tuple[Any, ...] = ()) -> str:
    """What a hint expects, in words that complete "… is expected".

    Args:
        hint: The hint, resolved.
        schema: Its JSON Schema; empty if there is none.
        choices: The values it may take, if they are few.
    """
    kind = bare(hint)[0]
    if choices:
        return "one of: " + ", ".join(as_text(choice) for choice in choices)
    origin, members = get_origin(kind) or kind, get_args(kind)
    if takes_anything(kind):
        return "anything"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_members(members, schema)))
    if kind in _WORDS:
        return _WORDS[kind] + _limits(schema)
    if origin is tuple and members and members[-1] is not ...:
        return f"a JSON list of {', '.join(expected(member, {}) for member in members)}"
    if origin in _LISTS:
        items = f" (each: {_inner(members[0], schema, schema.get('items'))})" if members else ""
        return f"a JSON list{items}{_limits(schema)}"
    if inspect.isclass(origin) and issubclass(origin, PurePath):
        return "a path"
    if origin is dict or json_type(schema) == "object":
        return f"a JSON object{_keys(schema)}"
    name = getattr(origin, "__name__", str(origin))
    return f"a value of the type {name}"


def json_type(schema: Mapping[str, Any]) -> str:
    """The one word for a JSON Schema that `vcplab.plugins.parameters.Parameter` has."""
    kinds = _types(schema, schema.get("$defs", {}), 0) - {"null"}
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "any"


def example_value(schema: Mapping[str, Any]) -> Any:
    """A value that a JSON Schema probably allows; patterns and the like are not looked at."""
    return _example(schema, schema.get("$defs", {}), 0)


def _members(members: tuple[Any, ...], schema: Mapping[str, Any]) -> Iterator[str]:
    branches = schema.get("anyOf", [])
    known = branches if len(branches) == len(members) else [{}] * len(members)
    for member, branch in zip(members, known, strict=True):
        yield _inner(member, schema, branch)


def _inner(hint: Any, schema: Mapping[str, Any], part: Any) -> str:
    """What a part of a hint expects, e.g. the items of a list."""
    inner = {**part, "$defs": schema.get("$defs", {})} if isinstance(part, Mapping) else {}
    kind = bare(hint)[0]
    choices: tuple[Any, ...] = ()
    if get_origin(kind) is Literal:
        choices = get_args(kind)
    elif inspect.isclass(kind) and issubclass(kind, enum.Enum):
        choices = tuple(kind)
    return expected(hint, inner, choices)


def _limits(schema: Mapping[str, Any]) -> str:
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "greater than {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "less than {}",
        "multipleOf": "a multiple of {}",
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minItems": "at least {} items",
        "maxItems": "at most {} items",
        "pattern": "matching {}",
    }
    if "minimum" in schema and "maximum" in schema:
        told = [f"from {schema['minimum']} to {schema['maximum']}"]
        del words["minimum"], words["maximum"]
    else:
        told = []
    told += [text.format(schema[key]) for key, text in words.items() if key in schema]
    return f", {' and '.join(told)}" if told else ""


def _keys(schema: Mapping[str, Any]) -> str:
    schema = _followed(schema, schema.get("$defs", {}))
    names = list(schema.get("properties", {}))
    if not names:
        return ""
    required = schema.get("required", [])
    told = [name if name in required else f"{name} (optional)" for name in names]
    return f" with {', '.join(told)}"


def _followed(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        target = schema.get("$ref")
        if not isinstance(target, str):
            break
        schema = defs.get(target.rsplit("/", 1)[-1], {})
    return schema


def _types(schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> set[str]:
    schema = _followed(schema, defs)
    if depth > _DEEPEST:
        return set()
    if isinstance(schema.get("type"), str):
        return {schema["type"]}
    if "const" in schema or "enum" in schema:
        names = {str: "string", bool: "boolean", int: "integer", float: "number"}
        values = schema.get("enum", [schema.get("const")])
        return {"null" if v is None else names.get(type(v), "any") for v in values}
    branches = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
    return {kind for branch in branches for kind in _types(branch, defs, depth + 1) or {"any"}}


def _example(schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> Any:
    schema = _followed(schema, defs)
    if depth > _DEEPEST:
        return None
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(key, []):
            if branch.get("type") != "null":
                return _example(branch, defs, depth + 1)
    match schema.get("type"):
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "array":
            return _items(schema, defs, depth)
        case "object":
            return _object(schema, defs, depth)
        case "null":
            return None
    text = _FORMATS.get(str(schema.get("format")), "text")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 80)]


def _number(schema: Mapping[str, Any]) -> int | float:
    step = schema.get("multipleOf", 1)
    low: int | float
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + step
    elif "minimum" in schema:
        low = schema["minimum"]
    else:
        low = min(3, schema.get("maximum", 3), schema.get("exclusiveMaximum", 4) - 1)
    if "multipleOf" in schema:
        low = -(-low // step) * step
    if "exclusiveMaximum" in schema and low >= schema["exclusiveMaximum"]:
        low = (schema.get("exclusiveMinimum", low) + schema["exclusiveMaximum"]) / 2
    return int(low) if schema.get("type") == "integer" else low


def _items(schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> list[Any]:
    if "prefixItems" in schema:
        return [_example(item, defs, depth + 1) for item in schema["prefixItems"]]
    item = _example(schema.get("items") or {}, defs, depth + 1)
    return [item] * max(1, schema.get("minItems", 1))


def _object(schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> dict[str, Any]:
    names = schema.get("required", [])
    properties = schema.get("properties", {})
    if not properties and isinstance(schema.get("additionalProperties"), Mapping):
        inner = _example(schema["additionalProperties"], defs, depth + 1)
        return {"key": inner}
    return {name: _example(properties[name], defs, depth + 1) for name in names}
