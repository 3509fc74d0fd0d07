"""Sentences of Chinese and English texts, with exact offsets.

Rules, not a model: what may end a sentence is a terminator followed by its closing quotes, or a
line end; what looks like one but is not (abbreviations, initials, decimals, versions, addresses,
brackets, list numbers) is recognised around the full stop.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Span", "sentences"]


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last character.
        text: The characters, ``original[start:end]``.
    """

    start: int
    end: int
    text: str


_CJK = "\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff"
_CLOSERS = "\"'”’」』〉》】〕）)\\]}*_~`"

_FENCE = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)([^\n]*)", re.MULTILINE)
_LINE_END = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_TERMINATOR = re.compile(
    rf"(?P<mark>[。！？｡!?]+[。！？｡!?.…]*|…+[。！？]*|[.．]+[!?！？]*)(?P<close>[{_CLOSERS}]*)"
)
# A title or aside in brackets is part of the sentence around it.
_BRACKETS = re.compile(
    r"（[^（）\n]{1,300}）|\([^()\n]{1,300}\)|《[^《》\n]{1,200}》|\[[^\[\]\n]{1,300}\]|【[^【】\n]{1,300}】"
)
_ADDRESS = re.compile(
    r"(?:https?|ftp|wss?|file)://[!-~]+|www\.[!-~]+|[a-zA-Z0-9._+-]{1,64}@[a-zA-Z0-9.-]{1,255}"
)
_WIDE = re.compile(f"[{_CJK}\u3000-\u303f\uff00-\uff65“‘—]")
_CLOSER_RUN = re.compile(r"(.)\1*")
_SYMMETRIC = frozenset('"*_~`')
_LIST_NUMBER = re.compile(
    r"[ \t]*(?:[-*+>•]\s+)*(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxIVX]{1,5}|"
    r"[一二三四五六七八九十]{1,3})$"
)
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+>•·]\s|#{1,6}\s|\d{1,3}[.)、．]|[A-Za-z][.)]\s|\|)")
_WORD_BEFORE = re.compile(r"(?:[A-Za-z]\.)*[A-Za-zÀ-ÿ]+$|[A-Za-zÀ-ÿ]*$")
_NEXT_WORD = re.compile(r"[\"'“‘(\[*_]*([^\W\d_]+(?:'[a-z]+)?)")

# Never the end of a sentence: something always follows.
_OPEN_ABBREVIATIONS = _words(
    "adm asst attn brig capt cf cmdr col dr drs e.g eg esp fr gen gov hon i.e ie lt maj messrs "
    "mlle mme mr mrs ms mt mx pres prof rep rev sen sgt smt sra st supt viz vs approx ca resp incl "
    "excl aka a.k.a"
)
# Not the end where a number follows.
_NUMBER_ABBREVIATIONS = _words(
    "no nos nr fig figs eq eqs sec ch chap vol vols art p pp par para pt ver v ed tab app ex op"
)
# The end only where a word follows that usually opens a sentence.
_NAME_ABBREVIATIONS = _words(
    "inc ltd co corp llc plc jr sr bros dept univ assn ave blvd rd hwy u.s u.k u.n e.u d.c u.s.a "
    "ph.d m.d b.a m.a b.sc m.sc b.s m.s d.phil n.y l.a jan feb mar apr jun jul aug sep sept oct "
    "nov dec mon tue tues wed thu thur thurs fri sat sun"
)
# The end where any word with a capital follows, a date apart.
_CLOCK_ABBREVIATIONS = frozenset(("a.m", "p.m", "am", "pm"))
_AFTER_CLOCK = _words(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december est edt cst cdt mst mdt pst pdt gmt utc "
    "cet cest bst jst"
)
# Lower case after them never opens a sentence.
_OTHER_ABBREVIATIONS = _words("etc al est min max avg misc ibid orig def vs tel ext")
_OPENERS = _words(
    "the a an he she it they we you i this that these those there here his her its their our my "
    "your in on at by for from with as if when while after before since because although though "
    "but and or so then however moreover also yet still now today yesterday tomorrow what who "
    "where why how which is are was were do does did can could will would should may might let "
    "please no not all some many most each every both it's i'm he's she's they're we're that's "
    "there's i've"
)


