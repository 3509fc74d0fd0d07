"""The strategy that keeps whole sentences: what a query asks for, the beginning, the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vcplab.prompt.purifier.protect import Protected
from vcplab.prompt.purifier.truncating.budget import Budget
from vcplab.prompt.purifier.truncating.relevance import relevances
from vcplab.prompt.purifier.truncating.units import Unit, units_of
from vcplab.protocol.ports import Retriever

__all__ = ["smart_ranges"]

#: How much of the room the beginning takes; the end takes the rest (facts/vcp-agents §5).
HEAD_SHARE: Final = 0.3


def smart_ranges(
    text: str,
    protected: Sequence[Protected],
    budget: Budget,
    query: str | None = None,
    retriever: Retriever | None = None,
) -> list[tuple[int, int]]:
    """The ranges of the sentences and blocks that are kept.

    With a query, what says most about it is taken first, as far as it fits. Of the room that is
    left, 30 % goes to the beginning and the rest to the end. A block that does not fit is passed
    over, a sentence that does not fit ends its part, so what is kept is not full of holes.
    """
    units = units_of(text, protected, budget)
    choice = _Choice(units, budget.cost(" … "))
    if query is not None and query.strip() and units:
        scores = relevances([text[unit.start : unit.end] for unit in units], query, retriever)
        ranked = sorted(range(len(units)), key=lambda place: (-scores[place], place))
        for place in ranked:
            if scores[place] <= 0:
                break
            choice.take(place, 1.0)
    choice.take_run(range(len(units)), choice.used + (1 - choice.used) * HEAD_SHARE)
    choice.take_run(range(len(units) - 1, -1, -1), 1.0)
    choice.take_run(range(len(units)), 1.0)
    return choice.ranges()


class _Choice:
    """The units that are kept so far, and what they take."""

    def __init__(self, units: list[Unit], gap: float) -> None:
        self._units = units
        self._gap = gap
        self._taken = [False] * len(units)
        self.used = 0.0

    def take(self, place: int, limit: float) -> bool:
        """Keep a unit if it fits, with the mark that it may need beside it."""
        if self._taken[place]:
            return True
        beside = place > 0 and self._taken[place - 1]
        beside = beside or (place + 1 < len(self._units) and self._taken[place + 1])
        cost = self._units[place].cost + (0 if beside or not self.used else self._gap)
        if self.used + cost > limit:
            return False
        self._taken[place] = True
        self.used += cost
        return True

    def take_run(self, places: Iterable[int], limit: float) -> None:
        """Keep one unit after the other until one does not fit that is no block."""
        for place in places:
            if not self.take(place, limit) and not self._units[place].fixed:
                return

    def ranges(self) -> list[tuple[int, int]]:
        """The ranges of the units that are kept; neighbours are one."""
        found: list[tuple[int, int]] = []
        last = -2
        for place, unit in enumerate(self._units):
            if not self._taken[place]:
                continue
            if last == place - 1 and found:
                found[-1] = found[-1][0], unit.end
            else:
                found.append((unit.start, unit.end))
            last = place
        return found
