"""Which parts of a text are taken already."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

__all__ = ["Occupied"]


class Occupied:
    """A set of spans that answers in logarithmic time whether another one overlaps them.

    Args:
        spans: Start and end of the first ones.
    """

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in spans:
            self.add(start, end)

    def is_free(self, start: int, end: int) -> bool:
        """Whether no span overlaps this one; those that only touch it do not.

        Args:
            start: Offset of its first character.
            end: Offset after its last.
        """
        at = bisect_right(self._ends, start)
        return at == len(self._starts) or self._starts[at] >= end

    def add(self, start: int, end: int) -> None:
        """Take a span; with those that it overlaps it becomes one.

        Args:
            start: Offset of its first character.
            end: Offset after its last.
        """
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end, first)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
