"""What ``compare`` returns, whatever the task: systems side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from vcplab.evaluation import presentation
from vcplab.evaluation.matrix import Failure, MatrixResult
from vcplab.evaluation.summary import TestPlan
from vcplab.evaluation.tasks import SystemInfo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Board"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Board:
    """Systems side by side.

    Attributes:
        systems: The competitors.
        infos: Their names, fingerprints and parameters.
        metrics: Labels of the metrics.
        baseline: Name of the system the others are tested against, or None.
        plan: Seed, test, correction and intervals.
        notices: What the reader should know.
        failures: Items on which a system failed, where ``on_error="record"``.
    """

    systems: tuple[Any, ...]
    infos: tuple[SystemInfo, ...]
    metrics: tuple[str, ...]
    baseline: str | None
    plan: TestPlan
    notices: tuple[str, ...]
    failures: tuple[Failure, ...]
    _long: pd.DataFrame
    _scores: tuple[pd.DataFrame, ...]
    _result: MatrixResult
    _measures: Mapping[str, Any] = field(default_factory=dict)
    _used: Mapping[str, int] = field(default_factory=dict)

    #: What the last column of tables is called.
    pace_heading: ClassVar[str] = "ms/item"

    @property
    def units(self) -> str:
        """What intervals and tests are over."""
        return "items"

    @property
    def names(self) -> tuple[str, ...]:
        """The systems' names, in order."""
        return tuple(info.name for info in self.infos)

    @property
    def title(self) -> str:
        """What was compared on what, for figures."""
        return f"{self.n} {self.units}"

    @property
    def data_name(self) -> str:
        """What the data are called."""
        return "data"

    @property
    def n(self) -> int:
        """Number of units that count, for the first metric."""
        return int(self._long["n"].iloc[0]) if len(self._long) else 0

    def to_frame(self) -> pd.DataFrame:
        """One row per system and metric.

        Columns as in :data:`~vcplab.evaluation.summary.COLUMNS`; deltas are system minus baseline.
        """
        return self._long.copy()

    @property
    def table(self) -> pd.DataFrame:
        """One row per system; per metric its mean, interval and comparison with the baseline."""
        adjusted = "p" if self.plan.correction == "none" else f"p_{self.plan.correction}"
        wide: dict[str, Any] = {"system": list(self.names)}
        for metric in self.metrics:
            rows = self._long[self._long["metric"] == metric]
            wide[metric] = rows["mean"].to_numpy()
            for column in ("low", "high", "delta", "p", "effect"):
                wide[f"{metric} {column}"] = rows[column].to_numpy()
            wide[f"{metric} {adjusted}"] = rows["p_adjusted"].to_numpy()
        wide[self.pace_heading] = [self.pace(name) for name in self.names]
        return pd.DataFrame(wide)

    def pace(self, system: str) -> float:
        """The last column of tables: mean time of a system's items, in its heading's unit."""
        costs = self._costs[self.names.index(system)]
        return float(np.nanmean(costs)) if np.isfinite(costs).any() else float("nan")

    @cached_property
    def _costs(self) -> tuple[np.ndarray[Any, np.dtype[np.float64]], ...]:
        costs = tuple(
            np.array([output.get("ms") for output in self._result.outputs(s).values()], np.float64)
            for s in range(len(self.infos))
        )
        self._result.release()
        return costs

    def is_better(self, metric: str) -> int:
        """1 if more of a metric is better, -1 if less is, 0 if neither."""
        return -1 if getattr(self._measures.get(metric), "lower", False) else 1

    def about_data(self) -> list[str]:
        """The first notes: what the numbers are about."""
        return []

    def about_units(self) -> str:
        """What is resampled by intervals, for a note."""
        return f"samples of {self.units}"

    def about_intervals(self) -> str:
        """What the intervals are, for a note."""
        plan = self.plan
        return (
            f"Intervals: {plan.confidence:.0%} bootstrap ({plan.interval}, {plan.resamples:,} "
            f"{self.about_units()})."
        )

    def about_tests(self) -> str:
        """What is tested how, for a note."""
        plan = self.plan
        test = (
            f"paired permutation test, {plan.permutations:,} permutations"
            if plan.test == "permutation"
            else "paired t-test"
        )
        return f"Δ: mean difference from {self.baseline}; p: two-sided {test}"

    def about_pace(self) -> str:
        """What the last column means, and what else was fixed, for a note."""
        return f"{self.pace_heading}: mean milliseconds; seed {self.plan.seed}."

    def problems(self) -> str:
        """What is wrong with the data, for a note; "" for nothing."""
        return ""

    def plot(self, metric: str | None = None) -> Figure:
        """Forest plot: means and paired differences with their intervals.

        Args:
            metric: One of :attr:`metrics`; the first if None.

        Returns:
            A matplotlib figure, which notebooks show and ``savefig`` writes.

        Raises:
            NotFoundError: There is no such metric.
        """
        from vcplab.core.display import view

        figure: Figure = view("plot", "Comparison")(self, metric)
        return figure

    def report(self, path: str | Path) -> Path:
        """Write one HTML file with everything about the comparison; it refers to no other file.

        Args:
            path: The file, replaced at once when complete.

        Returns:
            The path.
        """
        from vcplab.evaluation.report import write_report

        return write_report(self, path)

    def report_sections(self) -> list[tuple[str, list[Any]]]:
        """What the report has besides table, notes and plots: titles and their HTML."""
        from vcplab.evaluation.report import all_comparisons

        return [("All comparisons", [all_comparisons(self)])]

    def to_text(self, width: int | None = None) -> str:
        """The table and its notes for a terminal.

        Args:
            width: Columns of the terminal; its own if None. Metrics that do not fit beside each
                other go below each other.
        """
        return presentation.text(self, width)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        metric = self.metrics[0]
        told = f"{len(self.infos)} systems on {self.data_name!r}, {self.n} {self.units}"
        rows = self._long[self._long["metric"] == metric]
        means = rows["mean"].to_numpy() * self.is_better(metric)
        if self.is_better(metric) and np.isfinite(means).any():
            best = rows.iloc[int(np.nanargmax(means))]
            told += f"; best {metric}: {best['system']} {best['mean']:.3f}"
        return f"{type(self).__name__}({told})"

    def _repr_html_(self) -> str:
        return presentation.html(self)
