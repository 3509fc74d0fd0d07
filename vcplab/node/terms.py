"""The terms of a link as a person gives them, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from vcplab.core.errors import InvalidInputError
from vcplab.net.dial import DialOptions
from vcplab.node.address import ServerAddress

__all__ = ["checked_name", "checked_seconds", "dial_options", "link_id", "plain_key"]

_DEFAULT_NAME: Final = "vcplab"
_LONGEST_NAME: Final = 100
_LONGEST_WAIT: Final = 1e9  # seconds; timers do not take more


def plain_key(key: str | SecretStr | None) -> str | None:
    """A key as text."""
    return key.get_secret_value() if isinstance(key, SecretStr) else key


def link_id(address: ServerAddress) -> str:
    """What tells a link from others: the server's host and port, and its base path if any."""
    return address.http_url.partition("://")[2].rstrip("/")


def checked_name(name: str | None) -> str:
    """The name of a node.

    Args:
        name: As it was given; None for the default.

    Raises:
        InvalidInputError: It is empty, too long, no text, or not one plain line.
    """
    if name is None:
        return _DEFAULT_NAME
    plain = name.strip() if isinstance(name, str) else ""
    if not plain or not plain.isprintable() or len(plain) > _LONGEST_NAME:
        raise InvalidInputError(
            f"{name!r} is no name for a node.",
            where="name",
            next_step=f"give one line of up to {_LONGEST_NAME} characters, e.g. 'my-lab'",
        )
    return plain


def checked_seconds(seconds: float, where: str) -> float:
    """A time to wait: 0 or less is none, infinity is for ever.

    Args:
        seconds: As it was given.
        where: What it was given as.

    Raises:
        InvalidInputError: It is no number.
    """
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or math.isnan(seconds):
        raise InvalidInputError(
            f"{seconds!r} is no time.", where=where, next_step="pass seconds, e.g. 5.0"
        )
    return float(min(seconds, _LONGEST_WAIT))


def dial_options(options: Mapping[str, Any]) -> DialOptions:
    """How connections are made and watched.

    Args:
        options: Options of `DialOptions` by name.

    Raises:
        InvalidInputError: One is unknown or impossible.
    """
    known = [name for name in DialOptions.__dataclass_fields__ if not name.startswith("_")]
    for name in options:
        if name not in known:
            raise InvalidInputError(
                f"There is no option {name!r}.",
                where=name,
                next_step=f"the options are: {', '.join(sorted(known))}",
            )
    return DialOptions(**options)
