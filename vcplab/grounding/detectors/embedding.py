"""How near each sentence of a response is to some piece of its sources, by an embedding model."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.aggregation import Aggregator
from vcplab.grounding.claims import sentences_of
from vcplab.grounding.detectors._fitted import FittedDetector
from vcplab.grounding.detectors._sources import Source, Stopwatch, abstain, severity_of, sources_of
from vcplab.protocol.grounding import Finding, Sample, Verdict
from vcplab.protocol.ports import Embedder
from vcplab.text.language import dominant_language, is_covered
from vcplab.text.sentences import Span, sentences

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EmbeddingDetector"]

_NAMES: Final = (
    "embedding.min", "embedding.mean", "embedding.single", "embedding.far", "embedding.sentences",
)  # fmt: skip


class _Pieces(NamedTuple):
    spans: tuple[tuple[int, int], ...]
    single: int
    vectors: NDArray[np.float32]


class _Plan(NamedTuple):
    sources: list[Source]
    spans: list[Span]
    why: str | None


class EmbeddingDetector(FittedDetector):
    """Takes a sentence that is far from everything in the sources for unsupported.

    Each sentence of the response gets the highest cosine over the sentences of the sources and
    windows of up to ``width`` of them; ``p`` is one minus the lowest of them, and not a
    probability before :meth:`fit`.  The vectors of sources are kept.

    Embeddings see topics; they hardly see numbers, negations or who did what to whom, so this is
    never the only detector (facts/hallucination §7).  Samples without sources, and in languages
    that the model was not trained on, are abstained from.

    Args:
        embedder: The model; the one that comes with the library if None (English only).
        aggregator: A model fitted to these features.
        width: Most sentences of a window, from 1.
        far: The cosine below which a sentence is reported.
        use_history: Whether what was said before counts as a source.
        cached: How many sources are kept encoded.

    Raises:
        InvalidInputError: ``width`` or ``cached`` is below 1, or the aggregator was fitted to
            other features.
        MissingDependencyError: No embedder is given and the one of the library is not installed.
    """

    name = "embedding"

    def __init__(
        self,
        embedder: Embedder | None = None,
        *,
        aggregator: Aggregator | None = None,
        width: int = 2,
        far: float = 0.5,
        use_history: bool = True,
        cached: int = 256,
    ) -> None:
        for name, value in (("width", width), ("cached", cached)):
            if value < 1:
                raise InvalidInputError(
                    f"{name} is {value}.", where=name, next_step="Pass a whole number from 1."
                )
        if embedder is None:
            from vcplab.models.embedding.default import default_embedder

            embedder = default_embedder()
        self.embedder = embedder
        self.width = width
        self.far = far
        self.use_history = use_history
        self.cached = cached
        self._known: OrderedDict[str, _Pieces] = OrderedDict()
        self._lock = threading.Lock()
        self._check(aggregator)
        self.aggregator = aggregator

    def __repr__(self) -> str:
        state = "not fitted" if self.aggregator is None else "fitted"
        return f"EmbeddingDetector({self.embedder.name}, {state})"

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in order."""
        return _NAMES

    @property
    def schema(self) -> str:
        """What computes the features."""
        return (
            f"embedding-1:{self.width}:{self.far:g}:{self.use_history:d}:"
            f"{self.embedder.fingerprint}"
        )

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample; all texts are encoded together.

        Args:
            samples: Responses with their contexts.
        """
        watch = Stopwatch()
        plans = [self._plan(sample) for sample in samples]
        pieces, queries = self._encoded(plans)
        shared = watch.ms / max(1, len(samples))
        verdicts: list[Verdict] = []
        for plan, vectors in zip(plans, queries, strict=True):
            own = Stopwatch()
            if plan.why is not None:
                verdicts.append(abstain(plan.why, own))
                continue
            row, findings = self._measured(plan, vectors, pieces)
            p, raw = self._probability(row, min(1.0, max(0.0, 1.0 - row[0])))
            verdicts.append(
                Verdict(
                    p,
                    findings,
                    dict(zip(_NAMES, row, strict=True)),
                    raw=raw,
                    ms=shared + own.ms,
                )
            )
        return verdicts

    def rows(self, samples: Sequence[Sample]) -> list[list[float] | None]:
        """The features of each sample; None where it is abstained from."""
        plans = [self._plan(sample) for sample in samples]
        pieces, queries = self._encoded(plans)
        return [
            None if plan.why is not None else self._measured(plan, vectors, pieces)[0]
            for plan, vectors in zip(plans, queries, strict=True)
        ]

    def _plan(self, sample: Sample) -> _Plan:
        sources = sources_of(sample, history=self.use_history)
        if not sources:
            return _Plan([], [], "There is no context.")
        spans = sentences_of(sample.response)
        if not spans:
            return _Plan(sources, [], "The response has no words.")
        for what, text in (("response", sample.response), ("context", sources[0].text)):
            code = dominant_language(text)
            if not is_covered(code, self.embedder.languages):
                return _Plan(
                    sources, [], f"{self.embedder.name} does not read the {what}'s language {code}."
                )
        return _Plan(sources, spans, None)

    def _encoded(
        self, plans: Sequence[_Plan]
    ) -> tuple[dict[str, _Pieces], list[NDArray[np.float32]]]:
        """The pieces of all sources, and the vectors of each response's sentences."""
        texts = {source.text: None for plan in plans if plan.why is None for source in plan.sources}
        pieces: dict[str, _Pieces] = {}
        with self._lock:
            for text in texts:
                if text in self._known:
                    self._known.move_to_end(text)
                    pieces[text] = self._known[text]
        missing = {text: self._windows(text) for text in texts if text not in pieces}
        asked = [text[a:b] for text, (spans, _) in missing.items() for a, b in spans]
        if asked:
            vectors = self.embedder.embed_documents(asked)
            at = 0
            for text, (spans, single) in missing.items():
                pieces[text] = _Pieces(spans, single, vectors[at : at + len(spans)])
                at += len(spans)
            with self._lock:
                for text in missing:
                    self._known[text] = pieces[text]
                while len(self._known) > self.cached:
                    self._known.popitem(last=False)
        said = [span.text for plan in plans if plan.why is None for span in plan.spans]
        every = self.embedder.embed_queries(said) if said else np.empty((0, 0), np.float32)
        queries: list[NDArray[np.float32]] = []
        at = 0
        for plan in plans:
            size = len(plan.spans) if plan.why is None else 0
            queries.append(every[at : at + size])
            at += size
        return pieces, queries

    def _windows(self, text: str) -> tuple[tuple[tuple[int, int], ...], int]:
        """Offsets of the sentences, then of the longer windows; and how many sentences."""
        spans = sentences(text) or [Span(0, len(text), text)]
        found = [(span.start, span.end) for span in spans]
        for size in range(2, self.width + 1):
            found += [
                (spans[at].start, spans[at + size - 1].end) for at in range(len(spans) - size + 1)
            ]
        return tuple(found), len(spans)

    def _measured(
        self, plan: _Plan, vectors: NDArray[np.float32], pieces: dict[str, _Pieces]
    ) -> tuple[list[float], tuple[Finding, ...]]:
        best = np.full(len(plan.spans), -1.0)
        single = np.full(len(plan.spans), -1.0)
        place: list[tuple[Source, tuple[int, int]]] = [(plan.sources[0], (0, 0))] * len(plan.spans)
        for source in plan.sources:
            known = pieces[source.text]
            cosines = vectors @ known.vectors.T
            top = cosines.argmax(axis=1)
            single = np.maximum(single, cosines[:, : known.single].max(axis=1))
            for at, which in enumerate(top):
                if cosines[at, which] > best[at]:
                    best[at] = cosines[at, which]
                    place[at] = source, known.spans[int(which)]
        findings = []
        for span, cosine, (source, (start, end)) in zip(plan.spans, best, place, strict=True):
            if cosine < self.far:
                p = float(min(1.0, max(0.0, 1.0 - cosine)))
                proof = source.evidence(start, end, float(cosine))
                findings.append(
                    Finding(
                        span.start, span.end, p, "embedding.far",
                        f"Nothing in the sources is near it (cosine {cosine:.2f}).",
                        "confabulation", severity_of(p), (proof,),
                    )
                )  # fmt: skip
        row = [
            float(best.min()),
            float(best.mean()),
            float(single.min()),
            float((best < self.far).mean()),
            math.log1p(len(best)),
        ]
        return row, tuple(findings)
