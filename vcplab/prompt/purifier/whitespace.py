"""Spaces and line ends in one shape; indentation is meaning and stays."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from vcplab.prompt.purifier._text import INVISIBLE, LINE, LINE_ENDS, SPACES
from vcplab.prompt.purifier.offsets import Edit
from vcplab.prompt.purifier.protect import Protected, free_ranges

__all__ = ["newline_edits", "whitespace_edits"]

_RUN: Final = re.compile(rf"[{SPACES}]+|[{INVISIBLE}]+")
_LINE_END: Final = re.compile(f"[{LINE_ENDS}]")
_LINES: Final = re.compile(f"[{LINE_ENDS}]+")
# A mark that is broken by something invisible is none; it must not become one by its removal.
_MARK: Final = frozenset("`~<>[]{}「」《》*+-")
_ODD: Final = re.compile(f"[{SPACES}]".replace(" \t", "").replace("\u3000", ""))
_INDENT: Final = re.compile(rf"[{SPACES}]{{0,3}}\t|[{SPACES}]{{4}}".replace("\u3000", ""))


def whitespace_edits(text: str, protected: Sequence[Protected]) -> list[Edit]:
    """One space for a run of them, none at line ends, nothing invisible.

    Indentation keeps its width (tabs and ideographic spaces as they are), and a line indented by
    four columns, which Markdown shows as code, keeps the spaces inside it.
    """
    return list(_whitespace(text, protected))


def _whitespace(text: str, protected: Sequence[Protected]) -> Iterator[Edit]:
    indented = _Indents(text)
    for first, last in free_ranges(text, protected):
        for match in _RUN.finditer(text, first, last):
            start, end = match.span()
            run = match.group()
            before = text[start - 1] if start else "\n"
            after = text[end] if end < len(text) else "\n"
            if run[0] in INVISIBLE:
                if before not in _MARK and after not in _MARK:
                    yield Edit(start, end, "")
            elif _LINE_END.match(after):
                yield Edit(start, end, "")
            else:
                new = _ODD.sub(" ", run)
                if not _LINE_END.match(before) and not indented(start):
                    new = " "
                if new != run:
                    yield Edit(start, end, new)


class _Indents:
    """Which lines begin with four columns of space."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in LINE.finditer(text))]

    def __call__(self, at: int) -> bool:
        """Whether the line that holds a place is one of them."""
        start = self._starts[bisect_right(self._starts, at) - 1]
        return _INDENT.match(self._text, start, at) is not None


def newline_edits(text: str, protected: Sequence[Protected], most: int) -> list[Edit]:
    """A line feed for every line end, at most ``most`` in a row, none at either end of the text."""
    edits: list[Edit] = []
    for first, last in free_ranges(text, protected):
        for match in _LINES.finditer(text, first, last):
            start, end = match.span()
            count = len(LINE.findall(match.group()))
            at_edge = start == 0 or end == len(text)
            new = "" if at_edge else "\n" * min(count, most)
            if new != match.group():
                edits.append(Edit(start, end, new))
    return edits
