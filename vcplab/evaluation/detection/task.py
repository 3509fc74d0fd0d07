"""The detection task: responses in, verdicts out, measured by labels and gold spans.

Detectors see a sample without its label, spans, correction, group, split and meta. A threshold that
is chosen on other samples has these run, too, through the same cache; they do not count in results.
Intervals and differences are over groups of samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.evaluation.detection.metrics import METRICS, DetectionMetric, parse_detection_metrics
from vcplab.evaluation.detection.outputs import blind, output_of
from vcplab.evaluation.detection.summary import summarise_sets
from vcplab.evaluation.detection.systems import DetectorSystem, as_detectors
from vcplab.evaluation.detection.thresholds import Thresholds, chosen, cross_fitted, given
from vcplab.evaluation.samples import GroundingData
from vcplab.evaluation.samples.content import content_of, sha
from vcplab.evaluation.statistics.spans import iou, span_counts
from vcplab.evaluation.tasks import Output, SystemInfo
from vcplab.protocol.grounding import Sample

if TYPE_CHECKING:
    from vcplab.evaluation.detection.board import DetectionBoard
    from vcplab.evaluation.matrix import MatrixResult
    from vcplab.evaluation.summary import TestPlan

__all__ = ["DetectionTask"]

# Before the ids of samples that thresholds are chosen on, which may be those of another set.
_TUNING = "\x1ethreshold\x1e"
_SPANS = ("predicted", "gold", "both", "typed_predicted", "typed_gold", "typed_both", "iou")


class DetectionTask:
    """Have detectors judge each sample.

    An output is what :mod:`vcplab.evaluation.detection.outputs` makes of a verdict, with
    ``calibrated``, ``threshold`` and ``fixed`` of its detector.

    Args:
        data: What is judged.
        threshold: From which p on a response counts as flagged. None: the one that a detector
            has itself from where it was fitted, one half where it has none. A number, for all. The
            name of a split of the data (``"dev"``), or other data, on which each detector's
            balanced accuracy is made best; or ``"cross"``, on the other four of five folds of
            groups.
        baselines: Whether always-positive, length and style stand beside the detectors; or other
            detectors that are to stand there.

    Raises:
        InvalidInputError: The threshold is none, or it would be chosen on samples that are judged.
        NotFoundError: There is no such split.
    """

    name = "detection"
    failed: ClassVar[str] = "are left out for it"
    plural: ClassVar[str] = "samples"
    block: ClassVar[int] = 32
    threads: ClassVar[bool] = True

    def __init__(
        self,
        data: GroundingData,
        threshold: float | str | GroundingData | None = None,
        baselines: bool | Sequence[Any] = True,
    ) -> None:
        self.data = data
        self.threshold = threshold
        self.baselines = baselines
        self.tuning = _tuning(data, threshold)
        self._items: dict[str, Sample] = {sample.id: sample for sample in data}
        if self.tuning is not None:
            self._items |= {f"{_TUNING}{sample.id}": sample for sample in self.tuning}

    def sample(self, item: str) -> Sample:
        """The sample of an item."""
        return self._items[item]

    # --- what compare asks ----------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """The same for all detection: samples enter by :meth:`digest`."""
        return "detection"

    def items(self) -> Sequence[str]:
        """Ids of the samples, those that thresholds are chosen on last."""
        return list(self._items)

    def digest(self, items: Sequence[str]) -> str:
        """Hash of the samples as detectors see them."""
        return sha([content_of(self._items[item]) for item in items])

    def competitors(self, systems: Any) -> tuple[DetectorSystem, ...]:
        """Detectors, each with a name of its own, and the baselines."""
        return as_detectors(systems, self.baselines)

    def metrics(self, given: Any) -> dict[str, DetectionMetric]:
        """Name → metric; for None what labels, spans and types allow, and the coverage."""
        if given is None:
            labels = {sample.label for sample in self.data} - {None}
            spans = [span for sample in self.data for span in sample.spans or ()]
            given = ["AUROC", "AUPRC", "BAcc", "ECE"] if len(labels) > 1 else []
            given += ["char F1"] if spans else []
            given += ["type F1"] if any(span.type for span in spans) else []
            given += ["coverage"]
        return parse_detection_metrics(given)

    def check(self, systems: Sequence[DetectorSystem], measures: Mapping[str, Any]) -> list[str]:
        """What the data are like.

        Raises:
            InvalidDataError: There is neither a label nor an annotated span.
        """
        told = []
        if all(sample.label is None and sample.spans is None for sample in self.data):
            raise InvalidDataError(
                f"No sample of {self.data.name} has a label or annotated spans.",
                where=self.data.name,
                next_step="Run the detectors themselves: detector.detect(data).",
            )
        told += [f"{row.problem}: {row.count} ({row.examples})" for row in _leaks(self.data)]
        told += [str(remark) for remark in self.data.card.get("remarks", ())]
        bare = sum(not sample.context for sample in self.data)
        if bare:
            told.append(f"{bare} of {len(self.data)} samples have no context.")
        return told

    def judged_by(self, measures: Mapping[str, Any]) -> str | None:
        """Hash of gold, thresholds and metrics; None where a metric is the user's own."""
        if any(METRICS.get(name) is not metric for name, metric in measures.items()):
            return None
        tuned = self.tuning.fingerprint if self.tuning is not None else str(self.threshold)
        return sha([self.data.fingerprint, tuned, list(measures)])

    def groups(self) -> Sequence[str]:
        """The group of each sample."""
        return self.data.groups

    def summary(
        self,
        names: Sequence[str],
        scores: Sequence[pd.DataFrame],
        measures: Mapping[str, Any],
        baseline: int | None,
        plan: TestPlan,
    ) -> tuple[pd.DataFrame, dict[str, int]]:
        """Metrics of the whole set, with intervals over groups."""
        frame = summarise_sets(names, scores, measures, self.groups(), baseline, plan)
        return frame, {
            name: int(frame.loc[frame["metric"] == name, "n"].min()) for name in measures
        }

    def why_anew(self, system: DetectorSystem) -> str:
        """What keeps a detector's verdicts out of the cache."""
        return "nothing tells when it changes (give it a `fingerprint`)"

    def describe(self, system: Any) -> SystemInfo:
        """Name, fingerprint and parameters of a detector."""
        # Read anew: a detector that is fitted meanwhile is another one.
        own = getattr(system.value, "fingerprint", None) or getattr(system.value, "version", None)
        moment = str(getattr(system.value, "moment", "") or "")
        return SystemInfo(system.name, None if own is None else str(own), system.parameters, moment)

    def remarks(
        self, result: MatrixResult, scores: Sequence[pd.DataFrame], measures: Mapping[str, Any]
    ) -> list[str]:
        """Where detectors abstain, and why."""
        told = []
        for place, info in enumerate(result.systems):
            reasons: dict[str, int] = {}
            for item, output in result.outputs(place).items():
                if not item.startswith(_TUNING) and output.get("abstained"):
                    reason = str(output["abstained"])
                    reasons[reason] = reasons.get(reason, 0) + 1
            if reasons:
                often = max(reasons, key=lambda reason: reasons[reason])
                told.append(
                    f"{info.name}: abstains on {sum(reasons.values())} of {len(self.data)} "
                    f"samples, which do not count for it; most often: {often}"
                )
        result.release()
        return told

    def board(self, **parts: Any) -> DetectionBoard:
        """The result."""
        from vcplab.evaluation.detection.board import DetectionBoard

        return DetectionBoard(task=self, **parts)

    # --- running --------------------------------------------------------------------------

    def prepare(self, systems: Sequence[Any]) -> None:
        """Let detectors load what they need."""
        for system in systems:
            ready = getattr(system.value, "prepare", None)
            if callable(ready):
                ready()

    def run(self, systems: Sequence[Any], items: Sequence[str]) -> list[list[Output]]:
        """Verdicts per detector and sample."""
        samples = [blind(self._items[item]) for item in items]
        return [self._one(system, samples) for system in systems]

    def _one(self, system: DetectorSystem, samples: Sequence[Sample]) -> list[Output]:
        began = time.perf_counter()
        try:
            verdicts = system.detect(samples)
        except Exception as error:
            shown = samples[0].id if len(samples) == 1 else f"{samples[0].id} … {samples[-1].id}"
            error.add_note(f"While {system.name!r} judged {shown}.")
            raise
        ms = (time.perf_counter() - began) * 1000 / len(samples)
        if not isinstance(verdicts, Sequence) or len(verdicts) != len(samples):
            count = len(verdicts) if isinstance(verdicts, Sequence) else "no"
            raise InvalidInputError(
                f"{system.name} gave {count} verdicts for {len(samples)} samples.",
                where=system.name,
                next_step="detect(samples) returns one verdict per sample, in order.",
            )
        return [
            {
                **output_of(verdict, sample, system.name, ms),
                "calibrated": system.calibrated,
                "threshold": system.threshold,
                "fixed": system.fixed,
            }
            for verdict, sample in zip(verdicts, samples, strict=True)
        ]

    # --- measuring ------------------------------------------------------------------------

    def measure(self, outputs: Mapping[str, Output], metrics: Sequence[Any]) -> pd.DataFrame:
        """One row per sample of the data, of which metrics are made.

        Columns: label, p, judged, threshold, flagged, and the characters of spans (see
        :mod:`~vcplab.evaluation.detection.statistics`). ``attrs["threshold"]`` tells where the
        threshold comes from.
        """
        table = self._columns(self.data, outputs, "")
        thresholds = self._thresholds(table, outputs)
        table["calibrated"] = [bool(outputs[s.id].get("calibrated", True)) for s in self.data]
        table["threshold"] = thresholds.values
        flagged = (table["p"] >= table["threshold"]).astype(float)
        table["flagged"] = flagged.where(table["p"].notna())
        rows = [_span_columns(sample, outputs[sample.id]) for sample in self.data]
        frame = pd.concat(
            [table, pd.DataFrame(rows, index=table.index, columns=list(_SPANS), dtype=float)],
            axis=1,
        )
        frame.attrs["threshold"] = {
            "threshold": float(np.median(thresholds.values)),
            "chosen": thresholds.told,
            "n": thresholds.n,
        }
        return frame

    def _columns(
        self, data: GroundingData, outputs: Mapping[str, Output], prefix: str
    ) -> pd.DataFrame:
        said = [outputs[f"{prefix}{sample.id}"].get("p") for sample in data]
        return pd.DataFrame(
            {
                "label": [math.nan if s.label is None else float(s.label) for s in data],
                "p": [math.nan if p is None else float(p) for p in said],
                "judged": [float(p is not None) for p in said],
            },
            index=[sample.id for sample in data],
            dtype=float,
        )

    def _thresholds(self, table: pd.DataFrame, outputs: Mapping[str, Output]) -> Thresholds:
        said = [outputs[sample.id] for sample in self.data]
        own = next((one["threshold"] for one in said if one.get("threshold") is not None), None)
        fixed = any(one.get("fixed") for one in said)
        if own is not None and (fixed or self.threshold is None):
            told = "fixed" if fixed else "the detector's own, from where it was fitted"
            return given(float(own), len(table), told)
        if self.tuning is not None:
            other = self._columns(self.tuning, outputs, _TUNING)
            where = f"{self.tuning.name} ({self.tuning.split})"
            return chosen(other["label"].to_numpy(), other["p"].to_numpy(), len(table), where)
        labels, p = table["label"].to_numpy(), table["p"].to_numpy()
        if self.threshold == "cross":
            return cross_fitted(labels, p, self.groups())
        if self.threshold is None:
            return given(0.5, len(table), "one half: the detector has none of its own")
        assert not isinstance(self.threshold, str | GroundingData)
        return given(float(self.threshold), len(table))


