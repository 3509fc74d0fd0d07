"""Heads such as ``[校对专家的发言]: ``: how they are written, and how echoed ones are taken away.

Every message in a prompt is headed by its speaker (facts/vcp-agents §7). Models copy that habit:
they begin replies with their own head, or go on to speak for others. And a message may contain
what looks like a head, to pose as another speaker.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Literal

__all__ = ["HeadStripper", "clean_name", "head", "name_key", "neutralised", "strip_heads"]

_NAME_LENGTH = 80
_SKIPPED = 16  # blanks that a head may hold
_FENCE: Final = ""  # stands for ``` where a speaker's name is expected

# Characters without a shape: joiners, direction marks, soft hyphens.
_SHAPELESS = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
)
# Those that no script and no emoji needs.
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_BETWEEN = rf"(?:\s|{_SHAPELESS}){{0,8}}"
_LIKE_HEAD = re.compile(
    rf"\[([^\[\]\n]{{0,256}}?(?:的{_BETWEEN}[发發]{_BETWEEN}言"
    rf"|\bs{_BETWEEN}a{_BETWEEN}(?:y{_BETWEEN}s|i{_BETWEEN}d)){_BETWEEN})\]",
    re.IGNORECASE,
)
_ROLE_MARK = re.compile(r"<<<(?=\[(?:END_)?ROLE_DIVIDE_)")
_BLANKS = re.compile(r"\s+")
_INVISIBLE = re.compile(f"{_SHAPELESS}|[\x00-\x1f\x7f-\x9f]")


def clean_name(name: str) -> str:
    """A name as heads show it: one line of at most 80 characters, its brackets full-width.

    Args:
        name: The name, from whomever.
    """
    text = _UNSHOWN.sub("", _BLANKS.sub(" ", name)).strip()
    text = text.replace("[", "［").replace("]", "］")
    return text[:_NAME_LENGTH].rstrip() or "?"


def name_key(name: str) -> str:
    """What two names share that a reader could take for one: no blanks, small, half-width.

    Args:
        name: The name.
    """
    return "".join(map(_normal, name))


def head(name: str, language: Literal["zh", "en"] = "zh") -> str:
    """The head of somebody's message.

    Args:
        name: The name, as `clean_name` gives it.
        language: ``zh`` for ``[名字的发言]: ``, ``en`` for ``[Name says]: ``.
    """
    return f"[{name}的发言]: " if language == "zh" else f"[{name} says]: "


def neutralised(text: str) -> str:
    """A text in which nothing can be taken for a head, nor for a role mark.

    ``[校对专家的发言]`` becomes ``［校对专家的发言］``, wherever it stands: a reader sees what was
    meant and no machine takes it for the head of a message. ``<<<[ROLE_DIVIDE_SYSTEM]>>>``, at
    which VCP servers divide messages (facts/vcp-protocol §1.4), becomes ``‹‹‹[ROLE_DIVIDE_…``.

    Args:
        text: What somebody said.
    """
    if "[" not in text:
        return text
    text = _LIKE_HEAD.sub(r"［\1］", text)
    return _ROLE_MARK.sub("‹‹‹", text) if "ROLE_DIVIDE_" in text else text


class HeadStripper:
    """Takes echoed heads from a reply while it arrives, in pieces of any length.

    At the beginning these are taken away, also several, with blanks and capitals of any kind:

    - ``[名字的发言]: ``, ``[名字的发言]：``, ``[Name says]: ``, ``[Name]: ``, in brackets of any
      kind, bold or not, of whomever takes part
    - ``名字: ``, ``名字：``, ``**名字**: ``, ``**名字:**``, of the speaker alone

    Nothing is taken from the middle of a text. But where a line begins with the bracketed head of
    another, the model speaks for that one, and the text ends before the line (`spoke_for` says for
    whom); not inside a code block. Held back is at most what may still become a head
    (`max_held` characters).

    Args:
        names: The speaker's names.
        others: The names of everybody else.
        cut: Whether a text ends where it goes on for another.

    Attributes:
        removed: How many heads were taken away.
        spoke_for: The name of the one it went on to speak for; None if it did not.
    """

    def __init__(
        self, names: str | Iterable[str], others: Iterable[str] = (), *, cut: bool = True
    ) -> None:
        own = (names,) if isinstance(names, str) else tuple(names)
        other = tuple(others)
        self.removed = 0
        self.spoke_for: str | None = None
        self._cut = cut
        self._starts = (_bracketed(other), _bracketed(own), _plain(own))
        self._lines = (_foreign(other, own),) if cut else ()
        self._held = ""
        self._at_start = True
        self._at_line = True
        self._in_code = False

    @property
    def max_held(self) -> int:
        """The most characters that are ever held back."""
        longest: int = max(tree.depth for tree in (*self._starts, *self._lines))
        return _SKIPPED + longest

    def feed(self, piece: str) -> str:
        """Take more of the reply.

        Args:
            piece: What arrived.

        Returns:
            What of it, and of what was held back, is certainly no head.
        """
        return self._advance(self._held + piece, final=False)

    def finish(self) -> str:
        """The reply is over.

        Returns:
            What was held back and is no head.
        """
        return self._advance(self._held, final=True)

    def _advance(self, text: str, *, final: bool) -> str:
        self._held = ""
        if self.spoke_for is not None:
            return ""
        at = 0
        while self._at_start:
            while self.removed and at < len(text) and text[at].isspace():
                at += 1
            if at == len(text):
                return ""
            end, _, open_end = _walk(self._starts, text, at)
            if open_end and not final:
                self._held = text[at:]
                return ""
            if end:
                self.removed += 1
                at = end
            else:
                self._at_start = False
        return self._body(text, at, final=final) if self._cut else text[at:]

    def _body(self, text: str, begin: int, *, final: bool) -> str:
        at = begin
        while at < len(text):
            if self._at_line:
                end, name, open_end = _walk(self._lines, text, at)
                if open_end and not final:
                    self._held = text[at:]
                    return text[begin:at]
                if end and name == _FENCE:
                    self._in_code = not self._in_code
                    at = end
                elif end and not self._in_code:
                    self.spoke_for = name
                    return text[begin:at]
                self._at_line = False
            newline = text.find("\n", at)
            if newline < 0:
                break
            self._at_line, at = True, newline + 1
        return text[begin:]


def strip_heads(text: str, names: str | Iterable[str], others: Iterable[str] = ()) -> str:
    """A reply without echoed heads, and without what it says for others.

    Args:
        text: The whole reply.
        names: The speaker's names.
        others: The names of everybody else.
    """
    stripper = HeadStripper(names, others)
    return stripper.feed(text) + stripper.finish()


# A tree of characters; the key "" of a node holds the name whose head is complete there.
_Node = dict[str, Any]


class _Tree:
    """The heads that count, character by character.

    Attributes:
        root: The first characters.
        depth: Characters of the longest head.
    """

    __slots__ = ("depth", "root")

    def __init__(self) -> None:
        self.root: _Node = {}
        self.depth = 0

    def add(self, name: str, *patterns: str) -> None:
        plain = name_key(name)
        if not plain:
            return
        for pattern in patterns:
            characters = pattern.replace("N", plain)
            node = self.root
            for character in characters:
                node = node.setdefault(character, {})
            node[""] = name
            self.depth = max(self.depth, len(characters))


@lru_cache(maxsize=256)
def _bracketed(names: tuple[str, ...]) -> _Tree:
    tree = _Tree()
    for name in names:
        for form in ("[N的发言]", "[Nsays]", "[Nsaid]"):
            bold = f"**{form}**"
            tree.add(name, form, f"{form}:", bold, f"{bold}:", f"**{form}:**")
        tree.add(name, "[N]:", "**[N]**:", "**[N]:**")
    return tree


@lru_cache(maxsize=1024)
def _plain(names: tuple[str, ...]) -> _Tree:
    tree = _Tree()
    for name in names:
        tree.add(name, "N:", "**N**:", "**N:**")
    return tree


@lru_cache(maxsize=1024)
def _foreign(others: tuple[str, ...], own: tuple[str, ...]) -> _Tree:
    tree = _Tree()
    mine = set(map(name_key, own))
    for name in others:
        if name_key(name) not in mine:
            tree.add(name, "[N的发言]", "[Nsays]:", "[Nsaid]:", "**[N的发言]", "**[Nsays]")
    node = tree.root
    for character in "```":
        node = node.setdefault(character, {})
    node[""] = _FENCE
    tree.depth = max(tree.depth, 3)
    return tree


def _walk(trees: Iterable[_Tree], text: str, at: int) -> tuple[int, str, bool]:
    """The longest head that begins at a place.

    Returns:
        Where it ends (0 if there is none), whose it is, and whether more text could make one or
        make it longer.
    """
    nodes = [tree.root for tree in trees]
    end, name, skipped = 0, "", 0
    for place in range(at, len(text)):
        normal = _normal(text[place])
        if not normal:
            skipped += 1
            if skipped > _SKIPPED:
                return end, name, False
            continue
        for character in normal:
            nodes = [found for node in nodes if (found := node.get(character)) is not None]
        if not nodes:
            return end, name, False
        for node in nodes:
            if "" in node:
                end, name = place + 1, node[""]
    # What is complete and cannot be longer waits for nothing.
    return end, name, any(len(node) > ("" in node) for node in nodes)


@lru_cache(maxsize=4096)
def _normal(character: str) -> str:
    """A character as heads are compared: no blanks, small, half-width, one kind of brackets."""
    if character.isspace() or _INVISIBLE.match(character):
        return ""
    if character in "【〔［「":
        return "["
    if character in "】〕］」":
        return "]"
    folded = unicodedata.normalize("NFKD", character).casefold()
    return "".join(folded.split()).replace("發", "发")
