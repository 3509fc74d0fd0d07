"""Which language a text is mostly in, judged by its script.

The question asked of it is "may this embedder be trusted with this text?", so scripts suffice: an
English encoder is off-language on Chinese or Russian, and no script tells French from English.
Codes are those of ISO 639-1 for the largest language of each script (``"en"`` for Latin, ``"ru"``
for Cyrillic, ``"ar"`` for Arabic letters, ...), ``"mis"`` for any other script and ``"und"`` for a
text without letters.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["dominant_language", "dominant_languages", "is_covered", "language_shares"]

# (code, weight of one letter, ranges).  A weight says how many Latin letters carry about as much:
# an English word has some five letters where Chinese has 1.5 to 2 characters, Korean 2 to 2.5
# syllables and Japanese kana 3 to 4; so that "用GPT-4o写Python" counts as Chinese.
_SCRIPTS: tuple[tuple[str, int, tuple[tuple[int, int], ...]], ...] = (
    (
        "en",
        1,
        (
            (0x41, 0x5A),
            (0x61, 0x7A),
            (0xAA, 0xAA),
            (0xBA, 0xBA),
            (0xC0, 0x2AF),
            (0x1D00, 0x1DBF),
            (0x1E00, 0x1EFF),
            (0x2C60, 0x2C7F),
            (0xA720, 0xA7FF),
            (0xAB30, 0xAB6F),
            (0xFB00, 0xFB06),
            (0xFF21, 0xFF3A),
            (0xFF41, 0xFF5A),
            (0x1D400, 0x1D6A5),
        ),
    ),
    (
        "zh",
        3,
        (
            (0x3005, 0x3007),
            (0x3021, 0x3029),
            (0x3105, 0x312F),
            (0x31A0, 0x31BF),
            (0x3400, 0x4DBF),
            (0x4E00, 0x9FFF),
            (0xF900, 0xFAFF),
            (0x20000, 0x3FFFF),
        ),
    ),
    (
        "ja",
        2,
        (
            (0x3041, 0x309F),
            (0x30A1, 0x30FA),
            (0x30FC, 0x30FF),
            (0x31F0, 0x31FF),
            (0xFF66, 0xFF9F),
            (0x1B000, 0x1B16F),
        ),
    ),
    (
        "ko",
        2,
        ((0x1100, 0x11FF), (0x3131, 0x318E), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xFFA0, 0xFFDC)),
    ),
    ("ru", 1, ((0x400, 0x52F), (0x1C80, 0x1C8F), (0x2DE0, 0x2DFF), (0xA640, 0xA69F))),
    ("el", 1, ((0x370, 0x3FF), (0x1F00, 0x1FFF))),
    ("hy", 1, ((0x530, 0x58F), (0xFB13, 0xFB17))),
    ("he", 1, ((0x590, 0x5FF), (0xFB1D, 0xFB4F))),
    ("ar", 1, ((0x600, 0x6FF), (0x750, 0x77F), (0x870, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFE))),
    ("hi", 1, ((0x900, 0x97F), (0xA8E0, 0xA8FF))),
    ("bn", 1, ((0x980, 0x9FF),)),
    ("pa", 1, ((0xA00, 0xA7F),)),
    ("gu", 1, ((0xA80, 0xAFF),)),
    ("or", 1, ((0xB00, 0xB7F),)),
    ("ta", 1, ((0xB80, 0xBFF),)),
    ("te", 1, ((0xC00, 0xC7F),)),
    ("kn", 1, ((0xC80, 0xCFF),)),
    ("ml", 1, ((0xD00, 0xD7F),)),
    ("si", 1, ((0xD80, 0xDFF),)),
    ("th", 1, ((0xE00, 0xE7F),)),
    ("lo", 1, ((0xE80, 0xEFF),)),
    ("bo", 1, ((0xF00, 0xFFF),)),
    ("my", 1, ((0x1000, 0x109F), (0xAA60, 0xAA7F))),
    ("ka", 1, ((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2F))),
    ("am", 1, ((0x1200, 0x139F), (0x2D80, 0x2DDF))),
    ("km", 1, ((0x1780, 0x17FF),)),
    ("mn", 1, ((0x1800, 0x18AF),)),
)
_CODES = ("und", *(code for code, _, _ in _SCRIPTS), "mis")
_WEIGHTS = np.array([0, *(weight for _, weight, _ in _SCRIPTS), 1], dtype=np.int64)
_ZH, _JA = _CODES.index("zh"), _CODES.index("ja")

# Languages that share the script of a code above; whoever declares one of them reads that script.
_SCRIPT_OF = {
    "yue": "zh",
    "wuu": "zh",
    "lzh": "zh",
    "nan": "zh",
    "hak": "zh",
    "uk": "ru",
    "be": "ru",
    "bg": "ru",
    "sr": "ru",
    "mk": "ru",
    "kk": "ru",
    "ky": "ru",
    "tg": "ru",
    "tt": "ru",
    "ba": "ru",
    "fa": "ar",
    "ur": "ar",
    "ps": "ar",
    "ckb": "ar",
    "sd": "ar",
    "ug": "ar",
    "mr": "hi",
    "ne": "hi",
    "sa": "hi",
    "kok": "hi",
    "as": "bn",
    "yi": "he",
    "ti": "am",
}

# An address says nothing about the language around it, and outweighs a short Chinese sentence.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}://[!-~]+")

_ASCII_LETTER = re.compile("[A-Za-z]")


def dominant_language(text: str) -> str:
    """The code of the language that carries most of a text.

    Letters are counted per script and weighted: one Han character counts as three Latin letters,
    one kana or Hangul syllable as two.  Han characters count as Japanese where at least one in
    five of the Han and kana characters is kana.  Web addresses are left out.  Ties go to the
    script that is named first in this module.

    Args:
        text: Any string.

    Returns:
        ``"zh"``, ``"ja"``, ``"ko"``, ``"en"`` (any Latin script), ``"ru"`` (any Cyrillic), ...;
        ``"mis"`` for a script without a code here, ``"und"`` for a text without letters.
    """
    return dominant_languages([text])[0]


def dominant_languages(texts: Sequence[str]) -> list[str]:
    """:func:`dominant_language` of every text; faster than one call each.

    Args:
        texts: The texts.

    Returns:
        As many codes, in order.
    """
    codes: list[str] = []
    for text in texts:
        if text.isascii():
            codes.append("en" if _ASCII_LETTER.search(text) else "und")
        else:
            weights = _weights(text)
            best = int(weights.argmax())
            codes.append(_CODES[best] if weights[best] else "und")
    return codes


def language_shares(text: str) -> dict[str, float]:
    """How much of a text is in which language, by the weights of :func:`dominant_language`.

    Args:
        text: Any string.

    Returns:
        Code → share, largest first, summing to 1; empty for a text without letters.
    """
    weights = _weights(text)
    total = int(weights.sum())
    order = sorted(np.flatnonzero(weights).tolist(), key=lambda index: -weights[index])
    return {_CODES[index]: float(weights[index]) / total for index in order}


def is_covered(code: str, languages: Collection[str] | None) -> bool:
    """Whether a model that declares ``languages`` can be trusted with a text of this code.

    Args:
        code: What :func:`dominant_language` returned.
        languages: The model's declared codes (``{"en"}``, ``{"zh-Hans", "fr"}``); None means any.

    Returns:
        True for a declared language or another one of the same script, and for texts without
        letters, on which no language is better than another.
    """
    if languages is None or code == "und":
        return True
    return any(_script(language) == code for language in languages)


def _script(language: str) -> str:
    primary = language.lower().replace("_", "-").split("-")[0]
    if primary in _SCRIPT_OF:
        return _SCRIPT_OF[primary]
    # Whatever has no script of its own in the table is written in Latin letters.
    return primary if primary in _CODES else "en"


def _weights(text: str) -> NDArray[np.int64]:
    """Weighted letters per index of ``_CODES``."""
    if "://" in text:
        text = _ADDRESS.sub(" ", text)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    table = _table()
    counts = np.bincount(table[np.minimum(points, len(table) - 1)], minlength=len(_CODES))
    weights = counts * _WEIGHTS
    if counts[_JA] and counts[_JA] * 5 >= counts[_JA] + counts[_ZH]:
        weights[_JA] += weights[_ZH]
        weights[_ZH] = 0
    return weights


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint8]:
    """Index into ``_CODES`` for every code point; the last entry stands for all beyond."""
    size = 0x40000
    letters = np.fromiter((chr(code).isalpha() for code in range(size)), dtype=bool, count=size)
    table = np.where(letters, len(_CODES) - 1, 0).astype(np.uint8)
    for index, (_, _, ranges) in enumerate(_SCRIPTS, start=1):
        for low, high in ranges:
            block = slice(low, high + 1)
            table[block] = np.where(letters[block], index, 0)
    # Numerals of Han script and its iteration mark are letters in Chinese, whatever Unicode says.
    table[[0x3005, 0x3006, 0x3007]] = _CODES.index("zh")
    table[-1] = 0
    return table
