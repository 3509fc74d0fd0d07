"""What is put in the place of a span: the source's value in the form of the text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from vcplab.protocol.grounding import Finding
from vcplab.text.numerals import Number
from vcplab.text.quantities import Quantity, find_quantities
from vcplab.text.sentences import Span

__all__ = ["restated"]

_HAN: Final = re.compile("[\u3400-\u9fff]")
# A passage that shares less of the words may be about something else.
_ALIGNED: Final = 0.2
# From here on numbers in words are rounded ones (三亿).
_LARGE: Final = 10_000
_SCALES: Final = {"亿": 100_000_000, "万": 10_000}
_DIGIT: Final = re.compile(r"\d")
_CLAUSE_END: Final = re.compile(r"[，；。！？;!?]|[,.:](?=\s|$)")
_TERM: Final = re.compile("[a-z]{3,6}|(?=([\u3400-\u9fff]{2}))")


def restated(finding: Finding, old: str, sentence: Span, others: Sequence[Finding]) -> str | None:
    """What should stand in the place of a span; None where that is not clear enough.

    A number is replaced by one of the same kind, unit and way of writing, and keeps its own unit.
    Of several in the passage the one counts whose clause shares most words. It stays where it is
    only about so much, where the sentence has the source's value already, where two numbers of the
    sentence would become the same, and where no passage or no value stands out.

    Args:
        finding: The finding, with its suggestion.
        old: What stands there.
        sentence: The sentence around it.
        others: All findings.
    """
    new = finding.suggestion
    if not new or new == old or "\n" in new:
        return None
    # Words of the other language would not read.
    if any(c.isalpha() for c in new + old) and bool(_HAN.search(new)) != bool(_HAN.search(old)):
        return None
    if new in sentence.text:
        return None
    for other in others:
        inside = sentence.start <= other.start < sentence.end
        if other is not finding and other.suggestion == new and inside:
            return None
    said = find_quantities(sentence.text)
    at = finding.start - sentence.start
    mine = next((one for one in said if one.start <= at < one.end), None)
    meant = next(iter(find_quantities(new)), None)
    if mine is None or meant is None:
        return new
    return _number(finding, old, sentence.text, mine, meant, said)


def _number(
    finding: Finding,
    old: str,
    sentence: str,
    mine: Quantity,
    meant: Quantity,
    own: Sequence[Quantity],
) -> str | None:
    if mine.bound != "exact" or mine.dimension != meant.dimension:
        return None
    said = {one.base for one in own}
    if len(finding.evidence) > 1:
        passage = finding.evidence[1]
        if passage.score < _ALIGNED:
            return None
        rivals = [
            one
            for one in find_quantities(passage.text)
            if one.dimension == mine.dimension and one.base not in said and _same_unit(one, mine)
        ]
        closest = _closest(rivals, passage.text, _terms(sentence, mine)) if rivals else meant
        if closest is None:
            return None
        meant = closest
    if meant.base in said or not _same_unit(mine, meant):
        return None
    number = meant.text[meant.number.start - meant.start : meant.number.end - meant.start]
    if _DIGIT.search(mine.text) and not _DIGIT.search(meant.text):
        own_number = old[mine.number.start - mine.start : mine.number.end - mine.start]
        written = _in_digits(meant.number.value, own_number)
        if written is None or mine.unit != meant.unit:
            return None
        number = written
    elif bool(_DIGIT.search(mine.text)) != bool(_DIGIT.search(meant.text)) and not _HAN.search(old):
        return None
    if mine.unit != meant.unit or mine.text != old:
        return meant.text
    first = mine.number.start - mine.start
    last = mine.number.end - mine.start
    return old[:first] + number + old[last:]


def _in_digits(value: Number, like: str) -> str | None:
    """A number of words in digits, in 万 or 亿 where the other is; None where it is not whole."""
    scale, sign = next(((s, sign) for sign, s in _SCALES.items() if like.endswith(sign)), (1, ""))
    scaled = Fraction(value) / scale
    whole = int(scaled)
    return f"{whole}{sign}" if whole == scaled and whole < _LARGE else None


def _same_unit(one: Quantity, other: Quantity) -> bool:
    """Whether what is counted may be the same, by the measure words."""
    return one.dimension != "count" or not (one.unit and other.unit) or one.unit == other.unit


def _closest(rivals: Sequence[Quantity], passage: str, own: set[str]) -> Quantity | None:
    """The value that stands among most words of the text's own clause; None if two do."""
    shared: dict[Fraction, int] = {}
    for one in rivals:
        shared[one.base] = max(shared.get(one.base, 0), len(own & _terms(passage, one)))
    most = max(shared.values())
    best = [base for base, count in shared.items() if count == most]
    return next(one for one in rivals if one.base == best[0]) if len(best) == 1 else None


def _terms(text: str, quantity: Quantity) -> set[str]:
    """The words, or pairs of characters, of the clause around a quantity."""
    ends = [match.start() for match in _CLAUSE_END.finditer(text)]
    low = max((end for end in ends if end < quantity.start), default=0)
    high = min((end for end in ends if end >= quantity.end), default=len(text))
    clause = text[low : quantity.start].lower() + " " + text[quantity.end : high].lower()
    return {match[1] or match[0] for match in _TERM.finditer(clause)}
