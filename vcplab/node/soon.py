"""Doing something on the library's loop, asked for in another thread."""

from __future__ import annotations

from collections.abc import Callable

from vcplab.core.loop import submit

__all__ = ["soon"]


def soon(act: Callable[[], object]) -> None:
    """Do something on the library's loop as soon as it comes round; nobody waits for it.

    Args:
        act: What to do; it must not block.
    """

    async def once() -> None:
        act()

    submit(once())
