"""What a suppressor leaves alone: code, blocks of the protocol, quotations."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from vcplab.prompt.purifier.protect import protected_spans

__all__ = ["Areas", "marks_in", "masked"]

_QUOTED: Final = re.compile(
    r"“[^“”\n]{1,600}”|\"[^\"\n]{1,600}\"|「[^「」\n]{1,600}」|『[^『』\n]{1,600}』"
    r"|《[^《》\n]{1,200}》|‘[^‘’\n]{1,400}’(?!\w)|(?<!\w)'[^'\n]{1,400}'(?!\w)"
)
_NOT_LINE_END: Final = re.compile(r"[^\n]")


# The number or sign of a list or heading asserts nothing.
_ITEM: Final = re.compile(
    r"^[ \t>]*(?:[-*+•·][ \t]+|#{1,6}[ \t]+)*(?:\d{1,2}(?:[.)](?=[ \t]|[^\W\d_])|[、．）]))?",
    re.MULTILINE,
)


def masked(text: str) -> str:
    """The text with what asserts nothing blanked, as long as before.

    That is code, blocks of the protocol, and the numbers and signs of lists: no detector shall read
    them.
    """
    parts: list[str] = []
    at = 0
    for span in protected_spans(text):
        parts += (text[at : span.start], _NOT_LINE_END.sub(" ", text[span.start : span.end]))
        at = span.end
    parts.append(text[at:])
    return _ITEM.sub(lambda item: " " * len(item[0]), "".join(parts))


def marks_in(text: str, marks: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where marks of a suppressor stand in a text, in order; those in code and blocks are none."""
    if not any(mark in text for mark in marks):
        return
    areas = Areas(text)
    pattern = "|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True))
    for match in re.finditer(pattern, text):
        if not areas.is_protected(*match.span()):
            yield match.span()


class Areas:
    """Where a text may be changed.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        self._protected = [(span.start, span.end) for span in protected_spans(text)]
        self._quoted = [match.span() for match in _QUOTED.finditer(text)]

    def is_protected(self, start: int, end: int) -> bool:
        """Whether a span meets code or a block."""
        return _meeting(self._protected, start, end) is not None

    def is_quoted(self, start: int, end: int) -> bool:
        """Whether a span meets a quotation."""
        return _meeting(self._quoted, start, end) is not None

    def quotations(self, text: str) -> list[str]:
        """The quotations of the text, in order.

        Args:
            text: The text that it was made for.
        """
        return [text[start:end] for start, end in self._quoted]

    def outside(self, offset: int) -> int:
        """The first offset from a place on that lies in no quotation and in no code."""
        while True:
            for spans in (self._quoted, self._protected):
                place = bisect_right(spans, offset, key=lambda span: span[0]) - 1
                if place >= 0 and spans[place][0] < offset < spans[place][1]:
                    offset = spans[place][1]
                    break
            else:
                return offset


def _meeting(spans: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    place = bisect_right(spans, start, key=lambda span: span[0]) - 1
    for number in (place, place + 1):
        if 0 <= number < len(spans):
            low, high = spans[number]
            if low < max(end, start + 1) and start < high:
                return spans[number]
    return None
