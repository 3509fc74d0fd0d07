"""Per-query scores of several systems → means, intervals, tests and effects, one tidy frame."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation._arrays import TIE
from vcplab.evaluation._options import whole_option
from vcplab.evaluation.bootstrap import RESAMPLES, bootstrap_intervals
from vcplab.evaluation.statistics import (
    PERMUTATIONS,
    adjust,
    check_correction,
    effect_sizes,
    paired_permutation_tests,
    paired_t_tests,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["COLUMNS", "TestPlan", "clear_summaries", "summarise"]

COLUMNS = (
    "system",
    "metric",
    "mean",
    "low",
    "high",
    "delta",
    "delta_low",
    "delta_high",
    "p",
    "p_adjusted",
    "effect",
    "wins",
    "ties",
    "losses",
    "n",
)
_KEPT = 32
_summaries: OrderedDict[str, pd.DataFrame] = OrderedDict()
_lock = Lock()


@dataclass(frozen=True, slots=True)
class TestPlan:
    """How systems are compared.

    Attributes:
        seed: Of the bootstrap and of the permutations.
        test: "permutation" or "t".
        correction: statsmodels name of the adjustment, or "none"; the systems compared with the
            baseline on one metric are one family.
        confidence: Coverage of intervals.
        interval: "percentile" or "BCa".
        resamples: Bootstrap samples.
        permutations: Random permutations.
    """

    __test__ = False  # not a test class of pytest

    seed: int = 0
    test: Literal["permutation", "t"] = "permutation"
    correction: str = "holm"
    confidence: float = 0.95
    interval: Literal["percentile", "BCa"] = "percentile"
    resamples: int = RESAMPLES
    permutations: int = PERMUTATIONS

    def check(self) -> None:
        """Refuse options that do not exist, before anything is run.

        Raises:
            InvalidInputError: One does not.
        """
        if self.test not in ("permutation", "t"):
            raise InvalidInputError(
                f"There is no test {self.test!r}.",
                where="test",
                next_step='Use "permutation" or "t".',
            )
        check_correction(self.correction)
        whole_option(self.seed, "seed", 0, least=0)
        whole_option(self.permutations, "permutations", PERMUTATIONS)
        whole_option(self.resamples, "resamples", RESAMPLES)
        bootstrap_intervals(
            np.zeros((2, 1)),
            confidence=self.confidence,
            resamples=1,
            method=self.interval,
        )


def summarise(
    systems: Sequence[str],
    scores: Mapping[str, NDArray[np.float64]],
    baseline: int | None,
    plan: TestPlan,
) -> pd.DataFrame:
    """One row per system and metric.

    The same scores are not computed twice in a process.

    Args:
        systems: Names, in order.
        scores: Metric → scores, shape (systems, items), finite.
        baseline: Position of the system that others are compared with, or None.
        plan: How.

    Returns:
        The columns :data:`COLUMNS`; what compares with the baseline is NaN in its own rows.
    """
    key = hashlib.sha256(repr((tuple(systems), baseline, astuple(plan))).encode("utf-8"))
    for metric, table in scores.items():
        key.update(repr((metric, table.shape)).encode("utf-8"))
        key.update(np.ascontiguousarray(table, dtype=np.float64).tobytes())
    name = key.hexdigest()
    with _lock:
        known = _summaries.get(name)
    if known is None:
        known = _summarise(systems, scores, baseline, plan)
        with _lock:
            _summaries[name] = known
            while len(_summaries) > _KEPT:
                _summaries.popitem(last=False)
    return known.copy()


def clear_summaries() -> None:
    """Forget the summaries of this process."""
    with _lock:
        _summaries.clear()


def _summarise(
    systems: Sequence[str],
    scores: Mapping[str, NDArray[np.float64]],
    baseline: int | None,
    plan: TestPlan,
) -> pd.DataFrame:
    count, metrics = len(systems), list(scores)
    # Rows in the order system, metric: all resampling then happens in one call each.
    stacked = np.stack([scores[metric] for metric in metrics], axis=1)
    n = stacked.shape[2]
    table = stacked.reshape(count * len(metrics), n)
    low, high = _intervals(table, plan)
    frame = pd.DataFrame(
        {
            "system": [name for name in systems for _ in metrics],
            "metric": metrics * count,
            "mean": table.mean(axis=1) if n else np.full(len(table), np.nan),
            "low": low,
            "high": high,
        }
    )
    for column in COLUMNS[5:11]:
        frame[column] = np.nan
    for column in COLUMNS[11:14]:
        frame[column] = pd.array([pd.NA] * len(frame), dtype="Int64")
    frame["n"] = n
    if baseline is not None and count > 1 and n:
        others = [s for s in range(count) if s != baseline]
        rows = np.array([s * len(metrics) + m for s in others for m in range(len(metrics))])
        against = np.array(
            [baseline * len(metrics) + m for _ in others for m in range(len(metrics))]
        )
        _compare(frame, table, rows, against, len(metrics), plan)
    return frame[list(COLUMNS)]


def _intervals(
    table: NDArray[np.float64], plan: TestPlan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return bootstrap_intervals(
        table.T,
        confidence=plan.confidence,
        resamples=plan.resamples,
        method=plan.interval,
        seed=plan.seed,
    )


def _compare(
    frame: pd.DataFrame,
    table: NDArray[np.float64],
    rows: NDArray[np.int64],
    against: NDArray[np.int64],
    metrics: int,
    plan: TestPlan,
) -> None:
    difference = table[rows] - table[against]
    low, high = _intervals(difference, plan)
    if plan.test == "t":
        p = paired_t_tests(table[rows], table[against])
    else:
        p = paired_permutation_tests(
            table[rows], table[against], resamples=plan.permutations, seed=plan.seed
        )
    adjusted = np.empty_like(p)
    for metric in range(metrics):
        adjusted[metric::metrics] = adjust(p[metric::metrics], plan.correction)
    columns = {
        "delta": difference.mean(axis=1),
        "delta_low": low,
        "delta_high": high,
        "p": p,
        "p_adjusted": adjusted,
        "effect": effect_sizes(difference.T),
        "wins": (difference > TIE).sum(axis=1),
        "ties": (np.abs(difference) <= TIE).sum(axis=1),
        "losses": (difference < -TIE).sum(axis=1),
    }
    for name, values in columns.items():
        frame.loc[rows, name] = values
