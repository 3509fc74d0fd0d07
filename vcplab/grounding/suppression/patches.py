"""Changes of a text that can be undone to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from vcplab.core.errors import InvalidInputError
from vcplab.protocol.grounding import Evidence

__all__ = ["Patch", "PatchAction", "PatchList"]

PatchAction = Literal["mark", "hedge", "replace", "regenerate", "delete"]


@dataclass(frozen=True, slots=True)
class Patch:
    """One change of a text.

    Attributes:
        start: Offset in the text before, of the first character that is changed.
        end: Offset after the last one; ``start`` where something is only put in.
        old: What stands there, ``before[start:end]``.
        new: What is to stand there.
        rule: What found the need, e.g. ``lexical.number``.
        policy: What was done: ``mark``, ``hedge``, ``replace``, ``regenerate`` or ``delete``.
        p: Probability that the span was hallucinated; None if nobody knows.
        reason: One sentence for people.
        evidence: What the span was held against, best first.
    """

    start: int
    end: int
    old: str
    new: str
    rule: str = ""
    policy: PatchAction = "replace"
    p: float | None = None
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The patch, JSON-able."""
        return {
            "start": self.start, "end": self.end, "old": self.old, "new": self.new,
            "rule": self.rule, "policy": self.policy, "p": self.p, "reason": self.reason,
            "evidence": [
                {
                    "text": one.text, "source": one.source, "start": one.start, "end": one.end,
                    "score": one.score, "docno": one.docno,
                }
                for one in self.evidence
            ],
        }  # fmt: skip


class PatchList(Sequence[Patch]):
    """Changes of one text: in order, without overlap, reversible.

    ::

        after = patches.apply(before)
        assert patches.revert(after) == before

    Args:
        patches: Changes in any order; of those put in at the same place the given order stays.

    Raises:
        InvalidInputError: Two overlap, or one is not what it says (its ``old`` is not as long as
            its span).
    """

    __slots__ = ("_patches",)

    def __init__(self, patches: Iterable[Patch] = ()) -> None:
        listed = sorted(patches, key=lambda patch: (patch.start, patch.end))
        at = 0
        for patch in listed:
            if patch.start < at or len(patch.old) != patch.end - patch.start:
                raise InvalidInputError(
                    f"The patch of {patch.start}:{patch.end} overlaps another one, or its old text "
                    "is not as long as that.",
                    where="patches",
                    next_step="give patches of one text that do not overlap",
                )
            at = patch.end
        self._patches = tuple(listed)

    def __len__(self) -> int:
        return len(self._patches)

    @overload
    def __getitem__(self, key: int) -> Patch: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Patch, ...]: ...
    def __getitem__(self, key: int | slice) -> Patch | tuple[Patch, ...]:
        return self._patches[key]

    def __iter__(self) -> Iterator[Patch]:
        return iter(self._patches)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatchList) and self._patches == other._patches

    def __hash__(self) -> int:
        return hash(self._patches)

    def __repr__(self) -> str:
        told = ", ".join(f"{p.policy} {p.start}:{p.end} {p.old!r} → {p.new!r}" for p in self[:5])
        return f"PatchList({told}{', …' if len(self) > 5 else ''})"

    def apply(self, before: str) -> str:
        """The text after all changes.

        Raises:
            InvalidInputError: It is not the text that the patches were made for.
        """
        parts: list[str] = []
        at = 0
        for patch in self._patches:
            if before[patch.start : patch.end] != patch.old or patch.end > len(before):
                raise _another(patch, patch.start, patch.old)
            parts += (before[at : patch.start], patch.new)
            at = patch.end
        parts.append(before[at:])
        return "".join(parts)

    def revert(self, after: str) -> str:
        """The text before all changes.

        Raises:
            InvalidInputError: It is not the text that `apply` gave.
        """
        parts: list[str] = []
        at = shift = 0
        for patch in self._patches:
            start = patch.start + shift
            end = start + len(patch.new)
            if after[start:end] != patch.new or end > len(after):
                raise _another(patch, start, patch.new)
            parts += (after[at:start], patch.old)
            at = end
            shift += len(patch.new) - len(patch.old)
        parts.append(after[at:])
        return "".join(parts)

    def to_output(self, offset: int) -> int:
        """Where a character of the text before stands after; one that is gone, where it stood."""
        shift = 0
        for patch in self._patches:
            if patch.end > offset or (patch.start == patch.end == offset):
                if patch.start < offset:
                    return patch.start + shift
                if patch.start > offset or patch.start < patch.end:
                    break
            shift += len(patch.new) - len(patch.old)
        return offset + shift

    def to_input(self, offset: int) -> int:
        """Where a character of the text after comes from; one put in, the place it was put."""
        shift = 0
        for patch in self._patches:
            start = patch.start + shift
            if offset < start:
                break
            if offset < start + len(patch.new):
                return patch.start
            shift += len(patch.new) - len(patch.old)
        return offset - shift

    def to_dict(self) -> list[dict[str, Any]]:
        """The patches in order, JSON-able."""
        return [patch.to_dict() for patch in self._patches]


def _another(patch: Patch, at: int, wanted: str) -> InvalidInputError:
    return InvalidInputError(
        f"The text has not {wanted!r} at {at}.",
        where=f"the {patch.policy} of {patch.start}:{patch.end}",
        next_step="use the very text that the patches belong to",
    )
