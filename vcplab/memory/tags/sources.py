"""Where the tags of a document come from: its tag line, or the words it leans on."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Literal, get_args

from vcplab.core.errors import InvalidInputError
from vcplab.memory.document import Document
from vcplab.text.analysis import LUCENE_STOPWORDS
from vcplab.text.words import tagged_words

__all__ = ["TagSource", "check_source", "keyphrases", "normal_tag", "tags_of"]

TagSource = Literal["tags", "keyphrases", "either"]

# Parts of speech that name things, as jieba calls them (names, places, works, nouns, verb-nouns).
_NAMING = ("n", "vn", "nr", "ns", "nt", "nz", "eng", "j")
_COMMON = 2
_LONGEST = 3
_PHRASE = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*", re.UNICODE)
_BREAK = re.compile(r"[^\w\s'’-]+|\n")


def normal_tag(tag: str) -> str:
    """A tag's identity: NFKC, without outer spaces, inner ones single; case is kept."""
    return " ".join(unicodedata.normalize("NFKC", tag).split())


def tags_of(document: Document, source: TagSource) -> list[str]:
    """The tags of a document in order, each once.

    Args:
        document: The document.
        source: ``tags``: its own. ``keyphrases``: what :func:`keyphrases` finds in its text.
            ``either``: keyphrases only where it has no tags.
    """
    own = [] if source == "keyphrases" else document.tags
    named = dict.fromkeys(filter(None, map(normal_tag, own)))
    if not named and source != "tags":
        return keyphrases(document.text)
    return list(named)


def keyphrases(text: str, most: int = 8) -> list[str]:
    """What a text is about, judged by the text alone, so that no other document changes it.

    Chinese: nouns and names of two characters and more. Elsewhere: one to three words in a row
    without a stop word or punctuation between them (after RAKE, Rose et al. 2010). Ranked by
    frequency times length, then by first place.

    Args:
        text: The text.
        most: How many at most.

    Raises:
        MissingDependencyError: The text is Chinese, and rjieba is not installed.
    """
    counts: Counter[str] = Counter()
    places: dict[str, int] = {}

    def found(phrase: str, place: int) -> None:
        counts[phrase] += 1
        places.setdefault(phrase, place)

    for word in tagged_words(text):
        if word.tag.startswith(_NAMING) and len(word.text) >= _COMMON:
            found(word.text, word.start)
    at = 0
    for part in _BREAK.split(text):
        start = text.find(part, at)
        at = start + len(part)
        run: list[str] = []
        for match in [*_PHRASE.finditer(part), None]:
            word_text = "" if match is None else match[0].lower()
            if match is not None and match[0].isascii() and word_text not in LUCENE_STOPWORDS:
                run.append(word_text)
                continue
            for first in range(len(run)):
                for last in range(first + 1, min(first + _LONGEST, len(run)) + 1):
                    phrase = " ".join(run[first:last])
                    if len(phrase) > _COMMON and any(map(str.isalpha, phrase)):
                        found(phrase, start)
            run = []
    ranked = sorted(
        counts, key=lambda phrase: (-counts[phrase] * _length(phrase), places[phrase], phrase)
    )
    kept: list[str] = []
    for phrase in ranked:
        # A part of a better phrase says nothing more.
        if not any(f" {phrase} " in f" {better} " for better in kept):
            kept.append(phrase)
    return kept[:most]


def _length(phrase: str) -> float:
    return len(phrase.split()) if phrase.isascii() else len(phrase) / 2


def check_source(source: str) -> None:
    """Refuse an unknown source of tags.

    Raises:
        InvalidInputError: It is none.
    """
    if source not in get_args(TagSource):
        raise InvalidInputError(
            f"There is no source of tags {source!r}.",
            where="source",
            next_step=f"Use {', '.join(get_args(TagSource))}.",
        )
