"""What a suppressor gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from vcplab.core.display import escape, html_card, html_table, style_block
from vcplab.grounding.suppression.patches import PatchAction, PatchList
from vcplab.protocol.grounding import Evidence, Finding, HallucinationType, Severity

__all__ = ["Change", "ChangeType", "Detection", "Suppression"]

ChangeType = Literal["fix", "mark", "remove"]

_TYPES: Final[dict[PatchAction, ChangeType]] = {
    "mark": "mark",
    "hedge": "mark",
    "replace": "fix",
    "regenerate": "fix",
    "delete": "remove",
}
_SHOWN: Final = 20_000
_ROWS: Final = 100
_NOTICES: Final = 5
_REMOVED: Final = "text-decoration:line-through;color:#c62828;"
_ADDED: Final = "text-decoration:none;box-shadow:inset 0 -2px #2e7d32;"


@dataclass(frozen=True, slots=True)
class Detection:
    """Something in a text that is held to be a hallucination, or a remark about its style.

    Attributes:
        type: Its type.
        severity: How grave.
        span: Offsets in the original text, ``original_text[span[0]:span[1]]``.
        text: What stands there.
        reason: One sentence for people.
        confidence: Probability that it is one; None for a remark that says nothing about truth.
        suggestion: What should stand there instead; None if nobody knows.
        evidence: What it was held against, best first; source -1 is the conversation, -2 the
            knowledge base.
        rule: What found it.
    """

    type: HallucinationType
    severity: Severity
    span: tuple[int, int]
    text: str
    reason: str
    confidence: float | None
    suggestion: str | None = None
    evidence: tuple[Evidence, ...] = ()
    rule: str = ""

    @classmethod
    def of(cls, finding: Finding, start: int, end: int, text: str) -> Detection:
        """A detection from a finding.

        Args:
            finding: The finding, with its type.
            start: Offset in the original text.
            end: Offset after it.
            text: The original text.
        """
        return cls(
            finding.type or "confabulation", finding.severity, (start, end), text[start:end],
            finding.reason, finding.p, finding.suggestion, finding.evidence, finding.rule,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """By the seed's names, JSON-able."""
        made: dict[str, Any] = {
            "type": self.type, "severity": self.severity,
            "span": {"start": self.span[0], "end": self.span[1]}, "text": self.text,
            "reason": self.reason, "confidence": self.confidence, "rule": self.rule,
            "evidence": [
                {"text": one.text, "source": one.source, "docno": one.docno, "start": one.start,
                 "end": one.end, "score": one.score}
                for one in self.evidence
            ],
        }  # fmt: skip
        if self.suggestion is not None:
            made["suggestion"] = self.suggestion
        return made


@dataclass(frozen=True, slots=True)
class Change:
    """A change, in the seed's words.

    Attributes:
        type: ``fix`` (rewritten sentences, too), ``mark`` (hedges, too) or ``remove``.
        original: What stood there; "" where something was put in.
        replacement: What stands there now.
        reason: Why.
    """

    type: ChangeType
    original: str
    replacement: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """By the seed's names."""
        return {
            "type": self.type, "original": self.original, "replacement": self.replacement,
            "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suppression:
    """A text, what was found in it and what was done about that (seed 002 §3.2).

    Attributes:
        original_text: The text before.
        processed_text: The text after.
        detections: What was found, in order; offsets in the text before.
        overall_confidence: Probability that the text before holds no hallucination; None where
            there was nothing to hold it against.
        abstained: Why there is no confidence; None if there is.
        patches: What was done; ``patches.revert(processed_text)`` is the text before.
        calibrated: Whether the confidence was fitted to labelled texts.
        notices: What could not be done, e.g. a sentence that no model rewrote, and why.
        ms: Milliseconds that it took.
    """

    original_text: str
    processed_text: str
    detections: tuple[Detection, ...] = ()
    overall_confidence: float | None = None
    abstained: str | None = None
    patches: PatchList = field(default_factory=PatchList)
    calibrated: bool = False
    notices: tuple[str, ...] = ()
    ms: float = field(default=0.0, compare=False)

    @property
    def was_modified(self) -> bool:
        """Whether the text was changed."""
        return self.processed_text != self.original_text

    @property
    def modifications(self) -> tuple[Change, ...]:
        """The changes in the seed's words, in order."""
        return tuple(
            Change(_TYPES[patch.policy], patch.old, patch.new, patch.reason)
            for patch in self.patches
        )

    def reverted(self) -> str:
        """The text before, made from the text after by undoing every change."""
        return self.patches.revert(self.processed_text)

    def to_dict(self) -> dict[str, Any]:
        """By the seed's names, JSON-able; ``notices`` only where there are some."""
        made: dict[str, Any] = {
            "originalText": self.original_text,
            "processedText": self.processed_text,
            "detections": [one.to_dict() for one in self.detections],
            "overallConfidence": self.overall_confidence,
            "abstained": self.abstained,
            "wasModified": self.was_modified,
            "modifications": [one.to_dict() for one in self.modifications],
            "patches": self.patches.to_dict(),
        }
        if self.notices:
            made["notices"] = list(self.notices)
        return made

    def __repr__(self) -> str:
        sure = (
            f"not judged: {self.abstained}"
            if self.overall_confidence is None
            else f"confidence {self.overall_confidence:.2f}"
        )
        found = ", ".join(f"{one.type} {one.text!r}" for one in self.detections[:4])
        more = ", …" if len(self.detections) > 4 else ""
        return (
            f"<Suppression {sure}; {found or 'nothing found'}{more}; {len(self.patches)} changes>"
        )

    def _repr_html_(self) -> str:
        sure: Any = self.overall_confidence
        card = html_card(
            "Hallucination suppression",
            [
                ("confidence", self.abstained if sure is None else sure),
                ("found", len(self.detections)),
                ("changes", len(self.patches)),
                *(("notice", notice) for notice in self.notices[:_NOTICES]),
            ],
        )
        rows = [
            (one.type, one.severity, one.text, one.confidence, one.suggestion or "", one.reason)
            for one in self.detections[:_ROWS]
        ]
        table = html_table(
            ("type", "severity", "text", "probability", "suggestion", "reason"), rows
        )
        return (
            f'{style_block()}{card}<div class="vcplab">'
            '<div style="white-space:pre-wrap;max-height:24em;overflow:auto;">'
            f"{''.join(self._diff())}</div></div>{table if rows else ''}"
        )

    def _diff(self) -> Iterator[str]:
        at = shown = 0
        for patch in self.patches:
            kept = self.original_text[at : patch.start]
            shown += len(kept) + len(patch.old) + len(patch.new)
            if shown > _SHOWN:
                break
            yield str(escape(kept))
            title = escape(patch.reason)
            if patch.old:
                yield f'<del style="{_REMOVED}" title="{title}">{escape(patch.old)}</del>'
            if patch.new:
                yield f'<ins style="{_ADDED}" title="{title}">{escape(patch.new)}</ins>'
            at = patch.end
        rest = self.original_text[at : at + _SHOWN]
        yield str(escape(rest)) + ("…" if at + _SHOWN < len(self.original_text) else "")
