"""Numbers of a response that its source does not have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from vcplab.grounding.features.dates import check_times
from vcplab.grounding.features.derived import derived_quantity
from vcplab.grounding.features.family import Family, share
from vcplab.grounding.features.held import Held, once
from vcplab.text.quantities import Quantity, same_quantity

__all__ = ["NUMBERS", "NumberCheck", "check_numbers"]

# "one of them", 一个: articles more often than counts. A spelled-out two or three of which the
# source has no rival counts what the response itself lists: taken for wrong, such numbers are so no
# more often than chance (SummEdits 30 of 51 at a base rate of 65 %, bundled train and dev 0 of 6).
_TRIVIAL = 1.0
_LISTED = (2.0, 3.0)
_SAID = ("ordinal", "ratio")
_PLAY = 0.006


@dataclass(frozen=True, slots=True)
class NumberCheck:
    """A quantity of a response and what the source says.

    Attributes:
        quantity: The quantity.
        exact: Whether the source has the same amount of the same thing.
        value: Whether the source has the same number, whatever it counts, or others that make it
            (:mod:`vcplab.grounding.features.derived`).
        trivial: Whether it is a one, which is rarely meant as a number, or a spelled-out two or
            three that the source neither has nor contradicts.
        nearest: The quantity of the same kind in the source window that fits the sentence best;
            with the text it stands in.  None if there is none.
    """

    quantity: Quantity
    exact: bool
    value: bool
    trivial: bool
    nearest: tuple[int, Quantity] | None


@once
def check_numbers(held: Held) -> list[NumberCheck]:
    """Every quantity of the response, held against those of the source."""
    return list(_checks(held))


def _checks(held: Held) -> Iterator[NumberCheck]:
    if not held.quantities:
        return
    source = held.source.quantities
    values = held.source.number_values
    for quantity in held.quantities:
        exact = any(same_quantity(other, quantity, tolerance=_PLAY) for _, other in source)
        value = float(quantity.value) if isinstance(quantity.value, int | float) else 0.0
        exact = exact or _said_as_time(held, quantity)
        has_value = value in values or (not exact and derived_quantity(held, quantity))
        spelled = not any(c.isdigit() for c in quantity.text)
        nearest = None if exact or has_value else _nearest(held, quantity)
        trivial = spelled and value == _TRIVIAL
        if spelled and not (exact or has_value) and nearest is None:
            trivial = trivial or (value in _LISTED and quantity.dimension not in _SAID)
        yield NumberCheck(quantity, exact, exact or has_value, trivial, nearest)


def _said_as_time(held: Held, quantity: Quantity) -> bool:
    """Whether it is a duration that the source says in other words, or that follows from it."""
    return quantity.dimension == "time" and any(
        check.supported and check.time.start < quantity.end and quantity.start < check.time.end
        for check in check_times(held)
    )


def _nearest(held: Held, quantity: Quantity) -> tuple[int, Quantity] | None:
    """The quantity of the same kind in the sentence that says what the response's sentence says."""
    source = held.source
    for alignment in held.sentence_alignments:
        if not alignment.start <= quantity.start < alignment.end:
            continue
        best: tuple[float, int, Quantity] | None = None
        for place in range(*alignment.sentences):
            sentence = source.sentences[place]
            for number, other in source.quantities:
                if number != sentence.source or not sentence.start <= other.start < sentence.end:
                    continue
                if other.dimension != quantity.dimension:
                    continue
                if abs(other.base - quantity.base) == 0:
                    continue
                score = _alike(held, quantity, number, other)
                if best is None or score > best[0]:
                    best = (score, number, other)
        return best[1:] if best else None
    return None


def _alike(held: Held, quantity: Quantity, number: int, other: Quantity) -> float:
    """How alike two quantities are in form, value and neighbouring words."""
    around = _around(held.response, quantity)
    beside = _around(held.source.texts[number], other)
    shared = len(around & beside)
    a, b = float(quantity.base), float(other.base)
    close = 1.0 / (1.0 + abs(math.log((abs(a) + 1e-9) / (abs(b) + 1e-9)))) if a and b else 0.0
    form = any(c.isdigit() for c in quantity.text) == any(c.isdigit() for c in other.text)
    unit = quantity.unit == other.unit
    return shared + close + 0.5 * form + 0.5 * unit


def _around(text: str, quantity: Quantity) -> set[str]:
    before = text[max(0, quantity.start - 30) : quantity.start].lower().split()[-3:]
    after = text[quantity.end : quantity.end + 30].lower().split()[:3]
    return {word.strip(".,;:()\"'") for word in before + after} - {""}


def _measure(held: Held) -> tuple[float, ...]:
    checks = [check for check in check_numbers(held) if not check.trivial]
    wrong = [check for check in checks if not check.value]
    loose = [check for check in checks if check.value and not check.exact]
    digits = [check for check in wrong if any(c.isdigit() for c in check.quantity.text)]
    rival = [check for check in wrong if check.nearest is not None]
    return (
        float(bool(checks)),
        math.log1p(len(wrong)),
        share(len(wrong), len(checks)),
        math.log1p(len(digits)),
        math.log1p(len(rival)),
        math.log1p(len(loose)),
    )


def _tokens(held: Held) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = [(0.0, 0.0, 0.0)] * len(held.tokens)
    for check in check_numbers(held):
        if check.trivial:
            continue
        row = (1.0, float(not check.value), float(check.value and not check.exact))
        for at in held.tokens_in(check.quantity.start, check.quantity.end):
            rows[at] = row
    return rows


NUMBERS = Family(
    "numbers",
    (
        "has_numbers", "numbers_wrong", "numbers_wrong_share", "digits_wrong", "numbers_rival",
        "numbers_loose",
    ),
    _measure,
    ("is_number", "number_wrong", "number_loose"),
    _tokens,
)  # fmt: skip
"""Unsupported numbers, Chinese numerals and units included."""
