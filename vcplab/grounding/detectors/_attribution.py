"""Quotations and titles of a response that stand beside the words of another one's speaker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from vcplab.grounding.detectors._references import Reference, find_references, squeezed
from vcplab.grounding.detectors._sources import Source
from vcplab.text.analysis import Analyzer

__all__ = ["Swap", "find_swaps"]

_STOP: Final = re.compile(r"[。！？；!?;\n]|\.(?=\s|$)")
# Who says something is told by the words around these, not by these.
_SAYING: Final = re.compile(
    r"\b(?:sa(?:id|ys?|ying)|spoke|speaks?|told|tells?|wrote|writ(?:es?|ten)|words?|reads?|"
    r"quot\w+|call(?:s|ed)?|carr(?:y|ies|ied)|bears?|phrase|line|sentence|used?|remark\w*|"
    r"joke|stands?)\b|"
    r"说道|写道|写着|表示|指出|认为|应道|说|称|写|问|答|的话|原话|一句|出自|来自|落款|两句|都|是|由|之手",
    re.IGNORECASE,
)
_ENOUGH: Final = 2
_MOST: Final = 24


class Swap(NamedTuple):
    """A quotation or title that a source has beside other words.

    Attributes:
        reference: It, in the response.
        source: The source.
        start: Offset of what the source has around it.
        end: Offset after that.
        other: The quotation that the source has beside the response's words.
    """

    reference: Reference
    source: Source
    start: int
    end: int
    other: Reference


class _Unit(NamedTuple):
    source: Source
    reference: Reference
    words: str
    start: int
    end: int
    terms: frozenset[str]


def find_swaps(
    response: str, references: Sequence[Reference], sources: Sequence[Source], analyzer: Analyzer
) -> Iterator[Swap]:
    """The quotations that the response gives to whom the sources give another one.

    The words around each quotation in the sources that stand around no other one tell to whom it
    belongs.  It is swapped where the response has none of its own words around it, but some of
    another one's.

    Args:
        response: The response.
        references: Its citations.
        sources: What it is held against.
        analyzer: How texts become terms.
    """
    for kind in ("quote", "title"):
        own = [one for one in references if one.kind == kind]
        units = list(_units(sources, kind, analyzer)) if own else []
        if not _ENOUGH <= len(units) <= _MOST:
            continue
        for one in own:
            swap = _swap(response, own, one, units, analyzer)
            if swap is not None:
                yield swap


def _swap(
    response: str,
    own: Sequence[Reference],
    one: Reference,
    units: Sequence[_Unit],
    analyzer: Analyzer,
) -> Swap | None:
    words = squeezed(one.text)
    mine = [unit for unit in units if words in unit.words or unit.words in words]
    others = [unit for unit in units if unit not in mine]
    if not mine or not others:
        return None
    belongs = frozenset().union(*(unit.terms for unit in mine))
    foreign = frozenset().union(*(unit.terms for unit in others))
    start, end = _around(response, one, own)
    for first in (start, _sentence_before(response, start)):
        around = _terms(response[first : one.start] + " " + response[one.end : end], own, analyzer)
        if around & (belongs - foreign):
            return None
        best = max(others, key=lambda unit: len(around & (unit.terms - belongs)))
        if around & (best.terms - belongs):
            unit = mine[0]
            return Swap(one, unit.source, unit.start, unit.end, best.reference)
    return None


def _units(sources: Sequence[Source], kind: str, analyzer: Analyzer) -> Iterator[_Unit]:
    for source in sources:
        found = [one for one in find_references(source.text) if one.kind == kind]
        for one in found:
            start, end = _around(source.text, one, found)
            around = source.text[start : one.start] + " " + source.text[one.end : end]
            words = squeezed(one.text)
            if words:
                yield _Unit(source, one, words, start, end, _terms(around, found, analyzer))


def _around(text: str, one: Reference, found: Sequence[Reference]) -> tuple[int, int]:
    """The piece of the sentence that belongs to a quotation and to none beside it.

    What stands between two quotations belongs to the second one.
    """
    low = max((match.end() for match in _STOP.finditer(text, 0, one.start)), default=0)
    low = max([low, *(other.end + 1 for other in found if other.end < one.start)])
    stop = _STOP.search(text, one.end)
    high = stop.start() if stop else len(text)
    if any(one.end < other.start < high for other in found):
        high = min(high, one.end + 1)
    low += len(text[low : one.start]) - len(text[low : one.start].lstrip(" \t\r,，、；;”"))
    return min(low, one.start), max(high, one.end)


def _sentence_before(text: str, start: int) -> int:
    ends = [match.end() for match in _STOP.finditer(text, 0, start)]
    return ends[-2] if len(ends) > 1 and ends[-1] >= start - 1 else 0 if ends else start


def _terms(text: str, found: Sequence[Reference], analyzer: Analyzer) -> frozenset[str]:
    for one in found:
        text = text.replace(one.text, " ")
    return frozenset(analyzer.analyze_query(_SAYING.sub(" ", text)))
