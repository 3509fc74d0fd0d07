"""The citations of a text: numbers, authors with years, addresses, DOIs, titles, quotations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

__all__ = [
    "Reference",
    "ReferenceKind",
    "Said",
    "bare_url",
    "find_references",
    "numbered_entries",
    "speakers",
    "squeezed",
]

ReferenceKind = Literal["number", "author", "url", "doi", "title", "quote"]


class Reference(NamedTuple):
    """A citation.

    Attributes:
        start: Offset of its first character; of titles and quotations inside the marks.
        end: Offset after its last.
        kind: What is cited.
        text: The characters.
        parts: What it says: the numbers, or the surname and the year.
    """

    start: int
    end: int
    kind: ReferenceKind
    text: str
    parts: tuple[str, ...] = ()


class Said(NamedTuple):
    """A quotation with the one who is said to have said it.

    Attributes:
        start: Offset of the first character inside the marks.
        end: Offset after the last.
        speaker: The name.
        speaker_start: Offset of the name's first character.
        speaker_end: Offset after its last.
    """

    start: int
    end: int
    speaker: str
    speaker_start: int
    speaker_end: int


# [1], [1, 3-5], 【2】, ［3］, but not a[1] or [1](address), which is a link.
_NUMBERS: Final = re.compile(
    r"(?<![\w\])])\s?[\[［【〔](?P<n>[0-9]{1,3}(?:\s?[-–,，、]\s?[0-9]{1,3}){0,8})[\]］】〕](?![(\w（])|"
    r"(?<=\w)[\[［【〔](?P<m>[0-9]{1,3}(?:\s?[-–,，、]\s?[0-9]{1,3}){0,8})[\]］】〕]"
    r"(?=[\s.,;:。，；：、)）\[［【\u3400-\u9fff]|$)"
)
_NAME: Final = r"[A-Z][A-Za-zÀ-ÿ'’\-]{1,30}"
_YEAR: Final = r"(?:1[5-9]|20)[0-9]{2}"
_AUTHOR: Final = re.compile(
    rf"\b(?P<name>{_NAME})(?:,? (?:and|&) {_NAME}|,? et al\.?)*,?\s?\((?P<year>{_YEAR})[a-z]?"
    rf"(?:, (?:p{{1,2}}\.|S\.) ?[0-9–-]+)?\)|"
    rf"[(;]\s?(?:e\.g\.,? |see |cf\. )?(?P<name2>{_NAME})(?:,? (?:and|&) {_NAME}|,? et al\.?)*,? "
    rf"(?P<year2>{_YEAR})[a-z]?(?=[);,])|"
    rf"[（(](?P<name3>[\u4e00-\u9fff]{{2,4}})(?:等)?[，,]\s?(?P<year3>{_YEAR})[）)]"
)
_URL: Final = re.compile(
    r"(?:https?://|(?<![\w@./])www\.)[^\s<>\"'“”‘’「」『』《》（），。；！？、`]+", re.IGNORECASE
)
_DOI: Final = re.compile(r"\b10\.[0-9]{4,9}/[^\s<>\"“”（），。；、`]+", re.IGNORECASE)
_TITLE: Final = re.compile(r"《(?P<t>[^《》\n]{1,100})》")
_QUOTE: Final = re.compile(
    r"“(?P<a>[^“”\n]{2,400})”|(?<!\w)\"(?P<b>[^\"\n]{2,400})\"(?!\w)|「(?P<c>[^「」\n]{2,400})」|"
    r"『(?P<d>[^『』\n]{2,400})』"
)
_ENTRY: Final = re.compile(r"^[ \t]*[\[［【〔]([0-9]{1,3})[\]］】〕]", re.MULTILINE)
_TRAILING: Final = ".,;:!?)]}>*_'\"。，；"
_HAN: Final = "\u3400-\u9fff"

_SAY_EN: Final = (
    r"(?:said|says|stated|states|told|tells|wrote|writes|argued|argues|claimed|claims|explained|"
    r"explains|asked|asks|replied|replies|added|adds|noted|notes|remarked|answered|announced|"
    r"commented|warned|called|shouted|whispered|admitted|insisted)"
)
_SAY_ZH: Final = (
    r"(?:说道|说过|说|表示|称|指出|认为|写道|回答|回应|强调|解释|补充|坦言|问道|问|答道|答|喊道|喊|"
    r"笑道|道|提到|介绍)"
)
_WHO_EN: Final = (
    r"(?:(?:the |The )?[a-z]+ )?(?:[A-Z][\w'’\-]*\.? ){0,3}[A-Z][\w'’\-]+|(?:the|The) [a-z]+"
)
_BEFORE_EN: Final = re.compile(
    rf"(?P<who>{_WHO_EN})(?:,[^,.“”\"]{{1,40}},)? {_SAY_EN}(?: \w+){{0,4}}[,:]? (?:that )?[“\"]?$"
)
_AFTER_EN: Final = re.compile(
    rf"[”\"]?,? (?:{_SAY_EN} (?P<who>{_WHO_EN})|(?P<who2>{_WHO_EN}) {_SAY_EN})\b"
)
_BEFORE_ZH: Final = re.compile(
    rf"(?P<who>[{_HAN}·]{{2,12}}?|[A-Za-z·]{{2,20}})"
    r"(?:则|还|也|又|曾|便|就|都|当时|当场|随后|后来|最后|明确|公开|"
    r"在.{1,10}?[上中里时后前]|[对向跟].{1,6}?|接受.{1,8}?时){0,3}"
    rf"{_SAY_ZH}[：:，,]?\s?[“「『]?$"
)
_AFTER_ZH: Final = re.compile(rf"[”」』][，,]?(?P<who>[{_HAN}·]{{2,8}}?){_SAY_ZH}(?:[。，；]|$)")
_LINE_ZH: Final = re.compile(r"^[ \t]*(?P<who>[^\s：:，。“”\"]{1,20})[：:]\s?", re.MULTILINE)
_CLAUSE_ZH: Final = re.compile(r"\.\s|[。！？；，,\n：:“”「」]")


def bare_url(url: str) -> str:
    """An address without scheme, ``www.``, trailing slash and the punctuation after it."""
    url = url.rstrip(_TRAILING)
    # A bracket that belongs to the address was opened in it.
    url = re.sub("^[a-z]+://", "", url.strip(), flags=re.IGNORECASE)
    url = re.sub(r"^www\.", "", url, flags=re.IGNORECASE)
    host, slash, path = url.partition("/")
    return (host.lower() + slash + path).rstrip("/")


def squeezed(text: str) -> str:
    """A text without case, space and punctuation, to look for wordings in."""
    return re.sub(r"[\W_]+", "", text.lower())


def numbered_entries(text: str) -> set[int]:
    """The numbers of lines that begin with ``[1]``: entries of a list of references."""
    return {int(number) for number in _ENTRY.findall(text)}


def find_references(text: str) -> list[Reference]:
    """The citations of a text, in order; an address in a quotation is found twice."""
    return sorted(_references(text))


def _references(text: str) -> Iterator[Reference]:
    taken: list[tuple[int, int]] = []
    for match in _DOI.finditer(text):
        end = match.start() + len(match[0].rstrip(_TRAILING))
        taken.append((match.start(), end))
        yield Reference(match.start(), end, "doi", text[match.start() : end])
    for match in _URL.finditer(text):
        end = match.start() + len(match[0].rstrip(_TRAILING))
        if any(start < end and match.start() < stop for start, stop in taken):
            continue
        if "." in match[0]:
            yield Reference(match.start(), end, "url", text[match.start() : end])
    for match in _NUMBERS.finditer(text):
        group = "n" if match["n"] else "m"
        numbers = _spread(match[group])
        line = text.rfind("\n", 0, match.start()) + 1
        if numbers and text[line : match.start(group) - 1].strip():
            start, end = match.start(group) - 1, match.end(group) + 1
            yield Reference(start, end, "number", text[start:end], numbers)
    for match in _AUTHOR.finditer(text):
        name = match["name"] or match["name2"] or match["name3"]
        year = match["year"] or match["year2"] or match["year3"]
        start = match.start() + (match[0][0] in "(;（")
        yield Reference(start, match.end(), "author", text[start : match.end()], (name, year))
    for match in _TITLE.finditer(text):
        yield Reference(match.start("t"), match.end("t"), "title", match["t"])
    for match in _QUOTE.finditer(text):
        group = match.lastgroup or "a"
        yield Reference(match.start(group), match.end(group), "quote", match[group])


def _spread(numbers: str) -> tuple[str, ...]:
    """1, 3-5 as 1, 3, 4, 5; nothing where a number is 0 or a range runs backwards."""
    found: list[int] = []
    for part in re.split("[,，、]", numbers):
        ends = [int(end) for end in re.split("[-–]", part)]
        if ends[0] < 1 or ends[-1] < ends[0] or len(ends) > 2:
            return ()
        found += range(ends[0], ends[-1] + 1)
    return tuple(str(number) for number in found)


def speakers(text: str, quotes: Sequence[tuple[int, int]]) -> list[Said]:
    """Who is said to have said quotations.

    ``X said: “…”``, ``“…,” said X``, ``X说：“…”``, and lines that begin with ``X:``.

    Args:
        text: The text.
        quotes: Offsets inside the marks.
    """
    found: list[Said] = []
    for start, end in quotes:
        who = _speaker(text, start, end)
        if who is not None:
            found.append(Said(start, end, text[who[0] : who[1]], *who))
    return found


def _speaker(text: str, start: int, end: int) -> tuple[int, int] | None:
    low = max(0, start - 90, text.rfind("\n", 0, start) + 1)
    before = text[low:start]
    if match := _BEFORE_EN.search(before):
        return low + match.start("who"), low + match.end("who")
    if match := _AFTER_EN.match(text, end):
        group = "who" if match["who"] else "who2"
        return match.span(group)
    if match := _AFTER_ZH.match(text, end):
        return match.span("who")
    mark = before[:-1] if before[-1:] in '“「『"' else before
    cuts = [cut.end() for cut in _CLAUSE_ZH.finditer(mark.rstrip("：:，, "))]
    at = cuts[-1] if cuts else 0
    if match := _BEFORE_ZH.search(before, at):
        return low + match.start("who"), low + match.end("who")
    line = text.rfind("\n", 0, start) + 1
    if match := _LINE_ZH.match(text, line):
        return match.span("who") if match.end() <= start else None
    return None
