r"""Reading ``config.env`` as the real servers read it.

They use Node's dotenv, whose rules differ from those of the Python packages: a ``#`` ends a bare
value wherever it stands, back ticks quote, and in double quotes only ``\n`` and ``\r`` are
escapes, so that a Windows path stays what it is.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["parse_dotenv"]

_NAME: Final = re.compile(r"[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*")
_REST: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
_LINE: Final = re.compile(r"[^\n]*")


def parse_dotenv(text: str) -> dict[str, str]:
    """Parse the content of a ``config.env``.

    ``NAME=value`` per line, perhaps after ``export``; blank lines, lines that begin with ``#`` and
    lines that are none of this are skipped. A value in single, double or back quotes may go over
    several lines and hold ``#``. A bare value ends at ``#`` or the end of the line and is trimmed.
    References to other variables are left as they are; the last of two equal names wins.

    Args:
        text: The content.

    Returns:
        Names → values.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    values: dict[str, str] = {}
    ends: dict[str, int] = {}
    at = 0
    while at < len(text):
        name = _NAME.match(text, at)
        if name is None:
            at = _line_end(text, at) + 1
            continue
        value, at = _value(text, name.end(), ends)
        values[name[1]] = value
    return values


def _value(text: str, at: int, ends: dict[str, int]) -> tuple[str, int]:
    """The value that begins at a place, and where the next line begins."""
    quote = text[at : at + 1]
    if quote and quote in "'\"`":
        end = _closing(text, at + 1, quote, ends)
        rest = _REST.match(text, end + 1) if end >= 0 else None
        if rest is not None:
            inner = text[at + 1 : end]
            if quote == '"':
                inner = inner.replace("\\n", "\n").replace("\\r", "\r")
            return inner, rest.end() + 1
    end = _line_end(text, at)
    return text[at:end].partition("#")[0].strip(), end + 1


def _closing(text: str, at: int, quote: str, ends: dict[str, int]) -> int:
    """Where the quotation ends: at the next such mark that no backslash stands before; or -1."""
    # Once there is none up to the end, there is none for later values either.
    if ends.get(quote) == -1:
        return -1
    while (end := text.find(quote, at)) >= 0:
        if text[end - 1] != "\\":
            return end
        at = end + 1
    ends[quote] = -1
    return -1


def _line_end(text: str, at: int) -> int:
    line = _LINE.match(text, at)
    assert line is not None
    return line.end()
