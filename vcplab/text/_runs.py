"""How a run of CJK characters is cut into terms. Private: see `vcplab.text.analysis`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import add
from typing import Any

from vcplab.core.errors import MissingDependencyError

__all__ = [
    "CJK",
    "IS_CJK",
    "bigram_spans",
    "bigrams",
    "is_run",
    "single_spans",
    "word_and_bigram_spans",
    "word_spans",
]

# Han with its iteration marks and numerals, kana, bopomofo, Hangul, and the supplementary planes
# of Han; half-width kana and jamo only matter where nothing is normalised.
CJK = (
    "\u3005-\u3007\u3021-\u3029\u3038-\u303c\u3041-\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7a3\ud7b0-\ud7ff\uff66-\uff9f\uffa0-\uffdc"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_HAN = (
    "\u3005-\u3007\u3021-\u3029\u3038-\u303c\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
# Han begins here at the earliest; nearly every other word is decided by this comparison alone.
_FIRST_CJK = "\u1100"

IS_CJK = re.compile(f"[{CJK}]")
_HAN_RUNS = re.compile(f"([{_HAN}]+)|[^{_HAN}]+")


def is_run(piece: str) -> bool:
    """Whether a piece of a text is a CJK run (pieces are of one kind throughout)."""
    return piece[0] >= _FIRST_CJK and IS_CJK.match(piece) is not None


def bigrams(run: str) -> Iterable[str]:
    """The overlapping pairs of a run."""
    return map(add, run, run[1:])


def single_spans(run: str) -> Iterator[tuple[str, int, int]]:
    """The characters with their offsets."""
    return ((character, at, at + 1) for at, character in enumerate(run))


def bigram_spans(run: str) -> Iterator[tuple[str, int, int]]:
    """The overlapping pairs with their offsets."""
    return ((run[at : at + 2], at, at + 2) for at in range(len(run) - 1))


def word_and_bigram_spans(run: str) -> Iterator[tuple[str, int, int]]:
    """The pairs, then the words of three or more characters, with their offsets."""
    yield from bigram_spans(run)
    for word in word_spans(run):
        if len(word[0]) > 2:
            yield word


def word_spans(run: str) -> Iterator[tuple[str, int, int]]:
    """Search-mode words of the Han parts; kana and Hangul, which jieba does not know, in pairs."""
    for match in _HAN_RUNS.finditer(run):
        part, offset = match.group(), match.start()
        if match[1] is None:
            pairs = bigram_spans(part) if len(part) > 1 else single_spans(part)
            yield from ((term, offset + start, offset + end) for term, start, end in pairs)
            continue
        for term, start, end in _segmenter().tokenize(part, "search", False):
            yield term, offset + start, offset + end


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    try:
        import rjieba
    except ImportError as error:
        raise MissingDependencyError(
            "Chinese words need the package rjieba.",
            where='Analyzer(cjk="words")',
            next_step='Run "pip install rjieba", or use cjk="bigrams", which needs nothing.',
        ) from error
    return rjieba.Jieba()
