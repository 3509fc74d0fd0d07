"""The span detector: a probability for every token, and spans where it is high."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.aggregation import SpanModel
from vcplab.grounding.detectors.lexical import LexicalDetector
from vcplab.grounding.features import GROUNDED, Held, token_names, token_rows
from vcplab.protocol.grounding import Finding, Sample, Verdict

__all__ = ["SCHEMA", "TokenDetector"]

SCHEMA: Final = "tokens-1"
"""Changes whenever a token feature is measured differently."""


class TokenDetector:
    """Marks the words of a response that its sources do not support.

    A model on the token features of the lexical families (`SpanModel`), fitted to gold spans.  The
    probability of a response is that of its surest token: fit a `LexicalDetector` for a calibrated
    one.  A sample without context or history is abstained from, and so is every sample as long as
    nothing has been fitted.

    Args:
        families: The families of features.
        model: A fitted model for these families.
        use_history: Whether what was said before counts as a source.
        threshold: The probability from which a token is marked; the model's own if None.
        cached: How many contexts are kept tokenised and indexed.

    Raises:
        NotFoundError: There is no such family.
        InvalidInputError: The model was fitted to other features, or the threshold is no
            probability.
    """

    name = "tokens"

    def __init__(
        self,
        families: Sequence[str] = GROUNDED,
        *,
        model: SpanModel | None = None,
        use_history: bool = True,
        threshold: float | None = None,
        cached: int = 256,
    ) -> None:
        self.families = tuple(families)
        self.names = token_names(self.families)
        if model is not None and (model.names, model.schema) != (self.names, SCHEMA):
            raise InvalidInputError(
                "The span model was fitted to other features.",
                where="model",
                next_step="Fit it with this detector's fit().",
            )
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise InvalidInputError(
                f"{threshold} is no probability.", where="threshold", next_step="Use 0 to 1."
            )
        self.model = model
        self.use_history = use_history
        self._threshold = threshold
        self._cached = cached
        # It knows what a context is, and keeps the indices.
        self._lexical = LexicalDetector(
            self.families, aggregator=None, use_history=use_history, cached=cached
        )

    def __repr__(self) -> str:
        state = "not fitted" if self.model is None else f"fitted on {dict(self.model.facts)}"
        return f"TokenDetector({len(self.names)} features, {state})"

    @property
    def threshold(self) -> float | None:
        """The probability from which a token is marked; None before fitting."""
        if self._threshold is not None:
            return self._threshold
        return None if self.model is None else self.model.threshold

    @property
    def fingerprint(self) -> str:
        """Changes whenever some verdict would change."""
        model = "none" if self.model is None else self.model.fingerprint
        families = ",".join(self.families)
        return f"{SCHEMA}:{families}:{self.use_history:d}:{self.threshold}:{model}"

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample.

        Args:
            samples: Responses with their contexts.
        """
        return [self._detect(sample) for sample in samples]

    def probabilities(self, sample: Sample) -> list[tuple[int, int, float]]:
        """Start, end and probability of every token of a response.

        Args:
            sample: A response with its context.

        Raises:
            InvalidInputError: Nothing has been fitted.
        """
        if self.model is None:
            raise _not_fitted("probabilities")
        held = self._lexical.held(sample)
        if held is None:
            return []
        p = self.model.probabilities(token_rows(held, self.families))
        return [
            (token.start, token.end, float(value))
            for token, value in zip(held.tokens, p, strict=True)
        ]

    def _detect(self, sample: Sample) -> Verdict:
        began = time.perf_counter()
        held = None if self.model is None else self._lexical.held(sample)
        if self.model is None or held is None:
            why = "The detector has not been fitted."
            if self.model is not None:
                why = self._lexical.detect([sample])[0].abstained or ""
            return Verdict(p=None, abstained=why, ms=1000 * (time.perf_counter() - began))
        p = self.model.probabilities(token_rows(held, self.families))
        threshold = self.threshold
        assert threshold is not None
        highest = float(p.max())
        return Verdict(
            p=highest,
            findings=tuple(_spans(held, p, threshold)),
            features={"tokens.max": highest, "tokens.mean": float(p.mean())},
            raw=highest,
            ms=1000 * (time.perf_counter() - began),
        )

    def fit(self, samples: Sequence[Sample], *, folds: int = 5) -> TokenDetector:
        """A copy fitted to samples with gold spans; groups are kept whole in cross-validation.

        Args:
            samples: Samples with ``spans``, an empty tuple where nothing is hallucinated; those
                with None, or without context, are left out.
            folds: In how many parts the groups are cut.

        Raises:
            InvalidInputError: The samples cannot be cross-validated.
        """
        rows: list[list[list[float]]] = []
        labels: list[list[bool]] = []
        sizes: list[list[int]] = []
        groups: list[str] = []
        for sample in samples:
            held = None if sample.spans is None else self._lexical.held(sample)
            if held is None:
                continue
            rows.append(token_rows(held, self.families))
            labels.append(_gold(held, sample))
            last = 0
            sizes.append([])
            for token in held.tokens:
                sizes[-1].append(token.end - last)
                last = token.end
            groups.append(sample.group or sample.id)
        model = SpanModel.fit(
            rows, labels, sizes, groups, names=self.names, schema=SCHEMA, folds=folds
        )
        return self._with(model)

    def save(self, path: str | Path) -> None:
        """Write the fitted model as JSON.

        Raises:
            InvalidInputError: Nothing has been fitted.
            OSError: The file cannot be written.
        """
        if self.model is None:
            raise _not_fitted("save")
        self.model.save(path)

    def load(self, path: str | Path, *, training: str | None = None) -> TokenDetector:
        """A copy with a stored model.

        Args:
            path: A file of :meth:`save`.
            training: The fingerprint that its training set must have; None for any.

        Raises:
            InvalidDataError: The file is broken.
            SchemaMismatchError: The model was fitted to other features or samples.
            OSError: It cannot be read.
        """
        return self._with(SpanModel.load(path, names=self.names, schema=SCHEMA, training=training))

    def _with(self, model: SpanModel) -> TokenDetector:
        made = TokenDetector(
            self.families,
            model=model,
            use_history=self.use_history,
            threshold=self._threshold,
            cached=self._cached,
        )
        made._lexical = self._lexical
        return made


def _gold(held: Held, sample: Sample) -> list[bool]:
    """Tokens more than half of which is marked."""
    marked = np.zeros(len(sample.response) + 1, dtype=bool)
    for span in sample.spans or ():
        marked[span.start : span.end] = True
    return [bool(marked[token.start : token.end].mean() > 0.5) for token in held.tokens]


def _spans(held: Held, p: NDArray[np.float64], threshold: float) -> list[Finding]:
    """Runs of marked tokens, with what stands between them."""
    found: list[Finding] = []
    at = 0
    while at < len(p):
        if p[at] < threshold:
            at += 1
            continue
        first = at
        while at < len(p) and p[at] >= threshold:
            at += 1
        start, end = held.tokens[first].start, held.tokens[at - 1].end
        found.append(
            Finding(
                start, end, float(p[first:at].mean()), "tokens.unsupported",
                "The sources do not support these words.",
            )
        )  # fmt: skip
    return found


def _not_fitted(where: str) -> InvalidInputError:
    return InvalidInputError(
        "The detector has not been fitted.", where=where, next_step="Call fit() or load() first."
    )
