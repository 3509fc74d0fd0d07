"""Support of the phrases of a response, and of what stands around each of its tokens."""

from __future__ import annotations

import math
import re
from typing import Final

from vcplab.grounding.features.family import Family, share
from vcplab.grounding.features.held import Held, once
from vcplab.grounding.features.terms import word_set

__all__ = ["PHRASES", "phrases_of"]

_LOW: Final = 0.5
_OPENING: Final = word_set(
    "and or but nor so yet as at by for from in into of off on onto over to under until upon via "
    "with within without about after against along among around before behind between during "
    "near since through throughout towards while although though because whereas whether unless "
    "who whom whose which that when where if than "
    "和 与 及 以及 或 或者 而 并 并且 但 但是 在 对 对于 从 向 由 为 为了 把 被 因为 所以 通过 根据"
)
_BREAK: Final = re.compile(r"[,;:.!?()\[\]\"“”—–，。；：、！？（）《》「」]|\s-\s")


@once
def phrases_of(held: Held) -> list[range]:
    """Stretches of tokens without punctuation inside that begin with at most one connective."""
    found: list[range] = []
    first = 0
    for at in range(1, len(held.tokens)):
        gap = held.response[held.tokens[at - 1].end : held.tokens[at].start]
        opens = held.tokens[at].lower in _OPENING and held.tokens[at - 1].lower not in _OPENING
        if opens or _BREAK.search(gap):
            found.append(range(first, at))
            first = at
    if held.tokens:
        found.append(range(first, len(held.tokens)))
    return found


def _support(held: Held, phrase: range) -> float | None:
    """Weighted share of a phrase's content that the source has; None without content."""
    total = sum(held.weights[at] for at in phrase)
    if not total:
        return None
    return sum(held.weights[at] * held.support[at] for at in phrase) / total


def _measure(held: Held) -> tuple[float, ...]:
    supports = [
        value for phrase in phrases_of(held) if (value := _support(held, phrase)) is not None
    ]
    supports.sort()
    lowest = supports[:3]
    near = [
        min(held.near[a][1], 1.0)
        for phrase in phrases_of(held)
        for content in ([at for at in phrase if held.tokens[at].content],)
        for a in content[:-1]
    ]
    return (
        share(sum(supports), len(supports), empty=1.0),
        share(sum(lowest), len(lowest), empty=1.0),
        supports[0] if supports else 1.0,
        math.log1p(sum(value < _LOW for value in supports)),
        share(sum(value < _LOW for value in supports), len(supports)),
        share(sum(near), len(near), empty=1.0),
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    tokens, support = held.tokens, held.support
    aligned, near = held.aligned_sentence, held.near
    content = [at for at, token in enumerate(tokens) if token.content]
    order = 0
    rows: list[tuple[float, ...]] = []
    inside: dict[int, tuple[float, ...]] = {}
    for phrase in phrases_of(held):
        own = [at for at in phrase if tokens[at].content]
        value = _support(held, phrase)
        absent = sum(support[at] < _LOW for at in own)
        facts = (
            0.5 if value is None else value,
            share(sum(aligned[at] for at in own), len(own), empty=0.5),
            math.log1p(absent),
            share(sum(near[at][1] for at in own[:-1]), len(own) - 1, empty=0.5) if own else 0.5,
            math.log1p(len(phrase)),
        )
        for at in phrase:
            inside[at] = facts
    for at in range(len(tokens)):
        while order < len(content) and content[order] < at:
            order += 1
        follows = order + (order < len(content) and content[order] == at)
        before = content[order - 1] if order else None
        after = content[follows] if follows < len(content) else None
        close = content[max(0, order - 3) : follows + 3]
        wide = content[max(0, order - 6) : follows + 6]
        rows.append(
            (
                0.5 if before is None else support[before],
                0.5 if after is None else support[after],
                0.5 if before is None else float(aligned[before]),
                0.5 if after is None else float(aligned[after]),
                share(sum(support[one] for one in close), len(close), empty=0.5),
                share(sum(support[one] for one in wide), len(wide), empty=0.5),
                share(sum(aligned[one] for one in close), len(close), empty=0.5),
                *inside[at],
            )
        )
    return rows


PHRASES = Family(
    "phrases",
    (
        "phrase_mean", "phrase_lowest", "phrase_min", "phrases_low", "phrases_low_share",
        "phrase_nearness",
    ),
    _measure,
    (
        "before", "after", "before_aligned", "after_aligned", "around_3", "around_6",
        "around_aligned", "phrase_support", "phrase_aligned", "phrase_absent", "phrase_near",
        "phrase_length",
    ),
    _tokens,
)  # fmt: skip
"""Support of phrases, and of the words around a word."""
