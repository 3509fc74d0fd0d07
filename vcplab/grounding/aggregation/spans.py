"""Which tokens of a response are hallucinated: two regressions, the second sees the neighbours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.core.files import write_atomic
from vcplab.grounding.aggregation.aggregator import training_fingerprint
from vcplab.grounding.aggregation.logistic import Logistic, fit_logistic

__all__ = ["SCHEMA", "SpanModel", "TokenRows"]

SCHEMA: Final = 1

TokenRows = Sequence[Sequence[float]]
"""The features of the tokens of one response."""

_STRENGTHS: Final = (0.001, 0.003, 0.01)
_THRESHOLDS: Final = tuple(round(0.1 + 0.02 * step, 2) for step in range(31))
_REACH: Final = 4
_LOWEST: Final = 1e-6


@dataclass(frozen=True)
class SpanModel:
    """Gives each token of a response the probability that it is hallucinated.

    The first regression sees a token and its two neighbours; the second also sees what the first
    said of the four tokens on either side and of the whole response, so that a function word
    inside an unsupported phrase goes with it.

    Attributes:
        names: The features of a token, in order.
        schema: What computed them.
        first: Sees tokens.
        second: Sees tokens and the first's probabilities.
        threshold: The probability with the best character F1 on held-out folds.
        training: Fingerprint of what it was fitted to.
        facts: Numbers about the fit.
    """

    names: tuple[str, ...]
    schema: str
    first: Logistic
    second: Logistic
    threshold: float
    training: str
    facts: Mapping[str, float]

    @classmethod
    def fit(
        cls,
        responses: Sequence[TokenRows],
        labels: Sequence[Sequence[bool]],
        sizes: Sequence[Sequence[int]],
        groups: Sequence[Hashable] | None = None,
        *,
        names: Sequence[str],
        schema: str,
        strengths: Sequence[float] = _STRENGTHS,
        folds: int = 5,
    ) -> SpanModel:
        """Fit both regressions and the threshold by grouped cross-validation.

        Args:
            responses: The token features of each response.
            labels: Which of its tokens are hallucinated.
            sizes: How many characters each token stands for, with the space before it.
            groups: What each response shares its source with.
            names: The features of a token.
            schema: What computed them.
            strengths: Inverse strengths of the penalty to choose from.
            folds: In how many parts the groups are cut.

        Raises:
            InvalidInputError: The responses cannot be cross-validated.
        """
        own = list(range(len(responses))) if groups is None else list(groups)
        if not len(responses) == len(labels) == len(own) == len(sizes) or not responses:
            raise InvalidInputError(
                f"{len(responses)} responses, {len(labels)} labels and {len(own)} groups do not "
                "belong together.",
                where="responses",
                next_step="Give one of each per response.",
            )
        x = np.vstack([_window(rows) for rows in responses])
        y = np.concatenate([np.asarray(flags, dtype=bool) for flags in labels])
        each = [group for rows, group in zip(responses, own, strict=True) for _ in rows]
        lengths = [len(rows) for rows in responses]
        first = fit_logistic(x, y, each, strengths=strengths, folds=folds)
        z = np.hstack([x, _neighbours(first.held_out, lengths)])
        second = fit_logistic(z, y, each, strengths=strengths, folds=folds)
        p = _sigmoid(second.held_out)
        size = np.concatenate([np.asarray(row, dtype=float) for row in sizes])
        f1 = [_f1(p >= threshold, y, size) for threshold in _THRESHOLDS]
        best = int(np.argmax(f1))
        return cls(
            tuple(names),
            schema,
            first.model,
            second.model,
            _THRESHOLDS[best],
            training_fingerprint(x, y, each),
            {
                "n": float(len(responses)),
                "tokens": float(len(y)),
                "positives": float(y.sum()),
                "held_out_f1": round(f1[best], 4),
                "strength": first.strength,
                "strength_second": second.strength,
            },
        )

    def probabilities(self, rows: TokenRows) -> NDArray[np.float64]:
        """The probability of each token of a response.

        Args:
            rows: The features of its tokens.
        """
        if not len(rows):
            return np.zeros(0)
        x = _window(rows)
        z = np.hstack([x, _neighbours(self.first.scores(x), [len(rows)])])
        return _sigmoid(self.second.scores(z))

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
    ) -> SpanModel:
        """Read what :meth:`save` wrote.

        Args:
            path: The file.
            names: The features that it will be given.
            schema: What computes them.
            training: The fingerprint that the training set must have; None for any.

        Raises:
            InvalidDataError: The file is broken.
            SchemaMismatchError: It was fitted to other features or samples.
            OSError: It cannot be read.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError:
            data = None
        if not isinstance(data, dict) or data.get("kind") != "vcplab.spans":
            raise InvalidDataError(
                "This is no saved span model.", where=str(path), next_step="Save it again."
            )
        if (
            data.get("version") != SCHEMA
            or data.get("schema") != schema
            or data.get("names") != list(names)
            or (training is not None and data.get("training") != training)
        ):
            raise SchemaMismatchError(
                "The span model was fitted to other features or samples.",
                where=str(path),
                next_step="Fit it again, or use the version of vcplab that it was saved with.",
            )
        first = Logistic.from_dict(data.get("first") or {})
        second = Logistic.from_dict(data.get("second") or {})
        width = 3 * (len(names) + 1)
        threshold, facts = data.get("threshold"), data.get("facts")
        if (
            len(first.weights) != width
            or len(second.weights) != width + _EXTRA
            or not isinstance(threshold, int | float)
            or not isinstance(facts, dict)
        ):
            raise InvalidDataError(
                "The span model is broken.", where=str(path), next_step="Fit it again."
            )
        return cls(
            tuple(names),
            schema,
            first,
            second,
            float(threshold),
            str(data.get("training")),
            {str(key): float(value) for key, value in facts.items()},
        )

    def _text(self) -> str:
        data: dict[str, Any] = {
            "kind": "vcplab.spans",
            "version": SCHEMA,
            "schema": self.schema,
            "names": list(self.names),
            "training": self.training,
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            "threshold": self.threshold,
            "facts": dict(self.facts),
        }
        return json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True)


