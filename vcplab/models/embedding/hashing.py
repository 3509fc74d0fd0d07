"""A deterministic embedder without any model: signed hashing of character n-grams and words.

It measures surface overlap, nothing more. Its use is in tests and in showing a pipeline where no
weights are installed (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning",
ICML 2009).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError

__all__ = ["HashEmbedder"]


@dataclass(frozen=True)
class HashEmbedder:
    """Signed feature hashing, the same on every machine.

    Attributes:
        length: Length of a vector, ≥ 8.
        ngram: Characters per feature.
    """

    length: int = 64
    ngram: int = 2

    def __post_init__(self) -> None:
        if self.length < 8 or self.ngram < 1:
            raise InvalidInputError(
                f"length={self.length}, ngram={self.ngram} cannot tell texts apart.",
                next_step="Use length ≥ 8 and ngram ≥ 1.",
            )

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"hash-{self.length}"

    @property
    def fingerprint(self) -> str:
        """Parameters and version."""
        return f"hash-1-{self.length}-{self.ngram}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.length

    @property
    def languages(self) -> frozenset[str] | None:
        """Any: it knows none."""
        return None

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension)."""
        return np.stack([self._vector(t) for t in texts]) if len(texts) else self._none()

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension)."""
        return self.embed_documents(texts)

    def _none(self) -> NDArray[np.float32]:
        return np.zeros((0, self.length), np.float32)

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.length, np.float32)
        folded = text.lower()
        # At least one feature, also for the empty text, so that every vector has a direction.
        for i in range(max(1, len(folded) - self.ngram + 1)):
            feature = folded[i : i + self.ngram].encode("utf-8", "surrogatepass")
            value = int.from_bytes(hashlib.blake2b(feature, digest_size=8).digest(), "big")
            vector[value % self.length] += 1.0 if value >> 63 else -1.0
        norm = float(np.linalg.norm(vector))
        if norm == 0.0:  # features may cancel exactly
            vector[0] = norm = 1.0
        return np.asarray(vector / np.float32(norm), np.float32)
