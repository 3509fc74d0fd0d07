"""What may be a key and a value of a store. Private: see `vcplab.core.store`."""

from __future__ import annotations

from vcplab.core.errors import InvalidInputError

__all__ = ["checked_bytes", "checked_text"]


def checked_text(value: object, what: str) -> str:
    """The value, if it is text that can be stored."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            pass
        else:
            return value
    raise InvalidInputError(
        f"A {what} of a store is text without lone surrogates, not {str(value)[:40]!a}.",
        where=what,
        next_step="Use str(…), or a hash of what cannot be text.",
    )


def checked_bytes(value: object, key: str) -> bytes:
    """The value as bytes, if it is of that kind."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise InvalidInputError(
        f"A store keeps bytes, not {type(value).__name__}.",
        where=f"value of {key!r}",
        next_step="Encode it first, e.g. json.dumps(value).encode().",
    )
