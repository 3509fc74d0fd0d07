"""Who a text addresses: ``@name``, ``@"name"``, and Chinese phrasings like 请X回答.

The originals (facts/vcp-agents §1) look for ``@`` and letters anywhere: ``x@bob.com`` summons Bob.
Here a name has to stand on its own, and code, links, quoted lines and tool requests address nobody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from vcplab.agents.agent import Agent
from vcplab.agents.chat._masking import HIDDEN, masked
from vcplab.agents.chat._words import ends_word, fold, is_spaceless, is_spelled, starts_word
from vcplab.text.normalise import normalise, normalise_aligned

__all__ = ["Mention", "MentionKind", "find_mentions", "mentions_everyone"]

MentionKind = Literal["at", "quoted", "phrase"]

#: Words after ``@`` that address everybody, folded.
_EVERYONE = ("所有人", "全体成员", "全体", "全员", "大家", "everyone", "all")
_EVERYBODY = re.compile(f"@(?:{'|'.join(_EVERYONE)})")
_QUOTES = {
    '"': '"',
    "'": "'",
    "“": "”",
    "”": "”",
    "‘": "'",  # normalisation makes ’ a plain apostrophe
    "「": "」",
    "『": "』",
    "《": "》",
    "【": "】",
    "〈": "〉",
    "<": ">",
}
_OPENING = frozenset(_QUOTES)
_CLOSING = frozenset(_QUOTES.values())
# After a name these go on to something else if a letter follows: bob.com, bob-smith, @bob/package.
_JOINING = frozenset(".-/")
_SHORTEST_PREFIX = 2

_VERBS = (
    "(?:回答|答|发言|发表|说|讲|谈|聊|看|分析|评价|评论|点评|补充|介绍|解释|总结|回复|回应|表态|"
    "建议|提供|给出|给|提|写|查|审|校|检查|修改|帮|处理|负责|继续|开始|接着|参与|确认|整理|翻译|计算|设计)"
)
_SOFT = "(?:先|来|再|也|去|就|都|帮忙|继续|简单|详细|具体|为我们|给我们|给大家|谈谈|一起)*"
# Before the name, enough by itself: 问问X, 有请X, 交给X …
_LEAD = re.compile(
    "(?:问问|问一问|问一下|问下|请问|请教|咨询|有请|麻烦|交给|轮到|听听|听一下|想听|呼叫|下面请|接下来请)$"
)
# Before the name, with a verb after it: 请X回答, 让X来说 …
_ASKING = re.compile("(?:请|让|由|叫|要|该|换|问)$")
_ASKED = re.compile(f" ?{_SOFT}{_VERBS}")
# 问X：… and 问X，… ask X.
_QUESTION = re.compile("问$")
_PAUSE = re.compile(" ?[:,，]")
# After the name, enough by itself: X你怎么看, X怎么看, X来回答, X请发言, X的意见呢 …
_TAIL = re.compile(
    "(?:[,， :]{0,2}(?:你|您)(?:怎么|如何|觉得|认为|来|有什么|有何|有没有|说|先|也|是否|能|可以|看"
    "|的看法|的意见|的想法|呢)"
    "|[,， ]{0,2}(?:怎么看|怎么想|怎么说|如何看|觉得呢|有什么(?:看法|想法|意见)|有何(?:看法|高见))"
    "|[,， ]{0,2}的?(?:看法|意见|想法|观点)(?:是什么|呢|如何|怎么样|是啥)"
    f"|[,， ]{{0,2}}请{_SOFT}{_VERBS}"
    "|来(?:回答|发言|说|讲|谈|分析|评价|评论|点评|补充|介绍|解释|总结|负责|处理|写|检查|审|校|看看"
    "|看一下|继续|开始))"
)
_FOR_ONE = re.compile("(?:对|对于|就|拿|从|跟|和)$")  # 对X来说: 'as for X' addresses nobody
_NOT = re.compile("(?:别|不要|不用|不必|不想|不需要|无需|无须|没|没有|勿|莫)(?:再|去|先|让|请)?$")
_HINT = re.compile(
    "[请问让由叫要该换听你您来]|怎么|看法|意见|想法|观点|交给|轮到|麻烦|咨询|呼叫|如何看|有什么|有何|觉得"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A place where a text addresses an agent.

    Attributes:
        agent_id: The agent.
        start: Where it begins in the text, in characters, an ``@`` included.
        end: Where it ends (exclusive).
        kind: ``"at"`` (``@Bob``), ``"quoted"`` (``@"AI 专家"``) or ``"phrase"`` (请小明回答).
    """

    agent_id: str
    start: int
    end: int
    kind: MentionKind = "at"


