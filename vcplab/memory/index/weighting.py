"""BM25 and its variants as values.

Formulas as collected by Kamphuis et al., "Which BM25 Do You Mean?", ECIR 2020. A score is the sum
over the terms that query and document share of ``idf(df, N) · saturation(tf, length / average
length)``.

``bm25l`` and ``bm25+`` follow Lv & Zhai (CIKM 2011; SIGIR 2011): a document without the term gets
nothing. (Some libraries give it the lower bound too, which cancels the very bonus these variants
add.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError

__all__ = ["BM25Weighting", "Variant"]

Variant = Literal["lucene", "robertson", "atire", "bm25l", "bm25+"]


@dataclass(frozen=True, slots=True)
class BM25Weighting:
    """The parameters of BM25.

    Attributes:
        k1: Term-frequency saturation, ≥ 0.
        b: Length normalisation, 0 to 1.
        variant: Which published formula.
        delta: Lower bound of ``bm25l`` (0.5 in the paper) and ``bm25+`` (1.0).
    """

    k1: float = 1.2
    b: float = 0.75
    variant: Variant = "lucene"
    delta: float = 0.5

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise InvalidInputError(
                f"There is no BM25 variant {self.variant!r}.",
                where="variant",
                next_step=f"Choose one of {', '.join(get_args(Variant))}.",
            )
        for name, low, high in (("k1", 0.0, math.inf), ("b", 0.0, 1.0), ("delta", 0.0, math.inf)):
            value = getattr(self, name)
            if not (low <= value <= high) or math.isinf(value):
                raise InvalidInputError(
                    f"{name}={value!r} is outside [{low:g}, {high:g}].",
                    where=name,
                    next_step="The usual values are k1=1.2, b=0.75.",
                )

    def idf(self, df: int, n: int) -> float:
        """Inverse document frequency of a term.

        Args:
            df: Number of documents with the term, ≥ 1.
            n: Number of documents.

        Returns:
            A value ≥ 0 (``robertson`` is floored there, as usual).
        """
        if self.variant == "lucene":
            return math.log(1 + (n - df + 0.5) / (df + 0.5))
        if self.variant == "robertson":
            return max(0.0, math.log((n - df + 0.5) / (df + 0.5)))
        if self.variant == "atire":
            return math.log(n / df)
        if self.variant == "bm25l":
            return math.log((n + 1) / (df + 0.5))
        return math.log((n + 1) / df)

    def saturation(
        self, tf: NDArray[np.float32], relative_length: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The term-frequency part for documents that have the term.

        Args:
            tf: Term frequencies ≥ 1, shape (n,).
            relative_length: Document length / average length, shape (n,).
        """
        one = np.float32(1)
        k1 = np.float32(self.k1)
        norm = np.float32(1 - self.b) + np.float32(self.b) * relative_length
        delta = np.float32(self.delta)
        if self.variant in ("lucene", "robertson"):
            return np.asarray(tf / (tf + k1 * norm), np.float32)
        if self.variant == "bm25l":
            c = tf / norm + delta
            return np.asarray((k1 + one) * c / (k1 + c), np.float32)
        value = (k1 + one) * tf / (tf + k1 * norm)
        return np.asarray(value + delta if self.variant == "bm25+" else value, np.float32)
