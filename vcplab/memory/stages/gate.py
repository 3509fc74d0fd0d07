"""The gate: "no memory" is an answer, given with a probability."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError, StateError
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context, Output, Stage, StageKind
from vcplab.memory.stages.configurable import fingerprint_of
from vcplab.memory.stages.state import Lane, State

__all__ = ["FEATURES", "Gate", "GateModel", "gate_features"]

_SCHEMA, _VERSION = "vcplab-gate", 1
# What a lane says about how sure it is; 0 where there is no such lane, and a mark that says so.
FEATURES = (
    "has_bm25",
    "bm25_best",
    "bm25_per_term",
    "bm25_margin",
    "bm25_found",
    "has_cosine",
    "cosine_best",
    "cosine_margin",
    "agreement",
    "final_margin",
)
_NEAR = 5


@dataclasses.dataclass(frozen=True)
class GateModel:
    """A logistic regression over :data:`FEATURES`; JSON, never a pickle.

    Attributes:
        weights: Of the standardised features.
        bias: The logit of an average list.
        means: Of the features on the queries it was fitted to.
        scales: Their standard deviations, 1 where there is none.
        fitted_on: Which system and data, for the reader.
    """

    weights: tuple[float, ...]
    bias: float
    means: tuple[float, ...]
    scales: tuple[float, ...]
    fitted_on: str = ""

    def __post_init__(self) -> None:
        numbers = (*self.weights, self.bias, *self.means, *self.scales)
        lengths = {len(self.weights), len(self.means), len(self.scales)}
        if lengths != {len(FEATURES)} or not all(map(math.isfinite, numbers)) or 0 in self.scales:
            raise InvalidDataError(
                "The gate's model does not fit its features.",
                where="GateModel",
                next_step="Fit it anew: vl.fit_gate(system, data).",
            )

    @property
    def fingerprint(self) -> str:
        """Hash of the numbers."""
        return fingerprint_of([self.weights, self.bias, self.means, self.scales])

    def probability(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that a list holds an answer, shape (n,), of features, shape (n, features)."""
        scaled = (features - np.array(self.means)) / np.array(self.scales)
        logits = scaled @ np.array(self.weights) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float64)

    def to_json(self) -> str:
        """The model as text."""
        return json.dumps(
            {
                "schema": _SCHEMA,
                "version": _VERSION,
                "features": FEATURES,
                **dataclasses.asdict(self),
            }
        )

    @staticmethod
    def from_json(text: str) -> GateModel:
        """The model that :meth:`to_json` gave.

        Raises:
            InvalidDataError: The text is no such model.
            SchemaMismatchError: It is of another version or looks at other features.
        """
        try:
            content = json.loads(text)
            if content["schema"] != _SCHEMA:
                raise ValueError(f"it is of schema {content['schema']!r}")
            version, features = content["version"], tuple(content["features"])
            model = {
                name: tuple(map(float, content[name])) for name in ("weights", "means", "scales")
            }
            bias, fitted_on = float(content["bias"]), str(content["fitted_on"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidDataError(
                f"This is no model of a gate: {error}.",
                where="GateModel",
                next_step="Give the text that to_json() gave.",
            ) from error
        if version != _VERSION or features != FEATURES:
            raise SchemaMismatchError(
                f"The gate was fitted by another vcplab (version {version}).",
                where="GateModel",
                next_step="Fit it anew: vl.fit_gate(system, data).",
            )
        return GateModel(bias=bias, fitted_on=fitted_on, **model)


@dataclasses.dataclass(frozen=True, repr=False)
class Gate(Stage):
    """Give nothing where the list probably holds no answer.

    Made by :func:`vcplab.fit_gate` from judged queries. It looks at what the lanes gave, not only
    at the final scores: a fusion that divides by the best score makes every best look alike.

    Attributes:
        threshold: Probability below which a list becomes empty; 0 keeps every list.
        model: The calibrated model.
    """

    kind: ClassVar[StageKind] = "ranking"
    threshold: float = 0.5
    model: GateModel | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InvalidInputError(
                f"threshold={self.threshold} is no probability.",
                where="threshold",
                next_step="Give 0 to 1; 0.5 answers when an answer is likelier than not.",
            )

    def judge(self, state: State) -> NDArray[np.float64]:
        """Probability per query that its list holds an answer, shape (queries,).

        Raises:
            StateError: The gate was not fitted.
        """
        if self.model is None:
            raise StateError(
                "The gate has no model, so it cannot tell how likely an answer is.",
                where="Gate",
                next_step="Fit it to judged queries: gate = vl.fit_gate(system, data); then "
                "system >> gate.",
            )
        return self.model.probability(gate_features(state))

    def apply(self, state: State, context: Context) -> Output:
        """Empty the lists that probably hold no answer."""
        (lane,) = state.lanes
        probability = self.judge(state)
        closed = probability < self.threshold
        rankings = tuple(
            Ranking.empty() if shut else ranking
            for shut, ranking in zip(closed.tolist(), lane.rankings, strict=True)
        )
        notices: tuple[str, ...] = ()
        if len(closed) == 1 and closed[0]:
            notices = (
                f"No memory: the probability of an answer is {probability[0]:.2f}, below "
                f"{self.threshold:g}.",
            )
        return Output(lanes=(dataclasses.replace(lane, rankings=rankings),), notices=notices)

    def _describe(self) -> str:
        return f"Gate({self.threshold:g})"

    def _content(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "model": None if self.model is None else self.model.fingerprint,
        }


def gate_features(state: State) -> NDArray[np.float64]:
    """What the lanes and the final list say about each query, shape (queries, features)."""
    lanes = state.evidence
    lexical = next((lane for lane in lanes if lane.scale == "bm25"), None)
    dense = next((lane for lane in lanes if lane.scale == "cosine"), None)
    final = state.lanes[0] if state.lanes else None
    features = np.zeros((len(state.queries), len(FEATURES)))
    for number, (query, own) in enumerate(zip(state.queries, features, strict=True)):
        if lexical is not None:
            scores = lexical.rankings[number].scores
            best, margin = _best_and_margin(scores)
            # Longer questions have larger scores for the same share of matched words.
            words = max(1.0, len(query.text.encode("utf-8", "replace")) / 6)
            own[:5] = 1, best, best / words, margin, math.log1p(len(scores))
        if dense is not None and _judges(dense, number):
            best, margin = _best_and_margin(dense.rankings[number].scores)
            own[5:8] = 1, best, margin
        if lexical is not None and dense is not None:
            own[8] = _agreement([lane.rankings[number] for lane in (lexical, dense)])
        if final is not None:
            best, margin = _best_and_margin(final.rankings[number].scores)
            own[9] = margin / abs(best) if best else 0.0
    return features


def _judges(lane: Lane, number: int) -> bool:
    """Whether a lane knows the language of a query."""
    rows = lane.rankings[number].rows
    return lane.applies is None or bool(lane.applies(number, rows[:1]).any())


def _best_and_margin(scores: NDArray[np.float64]) -> tuple[float, float]:
    """The best score, and how far it stands above the mean of the next ones."""
    if not len(scores):
        return 0.0, 0.0
    behind = scores[1:_NEAR]
    return float(scores[0]), float(scores[0] - behind.mean()) if len(behind) else 0.0


def _agreement(rankings: Sequence[Ranking]) -> float:
    """Share of the first ten that two lanes have in common."""
    first, second = (set(ranking.rows[:10].tolist()) for ranking in rankings)
    together = min(len(first), len(second))
    return len(first & second) / together if together else 0.0