def find_mentions(
    text: str, agents: Iterable[Agent], *, author: str | None = None
) -> tuple[Mention, ...]:
    """Find the agents that a text addresses (facts/vcp-agents §1, its defects mended).

    - ``@`` or ``＠`` and a name, display name, id or alias, in any case; the longest one wins. A
      name in a script with spaces has to end there (``@bobby`` is not Bob); a Chinese name may be
      followed by anything (``@小明你好``). Without such a name, a beginning of at least two
      characters that belongs to one agent only.
    - ``@`` and a name in quotes of any kind, whole.
    - Phrasings: 请X回答, 让X来说, 问问X, X你怎么看, X怎么看, 有请X, 听听X的意见, 轮到X, 交给X,
      X请发言, X的看法呢, … but neither 别问X nor 对X来说.

    Nobody is addressed in e-mail addresses, links, code, quoted lines (``>``) and tool requests. A
    name that several agents share addresses none of them, except that a name goes before a display
    name, that before an id, and an id before an alias.

    Args:
        text: Any text. The time grows in step with its length.
        agents: Those who can be addressed.
        author: Id of the agent that wrote the text; its own name does not count.

    Returns:
        The places, in order; an agent may have several.
    """
    if "@" not in text and "＠" not in text and not _HINT.search(text):
        return ()
    names = _names(
        tuple((a.id, a.name, a.display_name, *a.aliases) for a in agents),
    )
    if not names.owners or _is_without(text, names):
        return ()
    aligned = normalise_aligned(text, "NFKC", lowercase=False)
    hidden = masked(aligned.text)
    # Casefolding may lengthen a text (ß); letters whose folding does are left as they are.
    folded = hidden.casefold()
    if len(folded) != len(hidden):
        folded = "".join(_one(character) for character in hidden)
    found: list[Mention] = []
    taken = 0
    at_mentions = list(_at(folded, names))
    for start, end, owner, kind in _merged(at_mentions, _phrases(folded, names)):
        if start < taken:
            continue
        taken = end
        if owner is not None and owner != author:
            found.append(Mention(owner, *aligned.source(start, end), kind))
    return tuple(found)


def _is_without(text: str, names: _Names) -> bool:
    """Whether a text certainly names nobody; a fraction of the time of looking closely."""
    plain = unicodedata.normalize("NFKC", text)
    folded = plain.casefold()
    return (
        "@" not in folded
        and len(folded) == len(plain)
        and not names.has_spaces
        and names.pattern.search(folded) is None
    )


def mentions_everyone(text: str) -> bool:
    """Whether a text addresses everybody: ``@所有人``, ``@全体成员``, ``@大家``, ``@all``, ….

    The same places are left out as by `find_mentions`.

    Args:
        text: Any text.
    """
    if "@" not in text and "＠" not in text:
        return False
    # Hidden first: the marks of tool requests are written in capitals.
    folded = fold(masked(normalise(text, "NFKC", lowercase=False)))
    return any(
        _begins(folded, match.start(), -1) and _ends(folded, match.end())
        for match in _EVERYBODY.finditer(folded)
    )


_Place = tuple[int, int, str | None, MentionKind]


@dataclass(frozen=True, slots=True)
class _Names:
    """Folded names: their owners (None where ambiguous), by first character, and as a pattern."""

    owners: dict[str, str | None]
    by_first: dict[str, tuple[str, ...]]
    pattern: re.Pattern[str]
    longest: int
    has_spaces: bool


@lru_cache(maxsize=64)
def _names(agents: tuple[tuple[str, ...], ...]) -> _Names:
    ranked: dict[str, tuple[int, str | None]] = {}
    for identifier, name, display_name, *aliases in agents:
        for rank, given in enumerate((name, display_name, identifier, *aliases)):
            rank = min(rank, 3)
            folded = _folded_name(given)
            if not folded:
                continue
            known = ranked.get(folded)
            if known is None or rank < known[0]:
                ranked[folded] = (rank, identifier)
            elif rank == known[0] and identifier != known[1]:
                ranked[folded] = (rank, None)
    owners = {name: owner for name, (_, owner) in ranked.items()}
    ordered = sorted(owners, key=lambda name: (-len(name), name))
    firsts: dict[str, list[str]] = {}
    for name in ordered:
        firsts.setdefault(name[0], []).append(name)
    return _Names(
        owners,
        {first: tuple(some) for first, some in firsts.items()},
        re.compile("|".join(map(re.escape, ordered))),
        len(ordered[0]) if ordered else 0,
        any(" " in name for name in ordered),
    )


