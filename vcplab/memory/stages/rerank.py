"""Reranking: the first candidates judged again by a model that reads query and document together.

It belongs before anything that shortens the list (facts/vcp-memory §13.6): what a reranker never
sees it cannot lift. A list is reranked as a whole or not at all, so that scores of two kinds never
stand in one order.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import checked_fields
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import State
from vcplab.models.reranking.lists import score_lists
from vcplab.protocol.ports import Reranker

__all__ = ["OnError", "Rerank"]

OnError = Literal["keep", "raise"]

_DAMPING = 60  # of reciprocal ranks (Cormack et al., SIGIR 2009)


@dataclasses.dataclass(frozen=True, repr=False)
class Rerank(Stage):
    """Reorder the first ``k`` by a reranker; the others follow in the order they had.

    ::

        LightMemo() >> Rerank(CrossEncoder("models/bge-reranker-v2-m3"), k=50)
        LightMemo() >> Rerank(HTTPReranker(url, dialect="tei"), weight=0.7)

    With ``weight`` 1 the scores are the reranker's own, and those behind the first ``k`` count down
    below the lowest of them. With less, both orders are blended by reciprocal rank, ranks from 1:
    weight / (60 + rank by the reranker) + (1 − weight) / (60 + rank before), without the first part
    behind the first ``k`` (LightMemo's, facts/vcp-memory §5).

    Attributes:
        reranker: A :class:`~vcplab.models.reranking.cross_encoder.CrossEncoder`, an
            :class:`~vcplab.models.reranking.http.HTTPReranker`, or an object with ``name``,
            ``fingerprint`` and ``score(query, documents)``.
        k: How many of each list are judged.
        fields: Which fields of a document the reranker reads.
        weight: The reranker's share, 0 to 1. At 0 it is not asked.
        on_error: What happens where the reranker fails: ``keep`` the whole list of that query as it
            was, with a notice, or ``raise``. A model that is missing is always raised.
    """

    kind: ClassVar[StageKind] = "ranking"
    reranker: Reranker
    k: int = 50
    _: dataclasses.KW_ONLY
    fields: tuple[str, ...] = ("text",)
    weight: float = 1.0
    on_error: OnError = "keep"

    def __post_init__(self) -> None:
        # Looked up on the class: to read a fingerprint would read the model's files.
        missing = object()
        parts = ("name", "fingerprint", "score")
        if isinstance(self.reranker, type) or any(
            inspect.getattr_static(self.reranker, part, missing) is missing for part in parts
        ):
            raise InvalidInputError(
                f"{self.reranker!r} is no reranker.",
                where="reranker",
                next_step='Give one: vl.CrossEncoder("name or folder"), vl.HTTPReranker(url), or '
                f"an object with {', '.join(parts)}.",
            )
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer) or self.k < 1:
            raise InvalidInputError(
                f"k={self.k!r} is no number of documents.",
                where="k",
                next_step="Give a whole number from 1; 50 to 100 are usual.",
            )
        object.__setattr__(self, "fields", checked_fields(self.fields, "read by a reranker"))
        if not 0 <= self.weight <= 1:
            raise InvalidInputError(
                f"weight={self.weight} is outside [0, 1].",
                where="weight",
                next_step="1 is the reranker alone; 0.5 gives both orders the same say.",
            )
        if self.on_error not in get_args(OnError):
            raise InvalidInputError(
                f"on_error={self.on_error!r} is not known.",
                where="on_error",
                next_step=f"Use {' or '.join(get_args(OnError))}.",
            )

    @property
    def cacheable(self) -> bool:
        """Whether results may be kept between runs: only if it is known which model scores.

        Lists that a failure left as they were are never kept (:attr:`Output.volatile`).
        """
        return super().cacheable and bool(getattr(self.reranker, "cacheable", True))

    def prepare(self, corpus: Corpus) -> None:
        """Load the reranker, so that the first query is not charged for it."""
        ready = getattr(self.reranker, "prepare", None)
        if callable(ready) and self.weight > 0:
            ready()

    def apply(self, state: State, context: Context) -> Output:
        """Rerank every list."""
        (lane,) = state.lanes
        results: Sequence[NDArray[np.float64] | VCPError]
        if self.weight > 0:
            queries = [query.text for query in state.queries]
            texts = [self._texts(context.corpus, ranking) for ranking in lane.rankings]
            results = score_lists(self.reranker, queries, texts)
        else:
            results = [np.zeros(min(self.k, len(ranking))) for ranking in lane.rankings]
        failures = [result for result in results if isinstance(result, VCPError)]
        if failures and self.on_error == "raise":
            raise failures[0]
        rankings = tuple(
            ranking if isinstance(result, VCPError) else self._reranked(ranking, result)
            for ranking, result in zip(lane.rankings, results, strict=True)
        )
        # No cosine and no BM25 any more, whatever the lane was.
        changed = dataclasses.replace(
            lane, name=self.name, scale="fused", rankings=rankings, scorer=None
        )
        return Output(
            lanes=(changed,),
            notices=self._notices(failures, len(results)),
            volatile=bool(failures),
        )

    def _texts(self, corpus: Corpus, ranking: Ranking) -> list[str]:
        documents = corpus.documents(ranking.rows[: self.k].tolist())
        return [document.field_text(self.fields) for document in documents]

    def _reranked(self, before: Ranking, scores: NDArray[np.float64]) -> Ranking:
        total, judged = len(before), len(scores)
        if not judged:
            return before
        if self.weight == 1:
            lowest = float(scores.min())
            # As wide as it must be to be seen beside a score of this size.
            step = max(1.0, abs(lowest) * 1e-9)
            behind = lowest - step * np.arange(1, total - judged + 1)
            return Ranking.of(before.rows, np.concatenate([scores, behind]))
        # What ties for the reranker keeps the order it had.
        place = np.empty(judged, np.int64)
        place[np.argsort(-scores, kind="stable")] = np.arange(1, judged + 1)
        blended = (1 - self.weight) / (_DAMPING + np.arange(1, total + 1))
        blended[:judged] += self.weight / (_DAMPING + place)
        return Ranking.of(before.rows, blended)

    def _notices(self, failures: Sequence[VCPError], total: int) -> tuple[str, ...]:
        counts: dict[str, int] = {}
        for error in failures:
            reason = f"{error.message} {error.next_step or ''}".strip()
            counts[reason] = counts.get(reason, 0) + 1
        return tuple(
            f"{self.reranker.name} could not rerank {count} of {total} lists, which keep their "
            f"order. {reason}"
            for reason, count in counts.items()
        )

    def _describe(self) -> str:
        share = "" if self.weight == 1 else f", weight={self.weight:g}"
        return f"Rerank({self.reranker.name}, k={self.k}{share})"
