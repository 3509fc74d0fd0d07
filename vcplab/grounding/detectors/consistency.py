"""Whether other answers to the same question say the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.grounding.aggregation import Aggregator
from vcplab.grounding.claims import sentences_of
from vcplab.grounding.detectors._fitted import FittedDetector
from vcplab.grounding.detectors._sources import Stopwatch, abstain, severity_of
from vcplab.grounding.detectors.cross_encoder import NLIDetector
from vcplab.protocol.grounding import Finding, Sample, Verdict
from vcplab.protocol.ports import Embedder
from vcplab.text.analysis import default_analyzer
from vcplab.text.language import dominant_language, is_covered
from vcplab.text.quantities import find_quantities, same_quantity
from vcplab.text.sentences import Span

__all__ = ["Agreement", "SelfConsistencyDetector", "semantic_entropy"]

Agreement: TypeAlias = "Literal['lexical'] | Embedder | NLIDetector"

_NAMES: Final = ("consistency.min", "consistency.mean", "consistency.others")
_ENTROPY_NAMES: Final = ("consistency.entropy", "consistency.clusters")
_LIKELY: Final = 0.5
# From where two whole answers are taken to say the same; by judgement, not measured.
_SAME: Final = {"lexical": 0.6, "embedding": 0.8, "nli": 0.5}


class SelfConsistencyDetector(FittedDetector):
    """Takes a sentence for invented that the model's other answers do not bear out.

    Needs ``Sample.others``: further answers to the same question, drawn at a temperature above 0.
    A sentence's agreement is the mean over the other answers of how much they support it; ``p`` is
    one minus the mean (or the lowest) agreement of the sentences, uncalibrated before
    :meth:`fit`.

    With ``entropy``, the answers are put into groups of equal meaning (each supports the other)
    and the discrete semantic entropy −Σ p ln p over the groups' shares is a feature:
    0 where all agree, ln n where no two do (facts/hallucination §5).

    Args:
        agreement: ``lexical`` (words and numbers), an embedder (highest cosine), or an
            `NLIDetector` (its model's support).
        entropy: Whether the semantic entropy is measured.
        aggregate: ``mean`` or ``min`` over the sentences.
        aggregator: A model fitted to these features.

    Raises:
        InvalidInputError: An option is not known, or the aggregator was fitted to other features.
    """

    name = "consistency"

    def __init__(
        self,
        agreement: Agreement = "lexical",
        *,
        entropy: bool = True,
        aggregate: Literal["mean", "min"] = "mean",
        aggregator: Aggregator | None = None,
    ) -> None:
        if aggregate not in ("mean", "min"):
            raise InvalidInputError(
                f"aggregate={aggregate!r} is not known.",
                where="aggregate",
                next_step="Use mean or min.",
            )
        self.agreement = agreement
        self._languages: frozenset[str] | None = None
        self._support: Callable[[list[tuple[str, str]]], NDArray[np.float64]]
        if agreement == "lexical":
            self._how, self._support = "lexical", _lexical
        elif isinstance(agreement, NLIDetector):
            self._how, self._support = "nli", lambda pairs: agreement.support(pairs).support
            self._languages = agreement.languages
        elif isinstance(agreement, Embedder):
            self._how, self._support = "embedding", lambda pairs: _cosines(agreement, pairs)
            self._languages = agreement.languages
        else:
            raise InvalidInputError(
                f"agreement={agreement!r} is not known.",
                where="agreement",
                next_step="Use 'lexical', an embedder, or an NLIDetector.",
            )
        self.entropy = entropy
        self.aggregate = aggregate
        self._check(aggregator)
        self.aggregator = aggregator

    def __repr__(self) -> str:
        return f"SelfConsistencyDetector({self._how})"

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in order."""
        return _NAMES + (_ENTROPY_NAMES if self.entropy else ())

    @property
    def schema(self) -> str:
        """What computes the features."""
        own: Any = self.agreement
        how = "lexical" if self._how == "lexical" else f"{self._how}={own.fingerprint}"
        return f"consistency-1:{how}:{self.entropy:d}:{self.aggregate}"

    def detect(self, samples: Sequence[Sample]) -> list[Verdict]:
        """A verdict for each sample.

        Args:
            samples: Responses with other responses to the same question.
        """
        return [self._detect(sample) for sample in samples]

    def _detect(self, sample: Sample) -> Verdict:
        watch = Stopwatch()
        why = self._why_not(sample)
        if why is not None:
            return abstain(why, watch)
        spans = sentences_of(sample.response)
        agreed = self._agreed(sample, spans)
        row = self._row(sample, agreed)
        p, raw = self._probability(row, 1.0 - (row[1] if self.aggregate == "mean" else row[0]))
        findings = tuple(
            Finding(
                span.start, span.end, float(1.0 - share), "consistency.alone",
                f"The other answers bear it out by {share:.0%}.", "confabulation",
                severity_of(float(1.0 - share)),
            )
            for span, share in zip(spans, agreed, strict=True)
            if share < _LIKELY
        )  # fmt: skip
        features = dict(zip(self.names, row, strict=True))
        return Verdict(p, findings, features, raw=raw, ms=watch.ms)

    def rows(self, samples: Sequence[Sample]) -> list[list[float] | None]:
        """The features of each sample; None where it is abstained from."""
        return [
            None
            if self._why_not(sample) is not None
            else self._row(sample, self._agreed(sample, sentences_of(sample.response)))
            for sample in samples
        ]

    def _why_not(self, sample: Sample) -> str | None:
        if not any(other.strip() for other in sample.others):
            return "There are no other responses to compare with."
        if not sentences_of(sample.response):
            return "The response has no words."
        code = dominant_language(sample.response)
        if not is_covered(code, self._languages):
            return f"The model does not read the language {code}."
        return None

    def _agreed(self, sample: Sample, spans: Sequence[Span]) -> NDArray[np.float64]:
        """How much the other answers support each sentence, from 0 to 1."""
        others = [other for other in sample.others if other.strip()]
        pairs = [(other, span.text) for span in spans for other in others]
        support = np.clip(self._support(pairs), 0.0, 1.0).reshape(len(spans), len(others))
        mean: NDArray[np.float64] = support.mean(axis=1)
        return mean

    def _row(self, sample: Sample, agreed: NDArray[np.float64]) -> list[float]:
        others = [other for other in sample.others if other.strip()]
        row = [float(agreed.min()), float(agreed.mean()), float(len(others))]
        if self.entropy:
            groups = self.groups([sample.response, *others])
            row += [semantic_entropy(groups), float(len(set(groups)))]
        return row

    def groups(self, answers: Sequence[str]) -> list[int]:
        """The group of equal meaning of each answer, numbered from 0 as they first occur.

        An answer joins the first group whose first member it supports and is supported by.

        Args:
            answers: The answers.
        """
        firsts: list[str] = []
        found: list[int] = []
        for answer in answers:
            pairs = [pair for first in firsts for pair in ((first, answer), (answer, first))]
            support = self._support(pairs).reshape(-1, 2) if pairs else np.empty((0, 2))
            same = [at for at, both in enumerate(support) if min(both) >= _SAME[self._how]]
            if same:
                found.append(same[0])
            else:
                found.append(len(firsts))
                firsts.append(answer)
        return found


def semantic_entropy(groups: Sequence[int]) -> float:
    """−Σ p ln p over the shares of groups of equal meaning, in nats.

    Args:
        groups: The group of each answer.
    """
    total = len(groups)
    return sum(-n / total * math.log(n / total) for n in Counter(groups).values()) + 0.0


def _lexical(pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
    """Share of a sentence's terms that another answer has; half of it where a number differs."""
    analyzer = default_analyzer()
    terms: dict[str, frozenset[str]] = {}
    for text in dict.fromkeys(text for pair in pairs for text in pair):
        terms[text] = frozenset(analyzer.analyze_query(text))
    found = np.zeros(len(pairs))
    for at, (other, sentence) in enumerate(pairs):
        own = terms[sentence]
        share = len(own & terms[other]) / len(own) if own else 1.0
        numbers = find_quantities(sentence)
        known = find_quantities(other) if numbers else []
        if any(not any(same_quantity(a, b) for b in known) for a in numbers):
            share *= 0.5
        found[at] = share
    return found


def _cosines(embedder: Embedder, pairs: list[tuple[str, str]]) -> NDArray[np.float64]:
    """The highest cosine of a sentence over the sentences of another answer, and the whole."""
    pieces: dict[str, list[str]] = {}
    for other, _ in pairs:
        if other not in pieces:
            pieces[other] = [other, *(span.text for span in sentences_of(other))]
    texts = list(
        dict.fromkeys([*(s for _, s in pairs), *(one for own in pieces.values() for one in own)])
    )
    vectors = dict(zip(texts, embedder.embed_documents(texts), strict=True)) if texts else {}
    return np.array(
        [
            max(float(vectors[sentence] @ vectors[one]) for one in pieces[other])
            for other, sentence in pairs
        ],
        dtype=float,
    )
