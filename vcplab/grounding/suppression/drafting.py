"""A text under change: what stands in it, and which piece of the text before it comes from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate

from vcplab.grounding.suppression.patches import Patch, PatchList

__all__ = ["Draft"]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the draft.

    Attributes:
        text: What stands in the draft.
        start: Offset in the text before.
        end: Offset after it.
        patch: What wrote it; None for what is kept or hidden.
    """

    text: str
    start: int
    end: int
    patch: Patch | None = None

    @property
    def is_hidden(self) -> bool:
        """Whether it stays in the text, but the draft does not show it."""
        return self.patch is None and not self.text


class Draft:
    """A text under change.

    Args:
        before: The text.
        hidden: Pieces that stay, but are not looked at: in order, without overlap.
    """

    def __init__(self, before: str, hidden: Iterable[tuple[int, int]] = ()) -> None:
        self.before = before
        self._pieces: list[_Piece] = []
        at = 0
        for start, end in hidden:
            self._keep(at, start)
            self._pieces.append(_Piece("", start, end))
            at = end
        self._keep(at, len(before))

    def _keep(self, start: int, end: int) -> None:
        if start < end:
            self._pieces.append(_Piece(self.before[start:end], start, end))

    @property
    def text(self) -> str:
        """What stands in the draft, without what is hidden."""
        return "".join(piece.text for piece in self._pieces)

    def patches(self) -> PatchList:
        """What was changed, with offsets in the text before."""
        return PatchList(
            replace(
                piece.patch,
                start=piece.start,
                end=piece.end,
                old=self.before[piece.start : piece.end],
                new=piece.text,
            )
            for piece in self._pieces
            if piece.patch is not None
        )

    def hidden_at(self, offset: int) -> list[str]:
        """What is hidden between two characters of the draft, in order."""
        found: list[str] = []
        at = 0
        for piece in self._pieces:
            if at > offset:
                break
            if at == offset and piece.is_hidden:
                found.append(self.before[piece.start : piece.end])
            at += len(piece.text)
        return found

    def to_before(self, offset: int, *, end: bool = False) -> int:
        """Where a character of the draft comes from.

        Args:
            offset: Offset in the draft.
            end: Whether the offset is that after a span's last character.
        """
        at = 0
        for piece in self._pieces:
            after = at + len(piece.text)
            if piece.text and (at < offset <= after if end else at <= offset < after):
                if piece.patch is None:
                    return piece.start + offset - at
                return piece.end if end else piece.start
            at = after
        return 0 if end else len(self.before)

    def change(self, patch: Patch) -> None:
        """Make a change; where it meets an earlier one, both become one.

        Args:
            patch: The change, with offsets in the draft as it is now.
        """
        ends = list(accumulate(len(piece.text) for piece in self._pieces))
        starts = [0, *ends[:-1]]
        first_met = bisect_right(ends, patch.start)
        first_behind = max(first_met, bisect_left(starts, patch.end))
        ahead = self._pieces[:first_met]
        met: list[_Piece] = []
        behind: list[_Piece] = []
        head = tail = ""
        for place in range(first_met, first_behind):
            piece, start = self._pieces[place], starts[place]
            if piece.patch is not None:
                met.append(piece)
                head += piece.text[: max(0, patch.start - start)]
                tail += piece.text[min(len(piece.text), patch.end - start) :]
                continue
            first = max(0, patch.start - start)
            last = min(len(piece.text), patch.end - start)
            low, high = piece.start + first, piece.start + last
            if first:
                ahead.append(_Piece(piece.text[:first], piece.start, low))
            if first < last:
                met.append(_Piece(piece.text[first:last], low, high))
            if last < len(piece.text):
                behind.append(_Piece(piece.text[last:], high, piece.end))
        behind += self._pieces[first_behind:]
        # A mark that follows directly speaks of what is replaced now.
        while patch.start < patch.end and behind and behind[0].is_hidden:
            met.append(behind.pop(0))
        end = ahead[-1].end if ahead else 0
        low, high = (met[0].start, met[-1].end) if met else (end, end)
        self._pieces = [*ahead, _Piece(head + patch.new + tail, low, high, patch), *behind]
