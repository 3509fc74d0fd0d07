"""A text as it arrives, suppressed sentence by sentence."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from vcplab.core.loop import to_worker
from vcplab.grounding.suppression.result import Suppression
from vcplab.prompt.purifier.protect import FENCE_START, protected_spans
from vcplab.text.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence

__all__ = ["SentenceRun", "StreamCutter", "stream_sentences", "stream_sentences_async"]

# How much of the next sentence has to be there for the end of this one to be certain.
_AHEAD: Final = 24
# So much is looked at first, so that a long text at once is not read again for every sentence.
_LOOKED_AT: Final = 1200
# Brackets and quotations longer than this end where their line does, or anywhere.
_LONGEST: Final = 600
_OPENERS: Final = re.compile(
    r"<{2,4}\[TOOL_REQUEST\]>{2,4}|<<<\[TOOL_RESULT\]>>>|<<<DailyNoteStart>>>"
    r"|\[\[VCP调用结果信息汇总:|[「{]始[^\r\n「」{}]{0,20}[」}]|<!-- VCP_TOOL_PAYLOAD -->"
    r"|<<<\[(?:END_)?ROLE_DIVIDE|<!-- VCP_",
    re.IGNORECASE,
)
_PAIRS: Final = {
    "“": "”", "「": "」", "『": "』", "《": "》", "（": "）", "(": ")", "[": "]", "【": "】",
    "{": "}",
}  # fmt: skip


class StreamCutter:
    """Cuts a text that arrives in pieces where whole sentences end.

    Code fences, blocks of the protocol, brackets and quotations are never cut in two; a fence that
    has begun is given line by line.  A block that is never closed holds back what follows it.

    Args:
        marks: What stays with the sentence before it, wherever that ends.
    """

    def __init__(self, marks: Sequence[str] = ()) -> None:
        self._marks = tuple(marks)
        self._buffer = ""
        self._fence: str | None = None

    def feed(self, piece: str) -> list[tuple[str, bool]]:
        """What is whole now, each with whether it is part of a fence.

        Args:
            piece: What arrived.
        """
        self._buffer += piece
        found: list[tuple[str, bool]] = []
        while True:
            cut, inert = self._line() if self._fence else self._sentence()
            if not cut:
                return found
            found.append((self._buffer[:cut], inert))
            self._buffer = self._buffer[cut:]

    def rest(self) -> tuple[str, bool]:
        """What is left at the end, and whether it is part of a fence."""
        left, self._buffer = self._buffer, ""
        return left, self._fence is not None

    def _line(self) -> tuple[int, bool]:
        """A whole line of a fence."""
        end = self._buffer.find("\n") + 1
        if not end:
            return 0, True
        opening = self._fence or ""
        line = self._buffer[:end].strip(" \t>\r\n")
        if line.startswith(opening) and not line.strip(opening[0]):
            self._fence = None
        return end, True

    def _sentence(self) -> tuple[int, bool]:
        """A whole sentence, or everything before a fence that has begun."""
        text = self._buffer
        fenced = next(
            (
                s
                for s in reversed(protected_spans(text))
                if s.kind == "fence" and s.end == len(text)
            ),
            None,
        )
        limit = len(text)
        if fenced is not None:
            if fenced.start:
                limit = fenced.start
            elif "\n" not in text:
                return 0, False
            else:
                match = FENCE_START.match(text)
                if match is not None:
                    self._fence = match[1]
                    return text.index("\n") + 1, True
        if limit > _LOOKED_AT and (cut := self._first_cut(_LOOKED_AT, certain=False)):
            return cut, False
        if cut := self._first_cut(limit, certain=limit < len(text)):
            return cut, False
        if fenced is not None and fenced.start and self._is_whole(0, limit):
            return limit, False
        return 0, False

    def _first_cut(self, limit: int, *, certain: bool) -> int:
        """The end of the first whole sentence before a place; 0 if there is none.

        Args:
            limit: The place.
            certain: Whether what ends there is over.
        """
        spans = sentences(self._buffer[:limit])
        for this, following in pairwise(spans):
            cut = self._past_marks(following.start)
            if not certain and limit - cut < _AHEAD:
                return 0
            if self._is_whole(this.start, cut):
                return cut
        return 0

    def _past_marks(self, at: int) -> int:
        while mark := next((one for one in self._marks if self._buffer.startswith(one, at)), ""):
            at += len(mark)
        return at

    def _is_whole(self, start: int, end: int) -> bool:
        """Whether no block, bracket or quotation goes on behind a place."""
        text = self._buffer
        spans = protected_spans(text)
        if any(span.start < end < span.end for span in spans):
            return False
        for match in _OPENERS.finditer(text, 0, end):
            if all(not span.start <= match.start() < span.end for span in spans):
                return False
        if text.rfind("<<", max(0, end - 40), end) > text.rfind(">>", max(0, end - 40), end):
            return False
        line = max(text.rfind("\n", 0, end) + 1, end - _LONGEST)
        if line >= end:
            return True
        open_ones: list[str] = []
        for character in text[line:end]:
            if character in _PAIRS:
                open_ones.append(_PAIRS[character])
            elif open_ones and character == open_ones[-1]:
                open_ones.pop()
        return not open_ones and text.count('"', line, end) % 2 == 0


class SentenceRun:
    """One text on its way, sentence by sentence.

    Args:
        suppress: What makes a sentence, given what came before, into its suppression.
        marks: What stays with the sentence before it.
    """

    def __init__(
        self, suppress: Callable[[str, str], Suppression], marks: Sequence[str] = ()
    ) -> None:
        self._suppress = suppress
        self._cutter = StreamCutter(marks)
        self._before = ""

    def feed(self, piece: str) -> list[tuple[str, bool]]:
        """What is whole now, to be given to `done` in order."""
        return self._cutter.feed(piece)

    def rest(self) -> list[tuple[str, bool]]:
        """What is left at the end, to be given to `done`."""
        left = self._cutter.rest()
        return [left] if left[0] else []

    def done(self, whole: tuple[str, bool]) -> str:
        """A whole piece after suppression.

        Args:
            whole: What `feed` or `rest` gave.
        """
        text, inert = whole
        before = self._before
        self._before += text
        if inert or not text.strip():
            return text
        return self._suppress(text, before).processed_text


def stream_sentences(pieces: Iterable[str], run: SentenceRun) -> Iterator[str]:
    """A text in pieces, suppressed sentence by sentence.

    Args:
        pieces: The text.
        run: What makes a whole sentence into what is to stand there.
    """
    for piece in pieces:
        for whole in run.feed(piece):
            yield run.done(whole)
    for whole in run.rest():
        yield run.done(whole)


async def stream_sentences_async(
    pieces: AsyncIterable[str], run: SentenceRun
) -> AsyncIterator[str]:
    """As `stream_sentences`, for pieces that are awaited; sentences are judged in a worker thread.

    Args:
        pieces: The text.
        run: What makes a whole sentence into what is to stand there.
    """
    async for piece in pieces:
        for whole in run.feed(piece):
            yield await to_worker(run.done, whole)
    for whole in run.rest():
        yield await to_worker(run.done, whole)
