"""Reading an answer while it is still being written."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.protocol.requests.blocks import SHOWN, Block, BlockSplitter
from vcplab.protocol.requests.config import ParserConfig
from vcplab.protocol.requests.fields import scan_fields
from vcplab.protocol.requests.grammar import grammar_of
from vcplab.protocol.requests.pieces import Piece, PlainText, Reasoning, Skipped, SkipReason
from vcplab.protocol.requests.reasoning import ReasoningFilter, Slice
from vcplab.protocol.requests.request import ToolRequest

__all__ = ["RequestStream"]

_logger = logging.getLogger("vcplab.protocol.requests")
_HINTS = (
    (re.compile(r"[A-Za-z0-9_]\s*："), "the colon is full-width; write ':'"),
    (re.compile(r"[^\x00-\x7f]\s*:\s*「始"), "keys are ASCII letters, digits and '_'"),
    (re.compile(r"[A-Za-z0-9_]\s*:"), "values stand between the marks 「始」 and 「末」"),
)


class RequestStream:
    """Takes an answer in chunks that are cut anywhere; gives text, reasoning and requests.

    ::

        stream = RequestStream()
        for chunk in answer:
            for piece in stream.feed(chunk):   # PlainText, Reasoning, ToolRequest, Skipped
                ...
        stream.close()

    The pieces are those of the whole text, however it was cut: a request is given as soon as its
    end mark is complete, and of plain text only what may still become a mark is held back.

    Args:
        config: Marks and rules; the standard ones if None.
    """

    def __init__(self, config: ParserConfig | Mapping[str, Any] | None = None) -> None:
        self.config = ParserConfig.of(config)
        self._grammar = grammar_of(self.config)
        self._reasoning = ReasoningFilter() if self.config.strip_reasoning else None
        self._blocks = BlockSplitter(self._grammar)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._length = 0
        self._closed = False

    def feed(self, chunk: str | bytes) -> list[Piece]:
        """Take the next chunk.

        Args:
            chunk: Text, or UTF-8 that may be cut inside a character.

        Returns:
            What is decided by now, in order.

        Raises:
            StateError: The stream was closed.
            InvalidInputError: The chunk is neither text nor bytes.
        """
        self._refuse_closed()
        pieces: list[Piece] = []
        self._take(self._decoded(chunk, final=False), pieces)
        return self._report(pieces)

    def close(self) -> list[Piece]:
        """The answer is over.

        Returns:
            What was held back; an unfinished request or tag is reported as `Skipped`.
        """
        if self._closed:
            return []
        pieces: list[Piece] = []
        if self._decoder is not None:
            self._take(self._decoded(b"", final=True), pieces)
        self._closed = True
        if self._reasoning is not None:
            for piece in self._reasoning.finish():
                self._sort(piece, pieces)
            opened = self._reasoning.opened_at
            if opened is not None:
                span = (opened, self._length)
                pieces.append(Skipped("reasoning without end", "", span, "close it with </think>"))
        for found in self._blocks.finish():
            self._read(found, pieces)
        block = self._blocks.open_block
        if block is not None:
            text, at, escaped = block
            reason: SkipReason = "opaque value without end" if escaped else "no end mark"
            hint = "nothing after its beginning is read"
            pieces.append(Skipped(reason, text, (at, self._length), hint))
        return self._report(pieces)

    def iterate(self, chunks: Iterable[str | bytes]) -> Iterator[Piece]:
        """All pieces of an answer that arrives in chunks, closed at its end."""
        for chunk in chunks:
            yield from self.feed(chunk)
        yield from self.close()

    async def aiterate(self, chunks: AsyncIterable[str | bytes]) -> AsyncIterator[Piece]:
        """The same for an asynchronous iterator."""
        async for chunk in chunks:
            for piece in self.feed(chunk):
                yield piece
        for piece in self.close():
            yield piece

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StateError(
                "The answer was closed.", where="stream", next_step="make a new RequestStream"
            )

    def _decoded(self, chunk: object, *, final: bool) -> str:
        if isinstance(chunk, str):
            return chunk
        if not isinstance(chunk, bytes):
            raise InvalidInputError(
                f"A chunk is text or bytes, not a {type(chunk).__name__}.",
                where="chunk",
                next_step="feed the delta's text, e.g. delta.content or ''",
            )
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return self._decoder.decode(chunk, final)

    def _take(self, text: str, pieces: list[Piece]) -> None:
        at = self._length
        self._length += len(text)
        if self._reasoning is None:
            self._sort(Slice(text, at, reasoning=False), pieces)
            return
        for piece in self._reasoning.feed(text):
            self._sort(piece, pieces)
        if self._reasoning.strays:
            for span in self._reasoning.strays:
                pieces.append(Skipped("closing tag without beginning", "", span))
            self._reasoning.strays.clear()

    def _sort(self, piece: Slice, pieces: list[Piece]) -> None:
        if piece.reasoning:
            pieces.append(Reasoning(piece.text))
        elif piece.text:
            for found in self._blocks.feed(piece.text, piece.at):
                self._read(found, pieces)

    def _read(self, found: str | Block, pieces: list[Piece]) -> None:
        if isinstance(found, str):
            pieces.append(PlainText(found))
            return
        fields = scan_fields(found.content, self._grammar)
        for text in fields.skipped:
            hint = next((hint for pattern, hint in _HINTS if pattern.search(text)), "")
            pieces.append(Skipped("no field", text, found.span, hint))
        if fields.unterminated is not None:
            pieces.append(
                Skipped("value without end", fields.unterminated, found.span, "add 「末」")
            )
        request = ToolRequest.read(fields.found, found.raw_text, found.span)
        if request is None:
            hint = "a request names its tool: tool_name:「始」…「末」"
            pieces.append(Skipped("no tool_name", found.raw_text[:SHOWN], found.span, hint))
        else:
            pieces.append(request)

    def _report(self, pieces: list[Piece]) -> list[Piece]:
        if self.config.debug:
            for piece in pieces:
                if isinstance(piece, Skipped):
                    _logger.info("%s", piece)
        return pieces
