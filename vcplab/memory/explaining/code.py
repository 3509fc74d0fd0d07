"""A system as Python code that makes it again."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

from vcplab.memory.filters.conditions import Condition
from vcplab.memory.stages.base import Stage

__all__ = ["as_code"]


def as_code(system: Stage, name: str = "system") -> str:
    """Python that makes a system again: its imports, and one assignment.

    Args:
        system: A recipe or pipeline.
        name: The variable it is assigned to.

    Returns:
        The code. Objects of one's own (embedders, functions) stand in it as they show themselves.
    """
    package = sys.modules["vcplab"]
    shared: set[str] = set()
    apart: set[tuple[str, str]] = set()
    for cls in {type(value) for value in _values(system)}:
        if getattr(package, cls.__name__, None) is cls:
            shared.add(cls.__name__)
        elif cls.__module__ != "builtins":
            apart.add((cls.__module__, cls.__name__))
    if any(isinstance(value, Condition) for value in _values(system)):
        apart = {pair for pair in apart if not pair[0].startswith("vcplab.memory.filters")}
        shared.add("field")
    lines = [f"from vcplab import {', '.join(sorted(shared))}"] if shared else []
    lines += [f"from {module} import {cls}" for module, cls in sorted(apart)]
    text = repr(system)
    used = [line for line in lines if any(f"{n.strip()}(" in text for n in _names(line))]
    return "\n".join([*used, f"{name} = {text}"])


def _names(line: str) -> list[str]:
    return line.partition(" import ")[2].split(",")


def _values(value: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in dataclasses.fields(value):
            yield from _values(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _values(item)
    elif value is not None and not isinstance(value, str | int | float | bool | dict):
        yield value