def sentences(text: str) -> list[Span]:
    """Split a text into sentences.

    * ``。！？`` and ``…`` end a sentence together with the closing quotes after them; ``.``, ``!``
      and ``?`` where space, the end, or a CJK character follows and the stop is not part of an
      abbreviation, an initial, a number, an address or a list number.
    * Nothing inside brackets or 《》 ends a sentence.
    * A line end ends one, unless an English line was wrapped between two lower-case words.
    * A fenced code block is one span.

    The spans are ordered, do not overlap, begin and end with a non-space character, and cover every
    non-space character of the text.

    Args:
        text: Any string.

    Returns:
        The sentences with offsets into ``text``.
    """
    spans: list[Span] = []
    for begin, end, is_code in _blocks(text):
        if is_code:
            spans += _stripped(text, begin, end)
            continue
        start = begin
        for boundary in _boundaries(text, begin, end):
            spans += _stripped(text, start, boundary)
            start = boundary
        spans += _stripped(text, start, end)
    return spans


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    body = piece.strip()
    if body:
        start += len(piece) - len(piece.lstrip())
        yield Span(start, start + len(body), body)


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Code fences, and the lines (wrapped ones together) between them."""
    at = 0
    opened: re.Match[str] | None = None
    if "```" in text or "~~~" in text:
        for fence in _FENCE.finditer(text):
            if opened is None:
                opened = fence
                yield from _lines(text, at, fence.start())
            elif fence[1].startswith(opened[1]) and not fence[2].strip():
                yield opened.start(), fence.end(), True
                opened, at = None, fence.end()
    if opened is None:
        yield from _lines(text, at, len(text))
    else:
        # A fence that nobody closes runs to the end.
        yield opened.start(), len(text), True


def _lines(text: str, begin: int, end: int) -> Iterator[tuple[int, int, bool]]:
    start = begin
    for line_end in _LINE_END.finditer(text, begin, end):
        if _is_wrapped(text, start, line_end.start(), line_end.end(), end):
            continue
        yield start, line_end.start(), False
        start = line_end.end()
    yield start, end, False


def _is_wrapped(text: str, start: int, before: int, after: int, end: int) -> bool:
    """Whether a line end only wraps a long English line; short lines are meant as they are."""
    if before - start < 40 or after >= end:
        return False
    last, following = text[before - 1], text[after]
    return (
        last.isascii()
        and (last.islower() or last == ",")
        and following.isascii()
        and following.islower()
        and not _LIST_ITEM.match(text, after)
    )


def _boundaries(text: str, begin: int, end: int) -> Iterator[int]:
    """Offsets after the sentence ends inside a block."""
    start = begin
    protected: list[tuple[int, int]] | None = None
    for match in _TERMINATOR.finditer(text, begin, end):
        mark = match.start("mark")
        boundary = _after_closers(text, start, match)
        if boundary >= end or not _ends_sentence(text, begin, end, match, boundary):
            continue
        if protected is None:
            protected = _protected(text, begin, end)
        index = bisect_right(protected, (mark, end)) - 1
        if index >= 0:
            low, high = protected[index]
            # A whole sentence in brackets ends where they close.
            whole = boundary >= high and not text[start:low].strip()
            if mark < high - 1 and not whole:
                continue
        yield boundary
        start = boundary


def _protected(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    """Brackets and addresses, inside which nothing ends, as disjoint ordered intervals."""
    found = sorted(
        match.span()
        for pattern in (_BRACKETS, _ADDRESS)
        for match in pattern.finditer(text, begin, end)
    )
    merged: list[tuple[int, int]] = []
    for low, high in found:
        if merged and low < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _after_closers(text: str, start: int, match: re.Match[str]) -> int:
    """The offset after the quotes, brackets and emphasis that close with this terminator.

    ``"`` and ``**`` open as well as close; they close only what was opened in this sentence.
    """
    at = match.start("close")
    for run in _CLOSER_RUN.finditer(match["close"]):
        symmetric = run[0][0] in _SYMMETRIC
        if symmetric and text.count(run[0], start, match.start("mark")) % 2 == 0:
            break
        at += len(run[0])
    return at


def _ends_sentence(text: str, begin: int, end: int, match: re.Match[str], boundary: int) -> bool:
    mark, closed = match["mark"], boundary > match.end("mark")
    following = text[boundary]
    spaced = following.isspace()
    if mark[0] not in "。！？｡" and not (spaced or _is_wide(following)):
        # Glued to what follows it is inside an address, a number or a name.
        return False
    if following in "，,、；;：:" and (closed or mark[0] == "…"):
        # “好！”，他说 goes on.
        return False
    opener = _NEXT_WORD.match(text, _skip_space(text, boundary, end), end)
    word = opener[1] if opener else ""
    if mark[0] in ".．":
        return _full_stop_ends(text, begin, match, closed, word)
    lower_follows = word[:1].islower()
    if mark[0] == "…":
        return not lower_follows
    # "Really?" she asked.
    return not (mark[0] in "!?" and closed and lower_follows)


def _full_stop_ends(text: str, begin: int, match: re.Match[str], closed: bool, word: str) -> bool:
    """Whether a full stop before ``word`` ends a sentence."""
    mark, at = match["mark"], match.start("mark")
    capital, lower = word[:1].isupper(), word[:1].islower()
    if len(mark) > 1 and set(mark) <= {".", "．"}:
        # An ellipsis trails off; only a new beginning ends the sentence.
        return not lower
    if at == begin or (not closed and _is_list_number(text, begin, at)):
        return False
    if _is_wide(text[at - 1]):
        return True
    found = _WORD_BEFORE.search(text, max(begin, at - 40), at)
    before = found[0] if found else ""
    if before and not closed:
        if not text[match.end()].isspace() and ("." in before or len(before) == 1):
            # A.I.小组
            return False
        verdict = _abbreviation_ends(text, match.end(), before, word)
        if verdict is not None:
            return verdict
    if lower:
        # Chat is often written without capitals; a short word before the stop is an abbreviation.
        return not closed and len(before) >= 3 and before.isalpha() and before.islower()
    return not (capital and len(before) == 1 and before.isupper() and not closed) or (
        word.lower() in _OPENERS
    )


def _abbreviation_ends(text: str, after: int, before: str, word: str) -> bool | None:
    """The verdict on the stop of a known abbreviation; None for any other word."""
    key, capital, lower = before.lower(), word[:1].isupper(), word[:1].islower()
    at = _skip_space(text, after, len(text))
    digit = text[at : at + 1].isdigit()
    if key in _OPEN_ABBREVIATIONS or (key in _NUMBER_ABBREVIATIONS and digit):
        return False
    if key in _NAME_ABBREVIATIONS and not _is_plain_word(before):
        return not (lower or digit) and (not capital or word.lower() in _OPENERS)
    if key in _CLOCK_ABBREVIATIONS and (lower or word.lower() in _AFTER_CLOCK):
        return False
    if key in _OTHER_ABBREVIATIONS and lower:
        return False
    return None


def _is_plain_word(before: str) -> bool:
    """In small letters "sat", "mar" and "co" are not Saturday, March and Company."""
    return before.islower() and "." not in before


def _is_list_number(text: str, begin: int, at: int) -> bool:
    line = text.rfind("\n", max(begin, at - 25), at) + 1 or begin
    return at - line <= 24 and _LIST_NUMBER.fullmatch(text, line, at) is not None


def _is_wide(character: str) -> bool:
    return _WIDE.match(character) is not None


def _skip_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at
