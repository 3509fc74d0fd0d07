"""Text to tree, with errors that point at the character; or, leniently, without errors."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from vcplab.core.errors import InvalidInputError
from vcplab.memory.syntax.errors import QuerySyntaxError
from vcplab.memory.syntax.tree import (
    ESCAPABLE,
    MAX_WEIGHT,
    AnyOf,
    Boosted,
    Excluded,
    Item,
    Part,
    Phrase,
    QueryTree,
    Word,
)

__all__ = ["parse"]

# Chinese input methods give the wide forms.
_NARROW = str.maketrans("（）［］｛｝，：｜＂", '()[]{},:|"')
_CLOSING = {"(": ")", "[": "]", "{": "}"}
# What ends a phrase, by what begins it. Input methods mix up “ and ”.
_QUOTES = {'"': '"＂', "＂": '"＂', "“": "”“", "”": "”“", "「": "」", "『": "』"}

_SPECIAL = re.escape(ESCAPABLE)
# Outside of brackets colons and bars are text.
_SPECIAL_OUTSIDE = re.escape(re.sub("[:：|｜]", "", ESCAPABLE))
_GAP = re.compile(r"[\s,，]+")
# A backslash that has nothing to escape is text: of a path, or a formula.
_INSIDE = re.compile(rf"(?:[^\s{_SPECIAL}]+|\\[\s{_SPECIAL}]?)++")
_OUTSIDE = re.compile(rf"(?:[^\s{_SPECIAL_OUTSIDE}]+|\\[\s{_SPECIAL}]?)++")
_ESCAPE = re.compile(rf"\\([\s{_SPECIAL}])")
_QUOTED = {ends: re.compile(rf"(?:[^\\{ends}]+|\\.)*+", re.DOTALL) for ends in _QUOTES.values()}
_WEIGHT = re.compile(rf"\s*([^\s{_SPECIAL}]*)\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER = 40
_MAX_NOTICES = 10


def parse(text: str, *, lenient: bool = False) -> QueryTree:
    r"""Read a query.

    Parts stand apart by commas or spaces: ``word``, ``"phrase"``, ``(term:1.5)``, ``[excluded]``,
    ``{a|b:1.3}``. The wide forms of all marks mean the same, and a backslash takes a mark as text.
    Brackets do not nest. Takes time linear in the length.

    Args:
        text: The query.
        lenient: Never fail: what does not parse is taken as plain text, with a notice in the tree.

    Returns:
        The tree; an empty text has no parts.

    Raises:
        InvalidInputError: ``text`` is no text.
        QuerySyntaxError: A bracket or quote without its partner, an empty or misplaced one, or
            something else than a number as weight. Not if ``lenient``.
    """
    if not isinstance(text, str):
        raise InvalidInputError(
            f"A query is a text, not {type(text).__name__}.",
            where="query",
            next_step='Give a str, such as "memory (vector:1.5)".',
        )
    return _Reader(text, lenient).query()


class _Problem(Exception):
    """What is wrong at one place; ``resume`` is where plain reading may go on."""

    def __init__(
        self, problem: str, position: int, expected: str, next_step: str, resume: int = 0
    ) -> None:
        self.problem = problem
        self.position = position
        self.expected = expected
        self.next_step = next_step
        self.resume = resume


class _Reader:
    def __init__(self, text: str, lenient: bool) -> None:
        self.text = text
        self.lenient = lenient
        self.at = 0
        self._parts: list[Part] = []
        self._notices: list[str] = []
        self._unreported = 0
        # Closing quotes that do not come any more: looked for once, so that time stays linear.
        self._exhausted: set[str] = set()
        # Opening brackets that were taken as text: their partners are text without a notice.
        self._taken: Counter[str] = Counter()

    def query(self) -> QueryTree:
        text, letters, begin = self.text, list[str](), 0

        def end_word(at: int) -> None:
            if letters:
                self._parts.append(Word("".join(letters), (begin, at)))
                letters.clear()

        while self.at < len(text):
            start = self.at
            if self._skip():
                end_word(start)
                continue
            if not letters:
                begin = start
            if found := self._letters(_OUTSIDE):
                letters.append(found)
                continue
            try:
                part = self._marked()
            except _Problem as problem:
                if not self.lenient:
                    raise self._error(problem) from None
                self._take(problem, start)
                letters.append(text[start : self.at])
            else:
                end_word(start)
                self._parts.append(part)
        end_word(len(text))
        if self._unreported:
            self._notices.append(f"{self._unreported} more problems of the query are not listed.")
        return QueryTree(tuple(self._parts), text, tuple(self._notices), self.lenient)

    # Parts: each begins at self.at and leaves self.at behind its end.

    def _marked(self) -> Part:
        mark = self._mark()
        if mark in _QUOTES:
            return self._phrase()
        if mark in _CLOSING:
            return self._bracket(mark)
        raise _Problem(
            f"A closing {mark} without an opening one",
            self.at,
            "a word, a phrase or an opening bracket",
            f"Remove it, or write \\{mark} for the character itself.",
        )

    def _phrase(self) -> Phrase:
        start, text = self.at, self.text
        ends = _QUOTES[text[start]]
        stop = len(text)
        if ends not in self._exhausted:
            found = _QUOTED[ends].match(text, start + 1)
            stop = found.end() if found else stop
        if stop >= len(text) or text[stop] not in ends:
            self._exhausted.add(ends)
            raise _Problem(
                "The phrase is never closed",
                start,
                ends[0],
                f"Write {ends[0]} where it ends, or \\{text[start]} for the character itself.",
            )
        words = _ESCAPE.sub(r"\1", text[start + 1 : stop])
        self.at = stop + 1
        if not words.strip():
            raise _Problem(
                "An empty phrase",
                start,
                "words between the quotes",
                "Write the words, or remove it.",
                resume=self.at,
            )
        return Phrase(words, (start, self.at))

    def _bracket(self, opening: str) -> Boosted | AnyOf | Excluded:
        start, closing = self.at, _CLOSING[opening]
        self.at += 1
        options: list[tuple[Item, ...]] = []
        items: list[Item] = []
        weight: float | None = None
        while True:
            self._skip()
            begin = self.at
            if found := self._letters(_INSIDE):
                items.append(Word(found, (begin, self.at)))
                continue
            mark = self._mark()
            if mark in _QUOTES:
                items.append(self._phrase())
                continue
            if mark not in (closing, ":") and (mark != "|" or opening != "{"):
                raise self._misplaced(mark, opening, start)
            if not items:
                raise self._nothing(opening, start if mark == closing and not options else begin)
            options.append(tuple(items))
            if mark != "|":
                break
            items = []
            self.at += 1
        if mark == ":":
            weight = self._weight(opening)
        self.at += 1
        span = (start, self.at)
        if opening == "{":
            return AnyOf(tuple(options), 1.0 if weight is None else weight, span)
        if opening == "(":
            return Boosted(tuple(items), 1.0 if weight is None else weight, span)
        if weight is not None:
            self._note(f"An exclusion has no weight (character {start + 1}): it is ignored.")
        return Excluded(tuple(items), span)

    def _weight(self, opening: str) -> float:
        closing = _CLOSING[opening]
        found = _WEIGHT.match(self.text, self.at + 1)
        assert found is not None
        value = _number(found[1])
        problem, expected = f"{_shown(found[1])} is no weight", "a number from 0 on"
        self.at = found.start(1)
        step = f"Write a number, as in {opening}term:1.5{closing}, or \\: for a colon of the text."
        if value is not None and value < 0:
            step = "Write [term] to leave out what has a term; weights begin at 0."
        elif value is not None and value > MAX_WEIGHT:
            problem += f": it is beyond {MAX_WEIGHT:g}"
        elif value is not None:
            after = self.text[found.end() : found.end() + 1]
            if after.translate(_NARROW) == closing:
                self.at = found.end()
                return value
            expected = closing
            problem += f" as long as {closing} is missing behind it"
            if after in ("|", "｜"):
                self.at = found.end()
                problem = "The weight of { } stands behind the last alternative"
                step = "Write {a|b:1.3}; or (a:0.5) (b:1.3), if each has a weight of its own."
        raise _Problem(problem, self.at, expected, step)

    # Small things

    def _letters(self, run: re.Pattern[str]) -> str:
        """Text up to the next mark or space, without escapes; possibly none."""
        found = run.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        letters = found.group()
        return _ESCAPE.sub(r"\1", letters) if "\\" in letters else letters

    def _mark(self) -> str:
        """The character at hand, wide marks as narrow ones; empty at the end."""
        return self.text[self.at : self.at + 1].translate(_NARROW)

    def _skip(self) -> bool:
        """Go on behind spaces and commas."""
        found = _GAP.match(self.text, self.at)
        if found is None:
            return False
        self.at = found.end()
        return True

    def _nothing(self, opening: str, position: int) -> _Problem:
        whole = self.text[position].translate(_NARROW) == opening
        return _Problem(
            f"Nothing stands in {opening}{_CLOSING[opening]}"
            + ("" if whole else " before this place"),
            position,
            "a word or a phrase",
            f"Write a word there, or remove it; \\{opening} is the character itself.",
            resume=self.at + 1 if whole else 0,
        )

    def _misplaced(self, mark: str, opening: str, start: int) -> _Problem:
        closing = _CLOSING[opening]
        if not mark:
            return _Problem(
                f"The {opening} is never closed",
                start,
                closing,
                f"Write {closing} where it ends, or \\{opening} for the character itself.",
            )
        if mark == "|":
            step = "Write {a|b:1.5} for alternatives, or \\| for the character itself."
        elif mark in _CLOSING:
            step = f"Brackets do not nest: {_INSTEAD[opening]}, or \\{mark} for the character."
        else:
            step = f"Write {closing} first, or \\{mark} for the character itself."
        return _Problem(f"A {mark} inside {opening}{closing}", self.at, closing, step)

    # Problems

    def _take(self, problem: _Problem, start: int) -> None:
        """Take the mark at ``start`` as text and go on behind it."""
        self.at = problem.resume or start + 1
        mark = self.text[start].translate(_NARROW)
        if mark in _CLOSING:
            if not problem.resume:
                self._taken[_CLOSING[mark]] += 1
        elif self._taken[mark]:
            self._taken[mark] -= 1
            return
        self._note(f"{problem.problem} (character {problem.position + 1}): taken as plain text.")

    def _note(self, notice: str) -> None:
        if len(self._notices) < _MAX_NOTICES:
            self._notices.append(notice)
        else:
            self._unreported += 1

    def _error(self, problem: _Problem) -> QuerySyntaxError:
        return QuerySyntaxError.at(
            problem.problem,
            self.text,
            problem.position,
            expected=problem.expected,
            next_step=problem.next_step,
        )


# What to write instead of a bracket inside another.
_INSTEAD = {
    "(": "write (a:1.5) (b:0.5) for several weights",
    "[": "write [a] [b], or [a b], to leave out each",
    "{": "write (a:0.5) (b:1.3) if each has a weight of its own",
}


def _number(written: str) -> float | None:
    """The value of a decimal number, wide digits included; None for anything else."""
    if len(written) > _LONGEST_NUMBER:
        return None
    narrow = unicodedata.normalize("NFKC", written)
    return float(narrow) if _NUMBER.fullmatch(narrow) else None


def _shown(written: str) -> str:
    return ascii(written[:20]) if not written.isprintable() else repr(written[:20])
