"""Words with their kinds: Chinese by jieba's dictionary, everything else by its letters."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from vcplab.text._runs import _HAN, CJK, _segmenter

__all__ = ["Word", "tagged_words"]

_PIECES: Final = re.compile(
    rf"(?P<han>[{_HAN}]+)"
    # C++, C#, Node.js, GPT-4o, don't; a full stop inside only before a letter or digit.
    rf"|(?P<latin>[^\W_{CJK}]+(?:[-.'’_&][^\W_{CJK}]+)*(?:\+\+|\#)?)"
    r"|(?P<katakana>[\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f]+)"
    r"|(?P<hangul>[\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff\uffa0-\uffdc]+)"
    rf"|(?P<cjk>[{CJK}])"
)


class Word(NamedTuple):
    """A word of a text.

    Attributes:
        text: The word as it stands.
        tag: jieba's part of speech for Chinese (``n``, ``v``, ``vn``, …), ``latin`` for words of
            letters and digits, ``katakana`` and ``hangul`` for their runs, ``cjk`` for single
            characters of other CJK scripts.
        start: Offset of its first character.
        end: Offset after its last character.
    """

    text: str
    tag: str
    start: int
    end: int


def tagged_words(text: str) -> list[Word]:
    """The words of a text, without punctuation.

    The dictionary decides alone (no hidden Markov model), so the same text gives the same words
    on every machine.

    Args:
        text: The text.

    Raises:
        MissingDependencyError: rjieba is not installed, and the text is Chinese.
    """
    found: list[Word] = []
    for match in _PIECES.finditer(text):
        if match["han"] is None:
            assert match.lastgroup is not None
            found.append(Word(match.group(), match.lastgroup, *match.span()))
            continue
        at = match.start()
        for word, tag in _segmenter().tag(match.group(), False):
            found.append(Word(word, tag, at, at + len(word)))
            at += len(word)
    return found