def _span_columns(sample: Sample, output: Output) -> tuple[float, ...]:
    if sample.spans is None or sample.meta.get("unlocated") or output.get("p") is None:
        return (math.nan,) * len(_SPANS)
    counts = span_counts(
        [
            (one["start"], one["end"], one["type"])
            for one in output["findings"]
            if one["p"] is not None
        ],
        [(span.start, span.end, span.type) for span in sample.spans],
    )
    return (
        counts.predicted,
        counts.gold,
        counts.both,
        counts.typed_predicted,
        counts.typed_gold,
        counts.typed_both,
        iou(counts),
    )


def _tuning(data: GroundingData, threshold: Any) -> GroundingData | None:
    """The samples that thresholds are chosen on, if there are any."""
    if threshold is None:
        return None
    if isinstance(threshold, GroundingData):
        other = threshold
    elif isinstance(threshold, str):
        if threshold == "cross":
            return None
        other = data.split_named(threshold)
    elif isinstance(threshold, int | float) and not isinstance(threshold, bool):
        if 0 <= threshold <= 1:
            return None
        raise _no_threshold(threshold)
    else:
        raise _no_threshold(threshold)
    # Seen by their content, whatever they are called.
    judged = {sha(content_of(sample)[1:]) for sample in data}
    groups = {(data.name, group) for group in data.groups}
    shared = sum(
        sha(content_of(sample)[1:]) in judged or (other.name, group) in groups
        for sample, group in zip(other, other.groups, strict=True)
    )
    if shared:
        raise InvalidInputError(
            f"The threshold would be chosen on samples that are judged: {shared} of {len(other)} "
            f"share their text or group with {data.name} ({data.split}).",
            where="threshold",
            next_step='Judge another split, e.g. load(…, split="test"), or use threshold="cross".',
        )
    return other


def _no_threshold(value: Any) -> InvalidInputError:
    return InvalidInputError(
        f"{value!r} is no threshold.",
        where="threshold",
        next_step='Give a number from 0 to 1, a split ("dev"), other data, or "cross".',
    )


def _leaks(data: GroundingData) -> list[Any]:
    frame = data.check()
    return list(frame.itertuples(index=False)) if len(frame) else []
