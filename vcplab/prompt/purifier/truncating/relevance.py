"""How much each piece of a text says about a query."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from vcplab.protocol.ports import Retriever
from vcplab.text.analysis import default_analyzer

__all__ = ["relevances"]

# BM25 with the usual constants.
_K1: Final = 1.2
_B: Final = 0.75
_PASSAGES: Final = 10
# A piece belongs to a passage if it shares that much of its words with it.
_BELONGS: Final = 0.6


def relevances(
    pieces: Sequence[str], query: str, retriever: Retriever | None = None
) -> list[float]:
    """Score pieces by the words that they share with a query, and with what it finds.

    Args:
        pieces: The pieces.
        query: The query.
        retriever: Whose passages count: a piece of the best passage gains as much as the best
            piece has by its words, one of the second half as much, and so on.

    Returns:
        A score for each piece; 0 says nothing about the query.
    """
    analyzer = default_analyzer()
    terms = [Counter(analyzer.analyze(piece)) for piece in pieces]
    wanted = set(analyzer.analyze_query(query))
    frequency = Counter(term for counted in terms for term in counted.keys() & wanted)
    sizes = [counted.total() for counted in terms]
    mean = sum(sizes) / len(sizes) if any(sizes) else 1.0
    scores = []
    for counted, size in zip(terms, sizes, strict=True):
        score = 0.0
        for term in sorted(counted.keys() & wanted):
            rarity = math.log(1 + (len(pieces) - frequency[term] + 0.5) / (frequency[term] + 0.5))
            count = counted[term]
            score += rarity * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * size / mean))
        scores.append(score)
    if retriever is None:
        return scores
    best = max(scores, default=0.0) or 1.0
    gains = [0.0] * len(pieces)
    for rank, passage in enumerate(retriever.search(query, _PASSAGES)):
        held = set(analyzer.analyze(passage.text))
        for place, counted in enumerate(terms):
            share = len(counted.keys() & held) / len(counted) if counted else 0.0
            if share >= _BELONGS:
                gains[place] = max(gains[place], best * share / (rank + 1))
    return [score + gain for score, gain in zip(scores, gains, strict=True)]
