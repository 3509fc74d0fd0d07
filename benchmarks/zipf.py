"""Synthetic text with the statistics of language: Zipf-distributed words (facts: s = 1.07)."""

from __future__ import annotations

import numpy as np

VOCABULARY = 100_000
EXPONENT = 1.07
MEAN_LENGTH = 75


def documents_and_queries(
    n: int, queries: int, seed: int = 0, stop_words: int = 0
) -> tuple[list[list[str]], list[list[str]]]:
    """Token lists: documents of about 75 words, queries of 3 to 5 words.

    Args:
        n: Number of documents.
        queries: Number of queries.
        seed: Of the random numbers.
        stop_words: How many of the most frequent words queries do without.
    """
    rng = np.random.default_rng(seed)
    p = 1 / np.arange(1, VOCABULARY + 1) ** EXPONENT
    p /= p.sum()
    words = np.array([f"w{i}" for i in range(VOCABULARY)], dtype=object)
    lengths = rng.poisson(MEAN_LENGTH, n)
    flat = words[rng.choice(VOCABULARY, int(lengths.sum()), p=p)]
    docs = [list(part) for part in np.split(flat, np.cumsum(lengths)[:-1])]
    p[:stop_words] = 0
    p /= p.sum()
    asked = [list(words[rng.choice(VOCABULARY, rng.integers(3, 6), p=p)]) for _ in range(queries)]
    return docs, asked
