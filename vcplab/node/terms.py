"""The terms of a link as a person gives them, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from vcplab.core.errors import InvalidInputError
from vcplab.net.dial import DialOptions
from vcplab.node.address import ServerAddress

__all__ = ["checked_name", "dial_options", "link_id", "plain_key"]

_DEFAULT_NAME: Final = "vcplab"
_LONGEST_NAME: Final = 100


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
        InvalidInputError: It is empty, too long, or no text.
    """
    if name is None:
        return _DEFAULT_NAME
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidInputError(
            f"{name!r} is no name for a node.",
            where="name",
            next_step=f"give a text of up to {_LONGEST_NAME} characters, e.g. 'my-lab'",
        )
    return name.strip()


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
