"""Which type of hallucination a finding is, and how grave: rules over the span and its evidence.

The types are seed 002's, the rules those of facts/hallucination §5: a time is temporal; a
quotation, citation or speaker that does not fit attribution; a negation, antonym or quantity word
logical; what the sources say otherwise factual, or contextual where it was said in the
conversation; what has no passage to stand on confabulation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from vcplab.grounding.claims.evidence import HISTORY
from vcplab.protocol.grounding import Finding, HallucinationType, Severity
from vcplab.text.sentences import Span, sentences
from vcplab.text.time_expressions import TimeSpan, find_times

__all__ = ["contradicts", "kind_of", "severity_of", "typed"]

_ATTRIBUTION: Final = frozenset(("quote", "quotation", "citation", "speaker", "attribution"))
_LOGICAL: Final = frozenset(("negation", "opposite", "modality", "quantifier", "logical"))
# What a source lacks, without saying anything else.
_ABSENT: Final = frozenset(
    ("number", "date", "entity", "quote", "unsupported", "absent", "sentence", "support", "token")
)
_SAID: Final = re.compile(
    r"\W*(?:\w+\W+){0,2}?(?:said|says|told|stated|states|announced|wrote|writes|argued|argues|"
    r"claimed|claims|suggested|suggests|proposed|proposes|reported|reports|explained|asked|"
    r"insisted|warned|promised|pointed out|noted|notes)\b",
    re.IGNORECASE,
)
_SAID_ZH: Final = re.compile(
    r"[^，。！？；,.!?;]{0,4}?(?:表示|说|指出|认为|提出|建议|透露|介绍|宣布|写道|强调|提到|告诉|"
    r"提醒|回答|坚持|主张|要求|称)"
)
_BY: Final = re.compile(
    r"(?:according to|quoted from|as told by|in the words of|suggested by|proposed by|written by|"
    r"in a statement by|said|says|idea of)\s+(?:the\s+|an?\s+)?(?:\w+\s+)?[\"'“]?$",
    re.IGNORECASE,
)
_BY_ZH: Final = re.compile(r"(?:据|根据|按照|出自|引自|来自|援引|出于|源自)[“「《]?$")
_AMOUNT: Final = re.compile(
    r"(?:all|every|each|none|no|some|most|few|many|only|both|neither|always|never|more|less|fewer|"
    r"because|therefore|despite|unless|if)\b.{0,12}"
    r"|(?:全部|所有|每个|每一|部分|有些|大多|少数|只有|都|从不|总是|更多|更少|多于|少于|因为|所以|"
    r"尽管|除非).{0,4}",
    re.IGNORECASE | re.DOTALL,
)
_SURE: Final = 0.9
_GRAVE: Final = 0.75
_LIKELY: Final = 0.5
_ALIGNED: Final = 0.5
_BEFORE: Final = 60


def typed(findings: Sequence[Finding], text: str) -> tuple[Finding, ...]:
    """Findings with their types and severities.

    Args:
        findings: What detectors object to.
        text: The text that they speak of.
    """
    if not findings:
        return ()
    times, spans = find_times(text), sentences(text)
    return tuple(
        replace(
            finding,
            type=kind_of(finding, text, times, spans),
            severity=severity_of(finding),
        )
        for finding in findings
    )


def kind_of(
    finding: Finding,
    text: str,
    times: Sequence[TimeSpan] | None = None,
    spans: Sequence[Span] | None = None,
) -> HallucinationType:
    """The type of a finding.

    Args:
        finding: The finding.
        text: The text that it speaks of.
        times: The times of the text, if they are known.
        spans: Its sentences, if they are known.
    """
    detector, _, check = finding.rule.rpartition(".")
    if finding.p is None and finding.type is not None:
        return finding.type
    if detector == "temporal" or check in ("date", "temporal"):
        return "temporal"
    if detector == "citation" or check in _ATTRIBUTION:
        return "attribution"
    if check in _LOGICAL:
        return "logical"
    span = text[finding.start : finding.end]
    for time in find_times(text) if times is None else times:
        # A number inside a longer time is a part of it; a phrase that holds one is more than that.
        if time.start < finding.end and finding.start < time.end:
            shared = min(time.end, finding.end) - max(time.start, finding.start)
            if 2 * shared >= finding.end - finding.start:
                return "temporal"
    if check in ("entity", "unsupported", "token", "sentence") and _speaks(finding, text, spans):
        return "attribution"
    if check in ("unsupported", "token") and _AMOUNT.fullmatch(span.strip()):
        return "logical"
    if detector not in ("lexical", "") and finding.type is not None:
        return finding.type
    if not _has_evidence(finding):
        return "confabulation"
    return "contextual" if finding.evidence[0].source == HISTORY else "factual"


def severity_of(finding: Finding) -> Severity:
    """How grave a finding is: by its probability, and whether a source says otherwise.

    A remark without a probability is low.  From .9 on, what a source contradicts is critical; from
    .75 on a finding is high, from one half on medium.
    """
    if finding.p is None:
        return "low"
    if finding.p >= _SURE and contradicts(finding):
        return "critical"
    return "high" if finding.p >= _GRAVE else "medium" if finding.p >= _LIKELY else "low"


def contradicts(finding: Finding) -> bool:
    """Whether a source says something else, and not merely nothing.

    A rival value counts where the passage it stands in shares half of the sentence's words.
    """
    detector, _, check = finding.rule.rpartition(".")
    if finding.p is None or detector in ("style", "citation"):
        return False
    if check == "date" and detector == "lexical":
        rival = finding.evidence[0].text if finding.evidence else ""
        return any(time.text == rival for time in find_times(rival))
    if finding.suggestion is not None:
        return detector != "lexical" or _is_aligned(finding)
    return check not in _ABSENT


def _has_evidence(finding: Finding) -> bool:
    if not finding.evidence:
        return False
    lexical = finding.rule.startswith("lexical.")
    return not lexical or finding.suggestion is not None or _is_aligned(finding)


def _is_aligned(finding: Finding) -> bool:
    """Whether the passage behind a lexical finding is about the same."""
    passages = finding.evidence[1:] if finding.suggestion is not None else finding.evidence
    return bool(passages) and passages[0].score >= _ALIGNED


def _speaks(finding: Finding, text: str, spans: Sequence[Span] | None) -> bool:
    """Whether somebody is named as the one who said it."""
    low, high = max(0, finding.start - _BEFORE), len(text)
    for span in sentences(text) if spans is None else spans:
        if span.start <= finding.start < span.end:
            low, high = max(low, span.start), span.end
    after, before = text[finding.end : high], text[low : finding.start]
    if _SAID.match(after) or _SAID_ZH.match(after):
        return True
    return bool(_BY.search(before) or _BY_ZH.search(before))
