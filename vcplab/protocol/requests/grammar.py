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
class _Fuzzy:
    """A mark of a block in angle brackets, of which there may be more or fewer."""

    pattern: re.Pattern[str]
    longest: int
    beginning: re.Pattern[str]

    def search(self, text: str, start: int, stop: int = _FAR) -> tuple[int, int] | None:
        at = text.find("<<", start, stop + 1)
        while at >= 0:
            found = self.pattern.match(text, at)
            if found is not None:
                return found.span()
            at = text.find("<<", at + 1, stop + 1)
        return None

    def settled(self, text: str, end: int) -> bool:
        # One more ">" would belong to it, up to four.
        return end < len(text) or text.endswith(">>>>")

    def hold(self, text: str, start: int) -> int:
        at = text.find("<", max(start, len(text) - self.longest))
        found = None if at < 0 else self.beginning.search(text, at)
        return len(text) if found is None else found.start()


@dataclass(frozen=True, slots=True)
class _Bracketed:
    """A mark in brackets of two kinds; ``str.find`` for its word is faster than the pattern."""

    pattern: re.Pattern[str]
    usual: str
    word: str
    longest: int
    # Whether only "E" or "e" may follow the word: that tells most places of a common word apart.
    escape: bool = False

    def search(self, text: str, start: int, stop: int = _FAR) -> tuple[int, int] | None:
        at = text.find(self.word, start + 1, stop)
        after = len(self.word)
        while at >= 0:
            if text.startswith(self.usual, at - 1):
                return at - 1, at - 1 + len(self.usual)
            # At the end of the text the slice is empty, which is in every text.
            if not self.escape or text[at + after : at + after + 1] in "Ee":
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
    pattern = re.compile(rf"<{{2,4}}\[{re.escape(label)}\]>{{2,4}}", _FLAGS)
    tokens = [r"\[", *inner, r"\]", ">"]
    beginning = re.compile(rf"(?:<{{2,4}}{_nested(tokens)}|<)\Z", _FLAGS)
    return _Fuzzy(pattern, len(label) + 10, beginning)


def _escape_mark(word: str) -> _Bracketed:
    pattern = re.compile(rf"[「{{]{re.escape(word)}{_ESCAPE}[」}}]")
    return _Bracketed(pattern, f"「{word}ESCAPE」", word, len(word) + 8, escape=True)


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
        variants: After them, of each such mark the first in another spelling: (mark, a word that
            is in it, plain).
        longest: The greatest number of characters that any mark of a block takes.
    """

    start: Mark
    end: Mark
    escape_start: Mark | None
    escape_end: Mark | None
    field: re.Pattern[str]
    value_end: Mark
    restored: tuple[tuple[str, str], ...]
    variants: tuple[tuple[Mark, str, str], ...]

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
    starts = _escape_mark(first["word"]) if escape and first else None
    ends = _escape_mark(last["word"]) if escape and last else None
    variants: list[tuple[Mark, str, str]] = []
    if starts is not None and ends is not None:
        variants.append((starts, starts.word, config.param_start_marker))
        variants.append((ends, ends.word, config.param_end_marker))
    return Grammar(
        start=_block_mark(config.tool_request_start_marker, config.fuzzy),
        end=_block_mark(config.tool_request_end_marker, config.fuzzy),
        escape_start=starts,
        escape_end=ends,
        field=_field(config, first, escape=escape),
        value_end=_value_end(config, last),
        restored=_restored(config) if escape else (),
        variants=tuple(variants),
    )


def _value_pattern(word: str) -> str:
    # Case counts here, as it does upstream: 「末escape」 ends a plain value in fuzzy mode.
    return rf"[「{{]{re.escape(word)}(?!ESCAPE)[^\r\n「{{]*?[」}}]"


def _value_end(config: ParserConfig, shape: re.Match[str] | None) -> Mark:
    if not config.fuzzy or shape is None:
        return _Exact(config.param_end_marker)
    pattern = re.compile(_value_pattern(shape["word"]))
    return _Bracketed(pattern, config.param_end_marker, shape["word"], 0)


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
