"""What a purifier gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from vcplab.core.display import escape, html_card, style_block
from vcplab.prompt.purifier.offsets import OffsetMap

__all__ = ["Modification", "ModificationType", "PurifyResult"]

ModificationType = Literal["whitespace", "newline", "quote", "duplicate", "sensitive", "truncate"]

_SHOWN: Final = 20_000
_REMOVED: Final = "text-decoration:line-through;color:#c62828;"
_ADDED: Final = "text-decoration:none;background:var(--vcp-mark);"


@dataclass(frozen=True, slots=True)
class Modification:
    """What was changed in one respect.

    Attributes:
        type: What sort of change.
        description: What was done, for people.
        count: How many places were changed; for ``"truncate"`` how many characters left out.
    """

    type: ModificationType
    description: str
    count: int

    def to_dict(self) -> dict[str, Any]:
        """By the seed's names."""
        return {"type": self.type, "description": self.description, "count": self.count}


@dataclass(frozen=True, slots=True)
class PurifyResult:
    """A purified text and what was done to it (seed 002 §3.1).

    Attributes:
        content: The text.
        original_length: Characters before.
        purified_length: Characters after.
        estimated_tokens: Tokens after, as ``tokenizer`` counts them.
        modifications: What was changed, at most one entry of each type, in the order of the steps.
        truncated: Whether something was left out to keep the budget.
        duplicates_removed: How many paragraphs were removed because they were there before.
        offsets: Where each character comes from.
        sensitive_left: How many sensitive pieces stay because they are in protected ones.
        tokenizer: What counted.
        original: The text before.
    """

    content: str
    original_length: int
    purified_length: int
    estimated_tokens: int
    modifications: tuple[Modification, ...]
    truncated: bool
    duplicates_removed: int
    offsets: OffsetMap = field(repr=False)
    sensitive_left: int = 0
    tokenizer: str = ""
    original: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        """By the seed's names, JSON-able; without offsets and the text before."""
        return {
            "content": self.content,
            "originalLength": self.original_length,
            "purifiedLength": self.purified_length,
            "estimatedTokens": self.estimated_tokens,
            "modifications": [one.to_dict() for one in self.modifications],
            "truncated": self.truncated,
            "duplicatesRemoved": self.duplicates_removed,
        }

    def __repr__(self) -> str:
        changes = ", ".join(f"{one.type} {one.count}" for one in self.modifications) or "unchanged"
        return (
            f"<PurifyResult {self.original_length} → {self.purified_length} characters, "
            f"{self.estimated_tokens} tokens; {changes}>"
        )

    def _repr_html_(self) -> str:
        rows: list[tuple[str, Any]] = [
            ("characters", f"{self.original_length} → {self.purified_length}"),
            ("tokens", f"{self.estimated_tokens} ({self.tokenizer})"),
        ]
        rows += [(one.type, one.description) for one in self.modifications]
        if self.sensitive_left:
            rows.append(("left in code or blocks", f"{self.sensitive_left} sensitive"))
        card = html_card("Purified context", rows)
        diff = "".join(self._diff())
        return (
            f'{style_block()}{card}<div class="vcplab">'
            f'<div style="white-space:pre-wrap;max-height:24em;overflow:auto;">{diff}</div></div>'
        )

    def _diff(self) -> Iterator[str]:
        at = shown = 0
        for span in self.offsets.spans():
            if shown > _SHOWN:
                yield "…"
                return
            if at < span.input_start or not span.kept:
                removed = self.original[at : span.input_start if span.kept else span.input_end]
                yield _struck(removed)
                shown += min(len(removed), _SHOWN)
            piece = self.content[span.start : span.end]
            shown += len(piece)
            mark = escape(piece[:_SHOWN])
            yield str(mark) if span.kept else f'<ins style="{_ADDED}">{mark}</ins>'
            at = span.input_end
        if at < len(self.original):
            yield _struck(self.original[at:])


def _struck(text: str) -> str:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f'<del style="{_REMOVED}">{escape(shown)}</del>'
