"""Vectors of tags, and which of them mean anything to the embedder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.stages.state import Query
from vcplab.memory.tags.store import TagDocuments
from vcplab.models.embedding import CachedEmbedder, cached, default_embedder
from vcplab.text.language import dominant_languages, is_covered

__all__ = ["TagVectors", "encoder_of", "query_vectors", "tag_vectors", "vector_key"]


@dataclass(frozen=True, eq=False)
class TagVectors:
    """Unit vectors of the tags that are in a language the embedder knows.

    Attributes:
        matrix: float64, shape (tags, dimension); zero rows for the others.
        known: Which tags have a vector, bool, shape (tags,).
    """

    matrix: NDArray[np.float64]
    known: NDArray[np.bool_]


def encoder_of(embedder: Any | None) -> CachedEmbedder:
    """The embedder, with its cache.

    Raises:
        InvalidInputError: It has to be fitted to documents, which tags are not.
    """
    given = default_embedder() if embedder is None else embedder
    if hasattr(given, "fit"):
        raise InvalidInputError(
            f"{given!r} is fitted to documents; it has no vectors for tags.",
            where="embedder",
            next_step="Give an embedder that encodes any text, such as the default one.",
        )
    return cached(given)


def vector_key(encoder: CachedEmbedder) -> str:
    """What vectors of tags depend on: the same model with other languages knows other tags."""
    known = encoder.languages
    return f"{encoder.fingerprint} {'any' if known is None else ' '.join(sorted(known))}"


def tag_vectors(documents: TagDocuments, encoder: CachedEmbedder) -> TagVectors:
    """The vectors of a graph's tags, encoded when first asked for."""
    return documents.made(("vectors", vector_key(encoder)), lambda: _encoded(documents, encoder))


def _encoded(documents: TagDocuments, encoder: CachedEmbedder) -> TagVectors:
    names = documents.graph.names
    codes = dominant_languages(names)
    known = np.array([is_covered(code, encoder.languages) for code in codes], np.bool_)
    matrix = np.zeros((len(names), encoder.dimension))
    if known.any():
        texts = [name for name, is_known in zip(names, known, strict=True) if is_known]
        matrix[known] = encoder.embed_documents(texts)
    return TagVectors(matrix, known)


def query_vectors(
    queries: Sequence[Query], encoder: CachedEmbedder
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Unit vectors of queries: a caller's own, or the embedder's where it knows the language.

    Returns:
        Vectors, shape (queries, dimension), zero where there is none; where there is one; and the
        correction of the clock in ms per query: what encoding costs, less what was spent just now.

    Raises:
        InvalidInputError: A caller's vector has another dimension than the embedder's.
    """
    cost = np.zeros(len(queries))
    vectors = np.zeros((len(queries), encoder.dimension))
    codes = dominant_languages([query.text for query in queries])
    known = np.array([is_covered(code, encoder.languages) for code in codes], np.bool_)
    for at, query in enumerate(queries):
        own = query.embedding
        if own is not None and known[at]:
            if own.size != encoder.dimension:
                raise InvalidInputError(
                    f"The query embedding has {own.size} values; {encoder.name} makes vectors of "
                    f"{encoder.dimension}.",
                    where="query_embedding",
                    next_step="Give the tag stages the embedder that the vector was made with.",
                )
            norm = float(np.linalg.norm(own))
            vectors[at] = own.ravel() / norm if norm > 0 else 0.0
    wanted = [at for at, query in enumerate(queries) if query.embedding is None and known[at]]
    if wanted:
        texts = [queries[at].text for at in wanted]
        began = time.process_time()
        vectors[wanted], cost[wanted] = encoder.embed_with_cost(texts, "query")
        cost -= (time.process_time() - began) * 1000 / len(queries)
    return vectors, known, cost
