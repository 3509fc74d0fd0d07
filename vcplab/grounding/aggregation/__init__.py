"""From features to a calibrated probability, and from labels to the model that does it."""

from vcplab.grounding.aggregation.aggregator import Aggregator, ModelKind
from vcplab.grounding.aggregation.boosting import BOOSTING_ROWS, Boosting, fit_boosting
from vcplab.grounding.aggregation.calibrators import (
    Calibrator,
    Isotonic,
    Platt,
    calibrator_from,
    fit_isotonic,
    fit_platt,
)
from vcplab.grounding.aggregation.logistic import Logistic, fit_logistic
from vcplab.grounding.aggregation.spans import SpanModel

__all__ = [
    "BOOSTING_ROWS",
    "Aggregator",
    "Boosting",
    "Calibrator",
    "Isotonic",
    "Logistic",
    "ModelKind",
    "Platt",
    "SpanModel",
    "calibrator_from",
    "fit_boosting",
    "fit_isotonic",
    "fit_logistic",
    "fit_platt",
]