def _folded_name(name: str) -> str:
    aligned = normalise_aligned(name, "NFKC", lowercase=False).text
    return " ".join("".join(_one(character) for character in aligned).split())


def _one(character: str) -> str:
    folded = character.casefold()
    return folded if len(folded) == 1 else character


def _signs(text: str) -> Iterator[int]:
    at = text.find("@")
    while at >= 0:
        yield at
        at = text.find("@", at + 1)


def _begins(text: str, at: int, end_before: int) -> bool:
    """Whether an ``@`` may begin a mention; ``end_before`` is where the mention before it ended."""
    if at == 0 or at == end_before:
        return True
    before = text[at - 1]
    if before == "/":  # medium.com/@bob, but @alice/@bob
        return at == 1 or at - 1 == end_before or not is_spelled(text[at - 2])
    return not is_spelled(before)


def _ends(text: str, at: int) -> bool:
    """Whether a name that ends before an offset ends there for good."""
    if at >= len(text):
        return True
    if not ends_word(text, at):
        return False
    if text[at] in _JOINING and at + 1 < len(text):
        following = text[at + 1]
        return not (following < "\x80" and following.isalnum())
    return True


def _at(text: str, names: _Names) -> Iterator[_Place]:
    ended = -1
    for at in _signs(text):
        if not _begins(text, at, ended) or at + 1 >= len(text):
            continue
        place = _quoted(text, at, names) if text[at + 1] in _OPENING else _plain(text, at, names)
        if place is not None:
            ended = place[1]
            yield place


def _quoted(text: str, at: int, names: _Names) -> _Place | None:
    first = at + 2
    end = text.find(_QUOTES[text[at + 1]], first, first + names.longest + 9)
    if end < 0:
        return None
    inside = " ".join(text[first:end].split())
    return (at, end + 1, names.owners[inside], "quoted") if inside in names.owners else None


def _plain(text: str, at: int, names: _Names) -> _Place | None:
    first = at + 1
    if text[first] == "@":
        return None
    for name in names.by_first.get(text[first], ()):
        if text.startswith(name, first) and _ends(text, first + len(name)):
            return at, first + len(name), names.owners[name], "at"
    end = first
    limit = min(len(text), first + names.longest + 1)
    while end < limit and (is_spelled(text[end]) or is_spaceless(text[end])):
        end += 1
    beginning = text[first:end]
    if len(beginning) < _SHORTEST_PREFIX or beginning in _EVERYONE or not _ends(text, end):
        return None
    owners = {
        names.owners[name]
        for name in names.by_first.get(beginning[0], ())
        if name.startswith(beginning)
    }
    if len(owners) == 1 and None not in owners:
        return at, end, owners.pop(), "at"
    return None


def _phrases(text: str, names: _Names) -> Iterator[_Place]:
    if not _HINT.search(text):
        return
    for match in names.pattern.finditer(text):
        start, end = match.span()
        if not (starts_word(text, start) and _ends(text, end)):
            continue
        outer, after = start, end
        quoted = outer > 0 and text[outer - 1] in _OPENING and text[after : after + 1] in _CLOSING
        if quoted:
            outer, after = outer - 1, after + 1
        before = text[max(0, outer - 12) : outer].rstrip(" ")
        if _addresses(before, text[after : after + 24]):
            yield start, end, names.owners[match[0]], "phrase"


def _addresses(before: str, after: str) -> bool:
    lead = _LEAD.search(before)
    if lead is None and _ASKED.match(after):
        lead = _ASKING.search(before)
    if lead is None and _PAUSE.match(after):
        lead = _QUESTION.search(before)
    if lead is not None:
        return not _NOT.search(before[: lead.start()])
    return bool(_TAIL.match(after)) and not _FOR_ONE.search(before) and not _NOT.search(before)


def _merged(first: Iterable[_Place], second: Iterable[_Place]) -> list[_Place]:
    """Both in order; where they begin alike or overlap, ``@`` goes first."""
    places = list(first)
    covered: set[int] = set()
    for start, end, _, _ in places:
        covered.update(range(start, end))
    places += [place for place in second if place[0] not in covered]
    return sorted(places, key=lambda place: place[0])


assert not is_spelled(HIDDEN)
