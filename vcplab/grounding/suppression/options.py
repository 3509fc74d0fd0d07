"""What a suppressor can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice, named_options
from vcplab.grounding.suppression.policies import DEFAULT_POLICIES, Hedge, Mark, Policy
from vcplab.protocol.ports import Detector

__all__ = ["FACT_CHECK_LEVELS", "FactCheckLevel", "SuppressorOptions"]

FactCheckLevel = Literal["relaxed", "normal", "strict"]

FACT_CHECK_LEVELS: Final[Mapping[str, float]] = {"relaxed": 0.75, "normal": 0.5, "strict": 0.0}
"""The probability from which a finding is reported, by level."""

_SWITCHES: Final = ("enabled", "auto_fix", "mark_uncertain")
# What would make code, a block or a quotation of the text around it, or change its words.
_UNFIT: Final = frozenset("`~<>[]{}「」『』《》“”\"'‘’\n\r\v\f\x85\u2028\u2029")


@dataclass(frozen=True, slots=True)
class SuppressorOptions:
    """The options of a suppressor (seed 002 §3.2), each of which is read.

    Attributes:
        detector: What looks for hallucinations; the default ones if None.
        policies: What is done about findings, the first one that takes a finding first.
        enabled: Whether anything is done at all.
        semantic_threshold: How much of a sentence's words a passage of the sources has to share,
            from 0 to 1, for words of its own to count as a paraphrase and not as unsupported.
        fact_check_level: From which probability on a finding counts: ``"relaxed"`` .75 (what the
            sources contradict), ``"normal"`` .5 (numbers, dates and names that they lack, too),
            ``"strict"`` 0 (any words that they lack).
        auto_fix: Whether policies may replace and delete.
        mark_uncertain: Whether policies may mark and hedge.
        uncertain_marker: What is put behind a marked span.
        disabled_checks: Checks whose findings are dropped: a type (``"temporal"``), a rule
            (``"lexical.number"``), or all rules of a detector (``"style"``).

    Raises:
        InvalidInputError: An option is impossible.
    """

    detector: Detector | None = None
    policies: tuple[Policy, ...] = DEFAULT_POLICIES
    enabled: bool = True
    semantic_threshold: float = 0.7
    fact_check_level: FactCheckLevel = "normal"
    auto_fix: bool = True
    mark_uncertain: bool = True
    uncertain_marker: str = "⚠️"
    disabled_checks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise _wrong(name, getattr(self, name), "true or false")
        threshold = self.semantic_threshold
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise _wrong("semantic_threshold", threshold, "a number from 0 to 1")
        if not 0 <= threshold <= 1:
            raise _wrong("semantic_threshold", threshold, "a number from 0 to 1")
        checked_choice(
            self.fact_check_level,
            FACT_CHECK_LEVELS,
            "fact_check_level",
            f"There is no level {self.fact_check_level!r}.",
        )
        if self.detector is not None and not isinstance(self.detector, Detector):
            raise _wrong("detector", self.detector, "a Detector (name, fingerprint, detect)")
        for name, kind in (("policies", Policy), ("disabled_checks", str)):
            value = getattr(self, name)
            listed = (value,) if isinstance(value, kind) else value
            if not isinstance(listed, list | tuple | set | frozenset):
                raise _wrong(name, value, "a list")
            for one in listed:
                if not isinstance(one, kind):
                    raise _wrong(name, one, f"a list of {kind.__name__}")
            ordered = listed if isinstance(listed, list | tuple) else sorted(listed)
            object.__setattr__(self, name, tuple(ordered))
        for mark in self.marks:
            _check_mark(mark)

    @property
    def marks(self) -> tuple[str, ...]:
        """Everything that its policies may put in, and that it knows again."""
        found = {self.uncertain_marker: None}
        for policy in self.policies:
            if isinstance(policy, Mark) and policy.marker is not None:
                found[policy.marker] = None
            elif isinstance(policy, Hedge):
                found.update(dict.fromkeys(policy.words.values()))
        return tuple(found)

    @classmethod
    def of(
        cls, options: SuppressorOptions | Mapping[str, Any] | None = None, **single: Any
    ) -> SuppressorOptions:
        """Options from either spelling (``autoFix`` or ``auto_fix``).

        Args:
            options: A value, or a mapping by the seed's names or ours.
            **single: Single options; they win.

        Raises:
            InvalidInputError: A name is unknown, or a value impossible.
        """
        given = named_options(
            cls, options, single, what="The suppressor", where="HallucinationSuppressor"
        )
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """The options by our names, JSON-able: a detector by its name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["detector"] = getattr(self.detector, "name", None)
        values["policies"] = [policy.to_dict() for policy in self.policies]
        values["disabled_checks"] = list(self.disabled_checks)
        return values


def _check_mark(mark: object) -> None:
    if not isinstance(mark, str) or not mark.strip() or _UNFIT & set(mark):
        raise InvalidInputError(
            f"{mark!r} cannot mark a text.",
            where="uncertain_marker",
            next_step="give a short text without quotation marks, brackets of code and line ends",
        )
    if mark.strip().isalnum():
        raise InvalidInputError(
            f"{mark!r} cannot be told from the words of a text.",
            where="uncertain_marker",
            next_step=f"put a sign around it, e.g. ({mark})",
        )


def _wrong(name: str, value: object, wanted: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name} is {wanted}, not {value!r}.",
        where=name,
        next_step="leave it out for the default",
    )
