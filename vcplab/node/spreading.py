"""Which tool goes on which line of a link."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, TypeVar

__all__ = ["MOST_LINES", "SHARED", "spread"]

T = TypeVar("T")

MOST_LINES: Final = 32
"""Tools that have a line of their own; the rest share one."""
SHARED: Final = "\0shared"
"""The key of the line that is shared; no tool bears such a name."""


def spread(
    tools: Mapping[str, T],
    lines: Iterable[str],
    shared: Collection[str] = (),
    most: int = MOST_LINES,
) -> dict[str, dict[str, T]]:
    """Give each tool a line of its own while there are any, and the rest one together.

    A tool stays where it is: moving it would mean to close the line that holds its name.

    Args:
        tools: The tools, by name.
        lines: Keys of the lines that there are.
        shared: Names of the tools on the shared line.
        most: How many lines there may be beside the shared one.

    Returns:
        What each line is to carry, by its key: its tool's name or `SHARED`. Lines that are to
        carry nothing any more are there too, empty.
    """
    carried: dict[str, dict[str, T]] = {key: {} for key in lines}
    free = most - sum(key in tools and key != SHARED for key in carried)
    for name, tool in tools.items():
        if name in carried:
            carried[name][name] = tool
        elif free > 0 and name not in shared:
            carried[name] = {name: tool}
            free -= 1
        else:
            carried.setdefault(SHARED, {})[name] = tool
    return carried
