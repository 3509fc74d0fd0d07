"""The marks of a configuration, compiled: how each is found, also where a text is cut."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from vcplab.protocol.requests.config import JS_SPACE, ParserConfig

__all__ = ["SPACE_CLASS", "Grammar", "Mark", "grammar_of"]

SPACE_CLASS = f"[{re.escape(JS_SPACE)}]"
_BLOCK_SHAPE = re.compile(r"<<<\[(?P<label>[^<>\[\]]+)\]>>>")
_VALUE_SHAPE = re.compile(r"「(?P<word>[^「」{}]+)」")
_FAR = sys.maxsize // 2
_ESCAPE = "[Ee][Ss][Cc][Aa][Pp][Ee]"
_FLAGS = re.IGNORECASE | re.ASCII  # JavaScript's /i does not fold K (the Kelvin sign) to k


class Mark(Protocol):
    """Something to look for in a text that arrives in pieces."""

    @property
    def longest(self) -> int:
        """The greatest number of characters that it takes."""
        ...

    def search(self, text: str, start: int, stop: int = _FAR) -> tuple[int, int] | None:
        """Its first place at or after ``start`` that begins before ``stop``."""
        ...

    def settled(self, text: str, end: int) -> bool:
        """Whether a place that ends at ``end`` stays the same when more text follows."""
        ...

    def hold(self, text: str, start: int) -> int:
        """Where the end of the text begins that may be the beginning of the mark."""
        ...


@dataclass(frozen=True, slots=True)
class _Exact:
    mark: str

    @property
    def longest(self) -> int:
        return len(self.mark)

    def search(self, text: str, start: int, stop: int = _FAR) -> tuple[int, int] | None:
        at = text.find(self.mark, start, stop + len(self.mark) - 1)
        return None if at < 0 else (at, at + len(self.mark))

    def settled(self, text: str, end: int) -> bool:
        return True

    def hold(self, text: str, start: int) -> int:
        at = text.find(self.mark[0], max(start, len(text) - len(self.mark) + 1))
        while at >= 0 and not self.mark.startswith(text[at:]):
            at = text.find(self.mark[0], at + 1)
        return len(text) if at < 0 else at


@dataclass(frozen=True, slots=True)
class _Pattern:
    pattern: re.Pattern[str]
    longest: int
    beginning: re.Pattern[str]
    # A character by which a match may still grow.
    grows_by: str = ""
    grows_to: int = 0

    def search(self, text: str, start: int, stop: int = _FAR) -> tuple[int, int] | None:
        found = self.pattern.search(text, start, stop + self.longest - 1)
        return None if found is None else found.span()

    def settled(self, text: str, end: int) -> bool:
        if not self.grows_by or end < len(text):
            return True
        return text.endswith(self.grows_by * self.grows_to)

    def hold(self, text: str, start: int) -> int:
        found = self.beginning.search(text, max(start, len(text) - self.longest))
        return len(text) if found is None else found.start()


@dataclass(frozen=True, slots=True)
class _Bracketed:
    """A pattern whose second part is a fixed word: ``str.find`` for that is many times faster."""

    pattern: re.Pattern[str]
    word: str
    longest: int
    # Characters of which one follows the word: they tell most places of a common word apart.
    then: str | None = None

    def search(self, text: str, start: int, stop: int = _FAR) -> tuple[int, int] | None:
        length = len(self.word)
        at = text.find(self.word, start + 1, stop)
        while at >= 0:
            # At the end of the text this is empty, which is in every text; the pattern decides.
            if self.then is None or text[at + length : at + length + 1] in self.then:
                found = self.pattern.match(text, at - 1)
                if found is not None:
                    return found.span()
            at = text.find(self.word, at + 1, stop)
        return None

    def settled(self, text: str, end: int) -> bool:
        return True

    def hold(self, text: str, start: int) -> int:
        return max(start, len(text) - self.longest + 1)


def _nested(tokens: list[str]) -> str:
    """``a(?:b(?:c)?)?``: every beginning of a sequence of tokens."""
    text = ""
    for token in reversed(tokens):
        text = f"(?:{token}{text})?"
    return text


def _block_mark(mark: str, fuzzy: bool) -> Mark:
    shape = _BLOCK_SHAPE.fullmatch(mark)
    if not fuzzy or shape is None:
        return _Exact(mark)
    label = shape["label"]
    inner = [re.escape(character) for character in label]
    # `<<<{0,2}` is `<{2,4}` in a form whose first two characters the search can jump to.
    pattern = re.compile(rf"<<<{{0,2}}\[{re.escape(label)}\]>{{2,4}}", _FLAGS)
    beginning = re.compile(
        rf"(?:<<<{{0,2}}{_nested([chr(92) + '[', *inner, chr(92) + ']', '>'])}|<)\Z", _FLAGS
    )
    return _Pattern(pattern, len(label) + 10, beginning, grows_by=">", grows_to=4)


def _escape_mark(word: str) -> Mark:
    pattern = rf"[「{{]{re.escape(word)}{_ESCAPE}[」}}]"
    return _Bracketed(re.compile(pattern), word, len(word) + 8, then="Ee")


@dataclass(frozen=True, slots=True)
class Grammar:
    """The compiled marks.

    Attributes:
        start: Opens a request.
        end: Closes it.
        escape_start: Opens an opaque value; None where there are none.
        escape_end: Closes it.
        field: What may stand between fields, then a key with the mark that opens its value; group
            1 is the key, group 2 the mark of an opaque value.
        value_end: Closes a value.
        restored: Pairs (escaped, plain) that are put back in an opaque value, in this order.
        longest: The greatest number of characters that any mark of a block takes.
    """

    start: Mark
    end: Mark
    escape_start: Mark | None
    escape_end: Mark | None
    field: re.Pattern[str]
    value_end: Mark
    restored: tuple[tuple[str, str], ...]

    @property
    def longest(self) -> int:
        """The greatest number of characters that any mark of a block takes."""
        marks = (self.start, self.end, self.escape_start, self.escape_end)
        return max(mark.longest for mark in marks if mark is not None)


@lru_cache(maxsize=32)
def grammar_of(config: ParserConfig) -> Grammar:
    """Compile a configuration.

    Args:
        config: Marks and rules.

    Returns:
        The grammar; the same configuration gives the same one.
    """
    first = _VALUE_SHAPE.fullmatch(config.param_start_marker)
    last = _VALUE_SHAPE.fullmatch(config.param_end_marker)
    escape = config.escape and first is not None and last is not None
    return Grammar(
        start=_block_mark(config.tool_request_start_marker, config.fuzzy),
        end=_block_mark(config.tool_request_end_marker, config.fuzzy),
        escape_start=_escape_mark(first["word"]) if escape and first else None,
        escape_end=_escape_mark(last["word"]) if escape and last else None,
        field=_field(config, first, escape=escape),
        value_end=_value_end(config, last),
        restored=_restored(config) if escape else (),
    )


def _value_pattern(word: str) -> str:
    # Case counts here, as it does upstream: 「末escape」 ends a plain value in fuzzy mode.
    return rf"[「{{]{re.escape(word)}(?!ESCAPE)[^\r\n「{{]*?[」}}]"


def _value_end(config: ParserConfig, shape: re.Match[str] | None) -> Mark:
    if not config.fuzzy or shape is None:
        return _Exact(config.param_end_marker)
    return _Bracketed(re.compile(_value_pattern(shape["word"])), shape["word"], 0)


def _field(config: ParserConfig, shape: re.Match[str] | None, *, escape: bool) -> re.Pattern[str]:
    lenient = config.fuzzy and shape is not None
    plain = (
        _value_pattern(shape["word"]) if lenient and shape else re.escape(config.param_start_marker)
    )
    opaque = rf"([「{{]{re.escape(shape['word'])}{_ESCAPE}[」}}])" if escape and shape else "((?!))"
    before = rf"[{re.escape(JS_SPACE)},]*"
    return re.compile(rf"{before}([A-Za-z0-9_]+){SPACE_CLASS}*:{SPACE_CLASS}*(?:{opaque}|{plain})")


def _restored(config: ParserConfig) -> tuple[tuple[str, str], ...]:
    pairs = []
    for mark in (config.tool_request_start_marker, config.tool_request_end_marker):
        shape = _BLOCK_SHAPE.fullmatch(mark)
        if shape is not None:
            pairs.append((f"<<<[{shape['label']}_ESCAPE]>>>", mark))
    for mark in (config.param_start_marker, config.param_end_marker):
        pairs.append((f"{mark[:-1]}ESCAPE{mark[-1]}", mark))
    return tuple(pairs)
