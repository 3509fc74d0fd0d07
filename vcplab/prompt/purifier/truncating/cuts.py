"""Where a text may be cut, and how it is cut at its ends."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final, Literal

from vcplab.prompt.purifier._text import INVISIBLE, LINE_ENDS, SPACES
from vcplab.prompt.purifier.protect import FENCE_START, Protected
from vcplab.prompt.purifier.truncating.budget import Budget
from vcplab.text.tokens import _is_inside_character

__all__ = ["Cuts"]

_LINE_END: Final = re.compile(f"[{LINE_ENDS}]")
_WORD: Final = re.compile(r"[^\W\u2e80-\U0003ffff]")
# What a mark is made of is not parted, nor brought to the beginning of a line.
_MARK_CHARS: Final = frozenset("`~<>[]{}「」《》")
_BECOMES_MARK: Final = re.compile(rf"[{SPACES}{INVISIBLE}{LINE_ENDS}>*+-]*+[`~]")
_LONGEST_WORD: Final = 40
_STEPS: Final = 200


class Cuts:
    """The places where a text may be cut.

    Args:
        text: The text.
        protected: What is never split.
    """

    def __init__(self, text: str, protected: Sequence[Protected]) -> None:
        self.text = text
        self._protected = protected
        self._starts = [span.start for span in protected]

    def inside(self, at: int) -> Protected | None:
        """The protected piece that a cut before ``text[at]`` would split."""
        place = bisect_right(self._starts, at) - 1
        if place < 0:
            return None
        span = self._protected[place]
        return span if span.start < at < span.end else None

    def holds_block(self, start: int, end: int) -> bool:
        """Whether a fence or a block of the protocol begins in a piece."""
        first = bisect_left(self._starts, start)
        last = bisect_left(self._starts, end)
        return any(span.kind in ("fence", "block") for span in self._protected[first:last])

    def allowed(self, at: int) -> bool:
        """Whether a text may be cut before ``text[at]``."""
        text = self.text
        if at in (0, len(text)):
            return True
        if self.inside(at) is not None or _is_inside_character(text, at):
            return False
        if text[at - 1] == "\r" and text[at] == "\n":
            return False
        place = bisect_right(self._starts, at) - 1
        after_block = place >= 0 and self._protected[place].end == at
        before_block = place >= 0 and self._protected[place].start == at
        if text[at - 1] in _MARK_CHARS and not after_block and text[at] in _MARK_CHARS:
            return False
        return before_block or not self._makes_mark(at)

    def _makes_mark(self, at: int) -> bool:
        text = self.text
        if not _LINE_END.match(text[at - 1]) and _BECOMES_MARK.match(text, at):
            return True
        start = at
        while start > max(0, at - _LONGEST_WORD) and not _LINE_END.match(text[start - 1]):
            start -= 1
        # What stands on such a line decides whether it opens a fence.
        return not _LINE_END.match(text[at]) and FENCE_START.match(text, start, at) is not None

    def whole(self, at: int, side: Literal["head", "tail"]) -> int:
        """The nearest place that gives no more: before ``at`` for the head, after it for the tail.

        A word is not cut where it is short enough to be one.
        """
        step = -1 if side == "head" else 1
        edge = 0 if side == "head" else len(self.text)
        split = self.inside(at)
        if split is not None:
            at = split.start if side == "head" else split.end
        text = self.text
        if at not in (0, len(text)) and _WORD.match(text[at - 1]) and _WORD.match(text[at]):
            place = at
            while place != edge and abs(place - at) < _LONGEST_WORD:
                if not (_WORD.match(text[place - 1]) and _WORD.match(text[place % len(text)])):
                    at = place
                    break
                place += step
        while at != edge and not self.allowed(at):
            split = self.inside(at)
            if split is None:
                at += step
            else:
                at = split.start if side == "head" else split.end
        return at

    def end_of_head(self, budget: Budget, start: int = 0, end: int | None = None) -> int:
        """The last place so that ``text[start:place]`` fits."""
        piece = self.text[start:end] if start or end is not None else self.text
        at = start + _length(piece, budget, "head")
        at = max(start, self.whole(at, "head"))
        steps = 0
        while at > start and not budget.fits(self.text[start:at].rstrip()):
            steps += 1
            at = max(start, self.whole(at - 1 if steps < _STEPS else (start + at) // 2, "head"))
        return at

    def start_of_tail(self, budget: Budget, start: int = 0) -> int:
        """The first place from ``start`` on so that ``text[place:]`` fits."""
        end = len(self.text)
        at = end - _length(self.text[start:], budget, "tail")
        at = min(end, self.whole(at, "tail"))
        steps = 0
        while at < end and not budget.fits(self.text[at:].lstrip()):
            steps += 1
            at = min(end, self.whole(at + 1 if steps < _STEPS else (at + end + 1) // 2, "tail"))
        return at


def _length(text: str, budget: Budget, side: Literal["head", "tail"]) -> int:
    """How many characters of one end may fit, before anything is said about where to cut."""
    if budget.chars is not None and len(text) > budget.chars:
        text = text[: budget.chars] if side == "head" else text[len(text) - budget.chars :]
    if budget.tokens is None:
        return len(text)
    return len(budget.tokenizer.truncate(text, budget.tokens, side))
