"""Lengths of a response: baselines, never evidence."""

from __future__ import annotations

import math

from vcplab.grounding.features.family import Family
from vcplab.grounding.features.held import Held

__all__ = ["LENGTHS"]


def _measure(held: Held) -> tuple[float, ...]:
    return (
        math.log1p(len(held.tokens)),
        math.log1p(len(held.spans)),
        math.log1p(len(held.pieces)),
        math.log1p(len(held.source.tokens)),
    )


LENGTHS = Family(
    "lengths",
    ("length", "length_sentences", "length_claims", "length_source"),
    _measure,
    grounded=False,
)
"""How long response and source are."""
