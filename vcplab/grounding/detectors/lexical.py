"""The lexical detector: what a response says, held word by word against its sources."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.aggregation import Aggregator
from vcplab.grounding.aggregation.calibrators import CalibrationMethod
from vcplab.grounding.detectors.unsupported import find_unsupported
from vcplab.grounding.features import GROUNDED, Held, SourceCache, feature_names, measure
from vcplab.grounding.models import shipped
from vcplab.protocol.grounding import Sample, Verdict

__all__ = ["CANDIDATES", "SCHEMA", "Contribution", "LexicalDetector"]

SCHEMA: Final = "lexical-2"
"""Changes whenever a feature is measured differently; stored models of another are refused."""

CANDIDATES: Final = (
    GROUNDED,
    ("numbers", "dates", "entities", "alignment", "wording"),
    ("numbers", "dates", "entities", "alignment"),
)
"""Sets of families for `LexicalDetector.fit`: everything, and what few labels can bear."""


class Contribution(NamedTuple):
    """What one feature adds to a verdict.

    Attributes:
        feature: Its name, ``family.feature``.
        value: Its value for the sample.
        weight: What it adds to the log-odds, against the average sample of training.
    """

    feature: str
    value: float
    weight: float


class LexicalDetector:
    """Finds numbers, dates, names, quotations, negations and words that no source supports.

    The probability of a response comes from a logistic regression on the feature families
    (`vcplab.grounding.features`): the one that comes with the package, or one of your own from
    :meth:`fit`.  The shipped one was fitted to other data than yours, so its probabilities and its
    threshold are a beginning: calibrate them on about 100 labels (:meth:`fit_calibration`), since
    a threshold that holds everywhere does not exist (facts/hallucination §3d).  Without a model the
    probability is one minus the product of the findings' chances of being right, which ranks, but
    is not calibrated.

    A sample without context or history is abstained from.

    Args:
        families: The families of features.
        aggregator: ``"shipped"`` for the model of the package (rules alone, where the families
            lack some that it needs), a fitted model, or None for rules alone.
        use_history: Whether what was said before counts as a source.
        cached: How many contexts are kept tokenised and indexed.

    Raises:
        NotFoundError: There is no such family.
        InvalidInputError: The aggregator was fitted to other features.
    """

    name = "lexical"

    def __init__(
        self,
        families: Sequence[str] = GROUNDED,
        *,
        aggregator: Aggregator | Literal["shipped"] | None = "shipped",
        use_history: bool = True,
        cached: int = 256,
    ) -> None:
        self.families = tuple(families)
        self.names = feature_names(self.families)
        if aggregator == "shipped":
            model = shipped("lexical", SCHEMA)
            aggregator = model if set(model.names) <= set(self.names) else None
        if aggregator is not None and (
            not isinstance(aggregator, Aggregator)
            or not set(aggregator.names) <= set(self.names)
            or aggregator.schema != SCHEMA
        ):
            raise InvalidInputError(
                "The aggregator was fitted to other features.",
                where="aggregator",
                next_step="Fit it with this detector's fit().",
            )
        self.aggregator = aggregator
        used = () if aggregator is None else aggregator.names
        self._columns = [self.names.index(name) for name in used]
        self.use_history = use_history
        self._cached = cached
        self._sources = SourceCache(cached)

    def __repr__(self) -> str:
        state = "not fitted" if self.aggregator is None else f"fitted on {self.aggregator.facts}"
        return f"LexicalDetector({len(self.names)} features, {state})"

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change."""
        model = "rules" if self.aggregator is None else self.aggregator.fingerprint
        return f"{SCHEMA}:{','.join(self.families)}:{self.use_history:d}:{model}"

    @property
    def calibrated(self) -> bool:
        """Whether p is a probability; without a model it only ranks."""
        return self.aggregator is not None

    @property
    def threshold(self) -> float | None:
        """The probability from which a response counts as hallucinated; None before fitting."""
        return None if self.aggregator is None else self.aggregator.threshold

    def held(self, sample: Sample) -> Held | None:
        """The response held against its sources; None if there are none, or it says nothing."""
        texts = self._texts(sample)
        if not texts:
            return None
        held = Held(sample.response, self._sources[texts])
        return held if held.tokens else None

    def _texts(self, sample: Sample) -> tuple[str, ...]:
        """The sources of a sample, context first; empty if nothing is in them."""
        texts = sample.context + (sample.history if self.use_history else ())
        return texts if any(text.strip() for text in texts) else ()

    def features(self, sample: Sample) -> list[float] | None:
        """The features of a sample, in the order of ``names``; None where it is abstained from."""
        held = self.held(sample)
        return None if held is None else measure(held, self.families)

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample.

        Args:
            samples: Responses with their contexts.
        """
        return [self._detect(sample) for sample in samples]

    def _detect(self, sample: Sample) -> Verdict:
        began = time.perf_counter()
        held = self.held(sample)
        if held is None:
            why = "The response has no words." if self._texts(sample) else "There is no context."
            return Verdict(p=None, abstained=why, ms=1000 * (time.perf_counter() - began))
        findings = tuple(find_unsupported(held, contexts=len(sample.context)))
        values = measure(held, self.families)
        if self.aggregator is None:
            miss = math.prod(1.0 - (finding.p or 0.0) for finding in findings)
            p = raw = 1.0 - miss
        else:
            row = [values[column] for column in self._columns]
            raw = float(self.aggregator.scores([row])[0])
            p = float(self.aggregator.probabilities([row])[0])
        return Verdict(
            p=p,
            findings=findings,
            features=dict(zip(self.names, values, strict=True)),
            raw=raw,
            ms=1000 * (time.perf_counter() - began),
        )

    def contributions(self, sample: Sample) -> list[Contribution]:
        """What each feature adds to the verdict on a sample, the weightiest first.

        Args:
            sample: A response with its context.

        Returns:
            Nothing where there is no model, or the sample is abstained from.
        """
        values = None if self.aggregator is None else self.features(sample)
        if self.aggregator is None or values is None:
            return []
        row = [values[column] for column in self._columns]
        parts = np.asarray(self.aggregator.model.contributions([row])[0])
        found = [
            Contribution(name, value, float(part))
            for name, value, part in zip(self.aggregator.names, row, parts, strict=True)
        ]
        return sorted(found, key=lambda one: -abs(one.weight))

    def fit(
        self,
        samples: Sequence[Sample],
        *,
        method: CalibrationMethod = "platt",
        folds: int = 5,
        candidates: Sequence[Sequence[str]] | None = None,
    ) -> LexicalDetector:
        """A copy fitted to labelled samples; groups are kept whole in cross-validation.

        Args:
            samples: Samples with labels; those without label or context are left out.
            method: How scores become probabilities.
            folds: In how many parts the groups are cut.
            candidates: Sets of this detector's families; the one with the lowest held-out log-loss
                is taken (`CANDIDATES` suits a few hundred samples).  None: all of them.

        Raises:
            InvalidInputError: The labelled samples cannot be cross-validated, or a candidate has
                a family that this detector has not.
            NotFoundError: A candidate is no family.
        """
        rows, labels, groups = self._labelled(samples)
        best: tuple[float, tuple[str, ...], Aggregator] | None = None
        for chosen in (self.families,) if candidates is None else candidates:
            names = feature_names(chosen)
            if not set(chosen) <= set(self.families):
                raise InvalidInputError(
                    f"The candidate {tuple(chosen)} has families that this detector has not.",
                    where="candidates",
                    next_step=f"Choose among {', '.join(self.families)}.",
                )
            columns = [self.names.index(name) for name in names]
            fitted = Aggregator.fit(
                [[row[column] for column in columns] for row in rows],
                labels,
                groups,
                names=names,
                schema=SCHEMA,
                method=method,
                folds=folds,
            )
            if best is None or fitted.facts["loss"] < best[0]:
                best = fitted.facts["loss"], tuple(chosen), fitted
        assert best is not None
        return self._with(best[2], best[1])

    def fit_calibration(
        self, samples: Sequence[Sample], *, method: CalibrationMethod = "platt"
    ) -> LexicalDetector:
        """A copy calibrated to another domain on about 100 labelled samples kept apart.

        Args:
            samples: Samples with labels of that domain.
            method: How scores become probabilities.

        Raises:
            InvalidInputError: Nothing has been fitted yet, or not both labels occur.
        """
        if self.aggregator is None:
            raise InvalidInputError(
                "There is no fitted model to calibrate.",
                where="fit_calibration",
                next_step="Call fit() or load() first.",
            )
        rows, labels, _ = self._labelled(samples)
        rows = [[row[column] for column in self._columns] for row in rows]
        return self._with(self.aggregator.fit_calibration(rows, labels, method=method))

    def save(self, path: str | Path) -> None:
        """Write the fitted model as JSON.

        Raises:
            InvalidInputError: Nothing has been fitted.
            OSError: The file cannot be written.
        """
        if self.aggregator is None:
            raise InvalidInputError(
                "There is no fitted model to save.", where="save", next_step="Call fit() first."
            )
        self.aggregator.save(path)

    def load(self, path: str | Path, *, training: str | None = None) -> LexicalDetector:
        """A copy with a stored model.

        Args:
            path: A file of :meth:`save`.
            training: The fingerprint that its training set must have; None for any.

        Raises:
            InvalidDataError: The file is broken.
            SchemaMismatchError: The model was fitted to other features or samples.
            OSError: It cannot be read.
        """
        return self._with(Aggregator.load(path, names=self.names, schema=SCHEMA, training=training))

    def _with(
        self, aggregator: Aggregator, families: Sequence[str] | None = None
    ) -> LexicalDetector:
        made = LexicalDetector(
            self.families if families is None else families,
            aggregator=aggregator,
            use_history=self.use_history,
            cached=self._cached,
        )
        made._sources = self._sources
        return made

    def _labelled(
        self, samples: Sequence[Sample]
    ) -> tuple[list[list[float]], list[bool], list[str]]:
        rows: list[list[float]] = []
        labels: list[bool] = []
        groups: list[str] = []
        for sample in samples:
            values = None if sample.label is None else self.features(sample)
            if values is not None:
                rows.append(values)
                labels.append(bool(sample.label))
                groups.append(sample.group or sample.id)
        if not rows:
            raise InvalidInputError(
                "No sample has a label and a context.",
                where="samples",
                next_step="Give samples with label=True or False and a context.",
            )
        return rows, labels, groups
