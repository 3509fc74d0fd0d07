"""From a response to its sentences, and from a sentence to the claims it makes."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from vcplab.text.sentences import Span, sentences

__all__ = ["Claim", "claims_of", "sentences_of"]

_CODE: Final = re.compile(r"[ \t]*(?:```|~~~)")
_BULLET: Final = re.compile(
    r"(?:[-*+•·>]+\s+|#{1,6}\s+|[0-9]{1,3}[.)、．](?![0-9])\s*|"
    r"[（(][0-9一二三四五六七八九十]{1,3}[）)]\s*|"
    r"[一二三四五六七八九十]{1,3}、\s*|\|\s*)+"
)
_LETTER: Final = re.compile(r"\w")
_HAN: Final = re.compile("[\u3400-\u9fff]")
_QUESTION: Final = re.compile(r"[?？][”\"'’」』）)]*$")

# Where one claim may end and the next begin; the break stands before the word of the second group.
_BREAK: Final = re.compile(
    r"[；;]\s*|(?P<wide>[，])\s*|"
    r",\s+(?=(?:and|but|or|so|yet|while|whereas|although|though|because|which|who|where|when|"
    r"after|before|since|as|"
    r"then|however|therefore|instead|until|unless|if)\b)|(?P<narrow>,)\s+|\s[—–-]\s|——|"
    r"(?P<and>(?<!\s)\s++(?=(?:and|but|while|whereas|although|because|so that|then)\s))",
    re.IGNORECASE,
)
_QUOTES: Final = re.compile(
    r"“[^“”\n]{0,400}”|「[^「」\n]{0,400}」|\"[^\"\n]{0,400}\"|（[^（）\n]{0,200}）|"
    r"\([^()\n]{0,200}\)|《[^《》\n]{0,100}》"
)
# A finite verb in English, as far as form tells: without one a piece is no claim.
_VERB: Final = re.compile(
    r"\b(?:is|are|was|were|am|be|been|has|have|had|does|do|did|can|could|will|would|shall|should|"
    r"may|might|must|"
    r"[a-z]{2,}(?:ed|es)|(?!(?:this|its|his|hers|as|us|plus|thus|always|perhaps|besides|towards|"
    r"afterwards|[a-z]*ss|"
    r"[a-z]*ous|[a-z]*ness)\b)[a-z]{3,}s|went|came|took|made|said|got|gave|found|left|told|became|"
    r"began|kept|brought|"
    r"ran|saw|knew|thought|sent|built|bought|sold|paid|met|won|lost|held|led|wrote|read|put|set|"
    r"cut|let|grew|fell|felt|"
    r"rose|drew|drove|spoke|broke|chose|ate|slept|stood|sat|spent|taught|caught|fought|heard|"
    r"meant|understood|hit|cost|"
    r"go|come|take|make|say|get|give|find|use|need|want|know|see|show|run|contain|include|seem|"
    r"become|"
    r"n['’]t|['’](?:s|re|ve|ll|d|m))\b",
    re.IGNORECASE,
)
_LEAD_IN_ZH: Final = re.compile(
    r"(?:如果|要是|假如|例如|比如|包括|此外|另外|因此|所以|然而|不过|首先|其次|最后|同时|总之|"
    r"其中|据[^，]{0,12}|根据[^，]{0,20}|"
    r"在[^，]{0,20}[中里上下时后前内]|当[^，]{0,20}时|[^，]{0,12}[时后前])$"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a response asserts.

    Attributes:
        start: Offset of its first character in the response.
        end: Offset after its last.
        text: The characters, ``response[start:end]``.
        sentence: The sentence it stands in, with offsets in the response; its subject may be
            there.
    """

    start: int
    end: int
    text: str
    sentence: Span


