"""Negation and modality that the source sentence a claim stands on does not share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vcplab.grounding.features.family import Family
from vcplab.grounding.features.held import Alignment, Held
from vcplab.text.negation import Cue

__all__ = ["NEGATION", "CueMismatch", "cue_mismatches"]

_WELL = 0.5


@dataclass(frozen=True, slots=True)
class CueMismatch:
    """A cue that one side has and the other has not.

    Attributes:
        cue: The cue; of the response if ``added``, else of the source.
        added: Whether the response has it and its source window has none.
        alignment: The claim and its window.
    """

    cue: Cue
    added: bool
    alignment: Alignment


def cue_mismatches(
    held: Held, kind: str = "negation", *, least: float = _WELL
) -> list[CueMismatch]:
    """Cues of a kind on one side of an alignment only.

    Args:
        held: The response and its source.
        kind: As in `vcplab.text.negation.Cue`.
        least: Alignments that cover less than this share of a claim say nothing.
    """
    found: list[CueMismatch] = []
    for alignment in held.piece_alignments:
        if alignment.coverage < least:
            continue
        ours = [
            cue
            for cue in held.cues
            if cue.kind == kind and alignment.start <= cue.start < alignment.end
        ]
        theirs = [
            cue
            for place in range(*alignment.sentences)
            for cue in held.source.cues[place]
            if cue.kind == kind
        ]
        if ours and not theirs:
            found += [CueMismatch(cue, True, alignment) for cue in ours]
        elif theirs and not ours:
            found += [CueMismatch(cue, False, alignment) for cue in theirs[:1]]
    return found


def _measure(held: Held) -> tuple[float, ...]:
    negation = cue_mismatches(held)
    hedges = cue_mismatches(held, "hedge")
    return (
        math.log1p(sum(cue.kind == "negation" for cue in held.cues)),
        math.log1p(sum(mismatch.added for mismatch in negation)),
        math.log1p(sum(not mismatch.added for mismatch in negation)),
        math.log1p(sum(mismatch.added for mismatch in hedges)),
        math.log1p(sum(not mismatch.added for mismatch in hedges)),
        math.log1p(sum(m.added for m in cue_mismatches(held, "certainty"))),
        math.log1p(sum(m.added for m in cue_mismatches(held, "negation", least=0.0))),
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    rows = [[0.0, 0.0, 0.0] for _ in held.tokens]
    for cue in held.cues:
        if cue.kind == "negation":
            for at in held.tokens_in(cue.start, cue.end):
                rows[at][0] = 1.0
    for mismatch in cue_mismatches(held):
        if mismatch.added:
            for at in held.tokens_in(mismatch.cue.start, mismatch.cue.end):
                rows[at][1] = 1.0
            for at in held.tokens_in(mismatch.cue.end, mismatch.cue.scope[1])[:4]:
                rows[at][2] = 1.0
    return [tuple(row) for row in rows]


NEGATION = Family(
    "negation",
    (
        "negations", "negations_added", "negations_dropped", "hedges_added", "hedges_dropped",
        "certainty_added", "negations_added_any",
    ),
    _measure,
    ("is_negation", "negation_added", "negation_reach"),
    _tokens,
)  # fmt: skip
"""Negation and modality mismatch with the best-matching source sentence."""
