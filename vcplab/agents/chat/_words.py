"""Words in texts of any script: folding, and where a word begins and ends. Private."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from vcplab.text.normalise import normalise

__all__ = ["contains", "ends_word", "fold", "is_spaceless", "is_spelled", "starts_word"]

# Scripts that set no spaces between words (or, Korean, glue particles to them): CJK, Thai, Lao,
# Myanmar, Khmer. No boundary can be asked of them.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3005-\u3007\u3021-\u3029\u3031-\u303c"
    "\u3041-\u30ff\u3105-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\uff66-\uffdc\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


def is_spaceless(character: str) -> bool:
    """Whether a character belongs to a script that sets no spaces between words."""
    return _SPACELESS.match(character) is not None


def is_spelled(character: str) -> bool:
    """Whether a character is part of a word in a script that sets spaces: letter, digit, mark."""
    if character < "\x80":
        return character.isalnum() or character == "_"
    return unicodedata.category(character)[0] in "LNM" and not is_spaceless(character)


def starts_word(text: str, at: int) -> bool:
    """Whether a word may begin at an offset: nothing spelled goes on across it."""
    return at == 0 or not (is_spelled(text[at]) and is_spelled(text[at - 1]))


def ends_word(text: str, at: int) -> bool:
    """Whether a word may end before an offset: nothing spelled goes on across it."""
    return at >= len(text) or not (is_spelled(text[at - 1]) and is_spelled(text[at]))


def fold(text: str) -> str:
    """A text without differences of case and width."""
    return text.lower() if text.isascii() else normalise(text, "NFKC", lowercase=False).casefold()


@lru_cache(maxsize=4096)
def _folded_term(term: str) -> str:
    return fold(term).strip()


def contains(folded: str, term: str) -> bool:
    """Whether a folded text has a term: as a word of its own where words have spaces.

    ``ai`` is no part of ``said``; ``大纲`` is part of ``文章大纲``.

    Args:
        folded: The text, from `fold`.
        term: The term, in any case.
    """
    term = _folded_term(term)
    if not term:
        return False
    at = folded.find(term)
    while at >= 0:
        if starts_word(folded, at) and ends_word(folded, at + len(term)):
            return True
        at = folded.find(term, at + 1)
    return False
