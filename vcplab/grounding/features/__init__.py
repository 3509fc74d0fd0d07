"""What can be measured of a response and its source without a model, by families."""

from __future__ import annotations

from collections.abc import Sequence

from vcplab.core.errors import NotFoundError
from vcplab.grounding.features.alignment import ALIGNMENT
from vcplab.grounding.features.coverage import COVERAGE
from vcplab.grounding.features.dates import DATES
from vcplab.grounding.features.entities import ENTITIES
from vcplab.grounding.features.family import Family
from vcplab.grounding.features.held import Alignment, Held
from vcplab.grounding.features.lengths import LENGTHS
from vcplab.grounding.features.negation import NEGATION
from vcplab.grounding.features.numbers import NUMBERS
from vcplab.grounding.features.opposites import OPPOSITES
from vcplab.grounding.features.phrases import PHRASES
from vcplab.grounding.features.quotes import QUOTES
from vcplab.grounding.features.source import Source, SourceCache
from vcplab.grounding.features.wording import WORDING

__all__ = [
    "FAMILIES",
    "GROUNDED",
    "Alignment",
    "Family",
    "Held",
    "Source",
    "SourceCache",
    "families",
    "feature_names",
    "measure",
    "token_names",
    "token_rows",
]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        COVERAGE, NUMBERS, DATES, ENTITIES, QUOTES, NEGATION, ALIGNMENT, PHRASES, OPPOSITES,
        WORDING, LENGTHS,
    )
}  # fmt: skip
"""Every family, by name."""

GROUNDED: tuple[str, ...] = tuple(name for name, family in FAMILIES.items() if family.grounded)
"""The families that look at the source."""


def families(names: Sequence[str]) -> list[Family]:
    """The families of these names, in this order.

    Raises:
        NotFoundError: There is no such family.
    """
    for name in names:
        if name not in FAMILIES:
            raise NotFoundError(
                f"There is no family of features {name!r}.",
                where="families",
                next_step=f"Use {', '.join(FAMILIES)}.",
            )
    return [FAMILIES[name] for name in names]


def feature_names(names: Sequence[str] = GROUNDED) -> tuple[str, ...]:
    """The features of these families, ``family.feature``."""
    return tuple(f"{family.name}.{name}" for family in families(names) for name in family.names)


def measure(held: Held, names: Sequence[str] = GROUNDED) -> list[float]:
    """The features of a response, in the order of `feature_names`."""
    return [float(value) for family in families(names) for value in family.measure(held)]


def token_names(names: Sequence[str] = GROUNDED) -> tuple[str, ...]:
    """The token features of these families, ``family.feature``."""
    return tuple(
        f"{family.name}.{name}" for family in families(names) for name in family.token_names
    )


def token_rows(held: Held, names: Sequence[str] = GROUNDED) -> list[list[float]]:
    """The features of every token of a response, in the order of `token_names`."""
    rows: list[list[float]] = [[] for _ in held.tokens]
    for family in families(names):
        if family.tokens is not None:
            for row, own in zip(rows, family.tokens(held), strict=True):
                row += own
    return rows
