"""Ranking stages: what filters or reorders one ranked list."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime, timedelta
from typing import ClassVar, Literal, get_args

import numpy as np

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.state import State

__all__ = ["Decay", "Top"]

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([hdwmy])\s*", re.IGNORECASE)
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.4375, "y": 365.25}


@dataclasses.dataclass(frozen=True, repr=False)
class Top(Stage):
    """Keep the first ``k`` entries.

    Attributes:
        k: How many.
    """

    kind: ClassVar[StageKind] = "ranking"
    k: int = 10

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InvalidInputError(
                f"k={self.k} keeps nothing.", where="k", next_step="Give at least 1."
            )

    def apply(self, state: State, context: Context) -> Output:
        """Cut every list."""
        (lane,) = state.lanes
        rankings = tuple(ranking.head(self.k) for ranking in lane.rankings)
        return Output(lanes=(dataclasses.replace(lane, rankings=rankings, scorer=None),))

    def _describe(self) -> str:
        return f"Top({self.k})"


@dataclasses.dataclass(frozen=True, repr=False)
class Decay(Stage):
    """Prefer recent memories: score × (floor + (1 − floor) · 2^(−age / half-life)).

    A prior, not a cliff: nothing is dropped, and the oldest memory keeps ``floor`` of its score.
    Age counts from the query's ``asked_at``, else from the current clock; what lies in the future
    has age 0.

    Attributes:
        half_life: ``"12h"``, ``"30d"``, ``"2w"``, ``"6m"``, ``"1y"``, or a number of days.
        floor: The share that age cannot take away, 0 to 1.
        undated: Documents without a time: ``keep`` their score, or get the ``floor``.
    """

    kind: ClassVar[StageKind] = "ranking"
    half_life: str | float = "30d"
    floor: float = 0.5
    undated: Literal["keep", "floor"] = "keep"

    def __post_init__(self) -> None:
        self.half_life_days  # noqa: B018  (refuses a wrong text where it is written)
        if not 0 <= self.floor <= 1:
            raise InvalidInputError(
                f"floor={self.floor} is outside [0, 1].",
                where="floor",
                next_step="0.5 keeps half of an old memory's score.",
            )
        if self.undated not in ("keep", "floor"):
            raise InvalidInputError(
                f"undated={self.undated!r} is not known.",
                where="undated",
                next_step=f"Use {' or '.join(get_args(Literal['keep', 'floor']))}.",
            )

    @property
    def reads_clock(self) -> bool:
        """It counts age from now where a query does not say when it is asked."""
        return True

    @property
    def half_life_days(self) -> float:
        """The half-life in days."""
        if isinstance(self.half_life, str):
            match = _DURATION.fullmatch(self.half_life)
            days = float(match[1]) * _DAYS[match[2].lower()] if match else 0.0
        else:
            days = float(self.half_life)
        if not 0 < days < float("inf"):
            raise InvalidInputError(
                f"{self.half_life!r} is not a half-life.",
                where="half_life",
                next_step='Write "30d", "12h", "2w", "6m", "1y", or a number of days above 0.',
            )
        return days

    def apply(self, state: State, context: Context) -> Output:
        """Weigh every list by age."""
        (lane,) = state.lanes
        rankings = []
        for query, ranking in zip(state.queries, lane.rankings, strict=True):
            now = query.asked_at or current_clock().now()
            documents = context.corpus.documents(ranking.rows.tolist())
            factor = np.array([self._factor(doc.time, now) for doc in documents])
            # A negative score (a cosine) must sink with age too.
            aged = np.where(ranking.scores >= 0, ranking.scores * factor, ranking.scores / factor)
            rankings.append(Ranking.of(ranking.rows, aged) if len(aged) else ranking)
        lane = dataclasses.replace(lane, name=self.name, rankings=tuple(rankings), scorer=None)
        return Output(lanes=(lane,))

    def _factor(self, time: datetime | None, now: datetime) -> float:
        if time is None:
            return 1.0 if self.undated == "keep" else max(self.floor, 1e-9)
        age = max(0.0, _between(time, now) / timedelta(days=1))
        factor = self.floor + (1 - self.floor) * 2.0 ** (-age / self.half_life_days)
        return float(max(factor, 1e-9))


def _between(time: datetime, now: datetime) -> timedelta:
    """Now − time; a naive time is the wall clock where the other one is."""
    if (time.tzinfo is None) == (now.tzinfo is None):
        return now - time
    if time.tzinfo is None:
        return now.replace(tzinfo=None) - time
    return now.replace(tzinfo=time.tzinfo) - time
