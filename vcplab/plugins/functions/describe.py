"""From a function to what is known of it as a tool."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Optional, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError, to_jsonable_python

from vcplab.core.errors import InvalidInputError
from vcplab.plugins.functions._binding import Binder
from vcplab.plugins.functions._hints import bare, core_of, namespaces, resolved, takes_none
from vcplab.plugins.functions._manifest import writable
from vcplab.plugins.functions._readers import Reader, reader_of
from vcplab.plugins.functions.context import ToolContext
from vcplab.plugins.functions.docstrings import parse_docstring
from vcplab.plugins.functions.spec import FunctionSpec
from vcplab.plugins.parameters import Parameter

__all__ = ["describe_function"]

_EMPTY = inspect.Parameter.empty


@dataclass(slots=True)
class _Found:
    """What is collected while the parameters are gone through."""

    parameters: list[Parameter] = field(default_factory=list)
    readers: dict[str, Reader] = field(default_factory=dict)
    contexts: dict[str, bool] = field(default_factory=dict)
    extra: Reader | None = None
    shown: list[inspect.Parameter] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def describe_function(
    function: Callable[..., Any], *, name: str | None = None, description: str | None = None
) -> FunctionSpec:
    """Find out what a function is as a tool.

    Args:
        function: A function, method, partial, or an object that can be called; synchronous or not.
        name: The tool's name; the function's own if None.
        description: What it does; from its docstring if None.

    Returns:
        What is known of it. Nothing in it keeps the function alive.

    Raises:
        InvalidInputError: It cannot be called by names: it is not callable, has parameters that
            are given by position only (``/``, ``*args``), no signature, or no name.
    """
    tool = _name(function, name)
    signature = _signature(function, tool)
    told, texts, returns = parse_docstring(_docstring(function))
    names, enclosed = namespaces(function)
    found = _Found()
    for parameter in signature.parameters.values():
        _refuse(parameter, tool)
        hint, problem = resolved(parameter.annotation, names, enclosed)
        if problem:
            found.notes.append(f"{parameter.name}: {problem}; values are passed as they come")
        _take(parameter, hint, texts, found)
    answer, problem = resolved(signature.return_annotation, names, enclosed)
    if problem:
        found.notes.append(f"return: {problem}")
    required = [p.name for p in found.parameters if p.required]
    return FunctionSpec(
        name=tool,
        description=told if description is None else description.strip(),
        returns=returns,
        parameters=tuple(found.parameters),
        is_async=_is_async(function),
        takes_context=bool(found.contexts),
        extra=found.extra is not None,
        notes=tuple(found.notes),
        _signature=inspect.Signature(
            found.shown,
            return_annotation=answer
            if signature.return_annotation is not _EMPTY and not problem
            else signature.return_annotation,
        ),
        _binder=Binder(tool, found.readers, required, found.contexts, found.extra),
    )


def _take(parameter: inspect.Parameter, hint: Any, texts: Mapping[str, str], found: _Found) -> None:
    """Note one parameter: shown to callers, filled by the host, or the rest."""
    name, default = parameter.name, parameter.default
    if _is_context(hint):
        found.contexts[name] = default is _EMPTY
        return
    if default is None and not takes_none(hint):
        hint = Optional[hint]  # noqa: UP045  # the old habit `x: int = None`
    try:
        reader = reader_of(hint)
    except TypeError as error:
        found.notes.append(f"{name}: {hint!r} cannot be read ({error}); values pass as they come")
        reader = reader_of(Any)
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        found.extra = reader
        found.shown.append(parameter.replace(annotation=_shown(parameter, hint)))
        return
    if not writable(name):
        found.notes.append(
            f"{name}: never arrives from tool-request text, where keys are ASCII letters, digits "
            "and '_', and some belong to the server"
        )
    found.readers[name] = reader
    found.parameters.append(
        Parameter(
            name=name,
            description=texts.get(name) or _told(hint),
            type=reader.type,
            required=default is _EMPTY,
            default=None if default is _EMPTY else _jsonable(default),
            has_default=default is not _EMPTY,
            choices=reader.choices,
            schema=reader.schema,
        )
    )
    found.shown.append(
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=_shown(parameter, hint))
    )


def _shown(parameter: inspect.Parameter, hint: Any) -> Any:
    # A hint that could not be resolved stays as it was written.
    if parameter.annotation is _EMPTY or hint is Any:
        return parameter.annotation
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _name(function: Any, name: str | None) -> str:
    if not callable(function):
        raise InvalidInputError(
            f"A tool is made of a function, not of {type(function).__name__}.",
            where="function",
            next_step="give a function, a method, or an object with __call__",
        )
    if name is None:
        while isinstance(function, functools.partial):
            function = function.func
        name = getattr(function, "__name__", None) or type(function).__name__
    if not isinstance(name, str) or not name.isprintable() or name != name.strip() or not name:
        raise InvalidInputError(
            f"{name!r} cannot be the name of a tool.",
            where="name",
            next_step="give one line of text without blanks around it",
        )
    if name == "<lambda>":
        raise InvalidInputError(
            "A lambda has no name.", where="name", next_step='give name="…", or write a def'
        )
    return name


def _signature(function: Any, tool: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"The parameters of {tool} cannot be found out: {error}.",
            where=tool,
            next_step="wrap it in a def with named parameters",
        ) from error


def _refuse(parameter: inspect.Parameter, tool: str) -> None:
    """A call names its arguments, so what has no name cannot be given."""
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        problem = f"{tool} takes {parameter.name} by position only; tools are called by names."
        step = f"take out the / after {parameter.name}, or wrap the function in a def"
    elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        problem = f"{tool} takes *{parameter.name}; tools are called by names."
        step = f"write {parameter.name}: list[…] instead, which is given as a JSON list"
    elif isinstance(parameter.default, FieldInfo):
        problem = f"The default of {parameter.name} is a Field, which Python would hand over as is."
        step = f"write {parameter.name}: Annotated[…, Field(…)] = value"
    else:
        return
    raise InvalidInputError(problem, where=f"{tool}.{parameter.name}", next_step=step)


def _is_context(hint: Any) -> bool:
    kind = bare(hint)[0]
    if get_origin(kind) in (Union, UnionType):
        return any(_is_context(member) for member in get_args(kind))
    return kind is ToolContext


def _told(hint: Any) -> str:
    """What ``Annotated`` says of a parameter: a Field's description, or a Doc."""
    for extra in bare(hint)[1]:
        text = getattr(extra, "description", None) or getattr(extra, "documentation", None)
        if isinstance(text, str):
            return " ".join(text.split())
    return ""


def _docstring(function: Any) -> str | None:
    while isinstance(function, functools.partial):
        function = function.func
    if not (inspect.isroutine(function) or inspect.isclass(function)):
        # Not getdoc: every __call__ inherits words that say nothing.
        return getattr(core_of(function), "__doc__", None) or inspect.getdoc(type(function))
    return inspect.getdoc(function)


def _is_async(function: Any) -> bool:
    # Only the callable itself tells: a wrapper around a coroutine function may well run it.
    if inspect.iscoroutinefunction(function):
        return True
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(type(function).__call__)


def _jsonable(value: Any) -> Any:
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError):
        return repr(value)