def sentences_of(response: str) -> list[Span]:
    """The sentences of a response, without code blocks, bullets and list numbers.

    Args:
        response: The text.

    Returns:
        The sentences with offsets into the response; every one holds a letter or digit.
    """
    found: list[Span] = []
    for span in sentences(response):
        if _CODE.match(span.text):
            continue
        bullet = _BULLET.match(span.text)
        start = span.start + (bullet.end() if bullet else 0)
        if _LETTER.search(response, start, span.end):
            found.append(Span(start, span.end, response[start : span.end]))
    return found


def claims_of(sentence: Span | str) -> list[Claim]:
    """The claims of a sentence: its clauses that can be true or false by themselves.

    Chinese clauses end at ，and ；, English ones at semicolons, dashes, relative and coordinate
    clauses that have a verb.  Lists, quotations and brackets are not cut.  Short pieces and
    lead-ins (根据报告，…) stay with the clause after them.  A question claims nothing.

    Args:
        sentence: A sentence of `sentences_of`, or a text of one sentence.

    Returns:
        The claims in order; they do not overlap, and together hold every letter of the sentence.
        Offsets count from where the sentence's own offsets count.
    """
    span = sentence if isinstance(sentence, Span) else Span(0, len(sentence), sentence)
    text = span.text
    if _QUESTION.search(text) or not _LETTER.search(text):
        return []
    cuts = [0, *_cuts(text), len(text)]
    claims: list[Claim] = []
    for begin, end in pairwise(cuts):
        start, stop = _trimmed(text, begin, end)
        if start < stop:
            claims.append(Claim(span.start + start, span.start + stop, text[start:stop], span))
    return claims


def _cuts(text: str) -> Iterator[int]:
    """Offsets at which a new claim begins."""
    quoted = [match.span() for match in _QUOTES.finditer(text)]
    starts = [start for start, _ in quoted]
    breaks = [
        match for match in _BREAK.finditer(text) if not _inside(match.start(), starts, quoted)
    ]
    edges = [0, *(match.end() for match in breaks)]
    ends = [*(match.start() for match in breaks), len(text)]
    parts = [_Part.of(text[start:end]) for start, end in zip(edges, ends, strict=True)]
    # What has been seen since the last cut; each part is looked at once.
    piece = parts[0]
    for match, rest in zip(breaks, parts[1:], strict=True):
        strong = match[0].strip() in (";", "；")
        list_item = match["narrow"] is not None and rest.han < 2
        if rest.words and (strong or (piece.is_claim and rest.is_claim and not list_item)):
            yield match.end()
            piece = rest
        else:
            piece = piece.joined(rest)


def _inside(at: int, starts: list[int], quoted: list[tuple[int, int]]) -> bool:
    index = bisect_right(starts, at) - 1
    return index >= 0 and at < quoted[index][1]


class _Part(NamedTuple):
    """What decides whether a piece of a sentence says something by itself."""

    han: int
    words: int
    verb: bool
    lead_in: bool

    @classmethod
    def of(cls, piece: str) -> _Part:
        return cls(
            len(_HAN.findall(piece)),
            len(piece.split()),
            _VERB.search(piece) is not None,
            _LEAD_IN_ZH.search(piece.strip(" ，,；;。")) is not None,
        )

    def joined(self, rest: _Part) -> _Part:
        return _Part(
            self.han + rest.han, self.words + rest.words, self.verb or rest.verb, rest.lead_in
        )

    @property
    def is_claim(self) -> bool:
        if self.han >= 2:
            return self.han >= 4 and not self.lead_in
        # A conjunction alone leaves the second half of a compound: it needs its verb.
        return self.words >= 3 and self.verb


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without the space and punctuation around a piece that belong to no claim."""
    while start < end and (text[start].isspace() or text[start] in "，,；;—–、：:"):
        start += 1
    while start < end and (text[end - 1].isspace() or text[end - 1] in "，,；;—–、：:。.!！"):
        end -= 1
    if not _LETTER.search(text, start, end):
        return end, end
    return start, end
