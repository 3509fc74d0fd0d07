"""What detectors with a fitted aggregator have in common: fit, calibrate, save, load."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.aggregation import Aggregator
from vcplab.grounding.aggregation.calibrators import CalibrationMethod
from vcplab.protocol.grounding import Sample

__all__ = ["FittedDetector"]


class FittedDetector(ABC):
    """A detector whose features a logistic regression turns into a probability.

    Attributes:
        aggregator: The fitted model; None before :meth:`fit`.
    """

    aggregator: Aggregator | None = None

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The features, in order."""

    @property
    @abstractmethod
    def schema(self) -> str:
        """What computes them; changes whenever one is measured differently."""

    @abstractmethod
    def rows(self, samples: Sequence[Sample]) -> list[list[float] | None]:
        """The features of each sample; None where it is abstained from."""

    @property
    def calibrated(self) -> bool:
        """Whether ``p`` is a calibrated probability: only after a fit."""
        return self.aggregator is not None

    @property
    def threshold(self) -> float | None:
        """The probability from which a response counts as hallucinated; None before fitting."""
        return None if self.aggregator is None else self.aggregator.threshold

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change."""
        model = "unfitted" if self.aggregator is None else self.aggregator.fingerprint
        return f"{self.schema}:{model}"

    def fit(
        self, samples: Sequence[Sample], *, method: CalibrationMethod = "platt", folds: int = 5
    ) -> Self:
        """A copy fitted to labelled samples; groups are kept whole in cross-validation.

        Args:
            samples: Samples with labels; those that are abstained from are left out.
            method: How scores become probabilities, ``platt`` or ``isotonic``.
            folds: In how many parts the groups are cut.

        Raises:
            InvalidInputError: The labelled samples cannot be cross-validated.
        """
        rows, labels, groups = self._labelled(samples)
        return self.with_aggregator(
            Aggregator.fit(
                rows, labels, groups,
                names=self.names, schema=self.schema, method=method, folds=folds,
            )
        )  # fmt: skip

    def fit_calibration(
        self, samples: Sequence[Sample], *, method: CalibrationMethod = "platt"
    ) -> Self:
        """A copy calibrated to another domain on about 100 labelled samples kept apart.

        Args:
            samples: Samples with labels of that domain.
            method: How scores become probabilities.

        Raises:
            InvalidInputError: Nothing has been fitted yet, or not both labels occur.
        """
        fitted = self._model("calibrate", "fit_calibration")
        rows, labels, _ = self._labelled(samples)
        return self.with_aggregator(fitted.fit_calibration(rows, labels, method=method))

    def save(self, path: str | Path) -> None:
        """Write the fitted model as JSON.

        Raises:
            InvalidInputError: Nothing has been fitted.
            OSError: The file cannot be written.
        """
        self._model("save", "save").save(path)

    def load(self, path: str | Path, *, training: str | None = None) -> Self:
        """A copy with a stored model.

        Args:
            path: A file of :meth:`save`.
            training: The fingerprint that its training set must have; None for any.

        Raises:
            InvalidDataError: The file is broken.
            SchemaMismatchError: The model was fitted to other features or samples.
            OSError: It cannot be read.
        """
        return self.with_aggregator(
            Aggregator.load(path, names=self.names, schema=self.schema, training=training)
        )

    def with_aggregator(self, aggregator: Aggregator | None) -> Self:
        """A copy with another model; what it has cached is shared.

        Raises:
            InvalidInputError: The model was fitted to other features.
        """
        made = copy.copy(self)
        made._check(aggregator)
        made.aggregator = aggregator
        return made

    def contributions(self, sample: Sample) -> dict[str, float]:
        """What each feature adds to the log-odds of a sample, largest first; empty if unfitted.

        Args:
            sample: The sample.
        """
        (row,) = self.rows([sample])
        if self.aggregator is None or row is None:
            return {}
        parts = self.aggregator.model.contributions([row])[0]
        named = zip(self.names, (float(part) for part in parts), strict=True)
        return dict(sorted(named, key=lambda item: -abs(item[1])))

    def _check(self, aggregator: Aggregator | None) -> None:
        if aggregator is not None and (aggregator.names, aggregator.schema) != (
            self.names,
            self.schema,
        ):
            raise InvalidInputError(
                "The aggregator was fitted to other features.",
                where="aggregator",
                next_step="Fit it with this detector's fit().",
            )

    def _model(self, what: str, where: str) -> Aggregator:
        if self.aggregator is None:
            raise InvalidInputError(
                f"There is no fitted model to {what}.",
                where=where,
                next_step="Call fit() or load() first.",
            )
        return self.aggregator

    def _probability(self, row: Sequence[float], fallback: float) -> tuple[float, float]:
        """The probability and the raw score."""
        if self.aggregator is None:
            return fallback, fallback
        return (
            float(self.aggregator.probabilities([list(row)])[0]),
            float(self.aggregator.scores([list(row)])[0]),
        )

    def _labelled(
        self, samples: Sequence[Sample]
    ) -> tuple[list[list[float]], list[bool], list[str]]:
        labelled = [sample for sample in samples if sample.label is not None]
        kept: list[tuple[list[float], Sample]] = [
            (row, sample)
            for row, sample in zip(self.rows(labelled), labelled, strict=True)
            if row is not None
        ]
        if not kept:
            raise InvalidInputError(
                "No sample has a label and what this detector needs.",
                where="samples",
                next_step="Give samples with label=True or False that it does not abstain from: "
                "look at why with detect(samples).",
            )
        rows: list[list[float]] = [row for row, _ in kept]
        labels: list[Any] = [bool(sample.label) for _, sample in kept]
        return rows, labels, [sample.group or sample.id for _, sample in kept]
