"""A text under edit, and the exact map from what came out back to what went in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from vcplab.core.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Draft", "Edit", "OffsetMap", "OffsetSpan"]


class Edit(NamedTuple):
    """What is to stand in the place of a piece.

    Attributes:
        start: Offset of the piece.
        end: Offset after it.
        text: What replaces it.
    """

    start: int
    end: int
    text: str


class OffsetSpan(NamedTuple):
    """A stretch of the output and where it comes from.

    Attributes:
        start: Offset in the output.
        end: Offset after it.
        input_start: Offset in the input.
        input_end: Offset after it.
        kept: Whether both say the same, character by character; otherwise the output replaces the
            input.
    """

    start: int
    end: int
    input_start: int
    input_end: int
    kept: bool


@dataclass(frozen=True, slots=True)
class OffsetMap:
    """Where each character of the output comes from.

    The spans cover the output without gaps, in order; their sources are in order, too, and do not
    overlap. What of the input lies between two sources was removed.

    Attributes:
        output_length: Characters of the output.
        input_length: Characters of the input.
    """

    _spans: tuple[OffsetSpan, ...]
    output_length: int
    input_length: int

    def spans(self) -> tuple[OffsetSpan, ...]:
        """The stretches, in order."""
        return self._spans

    def to_input(self, offset: int) -> int:
        """The offset in the input of the character at ``offset`` of the output.

        A character of a replacement leads to the beginning of what it replaces; the end of the
        output to the end of what its last character comes from.

        Raises:
            InvalidInputError: ``offset`` lies outside the output.
        """
        if not 0 <= offset <= self.output_length:
            raise self._outside(offset)
        if offset == self.output_length:
            return self._spans[-1].input_end if self._spans else 0
        span = self._at(offset)
        return span.input_start + (offset - span.start if span.kept else 0)

    def to_input_span(self, start: int, end: int) -> tuple[int, int]:
        """The piece of the input that ``output[start:end]`` comes from.

        What was removed inside the piece belongs to it, what was removed at its edges does not.

        Raises:
            InvalidInputError: The piece lies outside the output, or ends before it begins.
        """
        if not 0 <= start <= end <= self.output_length:
            raise self._outside(f"{start}:{end}")
        first = self.to_input(start)
        if start == end:
            return first, first
        last = self._at(end - 1)
        return first, last.input_end - (last.end - end if last.kept else 0)

    def _at(self, offset: int) -> OffsetSpan:
        return self._spans[bisect_right(self._spans, offset, key=lambda span: span.start) - 1]

    def _outside(self, offset: object) -> InvalidInputError:
        return InvalidInputError(
            f"The output has {self.output_length} characters; {offset} lies outside.",
            where="offset",
            next_step="use offsets of the purified text",
        )


@dataclass(slots=True)
class Draft:
    """A text under edit, each character with the piece of the original that it comes from.

    Args:
        original: The text before the first edit.
    """

    original: str
    text: str = field(init=False)
    _starts: NDArray[np.int64] = field(init=False, repr=False)
    _ends: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import numpy as np

        self.text = self.original
        self._starts = np.arange(len(self.original), dtype=np.int64)
        self._ends = self._starts + 1

    def apply(self, edits: Sequence[Edit]) -> None:
        """Replace pieces of the text.

        Args:
            edits: Pieces in order, not empty and without overlap.
        """
        if not edits:
            return
        import numpy as np

        texts: list[str] = []
        starts: list[NDArray[np.int64]] = []
        ends: list[NDArray[np.int64]] = []
        at = 0
        for start, end, new in edits:
            assert at <= start < end <= len(self.text)
            texts += (self.text[at:start], new)
            starts.append(self._starts[at:start])
            ends.append(self._ends[at:start])
            if len(new) == end - start:
                starts.append(self._starts[start:end])
                ends.append(self._ends[start:end])
            else:
                starts.append(np.full(len(new), self._starts[start]))
                ends.append(np.full(len(new), self._ends[end - 1]))
            at = end
        texts.append(self.text[at:])
        starts.append(self._starts[at:])
        ends.append(self._ends[at:])
        self.text = "".join(texts)
        self._starts = np.concatenate(starts)
        self._ends = np.concatenate(ends)

    def offsets(self) -> OffsetMap:
        """The map back to the original."""
        spans: list[OffsetSpan] = []
        for at, (start, end) in enumerate(
            zip(self._starts.tolist(), self._ends.tolist(), strict=True)
        ):
            kept = end - start == 1 and self.original[start] == self.text[at]
            if spans:
                last = spans[-1]
                follows = kept and last.kept and start == last.input_end
                same = not kept and not last.kept and (start, end) == last[2:4]
                if follows or same:
                    spans[-1] = OffsetSpan(last.start, at + 1, last.input_start, end, kept)
                    continue
            spans.append(OffsetSpan(at, at + 1, start, end, kept))
        return OffsetMap(tuple(spans), len(self.text), len(self.original))
