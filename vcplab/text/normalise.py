"""Unicode normalisation that remembers where every character came from.

NFKC turns full-width letters into half-width ones, composes accents and splits ligatures, so
offsets into the normalised text are not offsets into the original.  :func:`normalise_aligned`
keeps both ends of the source of every normalised character.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = ["Alignment", "Form", "normalise", "normalise_aligned"]

Form = Literal["NFKC", "NFC"]


def normalise(text: str, form: Form | None, *, lowercase: bool) -> str:
    """Normalise a text for matching.

    After ``form``, exactly as many characters remain: lower case is chosen so that it never changes
    the length (``İ`` becomes a plain ``i``, final sigma becomes ``σ``), and the typographic
    apostrophe becomes the plain one.

    Args:
        text: Any string, lone surrogates included.
        form: The Unicode normalisation form, or None for none.
        lowercase: Whether to lower-case.

    Returns:
        The normalised text.
    """
    if text.isascii():
        return text.lower() if lowercase else text
    if form is not None:
        text = unicodedata.normalize(form, text)
    if lowercase:
        text = text.replace("İ", "i").lower().replace("ς", "σ")
    return text.replace("\u2019", "'")


@dataclass(frozen=True, slots=True)
class Alignment:
    """A normalised text with the source of every character.

    Attributes:
        text: The normalised text.
        starts: For character ``i`` of ``text``, where its source begins in the original;
            None where both texts have the same offsets.
        ends: Where its source ends (exclusive); None likewise.
    """

    text: str
    starts: list[int] | None = None
    ends: list[int] | None = None

    def source(self, start: int, end: int) -> tuple[int, int]:
        """The original offsets of the non-empty slice ``text[start:end]``."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def normalise_aligned(text: str, form: Form | None, *, lowercase: bool) -> Alignment:
    """Like :func:`normalise`, with offsets back into the original.

    Characters that normalisation joins (a letter and its accent) or splits (a ligature) share one
    source, so a slice of the normalised text always maps to whole original characters.

    Args:
        text: Any string, lone surrogates included.
        form: The Unicode normalisation form, or None for none.
        lowercase: Whether to lower-case.

    Returns:
        The aligned text; its ``text`` equals ``normalise(...)`` of the same arguments.
    """
    normal = normalise(text, form, lowercase=lowercase)
    if form is None or text.isascii() or unicodedata.is_normalized(form, text):
        return Alignment(normal)
    starts: list[int] = []
    ends: list[int] = []
    for cluster in _clusters().finditer(text):
        width = len(unicodedata.normalize(form, cluster.group()))
        starts += [cluster.start()] * width
        ends += [cluster.end()] * width
    return Alignment(normal, starts, ends)


@lru_cache(maxsize=1)
def _clusters() -> re.Pattern[str]:
    """One character and everything after it that normalisation may join to it or reorder with it.

    Only the table of this interpreter's Unicode version knows which characters those are; reading
    it takes some hundredths of a second, hence on first use.
    """
    joining: list[tuple[int, int]] = []
    # Beyond the two first planes only private and Han characters follow, then the selectors.
    for code in (*range(0x80, 0x20000), *range(0xE0000, 0xE0200)):
        first = ord(unicodedata.normalize("NFKD", chr(code))[0])
        # Marks, and the Hangul vowels and finals that compose with the syllable before them.
        if unicodedata.category(chr(first))[0] == "M" or 0x1160 <= first <= 0x11FF:
            if joining and joining[-1][1] == code - 1:
                joining[-1] = (joining[-1][0], code)
            else:
                joining.append((code, code))
    members = "".join(f"{chr(low)}-{chr(high)}" for low, high in joining)
    return re.compile(f"(?s:.)[{members}]*")
