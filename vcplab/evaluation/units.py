"""From scores of items to scores of units: what intervals resample and tests swap.

Where several items belong to one unit (the seeds of a scenario), they are not independent: the
mean of a unit is its score, and units are resampled. For equal numbers of items this is the
bootstrap of whole groups (Davison and Hinkley 1997, 3.8), and the advice of Miller
2024 ("Adding error bars to evals") for repeated answers to a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vcplab.evaluation.summary import COLUMNS, TestPlan, summarise
from vcplab.evaluation.tasks import ComparableTask, SummarisingTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["UnitScores", "summarise_means", "summarise_task", "summarise_units", "unit_scores"]


@dataclass(frozen=True, slots=True)
class UnitScores:
    """One metric's scores of all systems.

    Attributes:
        values: Shape (systems, units), finite.
        items: Number of items that count: those with a score for every system, so that systems
            are compared on the same ones.
    """

    values: NDArray[np.float64]
    items: int


def unit_scores(
    scores: Sequence[pd.DataFrame], metrics: Sequence[str], groups: Sequence[str] | None
) -> dict[str, UnitScores]:
    """Scores per unit.

    Args:
        scores: Per system a row per item and a column per metric; NaN where an item cannot be
            judged.
        metrics: The columns.
        groups: The unit of each item; None if each is one.

    Returns:
        Metric → its scores; units without an item that counts are left out.
    """
    found: dict[str, UnitScores] = {}
    for metric in metrics:
        table = np.stack([frame[metric].to_numpy(dtype=np.float64) for frame in scores])
        counted = np.isfinite(table).all(axis=0)
        table = table[:, counted]
        if groups is not None:
            codes, units = pd.factorize(np.asarray(groups, dtype=object)[counted])
            members = np.zeros((len(codes), len(units)))
            members[np.arange(len(codes)), codes] = 1.0
            table = table @ members / np.maximum(members.sum(axis=0), 1.0)
        found[metric] = UnitScores(np.ascontiguousarray(table), int(counted.sum()))
    return found


def summarise_task(
    task: ComparableTask,
    names: Sequence[str],
    scores: Sequence[pd.DataFrame],
    measures: Mapping[str, Any],
    baseline: int | None,
    plan: TestPlan,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """One row per system and metric, and the items of each metric, in the task's own way.

    Args:
        task: What was run; a ``SummarisingTask`` does it itself.
        names: The systems' names.
        scores: What the task measured of each.
        measures: Label → measure.
        baseline: Position of the system that others are compared with, or None.
        plan: How.
    """
    if isinstance(task, SummarisingTask):
        return task.summary(names, scores, measures, baseline, plan)
    return summarise_means(names, scores, measures, task.groups(), baseline, plan)


def summarise_means(
    names: Sequence[str],
    scores: Sequence[pd.DataFrame],
    measures: Mapping[str, Any],
    groups: Sequence[str] | None,
    baseline: int | None,
    plan: TestPlan,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Means of items' scores: one row per system and metric, and the items of each metric.

    Args:
        names: The systems' names.
        scores: Per system a row per item and a column per metric.
        measures: Label → measure; of those with a true ``lower`` less is better.
        groups: The unit of each item; None if each is one.
        baseline: Position of the system that others are compared with, or None.
        plan: How.
    """
    units = unit_scores(scores, list(measures), groups)
    lower = frozenset(m for m, measure in measures.items() if getattr(measure, "lower", False))
    frame = summarise_units(names, units, baseline, plan, lower)
    return frame, {metric: unit.items for metric, unit in units.items()}


def summarise_units(
    systems: Sequence[str],
    scores: Mapping[str, UnitScores],
    baseline: int | None,
    plan: TestPlan,
    lower: frozenset[str] = frozenset(),
) -> pd.DataFrame:
    """One row per system and metric; metrics may have different numbers of units.

    Args:
        systems: Names, in order.
        scores: Metric → scores.
        baseline: Position of the system that others are compared with, or None.
        plan: How.
        lower: Metrics of which less is better: a unit where a system has less is a win.

    Returns:
        The columns :data:`~vcplab.evaluation.summary.COLUMNS`, systems first, then metrics.
    """
    alike: dict[int, dict[str, NDArray[np.float64]]] = {}
    for metric, unit in scores.items():
        alike.setdefault(unit.values.shape[1], {})[metric] = unit.values
    # One call per number of units: the random samples depend on nothing else, so a metric has the
    # same interval beside others as alone.
    parts = [summarise(systems, values, baseline, plan) for values in alike.values()]
    frame = parts[0]
    if len(parts) > 1:
        by_row = {
            (row.system, row.metric): (part, place)
            for part in parts
            for place, row in enumerate(part.itertuples(index=False))
        }
        rows = [by_row[system, metric] for system in systems for metric in scores]
        frame = pd.concat([part.iloc[[place]] for part, place in rows], ignore_index=True)
    swapped = frame["metric"].isin(lower)
    if swapped.any():
        frame.loc[swapped, ["wins", "losses"]] = frame.loc[swapped, ["losses", "wins"]].to_numpy()
    return frame[list(COLUMNS)]
