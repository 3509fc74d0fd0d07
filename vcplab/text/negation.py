"""Negation and modality in Chinese and English sentences: cues, and how far they reach."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from vcplab.text._negation_cues import EN, EN_START, EN_WORDS, ZH, ZH_START

__all__ = ["Cue", "CueKind", "Modality", "find_cues", "is_negated", "modality"]

CueKind = Literal["negation", "hedge", "certainty", "obligation", "plan"]
Modality = Literal["plain", "hedged", "certain"]

_HAN: Final = re.compile("[\u3400-\u9fff]")
_LATIN: Final = re.compile("[A-Za-z]")

# Words that deny and hedge at once.
_BOTH: Final = re.compile(
    r"未必|不一定|不见得|unlikely|not[ ]necessarily|not[ ](?:sure|certain|entirely[ ]clear)|"
    r"不太?确定",
    re.IGNORECASE,
)
_MAY_MONTH: Final = re.compile(
    r"\b(?:in|since|by|until|of|from|to|during|before|after|early|mid|late|last|next|this)[ -]$|"
    r"[0-9][ ]$",
    re.IGNORECASE,
)
# Where a clause ends, and with it what a cue says.
_CLAUSE_END: Final = re.compile(
    r"[。！？；!?;\n，：]|\.(?=[\s”\"')\]]|$)|,(?![0-9])|:(?=\s)|[—–](?=[ —])|[ ]-[ ]|"
    r"但是?|而是|而且|而(?!已|言|来|成|后)|却|然而|因为|由于|所以|虽然|尽管|不过|只是|反而|以便|"
    r"从而|"
    r"\b(?:but|however|although|though|because|since|while|whereas|so[ ]that|unless|except|yet|"
    r"and[ ](?:then|he|she|"
    r"it|they|we|i|the|did|was|were|is|has|had|instead))\b",
    re.IGNORECASE,
)
_PARENTHESIS: Final = re.compile(
    r",[ ](?:however|of[ ]course|in[ ]fact|indeed|therefore|though|as[ ]usual|"
    r"according[ ]to[ ][^,\n]{1,40}),[ ]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cue:
    """A word that denies or qualifies.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        text: The characters, ``original[start:end]``.
        kind: ``negation``; ``hedge`` (may, 可能); ``certainty`` (definitely, 一定);
            ``obligation`` (must, 必须); ``plan`` (will, plans to, 打算).
        scope: Where it reaches: from its beginning to the end of the clause.
    """

    start: int
    end: int
    text: str
    kind: CueKind
    scope: tuple[int, int]


def find_cues(text: str) -> list[Cue]:
    """The negations and modal words of a text, in order.

    未来, 非常, 不但, 特别, 是不是, "not only", "nothing but" and "no doubt" deny nothing; double
    negations (不得不, 没有…不) are no negations either.  Words such as 未必 and "unlikely" give a
    negation and a hedge.

    Args:
        text: A sentence or a longer text; cues do not reach beyond their clause.

    Returns:
        The cues.
    """
    matches: list[tuple[int, int, CueKind]] = []
    if _HAN.search(text):
        matches += _kinds(_chinese(text), text)
    if _LATIN.search(text):
        matches += _kinds(_english(text), text)
    if not matches:
        return []
    matches.sort()
    cues: list[Cue] = []
    reach = -1
    for start, end, kind in matches:
        if reach < end:
            reach = _clause_end(text, end)
        cues.append(Cue(start, end, text[start:end], kind, (start, reach)))
    return cues


def is_negated(
    sentence: str, span: tuple[int, int] | None = None, *, cues: Sequence[Cue] | None = None
) -> bool:
    """Whether what a span of a sentence says is denied.

    An odd number of negations that reach it deny it; two in one clause cancel out.

    Args:
        sentence: The text.
        span: Start and end of the words in question; None for the whole sentence, which is denied
            if any of its clauses is.
        cues: What `find_cues` gave for the sentence, if it is known already.
    """
    found = [
        cue for cue in (find_cues(sentence) if cues is None else cues) if cue.kind == "negation"
    ]
    if span is None:
        clauses: dict[int, int] = {}
        for cue in found:
            clauses[cue.scope[1]] = clauses.get(cue.scope[1], 0) + 1
        return any(count % 2 for count in clauses.values())
    start, end = span
    return sum(cue.scope[0] < end and start < cue.scope[1] for cue in found) % 2 == 1


def modality(
    sentence: str, span: tuple[int, int] | None = None, *, cues: Sequence[Cue] | None = None
) -> Modality:
    """How sure a sentence is of what it says.

    Args:
        sentence: The text.
        span: Start and end of the words in question; None for the whole sentence.
        cues: What `find_cues` gave for the sentence, if it is known already.

    Returns:
        ``hedged`` where a hedge reaches it, else ``certain`` where a word of certainty does, else
        ``plain``.
    """
    kinds = {
        cue.kind
        for cue in (find_cues(sentence) if cues is None else cues)
        if span is None or (cue.scope[0] < span[1] and span[0] < cue.scope[1])
    }
    return "hedged" if "hedge" in kinds else "certain" if "certainty" in kinds else "plain"


def _chinese(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while start := ZH_START.search(text, at):
        at = start.start()
        match = ZH.match(text, at)
        if match is None:
            at += 1
        elif match[0][0] in "不没" and _asks(text, at):
            at += 2
        else:
            yield match
            at = match.end()


def _asks(text: str, at: int) -> bool:
    """Whether 不 or 没 stands between a word and its repetition: 去不去, 高兴不高兴."""
    one, two = text[at + 1 : at + 2], text[at + 1 : at + 3]
    before = text[max(0, at - 2) : at]
    return bool(one) and (before[-1:] == one or (len(two) == 2 and before == two))


def _english(text: str) -> Iterator[re.Match[str]]:
    at = 0
    for word in EN_START.finditer(text):
        start, end = word.span()
        if start < at:
            continue
        if word[0].lower() in EN_WORDS or (word[0][-1] in "nN" and text[end : end + 1] in "'’"):
            match = EN.match(text, start)
            if match is not None:
                yield match
                at = match.end()


def _kinds(matches: Iterator[re.Match[str]], text: str) -> Iterator[tuple[int, int, CueKind]]:
    for match in matches:
        kind = match.lastgroup
        start, end = match.span()
        if kind is None or kind in ("none", "double"):
            continue
        if kind == "hedge":
            before = max(0, start - 8)
            if match[0][:3] == "May" and _MAY_MONTH.search(text, before, start):
                continue
            if text[end : end + 1] == "性" and match[0].endswith("可能"):
                # 可能性 is a noun.
                continue
        if _BOTH.fullmatch(match[0]):
            yield start, end, "negation"
            yield start, end, "hedge"
        else:
            yield start, end, cast(CueKind, kind)


def _clause_end(text: str, at: int) -> int:
    """Where the clause ends that goes on at an offset; asides between commas do not end it."""
    while match := _CLAUSE_END.search(text, at):
        aside = _PARENTHESIS.match(text, match.start())
        if aside is None:
            return match.start()
        at = aside.end()
    return len(text)
