"""How alike documents are: by meaning where the embedder knows their language, else by terms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.memory.corpus import Corpus
from vcplab.memory.index.derived import dense_documents, document_languages
from vcplab.protocol.ports import Embedder
from vcplab.text.analysis import default_analyzer

__all__ = ["by_meaning", "by_terms"]


def by_meaning(
    corpus: Corpus,
    rows: NDArray[np.int64],
    embedder: Embedder | Any | None,
    fields: tuple[str, ...],
) -> NDArray[np.float64]:
    """Cosines of document vectors; of term sets where one of a pair is in an unknown language.

    Args:
        corpus: The documents.
        rows: Which, shape (n,).
        embedder: As for the dense lane, whose vectors are used.
        fields: Which fields are compared.

    Returns:
        Symmetric, 0 to 1, shape (n, n); negative cosines count as 0.
    """
    kept = dense_documents(corpus, embedder, fields)
    vectors = kept.index.vectors(rows).astype(np.float64)
    alike = np.clip(vectors @ vectors.T, 0.0, 1.0)
    known = document_languages(corpus, fields).within(kept.embedder.languages).rows[rows]
    if not known.all():
        both = known[:, None] & known[None, :]
        alike = np.where(both, alike, by_terms(corpus, rows, fields, jaccard=False))
    return alike


def by_terms(
    corpus: Corpus, rows: NDArray[np.int64], fields: tuple[str, ...], *, jaccard: bool
) -> NDArray[np.float64]:
    """Overlap of the documents' sets of terms, shape (n, n): Jaccard's, or the cosine."""
    texts = [doc.field_text(fields) for doc in corpus.documents(rows.tolist())]
    numbers: dict[str, int] = {}
    sets = [
        {numbers.setdefault(term, len(numbers)) for term in terms}
        for terms in default_analyzer().analyze_many(texts)
    ]
    has = np.zeros((len(sets), max(1, len(numbers))), np.float32)
    for own, terms in zip(has, sets, strict=True):
        own[list(terms)] = 1
    shared = (has @ has.T).astype(np.float64)
    sizes = np.diag(shared)
    if jaccard:
        together = sizes[:, None] + sizes[None, :] - shared
    else:
        together = np.sqrt(sizes[:, None] * sizes[None, :])
    return np.divide(shared, together, out=np.zeros_like(shared), where=together > 0)
