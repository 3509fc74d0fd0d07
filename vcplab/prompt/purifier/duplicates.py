"""Paragraphs that say again what an earlier one says.

Pairs that may be alike come from the MinHash index of datasketch; whether they are is then counted,
so nothing is removed on an estimate.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from vcplab.core.errors import MissingDependencyError
from vcplab.prompt.purifier._text import INVISIBLE, LINE, SPACES
from vcplab.prompt.purifier.offsets import Edit
from vcplab.prompt.purifier.protect import Protected
from vcplab.text.numerals import find_numbers

__all__ = ["duplicate_edits"]

_SHINGLE: Final = 3
_PERMUTATIONS: Final = 128
# A missed pair cannot be mended, a false one is counted and dropped.
_WEIGHTS: Final = (0.05, 0.95)
# Shorter paragraphs (headings, rules, "Yes.") are repeated on purpose. Wide characters count twice.
_LEAST_WEIGHT: Final = 20

_NOT_BLANK: Final = re.compile(rf"[^{SPACES}{INVISIBLE}]")
_IGNORED: Final = re.compile(r"[\W_]+")
# With its sign, where it is no hyphen, and its point.
_DIGITS: Final = re.compile(r"(?:(?<![\w)])[-−])?\d+(?:[.,]\d+)*")
_LONG: Final = re.compile(r"\d{16,}")
_NUMERAL: Final = re.compile(
    "[〇零一二三四五六七八九十百千万萬亿億两兩廿卅半壹贰叁肆伍陆柒捌玖拾佰仟]"
)
_NEGATION: Final = re.compile(
    r"[不没沒无無未非别勿莫]|\b(?:no|not|never|none|nor|neither|without|cannot|nothing)\b|n['’]t\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Paragraph:
    start: int
    end: int
    text: str
    squeezed: str
    code: tuple[str, ...]

    @property
    def shingles(self) -> frozenset[str]:
        count = max(1, len(self.squeezed) - _SHINGLE + 1)
        return frozenset(self.squeezed[at : at + _SHINGLE] for at in range(count))

    @property
    def facts(self) -> tuple[object, ...]:
        """What must agree however alike two paragraphs are: numbers, negations, code, brackets."""
        plain = unicodedata.normalize("NFKC", self.text)
        values: tuple[object, ...] = ()
        if _NUMERAL.search(plain):
            # Long runs of digits are compared as they are, below.
            short = _LONG.sub("#", self.text)
            values = tuple(number.value for number in find_numbers(short))
        return (
            tuple(_DIGITS.findall(plain)),
            values,
            len(_NEGATION.findall(plain)),
            self.code,
        )


def duplicate_edits(
    text: str, protected: Sequence[Protected], threshold: float
) -> tuple[list[Edit], int]:
    """Remove later paragraphs that are like an earlier one.

    Paragraphs are parted by blank lines. Compared are their letters and digits, without case, in
    runs of three characters. A paragraph with a fence or a block of the protocol stays always.

    Args:
        text: The text.
        protected: What stays as it is.
        threshold: The least share of runs in common (Dice); at 1 the letters and digits must be
            the same.

    Returns:
        The edits, and how many paragraphs they remove.

    Raises:
        MissingDependencyError: datasketch is not installed, and there is something to compare.
    """
    every = list(_paragraphs(text, protected))
    removed = _repeated([one for one in every if isinstance(one, _Paragraph)], threshold)
    edits: list[Edit] = []
    last_kept = 0
    for place, one in enumerate(every):
        start, end = one[:2] if isinstance(one, tuple) else (one.start, one.end)
        if start not in removed:
            last_kept = end
        elif place + 1 < len(every):
            following = every[place + 1]
            until = following[0] if isinstance(following, tuple) else following.start
            edits.append(Edit(start, until, ""))
        else:
            # The last paragraph goes with the blank line before it, or with those before it.
            while edits and edits[-1].start >= last_kept:
                edits.pop()
            edits.append(Edit(last_kept, end, ""))
    return edits, len(removed)


def _paragraphs(
    text: str, protected: Sequence[Protected]
) -> Iterator[_Paragraph | tuple[int, int]]:
    """The paragraphs; those that cannot be removed by their offsets alone."""
    starts = [span.start for span in protected]
    ends = [span.end for span in protected]
    begun: int | None = None
    end = line = 0
    for stop, following in _line_ends(text):
        covered = bisect_left(ends, line + 1) < bisect_left(starts, max(stop, line + 1))
        if covered or _NOT_BLANK.search(text, line, stop):
            begun = line if begun is None else begun
            end = stop
        elif begun is not None:
            yield _paragraph(text, begun, end, protected, starts, ends)
            begun = None
        line = following
    if begun is not None:
        yield _paragraph(text, begun, end, protected, starts, ends)


def _line_ends(text: str) -> Iterator[tuple[int, int]]:
    for match in LINE.finditer(text):
        yield match.span()
    yield len(text), len(text)


def _paragraph(
    text: str,
    start: int,
    end: int,
    protected: Sequence[Protected],
    starts: list[int],
    ends: list[int],
) -> _Paragraph | tuple[int, int]:
    inside = protected[bisect_left(ends, start + 1) : bisect_left(starts, end)]
    if any(span.kind in ("fence", "block") for span in inside):
        return start, end
    own = text[start:end]
    folded = unicodedata.normalize("NFKC", own).casefold()
    squeezed = _IGNORED.sub("", folded)
    wide = sum(char >= "\u2e80" for char in squeezed)
    if len(squeezed) + wide < _LEAST_WEIGHT:
        return start, end
    code = tuple(text[span.start : span.end] for span in inside)
    return _Paragraph(start, end, own, squeezed, code)


def _repeated(paragraphs: list[_Paragraph], threshold: float) -> set[int]:
    """Where the paragraphs start that are like an earlier one that stays."""
    removed: set[int] = set()
    # Only those that agree in their facts are compared: rows of a table differ in little else.
    groups: dict[tuple[object, ...], dict[str, _Paragraph]] = {}
    for one in paragraphs:
        group = groups.setdefault(one.facts, {})
        if one.squeezed in group:
            removed.add(one.start)
        else:
            group[one.squeezed] = one
    if threshold < 1:
        for group in groups.values():
            if len(group) > 1:
                removed |= _alike(list(group.values()), threshold)
    return removed


def _alike(paragraphs: list[_Paragraph], threshold: float) -> set[int]:
    minhash, lsh_class = _datasketch()
    index = lsh_class(num_perm=_PERMUTATIONS, params=_bands(threshold))
    blank = minhash(num_perm=_PERMUTATIONS, hashfunc=zlib.crc32)
    removed: set[int] = set()
    kept: dict[int, frozenset[str]] = {}
    for number, one in enumerate(paragraphs):
        shingles = one.shingles
        sketch = blank.copy()
        sketch.update_batch([piece.encode("utf-8", "surrogatepass") for piece in sorted(shingles)])
        for others in (kept[key] for key in sorted(index.query(sketch))):
            if 2 * len(shingles & others) >= threshold * (len(shingles) + len(others)):
                removed.add(one.start)
                break
        else:
            index.insert(number, sketch, check_duplication=False)
            kept[number] = shingles
    return removed


@lru_cache(maxsize=16)
def _bands(threshold: float) -> tuple[int, int]:
    """How the index cuts its sketches, which takes some time to find out."""
    _, lsh_class = _datasketch()
    # Dice as Jaccard, which is what MinHash estimates.
    jaccard = threshold / (2 - threshold)
    index = lsh_class(threshold=jaccard, num_perm=_PERMUTATIONS, weights=_WEIGHTS)
    return index.b, index.r


def _datasketch() -> tuple[Any, Any]:
    try:
        from datasketch.lsh import MinHashLSH
        from datasketch.minhash import MinHash
    except ImportError as error:
        raise MissingDependencyError(
            "Near-duplicate paragraphs are found by the package datasketch.",
            where="remove_duplicates",
            next_step='Run "pip install datasketch", or set duplicate_threshold=1.',
        ) from error
    return MinHash, MinHashLSH
