"""Entailment and fact-checking models: does each sentence follow from some piece of the sources."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.aggregation import Aggregator
from vcplab.grounding.claims import sentences_of
from vcplab.grounding.detectors._fitted import FittedDetector
from vcplab.grounding.detectors._pair_models import Kind, PairScores, pair_model
from vcplab.grounding.detectors._sources import Source, Stopwatch, abstain, severity_of, sources_of
from vcplab.protocol.grounding import Finding, Sample, Verdict
from vcplab.text.language import dominant_language, is_covered
from vcplab.text.sentences import Span, sentences

__all__ = ["NLIDetector"]

_NAMES: Final = ("nli.min", "nli.mean", "nli.contradiction", "nli.unsupported", "nli.sentences")
_LIKELY: Final = 0.5


class _Window(NamedTuple):
    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]


class _Plan(NamedTuple):
    spans: list[Span]
    windows: list[_Window]
    why: str | None


class NLIDetector(FittedDetector):
    """Asks a cross-encoder whether each sentence of a response follows from its sources.

    The sources are cut into windows that fit into the model together with the sentence; a
    sentence's support is the highest over the windows, and ``p`` is one minus the lowest (or the
    mean) support of the sentences: not a calibrated probability before :meth:`fit`.

    The model is a folder or a name in the local Hugging Face cache (loaded with the first sample,
    nothing is downloaded unless the setting ``offline`` is off), an object with
    ``predict(pairs)``, or a function of pairs ``(premise, hypothesis)``.  Objects and functions
    give for each pair its support from 0 to 1, a row with one number per label, or a mapping with
    ``entailment``, ``neutral`` and ``contradiction``.  What the labels mean is read from
    ``id2label`` or ``labels``, never guessed.

    Args:
        model: The model.
        kind: Whose contract holds: ``nli`` (three labels), ``minicheck`` (two, the second means
            supported), ``hhem`` (one score), ``alignscore`` (three, the first means aligned);
            ``auto`` reads the labels.  For models that mark tokens there is `LettuceDetector`.
        aggregate: ``min`` or ``mean`` over the sentences.
        window: Sentences of a window; as many as the model can read if None.
        labels: The labels of an object or function that gives rows, in order.
        languages: Codes of the languages it can read; None means any.
        batch_size: Pairs per forward pass.
        max_length: Tokens (for objects and functions characters) of a pair; the model's own limit
            if None.
        device: Where it runs: ``cpu``, ``cuda``, ``mps``.
        trust_remote_code: Whether Python code in the model's folder may run.
        use_history: Whether what was said before counts as a source.
        aggregator: A model fitted to these features.

    Raises:
        InvalidInputError: An option is not known or out of range.
        MissingDependencyError: On first use, if torch or transformers is not installed.
        NotFoundError: On first use, if the model is not on this machine.
        InvalidDataError: On first use, if the folder holds no such model, or its labels do not
            tell what they mean.
    """

    name = "nli"

    def __init__(
        self,
        model: Any,
        kind: Kind = "auto",
        *,
        aggregate: Literal["min", "mean"] = "min",
        window: int | None = None,
        labels: Sequence[str] | None = None,
        languages: Collection[str] | None = None,
        batch_size: int = 16,
        max_length: int | None = None,
        device: str = "cpu",
        trust_remote_code: bool = False,
        use_history: bool = True,
        aggregator: Aggregator | None = None,
    ) -> None:
        if kind == "lettuce":
            raise InvalidInputError(
                "Models like LettuceDetect mark tokens; they judge no pairs.",
                where="kind",
                next_step="Use LettuceDetector(model).",
            )
        _choice("kind", kind, get_args(Kind))
        _choice("aggregate", aggregate, ("min", "mean"))
        for name, value in (
            ("window", window), ("batch_size", batch_size), ("max_length", max_length),
        ):  # fmt: skip
            if value is not None and value < 1:
                raise InvalidInputError(
                    f"{name} is {value}.", where=name, next_step="Pass a whole number from 1."
                )
        self.model = pair_model(
            str(model) if isinstance(model, Path) else model, kind, labels=labels,
            batch_size=batch_size, max_length=max_length, device=device,
            trust_remote_code=trust_remote_code,
        )  # fmt: skip
        self.kind_of_model = kind
        self.aggregate = aggregate
        self.window = window
        self.languages = None if languages is None else frozenset(languages)
        self.use_history = use_history
        self._check(aggregator)
        self.aggregator = aggregator

    def __repr__(self) -> str:
        state = "not fitted" if self.aggregator is None else "fitted"
        return f"NLIDetector({self.model.name}, {state})"

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in order."""
        return _NAMES

    @property
    def schema(self) -> str:
        """What computes the features."""
        return (
            f"nli-1:{self.kind_of_model}:{self.aggregate}:{self.window}:{self.use_history:d}:"
            f"{self.model.fingerprint}"
        )

    def support(self, pairs: Sequence[tuple[str, str]]) -> PairScores:
        """What the model says of pairs of a premise and a hypothesis.

        Args:
            pairs: The pairs; each one is asked once.
        """
        distinct = list(dict.fromkeys(pairs))
        if not distinct:
            return PairScores(np.empty(0), np.empty(0))
        said = self.model.score(distinct)
        place = {pair: at for at, pair in enumerate(distinct)}
        order = [place[pair] for pair in pairs]
        return PairScores(said.support[order], said.contradiction[order])

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample; all pairs are asked together.

        Args:
            samples: Responses with their contexts.
        """
        watch = Stopwatch()
        plans = [self._plan(sample) for sample in samples]
        said = self._asked(plans)
        each = watch.ms / max(1, len(samples))
        verdicts: list[Verdict] = []
        for plan, scores in zip(plans, said, strict=True):
            if plan.why is not None:
                verdicts.append(abstain(plan.why))
                continue
            row, findings = self._measured(plan, scores)
            lowest = row[0] if self.aggregate == "min" else row[1]
            p, raw = self._probability(row, 1.0 - lowest)
            features = dict(zip(_NAMES, row, strict=True))
            verdicts.append(Verdict(p, findings, features, raw=raw, ms=each))
        return verdicts

    def rows(self, samples: Sequence[Sample]) -> list[list[float] | None]:
        """The features of each sample; None where it is abstained from."""
        plans = [self._plan(sample) for sample in samples]
        return [
            None if plan.why is not None else self._measured(plan, scores)[0]
            for plan, scores in zip(plans, self._asked(plans), strict=True)
        ]

    def _plan(self, sample: Sample) -> _Plan:
        sources = sources_of(sample, history=self.use_history)
        if not sources:
            return _Plan([], [], "There is no context.")
        spans = sentences_of(sample.response)
        if not spans:
            return _Plan([], [], "The response has no words.")
        for text in (sample.response, sources[0].text):
            code = dominant_language(text)
            if not is_covered(code, self.languages):
                return _Plan([], [], f"{self.model.name} does not read the language {code}.")
        longest = max(self.model.measure(span.text) for span in spans)
        # A sentence as long as the model's limit leaves a premise half of it.
        room = max(self.model.limit - longest, self.model.limit // 2)
        windows = [window for source in sources for window in self._windows(source, room)]
        return _Plan(spans, windows, None)

    def _windows(self, source: Source, room: int) -> list[_Window]:
        """Pieces of a source that the model can read; neighbours share a sentence."""
        spans = sentences(source.text) or [Span(0, len(source.text), source.text)]
        sizes = [self.model.measure(span.text) for span in spans]
        found: list[_Window] = []
        first = 0
        while True:
            last, used = first + 1, sizes[first]
            while (
                last < len(spans)
                and used + sizes[last] <= room
                and (self.window is None or last - first < self.window)
            ):
                used += sizes[last]
                last += 1
            found.append(_Window(source, spans[first].start, spans[last - 1].end))
            if last == len(spans):
                return found
            first = max(first + 1, last - 1)

    def _asked(self, plans: Sequence[_Plan]) -> list[PairScores]:
        pairs = [
            (window.text, span.text)
            for plan in plans
            for span in plan.spans
            for window in plan.windows
        ]
        said = self.support(pairs)
        found: list[PairScores] = []
        at = 0
        for plan in plans:
            shape = len(plan.spans), len(plan.windows)
            end = at + shape[0] * shape[1]
            found.append(
                PairScores(
                    said.support[at:end].reshape(shape), said.contradiction[at:end].reshape(shape)
                )
            )
            at = end
        return found

    def _measured(self, plan: _Plan, scores: PairScores) -> tuple[list[float], tuple[Finding, ...]]:
        best = scores.support.max(axis=1)
        against = scores.contradiction.max(axis=1)
        findings: list[Finding] = []
        for at, span in enumerate(plan.spans):
            if best[at] >= _LIKELY:
                continue
            p = float(1.0 - best[at])
            denied = against[at] >= _LIKELY
            chosen = scores.contradiction[at] if denied else scores.support[at]
            window = plan.windows[int(chosen.argmax())]
            proof = window.source.evidence(window.start, window.end, float(chosen.max()))
            findings.append(
                Finding(
                    span.start, span.end, p,
                    "nli.contradicted" if denied else "nli.unsupported",
                    "The sources contradict it." if denied else "It does not follow from them.",
                    "contextual" if denied else "confabulation", severity_of(p), (proof,),
                )
            )  # fmt: skip
        row = [
            float(best.min()),
            float(best.mean()),
            float(against.max()),
            float((best < _LIKELY).mean()),
            math.log1p(len(best)),
        ]
        return row, tuple(findings)


def _choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InvalidInputError(
            f"{name}={value!r} is not known.",
            where=name,
            next_step=f"Use {', '.join(known)}.",
        )
