"""Dialects: which family of peers a text or a frame is written for.

Everything the seeds show is read, whatever the dialect; what is *sent* follows the peer's
(DESIGN, "Dialects").
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final, Literal

from vcplab.core.errors import InvalidInputError

__all__ = ["DEFAULT_DIALECT", "DIALECTS", "Dialect", "checked_dialect"]

Dialect = Literal["toolbox", "cherry", "intellicore"]

DIALECTS: Final[tuple[Dialect, ...]] = ("toolbox", "cherry", "intellicore")
"""``toolbox`` is VCPToolBox itself, ``cherry`` the Cherry Studio fork of seed 001 and
``intellicore`` the SDK of seed 003."""

DEFAULT_DIALECT: Final[Dialect] = "toolbox"


def checked_dialect(name: str | None = None) -> Dialect:
    """Check the name of a dialect.

    Args:
        name: The name, in any case; None means ``toolbox``.

    Returns:
        The dialect.

    Raises:
        InvalidInputError: There is no such dialect; the error names the nearest one.
    """
    if name is None:
        return DEFAULT_DIALECT
    wanted = name.strip().lower() if isinstance(name, str) else ""
    if wanted in DIALECTS:
        return wanted
    near = get_close_matches(wanted, DIALECTS, n=1)
    step = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(DIALECTS)}"
    raise InvalidInputError(f"There is no dialect named {name!r}.", where="dialect", next_step=step)
