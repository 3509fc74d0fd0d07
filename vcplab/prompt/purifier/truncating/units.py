"""The pieces that the smart strategy keeps or leaves out: sentences, and blocks as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from vcplab.prompt.purifier.protect import Protected
from vcplab.prompt.purifier.truncating.budget import Budget
from vcplab.prompt.purifier.truncating.cuts import Cuts
from vcplab.text.sentences import sentences

__all__ = ["Unit", "units_of"]

# A sentence that takes more of the budget is cut into clauses, words, or anything.
_LARGEST: Final = 0.34
_PIECE: Final = 0.0625
_CLAUSE: Final = re.compile(r"(?<=[,;:，；：、])\s*|\s+")


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece that is kept or left out as a whole.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character, spaces at its end apart.
        cost: The share of the budget that it takes.
        fixed: Whether it is, or holds, a fence or a block of the protocol, or is as large as one.
    """

    start: int
    end: int
    cost: float
    fixed: bool


def units_of(text: str, protected: Sequence[Protected], budget: Budget) -> list[Unit]:
    """Cut a text into units that cover everything but spaces between them."""
    cuts = Cuts(text, protected)
    places = {span.start for span in sentences(text)}
    for span in protected:
        if span.kind in ("fence", "block"):
            places |= {span.start, span.end}
    borders = [0, *sorted(at for at in places if 0 < at < len(text) and cuts.allowed(at))]
    return [
        unit
        for start, end in pairwise([*borders, len(text)])
        for unit in _sized(cuts, start, end, budget)
    ]


def _sized(cuts: Cuts, start: int, end: int, budget: Budget) -> Iterator[Unit]:
    # The spaces after a piece count with it, for they stay between neighbours that are kept.
    cost = budget.cost(cuts.text[start:end])
    if cost <= _LARGEST:
        yield from _unit(cuts, start, end, cost, cuts.holds_block(start, end))
        return
    size = max(8, int((end - start) * _PIECE / cost))
    pieces = list(_clauses(cuts, start, end, size))
    for first, last in pieces:
        own = budget.cost(cuts.text[first:last]) if len(pieces) > 1 else cost
        yield from _unit(cuts, first, last, own, own > _LARGEST or cuts.holds_block(first, last))


def _unit(cuts: Cuts, start: int, end: int, cost: float, fixed: bool) -> Iterator[Unit]:
    piece = cuts.text[start:end]
    length = len(piece.rstrip())
    if length:
        yield Unit(start + len(piece) - len(piece.lstrip("\r\n")), start + length, cost, fixed)


def _clauses(cuts: Cuts, start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Pieces of about a size, cut after a comma or space where one is near enough."""
    at = start
    while end - at > size:
        wanted = at + size
        stop = wanted
        for match in _CLAUSE.finditer(cuts.text, at + size // 2, min(end, wanted + size // 2)):
            if cuts.allowed(match.end()) and match.end() > at:
                stop = match.end()
                if stop >= wanted:
                    break
        stop = min(end, cuts.whole(stop, "tail"))
        yield at, stop
        at = stop
    if at < end:
        yield at, end
