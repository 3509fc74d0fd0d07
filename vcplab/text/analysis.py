"""Text analysis for retrieval: from a text to the terms that an index stores.

Latin, Cyrillic, ... words are kept whole, lose an English possessive and stop words, and are
stemmed by Snowball.  Chinese, Japanese and Korean runs, which have no spaces (or, Korean, have
them between phrases), become overlapping bigrams, dictionary words, or both.

Measured on BEIR SciFact and CMRC 2018 (BM25, k1 = 1.2, b = 0.75): see the class.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import Any, Literal, cast

from vcplab.core.errors import InvalidInputError
from vcplab.text._runs import (
    CJK,
    IS_CJK,
    bigram_spans,
    bigrams,
    is_run,
    single_spans,
    word_and_bigram_spans,
    word_spans,
)
from vcplab.text.fold import fold_chinese, fold_fingerprint
from vcplab.text.normalise import Form, normalise, normalise_aligned

__all__ = ["LUCENE_STOPWORDS", "Analyzer", "Token", "default_analyzer"]

#: The 33 words of Lucene's EnglishAnalyzer.
LUCENE_STOPWORDS = frozenset(
    re.findall(
        "[a-z]+",
        "a an and are as at be but by for if in into is it no not of on or such that the their "
        "then there these they this to was will with",
    )
)

# Raised whenever some text would give other terms than before.
_VERSION = 2

_SYMBOLS = "\u2600-\u27bf\U0001f300-\U0001faff"
# Apostrophes and underscores hold a word together from inside: don't, o'neill, snake_case.
_ASCII_WORDS = re.compile(r"[a-zA-Z0-9]+(?:(?:'|_+)[a-zA-Z0-9]+)*")

_CACHED_WORDS = 200_000
_CACHED_ANALYSERS = 16


@dataclass(frozen=True, slots=True)
class Token:
    """A term and where it stands.

    Attributes:
        term: What the index stores.
        start: Offset of its first character in the original text.
        end: Offset after its last character.
    """

    term: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Analyzer:
    """How texts become terms: an immutable, hashable, picklable value.

    * Words are letters and digits (with inner apostrophes and underscores): ``GPT-4o`` gives
      ``gpt`` and ``4o``.  ``'s`` is removed, stop words are dropped, the rest is stemmed.
    * A CJK run of one character is that character.  Longer runs depend on ``cjk``:
      ``"bigrams"`` overlapping pairs, ``"words"`` jieba's search-mode words (hidden Markov model
      off), ``"both"`` the pairs and all words of three or more characters, ``"characters"``.
    * Emoji and pictographs are terms of their own.

    A CJK query of two or more characters that occurs in a text always shares a term with it,
    except under ``"words"``, which may cut it differently there.  So that a query of *one* Chinese
    character finds it inside words too, documents also store the single characters of their runs
    (``keep_single_cjk``, with bigrams), behind all other terms.  Queries of more characters do not
    ask for them, so ranking stays as it is (CMRC 2018 nDCG@10 .984 with and without) at 1.6 times
    the postings: switch it off for large Chinese collections.  A query of stop words or
    punctuation alone has no terms.

    Measured nDCG@10: SciFact .686 (.679 with ``min_length=2``, the tokens of bm25s: single letters
    and digits carry meaning there); CMRC 2018 .984 (bigrams) and .990 (words, at twice the time).
    Thai, Lao, Khmer and Burmese, which have no spaces either, are not cut.

    Args:
        normalize: Unicode normalisation form; None for none.
        lowercase: Whether case is ignored.
        cjk: What runs without spaces become.
        stemmer: A Snowball algorithm (``"english"``), or None.
        stopwords: ``"lucene"`` (33 English words), ``"none"``, or the words (compared after
            normalisation, before stemming).
        min_length: Shortest word that is kept, in characters; does not concern CJK.
        keep_single_cjk: Whether documents also store every single character of a CJK run, under
            ``"bigrams"`` and ``"both"``.  (Under ``"words"`` it cost .007 nDCG@10: queries do
            contain words of one character, which then match everywhere.)
        fold: ``"simplified"`` looks at traditional Chinese characters as at their simplified forms
            (`vcplab.text.fold`), so that 預算 finds 预算 and the reverse; offsets stay exact.
            CMRC 2018 nDCG@10 with documents in one script and queries in the other: .98 instead of
            .81; in one script .982 with and without. Not the default, because it needs OpenCC and
            joins words of Japanese (機, machine, with 机, desk).

    Raises:
        InvalidInputError: A parameter is unknown.
    """

    normalize: Form | None = "NFKC"
    lowercase: bool = True
    cjk: Literal["bigrams", "words", "both", "characters"] = "bigrams"
    stemmer: str | None = "english"
    stopwords: Literal["lucene", "none"] | frozenset[str] = "lucene"
    min_length: int = 1
    keep_single_cjk: bool = True
    fold: Literal["none", "simplified"] = "none"

    def __post_init__(self) -> None:
        if self.normalize not in ("NFKC", "NFC", None):
            raise _unknown("normalize", self.normalize, '"NFKC", "NFC" or None')
        if self.cjk not in ("bigrams", "words", "both", "characters"):
            raise _unknown("cjk", self.cjk, '"bigrams", "words", "both" or "characters"')
        if self.fold not in ("none", "simplified"):
            raise _unknown("fold", self.fold, '"none" or "simplified"')
        if self.min_length < 1:
            raise _unknown("min_length", self.min_length, "a whole number from 1")
        if self.stemmer is not None and self.stemmer not in _algorithms():
            raise _unknown("stemmer", self.stemmer, f"None or one of {', '.join(_algorithms())}")
        if isinstance(self.stopwords, str):
            if self.stopwords not in ("lucene", "none"):
                raise _unknown("stopwords", self.stopwords, '"lucene", "none" or a set of words')
        else:
            object.__setattr__(self, "stopwords", frozenset(self.stopwords))

    def analyze(self, text: str) -> list[str]:
        """The terms of a document, in order, with repetitions."""
        return next(self._analyze((text,), query=False))

    def analyze_many(self, texts: Iterable[str]) -> list[list[str]]:
        """The terms of many documents; the same as ``analyze`` on each."""
        return list(self._analyze(texts, query=False))

    def analyze_query(self, text: str) -> list[str]:
        """The terms to ask for: those of a document without the extra single CJK characters."""
        return next(self._analyze((text,), query=True))

    def spans(self, text: str) -> list[Token]:
        """The terms of a document with their exact offsets in the original text.

        ``[token.term for token in spans(text)] == analyze(text)``, and ``text[start:end]`` is what
        the term was made from.  Where one original character becomes several (ligatures, ``㍿``),
        all terms of it span it as a whole.
        """
        aligned = normalise_aligned(text, self.normalize, lowercase=self.lowercase)
        words = self._words()
        stop = self._cjk_stopwords()
        tokens: list[Token] = []
        single: list[Token] = []
        for match in _pieces().finditer(self._folded(aligned.text)):
            piece, offset = match.group(), match.start()
            if is_run(piece):
                found = [(tokens, span) for span in self._run_spans(piece)]
                if self._stores_singles() and len(piece) > 1:
                    found += [(single, span) for span in single_spans(piece)]
                for into, (term, begin, end) in found:
                    if term not in stop:
                        into.append(Token(term, *aligned.source(offset + begin, offset + end)))
            elif term := words[piece]:
                tokens.append(Token(term, *aligned.source(offset, match.end())))
        return tokens + single

    @property
    def fingerprint(self) -> str:
        """Changes whenever some text might give other terms.

        Covers the parameters, this module's version, the Unicode tables, and, where they are used,
        the versions of the stemmer and the segmenter and the table of folded characters.
        """
        versions = {"analysis": str(_VERSION), "unicode": unicodedata.unidata_version}
        if self.stemmer is not None:
            versions["PyStemmer"] = _version("PyStemmer")
        if self.cjk in ("words", "both"):
            versions["rjieba"] = _version("rjieba")
        if self.fold != "none":
            versions["fold"] = fold_fingerprint()
        state = json.dumps([self.get_params(), versions], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(state.encode()).hexdigest()[:16]

    def get_params(self) -> dict[str, Any]:
        """The parameters, JSON-able; ``Analyzer(**params)`` is an equal value."""
        return {
            "normalize": self.normalize,
            "lowercase": self.lowercase,
            "cjk": self.cjk,
            "stemmer": self.stemmer,
            "stopwords": self.stopwords
            if isinstance(self.stopwords, str)
            else sorted(self.stopwords),
            "min_length": self.min_length,
            "keep_single_cjk": self.keep_single_cjk,
            "fold": self.fold,
        }

    # -- how it works ---------------------------------------------------------------------------

    def _stopwords(self) -> frozenset[str]:
        if isinstance(self.stopwords, str):
            return LUCENE_STOPWORDS if self.stopwords == "lucene" else frozenset()
        return self.stopwords

    def _cjk_stopwords(self) -> frozenset[str]:
        return _cjk_stopwords(self._stopwords(), self.fold)

    def _folded(self, normal: str) -> str:
        return normal if self.fold == "none" else fold_chinese(normal)

    def _words(self) -> _Words:
        """This thread's word cache: Snowball's C objects must not be shared between threads."""
        caches = _local.__dict__.setdefault("caches", {})
        key = (self.stemmer, self._stopwords(), self.min_length)
        words = caches.get(key)
        if words is None:
            if len(caches) >= _CACHED_ANALYSERS:
                caches.clear()
            words = caches[key] = _Words(*key)
        return cast(_Words, words)

    def _analyze(self, texts: Iterable[str], *, query: bool) -> Iterator[list[str]]:
        word = self._words().__getitem__
        stop = self._cjk_stopwords()
        run_terms = self._run_terms()
        singles = self._stores_singles() and not query
        ascii_words = _ASCII_WORDS.findall
        for text in texts:
            if text.isascii():
                if self.lowercase:
                    text = text.lower()
                yield list(filter(None, map(word, ascii_words(text))))
                continue
            terms: list[str] = []
            single: list[str] = []
            normal = normalise(text, self.normalize, lowercase=self.lowercase)
            for piece in _pieces().findall(self._folded(normal)):
                if is_run(piece):
                    if len(piece) == 1:
                        found: Iterable[str] = (piece,)
                    else:
                        found = run_terms(piece)
                        if singles:
                            single.extend(piece)
                    terms.extend([term for term in found if term not in stop] if stop else found)
                elif term := word(piece):
                    terms.append(term)
            # Behind all others: the terms of a phrase stand side by side across script borders.
            terms.extend([term for term in single if term not in stop] if stop else single)
            yield terms

    def _run_terms(self) -> Callable[[str], Iterable[str]]:
        """The terms of a CJK run of two or more characters."""
        if self.cjk == "bigrams":
            return bigrams
        if self.cjk == "characters":
            return iter
        spans = word_spans if self.cjk == "words" else word_and_bigram_spans
        return lambda run: [term for term, _, _ in spans(run)]

    def _run_spans(self, run: str) -> Iterator[tuple[str, int, int]]:
        """The terms of :meth:`_run_terms`, with offsets inside the run."""
        if self.cjk == "characters" or len(run) == 1:
            yield from single_spans(run)
            return
        if self.cjk == "bigrams":
            yield from bigram_spans(run)
        elif self.cjk == "words":
            yield from word_spans(run)
        else:
            yield from word_and_bigram_spans(run)

    def _stores_singles(self) -> bool:
        return self.keep_single_cjk and self.cjk in ("bigrams", "both")


@lru_cache(maxsize=1)
def default_analyzer() -> Analyzer:
    """The analyser that everything uses unless told otherwise."""
    return Analyzer()


_local = threading.local()


class _Words(dict[str, str]):
    """Word → term ("" for none), computed once; emptied when it grows beyond its bound."""

    def __init__(self, stemmer: str | None, stopwords: frozenset[str], min_length: int) -> None:
        super().__init__()
        self._stem: Callable[[str], str] | None = None
        if stemmer is not None:
            import Stemmer

            self._stem = Stemmer.Stemmer(stemmer, 0).stemWord
        self._stopwords = stopwords
        self._min_length = min_length

    def __missing__(self, word: str) -> str:
        term = word[:-2] if word[-2:] in ("'s", "'S") else word
        if term in self._stopwords or len(term) < self._min_length:
            term = ""
        elif self._stem is not None:
            term = self._stem(term)
        if len(self) >= _CACHED_WORDS:
            self.clear()
        self[word] = term
        return term


def _unknown(name: str, value: object, known: str) -> InvalidInputError:
    return InvalidInputError(
        f"Analyzer does not know {name}={value!r}.", where=name, next_step=f"Use {known}."
    )


@lru_cache(maxsize=4)
def _version(package: str) -> str:
    return metadata.version(package)


@lru_cache(maxsize=1)
def _algorithms() -> tuple[str, ...]:
    import Stemmer

    return tuple(Stemmer.algorithms())


@lru_cache(maxsize=64)
def _cjk_stopwords(stopwords: frozenset[str], fold: str) -> frozenset[str]:
    # Most lists hold none, and then nothing is looked up per bigram.
    found = (word for word in stopwords if IS_CJK.search(word))
    return frozenset(found if fold == "none" else map(fold_chinese, found))


@lru_cache(maxsize=1)
def _pieces() -> re.Pattern[str]:
    r"""CJK runs, words and pictographs of a normalised text.

    Python's ``\w`` leaves out combining marks, without which Hindi or Arabic words fall to pieces;
    they are read from the Unicode table, hence on first use.  Variation selectors are no part of
    a word.
    """
    marks = "".join(
        chr(code)
        for code in range(0x300, 0xFE00)
        if unicodedata.category(chr(code)) in ("Mn", "Mc") and not IS_CJK.match(chr(code))
    )
    letter = rf"[^\W_{CJK}]"
    word = rf"{letter}+(?:(?:'|[_{marks}]+){letter}+)*[{marks}]*"
    return re.compile(f"[{CJK}]+|{word}|[{_SYMBOLS}]")
