"""Texts and values: how tool requests write truth values, choices and everything else."""

from __future__ import annotations

import enum
import math
from datetime import date, time
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic_core import to_json

__all__ = ["NONE_WORDS", "as_text", "enum_member", "literal_member", "number_text", "truth"]

NONE_WORDS = frozenset({"", "null", "none"})
"""What None is called in a text, in any case and with blanks around it."""

_TRUTH = {
    **dict.fromkeys(("true", "yes", "1", "on"), True),
    **dict.fromkeys(("false", "no", "0", "off"), False),
}


def truth(text: str) -> bool:
    """Read true, yes, 1, on, false, no, 0 or off, in any case.

    Raises:
        ValueError: It is none of them.
    """
    try:
        return _TRUTH[text.strip().lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


def as_text(value: Any) -> str:
    """A value as a tool request writes it: texts as they are, collections as JSON.

    Args:
        value: A value that `FunctionSpec.bind` can read back.
    """
    if isinstance(value, enum.Enum):
        return as_text(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float | Decimal | UUID | PurePath):
        return str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    return to_json(value, inf_nan_mode="constants").decode()


def number_text(value: Any) -> str | None:
    """The text of a number that loses nothing; None for everything else, truth values included."""
    if type(value) not in (int, float, Decimal) or math.isnan(value):
        return None
    try:
        return str(value)
    except ValueError:  # more digits than Python writes
        return None


def enum_member(kind: type[enum.Enum], text: str) -> Any:
    """The member of an enum that a text means: by its value, then by its name.

    Raises:
        ValueError: There is none.
    """
    for member in kind:
        if isinstance(member.value, str) and member.value == text:
            return member
    for member in kind.__members__.values():
        if not isinstance(member.value, str) and _means(text, member.value):
            return member
    if text in kind.__members__:
        return kind[text]
    if issubclass(kind, enum.Flag) and text.strip().isdecimal():
        return kind(int(text))
    return kind(text)  # the enum's own `_missing_` has the last word


def literal_member(members: tuple[Any, ...], text: str) -> Any:
    """The member of a Literal that a text means.

    Raises:
        ValueError: There is none.
    """
    for member in members:
        if isinstance(member, str) and member == text:
            return member
    for member in members:
        if isinstance(member, enum.Enum) and text == member.name:
            return member
        if not isinstance(member, str) and _means(text, member):
            return member
    raise ValueError("none of the choices")


def _means(text: str, value: Any) -> bool:
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None:
        return text.strip().lower() in NONE_WORDS
    if isinstance(value, bool):
        return _TRUTH.get(text.strip().lower()) is value
    try:
        return as_text(value) == text.strip()
    except ValueError:  # pydantic cannot write it: only its name is left
        return False
