"""What rerank services want to be sent and what they answer, as values (facts/vcp-memory §9).

A dialect is data: a template of the request body in which slots stand for what changes, where the
results are in the answer, and what a score is called. A service of one's own is a variation::

    dataclasses.replace(DIALECTS["tei"], name="tei-raw",
                        request={**DIALECTS["tei"].request, "raw_scores": True})
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError

__all__ = ["DIALECTS", "Dialect", "Reply", "Slot"]


class Slot(enum.StrEnum):
    """What a template is filled with."""

    MODEL = "<model>"
    """The model's name; the entry is left out where there is none."""
    QUERY = "<query>"
    DOCUMENTS = "<documents>"
    COUNT = "<count>"
    """The number of documents: every one is to be scored."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service said about one batch.

    Attributes:
        scores: float64, shape (documents sent,), in the order in which they were sent.
        model: Which model it says has scored; None if it does not say.
    """

    scores: NDArray[np.float64]
    model: str | None = None


@dataclass(frozen=True)
class Dialect:
    """How to talk to one kind of rerank service.

    Attributes:
        name: What errors call it.
        path: Where the service is, if a URL does not say.
        request: The request body, with :class:`Slot` values in place of what changes.
        results: Where in the answer the list of results may be, as keys from the outside in; the
            first that leads to a list counts, ``()`` is the answer itself.
        scores: Names that a result's score may have; the first that is there counts.
        model: The model that is asked for if none is named.
        needs_model: Whether the service refuses a request that names no model.
    """

    name: str
    path: str
    # Left out of the hash, which a mapping does not have.
    request: Mapping[str, Any] = field(hash=False)
    results: tuple[tuple[str, ...], ...] = (("results",),)
    scores: tuple[str, ...] = ("relevance_score",)
    model: str | None = None
    needs_model: bool = False

    @property
    def content(self) -> str:
        """Everything that can change a score, as text for a fingerprint."""
        return json.dumps([self.request, self.results, self.scores], sort_keys=True, default=str)

    def body(self, query: str, documents: Sequence[str], model: str | None) -> dict[str, Any]:
        """The request body for one batch.

        Args:
            query: The question.
            documents: The documents of the batch.
            model: The model to ask for; the entry is left out if None.
        """
        values = {
            Slot.MODEL: model,
            Slot.QUERY: query,
            Slot.DOCUMENTS: list(documents),
            Slot.COUNT: len(documents),
        }
        body: dict[str, Any] = _filled(self.request, values)
        return body

    def read(self, answer: Any, count: int) -> Reply:
        """The scores in an answer, put in the order of the documents that were sent.

        Args:
            answer: The parsed JSON.
            count: The number of documents that were sent.

        Raises:
            InvalidDataError: It is not an answer of this dialect: every document must have exactly
                one finite score.
        """
        scores = np.full(count, np.nan)
        seen: set[int] = set()
        for place, item in enumerate(self._items(answer)):
            index, score = self._result(item, place, count)
            if index in seen:
                raise self._malformed(f"names document {index} twice")
            seen.add(index)
            scores[index] = score
        missing = sorted(set(range(count)) - seen)
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise self._malformed(f"leaves out document {missing[0]}{more} of {count}")
        model = answer.get("model") if isinstance(answer, Mapping) else None
        return Reply(scores, model if isinstance(model, str) else None)

    def _items(self, answer: Any) -> list[Any]:
        for keys in self.results:
            found = answer
            for key in keys:
                found = found.get(key) if isinstance(found, Mapping) else None
            if isinstance(found, list):
                return found
        places = " or ".join(".".join(keys) or "the answer itself" for keys in self.results)
        raise self._malformed(f"has no list of results ({places})")

    def _result(self, item: Any, place: int, count: int) -> tuple[int, float]:
        if not isinstance(item, Mapping):
            raise self._malformed(f"has {type(item).__name__} as result {place}, not an object")
        index = item.get("index")
        if not isinstance(index, int) or isinstance(index, bool):
            raise self._malformed(f"has no index in result {place}")
        if not 0 <= index < count:
            raise self._malformed(f"names document {index:.6g} of {count} in result {place}")
        # Whether a name is there, not whether its value is true: 0 is a score.
        name = next((name for name in self.scores if name in item), None)
        if name is None:
            raise self._malformed(f"has no {' or '.join(self.scores)} in result {place}")
        score = item[name]
        if not isinstance(score, int | float) or isinstance(score, bool) or not _is_finite(score):
            raise self._malformed(f"scores document {index} with no finite number")
        return index, float(score)

    def _malformed(self, what: str) -> InvalidDataError:
        return InvalidDataError(
            f"The reranker's answer {what}.",
            where=f"dialect {self.name}",
            next_step=f"Check that the url is that of a {self.name} rerank service; other dialects "
            f"are {', '.join(sorted(DIALECTS))}.",
        )


def _filled(template: Any, values: Mapping[Slot, Any]) -> Any:
    if isinstance(template, Mapping):
        return {
            name: _filled(value, values)
            for name, value in template.items()
            if value is not Slot.MODEL or values[Slot.MODEL] is not None
        }
    return values[template] if isinstance(template, Slot) else template


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond the largest float
        return False


_COMMON = {"model": Slot.MODEL, "query": Slot.QUERY}

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        dialect.name: dialect
        for dialect in (
            Dialect(
                "cohere",
                "/v2/rerank",
                {**_COMMON, "documents": Slot.DOCUMENTS, "top_n": Slot.COUNT},
                model="rerank-v3.5",
            ),
            # Real Text Embeddings Inference, which serves one model and is not told which. Without
            # `truncate` it refuses the whole batch for one long document.
            Dialect(
                "tei",
                "/rerank",
                {
                    "query": Slot.QUERY,
                    "texts": Slot.DOCUMENTS,
                    "truncate": True,
                    "return_text": False,
                },
                results=((),),
                scores=("score",),
            ),
            Dialect(
                "jina",
                "/v1/rerank",
                {
                    **_COMMON,
                    "documents": Slot.DOCUMENTS,
                    "top_n": Slot.COUNT,
                    "return_documents": False,
                },
            ),
            Dialect(
                "voyage",
                "/v1/rerank",
                {
                    **_COMMON,
                    "documents": Slot.DOCUMENTS,
                    "top_k": Slot.COUNT,
                    "return_documents": False,
                    "truncation": True,
                },
                results=(("data",),),
                needs_model=True,
            ),
            # Servers of BGE models read one of the two names, and answer in one of two shapes.
            Dialect(
                "bge",
                "/v1/rerank",
                {
                    **_COMMON,
                    "texts": Slot.DOCUMENTS,
                    "documents": Slot.DOCUMENTS,
                    "top_n": Slot.COUNT,
                },
                results=(("results",), ()),
                scores=("relevance_score", "score"),
                model="bge-reranker-v2-m3",
            ),
            Dialect(
                "bailian",
                "/api/v1/services/rerank/text-rerank/text-rerank",
                {
                    "model": Slot.MODEL,
                    "input": {"query": Slot.QUERY, "documents": Slot.DOCUMENTS},
                    "parameters": {"top_n": Slot.COUNT, "return_documents": False},
                },
                results=(("output", "results"),),
                needs_model=True,
            ),
        )
    }
)
