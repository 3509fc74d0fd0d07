"""The in-memory lexical index: BM25 over postings that can grow and shrink.

Documents are added in immutable *segments* (arrays sorted by term, then row); a deletion marks
rows dead. Nothing but counts is stored, and the counts of the whole collection (documents, terms
per document, document frequencies) are kept exact, so an index that was changed step by step scores
bit for bit like one built at once. Per-term *impacts* (finished score contributions) are computed
when a term is first asked for and kept until the collection changes: after the first query this is
as eager as bm25s, before it costs nothing.

Two things make a query cheaper than bm25s' scatter and full ``argpartition``: very frequent terms
are kept as dense vectors (one SIMD addition), and the k-th best impact of a single term bounds the
k-th best score from below, so that only the few rows above the bound are ever sorted.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from threading import RLock
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.postings_view import PostingsView
from vcplab.memory.index.structured import RowsOfTokens, TokensOf
from vcplab.memory.index.weighting import BM25Weighting

__all__ = ["PostingsIndex", "PostingsView"]

_T = TypeVar("_T", bound=np.generic)

# Views whose impacts are kept, the last used ones: enough for a few systems side by side, while a
# sweep over k1 does not add up.
_MAX_VIEWS = 4
# Segments are merged beyond this number, so that a term is looked up in few places.
_MAX_SEGMENTS = 8


@dataclass(frozen=True, slots=True)
class _Segment:
    """Postings of some documents: for term ``terms[i]`` the slice ``starts[i]:starts[i + 1]``."""

    terms: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    tf: NDArray[np.float32]

    def find(self, term: int) -> slice | None:
        i = int(np.searchsorted(self.terms, term))
        if i == len(self.terms) or self.terms[i] != term:
            return None
        return slice(int(self.starts[i]), int(self.starts[i + 1]))

    def term_of_posting(self) -> NDArray[np.int64]:
        return np.repeat(self.terms, np.diff(self.starts))


def _segment(
    terms: NDArray[np.int64], rows: NDArray[np.int32], tf: NDArray[np.float32]
) -> _Segment:
    """A segment from postings that are already sorted by term, then row."""
    first = (
        np.flatnonzero(np.r_[True, terms[1:] != terms[:-1]])
        if len(terms)
        else np.empty(0, np.int64)
    )
    return _Segment(terms[first], np.r_[first, len(terms)].astype(np.int64), rows, tf)


class PostingsIndex:
    """Term counts of a collection, searched through :meth:`view`. Thread-safe.

    Args:
        tokens_of: Gives the tokens of rows again, which queries with phrases need.
    """

    def __init__(self, tokens_of: TokensOf | None = None) -> None:
        self._lock = RLock()
        self._in_a_row = RowsOfTokens(tokens_of)
        self._term_ids: defaultdict[str, int] = defaultdict()
        self._term_ids.default_factory = self._term_ids.__len__
        self._df = np.zeros(0, np.int64)
        self._segments: list[_Segment] = []
        self._lengths = np.zeros(0, np.int64)
        self._live = np.zeros(0, np.bool_)
        self._n_live = 0
        self._n_dead = 0
        self._total_length = 0
        self._views: OrderedDict[BM25Weighting, PostingsView] = OrderedDict()
        self.version = 0

    def __len__(self) -> int:
        return self._n_live

    def add(self, rows: Sequence[int], tokens: Sequence[Sequence[str]]) -> None:
        """Add documents.

        Args:
            rows: New rows, ascending, larger than any added before.
            tokens: The terms of each document in order, repetitions included.

        Raises:
            InvalidInputError: Rows are not new and ascending, or counts differ.
        """
        if len(rows) != len(tokens):
            raise InvalidInputError(f"{len(rows)} rows but {len(tokens)} token lists were given.")
        if not len(rows):
            return
        new_rows = np.asarray(rows, np.int64)
        with self._lock:
            if new_rows[0] < len(self._live) or (np.diff(new_rows) <= 0).any():
                raise InvalidInputError(
                    "Rows must be new, ascending and larger than any added before.",
                    next_step="To update a document delete its old row and add a new one.",
                )
            lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
            count = int(lengths.sum())
            term_ids = np.fromiter(
                map(self._term_ids.__getitem__, chain.from_iterable(tokens)), np.int64, count
            )
            # One integer per token sorts by term, then document; equal neighbours are one posting.
            span = len(rows)
            keys = term_ids * span + np.repeat(np.arange(span, dtype=np.int64), lengths)
            keys.sort()
            first = (
                np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
                if count
                else np.empty(0, np.int64)
            )
            unique = keys[first]
            tf = np.diff(np.r_[first, count]).astype(np.float32)
            terms, local = np.divmod(unique, span)
            self._segments.append(_segment(terms, new_rows[local].astype(np.int32), tf))

            self._grow(int(new_rows[-1]) + 1)
            self._lengths[new_rows] = lengths
            self._live[new_rows] = True
            self._n_live += span
            self._total_length += count
            self._df = _padded(self._df, len(self._term_ids))
            self._df += np.bincount(terms, minlength=len(self._df))
            self._changed()

    def delete(self, rows: Sequence[int]) -> None:
        """Remove documents; unknown and already removed rows are ignored."""
        with self._lock:
            wanted = np.unique(np.asarray(rows, np.int64))
            wanted = wanted[(wanted >= 0) & (wanted < len(self._live))]
            wanted = wanted[self._live[wanted]]
            if not len(wanted):
                return
            self._live[wanted] = False
            gone = np.zeros(len(self._live), np.bool_)
            gone[wanted] = True
            for segment in self._segments:
                hit = gone[segment.rows]
                if hit.any():
                    self._df -= np.bincount(
                        segment.term_of_posting()[hit], minlength=len(self._df)
                    ).astype(np.int64)
            self._n_live -= len(wanted)
            self._n_dead += len(wanted)
            self._total_length -= int(self._lengths[wanted].sum())
            self._changed()

    def view(self, weighting: BM25Weighting) -> PostingsView:
        """The index under one weighting; views share the postings.

        A view can be used for ever; the index keeps the finished scores of the last four only.
        """
        with self._lock:
            view = self._views.get(weighting)
            if view is None:
                view = self._views[weighting] = PostingsView(self, weighting)
                if len(self._views) > _MAX_VIEWS:
                    self._views.popitem(last=False)[1]._forget()
            else:
                self._views.move_to_end(weighting)
            return view

    def statistics(self) -> dict[str, int]:
        """Counts: live documents, terms, postings, segments, total length."""
        with self._lock:
            return {
                "documents": self._n_live,
                "terms": int((self._df > 0).sum()),
                "postings": int(self._df.sum()),
                "segments": len(self._segments),
                "length": self._total_length,
            }

    # The views read the following; they hold the lock while they do.

    def _frequency(self, term: str) -> int:
        """In how many live documents a term is."""
        term_id = self._term_ids.get(term)
        return 0 if term_id is None else int(self._df[term_id])

    def _postings(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.float32], int]:
        """Live rows (ascending), term frequencies and document frequency of a term."""
        term_id, df = self._term_ids.get(term), self._frequency(term)
        if term_id is None or df == 0:
            return np.empty(0, np.int32), np.empty(0, np.float32), 0
        parts = [(s, where) for s in self._segments if (where := s.find(term_id)) is not None]
        rows = np.concatenate([s.rows[where] for s, where in parts])
        tf = np.concatenate([s.tf[where] for s, where in parts])
        if len(rows) != df:
            alive = self._live[rows]
            rows, tf = rows[alive], tf[alive]
        return rows, tf, df

    def _dense_bytes(self) -> int:
        return sum(view._dense_bytes for view in self._views.values())

    def _grow(self, size: int) -> None:
        self._lengths = _padded(self._lengths, size)
        self._live = _padded(self._live, size)

    def _changed(self) -> None:
        self.version += 1
        for view in self._views.values():
            view._forget()
        if len(self._segments) > _MAX_SEGMENTS or self._n_dead > max(1000, self._n_live // 4):
            self._merge()

    def _merge(self) -> None:
        """One segment without dead postings."""
        # Rows of later segments are larger, so a stable sort by term keeps them ascending.
        terms = np.concatenate([s.term_of_posting() for s in self._segments])
        rows = np.concatenate([s.rows for s in self._segments])
        tf = np.concatenate([s.tf for s in self._segments])
        if self._n_dead:
            alive = self._live[rows]
            terms, rows, tf = terms[alive], rows[alive], tf[alive]
        order = np.argsort(terms, kind="stable")
        self._segments = [_segment(terms[order], rows[order], tf[order])]
        self._n_dead = 0


def _padded(array: NDArray[_T], size: int) -> NDArray[_T]:
    """The array with zeros appended up to ``size`` (amortised: callers keep the result)."""
    if size <= len(array):
        return array
    grown = np.zeros(size, array.dtype)
    grown[: len(array)] = array
    return grown
