"""Where requests begin and end: a text that arrives in pieces, cut at the marks of blocks."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from vcplab.protocol.requests.grammar import Grammar

__all__ = ["SHOWN", "Block", "BlockSplitter"]

SHOWN = 1000
"""How many characters of what was skipped are kept; it may be all the rest of a long text."""


class Block(NamedTuple):
    """A block from its first mark to its last.

    Attributes:
        raw_text: The block with its marks.
        content: What is between the marks.
        span: Where it lies in the whole text, in characters.
    """

    raw_text: str
    content: str
    span: tuple[int, int]


class _State(Enum):
    OUTSIDE = "between requests"
    INSIDE = "in a request"
    ESCAPED = "in an opaque value"


class BlockSplitter:
    """Cuts text into blocks and what is between them (facts/vcp-protocol §1.1).

    A block ends at the first end mark that is not in an opaque value; an opaque value that never
    ends takes its block with it, and with the block all that follows.

    Args:
        grammar: The marks.
    """

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._keep = grammar.longest - 1
        self._state = _State.OUTSIDE
        self._tail = ""
        self._seen = 0  # characters of the text without reasoning
        # Of the open block: (text, from, to). Cut out only when it closes; many never do.
        self._parts: list[tuple[str, int, int]] = []
        self._begin = 0
        self._mark_length = 0
        # Where the two ways of counting part: (place here, place in the whole text).
        self._origins: list[tuple[int, int]] = [(0, 0)]

    @property
    def open_block(self) -> tuple[str, int, bool] | None:
        """The block that has not ended: its beginning, where it is, whether in an opaque value."""
        if self._state is _State.OUTSIDE:
            return None
        text = ""
        for part, start, stop in (*self._parts, (self._tail, 0, len(self._tail))):
            text += part[start : min(stop, start + SHOWN - len(text))]
            if len(text) >= SHOWN:
                break
        return text, self._origin(self._begin), self._state is _State.ESCAPED

    def feed(self, text: str, at: int) -> list[str | Block]:
        """Take more text.

        Args:
            text: The text.
            at: Where it begins in the whole text, reasoning included.

        Returns:
            What is decided by now, in order: text between requests, and blocks.
        """
        here, origin = self._origins[-1]
        if self._seen - here != at - origin:
            self._origins.append((self._seen, at))
        self._seen += len(text)
        window = self._tail + text
        self._tail = ""
        return self._split(window, self._seen - len(window), final=False)

    def finish(self) -> list[str | Block]:
        """The text is over."""
        window, self._tail = self._tail, ""
        return self._split(window, self._seen - len(window), final=True)

    def _split(self, window: str, base: int, *, final: bool) -> list[str | Block]:
        found_here: list[str | Block] = []
        at = 0
        start = self._grammar.start
        while True:
            first = at  # where what belongs to the open block begins
            if self._state is _State.OUTSIDE:
                found = start.search(window, at)
                if found is not None:
                    first = found[0]
                else:
                    first = len(window) if final else start.hold(window, at)
                if first > at:
                    found_here.append(window[at:first])
                if found is None or not (final or start.settled(window, found[1])):
                    self._tail = window[first:]
                    return found_here
                at = found[1]
                self._state = _State.INSIDE
                self._begin = base + first
                self._mark_length = at - first
                self._forget()
            end = self._block_end(window, first, at, final=final)
            if end is None:
                return found_here
            last = window[first : end[1]]
            found_here.append(self._close(last, end[1] - end[0], base + end[1]))
            at = end[1]
            self._state = _State.OUTSIDE

    def _block_end(
        self, window: str, first: int, at: int, *, final: bool
    ) -> tuple[int, int] | None:
        """The end mark of the open block, or None; then the window is kept for later."""
        grammar = self._grammar
        # Each mark is looked for once over any stretch: a place found stays until it is passed.
        end = escape = None
        began_escaped = self._state is _State.ESCAPED
        if not began_escaped:
            end = grammar.end.search(window, at)
            escape = self._escape(window, at, end)
        while True:
            if self._state is _State.ESCAPED:
                assert grammar.escape_end is not None, "only a grammar that has them gets here"
                closing = grammar.escape_end.search(window, at)
                if closing is None:
                    break
                at = closing[1]
                self._state = _State.INSIDE
                if began_escaped or (end is not None and end[0] < at):
                    end = grammar.end.search(window, at)
                began_escaped = False
                escape = self._escape(window, at, end)
            if escape is not None and (end is None or escape[0] < end[0]):
                at = escape[1]
                self._state = _State.ESCAPED
            elif end is not None and (final or grammar.end.settled(window, end[1])):
                return end
            else:
                break
        stop = max(at, len(window) - self._keep)
        if self._state is _State.INSIDE and end is not None:
            stop = end[0]
        if stop > first:
            self._parts.append((window, first, stop))
        self._tail = window[stop:]
        return None

    def _escape(self, window: str, at: int, end: tuple[int, int] | None) -> tuple[int, int] | None:
        """The next opaque value, if it begins before the end mark."""
        mark = self._grammar.escape_start
        if mark is None:
            return None
        return mark.search(window, at, len(window) if end is None else end[0])

    def _close(self, last: str, mark_length: int, end: int) -> Block:
        raw = last
        if self._parts:
            raw = "".join(part[start:stop] for part, start, stop in self._parts) + last
        self._parts = []
        span = (self._origin(self._begin), self._origin(end - 1) + 1)
        return Block(raw, raw[self._mark_length : -mark_length], span)

    def _origin(self, place: int) -> int:
        for here, origin in reversed(self._origins):
            if here <= place:
                return origin + place - here
        return place

    def _forget(self) -> None:
        # Only places in the open block are asked for from now on.
        while len(self._origins) > 1 and self._origins[1][0] <= self._begin:
            del self._origins[0]
