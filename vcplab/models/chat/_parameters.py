"""What the parameters of a chat model may be."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vcplab.core.errors import InvalidInputError

__all__ = ["check_count", "check_number", "checked_headers", "checked_model"]


def checked_model(model: str | None) -> str | None:
    """A model's name, or None.

    Raises:
        InvalidInputError: It is no text, or an empty one.
    """
    if model is not None and (not isinstance(model, str) or not model.strip()):
        raise InvalidInputError(
            f"model={model!r} names no model.",
            where="model",
            next_step="Name it as the server does, or leave it out for the first it lists.",
        )
    return model


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that can be sent.

    Raises:
        InvalidInputError: A name or value is no text, or has what no header may hold.
    """
    for name, value in headers.items():
        whole = isinstance(name, str) and isinstance(value, str)
        if not whole or not f"{name}{value}".isprintable() or not f"{name}{value}".isascii():
            raise InvalidInputError(
                f"The header {name!r} is none.",  # its value may be a key
                where="headers",
                next_step="Give names and values as printable ASCII texts.",
            )
    return dict(headers)


def check_number(name: str, value: object, *, above: float | None = None) -> None:
    """Refuse what is no finite number from 0, or ``above`` it.

    Raises:
        InvalidInputError: It is none.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or value < 0 or value == above:  # type: ignore[operator]
        raise InvalidInputError(
            f"{name}={value!r} is no number {'from' if above is None else 'above'} 0.",
            where=name,
            next_step="Leave it out for the default.",
        )


def check_count(name: str, value: object, *, least: int = 0) -> None:
    """Refuse what is no whole number from ``least``.

    Raises:
        InvalidInputError: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidInputError(
            f"{name}={value!r} is no whole number from {least}.",
            where=name,
            next_step="Leave it out for the default.",
        )
