"""What is measured of detectors: named metrics of sets of verdicts.

=============== ============================================================== =======
name            meaning                                                        better
=============== ============================================================== =======
``AUROC``       probability that a hallucinated response has the higher p      more
``AUPRC``       average precision; chance is the prevalence                    more
``BAcc``        balanced accuracy at the threshold                             more
``F1``          F1 at the threshold; flagging all wins where most are positive more
``MCC``         Matthews' correlation at the threshold                         more
``precision``   share of hallucinated ones among those flagged                 more
``recall``      share of hallucinated ones that are flagged                    more
``specificity`` share of faithful ones that are not flagged                    more
``accuracy``    share of right decisions                                       more
``ECE``         calibration error, 10 bins of equal width                      less
``ECE mass``    calibration error, 10 bins of equal mass                       less
``Brier``       mean squared error of p                                        less
``NLL``         mean negative log-likelihood, nats                             less
``AURC``        area under risk and coverage, by distance from the threshold   less
``E-AURC``      the same beyond the best order                                 less
``acc@80``      accuracy on the surest 80 %                                    more
``acc@90``      accuracy on the surest 90 %                                    more
``char F1``     micro F1 of spans in characters                                more
``char P``      share of flagged characters that are gold                      more
``char R``      share of gold characters that are flagged                      more
``type F1``     micro F1 where place and type agree                            more
``IoU``         mean overlap over union per response; empty on both sides is 1 more
``coverage``    share of responses that are judged                             –
``prevalence``  share of hallucinated ones among those judged                  –
=============== ============================================================== =======

A metric counts the samples that have what it needs: a label and a verdict; for spans, annotated
spans that were all located. Of findings those count that have a p; a remark on style has none.
Detectors without probabilities (``calibrated = False``) have no ECE,
Brier score or likelihood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.detection import statistics as of
from vcplab.evaluation.statistics.resampling import Statistic

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["METRICS", "DetectionMetric", "parse_detection_metrics"]


@dataclass(frozen=True, slots=True)
class DetectionMetric:
    """A number that is measured of a detector on a set of samples.

    Attributes:
        name: What tables call it.
        statistic: From the rows that count (see :mod:`~vcplab.evaluation.detection.statistics`)
            to a function of weights.
        needs: What a row must have: ``label``, ``probability``, ``spans`` or ``nothing``.
        better: ``"more"``, ``"less"``, or ``""`` where neither is.
    """

    name: str
    statistic: Callable[[pd.DataFrame], Statistic]
    needs: str = "label"
    better: str = "more"

    @property
    def lower(self) -> bool:
        """Whether less is better."""
        return self.better == "less"

    def counts(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows it is about.

        Args:
            frame: One row per sample of a detector.
        """
        judged: NDArray[np.bool_] = np.isfinite(frame["p"].to_numpy(float))
        if self.needs == "nothing":
            return np.ones(len(frame), bool)
        if self.needs == "spans":
            judged = judged & np.isfinite(frame["gold"].to_numpy(float))
            return judged
        judged = judged & np.isfinite(frame["label"].to_numpy(float))
        if self.needs == "probability":
            judged = judged & frame["calibrated"].to_numpy(bool)
        return judged

    def of(self, frame: pd.DataFrame) -> float:
        """Its value for a detector; NaN where there is nothing to measure.

        Args:
            frame: One row per sample.
        """
        rows = frame[self.counts(frame)]
        return float(self.statistic(rows)(np.ones((1, len(rows))))[0]) if len(rows) else np.nan


def _metrics() -> dict[str, DetectionMetric]:
    probability: dict[str, Any] = {"needs": "probability", "better": "less"}
    listed = [
        DetectionMetric("AUROC", of.auroc),
        DetectionMetric("AUPRC", of.auprc),
        DetectionMetric("BAcc", of.decided("balanced_accuracy")),
        DetectionMetric("F1", of.decided("f1")),
        DetectionMetric("MCC", of.decided("mcc")),
        DetectionMetric("precision", of.decided("precision")),
        DetectionMetric("recall", of.decided("recall")),
        DetectionMetric("specificity", of.decided("specificity")),
        DetectionMetric("accuracy", of.decided("accuracy")),
        DetectionMetric("ECE", of.calibration("width"), **probability),
        DetectionMetric("ECE mass", of.calibration("mass"), **probability),
        DetectionMetric("Brier", of.brier, **probability),
        DetectionMetric("NLL", of.likelihood, **probability),
        DetectionMetric("AURC", of.risk(excess=False), better="less"),
        DetectionMetric("E-AURC", of.risk(excess=True), better="less"),
        DetectionMetric("acc@80", of.accuracy_at(0.8)),
        DetectionMetric("acc@90", of.accuracy_at(0.9)),
        DetectionMetric("char F1", of.ratio(("both", "both"), ("predicted", "gold")), "spans"),
        DetectionMetric("char P", of.ratio(("both",), ("predicted",)), "spans"),
        DetectionMetric("char R", of.ratio(("both",), ("gold",)), "spans"),
        DetectionMetric(
            "type F1",
            of.ratio(("typed_both", "typed_both"), ("typed_predicted", "typed_gold")),
            "spans",
        ),
        DetectionMetric("IoU", of.mean("iou"), "spans"),
        DetectionMetric("coverage", of.mean("judged"), "nothing", ""),
        DetectionMetric("prevalence", of.mean("label"), "label", ""),
    ]
    return {metric.name: metric for metric in listed}


#: Name → metric.
METRICS: dict[str, DetectionMetric] = _metrics()


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


_BY_PLAIN = {_plain(name): metric for name, metric in METRICS.items()}
_ALSO = {
    "balancedaccuracy": "BAcc", "ap": "AUPRC", "averageprecision": "AUPRC", "charf": "char F1",
    "charprecision": "char P", "charrecall": "char R", "rocauc": "AUROC", "logloss": "NLL",
    "spanf1": "char F1",
}  # fmt: skip


def parse_detection_metrics(given: Any) -> dict[str, DetectionMetric]:
    """Name → metric of several, in order, each once.

    Args:
        given: A name, a `DetectionMetric`, or several of these.

    Raises:
        InvalidInputError: One of them does not exist, or there is none.
    """
    single = isinstance(given, str | DetectionMetric)
    several = [given] if single else list(given or ())
    found: dict[str, DetectionMetric] = {}
    for one in several:
        metric = one if isinstance(one, DetectionMetric) else _named(str(one))
        found.setdefault(metric.name, metric)
    if not found:
        raise InvalidInputError(
            "No metric was named.",
            where="metrics",
            next_step=f"Name at least one: {', '.join(METRICS)}.",
        )
    return found


def _named(name: str) -> DetectionMetric:
    plain = _plain(name)
    known: Mapping[str, DetectionMetric] = _BY_PLAIN
    if plain in _ALSO:
        return METRICS[_ALSO[plain]]
    if plain in known:
        return known[plain]
    near = get_close_matches(plain, list(known), 1)
    hint = f"Did you mean {known[near[0]].name}? " if near else ""
    raise InvalidInputError(
        f"There is no metric {name!r}.",
        where="metrics",
        next_step=f"{hint}Metrics of detection: {', '.join(METRICS)}.",
    )
