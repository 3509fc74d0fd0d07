"""Values of one parameter: from a text or from Python to what its hint says."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from vcplab.plugins.functions._hints import bare, prepared, takes_anything
from vcplab.plugins.functions._texts import (
    NONE_WORDS,
    as_text,
    enum_member,
    literal_member,
    number_text,
    truth,
)
from vcplab.plugins.functions._words import example_value, expected, json_type

__all__ = ["Mismatch", "Reader", "reader_of", "reasons_of"]

_PLAIN = (str, int, float, bool)
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
# Which member of a union a text is offered to first: what is hardest to mistake. Bytes and paths
# are any text at all.
_RANKS: dict[Any, int] = {int: 0, float: 1, complex: 2, Decimal: 2, bool: 3, bytes: 9}
_ORDINARY, _STRUCTURED = 4, 5


class Mismatch(ValueError):
    """A value does not fit; the arguments are the reasons, if more can be said than what fits."""


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """Reads the values of one parameter.

    Attributes:
        read: From what was given to the value; a ValueError if it does not fit.
        fast: A type of which every value is left as it is; None if there is none.
        expected: What fits, in words.
        type: The same in one word of JSON.
        schema: The same as JSON Schema; None if it cannot be said, or if everything fits.
        choices: The values, if they are few; JSON-able.
    """

    read: Callable[[Any], Any]
    fast: type | None = None
    expected: str = "anything"
    type: str = "any"
    schema: dict[str, Any] | None = None
    choices: tuple[Any, ...] = ()

    def example(self) -> str | None:
        """A text that fits; None if none was found."""
        if self.schema is None:
            return "text" if self.expected == "anything" else None
        text = as_text(example_value(self.schema))
        try:
            self.read(text)
        except ValueError:
            return None
        return text


def reader_of(hint: Any) -> Reader:
    """The reader of a hint.

    Args:
        hint: The hint, resolved.

    Raises:
        TypeError: pydantic cannot make anything of it.
    """
    if takes_anything(hint):
        return Reader(_as_it_is)
    kind, metadata = bare(hint)
    constrained = any(map(_matters, metadata))
    if kind is str and not constrained:
        schema = _schema(TypeAdapter(hint)) if metadata else {"type": "string"}
        return Reader(_plain_text, str, "text", "string", schema)
    whole = _adapter(prepared(hint))
    schema = _schema(whole)
    choices = _choices(kind)
    read, fast = _reading(kind, whole, constrained)
    return Reader(
        read,
        fast,
        expected(hint, schema or {}, choices),
        json_type(schema or {}) if kind is not Decimal else "number",
        schema or None,
        choices,
    )


def reasons_of(error: ValueError) -> tuple[str, ...]:
    """What is wrong inside a value, three reasons at most; nothing if it is just another type."""
    if isinstance(error, Mismatch):
        return error.args
    if not isinstance(error, ValidationError):
        return ()
    told = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in problem["loc"])
        if place or problem["type"] in ("json_invalid", "value_error", "assertion_error"):
            words = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            words = words.replace("Input should be", "should be")
            told.append(f"{place.removeprefix('.')} {words}".strip())
    return tuple(told[:3])


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        try:
            return TypeAdapter(hint)
        except PydanticUserError:
            # A class that pydantic does not know is only checked, not made from texts.
            return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except RecursionError as error:
        raise TypeError("it contains itself") from error
    except Exception as error:  # hints are other people's classes, with hooks that may fail
        raise TypeError(str(error).partition("\n")[0]) from error


def _schema(whole: TypeAdapter[Any]) -> dict[str, Any] | None:
    try:
        return whole.json_schema()
    except Exception:  # there is none for it
        return None


def _choices(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) in (Union, types.UnionType):
        members = [m for m in get_args(kind) if m is not type(None)]
        return _choices(bare(members[0])[0]) if len(members) == 1 else ()
    if get_origin(kind) is Literal:
        values: list[Any] = list(get_args(kind))
    elif inspect.isclass(kind) and issubclass(kind, enum.Enum):
        values = list(kind)
    else:
        return ()
    plain = [value.value if isinstance(value, enum.Enum) else value for value in values]
    if all(isinstance(value, str | int | float) or value is None for value in plain):
        return tuple(plain)
    return tuple(
        value.name if isinstance(value, enum.Enum) else to_jsonable_python(value)
        for value in values
    )


def _matters(extra: Any) -> bool:
    # A text, or a Field with a description only, changes nothing.
    if isinstance(extra, FieldInfo):
        return bool(extra.metadata or extra.discriminator)
    return not isinstance(extra, str) and type(extra).__name__ != "Doc"


def _as_it_is(value: Any) -> Any:
    return value


def _plain_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    text = number_text(value)
    if text is None:
        raise Mismatch
    return text


def _reading(
    kind: Any, whole: TypeAdapter[Any], constrained: bool
) -> tuple[Callable[[Any], Any], type | None]:
    """How a hint is read, and the type that needs no reading."""
    validate = whole.validate_python
    union = get_origin(kind) in (Union, types.UnionType)
    members = [bare(member)[0] for member in get_args(kind)] if union else [kind]
    own = _own_text(kind, whole)
    has_text, has_bytes = str in members, bytes in members
    from_text: Callable[[str], Any]
    if own is None:
        from_text = _json_text(whole) if _structured(kind) else _any_text(whole)
    elif constrained:
        reader = own

        def from_text(text: str) -> Any:
            return validate(reader(text))
    else:
        from_text = own

    def read(value: Any) -> Any:
        if isinstance(value, str):
            return from_text(value)
        if has_text and not has_bytes and isinstance(value, bytes | bytearray):
            raise Mismatch
        try:
            return validate(value)
        except ValueError:
            text = number_text(value) if has_text else None
            if text is None:
                raise
        return from_text(text)

    if constrained:
        return read, None
    if union:
        plain = [member for member in get_args(kind) if member in _PLAIN]
        # Where texts stay as they are, they need no reading; else the first of the other types.
        return read, str if str in plain else next(iter(plain), None)
    single = kind in _PLAIN or (inspect.isclass(kind) and issubclass(kind, enum.Enum))
    return read, kind if single else None


def _own_text(kind: Any, whole: TypeAdapter[Any]) -> Callable[[str], Any] | None:
    """How texts of this kind are read where pydantic's way is not ours."""
    if kind is str:
        return _as_it_is
    if kind is bool:
        return truth
    if kind is None or kind is type(None):
        return _none
    if get_origin(kind) is Literal:
        literals = get_args(kind)
        return lambda text: literal_member(literals, text)
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return lambda text: enum_member(kind, text)
    if get_origin(kind) in (Union, types.UnionType):
        return _union_text(get_args(kind), whole)
    return None