def _window(rows: TokenRows) -> NDArray[np.float64]:
    """Each token's features beside those of its neighbours; a last column says "no token"."""
    own = np.asarray(rows, dtype=float)
    count, width = own.shape
    padded = np.zeros((count + 2, width + 1))
    padded[1:-1, :width] = own
    padded[[0, -1], width] = 1.0
    return np.hstack([padded[:-2], padded[1:-1], padded[2:]])


_EXTRA: Final = 2 * _REACH + 1 + 6


def _neighbours(scores: NDArray[np.float64], lengths: Sequence[int]) -> NDArray[np.float64]:
    """What the first regression said around each token."""
    parts: list[NDArray[np.float64]] = []
    at = 0
    for count in lengths:
        p = _sigmoid(scores[at : at + count])
        at += count
        padded = np.zeros(count + 2 * _REACH)
        padded[_REACH : _REACH + count] = p
        around = [padded[shift : shift + count] for shift in range(2 * _REACH + 1)]
        before, own, after = around[_REACH - 1], around[_REACH], around[_REACH + 1]
        parts.append(
            np.stack(
                [
                    *around,
                    np.full(count, p.mean()),
                    np.full(count, p.max()),
                    np.maximum(before, after),
                    np.minimum(before, after),
                    before * own,
                    own * after,
                ],
                axis=1,
            )
        )
    return np.vstack(parts)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    half: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * x))
    return np.clip(half, _LOWEST, 1.0 - _LOWEST)


def _f1(said: NDArray[np.bool_], gold: NDArray[np.bool_], size: NDArray[np.float64]) -> float:
    both = float(size[said & gold].sum())
    total = float(size[said].sum() + size[gold].sum())
    return 2 * both / total if total else 0.0
