"""Values of a notebook: what they are, and how a script of its own can have them."""

from __future__ import annotations

import builtins
import inspect
import io
import math
import sys
import types
from collections.abc import Mapping
from typing import Any, Final

__all__ = [
    "advice_on",
    "function_in",
    "import_of",
    "is_definition",
    "is_plain",
    "kind_of",
    "same",
    "space_of",
]

_PLAIN: Final = (type(None), type(...), bool, int, float, complex, str, bytes)
_DATA: Final = frozenset({"numpy", "pandas", "polars", "pyarrow", "torch", "scipy", "tensorflow"})
_GENERAL: Final = "make it inside the function, pass it as an argument, or write a plain constant"


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a value can be written as a literal that gives the same value."""
    if type(value) in _PLAIN:
        return not (isinstance(value, float) and not math.isfinite(value))
    if depth > 50:
        return False
    if type(value) in (list, tuple, set):
        return all(is_plain(item, depth + 1) for item in value)
    if type(value) is dict:
        return all(is_plain(k, depth + 1) and is_plain(v, depth + 1) for k, v in value.items())
    return False


def same(one: Any, other: Any) -> bool:
    """Whether two values are one, or plain and alike."""
    return one is other or (is_plain(one) and is_plain(other) and repr(one) == repr(other))


def space_of(value: Any, outer: Mapping[str, Any]) -> dict[str, Any]:
    """The names that a definition sees: those of its module, and those of functions around it."""
    functions = [value]
    if isinstance(value, type):
        members = (getattr(m, "__func__", getattr(m, "fget", m)) for m in vars(value).values())
        functions = [m for m in members if inspect.isfunction(inspect.unwrap(m))]
        functions = [m for m in functions if inspect.unwrap(m).__module__ == value.__module__]
    space = dict(outer)
    for member in functions:
        function = inspect.unwrap(member)
        if function.__code__.co_filename != "<string>":  # what dataclass writes sees its own names
            space.update(function.__globals__)
    for member in functions:
        function = inspect.unwrap(member)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            if name != "__class__":
                try:
                    space[name] = cell.cell_contents
                except ValueError:
                    continue  # not assigned yet
    return space


def function_in(value: Any) -> Any:
    """The function of a tool object, or the value itself."""
    for name in ("__wrapped__", "function"):
        if not isinstance(value, type | types.FunctionType):
            inner = inspect.getattr_static(value, name, None)
            if inner is not None and isinstance(getattr(value, name), types.FunctionType):
                return value if name == "__wrapped__" else getattr(value, name)
    return value


def is_definition(value: Any) -> bool:
    """Whether a value is a class, or a function below its decorators."""
    if isinstance(value, type):
        return True
    try:
        return isinstance(inspect.unwrap(value), types.FunctionType)
    except ValueError:
        return False


def import_of(name: str, value: Any, home: set[str]) -> tuple[str, str] | None:
    """The module and the statement that import a value; the shortest public path is taken."""
    module = getattr(value, "__module__", None) or getattr(type(value), "__module__", None)
    if not isinstance(module, str) or module == "builtins":
        module = "builtins" if value is getattr(builtins, name, None) else None
    if module is None or module in home:
        return None
    parts = module.split(".")
    paths = [".".join(parts[: end + 1]) for end in range(len(parts))]
    paths.sort(key=lambda path: any(part.startswith("_") for part in path.split(".")))
    own = str(getattr(value, "__qualname__", None) or getattr(value, "__name__", name) or name)
    for path in paths:
        for attribute in dict.fromkeys((own, name)):
            if "." in attribute or "<" in attribute:
                continue
            known = sys.modules.get(path)
            if known is not None and getattr(known, attribute, None) is value:
                alias = "" if attribute == name else f" as {name}"
                return path, f"from {path} import {attribute}{alias}"
    return None


def kind_of(value: Any) -> str:
    """The type of a value, with its module."""
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def advice_on(value: Any) -> str:
    """What to do with a value that cannot be taken along."""
    root = type(value).__module__.split(".")[0]
    if isinstance(value, io.IOBase):
        return "open the file inside the function, by a path that it is given"
    if root == "vcplab":
        return "the lab exists in the notebook only: do this part there, and pass what it gives"
    if root in _DATA:
        return "load the data inside the function, or pass it as an argument"
    return _GENERAL