def _none(text: str) -> None:
    if text.strip().lower() not in NONE_WORDS:
        raise Mismatch


def _union_text(members: tuple[Any, ...], whole: TypeAdapter[Any]) -> Callable[[str], Any]:
    """How a union reads a text: as it is, as a choice, as None, then as the other members."""
    pairs = [(member, bare(member)[0]) for member in members]
    kinds = [kind for _, kind in pairs]
    several = sum(map(_structured, kinds)) > 1
    exact: list[tuple[int, Callable[[Any], Any]]] = []
    others: list[tuple[int, Callable[[Any], Any]]] = []
    for member, kind in pairs:
        if kind is type(None) or (several and _structured(kind)):
            continue
        read = reader_of(member).read
        if kind is str or _is_choice(kind):
            # Text as such takes everything; text with conditions comes after the choices.
            exact.append((0 if member is str else 2 if kind is str else 1, read))
        elif kind is int and (float in kinds or Decimal in kinds):
            others.append((0, _whole_number(read)))  # "5.0" is the other one's
        else:
            others.append((_rank(kind), read))
    if several:
        others.append((_STRUCTURED, _json_text(whole)))  # pydantic finds which of them
    first = [read for _, read in sorted(exact, key=lambda entry: entry[0])]
    then = [read for _, read in sorted(others, key=lambda entry: entry[0])]
    optional = type(None) in kinds

    def from_text(text: str) -> Any:
        for read in first:
            try:
                return read(text)
            except ValueError:
                continue
        if optional and text.strip().lower() in NONE_WORDS:
            return None
        reasons: tuple[str, ...] = ()
        for read in then:
            try:
                return read(text)
            except ValueError as error:
                reasons = reasons_of(error)
        # With several members the reasons of one would mislead.
        raise Mismatch(*(reasons if len(then) == 1 and not first else ()))

    return from_text


def _is_choice(kind: Any) -> bool:
    return get_origin(kind) is Literal or (inspect.isclass(kind) and issubclass(kind, enum.Enum))


def _rank(kind: Any) -> int:
    if inspect.isclass(kind) and issubclass(kind, PurePath):
        return 9
    return _RANKS.get(kind, _STRUCTURED if _structured(kind) else _ORDINARY)


def _whole_number(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def strict(text: str) -> Any:
        if not _WHOLE.fullmatch(text):
            raise Mismatch
        return read(text)

    return strict


def _structured(kind: Any) -> bool:
    """Whether values are written as JSON lists or objects."""
    origin = get_origin(kind) or kind
    if typing.is_typeddict(origin) or dataclasses.is_dataclass(origin):
        return True
    if not inspect.isclass(origin) or issubclass(origin, str | bytes | bytearray):
        return False
    if issubclass(origin, BaseModel):
        return True
    if origin.__module__ in ("builtins", "collections", "collections.abc"):
        return issubclass(origin, collections.abc.Iterable | collections.abc.Container)
    return issubclass(origin, tuple)


def _json_text(whole: TypeAdapter[Any]) -> Callable[[str], Any]:
    def from_text(text: str) -> Any:
        try:
            return whole.validate_json(text)
        except ValueError as first:
            try:
                # The hint may bring its own way of reading a text (BeforeValidator).
                return whole.validate_python(text)
            except ValueError:
                raise first from None

    return from_text


def _any_text(whole: TypeAdapter[Any]) -> Callable[[str], Any]:
    def from_text(text: str) -> Any:
        try:
            return whole.validate_python(text)
        except ValueError as first:
            if not text.lstrip().startswith(("{", "[", '"')):
                raise  # a bare number of JSON would be taken for seconds where dates are expected
            try:
                return whole.validate_json(text)
            except ValueError:
                raise first from None

    return from_text
