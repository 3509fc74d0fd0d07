"""Where in a text a block with results may start, and how far the search for its end may go."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from vcplab.protocol.results._texts import ARCHERY, LEGACY, MARKDOWN
from vcplab.protocol.results._values import ToolResult
from vcplab.protocol.results._writing import INTELLICORE, PAYLOAD, SUMMARY, VERBOSE

__all__ = ["Block", "Found", "find_blocks", "placed"]


class Block(NamedTuple):
    """A place where a block may start.

    ``rival`` is the next start of any kind, ``again`` the next of the same kind (the end of the
    text where there is none). Every search for a block's end stops at one of them, which is what
    keeps the time linear on repeated marks.
    """

    kind: str
    start: int
    body: int
    rival: int
    again: int


class Found(NamedTuple):
    """What one block held and where it ends."""

    results: list[ToolResult]
    end: int


# Headings count at the start of a line only; marks that nobody writes by chance count anywhere.
_MARKS: Final = (
    ("payload", PAYLOAD, False),
    ("cherry", "<<<[TOOL_RESULT]>>>", False),
    ("cherry", "<<<[TOOL_ERROR]>>>", False),
    ("verbose", VERBOSE[0], False),
    ("summary", SUMMARY[0], False),
    ("intellicore", f'{INTELLICORE}"', True),
    ("legacy", LEGACY[0], True),
    ("archery", ARCHERY[0], True),
    ("markdown", MARKDOWN, True),
)


def find_blocks(text: str) -> list[Block]:
    """Every possible start in order."""
    starts: list[tuple[int, int, str]] = []
    for kind, mark, is_heading in _MARKS:
        start = text.find(mark)
        while start >= 0:
            end = start + len(mark)
            if not is_heading or start == 0 or text[start - 1] == "\n":
                starts.append((start, end, kind))
            start = text.find(mark, end)
    rival = len(text)
    again: dict[str, int] = {}
    blocks = []
    for start, end, kind in sorted(starts, reverse=True):
        blocks.append(Block(kind, start, end, rival, again.get(kind, len(text))))
        rival = again[kind] = start
    return blocks[::-1]


def placed(text: str, start: int, end: int, fields: dict[str, Any]) -> ToolResult:
    """A result with the place where it was read."""
    return ToolResult(**{"tool": None, **fields}, raw_text=text[start:end], span=(start, end))
