"""What ``compare`` returns for detection: detectors side by side, and every verdict they gave."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from vcplab.core.display import view
from vcplab.evaluation.detection.metrics import parse_detection_metrics
from vcplab.evaluation.detection.outputs import verdict_of
from vcplab.evaluation.detection.slices import slice_columns, slice_table, slices_of
from vcplab.evaluation.detection.systems import DetectorSystem
from vcplab.evaluation.detection.task import DetectionTask
from vcplab.evaluation.samples.board import GroundingBoard
from vcplab.evaluation.statistics import (
    adjust,
    confidence_of,
    mcnemar,
    reliability_bins,
    risk_coverage,
)
from vcplab.evaluation.statistics.probabilities import Binning
from vcplab.protocol.grounding import Verdict

__all__ = ["DetectionBoard"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DetectionBoard(GroundingBoard):
    """Detectors side by side.

    Attributes:
        task: The samples, and where thresholds come from.
    """

    systems: tuple[DetectorSystem, ...]
    task: DetectionTask

    noun: ClassVar[str] = "detector"

    # --- what they said -------------------------------------------------------------------

    def verdicts(self, system: str | int = 0) -> dict[str, Verdict]:
        """Sample id → verdict of a detector, in the order of the data.

        Args:
            system: Its name or position.

        Raises:
            NotFoundError: There is no such detector.
        """
        outputs = self._result.outputs(self._place(system))
        found = {sample.id: verdict_of(outputs[sample.id]) for sample in self.data}
        self._result.release()
        return found

    def per_sample(self, system: str | int = 0) -> pd.DataFrame:
        """One row per sample: id, label, p, threshold, flagged, characters of spans.

        Args:
            system: A detector's name or position.

        Raises:
            NotFoundError: There is no such detector.
        """
        frame = self._scores[self._place(system)]
        return frame.rename_axis("id").reset_index()

    def errors(self, system: str | int = 0) -> pd.DataFrame:
        """Wrong decisions of a detector, the surest first.

        Args:
            system: Its name or position.

        Returns:
            One row per error: id, kind ("false alarm" or "miss"), p, threshold, type, response.

        Raises:
            NotFoundError: There is no such detector.
        """
        frame = self.per_sample(system)
        wrong = frame[frame["p"].notna() & frame["label"].notna()]
        wrong = wrong[wrong["flagged"] != wrong["label"]]
        sure = np.abs(wrong["p"] - wrong["threshold"])
        wrong = wrong.assign(_sure=sure).sort_values("_sure", ascending=False, kind="stable")
        samples = [self.data[id] for id in wrong["id"]]
        return pd.DataFrame(
            {
                "id": wrong["id"].to_list(),
                "kind": ["miss" if label else "false alarm" for label in wrong["label"]],
                "p": wrong["p"].to_list(),
                "threshold": wrong["threshold"].to_list(),
                "type": [self.data.value(sample, "type") for sample in samples],
                "response": [sample.response for sample in samples],
            }
        )

    # --- tables ---------------------------------------------------------------------------

    @cached_property
    def thresholds(self) -> pd.DataFrame:
        """Where each detector's threshold comes from: system, threshold, chosen, n.

        For cross-fitted ones the threshold is the median over samples.
        """
        return pd.DataFrame(
            [
                {"system": name, **frame.attrs["threshold"]}
                for name, frame in zip(self.names, self._scores, strict=True)
            ]
        )

    def by(
        self, column: str = "type", metrics: Any = None, *, intervals: bool = False
    ) -> pd.DataFrame:
        """The metrics per group of samples.

        Args:
            column: ``type``, ``language``, ``split``, ``length``, or a column of the data such as
                ``domain``, ``task`` or ``model``.
            metrics: Which; those of the comparison if None.
            intervals: Whether each metric has its interval beside it (over groups).

        Returns:
            One row per value and detector: the value, system, samples, hallucinated (share), the
            metrics; and a ``macro`` row per detector, the mean over the values.

        Raises:
            InvalidInputError: There is no such column or metric.
        """
        slices = slices_of(self.data, column)
        measures = self._measures if metrics is None else parse_detection_metrics(metrics)
        return slice_table(
            self.names,
            self._scores,
            measures,
            self.data.groups,
            slices,
            column,
            self.plan if intervals else None,
        )

    @property
    def slices(self) -> tuple[str, ...]:
        """Columns that :meth:`by` knows."""
        return slice_columns(self.data)

    def mcnemar(self) -> pd.DataFrame:
        """McNemar's exact test of each detector's decisions against the baseline's.

        Samples count as independent; where several share a group, believe the intervals.

        Returns:
            One row per other detector: system, only_system_right, only_baseline_right, both_right,
            neither_right, p, p_adjusted. Empty where there is no baseline.
        """
        columns = ["system", "only_system_right", "only_baseline_right", "both_right"]
        columns += ["neither_right", "p", "p_adjusted"]
        if self.baseline is None:
            return pd.DataFrame(columns=columns)
        base = self._scores[self.names.index(self.baseline)]
        rows = []
        for name, frame in zip(self.names, self._scores, strict=True):
            if name == self.baseline:
                continue
            decided = [f["flagged"].where(f["p"].notna()).to_numpy() for f in (frame, base)]
            found = mcnemar(frame["label"].to_numpy(), *decided)
            rows.append(
                [name, found.only_first, found.only_second, found.both, found.neither, found.p]
            )
        table = pd.DataFrame(rows, columns=columns[:-1])
        return table.assign(p_adjusted=adjust(table["p"].to_numpy(float), self.plan.correction))

    def type_confusion(self, system: str | int = 0) -> pd.DataFrame:
        """Gold types against predicted types: how many gold spans of each were found as what.

        A gold span is found as the type of the finding that overlaps it most; ``untyped`` where
        that names none, ``missed`` where there is none.

        Args:
            system: A detector's name or position.

        Returns:
            A row per gold type (``untyped`` too), a column per predicted type.

        Raises:
            NotFoundError: There is no such detector.
        """
        counts: dict[tuple[str, str], int] = {}
        verdicts = self.verdicts(system)
        for sample in self.data:
            verdict = verdicts[sample.id]
            if verdict.p is None:
                continue
            for span in sample.spans or ():
                overlaps = [
                    (min(f.end, span.end) - max(f.start, span.start), f.type or "untyped")
                    for f in verdict.findings
                    if f.p is not None and f.start < span.end and span.start < f.end
                ]
                best = max(overlaps, key=lambda one: one[0])[1] if overlaps else "missed"
                key = (span.type or "untyped", best)
                counts[key] = counts.get(key, 0) + 1
        gold = sorted({key[0] for key in counts})
        said = sorted({key[1] for key in counts} - {"missed", "untyped"})
        said += [name for name in ("untyped", "missed") if any(k[1] == name for k in counts)]
        table = [[counts.get((row, column), 0) for column in said] for row in gold]
        return pd.DataFrame(table, index=pd.Index(gold, name="gold"), columns=said)

    # --- curves ---------------------------------------------------------------------------

    def _judged(self, system: str | int) -> pd.DataFrame:
        frame = self._scores[self._place(system)]
        return frame[frame["p"].notna() & frame["label"].notna()]

    def curve(self, system: str | int = 0) -> pd.DataFrame:
        """Every operating point of a detector, for ROC and PR curves.

        Args:
            system: Its name or position.

        Returns:
            One row per distinct p, falling: threshold, tp, fp, fn, tn, recall (true positive
            rate), false_alarms (false positive rate), precision.

        Raises:
            NotFoundError: There is no such detector.
        """
        rows = self._judged(system)
        by_p = rows.groupby("p")["label"].agg(["sum", "size"]).sort_index(ascending=False)
        tp = by_p["sum"].cumsum().to_numpy(float)
        flagged = by_p["size"].cumsum().to_numpy(float)
        positives = float(rows["label"].sum())
        negatives = len(rows) - positives
        fp = flagged - tp
        with np.errstate(invalid="ignore", divide="ignore"):
            return pd.DataFrame(
                {
                    "threshold": by_p.index.to_numpy(float),
                    "tp": tp,
                    "fp": fp,
                    "fn": positives - tp,
                    "tn": negatives - fp,
                    "recall": tp / positives,
                    "false_alarms": fp / negatives,
                    "precision": tp / flagged,
                }
            )

    def reliability(
        self, system: str | int = 0, *, bins: int = 10, kind: Binning = "width"
    ) -> pd.DataFrame:
        """The points of a detector's reliability diagram: predicted, observed, n.

        Args:
            system: Its name or position.
            bins: Number of bins.
            kind: Of equal ``width`` or ``mass``.

        Raises:
            NotFoundError: There is no such detector.
        """
        rows = self._judged(system)
        return reliability_bins(rows["label"], rows["p"], bins=bins, kind=kind)

    def risk_coverage(self, system: str | int = 0) -> pd.DataFrame:
        """The risk–coverage curve of a detector's decisions: coverage, risk.

        Args:
            system: Its name or position.

        Raises:
            NotFoundError: There is no such detector.
        """
        rows = self._judged(system)
        sure = [
            float(confidence_of(p, t)) for p, t in zip(rows["p"], rows["threshold"], strict=True)
        ]
        return risk_coverage((rows["flagged"] != rows["label"]).astype(float), sure)

    def panel(self, **options: Any) -> Any:
        """The panel: thresholds and costs, curves, errors one by one, labels of one's own.

        Args:
            **options: Of `vcplab.widgets.detection_panel.DetectionPanel`: ``system``, ``labels``
                and ``page``.

        Raises:
            NotFoundError: There is no such detector.
            InvalidInputError: An option is out of range.
        """
        return view("panel", "DetectionBoard")(self, **options)

    # --- how it is told -------------------------------------------------------------------

    def about_data(self) -> list[str]:
        """Samples, prevalence, and where thresholds come from."""
        data = self.data
        labelled = sum(sample.label is not None for sample in data)
        annotated = sum(sample.spans is not None for sample in data)
        told = [
            f"Data: {data.name} ({data.split}), {len(data)} samples in {self.n} groups, "
            f"{labelled} labelled ({data.prevalence:.1%} hallucinated: chance for AUPRC), "
            f"{annotated} with annotated spans; hash {data.fingerprint[:12]}."
        ]
        thresholds = self.thresholds
        same: dict[tuple[str, str], list[str]] = {}
        for row in thresholds.itertuples(index=False):
            same.setdefault((f"{row.threshold:.3g}", str(row.chosen)), []).append(str(row.system))
        told += [
            f"Threshold of {', '.join(names)}: {value}, {chosen}."
            for (value, chosen), names in same.items()
        ]
        counted = self._long.groupby("metric", sort=False)["n"].max()
        fewer = [f"{metric} {int(n)}" for metric, n in counted.items() if n < len(data)]
        if fewer:
            told.append(f"Samples that have what a metric needs: {', '.join(fewer)}.")
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
            f"Δ: difference from {self.baseline} on what both judge; p: two-sided paired "
            "bootstrap of groups"
        )

    def about_pace(self) -> str:
        """What milliseconds are."""
        return (
            "ms/item: mean milliseconds per sample, as the detector tells them or else wall time "
            f"of its call; seed {self.plan.seed}."
        )

    def report_sections(self) -> list[tuple[str, list[Any]]]:
        """Slices, McNemar, types, thresholds, all comparisons, detectors and surroundings."""
        from vcplab.evaluation.detection.report import detection_sections

        return detection_sections(self)
