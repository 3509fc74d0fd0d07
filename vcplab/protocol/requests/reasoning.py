"""What a model thinks aloud: ``<think>`` and ``<thinking>``, taken out while a text arrives."""

from __future__ import annotations

import re
from typing import NamedTuple

from vcplab.protocol.requests.config import JS_SPACE
from vcplab.protocol.requests.grammar import SPACE_CLASS

__all__ = ["ReasoningFilter", "Slice"]

_FLAGS = re.IGNORECASE | re.ASCII
_TAG = re.compile(rf"<{SPACE_CLASS}*(?P<closing>/{SPACE_CLASS}*)?think(?:ing)?\b", _FLAGS)
_BEGINNING = re.compile(
    rf"<{SPACE_CLASS}*(?:/{SPACE_CLASS}*)?"
    r"(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?\Z",
    _FLAGS,
)
# Most "<" of a text are neither, and are passed over quickly.
_CANDIDATE = re.compile(
    rf"<(?![^{re.escape(JS_SPACE)}/Tt]){SPACE_CLASS}*(?:/{SPACE_CLASS}*)?(?![^Tt])"
)
_SPACES = re.compile(f"{SPACE_CLASS}+")


class Slice(NamedTuple):
    """A stretch of the text.

    Attributes:
        text: The text.
        at: Where it begins in the whole, in characters.
        reasoning: Whether it lies inside a reasoning tag.
    """

    text: str
    at: int
    reasoning: bool


class ReasoningFilter:
    """Tells reasoning from the visible answer (facts/vcp-protocol §1.1).

    Tags in any case, with attributes and blanks, nested and mixed; an unclosed one makes
    everything after it reasoning; a closing tag without a beginning is taken out alone. Held back
    is only what may still become a tag.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.opened_at: int | None = None  # where the outermost open tag begins
        self.strays: list[tuple[int, int]] = []
        self._seen = 0
        # What may be a tag: its pieces, and the same with every run of blanks as one blank.
        self._held: list[str] = []
        self._held_at = 0
        self._short = ""
        self._named = False  # whether the held text is a tag for certain once ">" arrives
        self._closing = False

    def feed(self, text: str) -> list[Slice]:
        """Take more text.

        Returns:
            What is decided by now, in order.
        """
        slices: list[Slice] = []
        begin = self._seen
        self._seen += len(text)
        rest = 0  # everything before is dealt with
        if self._held:
            taken = self._resume(text)
            if taken is None:
                return slices
            if taken < 0:  # no tag after all
                slices = self.finish()
            else:
                rest = taken
        for candidate in _CANDIDATE.finditer(text, rest):
            at = candidate.start()
            if at < rest:
                continue  # inside the tag before
            tag = _TAG.match(text, at)
            if tag is None or tag.end() == len(text):
                if _BEGINNING.match(text, at):
                    self._slice(slices, text[rest:at], begin + rest)
                    self._hold(text[at:], begin + at, named=False, closing=False)
                    return slices
                continue
            close = text.find(">", tag.end())
            self._slice(slices, text[rest:at], begin + rest)
            if close < 0:
                self._hold(text[at:], begin + at, named=True, closing=bool(tag["closing"]))
                return slices
            self._turn(bool(tag["closing"]), begin + at, begin + close + 1)
            rest = close + 1
        self._slice(slices, text[rest:], begin + rest)
        return slices

    def finish(self) -> list[Slice]:
        """The text is over: what was held back is no tag."""
        held, at = "".join(self._held), self._held_at
        self._clear()
        slices: list[Slice] = []
        self._slice(slices, held, at)
        return slices

    def _resume(self, text: str) -> int | None:
        """Continue a held tag: its end in the text, -1 if it is none, None while undecided."""
        if not self._named:
            joined = self._short + text
            tag = _TAG.match(joined)
            if tag is None or tag.end() == len(joined):
                if _BEGINNING.match(joined):
                    self._held.append(text)
                    self._short = _SPACES.sub(" ", joined)
                    return None
                if tag is None:
                    return -1
            self._named, self._closing = True, bool(tag["closing"])
            # "\b" was seen, so the name ends within the text or just before it.
            close = joined.find(">", tag.end()) - len(self._short)
        else:
            close = text.find(">")
        if close < 0:
            self._held.append(text)
            return None
        begin = self._seen - len(text)
        self._turn(self._closing, self._held_at, begin + close + 1)
        self._clear()
        return close + 1

    def _turn(self, closing: bool, start: int, end: int) -> None:
        if not closing:
            self.depth += 1
            if self.depth == 1:
                self.opened_at = start
        elif self.depth:
            self.depth -= 1
            if not self.depth:
                self.opened_at = None
        else:
            self.strays.append((start, end))

    def _hold(self, text: str, at: int, *, named: bool, closing: bool) -> None:
        self._held, self._held_at = [text], at
        self._named, self._closing = named, closing
        self._short = "" if named else _SPACES.sub(" ", text)

    def _clear(self) -> None:
        self._held, self._short, self._named = [], "", False

    def _slice(self, slices: list[Slice], text: str, at: int) -> None:
        if text:
            slices.append(Slice(text, at, self.depth > 0))
