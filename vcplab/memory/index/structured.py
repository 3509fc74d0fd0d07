"""Tokens in a row, for an index that keeps no positions: candidates are looked at again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import StateError

__all__ = ["RowsOfTokens", "TokensOf"]

# The token lists of rows, in their order.
TokensOf = Callable[[Sequence[int]], Sequence[Sequence[str]]]

# Documents that are analysed at once: memory stays bounded.
_BATCH = 1000
# Counts that are remembered in all, 8 bytes each, and the longest run of tokens that is.
_REMEMBERED = 2_000_000
_LONGEST = 64


class RowsOfTokens:
    """How often documents have tokens in a row.

    A row never gets another document, so what was counted once is remembered: a preset query, or
    the account of a ranking, does not analyse the same documents again.

    Args:
        tokens_of: Gives the tokens of documents; None if nobody can. It is called while the index
            is locked, and must not change it.
    """

    def __init__(self, tokens_of: TokensOf | None) -> None:
        self._tokens_of = tokens_of
        self._known: OrderedDict[tuple[str, ...], tuple[NDArray[np.int64], NDArray[np.float32]]] = (
            OrderedDict()
        )
        self._size = 0

    def find(
        self, words: tuple[str, ...], candidates: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Which candidates have the words in a row, and how often.

        Args:
            words: At least two tokens.
            candidates: Rows, ascending, shape (n,).

        Returns:
            Rows, ascending, and counts ≥ 1, both shape (m,). Overlapping occurrences all count.

        Raises:
            StateError: The index was made without ``tokens_of``.
        """
        if self._tokens_of is None:
            raise StateError(
                "This index keeps no positions and was not given a way to look at the documents.",
                where="phrase",
                next_step="Make it with PostingsIndex(tokens_of), or search through "
                'vl.BM25(syntax="deepmemo").on(corpus), which does.',
            )
        rows, counts = self._known.get(words, (np.empty(0, np.int64), np.empty(0, np.float32)))
        unknown = np.setdiff1d(candidates, rows, assume_unique=True)
        if len(unknown):
            new = self._counted(words, unknown, self._tokens_of)
            rows, counts = np.concatenate([rows, unknown]), np.concatenate([counts, new])
            order = np.argsort(rows)
            rows, counts = rows[order], counts[order]
            self._remember(words, rows, counts)
        elif words in self._known:
            self._known.move_to_end(words)
        found = counts[np.searchsorted(rows, candidates)]
        has = found > 0
        return candidates[has], found[has]

    def _counted(
        self, words: tuple[str, ...], rows: NDArray[np.int64], tokens_of: TokensOf
    ) -> NDArray[np.float32]:
        counts: list[int] = []
        fallback = _fallback(words)
        for start in range(0, len(rows), _BATCH):
            lists = tokens_of(rows[start : start + _BATCH].tolist())
            counts.extend(_occurrences(words, list(tokens), fallback) for tokens in lists)
        return np.array(counts, np.float32)

    def _remember(
        self, words: tuple[str, ...], rows: NDArray[np.int64], counts: NDArray[np.float32]
    ) -> None:
        if len(words) > _LONGEST or len(rows) > _REMEMBERED:
            return
        self._size += len(rows) - len(self._known.pop(words, (rows[:0],))[0])
        self._known[words] = (rows, counts)
        while self._size > _REMEMBERED:
            _, (oldest, _) = self._known.popitem(last=False)
            self._size -= len(oldest)


def _occurrences(words: tuple[str, ...], tokens: list[str], fallback: list[int]) -> int:
    """Knuth, Morris and Pratt: linear, whatever repeats; the search for a start runs in C."""
    found = matched = at = 0
    first, whole = words[0], len(words)
    while True:
        if not matched:
            try:
                at = tokens.index(first, at) + 1
            except ValueError:
                return found
            matched = 1
        if at == len(tokens):
            return found
        token = tokens[at]
        while matched and token != words[matched]:
            matched = fallback[matched - 1]
        if token == words[matched]:
            matched += 1
            at += 1
            if matched == whole:
                found += 1
                matched = fallback[whole - 1]


def _fallback(words: tuple[str, ...]) -> list[int]:
    """Per beginning of the words: how many of its last words are a shorter beginning."""
    table, matched = [0] * len(words), 0
    for at in range(1, len(words)):
        while matched and words[at] != words[matched]:
            matched = table[matched - 1]
        matched += words[at] == words[matched]
        table[at] = matched
    return table
