"""Latent semantic analysis: an embedder that learns from the corpus itself.

TF-IDF with sublinear term frequency, reduced by truncated SVD (Deerwester et al., 1990). It knows
whatever language the corpus is written in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.text.analysis import Analyzer, default_analyzer

__all__ = ["LSA", "FittedLSA"]


@dataclass(frozen=True)
class LSA:
    """The recipe of an LSA embedder; a lane fits it to its corpus.

    Attributes:
        components: Length of a vector, at most; a small corpus gives fewer.
        seed: Of the randomised SVD.
        analyzer: Text to terms; the default analyser if None.
    """

    components: int = 128
    seed: int = 0
    analyzer: Analyzer | None = None

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"LSA-{self.components}"

    @property
    def fingerprint(self) -> str:
        """Parameters; the fitted embedder adds the corpus."""
        analyzer = self.analyzer or default_analyzer()
        return f"lsa-1-{self.components}-{self.seed}-{analyzer.fingerprint}"

    def fit(self, texts: Sequence[str]) -> FittedLSA:
        """Learn from the texts of a corpus.

        Args:
            texts: At least two texts with two different terms between them.

        Raises:
            InvalidInputError: There is too little text.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        analyzer = self.analyzer or default_analyzer()
        vectorizer = TfidfVectorizer(
            analyzer=analyzer.analyze, sublinear_tf=True, lowercase=False, dtype=np.float64
        )
        try:
            matrix = vectorizer.fit_transform(texts)
        except ValueError as error:
            raise _too_little(len(texts)) from error
        components = min(self.components, min(matrix.shape) - 1)
        if components < 1:
            raise _too_little(len(texts))
        svd = TruncatedSVD(components, random_state=self.seed, n_iter=7)
        svd.fit(matrix)
        digest = hashlib.blake2b(digest_size=12)
        for text in texts:
            digest.update(hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest())
        return FittedLSA(
            self, components, f"{self.fingerprint}-{digest.hexdigest()}", vectorizer, svd
        )


@dataclass(frozen=True, eq=False)
class FittedLSA:
    """An LSA embedder that has seen its corpus.

    Attributes:
        recipe: What was fitted.
        dimension: Length of a vector.
        fingerprint: Parameters and corpus.
    """

    recipe: LSA
    dimension: int
    fingerprint: str
    _vectorizer: Any = field(repr=False)
    _svd: Any = field(repr=False)

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.recipe.name

    @property
    def languages(self) -> frozenset[str] | None:
        """Any: it learned from the corpus."""
        return None

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension); zero where no term is known."""
        if not len(texts):
            return np.zeros((0, self.dimension), np.float32)
        reduced = self._svd.transform(self._vectorizer.transform(texts))
        norms = np.linalg.norm(reduced, axis=1, keepdims=True)
        return np.asarray(reduced / np.where(norms > 1e-12, norms, 1.0), np.float32)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit row vectors, shape (len(texts), dimension); zero where no term is known."""
        return self.embed_documents(texts)


def _too_little(count: int) -> InvalidInputError:
    return InvalidInputError(
        f"LSA cannot learn from {count} texts with so few different terms.",
        where="LSA",
        next_step="Use it on a corpus of at least a few dozen texts, or Dense(vl.MiniLM()).",
    )
