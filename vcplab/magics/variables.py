"""Which of a notebook's variables a magic means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vcplab.core.errors import InvalidInputError, NotFoundError

__all__ = ["held", "unquoted"]


def held(
    space: Mapping[str, Any],
    variable: str | None,
    is_one: Callable[[object], bool],
    *,
    what: str,
    where: str,
    option: str,
    next_step: str,
    usual: str,
) -> tuple[str, Any]:
    """The variable that is meant, and what it holds.

    Args:
        space: The notebook's variables.
        variable: The one that was named; None for the usual one, else the only one.
        is_one: Whether a value is of the kind.
        what: What the kind is called.
        where: The magic, for errors.
        option: How the magic is told which, e.g. ``"--lab"``.
        next_step: How one is made; ``{}`` is the variable.
        usual: The variable that goes before others.

    Raises:
        NotFoundError: There is none.
        InvalidInputError: There are several.
    """
    if variable is not None:
        if not is_one(space.get(variable)):
            problem = f"is no {what}" if variable in space else "does not exist"
            raise NotFoundError(
                f"The variable {variable} {problem}.",
                where=f"{where} {option}".rstrip(),
                next_step=f"make it one: {next_step.format(variable)}",
            )
        return variable, space[variable]
    if is_one(space.get(usual)):
        return usual, space[usual]
    # Names with a line before them are IPython's caches of results.
    found = {
        id(value): (name, value)
        for name, value in space.items()
        if not name.startswith("_") and is_one(value)
    }
    if len(found) == 1:
        return found.popitem()[1]
    if found:
        names = ", ".join(sorted(name for name, _ in found.values()))
        raise InvalidInputError(
            f"There are several {what}s: {names}.",
            where=where,
            next_step=f"say which: {where} {option} {names.partition(',')[0]}".replace("  ", " "),
        )
    raise NotFoundError(
        f"There is no {what} yet.",
        where=where,
        next_step=f"make one first: {next_step.format(usual)}",
    )


def unquoted(text: str | None) -> str | None:
    """An argument without the quotation marks that IPython leaves around it."""
    if text is not None and len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
