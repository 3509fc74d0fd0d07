"""Names and words: JavaScript's in Python spelling, options by either, one of a few."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from vcplab.core.errors import InvalidInputError

__all__ = ["checked_choice", "named_options", "snake_case", "snake_keys"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake_case(name: object) -> str:
    """``parentSessionId`` → ``parent_session_id``; other spellings only lose their capitals."""
    return _HUMP.sub("_", str(name)).lower()


def snake_keys(given: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with its keys in Python spelling."""
    return {snake_case(name): value for name, value in given.items()}


def named_options(
    kind: type, options: object, single: Mapping[str, Any], *, what: str, where: str
) -> dict[str, Any]:
    """The fields of a dataclass of options, from a value of it or from names in either spelling.

    Args:
        kind: The dataclass.
        options: A value of it, a mapping, or None.
        single: Single options; they win.
        what: What has these options, for the error, e.g. ``"The parser"``.
        where: What the error names.

    Returns:
        Those that were given, by field name.

    Raises:
        InvalidInputError: ``options`` is something else, or a name is unknown.
    """
    known = [field.name for field in dataclasses.fields(kind)]
    if isinstance(options, kind):
        given = {name: getattr(options, name) for name in known}
    elif options is None or isinstance(options, Mapping):
        given = snake_keys(options or {})
    else:
        raise InvalidInputError(
            f"Options are a mapping, not {type(options).__name__}.",
            where=where,
            next_step=f"give a mapping, or single options: {', '.join(known)}",
        )
    given.update(snake_keys(single))
    for name in given:
        if name not in known:
            raise InvalidInputError(
                f"{what} has no option {name!r}.",
                where=where,
                next_step=f"the options are: {', '.join(known)}",
            )
    return given


def checked_choice(value: object, choices: Iterable[str], where: str, problem: str) -> None:
    """Check that a value is one of a few words.

    Args:
        value: The value.
        choices: The words.
        where: What the error names.
        problem: What is wrong with another one, in a sentence.

    Raises:
        InvalidInputError: It is none of them.
    """
    allowed = tuple(choices)
    if value not in allowed:
        step = f"one of: {', '.join(allowed)}"
        raise InvalidInputError(problem, where=where, next_step=step)
