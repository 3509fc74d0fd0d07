"""What detectors of hallucinations are given, and what they say.

Offsets count Unicode code points, ``response[start:end]``. The positive class is "hallucinated"
everywhere: ``p`` is the probability that a text, or a span of it, is not supported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

__all__ = [
    "HALLUCINATION_TYPES",
    "Evidence",
    "Finding",
    "GoldSpan",
    "HallucinationType",
    "Sample",
    "Severity",
    "Verdict",
]

HallucinationType: TypeAlias = Literal[
    "factual", "contextual", "temporal", "attribution", "logical", "confabulation"
]
HALLUCINATION_TYPES: Final[tuple[HallucinationType, ...]] = (
    "factual", "contextual", "temporal", "attribution", "logical", "confabulation",
)  # fmt: skip
"""The types of seed 002 §3.2."""

Severity: TypeAlias = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class GoldSpan:
    """A span that people marked as hallucinated.

    Attributes:
        start: Offset of its first character in the response.
        end: Offset after its last.
        type: Its type in the seed's words; None if nobody says.
        raw_type: Its type in the data set's own words.
    """

    start: int
    end: int
    type: HallucinationType | None = None
    raw_type: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A response and what it should be grounded in.

    Attributes:
        id: Its identifier.
        response: The text that is judged.
        context: The texts that it should follow from; empty if there are none.
        question: What was asked; empty if nothing.
        history: What was said before, oldest first.
        others: Other responses to the same question, for self-consistency.
        label: Whether it holds a hallucination; None if nobody says.
        spans: Where; None if spans were not annotated.
        correction: The response without the hallucination; None if there is none.
        split: ``train``, ``dev``, ``test`` or "".
        group: What it shares its source with: samples of a group are kept in one fold.
        language: ``en``, ``zh``, …; "" to be found out.
        meta: What else the data set says, JSON-able.
    """

    id: str
    response: str
    context: tuple[str, ...] = ()
    question: str = ""
    history: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    label: bool | None = None
    spans: tuple[GoldSpan, ...] | None = None
    correction: str | None = None
    split: str = ""
    group: str = ""
    language: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A piece of a source that a claim was held against.

    Attributes:
        text: The piece.
        source: Which text of the context, from 0; -1 for the history, -2 for a knowledge base.
        start: Offset of its first character in that text.
        end: Offset after its last.
        score: How well it fits the claim; larger is better, the scale is the finder's own.
        docno: The document of a knowledge base.
    """

    text: str
    source: int = 0
    start: int = 0
    end: int = 0
    score: float = 0.0
    docno: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A span of a response that a detector objects to.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        p: Probability that it is hallucinated, from 0 to 1; None for a remark that says nothing
            about truth (style).
        rule: What found it, e.g. ``lexical.number``.
        reason: One sentence for people.
        type: What kind of hallucination it would be.
        severity: How grave.
        evidence: What it was held against, best first.
        suggestion: What should stand there instead.
    """

    start: int
    end: int
    p: float | None
    rule: str
    reason: str = ""
    type: HallucinationType | None = None
    severity: Severity = "medium"
    evidence: tuple[Evidence, ...] = ()
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector says of one sample.

    Attributes:
        p: Probability that the response holds a hallucination; None where it abstains.
        findings: The spans that it objects to, in order.
        features: What it measured, by name.
        abstained: Why it does not judge; None if it does. Never a guessed 0.5.
        raw: The score before calibration.
        ms: Milliseconds that it took.
    """

    p: float | None
    findings: tuple[Finding, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    abstained: str | None = None
    raw: float | None = None
    ms: float = 0.0
