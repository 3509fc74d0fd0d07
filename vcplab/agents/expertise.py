"""What an agent knows about, read from its prompt: expertise and keywords by text analysis.

::

    found = find_expertise("你是专业的写作助手，擅长小说和诗歌")
    found.expertise                                 # ("写作", "小说", "诗歌")

The original takes expertise by regular expressions and cuts Chinese every four characters into
keywords (facts/vcp-agents §2). Here words come from the dictionary of the Chinese analysis, or from
the letters of other scripts; words that only say how a prompt speaks are left out; what stands
together is one term; and terms are weighed by where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from vcplab.agents._prompt_words import (
    BOUND,
    CUES,
    EXPERTISE_HEADING,
    IDENTITY,
    NEGATED,
    ORDERS,
    OTHER_HEADING,
    ROLE_TAILS,
    STOP_EN,
    STOP_ZH,
    SUFFIXES,
    WEAK,
)
from vcplab.core.errors import MissingDependencyError
from vcplab.text.fold import fold_chinese
from vcplab.text.words import Word, tagged_words

__all__ = ["MOST_EXPERTISE", "MOST_KEYWORDS", "Expertise", "find_expertise"]

MOST_EXPERTISE: Final = 10
"""Terms of expertise at most (facts/vcp-agents §2)."""
MOST_KEYWORDS: Final = 15
"""Keywords at most (facts/vcp-agents §2)."""

# How much a term weighs by where it stands.
_IDENTITY, _CUE, _NAME, _PLAIN, _ORDER = 3.0, 2.8, 2.4, 1.0, 0.25
# Below this a term is no expertise: it stands in orders on how to answer alone.
_LEAST: Final = 0.5

# Code, tool calls, placeholders, addresses and tags are about something else.
_NOISE: Final = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|<<<\[TOOL_REQUEST\]>>>.*?(?:<<<\[END_TOOL_REQUEST\]>>>|\Z)"
    r"|\{\{[^{}\n]*\}\}|\[\[[^\[\]\n]*\]\]|《《[^《》\n]*》》|https?://[!-~]+|www\.[!-~]+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+|</?[A-Za-z][^<>\n]{0,200}>|`[^`\n]*`",
    re.DOTALL,
)
_SENTENCE: Final = re.compile(r"[^。！？；!?;\n]*?(?:[。！？；!?;\n]|\.(?=\s|$)|$)")
_CLAUSE: Final = re.compile(r"[^，,]+")
_HEADING: Final = re.compile(
    r"\s*(?:#+\s*(?P<mark>.+)|\*\*(?P<bold>[^*\n]+)\*\*\s*[:：]?|【(?P<box>[^】\n]+)】"
    r"|(?P<line>[^\s:：][^:：\n]{0,24})[:：])\s*$"
)
_PROPER: Final = re.compile(r"[A-Z].*[A-Z0-9]|.*[0-9+#]|[a-z]+[A-Z]")
_NOUNS: Final = ("n", "v", "i", "l", "j", "g", "s", "a", "b", "d", "z")
_LONGEST_ZH: Final = 8
_MOST_WORDS: Final = 3
_LONGEST_WORD: Final = 40
# What a prompt says it is, it says early; the rest is examples and data.
_READ: Final = 50_000


@dataclass(frozen=True, slots=True)
class Expertise:
    """What was found.

    Attributes:
        expertise: What it knows about, at most `MOST_EXPERTISE`, the weightiest first.
        keywords: Words that may call it, at most `MOST_KEYWORDS`: the expertise, and the telling
            parts of its compounds.
    """

    expertise: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


@dataclass(slots=True)
class _Term:
    shown: str
    at: int
    parts: tuple[str, ...]
    weight: float = 0.0
    count: int = 0
    total: float = field(default=0.0)


def find_expertise(prompt: str, *, name: str = "", description: str = "") -> Expertise:
    """Read what an agent knows about from its texts; the same texts always give the same terms.

    Terms of who it is ("你是…", "You are …"), of what it is said to be good at ("擅长…",
    "experienced in …") and of its name weigh most; what it is told not to be or do gives none, and
    orders on how to answer give keywords at most. Code, addresses, tool calls, placeholders and
    what comes after 50,000 characters are not read.

    Args:
        prompt: Its system prompt, Chinese, English or both.
        name: Its name.
        description: A line about it.

    Raises:
        MissingDependencyError: rjieba is not installed, and a text is Chinese.
    """
    terms: dict[tuple[str, ...], _Term] = {}
    stem = _stemmer()
    serial = 0
    own = name.strip().casefold()
    for text, weight, leads in _weighed(prompt, name, description):
        for shown, parts in _candidates(text, leads):
            if shown.casefold() == own and shown.isascii():
                continue  # "You are Bob" tells its name
            key = tuple(stem(part.lower()) for part in parts)
            if key not in terms:
                terms[key] = _Term(shown, serial, parts)
            term = terms[key]
            term.count += 1
            term.weight = max(term.weight, weight)
            serial += 1
    for term in terms.values():
        # Said again, it weighs more, but never more than being said in a better place.
        term.total = term.weight * (1 + 0.15 * min(term.count - 1, 3)) / (1 + 0.004 * term.at)
    ranked = sorted(terms.values(), key=lambda term: (-term.total, term.at))
    expertise = _once((t.shown for t in ranked if t.weight >= _LEAST), stem)
    expertise = expertise[:MOST_EXPERTISE]
    calling = [part for term in ranked for part in _calling(term.parts)]
    rest = [term.shown for term in ranked]
    keywords = _once([*expertise, *calling, *rest], stem)
    return Expertise(tuple(expertise), tuple(keywords[:MOST_KEYWORDS]))


def _weighed(prompt: str, name: str, description: str) -> Iterator[tuple[str, float, bool]]:
    """Clauses, each with the weight of where it stands and whether it begins a sentence."""
    yield name, _NAME, False
    section = _PLAIN
    for text, base in ((description, _NAME), (prompt, _PLAIN)):
        for match in _SENTENCE.finditer(_NOISE.sub("\n", _beginning(text))):
            sentence = match.group().strip()
            if not sentence:
                continue
            if heading := _HEADING.match(sentence):
                title = next(part for part in heading.groups() if part)
                section = _PLAIN
                if EXPERTISE_HEADING.search(title):
                    section = _CUE
                elif OTHER_HEADING.search(title):
                    section = _ORDER
                continue
            order = section == _ORDER or bool(ORDERS.match(sentence))
            weight = _ORDER if order else max(base, section)
            first = True
            for clause in _CLAUSE.findall(sentence):
                if NEGATED.search(clause):
                    first = False
                    continue
                if order:
                    yield clause, _ORDER, first
                else:
                    pieces, weight = _by_cues(clause, weight, first, max(base, section))
                    for number, (piece, here) in enumerate(pieces):
                        yield piece, here, first and number == 0
                first = False


def _beginning(text: str) -> str:
    """What is read of a text, without a word that the end would cut."""
    return text if len(text) <= _READ else re.sub(r"[A-Za-z0-9]{1,40}\Z", "", text[:_READ])


def _by_cues(
    clause: str, weight: float, first: bool, base: float
) -> tuple[list[tuple[str, float]], float]:
    """The pieces of a clause between its cues, and what its sentence goes on with."""
    marks = [(m.start(), m.end(), _IDENTITY) for m in IDENTITY.finditer(clause)]
    marks += [(m.start(), m.end(), _CUE) for m in CUES.finditer(clause)]
    if not marks:
        # A list goes on after a comma, who it is does not.
        here = base if first or weight == _IDENTITY else weight
        return [(clause, here)], here
    pieces: list[tuple[str, float]] = []
    at = 0
    for start, end, after in sorted(marks):
        pieces.append((clause[at:start], weight if at else base))
        at, weight = end, after
    pieces.append((clause[at:], weight))
    return pieces, weight


def _candidates(text: str, leads: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Terms of a clause as they are shown, with their parts."""
    run: list[Word] = []
    for word in _words(text):
        if run and not _joined(text, run[-1], word):
            yield from _terms(text, run, leads)
            run = []
        if _is_content(word) or (run and word.text in SUFFIXES):
            run.append(word)
        else:
            yield from _terms(text, run, leads)
            run = []
    yield from _terms(text, run, leads)


