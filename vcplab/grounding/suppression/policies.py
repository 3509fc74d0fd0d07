"""What is done about a finding: a mark, a hedge, a replacement or a deletion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.suppression.patches import PatchAction
from vcplab.protocol.grounding import HALLUCINATION_TYPES, Finding

__all__ = ["DEFAULT_POLICIES", "DELETE_FLOOR", "Delete", "Hedge", "Mark", "Policy", "Replace"]

DELETE_FLOOR: Final = 0.70
"""Measured precision below which nothing may be deleted (facts/hallucination §6)."""

HEDGES: Final[Mapping[str, str]] = {"zh": "（待核实）", "en": "(unverified) "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which findings something is done about; what is done, its kinds say.

    Policies are asked in order, and the first one that takes a finding has it.

    Attributes:
        rules: Rules whose findings it takes: a name (``lexical.number``) or what stands before its
            point (``lexical``); empty for any.
        types: Types of hallucination that it takes; empty for any.
        precision_floor: Findings whose probability is lower are left alone, from 0 to 1.
        precision: How often it was right on one's own data, if that was measured.

    Raises:
        InvalidInputError: A number is not from 0 to 1, or there is no such type.
    """

    rules: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    precision_floor: float = 0.5
    precision: float | None = None

    action: ClassVar[PatchAction] = "mark"

    def __post_init__(self) -> None:
        for name in ("rules", "types"):
            value = getattr(self, name)
            listed = (value,) if isinstance(value, str) else tuple(value)
            object.__setattr__(self, name, listed)
        for kind in self.types:
            if kind not in HALLUCINATION_TYPES:
                raise InvalidInputError(
                    f"There is no type {kind!r}.",
                    where="types",
                    next_step=f"one of: {', '.join(HALLUCINATION_TYPES)}",
                )
        for name in ("precision_floor", "precision"):
            share = getattr(self, name)
            if name == "precision" and share is None:
                continue
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise InvalidInputError(
                    f"{name} is {share!r}.", where=name, next_step="give a number from 0 to 1"
                )

    def takes(self, finding: Finding, share: float) -> bool:
        """Whether it is for a finding.

        Args:
            finding: What was found; a remark without a probability is never taken.
            share: How much of its sentence the finding covers, from 0 to 1.
        """
        if finding.p is None or finding.p < self.precision_floor:
            return False
        if self.rules and not any(named(finding.rule, rule) for rule in self.rules):
            return False
        return not self.types or finding.type in self.types

    def to_dict(self) -> dict[str, Any]:
        """The policy, JSON-able."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, value in values.items():
            if isinstance(value, tuple):
                values[name] = list(value)
            elif isinstance(value, Mapping):
                values[name] = dict(value)
        return {"action": self.action, **values}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(Policy):
    """Put a mark behind the span.

    Attributes:
        marker: The mark; the suppressor's ``uncertain_marker`` if None.
    """

    precision_floor: float = 0.6
    marker: str | None = None

    action: ClassVar[PatchAction] = "mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge(Policy):
    """Put a word of caution before the sentence, where the finding is about most of it.

    Attributes:
        share: How much of the sentence the finding has to cover, from 0 to 1.
        words: The word of each language; ``en`` for those that are not named.
    """

    precision_floor: float = 0.6
    share: float = 0.6
    words: Mapping[str, str] = field(default_factory=lambda: dict(HEDGES), hash=False)

    action: ClassVar[PatchAction] = "hedge"

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        if "en" not in self.words:
            raise InvalidInputError(
                "The words lack English, which stands in for other languages.",
                where="words",
                next_step='give words={"en": …, "zh": …}',
            )

    def takes(self, finding: Finding, share: float) -> bool:
        """Whether it is for a finding, which has to cover enough of its sentence."""
        return share >= self.share and Policy.takes(self, finding, share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(Policy):
    """Put in its place what the source says, where the finding knows it: numbers by default."""

    rules: tuple[str, ...] = ("lexical.number",)
    precision_floor: float = 0.9

    action: ClassVar[PatchAction] = "replace"

    def takes(self, finding: Finding, share: float) -> bool:
        """Whether it is for a finding, which has to know what should stand there."""
        return finding.suggestion is not None and Policy.takes(self, finding, share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Policy):
    """Take the span away; only with a precision that was measured on one's own data.

    Attributes:
        sentence: Whether the whole sentence goes.

    Raises:
        InvalidInputError: The precision is not given or below ``DELETE_FLOOR``.
    """

    sentence: bool = False

    action: ClassVar[PatchAction] = "delete"

    def __post_init__(self) -> None:
        Policy.__post_init__(self)
        if self.precision is None or self.precision < DELETE_FLOOR:
            told = "is not given" if self.precision is None else f"is {self.precision:g}"
            raise InvalidInputError(
                f"Deleting needs a measured precision of {DELETE_FLOOR:g}; it {told}.",
                where="precision",
                next_step="measure the policy on labelled data (the suppression task), and pass "
                "precision=…; or mark instead",
            )


DEFAULT_POLICIES: Final[tuple[Policy, ...]] = (Replace(), Hedge(), Mark())
"""Numbers are replaced, the rest is marked or hedged; nothing is deleted."""


def named(rule: str, name: str) -> bool:
    """Whether a name means a rule: the rule itself, or what stands before one of its points."""
    return rule == name or rule.startswith(f"{name}.")
