"""What a placeholder looks like in a text, and what may be its name.

``{{name}}``: two braces, a name, two braces. The name is of any script and may hold blanks inside,
but neither braces nor line breaks, and it neither begins nor ends with a blank: ``{{ name }}`` is
plain text, as it is upstream (facts/sdk-and-neko A2). ``{{VCP_ASYNC_RESULT::plugin::id}}`` may
have two to four braces on either side (facts/vcp-protocol §3).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from vcplab.core.errors import InvalidInputError

__all__ = ["Found", "bare_name", "checked_name", "find_placeholders", "has_placeholder"]

LONGEST: Final = 200
"""Characters in a name; longer text between braces is text."""

# The name is taken possessively: a text of opening braces without end stays linear.
_PLACEHOLDER: Final = re.compile(
    r"\{{2,4}(VCP_ASYNC_RESULT::[A-Za-z0-9_.-]+::[A-Za-z0-9_-]+)\}{2,4}"
    r"|\{\{(?!\s)([^{}\r\n]++)(?<!\s)\}\}"
)


class Found(NamedTuple):
    """A placeholder in a text: its name, and where it begins and ends."""

    name: str
    start: int
    end: int


def find_placeholders(text: str) -> list[Found]:
    """All placeholders of a text, from left to right. Time is linear in its length.

    Args:
        text: The text.

    Returns:
        One for every occurrence.
    """
    found: list[Found] = []
    for match in _PLACEHOLDER.finditer(text):
        name = match[1] or match[2]
        if len(name) <= LONGEST:
            found.append(Found(name, match.start(), match.end()))
    return found


def has_placeholder(text: str) -> bool:
    """Whether a text has a placeholder."""
    return "{{" in text and bool(find_placeholders(text))


def bare_name(placeholder: str) -> str:
    """The name of a placeholder that is given with or without its braces."""
    match = _PLACEHOLDER.fullmatch(placeholder)
    return (match[1] or match[2]) if match else placeholder


def checked_name(name: object, where: str = "key") -> str:
    """The name, if ``{{name}}`` is a placeholder.

    Args:
        name: A name without braces.
        where: What the error names.

    Raises:
        InvalidInputError: It is not text, is blank or too long, holds braces or line breaks, or
            has blanks at an end.
    """
    if isinstance(name, str):
        found = find_placeholders("{{" + name + "}}")
        if len(found) == 1 and found[0].name == name:
            return name
        bare = bare_name(name)
        if bare != name:
            raise InvalidInputError(
                f"A name is given without braces, not as {name!r}.",
                where=where,
                next_step=f"write {bare!r}",
            )
    raise InvalidInputError(
        f"{name!r} cannot be the name of a placeholder.",
        where=where,
        next_step=f"use up to {LONGEST} characters without braces, line breaks and outer blanks",
    )