def _words(text: str) -> list[Word]:
    try:
        folded = fold_chinese(text)
    except MissingDependencyError:
        folded = text  # then traditional Chinese is cut by the words that it shares
    return [
        Word(text[word.start : word.end], word.tag, word.start, word.end)
        for word in tagged_words(folded)
    ]


def _joined(text: str, left: Word, right: Word) -> bool:
    """Whether two words stand together: side by side, or words of letters with a space."""
    between = text[left.end : right.start]
    latin = left.tag == right.tag == "latin"
    return between == "" if not latin else between in (" ", "  ")


def _is_content(word: Word) -> bool:
    if len(word.text) > _LONGEST_WORD:
        return False  # keys and other data
    if word.tag == "latin":
        low = word.text.lower().replace("’", "'").removesuffix("'s")
        return low not in STOP_EN and not low.isdigit()
    if word.tag in ("katakana", "hangul", "cjk"):
        return word.tag != "cjk"
    if len(word.text) == 1 and word.tag.startswith("v"):
        return False  # 懂历史, 画漫画: what is done stands before its object
    low = _folded(word.text)
    return low in BOUND or (low not in STOP_ZH and word.tag.startswith(_NOUNS))


def _terms(text: str, run: list[Word], leads: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    while run and _folded(run[-1].text) in ROLE_TAILS:
        run = run[:-1]
    if run and (tail := _role_tail(run[-1].text)):
        last = run[-1]
        end = last.end - len(tail)
        run = [*run[:-1], Word(text[last.start : end], "n", last.start, end)]
    latin = bool(run) and all(word.tag == "latin" for word in run)
    for chunk in _chunks(run, latin):
        parts = tuple(_displayed(word, text, leads) for word in chunk)
        shown = " ".join(parts) if latin else text[chunk[0].start : chunk[-1].end]
        if len(shown) < 2 or (len(parts) == 1 and _folded(shown) in BOUND):
            continue
        if len(chunk) == 1 and chunk[0].tag.startswith("nr") and len(shown) <= 3:
            continue  # somebody's name
        yield shown, parts


def _role_tail(word: str) -> str:
    """What a word of the dictionary ends in that says 'somebody who': 顾问 of 法律顾问."""
    low = _folded(word)
    found = (low[at:] for at in range(2, len(low) - 1) if low[at:] in ROLE_TAILS)
    return next(found, "")


def _chunks(run: list[Word], latin: bool) -> list[list[Word]]:
    """A run as it is; one too long for a term in pairs, single characters with their neighbour."""
    if not run:
        return []
    short = latin or run[-1].end - run[0].start <= _LONGEST_ZH
    if short and len(run) <= _MOST_WORDS:
        return [run]
    units: list[list[Word]] = []
    for word in run:
        single = not latin and word.end - word.start == 1
        if units and (
            (single and word.text in SUFFIXES)
            or (not latin and len(units[-1]) == 1 and units[-1][0].end - units[-1][0].start == 1)
        ):
            units[-1].append(word)
        else:
            units.append([word])
    pairs = [units[at : at + 2] for at in range(0, len(units), 2)]
    chunks: list[list[Word]] = []
    for pair in pairs:
        whole = [word for unit in pair for word in unit]
        fits = latin or whole[-1].end - whole[0].start <= _LONGEST_ZH
        chunks += [whole] if fits else pair
    return chunks


def _displayed(word: Word, text: str, leads: bool) -> str:
    """A word as it is shown: of letters, the first of a sentence loses its capital."""
    if word.tag != "latin":
        return word.text
    shown = word.text.replace("’", "'").removesuffix("'s")
    if _PROPER.match(shown) or not leads or text[: word.start].strip():
        return shown
    return shown.lower()


def _calling(parts: tuple[str, ...]) -> list[str]:
    """The parts of a compound that may call an agent by themselves."""
    if len(parts) < 2:
        return []
    strong = [part for part in parts if _is_strong(part)]
    # Of English parts only the head and names: what stands before is mostly an adjective.
    return [
        part
        for part in strong
        if not part.isascii() or part == parts[-1] or part != part.lower() or _PROPER.match(part)
    ]


def _is_strong(part: str) -> bool:
    low = _folded(part.lower())
    common = low in WEAK or low in ROLE_TAILS or low in BOUND or low in STOP_EN
    return len(part) >= 2 and not common


def _folded(text: str) -> str:
    if text.isascii():
        return text
    try:
        return fold_chinese(text)
    except MissingDependencyError:
        return text


def _once(terms: Iterable[str], stem: Any) -> list[str]:
    seen: dict[tuple[str, ...], str] = {}
    for term in terms:
        seen.setdefault(tuple(stem(word) for word in term.lower().split()), term)
    return list(seen.values())


def _stemmer() -> Any:
    # One for each call: Snowball's objects must not be shared between threads.
    import Stemmer

    return Stemmer.Stemmer("english", 0).stemWord
