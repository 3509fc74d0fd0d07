"""What ``compare`` returns for suppression: suppressors side by side, and all their changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from vcplab.core.errors import NotFoundError
from vcplab.evaluation.detection import statistics as of
from vcplab.evaluation.detection.slices import slice_columns, slice_table, slices_of
from vcplab.evaluation.samples.board import GroundingBoard
from vcplab.evaluation.statistics.resampling import resample_groups
from vcplab.evaluation.suppression.edits import Edit, judged_edits
from vcplab.evaluation.suppression.metrics import parse_suppression_metrics
from vcplab.evaluation.suppression.systems import SuppressorSystem
from vcplab.evaluation.suppression.task import SuppressionTask

__all__ = ["SuppressionBoard"]

_COLUMNS = (
    "id", "policy", "rule", "start", "end", "old", "new", "characters", "gold", "label", "restored",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SuppressionBoard(GroundingBoard):
    """Suppressors side by side.

    Attributes:
        task: The responses, and the judge.
    """

    systems: tuple[SuppressorSystem, ...]
    task: SuppressionTask

    noun: ClassVar[str] = "suppressor"

    # --- what they did --------------------------------------------------------------------

    def texts(self, system: str | int = 0) -> pd.DataFrame:
        """Every response before and after: id, before, after, edits.

        Args:
            system: A suppressor's name or position.

        Raises:
            NotFoundError: There is no such suppressor.
        """
        outputs = self._result.outputs(self._place(system))
        rows = [
            {
                "id": sample.id,
                "before": sample.response,
                "after": outputs[sample.id].get("after"),
                "edits": len(outputs[sample.id].get("edits", ())),
            }
            for sample in self.data
        ]
        self._result.release()
        return pd.DataFrame(rows)

    @cached_property
    def _edits(self) -> tuple[pd.DataFrame, ...]:
        frames = []
        for place in range(len(self.names)):
            outputs = self._result.outputs(place)
            rows = [
                row
                for sample in self.data
                for row in judged_edits(
                    (Edit(**one) for one in outputs[sample.id].get("edits", ())), sample
                )
            ]
            frames.append(pd.DataFrame(rows, columns=list(_COLUMNS)))
        self._result.release()
        return tuple(frames)

    def edits(self, system: str | int = 0) -> pd.DataFrame:
        """Every change of a suppressor, held against gold.

        Args:
            system: Its name or position.

        Returns:
            One row per change: id, policy, rule, start, end, old, new, characters, gold (of these),
            label, restored (whether a replacement puts in what the correction says).

        Raises:
            NotFoundError: There is no such suppressor.
        """
        return self._edits[self._place(system)].copy()

    def policies(self, by: str = "policy") -> pd.DataFrame:
        """What each policy of each suppressor is worth.

        Args:
            by: ``policy``, or ``rule`` for the rules that found the need.

        Returns:
            One row per suppressor and policy: system, the policy, edits, samples, characters (whose
            gold is known), precision (share of them that is gold; low and high of its interval over
            groups), hits (share of edits that touch gold), restored (share of replacements that
            put in what the correction says; low and high), of (replacements that have one), and
            clean (share of faithful samples on which it acts).

        Raises:
            NotFoundError: There is no such column.
        """
        if by not in ("policy", "rule"):
            raise NotFoundError(
                f"Changes have no {by!r}.", where="by", next_step="Use policy or rule."
            )
        groups = dict(zip((s.id for s in self.data), self.data.groups, strict=True))
        clean = sum(sample.label is False for sample in self.data)
        rows = []
        for name, frame in zip(self.names, self._edits, strict=True):
            for value, own in frame.groupby(by, sort=False):
                known = own[own["gold"].notna()]
                told = own[own["restored"].notna()]
                precision = self._share(known, "gold", "characters", groups)
                restored = self._share(told.assign(one=1.0), "restored", "one", groups)
                faithful = own[own["label"].eq(False)]
                rows.append(
                    {
                        "system": name,
                        by: value,
                        "edits": len(own),
                        "samples": own["id"].nunique(),
                        "characters": int(known["characters"].sum()),
                        "precision": precision[0],
                        "precision low": precision[1],
                        "precision high": precision[2],
                        "hits": float((known["gold"] > 0).mean()) if len(known) else np.nan,
                        "restored": restored[0],
                        "restored low": restored[1],
                        "restored high": restored[2],
                        "of": len(told),
                        "clean": faithful["id"].nunique() / clean if clean else np.nan,
                    }
                )
        return pd.DataFrame(rows)

    def _share(
        self, rows: pd.DataFrame, above: str, below: str, groups: Mapping[str, str]
    ) -> tuple[float, float, float]:
        if not len(rows):
            return (np.nan,) * 3
        found = resample_groups(
            {"": of.ratio((above,), (below,))(rows)},
            [groups[id] for id in rows["id"]],
            resamples=min(self.plan.resamples, 2000),
            seed=self.plan.seed,
        )[""]
        interval = found.interval(self.plan.confidence)
        return found.value, interval.low, interval.high

    def by(
        self, column: str = "type", metrics: Any = None, *, intervals: bool = False
    ) -> pd.DataFrame:
        """The metrics per group of samples.

        Args:
            column: ``type``, ``language``, ``split``, ``length``, or a column of the data.
            metrics: Which; those of the comparison if None.
            intervals: Whether each metric has its interval beside it (over groups).

        Returns:
            One row per value and suppressor: the value, system, samples, hallucinated (share), the
            metrics; and a ``macro`` row per suppressor, the mean over the values.

        Raises:
            InvalidInputError: There is no such column or metric.
        """
        measures = self._measures if metrics is None else parse_suppression_metrics(metrics)
        return slice_table(
            self.names,
            self._scores,
            measures,
            self.data.groups,
            slices_of(self.data, column),
            column,
            self.plan if intervals else None,
        )

    @property
    def slices(self) -> tuple[str, ...]:
        """Columns that :meth:`by` knows."""
        return slice_columns(self.data)

    # --- how it is told -------------------------------------------------------------------

    def about_data(self) -> list[str]:
        """Samples, prevalence, and what gold is."""
        data = self.data
        annotated = sum(sample.spans is not None for sample in data)
        told = [
            f"Data: {data.name} ({data.split}), {len(data)} samples in {self.n} groups, "
            f"{data.prevalence:.1%} of those labelled hallucinated, {annotated} with annotated "
            f"spans; hash {data.fingerprint[:12]}."
        ]
        if self.task.judge is not None:
            name = getattr(self.task.judge, "name", type(self.task.judge).__name__)
            told.append(f"Judge: {name}.")
        return told

    def about_intervals(self) -> str:
        """What is resampled."""
        plan = self.plan
        return (
            f"Intervals: {plan.confidence:.0%} bootstrap (percentile, {plan.resamples:,} samples "
            f"of whole groups)."
        )

    def about_tests(self) -> str:
        """What the differences are."""
        return (
            f"Δ: difference from {self.baseline} on what both are measured on; p: two-sided paired "
            "bootstrap of groups"
        )

    def about_pace(self) -> str:
        """What milliseconds are."""
        return f"ms/item: mean wall milliseconds per response; seed {self.plan.seed}."

    def report_sections(self) -> list[tuple[str, list[Any]]]:
        """Policies and rules, slices, all comparisons, suppressors and surroundings."""
        from vcplab.evaluation.suppression.report import suppression_sections

        return suppression_sections(self)
