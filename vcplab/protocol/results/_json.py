"""JSON as the result forms need it: strict, never an unexpected exception, linear."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from vcplab.core.errors import InvalidInputError

__all__ = [
    "Document",
    "at_line_end",
    "dump",
    "is_plain",
    "load",
    "load_at",
    "skip_space",
    "try_dump",
]

_SPACE = re.compile(r"[ \t\r\n]*")
_LONE = re.compile("[\ud800-\udfff]")
_ROLE_MARK = re.compile(r"<(?=<<\[(?:END_)?ROLE_DIVIDE_)")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


class Document(str):
    """A text in which a failed JSON reading costs nothing.

    The decoder's error counts the lines before the fault. On a text with a false start every
    few characters that alone would take time quadratic in its length.
    """

    __slots__ = ()

    def count(self, *_: Any) -> int:
        """Answer 0: only a discarded error message asks."""
        return 0

    def rfind(self, *_: Any) -> int:
        """Answer 0: only a discarded error message asks."""
        return 0


def load_at(text: str, position: int) -> tuple[Any, int]:
    """Read the JSON value at a position.

    Returns:
        The value and the position after it.

    Raises:
        ValueError: There is none, or it nests too deeply to be read.
    """
    try:
        value, end = _DECODER.raw_decode(text, position)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    return value, end


def load(text: str) -> Any:
    """Read a text that is one JSON value.

    Raises:
        ValueError: It is not.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("too deeply nested") from None


def dump(value: Any, *, indent: int | None = None) -> str:
    """Write a value as JSON in which no role mark stands and no lone surrogate.

    A role mark in a tool's answer would let the tool speak with the system's voice once the
    server divides roles (facts/vcp-protocol §1.4), so its first character is escaped.

    Raises:
        InvalidInputError: The value has no JSON form.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"A tool result has no JSON form: {error}.",
            where="value",
            next_step="give text, numbers, True, False, None, lists and dicts with text keys",
        ) from None
    text = _ROLE_MARK.sub(r"\\u003c", text)
    return _LONE.sub(lambda lone: f"\\u{ord(lone[0]):04x}", text)


def try_dump(value: Any) -> str | None:
    """Write a value that was read; None where that fails (``1e999`` reads as infinity)."""
    try:
        return dump(value)
    except InvalidInputError:
        return None


def is_plain(text: str) -> bool:
    """Whether ``dump`` would have nothing in a text to escape for safety."""
    return _ROLE_MARK.search(text) is None and _LONE.search(text) is None


def skip_space(text: str, position: int) -> int:
    """The position of the first character from ``position`` on that is not JSON white space."""
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def at_line_end(text: str, position: int) -> bool:
    """Whether nothing but blanks follows on the line."""
    while position < len(text) and text[position] in " \t\r":
        position += 1
    return position == len(text) or text[position] == "\n"
