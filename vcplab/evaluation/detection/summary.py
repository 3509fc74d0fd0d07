"""From verdicts to means, intervals and tests of sets of samples, one tidy frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from vcplab.evaluation.statistics import adjust
from vcplab.evaluation.statistics.resampling import (
    Resampled,
    Statistic,
    paired_bootstrap_p,
    percentile_interval,
    resample_groups,
)
from vcplab.evaluation.summary import COLUMNS, TestPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SetMetric", "summarise_sets"]

_Key = tuple[str, int, str]


class SetMetric(Protocol):
    """A metric of a set of samples, of which some count."""

    def counts(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows it is about."""
        ...

    def of(self, frame: pd.DataFrame) -> float:
        """Its value."""
        ...

    @property
    def statistic(self) -> Callable[[pd.DataFrame], Statistic]:
        """From the rows that count to a function of weights."""
        ...


def summarise_sets(
    systems: Sequence[str],
    frames: Sequence[pd.DataFrame],
    measures: Mapping[str, SetMetric],
    groups: Sequence[str],
    baseline: int | None,
    plan: TestPlan,
) -> pd.DataFrame:
    """One row per detector and metric.

    A detector's own value counts what it judges; a difference counts what both judge. Whole groups
    are drawn, the same ones for all; p is that of the paired bootstrap.

    Args:
        systems: Names, in order.
        frames: Per detector one row per sample, the same samples in the same order.
        measures: Name → metric.
        groups: The group of each sample.
        baseline: Position of the detector that others are compared with, or None.
        plan: Seed, resamples, confidence and correction.

    Returns:
        The columns :data:`~vcplab.evaluation.summary.COLUMNS`; effect, wins, ties and losses have
        no meaning for sets and are missing.
    """
    statistics: dict[_Key, Statistic] = {}
    counted: dict[tuple[int, str], NDArray[np.bool_]] = {}
    for s, frame in enumerate(frames):
        for name, metric in measures.items():
            mask = metric.counts(frame)
            counted[s, name] = mask
            statistics["own", s, name] = _on(metric, frame, mask)
            if baseline is None or s == baseline:
                continue
            both = mask & metric.counts(frames[baseline])
            if not np.array_equal(both, mask):
                statistics["first", s, name] = _on(metric, frame, both)
            if not np.array_equal(both, metric.counts(frames[baseline])):
                statistics["second", s, name] = _on(metric, frames[baseline], both)
    found = resample_groups(statistics, groups, resamples=plan.resamples, seed=plan.seed)
    rows = []
    for s, system in enumerate(systems):
        for name in measures:
            own = found["own", s, name]
            low, high = _ends(own, plan)
            row: dict[str, object] = dict.fromkeys(COLUMNS, np.nan)
            row |= {"system": system, "metric": name, "mean": own.value, "low": low, "high": high}
            row["n"] = int(counted[s, name].sum())
            if baseline is not None and s != baseline:
                first = found.get(("first", s, name), own)
                second = found.get(("second", s, name), found["own", baseline, name])
                difference = first.samples - second.samples
                ends = percentile_interval(difference, plan.confidence)
                row["delta"] = first.value - second.value
                row["delta_low"], row["delta_high"] = ends.low, ends.high
                row["p"] = paired_bootstrap_p(difference)
            rows.append(row)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in measures:
        part = frame["metric"] == name
        adjusted = adjust(frame.loc[part, "p"].to_numpy(float), plan.correction)
        frame.loc[part, "p_adjusted"] = adjusted
    for column in ("wins", "ties", "losses"):
        frame[column] = pd.array([pd.NA] * len(frame), dtype="Int64")
    return frame


def _on(metric: SetMetric, frame: pd.DataFrame, mask: NDArray[np.bool_]) -> Statistic:
    """The metric of some rows, as a function of the weights of all."""
    places = np.flatnonzero(mask)
    if not len(places):
        return lambda weights: np.full(len(weights), np.nan)
    statistic = metric.statistic(frame[mask])
    if len(places) == len(mask):
        return statistic
    return lambda weights: statistic(weights[:, places])


def _ends(resampled: Resampled, plan: TestPlan) -> tuple[float, float]:
    interval = resampled.interval(plan.confidence)
    return interval.low, interval.high
