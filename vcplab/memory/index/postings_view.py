"""A postings index under one BM25 weighting: where its queries are answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.index.ports import Ranking, StructuredQuery, TermQuery
from vcplab.memory.index.weighting import BM25Weighting

if TYPE_CHECKING:
    from vcplab.memory.index.postings import PostingsIndex

__all__ = ["PostingsView"]

# A term in more than this share of the documents is kept as a dense vector.
_DENSE_SHARE = 1 / 10
# Bytes of dense vectors in all of them; terms beyond it stay sparse.
_DENSE_BUDGET = 128 * 2**20


class _Impacts:
    """Finished contributions of one term: sparse, and dense too where it occurs everywhere."""

    __slots__ = ("dense", "kth", "rows", "values")

    def __init__(self, rows: NDArray[np.int32], values: NDArray[np.float32]) -> None:
        self.rows = rows
        self.values = values
        self.dense: NDArray[np.float32] | None = None
        self.kth: dict[int, float] = {}

    def bound(self, k: int) -> float:
        """The k-th largest impact, 0 where there are fewer."""
        if k > len(self.values):
            return 0.0
        if k not in self.kth:
            at = len(self.values) - k
            self.kth[k] = float(np.partition(self.values, at)[at])
        return self.kth[k]


class PostingsView:
    """A :class:`PostingsIndex` under one BM25 weighting (a ``LexicalIndex``)."""

    def __init__(self, index: PostingsIndex, weighting: BM25Weighting) -> None:
        self.index = index
        self.weighting = weighting
        self._impacts: dict[str, _Impacts] = {}
        self._version = -1
        self._dense_bytes = 0

    def __len__(self) -> int:
        return len(self.index)

    def add(self, rows: Sequence[int], tokens: Sequence[Sequence[str]]) -> None:
        """See :meth:`PostingsIndex.add`."""
        self.index.add(rows, tokens)

    def delete(self, rows: Sequence[int]) -> None:
        """See :meth:`PostingsIndex.delete`."""
        self.index.delete(rows)

    def search(
        self,
        queries: Sequence[TermQuery | StructuredQuery],
        k: int,
        *,
        mask: NDArray[np.bool_] | None = None,
    ) -> list[Ranking]:
        """The best ``k`` rows with a positive score.

        Args:
            queries: Terms with their weights, one mapping per query; or structured queries.
            k: How many rows at most.
            mask: bool, shape (rows,): False, or being beyond its end, excludes a row.

        Returns:
            One ranking per query.
        """
        with self.index._lock:
            return [self._search(query, k, mask) for query in queries]

    def score(
        self, query: TermQuery | StructuredQuery, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The scores that :meth:`search` would give to ``rows``, shape (len(rows),)."""
        with self.index._lock:
            if isinstance(query, StructuredQuery):
                among = np.zeros(len(self.index._live), np.bool_)
                among[rows] = True
                scores, _ = self._structured(query, 1, among)
            else:
                scores, _ = self._accumulate(query, 1)
            return scores[rows].astype(np.float64)

    def _search(
        self, query: TermQuery | StructuredQuery, k: int, mask: NDArray[np.bool_] | None
    ) -> Ranking:
        among = None if mask is None else np.zeros(len(self.index._live), np.bool_)
        if among is not None and mask is not None:
            shared = min(len(mask), len(among))
            among[:shared] = mask[:shared]
        if isinstance(query, StructuredQuery):
            scores, bound = self._structured(query, k, among)
        else:
            scores, bound = self._accumulate(query, k)
        if among is not None:
            # Masked rows may be the ones that made the bound.
            scores[~among] = 0
            bound = 0.0
        rows = np.flatnonzero(scores >= bound) if bound > 0 else np.flatnonzero(scores)
        found = scores[rows]
        if len(rows) > k:
            # Everything that ties with the k-th must take part in the tie-break.
            cut = np.partition(found, len(found) - k)[len(found) - k]
            keep = found >= cut
            rows, found = rows[keep], found[keep]
        return Ranking.of(rows, found.astype(np.float64), k)

    def _structured(
        self, query: StructuredQuery, k: int, among: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], float]:
        """Scores of all rows, and a lower bound of the k-th best; right for ``among`` only."""
        index = self.index
        terms = dict(query.terms)
        for words, weight in query.phrases:
            if len(words) == 1:
                terms[words[0]] = terms.get(words[0], 0.0) + weight
        scores, bound = self._accumulate(terms, k)
        # Sorted as the terms are, and for the same reason.
        for words, weight in sorted(query.phrases):
            if len(words) < 2 or weight <= 0:
                continue
            rows, tf = self._in_a_row(words, among)
            if len(rows):
                average = index._total_length / index._n_live
                relative = (index._lengths[rows] / average).astype(np.float32)
                part = self.weighting.saturation(tf, relative)
                scores[rows] += np.float32(weight * self._idf(words)) * part
        for words in filter(None, query.excluded):
            found = scores > 0 if among is None else (scores > 0) & among
            scores[self._in_a_row(words, found)[0]] = 0
            bound = 0.0  # the rows that are gone may be the ones that made it
        return scores, bound

    def _idf(self, words: Sequence[str]) -> float:
        """The sum over the words of a phrase, each as often as it stands there."""
        documents = self.index._n_live
        return sum(
            times * self.weighting.idf(self.index._frequency(word), documents)
            for word, times in Counter(words).items()
        )

    def _in_a_row(
        self, words: tuple[str, ...], among: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Live rows that have the words next to each other, and how often."""
        index = self.index
        candidates: NDArray[np.int64] | None = None
        for word, times in sorted(
            Counter(words).items(), key=lambda item: index._frequency(item[0])
        ):
            rows, tf, _ = index._postings(word)
            if times > 1:
                rows = rows[tf >= times]
            if candidates is None:  # the rarest word: from here on there is little to compare
                candidates = (rows if among is None else rows[among[rows]]).astype(np.int64)
            else:
                candidates = np.intersect1d(candidates, rows, assume_unique=True)
            if not len(candidates):
                break
        assert candidates is not None
        if len(words) < 2:
            return candidates, np.ones(len(candidates), np.float32)
        return index._in_a_row.find(words, candidates)

    def _accumulate(self, query: Mapping[str, float], k: int) -> tuple[NDArray[np.float32], float]:
        """Scores of all rows, and a lower bound of the k-th best."""
        scores = np.zeros(len(self.index._live), np.float32)
        bound = 0.0
        # Sorted terms make the float sum, and so the ranking, independent of word order.
        for term in sorted(query):
            weight = np.float32(query[term])
            if weight <= 0:
                continue
            impacts = self._term(term)
            if not len(impacts.rows):
                continue
            bound = max(bound, impacts.bound(k) * float(weight))
            if impacts.dense is not None:
                scores += impacts.dense if weight == 1 else impacts.dense * weight
            else:
                scores[impacts.rows] += impacts.values if weight == 1 else impacts.values * weight
        # The product of a rounded weight may round up: stay below it.
        return scores, bound * (1 - 1e-6)

    def _forget(self) -> None:
        """Drop finished scores; they are computed again when they are asked for."""
        self._impacts.clear()
        self._dense_bytes = 0

    def _term(self, term: str) -> _Impacts:
        index = self.index
        if self._version != index.version:
            self._forget()
            self._version = index.version
        found = self._impacts.get(term)
        if found is not None:
            return found
        rows, tf, df = index._postings(term)
        if df:
            average = index._total_length / index._n_live
            relative = (index._lengths[rows] / average).astype(np.float32)
            idf = np.float32(self.weighting.idf(df, index._n_live))
            impacts = _Impacts(rows, idf * self.weighting.saturation(tf, relative))
            size = 4 * len(index._live)
            common = df > _DENSE_SHARE * index._n_live
            # Its own count for a view that the index has given up and somebody still uses.
            used = max(index._dense_bytes(), self._dense_bytes)
            if common and used + size <= _DENSE_BUDGET:
                impacts.dense = np.zeros(len(index._live), np.float32)
                impacts.dense[rows] = impacts.values
                self._dense_bytes += size
            self._impacts[term] = impacts
            return impacts
        # Unknown terms are not kept: queries may bring any number of them.
        return _Impacts(rows, np.empty(0, np.float32))
