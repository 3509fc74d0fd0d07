"""How well single parts of the source carry the sentences and claims of a response."""

from __future__ import annotations

import math

from vcplab.grounding.features.family import Family, share
from vcplab.grounding.features.held import Held, once

__all__ = ["ALIGNMENT", "swaps"]


@once
def swaps(held: Held) -> list[int]:
    """Tokens that look put in another's place.

    The content tokens before and after stand near each other in the aligned window of the source,
    the token itself is not there.
    """
    found: list[int] = []
    for alignment in held.piece_alignments:
        own = [at for at in range(alignment.first, alignment.last) if held.tokens[at].content]
        keys = alignment.keys
        for order, at in enumerate(own):
            if held.tokens[at].key in keys:
                continue
            before = order > 0 and held.tokens[own[order - 1]].key in keys
            after = order + 1 < len(own) and held.tokens[own[order + 1]].key in keys
            if before and after:
                found.append(at)
    return found


def _measure(held: Held) -> tuple[float, ...]:
    sentences, pieces = held.sentence_alignments, held.piece_alignments
    cover = [alignment.coverage for alignment in pieces] or [1.0]
    whole = [alignment.coverage for alignment in sentences] or [1.0]
    single = [alignment.single for alignment in pieces] or [1.0]
    gaps = [alignment.overall - alignment.coverage for alignment in pieces] or [0.0]
    lead = [alignment.single - alignment.second for alignment in pieces] or [0.0]
    swapped = swaps(held)
    capital = sum(held.tokens[at].capital for at in swapped)
    known = sum(held.support[at] >= 1.0 for at in swapped)
    content = sum(token.content for token in held.tokens)
    weights = held.weights
    best = max((weights[at] * (1.0 - held.support[at]) for at in swapped), default=0.0)
    return (
        sum(cover) / len(cover),
        min(cover),
        max(cover),
        sum(whole) / len(whole),
        min(whole),
        sum(single) / len(single),
        min(single),
        sum(gaps) / len(gaps),
        max(gaps),
        sum(lead) / len(lead),
        math.log1p(len(swapped)),
        share(len(swapped), content),
        math.log1p(capital),
        math.log1p(known),
        best,
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = [(1.0,) * 0] * len(held.tokens)
    swapped = set(swaps(held))
    coverage = [(1.0, 1.0, 0.0)] * len(held.tokens)
    for alignment in held.sentence_alignments:
        for at in range(alignment.first, alignment.last):
            coverage[at] = (alignment.coverage, alignment.overall, 0.0)
    for alignment in held.piece_alignments:
        for at in range(alignment.first, alignment.last):
            coverage[at] = (coverage[at][0], coverage[at][1], alignment.coverage)
    for at, token in enumerate(held.tokens):
        whole, overall, piece = coverage[at]
        content = float(token.content)
        rows[at] = (
            content * held.aligned[at],
            content * held.aligned_sentence[at],
            (1.0 - content) * held.aligned[at],
            float(at in swapped),
            whole,
            overall,
            piece,
            content * held.support[at] * (1.0 - held.aligned_sentence[at]),
        )
    return rows


ALIGNMENT = Family(
    "alignment",
    (
        "piece_mean", "piece_min", "piece_max", "sentence_mean", "sentence_min", "single_mean",
        "single_min", "gap_mean", "gap_max", "lead", "swaps", "swaps_share", "swaps_capital",
        "swaps_known", "swap_weight",
    ),
    _measure,
    (
        "aligned", "aligned_sentence", "aligned_function", "swapped", "sentence_coverage",
        "sentence_overall", "piece_coverage", "elsewhere",
    ),
    _tokens,
)  # fmt: skip
"""Coverage by the best source windows, and gaps that look like edits."""
