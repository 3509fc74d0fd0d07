"""Hints: from text to types, and into a form that pydantic reads as we mean it."""

from __future__ import annotations

import collections
import collections.abc
import enum
import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin

from pydantic import BeforeValidator

from vcplab.plugins.functions._texts import enum_member

__all__ = [
    "bare",
    "core_of",
    "namespaces",
    "prepared",
    "resolved",
    "takes_anything",
    "takes_none",
]

_CONTAINERS = frozenset(
    {
        *(list, dict, set, frozenset, tuple, collections.deque, collections.defaultdict),
        *(collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Mapping),
        *(collections.abc.MutableMapping, collections.abc.Set, collections.abc.MutableSet),
    }
)
# pydantic would give a lazy iterator for the first, which can be read once only, and knows no
# schema for the others.
_ANY_ITEMS = frozenset(
    {collections.abc.Iterable, collections.abc.Collection, collections.abc.Container}
)
_BARE_NUMBER = re.compile(r"\s*[+-]?\d+(?:\.\d*)?\s*")


def core_of(function: Any) -> Any:
    """The function in whose module the hints of a callable were written."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif inspect.ismethod(function):
            function = function.__func__
        elif inspect.isclass(function):
            return function.__init__
        elif hasattr(function, "__wrapped__") and not hasattr(function, "__signature__"):
            function = function.__wrapped__
        elif not inspect.isroutine(function) and inspect.isroutine(type(function).__call__):
            function = type(function).__call__
        else:
            return function


def namespaces(function: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names that the hints of a callable may use: its globals, and what it encloses."""
    core = core_of(function)
    names = getattr(core, "__globals__", None)
    if names is None:
        names = getattr(sys.modules.get(getattr(core, "__module__", None) or ""), "__dict__", {})
    enclosed = {kind.__name__: kind for kind in getattr(core, "__type_params__", ())}
    code = getattr(core, "__code__", None)
    for name, cell in zip(
        getattr(code, "co_freevars", ()), getattr(core, "__closure__", None) or (), strict=False
    ):
        try:
            enclosed[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names, enclosed


def resolved(
    annotation: Any, names: Mapping[str, Any], enclosed: Mapping[str, Any]
) -> tuple[Any, str | None]:
    """A hint with its forward references looked up.

    Args:
        annotation: As it stands in the signature.
        names: Globals of the function.
        enclosed: What it encloses.

    Returns:
        The hint, or Any with what is wrong with the annotation.
    """
    if annotation is inspect.Parameter.empty:
        return Any, None

    def probe() -> None:
        """Carries the one annotation."""

    probe.__annotations__ = {"hint": annotation}
    try:
        hints = typing.get_type_hints(probe, dict(names), dict(enclosed), include_extras=True)
    except Exception as error:  # an annotation is code, which may fail in any way
        return Any, f"the hint {annotation!r} cannot be resolved ({error})"
    return hints["hint"], None


def bare(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A hint without its aliases and ``Annotated``, and the metadata of the latter."""
    extras: tuple[Any, ...] = ()
    while True:
        if get_origin(hint) is Annotated:
            hint, *metadata = get_args(hint)
            extras = (*metadata, *extras)
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # `type X = …` of Python 3.12
            hint = hint.__value__
        else:
            return hint, extras


def takes_anything(hint: Any) -> bool:
    """Whether every value is left as it came: Any, ``object``, or a free type variable."""
    kind = bare(hint)[0]
    if isinstance(kind, TypeVar):
        return kind.__bound__ is None and not kind.__constraints__
    return kind is Any or kind is object


def takes_none(hint: Any) -> bool:
    """Whether None is among the values."""
    kind = bare(hint)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return any(takes_none(member) for member in get_args(kind))
    if get_origin(kind) is Literal:
        return None in get_args(kind)
    return kind is None or kind is type(None) or takes_anything(kind)


def prepared(hint: Any) -> Any:
    """A hint as pydantic shall read it, inside collections too.

    Enums are also known by name; a bare number is no date (it would be taken for seconds since
    1970); an iterable becomes a list; ``typing.TypedDict`` is rebuilt where pydantic cannot read
    it.
    """
    origin, members = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(prepared(members[0]), *hint.__metadata__)]
    if origin in (Union, types.UnionType):
        return Union[tuple(prepared(member) for member in members)]  # noqa: UP007
    if origin in _ANY_ITEMS or hint in _ANY_ITEMS:
        return list[prepared(members[0])] if members else list  # type: ignore[misc]
    if origin in _CONTAINERS and members:
        inner = tuple(member if member is ... else prepared(member) for member in members)
        return hint if inner == members else origin[inner if len(inner) > 1 else inner[0]]
    if not inspect.isclass(hint) or origin is not None:
        return hint
    if issubclass(hint, enum.Enum):
        return Annotated[hint, BeforeValidator(functools.partial(_by_name, hint))]
    if hint is date or hint is datetime:
        return Annotated[hint, BeforeValidator(_no_seconds)]
    if typing.is_typeddict(hint) and sys.version_info < (3, 12):
        return _typed_dict(hint)
    return hint


def _by_name(kind: type[enum.Enum], value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, kind):
        try:
            return enum_member(kind, value)
        except ValueError:
            return value  # pydantic says what is wrong
    return value


def _no_seconds(value: Any) -> Any:
    if isinstance(value, str) and _BARE_NUMBER.fullmatch(value):
        try:
            day = date.fromisoformat(value.strip())  # 20250131 is a date, 5 is not
        except ValueError:
            raise ValueError("a bare number is no date") from None
        return day.isoformat()
    return value


def _typed_dict(kind: Any) -> Any:
    from typing_extensions import TypedDict

    fields: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        # `__required_keys__` overlooks marks that were text when the class was made.
        mark = get_origin(hint)
        if mark in (typing.Required, typing.NotRequired):
            fields[name] = mark[prepared(get_args(hint)[0])]
        elif name in kind.__required_keys__:
            fields[name] = typing.Required[prepared(hint)]
        else:
            fields[name] = typing.NotRequired[prepared(hint)]
    made: Any = TypedDict  # a type checker wants literals
    rebuilt = made(kind.__name__, fields)
    rebuilt.__doc__ = kind.__doc__
    return rebuilt
