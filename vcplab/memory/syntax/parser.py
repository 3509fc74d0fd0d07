"""Text to tree, with errors that point at the character."""

from __future__ import annotations

import math

from vcplab.core.display.terminal import display_width
from vcplab.core.errors import InvalidInputError
from vcplab.memory.syntax.tree import (
    AnyOf,
    Boosted,
    Excluded,
    Item,
    Part,
    Phrase,
    QueryTree,
    Word,
)

__all__ = ["QuerySyntaxError", "parse"]

# Chinese input methods give the wide forms.
_NARROW = {
    "（": "(",
    "）": ")",
    "［": "[",
    "］": "]",
    "｛": "{",
    "｝": "}",
    "，": ",",
    "：": ":",
    "｜": "|",
    "＂": '"',
}
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_QUOTES = {'"': '"＂', "“": "”", "「": "」", "『": "』"}
_END = ""
# Characters of the text that an error shows on either side.
_SHOWN = 30


class QuerySyntaxError(InvalidInputError):
    """A query that is not of the language; ``details["position"]`` counts characters from 0."""

    def __init__(self, problem: str, source: str, position: int, next_step: str) -> None:
        first = max(0, position - _SHOWN)
        shown = source[first : position + _SHOWN].translate(_ONE_LINE)
        before = source[first:position].translate(_ONE_LINE)
        pointer = " " * display_width(before) + "^"
        super().__init__(
            f"{problem} (character {position + 1}).\n    {shown}\n    {pointer}",
            where="query",
            next_step=next_step,
            details={"position": position},
        )


# What would break the line that the pointer stands under.
_ONE_LINE = dict.fromkeys((*range(32), 127, 133, 8232, 8233), " ")


def parse(text: str) -> QueryTree:
    r"""Read a query.

    Parts stand apart by commas or spaces: ``word``, ``"phrase"``, ``(term:1.5)``, ``[excluded]``,
    ``{a|b:1.3}``; wide forms of all marks are the same, and ``\`` takes the next character as it
    is. Time is linear in the length, and brackets do not nest.

    Args:
        text: The query.

    Returns:
        The tree; an empty text has no parts.

    Raises:
        QuerySyntaxError: A bracket or quote without its partner, an empty one, a weight that is
            no number ≥ 0.
    """
    return _Reader(text).query()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def query(self) -> QueryTree:
        parts: list[Part] = []
        while True:
            self._skip(",")
            mark = self._mark()
            if mark == _END:
                return QueryTree(tuple(parts), self.text)
            if mark in _CLOSING:
                parts.append(self._bracket(mark))
            elif mark in _CLOSING.values():
                raise self._error(
                    f"A closing {mark!r} without an opening one",
                    self.at,
                    f"Remove it, or write \\{mark} for the character itself.",
                )
            else:
                parts.append(self._item("([{)]},"))

    def _bracket(self, opening: str) -> Part:
        begin = self.at
        self.at += 1
        closing = _CLOSING[opening]
        options: list[tuple[Item, ...]] = []
        items: list[Item] = []
        weight = 1.0
        separators = ":|" if opening == "{" else ":"
        while True:
            self._skip("," if opening != "{" else "")
            mark = self._mark()
            if mark == _END:
                raise self._error(
                    f"The {opening!r} is never closed",
                    begin,
                    f"Write {closing} where it ends, or \\{opening} for the character itself.",
                )
            if mark == closing:
                self._require(items, begin if not options else self.at, opening)
                break
            if mark == "|" and opening == "{":
                self._require(items, self.at, opening)
                options.append(tuple(items))
                items = []
                self.at += 1
            elif mark == ":":
                self._require(items, self.at, opening)
                weight = self._weight(closing)
                break
            elif mark in _CLOSING or mark in _CLOSING.values():
                raise self._error(
                    f"A {mark!r} inside {opening}{closing}",
                    self.at,
                    f"Brackets do not nest: close with {closing} first, or write \\{mark}.",
                )
            else:
                items.append(self._item("([{)]}," + separators))
        self.at += 1
        span = (begin, self.at)
        if opening == "{":
            return AnyOf((*options, tuple(items)), weight, span)
        if opening == "[":
            return Excluded(tuple(items), span)  # its weight means nothing, as upstream
        return Boosted(tuple(items), weight, span)

    def _weight(self, closing: str) -> float:
        self.at += 1
        begin = self.at
        while self._mark() not in (closing, _END):
            self.at += 1
        written = self.text[begin : self.at].strip()
        try:
            weight = float(written)
        except ValueError:
            weight = math.nan
        if self._mark() == _END or not (0 <= weight < math.inf):
            raise self._error(
                f"{written[:20]!r} is no weight",
                begin,
                "Write a number from 0 on, as in (term:1.5), or \\: for the character itself.",
            )
        return weight

    def _item(self, stops: str) -> Item:
        begin = self.at
        opening = self.text[begin]
        quote = _QUOTES.get(opening) or _QUOTES.get(_NARROW.get(opening, ""))
        if quote is not None:
            return self._phrase(begin, quote)
        letters: list[str] = []
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == "\\" and self.at + 1 < len(self.text):
                self.at += 1
                letters.append(self.text[self.at])
            elif letter.isspace() or self._mark() in stops or self._is_quote(letter):
                break
            else:
                letters.append(letter)
            self.at += 1
        return Word("".join(letters), (begin, self.at))

    def _phrase(self, begin: int, closing: str) -> Phrase:
        self.at += 1
        letters: list[str] = []
        while self.at < len(self.text):
            letter = self.text[self.at]
            self.at += 1
            if letter == "\\" and self.at < len(self.text):
                letters.append(self.text[self.at])
                self.at += 1
            elif letter in closing:
                if not "".join(letters).strip():
                    raise self._error("An empty phrase", begin, "Write the words, or remove it.")
                return Phrase("".join(letters), (begin, self.at))
            else:
                letters.append(letter)
        raise self._error(
            "The phrase is never closed",
            begin,
            f"Write {closing[0]} where it ends, or \\{self.text[begin]} for the character itself.",
        )

    def _mark(self) -> str:
        """The character at hand, wide marks as narrow ones; empty at the end."""
        if self.at >= len(self.text):
            return _END
        letter = self.text[self.at]
        return _NARROW.get(letter, letter)

    def _is_quote(self, letter: str) -> bool:
        return letter in _QUOTES or letter == "＂"

    def _skip(self, also: str) -> None:
        while self.at < len(self.text) and (
            self.text[self.at].isspace() or (also and self._mark() in also)
        ):
            self.at += 1

    def _require(self, items: list[Item], position: int, opening: str) -> None:
        if not items:
            raise self._error(
                f"Nothing stands in {opening}{_CLOSING[opening]}",
                position,
                "Write a word there, or remove the bracket.",
            )

    def _error(self, problem: str, position: int, next_step: str) -> QuerySyntaxError:
        return QuerySyntaxError(problem, self.text, position, next_step)
