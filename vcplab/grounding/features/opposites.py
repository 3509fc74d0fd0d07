"""Words of a response whose opposite stands in the source where they should."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from vcplab.grounding.features._opposites import opposites
from vcplab.grounding.features.family import Family
from vcplab.grounding.features.held import Held, once

__all__ = ["OPPOSITES", "Opposite", "find_opposites"]

_PREFIXES: Final = ("un", "in", "im", "ir", "il", "dis", "non", "mis")


@dataclass(frozen=True, slots=True)
class Opposite:
    """A word and its opposite.

    Attributes:
        token: Index of the response's token.
        sentence: Index of the source sentence.
        place: Index of the source's token.
        close: Whether a neighbour of the word is a neighbour of its opposite.
    """

    token: int
    sentence: int
    place: int
    close: bool


@once
def find_opposites(held: Held) -> list[Opposite]:
    """Tokens that their aligned source window lacks while it has an opposite of them."""
    pairs = opposites()
    source = held.source
    found: list[Opposite] = []
    for alignment in held.piece_alignments:
        if alignment.sentences[0] == alignment.sentences[1]:
            continue
        low = source.sentences[alignment.sentences[0]].first
        high = source.sentences[alignment.sentences[1] - 1].last
        for at in range(alignment.first, alignment.last):
            token = held.tokens[at]
            if token.kind == "number" or token.key in alignment.keys:
                continue
            others = pairs.get(token.key, frozenset()) & alignment.keys
            if not others and len(token.key) > 4 and token.kind == "word":
                others = frozenset(_prefixed(token.key) & alignment.keys)
            if not others:
                continue
            beside = {held.tokens[near].key for near in range(max(0, at - 2), at)} | {
                held.tokens[near].key for near in range(at + 1, min(len(held.tokens), at + 3))
            }
            best: Opposite | None = None
            for place in range(low, high):
                if source.tokens[place].key not in others:
                    continue
                around = {
                    source.tokens[near].key
                    for near in range(max(low, place - 2), min(high, place + 3))
                    if near != place
                }
                close = bool(around & beside)
                if best is None or close > best.close:
                    best = Opposite(at, source.sentence_of[place], place, close)
            if best is not None:
                found.append(best)
    return found


def _prefixed(key: str) -> set[str]:
    """The word with a denying prefix, or without its own."""
    found = {prefix + key for prefix in _PREFIXES}
    found |= {key[len(prefix) :] for prefix in _PREFIXES if key.startswith(prefix)}
    return {other for other in found if len(other) > 3}


def _measure(held: Held) -> tuple[float, ...]:
    found = find_opposites(held)
    absent = [one for one in found if held.support[one.token] < 1.0]
    return (
        math.log1p(len(found)),
        math.log1p(sum(one.close for one in found)),
        math.log1p(len(absent)),
        math.log1p(sum(one.close for one in absent)),
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = [(0.0, 0.0, 0.0)] * len(held.tokens)
    for one in find_opposites(held):
        rows[one.token] = (1.0, float(one.close), float(held.support[one.token] < 1.0))
    return rows


OPPOSITES = Family(
    "opposites",
    ("opposites", "opposites_close", "opposites_absent", "opposites_absent_close"),
    _measure,
    ("opposite", "opposite_close", "opposite_absent"),
    _tokens,
)
"""Antonyms of what the aligned source window says."""
