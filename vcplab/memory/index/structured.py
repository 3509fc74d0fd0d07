"""Tokens in a row, for an index that keeps no positions: candidates are looked at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import StateError

__all__ = ["TokensOf", "rows_with"]

# The token lists of rows, in their order.
TokensOf = Callable[[Sequence[int]], Sequence[Sequence[str]]]


def rows_with(
    words: Sequence[str], candidates: NDArray[np.int64], tokens_of: TokensOf | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which candidates have the words in a row, and how often.

    Args:
        words: At least two tokens.
        candidates: Rows that have all of them somewhere, shape (n,).
        tokens_of: Gives the tokens of documents.

    Returns:
        Rows, ascending as the candidates, and counts ≥ 1, both shape (m,).

    Raises:
        StateError: The index was made without ``tokens_of``.
    """
    if tokens_of is None:
        raise StateError(
            "This index keeps no positions and was not given a way to look at the documents.",
            where="phrase",
            next_step="Make it with PostingsIndex(tokens_of=…), or search through BM25().on(…).",
        )
    if not len(candidates):
        return candidates, np.empty(0, np.float32)
    wanted = list(words)
    counts = np.array(
        [_occurrences(wanted, tokens) for tokens in tokens_of(candidates.tolist())], np.float32
    )
    has = counts > 0
    return candidates[has], counts[has]


def _occurrences(words: list[str], tokens: Sequence[str]) -> int:
    n, found = len(words), 0
    listed = list(tokens)
    at = -1
    while True:
        try:
            at = listed.index(words[0], at + 1)
        except ValueError:
            return found
        found += listed[at : at + n] == words
