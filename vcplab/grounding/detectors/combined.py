"""Several detectors and one calibrated probability."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.grounding.aggregation import Aggregator
from vcplab.grounding.aggregation.calibrators import CalibrationMethod
from vcplab.grounding.detectors._fitted import FittedDetector
from vcplab.grounding.detectors._sources import Stopwatch, abstain
from vcplab.grounding.detectors.citation import CitationDetector
from vcplab.grounding.detectors.lexical import LexicalDetector
from vcplab.grounding.detectors.style import StyleDetector
from vcplab.grounding.detectors.temporal import TemporalDetector
from vcplab.protocol.grounding import Finding, Sample, Verdict
from vcplab.protocol.ports import Detector

__all__ = ["CombinedDetector"]


class CombinedDetector(FittedDetector):
    """Asks several detectors and weighs what they measure.

    The features of a sample are those of all parts, with each part's ``p`` and whether it
    abstained; :meth:`fit` fits a logistic regression to them.  Before a fit ``p`` is the highest
    ``p`` of a part, and not calibrated.  Of findings that overlap the surer one is kept; remarks
    on style (``p=None``) are all passed on.  A sample from which every part abstains is abstained
    from.

    A part that was fitted itself should have been fitted to other samples than those given to
    :meth:`fit`, or its ``p`` is trusted too much.

    Args:
        detectors: The parts, or a mapping from names to them; lexical, temporal, citation and
            style if None.
        aggregator: A model fitted to these parts.

    Raises:
        InvalidInputError: There is no part, two have one name, something is no detector, or the
            model was fitted to other parts.
    """

    name = "combined"

    def __init__(
        self,
        detectors: Sequence[Detector] | Mapping[str, Detector] | None = None,
        aggregator: Aggregator | None = None,
    ) -> None:
        if detectors is None:
            usual = (LexicalDetector(), TemporalDetector(), CitationDetector(), StyleDetector())
            self.detectors: dict[str, Detector] = {one.name: one for one in usual}
        elif isinstance(detectors, Mapping):
            self.detectors = {str(name): one for name, one in detectors.items()}
        else:
            self.detectors = _named(detectors)
        if not self.detectors:
            raise InvalidInputError(
                "There is no detector to combine.",
                where="detectors",
                next_step="Give at least one, or None for the usual ones.",
            )
        for name, one in self.detectors.items():
            if isinstance(one, type) or not isinstance(one, Detector):
                raise InvalidInputError(
                    f"{name!r} is no detector.",
                    where="detectors",
                    next_step="A detector has a name, a fingerprint and detect(samples).",
                )
        self._learnt: tuple[str, ...] | None = None
        self._check(aggregator)
        self.aggregator = aggregator

    def __repr__(self) -> str:
        state = "not fitted" if self.aggregator is None else f"fitted on {self.aggregator.facts}"
        return f"CombinedDetector({', '.join(self.detectors)}; {state})"

    @property
    def schema(self) -> str:
        """The fingerprints of the parts; a stored model of other parts is refused."""
        parts = (
            f"{name}={getattr(one, 'lasting_fingerprint', one.fingerprint)}"
            for name, one in self.detectors.items()
        )
        return "combined-1;" + ";".join(parts)

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change."""
        model = "unfitted" if self.aggregator is None else self.aggregator.fingerprint
        parts = ";".join(f"{name}={one.fingerprint}" for name, one in self.detectors.items())
        return f"combined-1;{parts}:{model}"

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in order; before a fit those that the parts declare."""
        if self.aggregator is not None:
            return self.aggregator.names
        return self._declared() if self._learnt is None else self._learnt

    def _declared(self) -> tuple[str, ...]:
        found: list[str] = []
        for name, one in self.detectors.items():
            found += [_key(name, key) for key in getattr(one, "names", ())]
            found += [f"{name}.p", f"{name}.abstained"]
        return tuple(dict.fromkeys(found))

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample.

        Args:
            samples: Responses with what the parts need.
        """
        verdicts: list[Verdict] = []
        for parts in self._asked(samples):
            watch = Stopwatch()
            features = self._features(parts)
            spent = sum(verdict.ms for verdict in parts.values())
            findings = _merged([one for verdict in parts.values() for one in verdict.findings])
            judged = [verdict.p for verdict in parts.values() if verdict.p is not None]
            if not judged:
                why = "; ".join(f"{name}: {verdict.abstained}" for name, verdict in parts.items())
                said = abstain(why, watch, features)
                verdicts.append(
                    Verdict(None, findings, said.features, said.abstained, None, spent + said.ms)
                )
                continue
            row = [features.get(name, 0.0) for name in self.names]
            p, raw = self._probability(row, max(judged))
            verdicts.append(Verdict(p, findings, features, raw=raw, ms=spent + watch.ms))
        return verdicts

    def rows(self, samples: Sequence[Sample]) -> list[list[float] | None]:
        """The features of each sample; None where every part abstains."""
        return [self._row(parts, self.names) for parts in self._asked(samples)]

    def fit(
        self, samples: Sequence[Sample], *, method: CalibrationMethod = "platt", folds: int = 5
    ) -> Self:
        """A copy fitted to labelled samples; groups are kept whole in cross-validation.

        Args:
            samples: Samples with labels; those from which every part abstains are left out.
            method: How scores become probabilities, ``platt`` or ``isotonic``.
            folds: In how many parts the groups are cut.

        Raises:
            InvalidInputError: The labelled samples cannot be cross-validated.
        """
        labelled = [sample for sample in samples if sample.label is not None]
        asked = self._asked(labelled)
        # Parts that declare no features are taken at their word.
        names = dict.fromkeys(self._declared())
        for parts in asked:
            names.update(dict.fromkeys(self._features(parts)))
        made = self.with_aggregator(None)
        made._learnt = tuple(names)
        kept = [
            (row, sample)
            for parts, sample in zip(asked, labelled, strict=True)
            if (row := self._row(parts, made._learnt)) is not None
        ]
        if not kept:
            return super().fit([])
        fitted = Aggregator.fit(
            [row for row, _ in kept],
            [bool(sample.label) for _, sample in kept],
            [sample.group or sample.id for _, sample in kept],
            names=made._learnt,
            schema=self.schema,
            method=method,
            folds=folds,
        )
        return made.with_aggregator(fitted)

    def load(self, path: str | Path, *, training: str | None = None) -> Self:
        """A copy with a stored model.

        Args:
            path: A file of :meth:`save`.
            training: The fingerprint that its training set must have; None for any.

        Raises:
            InvalidDataError: The file is broken.
            SchemaMismatchError: The model was fitted to other parts or samples.
            OSError: It cannot be read.
        """
        try:
            data: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidDataError(
                "The file is no JSON.", where=str(path), next_step="Save the model again."
            ) from error
        stored = data.get("names") if isinstance(data, dict) else None
        names = [str(name) for name in stored] if isinstance(stored, list) else []
        strange = [name for name in names if name.partition(".")[0] not in self.detectors]
        if strange:
            raise SchemaMismatchError(
                f"The model has the feature {strange[0]!r}, which no part has.",
                where=str(path),
                next_step="Combine the detectors that it was fitted with.",
            )
        return self.with_aggregator(
            Aggregator.from_dict(
                data, names=names, schema=self.schema, training=training, where=str(path)
            )
        )

    def _check(self, aggregator: Aggregator | None) -> None:
        if aggregator is not None and aggregator.schema != self.schema:
            raise InvalidInputError(
                "The aggregator was fitted to other detectors.",
                where="aggregator",
                next_step="Fit it with this detector's fit().",
            )

    def _asked(self, samples: Sequence[Sample]) -> list[dict[str, Verdict]]:
        """What each part says of each sample."""
        said = {name: one.detect(samples) for name, one in self.detectors.items()}
        for name, verdicts in said.items():
            if len(verdicts) != len(samples):
                raise InvalidDataError(
                    f"{name!r} gave {len(verdicts)} verdicts for {len(samples)} samples.",
                    where=name,
                    next_step="A detector gives one verdict for each sample, in their order.",
                )
        return [
            {name: verdicts[at] for name, verdicts in said.items()} for at in range(len(samples))
        ]

    def _features(self, parts: Mapping[str, Verdict]) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, verdict in parts.items():
            for key, value in verdict.features.items():
                found[_key(name, key)] = float(value)
            found[f"{name}.p"] = 0.0 if verdict.p is None else float(verdict.p)
            found[f"{name}.abstained"] = float(verdict.p is None)
        return found

    def _row(self, parts: Mapping[str, Verdict], names: Sequence[str]) -> list[float] | None:
        if all(verdict.p is None for verdict in parts.values()):
            return None
        features = self._features(parts)
        return [features.get(name, 0.0) for name in names]


def _key(part: str, feature: str) -> str:
    return feature if feature.startswith(f"{part}.") else f"{part}.{feature}"


def _named(detectors: Sequence[Detector]) -> dict[str, Detector]:
    named: dict[str, Detector] = {}
    for one in detectors:
        name = str(getattr(one, "name", type(one).__name__))
        if name in named:
            raise InvalidInputError(
                f"Two detectors are called {name!r}.",
                where="detectors",
                next_step="Name them: CombinedDetector({'one': detector, 'other': detector}).",
            )
        named[name] = one
    return named


def _merged(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Of findings that overlap the surer one, in the order of the text; remarks all stay."""
    kept = [one for one in findings if one.p is None]
    taken: list[Finding] = []
    judged = [one for one in findings if one.p is not None]
    for finding in sorted(judged, key=lambda one: (-(one.p or 0.0), one.start, one.end)):
        if all(finding.end <= other.start or other.end <= finding.start for other in taken):
            taken.append(finding)
    return tuple(sorted([*kept, *taken], key=lambda one: (one.start, one.end)))
