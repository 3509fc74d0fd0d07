"""Many ranked lists scored at once, each with its scores or the reason why it has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError, InvalidInputError, LoopError, VCPError
from vcplab.protocol.ports import Reranker

__all__ = ["checked_scores", "clean", "score_lists"]


def score_lists(
    reranker: Reranker, queries: Sequence[str], documents: Sequence[Sequence[str]]
) -> list[NDArray[np.float64] | VCPError]:
    """Score one list of documents per query; a list is scored as a whole or not at all.

    A reranker that has a method ``score_many(queries, documents)`` is asked once for all lists: a
    cross-encoder fills its batches across queries, an HTTP reranker asks for several at a time.
    Any other is asked list by list.

    Args:
        reranker: Any reranker.
        queries: The questions.
        documents: The documents of each, as many lists as queries; lists may be empty.

    Returns:
        Per query its scores, shape (documents of that query,), or the error that came instead.

    Raises:
        InvalidInputError: The reranker breaks its word: another number of scores than documents.
    """
    many = getattr(reranker, "score_many", None)
    results: list[Any]
    if callable(many):
        try:
            results = list(many(queries, documents))
        except LoopError:
            raise
        except VCPError as error:
            results = [error] * len(queries)
    else:
        results = [
            _score(reranker, query, own) for query, own in zip(queries, documents, strict=True)
        ]
    return [
        result if isinstance(result, VCPError) else _checked(reranker.name, result, len(own))
        for result, own in zip(results, documents, strict=True)
    ]


def _score(reranker: Reranker, query: str, documents: Sequence[str]) -> Any:
    if not documents:
        return np.empty(0)
    try:
        return reranker.score(query, documents)
    except LoopError:
        raise
    except VCPError as error:
        return error


def _checked(name: str, scores: Any, count: int) -> NDArray[np.float64] | VCPError:
    try:
        return checked_scores(name, scores, count)
    except InvalidDataError as error:
        return error


def checked_scores(name: str, scores: Any, count: int) -> NDArray[np.float64]:
    """Scores as a float64 array that a list can be ranked by.

    Args:
        name: Whose scores they are.
        scores: Any array-like.
        count: Number of documents.

    Raises:
        InvalidInputError: They do not have the shape (count,).
        InvalidDataError: One of them is no finite number.
    """
    array = np.asarray(scores, np.float64)
    if array.shape != (count,):
        raise InvalidInputError(
            f"{name} gave scores of shape {array.shape} for {count} documents.",
            where=name,
            next_step=f"Its score(query, documents) must give one number per document: ({count},).",
        )
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise InvalidDataError(
            f"{name} scored document {wrong[0]} of {count} as {array[wrong[0]]}.",
            where=name,
            next_step="Look at that document's text; half-precision models may overflow.",
        )
    return array


def clean(text: str) -> str:
    """A text without lone surrogates, which Python strings may hold but tokenisers and JSON not.

    Raises:
        InvalidInputError: It is no string.
    """
    if not isinstance(text, str):
        raise InvalidInputError(
            f"Queries and documents must be strings, not {type(text).__name__}.",
            where="reranking",
            next_step="Give texts: score(query, [document.text, ...]).",
        )
    return text.encode("utf-8", "replace").decode("utf-8")
