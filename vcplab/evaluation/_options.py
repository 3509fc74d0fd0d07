"""Checks of options, shared by everything that takes some."""

from __future__ import annotations

import operator
from collections.abc import Collection

from vcplab.core.errors import InvalidInputError

__all__ = ["task_options", "whole_option"]


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


def task_options(given: Collection[str], known: Collection[str], task: str) -> None:
    """Refuse options of ``compare`` that a task does not have.

    Args:
        given: Their names.
        known: Those that the task has.
        task: What it is called.

    Raises:
        InvalidInputError: It does not have one.
    """
    for name in given:
        if name not in known:
            raise InvalidInputError(
                f"compare has no option {name!r} for {task}.",
                where=name,
                next_step=f"Options of {task}: {', '.join(known)}; and those of compare.",
            )
