"""Sources cut into sentences, indexed by their terms, and kept for the next question."""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vcplab.text.analysis import Analyzer, default_analyzer
from vcplab.text.sentences import Span, sentences

__all__ = ["IndexCache", "SourceIndex", "index_of", "sentence_scores", "weights", "window_score"]

# Saturation and length of BM25: sentences are short and alike, so length matters less than in
# collections of documents.
_K1: Final = 1.2
_B: Final = 0.4


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """A source, its sentences, and where its terms stand.

    Attributes:
        text: The source.
        sentences: Its sentences.
        terms: How often each term stands in each sentence.
        lengths: Number of terms of each sentence.
        postings: Term to the sentences that hold it, each with its share of the score.
    """

    text: str
    sentences: tuple[Span, ...]
    terms: tuple[Counter[str], ...] = field(repr=False)
    lengths: tuple[int, ...] = field(repr=False)
    postings: dict[str, list[tuple[int, float]]] = field(repr=False)

    @property
    def mean_length(self) -> float:
        """Mean number of terms of a sentence, at least 1."""
        return max(1.0, sum(self.lengths) / max(1, len(self.lengths)))

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Offsets of the window from sentence ``first`` to before sentence ``last``."""
        return self.sentences[first].start, self.sentences[last - 1].end


def index_of(text: str, *, analyzer: Analyzer | None = None) -> SourceIndex:
    """Cut a source into sentences and index their terms.

    Args:
        text: The source.
        analyzer: How texts become terms; the default analyser if None.
    """
    analyzer = analyzer or default_analyzer()
    spans = tuple(sentences(text))
    # Queries' terms: the single CJK characters that documents also store would only blur them.
    terms = tuple(Counter(analyzer.analyze_query(span.text)) for span in spans)
    lengths = tuple(count.total() for count in terms)
    mean = max(1.0, sum(lengths) / max(1, len(lengths)))
    postings: dict[str, list[tuple[int, float]]] = {}
    for number, count in enumerate(terms):
        norm = _K1 * (1 - _B + _B * lengths[number] / mean)
        for term, times in count.items():
            postings.setdefault(term, []).append((number, times * (_K1 + 1) / (times + norm)))
    return SourceIndex(text, spans, terms, lengths, postings)


class IndexCache:
    """The indices of the sources that were asked about last; safe to share between threads."""

    def __init__(self, analyzer: Analyzer, *, size: int) -> None:
        self._analyzer = analyzer
        self._size = size
        self._known: OrderedDict[str, SourceIndex] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, text: str) -> SourceIndex:
        with self._lock:
            found = self._known.get(text)
            if found is not None:
                self._known.move_to_end(text)
                return found
        made = index_of(text, analyzer=self._analyzer)
        with self._lock:
            self._known[text] = made
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return made

    def __len__(self) -> int:
        return len(self._known)


def weights(terms: Sequence[str], indices: Sequence[SourceIndex]) -> dict[str, float]:
    """How much each term of a claim tells: its inverse frequency in the sources' sentences."""
    total = sum(len(index.sentences) for index in indices)
    found: dict[str, float] = {}
    for term in dict.fromkeys(terms):
        holding = sum(len(index.postings.get(term, ())) for index in indices)
        found[term] = math.log(1 + (total - holding + 0.5) / (holding + 0.5))
    return found


def sentence_scores(index: SourceIndex, weight: Mapping[str, float]) -> dict[int, float]:
    """BM25 of the sentences that share a term with a claim, as a share of the best there could be.

    1 would be a sentence that holds every term of the claim without end and nothing else; one that
    repeats the claim gets about a half.
    """
    best = sum(weight.values()) * (_K1 + 1)
    found: dict[int, float] = {}
    for term, idf in weight.items():
        share = idf / best
        for number, impact in index.postings.get(term, ()):
            found[number] = found.get(number, 0.0) + share * impact
    return found


def window_score(index: SourceIndex, weight: Mapping[str, float], first: int, last: int) -> float:
    """The same score of the window from sentence ``first`` to before sentence ``last``."""
    best = sum(weight.values()) * (_K1 + 1)
    length = sum(index.lengths[first:last])
    norm = _K1 * (1 - _B + _B * length / index.mean_length)
    score = 0.0
    for term, idf in weight.items():
        times = sum(count[term] for count in index.terms[first:last])
        if times:
            score += idf / best * times * (_K1 + 1) / (times + norm)
    return score
