"""The fields of a block: ``key:「始」value「末」``, and what a reader would have to skip."""

from __future__ import annotations

import re
from typing import NamedTuple

from vcplab.protocol.requests.blocks import SHOWN
from vcplab.protocol.requests.config import JS_SPACE
from vcplab.protocol.requests.grammar import SPACE_CLASS, Grammar

__all__ = ["Fields", "scan_fields"]

_BETWEEN = re.compile(f"[{re.escape(JS_SPACE)},]*")
_NO_FIELD = re.compile(rf"[A-Za-z0-9_]+{SPACE_CLASS}*(?::{SPACE_CLASS}*)?|[^A-Za-z0-9_]+")


class Fields(NamedTuple):
    """What a block holds.

    Attributes:
        found: Keys and values in order, not yet trimmed.
        skipped: Stretches that are no field, in order.
        unterminated: The key whose value has no end, if there is one; the scan stopped there.
    """

    found: tuple[tuple[str, str], ...]
    skipped: tuple[str, ...]
    unterminated: str | None


def scan_fields(content: str, grammar: Grammar) -> Fields:
    """Read the fields of a block (facts/vcp-protocol §1.1).

    Keys are ASCII words; a value ends at the first end mark; whatever is no field is passed over
    one character at a time. Linear in the length of the block.

    Args:
        content: The text between the marks of the block.
        grammar: The marks.

    Returns:
        The fields, and what was passed over.
    """
    text = content.strip(JS_SPACE)
    found: list[tuple[str, str]] = []
    skipped: list[str] = []
    at = done = 0
    while True:
        match = grammar.field.match(text, at)
        if match is None:
            at = _ending(_BETWEEN.match(text, at), at)
            if at >= len(text):
                break
            # One key, or what cannot be one, is passed over; the next may begin right behind it.
            at = _ending(_NO_FIELD.match(text, at), at)
            continue
        if done < at:
            _note(skipped, text[done : match.start(1)])
        key, opaque = match.groups()
        at = match.end()
        mark = grammar.value_end if opaque is None else grammar.escape_end
        assert mark is not None, "an opaque value was found, so there is a mark that ends it"
        end = mark.search(text, at)
        if end is None:
            return Fields(tuple(found), tuple(skipped), key)
        value = text[at : end[0]]
        found.append((key, value if opaque is None else _restore(value, grammar)))
        at = done = end[1]
    _note(skipped, text[done:])
    return Fields(tuple(found), tuple(skipped), None)


def _ending(match: re.Match[str] | None, at: int) -> int:
    return at if match is None else match.end()


def _restore(value: str, grammar: Grammar) -> str:
    if "ESCAPE" in value:
        for escaped, plain in grammar.restored:
            value = value.replace(escaped, plain)
    # Of the variants in other brackets or another case, upstream puts back the first only.
    for mark, word, plain in grammar.variants:
        found = mark.search(value, 0) if word in value else None
        if found is not None:
            value = value[: found[0]] + plain + value[found[1] :]
    return value


def _note(skipped: list[str], text: str) -> None:
    text = text.strip(JS_SPACE + ",")
    if text:
        skipped.append(text[:SHOWN])
