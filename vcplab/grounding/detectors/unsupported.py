"""The spans of a response that its sources do not support, by rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vcplab.grounding.features.coverage import unsupported_runs
from vcplab.grounding.features.dates import check_times
from vcplab.grounding.features.entities import find_entities
from vcplab.grounding.features.held import Held
from vcplab.grounding.features.negation import CueMismatch, cue_mismatches
from vcplab.grounding.features.numbers import check_numbers
from vcplab.grounding.features.opposites import find_opposites
from vcplab.grounding.features.quotes import find_quotes
from vcplab.protocol.grounding import Evidence, Finding, HallucinationType, Severity

__all__ = ["find_unsupported"]

_HISTORY: Final = -1
# How often what a rule finds is wrong, rounded down: measured on four domains of SummEdits and on
# WiCE's train file (dates .71 and .94, names .83 and .88, negations .95, opposites .82,
# quotations .68 and .59, runs of words .60 and .71).  A number that the source has another for is
# right in 2 % of the cases.
_P: Final = {
    "lexical.number": 0.7,
    "lexical.date": 0.7,
    "lexical.entity": 0.75,
    "lexical.quote": 0.6,
    "lexical.negation": 0.8,
    "lexical.opposite": 0.75,
    "lexical.unsupported": 0.45,
}
_RIVAL_P: Final = 0.95
_GRAVE: Final = 0.8
_RIGHT: Final = 0.5
_RUN: Final = 2
_REACHED: Final = 0.6


def find_unsupported(held: Held, *, contexts: int) -> list[Finding]:
    """What the rules object to, in order; of overlapping findings the more specific one is kept.

    Args:
        held: The response and its source.
        contexts: How many of the source's texts are the context; the rest is history.
    """
    kept: list[Finding] = []
    # Rules come in the order of how specific they are.
    for finding in _findings(held, contexts):
        if all(finding.end <= other.start or other.end <= finding.start for other in kept):
            kept.append(finding)
    kept.sort(key=lambda finding: finding.start)
    return kept


def _findings(held: Held, contexts: int) -> Iterator[Finding]:
    for time_check in check_times(held):
        if time_check.supported:
            continue
        span = time_check.time
        proof: tuple[Evidence, ...] = ()
        if time_check.rival is not None:
            number, other = time_check.rival
            proof = (_evidence(held, contexts, number, other.start, other.end, 1.0),)
        yield _finding(
            "lexical.date", span.start, span.end, "temporal",
            f"No source says “{span.text}”.",
            proof or _sentence_evidence(held, contexts, span.start),
        )  # fmt: skip
    for number_check in check_numbers(held):
        quantity = number_check.quantity
        if number_check.value or number_check.trivial:
            continue
        kind: HallucinationType = "confabulation"
        suggestion = None
        reason = f"No source has the number “{quantity.text}”."
        proof = _sentence_evidence(held, contexts, quantity.start)
        if number_check.nearest is not None:
            source, rival = number_check.nearest
            kind, suggestion = "factual", rival.text
            reason = f"The source says “{rival.text}”, not “{quantity.text}”."
            proof = (_evidence(held, contexts, source, rival.start, rival.end, 1.0), *proof)
        yield _finding(
            "lexical.number", quantity.start, quantity.end, kind, reason, proof, suggestion
        )
    for one in find_opposites(held):
        if not one.close:
            continue
        token, other_token = held.tokens[one.token], held.source.tokens[one.place]
        sentence = held.source.sentences[one.sentence]
        text = held.source.texts[sentence.source]
        yield _finding(
            "lexical.opposite", token.start, token.end, "logical",
            f"The source says “{text[other_token.start : other_token.end]}”.",
            (_evidence(held, contexts, sentence.source, sentence.start, sentence.end, 1.0),),
        )  # fmt: skip
    for mismatch in cue_mismatches(held):
        cue = mismatch.cue
        if not mismatch.added:
            alignment = mismatch.alignment
            place = _denying(held, mismatch)
            if place is not None:
                yield _finding(
                    "lexical.negation", alignment.start, alignment.end, "logical",
                    f"The source denies it: “{cue.text}”.",
                    (_evidence(held, contexts, *place, alignment.coverage),),
                )  # fmt: skip
            continue
        yield _finding(
            "lexical.negation", cue.start, cue.end, "logical",
            f"“{cue.text}” is not in what the source says.",
            _sentence_evidence(held, contexts, cue.start),
        )  # fmt: skip
    for quote in find_quotes(held):
        if not quote.found:
            yield _finding(
                "lexical.quote", quote.start, quote.end, "attribution",
                "No source has this wording.", _sentence_evidence(held, contexts, quote.start),
            )  # fmt: skip
    for entity in find_entities(held):
        if entity.support < 0.5:
            proof = _sentence_evidence(held, contexts, entity.start)
            yield _finding(
                "lexical.entity", entity.start, entity.end,
                "factual" if proof else "confabulation",
                f"No source names “{entity.text}”.", proof,
            )  # fmt: skip
    for run in unsupported_runs(held):
        content = [at for at in run if held.tokens[at].content]
        if len(content) >= _RUN:
            start, end = held.tokens[run[0]].start, held.tokens[run[-1]].end
            yield _finding(
                "lexical.unsupported", start, end, "confabulation",
                "No source has these words.", _sentence_evidence(held, contexts, start),
            )  # fmt: skip


def _denying(held: Held, mismatch: CueMismatch) -> tuple[int, int, int] | None:
    """The source sentence that denies what a claim says: text, start and end.

    None where the negation reaches less than most of the claim's words.
    """
    alignment, cue = mismatch.alignment, mismatch.cue
    own = {
        held.tokens[at].key
        for at in range(alignment.first, alignment.last)
        if held.tokens[at].content
    }
    for place in range(*alignment.sentences):
        sentence = held.source.sentences[place]
        if cue not in held.source.cues[place]:
            continue
        reached = {
            token.key
            for token in held.source.tokens[sentence.first : sentence.last]
            if cue.scope[0] <= token.start < cue.scope[1]
        }
        if len(own & reached) >= 2 and len(own & reached) >= _REACHED * len(own):
            return sentence.source, sentence.start, sentence.end
    return None


def _finding(
    rule: str,
    start: int,
    end: int,
    kind: HallucinationType,
    reason: str,
    evidence: tuple[Evidence, ...],
    suggestion: str | None = None,
) -> Finding:
    p = _P[rule] if suggestion is None else _RIVAL_P
    severity: Severity = "high" if p >= _GRAVE else "medium" if p >= _RIGHT else "low"
    return Finding(start, end, p, rule, reason, kind, severity, evidence, suggestion)


def _sentence_evidence(held: Held, contexts: int, at: int) -> tuple[Evidence, ...]:
    """The source window that the sentence around an offset is aligned with."""
    for alignment in held.sentence_alignments:
        if alignment.start <= at < alignment.end and alignment.coverage > 0:
            first = held.source.sentences[alignment.sentences[0]]
            last = held.source.sentences[alignment.sentences[1] - 1]
            end = last.end if last.source == first.source else first.end
            return (_evidence(held, contexts, first.source, first.start, end, alignment.coverage),)
    return ()


def _evidence(
    held: Held, contexts: int, number: int, start: int, end: int, score: float
) -> Evidence:
    text = held.source.texts[number][start:end]
    if number < contexts:
        return Evidence(text, number, start, end, score)
    return Evidence(text, _HISTORY, start, end, score, docno=str(number - contexts))
