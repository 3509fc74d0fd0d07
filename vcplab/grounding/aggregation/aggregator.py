"""A regression with its calibration and threshold, fitted once and kept as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vcplab.core.errors import InvalidDataError, SchemaMismatchError
from vcplab.core.files import write_atomic
from vcplab.grounding.aggregation.calibrators import (
    CalibrationMethod,
    Calibrator,
    calibrator_from,
    fit_isotonic,
    fit_platt,
)
from vcplab.grounding.aggregation.logistic import STRENGTHS, Logistic, fit_logistic

__all__ = ["SCHEMA", "Aggregator", "balanced_threshold", "training_fingerprint"]

SCHEMA: Final = 1


@dataclass(frozen=True)
class Aggregator:
    """Turns features into a calibrated probability.

    Attributes:
        names: The features, in order.
        schema: What computed them; a model is refused where it differs.
        model: The regression.
        calibration: From its scores to probabilities, fitted on held-out scores of training.
        domain: The same for the domain at hand (`fit_calibration`); takes the place of
            ``calibration``.  None if there is none.
        threshold: The probability from which a response counts as hallucinated: the one with the
            best balanced accuracy on the held-out scores of what was calibrated on last.
        training: Fingerprint of the features, labels and groups it was fitted to.
        facts: Numbers about the fit: n, positives, strength, held-out log-loss.
        provenance: What it was fitted to, in words: sets, versions, licences; JSON-able.
    """

    names: tuple[str, ...]
    schema: str
    model: Logistic
    calibration: Calibrator
    domain: Calibrator | None
    threshold: float
    training: str
    facts: Mapping[str, float]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        features: ArrayLike,
        labels: ArrayLike,
        groups: Sequence[Hashable] | None = None,
        *,
        names: Sequence[str],
        schema: str,
        method: CalibrationMethod = "platt",
        strengths: Sequence[float] = STRENGTHS,
        folds: int = 5,
    ) -> Aggregator:
        """Fit regression, calibration and threshold by grouped cross-validation.

        Args:
            features: A row for each sample.
            labels: Whether each is hallucinated.
            groups: What each shares its source with.
            names: The features.
            schema: What computed them.
            method: ``platt`` (few labels) or ``isotonic`` (thousands).
            strengths: Inverse strengths of the penalty to choose from.
            folds: In how many parts the groups are cut.

        Raises:
            InvalidInputError: The samples cannot be cross-validated.
        """
        fitted = fit_logistic(features, labels, groups, strengths=strengths, folds=folds)
        y = np.asarray(labels, dtype=bool)
        calibration = _calibrated(fitted.held_out, y, method)
        return cls(
            tuple(names),
            schema,
            fitted.model,
            calibration,
            None,
            balanced_threshold(calibration(fitted.held_out), y),
            training_fingerprint(features, labels, groups),
            {
                "n": float(len(y)),
                "positives": float(y.sum()),
                "strength": fitted.strength,
                "loss": round(fitted.loss, 6),
            },
        )

    def fit_calibration(
        self, features: ArrayLike, labels: ArrayLike, *, method: CalibrationMethod = "platt"
    ) -> Aggregator:
        """A copy that is calibrated to another domain; the regression stays as it is.

        About 100 labels are enough, and the cheapest large gain where a model meets new data
        (facts/hallucination §3d).  They must be neither trained nor tested on.

        Args:
            features: A row for each labelled sample of the domain.
            labels: Whether each is hallucinated.
            method: ``platt`` or ``isotonic``.

        Raises:
            InvalidInputError: Not both labels occur.
        """
        y = np.asarray(labels, dtype=bool)
        scores = self.model.scores(features)
        domain = _calibrated(scores, y, method)
        return replace(self, domain=domain, threshold=balanced_threshold(domain(scores), y))

    def scores(self, features: ArrayLike) -> NDArray[np.float64]:
        """The uncalibrated log-odds."""
        return self.model.scores(features)

    def probabilities(self, features: ArrayLike) -> NDArray[np.float64]:
        """The calibrated probabilities."""
        return (self.domain or self.calibration)(self.model.scores(features))

    @property
    def fingerprint(self) -> str:
        """Changes whenever some probability or the threshold would."""
        return hashlib.sha256(self._text().encode()).hexdigest()[:16]

    def save(self, path: str | Path) -> None:
        """Write it as JSON.

        Raises:
            OSError: The file cannot be written.
        """
        write_atomic(path, self._text() + "\n")

    @classmethod
    def load(
        cls, path: str | Path, *, names: Sequence[str], schema: str, training: str | None = None
    ) -> Aggregator:
        """Read what :meth:`save` wrote.

        Args:
            path: The file.
            names: The features that it will be given.
            schema: What computes them.
            training: The fingerprint that the training set must have; None for any.

        Raises:
            InvalidDataError: The file is broken.
            SchemaMismatchError: It was fitted to other features or, if ``training`` is given, to
                other samples.
            OSError: It cannot be read.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidDataError(
                "The file is no JSON.", where=str(path), next_step="Save the model again."
            ) from error
        return cls.from_dict(data, names=names, schema=schema, training=training, where=str(path))

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        *,
        names: Sequence[str],
        schema: str,
        training: str | None = None,
        where: str = "model",
    ) -> Aggregator:
        """The model that :meth:`to_dict` described; errors as in :meth:`load`."""
        if not isinstance(data, Mapping) or data.get("kind") != "vcplab.aggregator":
            raise InvalidDataError(
                "This is no saved aggregator.", where=where, next_step="Give a file of save()."
            )
        wanted: list[tuple[str, Any, Any]] = [
            ("version", data.get("version"), SCHEMA),
            ("schema", data.get("schema"), schema),
            ("names", data.get("names"), list(names)),
        ]
        if training is not None:
            wanted.append(("training", data.get("training"), training))
        for what, stored, needed in wanted:
            if stored != needed:
                raise SchemaMismatchError(
                    f"The model's {what} is not what is asked of it.",
                    where=where,
                    next_step="Fit it again with the features at hand, or use the version of "
                    "vcplab and the settings that it was saved with.",
                )
        model = Logistic.from_dict(data.get("model") or {})
        if len(model.weights) != len(names):
            raise InvalidDataError(
                "The model's weights do not fit its features.",
                where=where,
                next_step="Fit it again.",
            )
        threshold = data.get("threshold")
        facts = data.get("facts")
        if not isinstance(threshold, int | float) or not isinstance(facts, Mapping):
            raise InvalidDataError(
                "The model's threshold or facts are missing.",
                where=where,
                next_step="Fit it again.",
            )
        stored_domain = data.get("domain")
        return cls(
            tuple(names),
            schema,
            model,
            calibrator_from(data.get("calibration") or {}),
            None if stored_domain is None else calibrator_from(stored_domain),
            float(threshold),
            str(data.get("training")),
            {str(key): float(value) for key, value in facts.items()},
            dict(data.get("provenance") or {}),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        described: dict[str, Any] = {
            "kind": "vcplab.aggregator",
            "version": SCHEMA,
            "schema": self.schema,
            "names": list(self.names),
            "training": self.training,
            "model": self.model.to_dict(),
            "calibration": self.calibration.to_dict(),
            "domain": None if self.domain is None else self.domain.to_dict(),
            "threshold": self.threshold,
            "facts": dict(self.facts),
        }
        if self.provenance:
            described["provenance"] = dict(self.provenance)
        return described

    def _text(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, sort_keys=True)


def balanced_threshold(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """The threshold with the best balanced accuracy, half way to the next lower value.

    Args:
        probabilities: Held-out probabilities.
        labels: Whether each is positive; both must occur.
    """
    p = np.asarray(probabilities, dtype=float)
    y = np.asarray(labels, dtype=bool)
    order = np.argsort(-p, kind="stable")
    p, y = p[order], y[order]
    gain = np.cumsum(y) / max(1, y.sum()) - np.cumsum(~y) / max(1, (~y).sum())
    # Only where the next value is lower can the line be drawn.
    last = np.append(p[:-1] > p[1:], True)
    gain = np.where(last, gain, -np.inf)
    at = int(np.argmax(gain))
    lower = p[at + 1] if at + 1 < len(p) else max(0.0, 2 * p[at] - 1)
    return float((p[at] + lower) / 2)


def training_fingerprint(
    features: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable] | None = None
) -> str:
    """Hash of what a model was fitted to, to nine digits."""
    digest = hashlib.sha256()
    digest.update(np.round(np.asarray(features, dtype="<f8"), 9).tobytes())
    digest.update(np.asarray(labels, dtype=np.uint8).tobytes())
    digest.update(json.dumps([str(group) for group in groups or ()]).encode())
    return digest.hexdigest()[:16]


def _calibrated(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], method: CalibrationMethod
) -> Calibrator:
    if method == "isotonic":
        return fit_isotonic(scores, labels)
    return fit_platt(scores, labels)
