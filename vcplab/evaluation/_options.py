"""Checks of whole-number options, shared by everything that takes some."""

from __future__ import annotations

import operator

from vcplab.core.errors import InvalidInputError

__all__ = ["whole_option"]


def whole_option(value: object, name: str, example: int, least: int = 1) -> int:
    """An option that must be a whole number, as a plain ``int``.

    Args:
        value: What was given; NumPy's integers are taken too.
        name: The option.
        example: What the error suggests.
        least: The smallest number allowed.

    Raises:
        InvalidInputError: It is no whole number, or too small.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise InvalidInputError(
            f"{name} must be a whole number of at least {least}, not {value!r}.",
            where=name,
            next_step=f"Use for example {name}={example}.",
        )
    return number
