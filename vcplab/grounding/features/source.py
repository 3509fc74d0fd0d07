"""The texts that a response should follow from, tokenised and indexed once."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from vcplab.grounding.features.terms import Token, tokenise
from vcplab.text.negation import Cue, find_cues
from vcplab.text.quantities import Quantity, find_quantities
from vcplab.text.sentences import sentences
from vcplab.text.time_expressions import TimeSpan, find_times

__all__ = ["Source", "SourceCache", "SourceSentence"]

_PREFIX = 4
# Words that say two of something without a number.
_TWO = ("both", "neither", "twice", "pair", "double")


class SourceSentence(NamedTuple):
    """A sentence of a source.

    Attributes:
        source: Which text, from 0.
        start: Offset of its first character in that text.
        end: Offset after its last.
        first: Index of its first token among all tokens of the source.
        last: Index after its last.
    """

    source: int
    start: int
    end: int
    first: int
    last: int


@dataclass(eq=False)
class Source:
    """The index of a context.

    Attributes:
        texts: The texts of the context.
    """

    texts: tuple[str, ...]
    tokens: list[Token] = field(default_factory=list, repr=False)
    sentences: list[SourceSentence] = field(default_factory=list, repr=False)
    positions: dict[str, list[int]] = field(default_factory=dict, repr=False)
    postings: dict[str, list[int]] = field(default_factory=dict, repr=False)
    bigrams: set[tuple[str, str]] = field(default_factory=set, repr=False)
    trigrams: set[tuple[str, str, str]] = field(default_factory=set, repr=False)
    content_bigrams: set[tuple[str, str]] = field(default_factory=set, repr=False)
    capitals: set[str] = field(default_factory=set, repr=False)
    names: set[str] = field(default_factory=set, repr=False)
    lower: str = field(default="", repr=False)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Source:
        """Tokenise and index the texts of a context."""
        made = cls(tuple(texts))
        made.lower = "\n".join(made.texts).lower().replace("’", "'")
        for number, text in enumerate(made.texts):
            made._add(number, text)
        for key, positions in made.positions.items():
            if any(made.tokens[at].capital for at in positions):
                made.capitals.add(key)
        return made

    def _add(self, number: int, text: str) -> None:
        tokens = tokenise(text)
        at, count = 0, len(tokens)
        for span in sentences(text):
            while at < count and tokens[at].start < span.start:
                at += 1
            first = len(self.tokens)
            place = len(self.sentences)
            while at < count and tokens[at].start < span.end:
                self._token(tokens[at], place, is_first=len(self.tokens) == first)
                at += 1
            own = [token.key for token in self.tokens[first:]]
            self.bigrams.update(pairwise(own))
            self.trigrams.update(zip(own, own[1:], own[2:], strict=False))
            content = [token.key for token in self.tokens[first:] if token.content]
            self.content_bigrams.update(pairwise(content))
            self.sentences.append(
                SourceSentence(number, span.start, span.end, first, len(self.tokens))
            )

    def _token(self, token: Token, sentence: int, *, is_first: bool) -> None:
        self.positions.setdefault(token.key, []).append(len(self.tokens))
        posting = self.postings.setdefault(token.key, [])
        if not posting or posting[-1] != sentence:
            posting.append(sentence)
        if token.capital and not is_first:
            self.names.add(token.key)
        self.tokens.append(token)

    def weight(self, key: str) -> float:
        """How much a key tells among the sentences of this source; the rarer the more."""
        total = len(self.sentences)
        holding = len(self.postings.get(key, ()))
        return math.log(1.0 + (total + 0.5) / (holding + 0.5))

    @cached_property
    def prefixes(self) -> dict[str, list[str]]:
        """Keys of words by their first letters."""
        found: dict[str, list[str]] = {}
        for key in self.positions:
            if len(key) >= _PREFIX and key.isalpha():
                found.setdefault(key[:_PREFIX], []).append(key)
        return found

    @cached_property
    def sentence_of(self) -> list[int]:
        """The sentence of each token."""
        return [
            number
            for number, sentence in enumerate(self.sentences)
            for _ in range(sentence.first, sentence.last)
        ]

    @cached_property
    def quantities(self) -> list[tuple[int, Quantity]]:
        """Numbers with their units, each with the text it stands in."""
        return [
            (number, quantity)
            for number, (found, _, _) in enumerate(self._all_facts)
            for quantity in found
        ]

    @cached_property
    def times(self) -> list[tuple[int, TimeSpan]]:
        """Dates, times and durations, each with the text it stands in."""
        return [
            (number, time) for number, (_, found, _) in enumerate(self._all_facts) for time in found
        ]

    @cached_property
    def cues(self) -> list[list[Cue]]:
        """Negations and modal words of each sentence, with offsets in its text."""
        found: list[list[Cue]] = []
        by_text = [cues for _, _, cues in self._all_facts]
        ends = [0] * len(self.texts)
        for sentence in self.sentences:
            cues = by_text[sentence.source]
            at = ends[sentence.source]
            own: list[Cue] = []
            while at < len(cues) and cues[at].start < sentence.end:
                if cues[at].start >= sentence.start:
                    own.append(cues[at])
                at += 1
            ends[sentence.source] = at
            found.append(own)
        return found

    @cached_property
    def number_values(self) -> set[float]:
        """Every number that is written anywhere, dates and times included."""
        values: set[float] = set()
        for _, quantity in self.quantities:
            if isinstance(quantity.value, int | float):
                values.add(float(quantity.value))
        for key in self.positions:
            if key[0].isdigit():
                for piece in key.replace(":", " ").split():
                    try:
                        values.add(float(piece))
                    except ValueError:
                        continue
        if any(word in self.positions for word in _TWO):
            values.add(2.0)
        return values

    @cached_property
    def _all_facts(self) -> list[tuple[list[Quantity], list[TimeSpan], list[Cue]]]:
        found = []
        for text in self.texts:
            times = find_times(text)
            found.append((find_quantities(text, times=times), times, find_cues(text)))
        return found


class SourceCache:
    """The indices of the contexts that were asked about last; safe to share between threads.

    Args:
        size: How many are kept.
    """

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._known: OrderedDict[tuple[str, ...], Source] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, texts: tuple[str, ...]) -> Source:
        with self._lock:
            found = self._known.get(texts)
            if found is not None:
                self._known.move_to_end(texts)
                return found
        made = Source.of(texts)
        with self._lock:
            self._known[texts] = made
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return made

    def __len__(self) -> int:
        return len(self._known)
