"""Fusions: one ranked list out of several lanes.

A lane may know that its judgement means nothing for a query or a document (an English encoder
before Chinese text). There its weight goes to the lanes that do apply, document by document: with
two lanes the lexical
    one then
counts fully. Without such lanes both fusions are the textbook ones.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.normalise import Norm, normalise
from vcplab.memory.stages.state import Lane, State

__all__ = ["RRF", "Convex", "Fusion"]

Missing = Literal["score", "zero"]


@dataclasses.dataclass(frozen=True, slots=True)
class Contribution:
    """What each lane brings to the fused score of some documents of one query.

    Attributes:
        rows: The documents that some applicable lane listed, int64, shape (n,).
        values: Weighted contributions, shape (lanes, n); their sum over lanes is the fused score.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, repr=False)
class Fusion(Stage):
    """Base of the fusions: a fused score is a sum of one contribution per lane."""

    kind: ClassVar[StageKind] = "fusion"

    def lanes_out(self, lanes: int) -> int:
        """One; weights that do not fit are refused here, where the pipeline is written."""
        self.lane_weights(lanes)
        return 1

    def apply(self, state: State, context: Context) -> Output:
        """Fuse the lanes of every query."""
        rankings = []
        for query in range(len(state.queries)):
            parts = self.contributions(state.lanes, query)
            rankings.append(Ranking.of(parts.rows, parts.values.sum(axis=0)))
        return Output(lanes=(Lane(self.name, "fused", tuple(rankings)),))

    def contributions(self, lanes: Sequence[Lane], query: int) -> Contribution:
        """What each lane brings to query number ``query``."""
        listed = [lane.rankings[query].rows for lane in lanes]
        rows = np.unique(np.concatenate(listed))
        every = np.ones(len(rows), np.bool_)
        applies = np.stack(
            [every if lane.applies is None else lane.applies(query, rows) for lane in lanes]
        )
        is_listed = np.zeros(applies.shape, np.bool_)
        for place, own in enumerate(listed):
            is_listed[place, np.searchsorted(rows, own)] = True  # each is there: quicker than isin
        # A document counts if a lane that can judge it has listed it.
        keep = (applies & is_listed).any(axis=0)
        rows, applies, is_listed = rows[keep], applies[:, keep], is_listed[:, keep]
        weights = np.asarray(self.lane_weights(len(lanes)))[:, None]
        active = np.where(applies, weights, 0.0)
        total = active.sum(axis=0)
        share = np.divide(active, total, out=np.zeros_like(active), where=total > 0) * weights.sum()
        values = np.stack(
            [
                self.lane_values(lane, query, rows, known)
                for lane, known in zip(lanes, is_listed, strict=True)
            ]
        )
        return Contribution(rows, share * values)

    @abstractmethod
    def lane_weights(self, lanes: int) -> tuple[float, ...]:
        """The weight of each of ``lanes`` lanes."""

    @abstractmethod
    def lane_values(
        self, lane: Lane, query: int, rows: NDArray[np.int64], listed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """The lane's comparable value of each row, shape (len(rows),), before weighting."""


def _own(
    lane: Lane, query: int, rows: NDArray[np.int64], listed: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Positions in the lane's ranking of those of ``rows`` that it has listed."""
    own = lane.rankings[query].rows
    order = np.argsort(own)
    return np.asarray(order[np.searchsorted(own, rows[listed], sorter=order)], np.int64)


@dataclasses.dataclass(frozen=True, repr=False)
class RRF(Fusion):
    """Reciprocal rank fusion: Σ weight / (k + rank), ranks from 1 (Cormack et al., SIGIR 2009).

    Attributes:
        k: Damping; larger values make deep ranks count more.
        weights: One per lane; equal ones if None.
    """

    k: int = 60
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.k < 0:
            raise InvalidInputError(f"k={self.k} is negative.", where="k", next_step="60 is usual.")
        _check_weights(self.weights)

    def lane_weights(self, lanes: int) -> tuple[float, ...]:
        """The weight of each lane."""
        return _for_lanes(self.weights or (1.0,) * lanes, lanes, self.name)

    def lane_values(
        self, lane: Lane, query: int, rows: NDArray[np.int64], listed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """1 / (k + rank) where listed, else 0."""
        values = np.zeros(len(rows))
        values[listed] = 1.0 / (self.k + 1 + _own(lane, query, rows, listed))
        return values


@dataclasses.dataclass(frozen=True, repr=False)
class Convex(Fusion):
    """Weighted sum of normalised scores (Bruch et al., TOIS 2023).

    By default a BM25 score is divided by the query's highest and a cosine stays as it is: of the
    usual ways this ranks best on text we measured (facts/retrieval §2.6); min-max on the cosine
    lane loses more than any weight gains.

    Attributes:
        weight: Weight of the first lane; the second gets the rest. For two lanes.
        weights: One per lane, instead of ``weight``.
        norm: ``auto`` (by scale, as above), or one of ``max``, ``minmax``, ``zscore``, ``raw`` for
            all lanes.
        missing: What a lane thinks of a document it did not list: its true ``score``, or ``zero``.
    """

    weight: float = 0.3
    weights: tuple[float, ...] | None = None
    norm: Norm = "auto"
    missing: Missing = "score"

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise InvalidInputError(
                f"weight={self.weight} is outside [0, 1].",
                where="weight",
                next_step="It is the share of the first lane; 0.3 is the default.",
            )
        _check_weights(self.weights)
        for value, known, name in (
            (self.norm, get_args(Norm), "norm"),
            (self.missing, get_args(Missing), "missing"),
        ):
            if value not in known:
                raise InvalidInputError(
                    f"{name}={value!r} is not known.",
                    where=name,
                    next_step=f"Use {', '.join(known)}.",
                )

    def lane_weights(self, lanes: int) -> tuple[float, ...]:
        """The weight of each lane."""
        if self.weights is not None:
            return _for_lanes(self.weights, lanes, self.name)
        if lanes == 1:
            return (1.0,)
        return _for_lanes((self.weight, 1.0 - self.weight), lanes, self.name)

    def lane_values(
        self, lane: Lane, query: int, rows: NDArray[np.int64], listed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """The lane's normalised scores."""
        ranking = lane.rankings[query]
        raw = np.full(len(rows), np.nan)
        raw[listed] = ranking.scores[_own(lane, query, rows, listed)]
        unlisted = ~listed
        if self.missing == "score" and lane.scorer is not None and unlisted.any():
            raw[unlisted] = lane.scorer.score(query, rows[unlisted])
        return normalise(raw, ranking.scores, self.norm, lane.scale)


def _check_weights(weights: tuple[float, ...] | None) -> None:
    if weights is not None and not (min(weights, default=0) >= 0 and 0 < sum(weights) < np.inf):
        raise InvalidInputError(
            f"weights={weights} do not weigh anything.",
            where="weights",
            next_step="Give one weight ≥ 0 per lane, at least one above 0.",
        )


def _for_lanes(weights: tuple[float, ...], lanes: int, name: str) -> tuple[float, ...]:
    if len(weights) != lanes:
        raise InvalidInputError(
            f"{name} has {len(weights)} weights for {lanes} lanes.",
            where="weights",
            next_step="Give weights=(…) with one number per lane, in the order of the lanes.",
        )
    return weights
