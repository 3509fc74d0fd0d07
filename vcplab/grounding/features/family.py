"""What a family of features is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vcplab.grounding.features.held import Held

__all__ = ["Family", "share"]


@dataclass(frozen=True, slots=True)
class Family:
    """Features that look at one thing.

    Attributes:
        name: What ablation tables call it.
        names: The features of a response.
        measure: Their values, in the order of ``names``.
        token_names: The features of a token.
        tokens: Their values, one row per token of the response.
        grounded: Whether it looks at the source. Families that do not are baselines.
    """

    name: str
    names: tuple[str, ...]
    measure: Callable[[Held], Sequence[float]]
    token_names: tuple[str, ...] = ()
    tokens: Callable[[Held], list[tuple[float, ...]]] | None = None
    grounded: bool = True


def share(part: float, whole: float, *, empty: float = 0.0) -> float:
    """``part / whole``, or ``empty`` where there is nothing."""
    return part / whole if whole else empty
