"""Fitting a gate to judged queries, and how far its probabilities can be believed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.data import RetrievalData
from vcplab.evaluation.datasets import load
from vcplab.memory.retriever import parse_queries
from vcplab.memory.stages.base import Context, Stage
from vcplab.memory.stages.gate import Gate, GateModel, gate_features
from vcplab.memory.stages.state import State

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Reliability", "fit_gate", "reliability"]

_FOLDS = 5
# Inverse strengths of the penalty that cross-validation chooses from.
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@dataclasses.dataclass(frozen=True)
class Reliability:
    """How a gate's probabilities compare with what happened.

    Attributes:
        frame: One row per bin of predicted probability: predicted (mean), observed (share with an
            answer), n.
        n: Number of queries.
        base_rate: Share of the queries whose list holds an answer.
        auroc: Probability that a list with an answer gets a higher value than one without.
        brier: Mean squared error of the probabilities; always saying the base rate has
            ``base_rate · (1 − base_rate)``.
        ece: Expected calibration error: mean distance of predicted and observed, by bin, weighted.
    """

    frame: pd.DataFrame
    n: int
    base_rate: float
    auroc: float
    brier: float
    ece: float

    def __repr__(self) -> str:
        return (
            f"Reliability(n={self.n}, AUROC {self.auroc:.3f}, Brier {self.brier:.3f} "
            f"(base rate alone {self.base_rate * (1 - self.base_rate):.3f}), ECE {self.ece:.3f})"
        )

    def _repr_html_(self) -> str:
        from vcplab.core.display import html_table, style_block

        rows = [tuple(row) for row in self.frame.round(3).itertuples(index=False)]
        return style_block() + html_table(list(self.frame.columns), rows, caption=repr(self))


def fit_gate(
    system: Stage, data: RetrievalData | str, *, k: int = 10, threshold: float = 0.5, seed: int = 0
) -> Gate:
    """Fit a gate to a system on judged queries.

    Logistic regression on what the lanes gave; the penalty is chosen by cross-validation. A query
    has an answer if a document judged relevant is among the system's first ``k``; queries to which
    nothing is relevant count, too, and are what it learns to refuse from.

    Args:
        system: The system that the gate will stand behind: ``system >> gate``.
        data: Judged queries: a data set or its name. Fit on a train split.
        k: How deep the reader looks.
        threshold: Of the gate.
        seed: Of the folds.

    Raises:
        InvalidInputError: All lists hold an answer, or none does: there is nothing to tell apart.
    """
    from sklearn.linear_model import LogisticRegressionCV

    judged = load(data) if isinstance(data, str) else data
    features, answered = _examples(system, judged, k)
    rarer = int(min(answered.sum(), (~answered).sum()))
    if rarer < 2:
        raise InvalidInputError(
            f"{int(answered.sum())} of {len(answered)} lists hold an answer: with fewer than two "
            "of each kind there is nothing to learn.",
            where=judged.name,
            next_step="Give queries of both kinds; 100 in all are a good start.",
        )
    means = features.mean(axis=0)
    scales = features.std(axis=0)
    scales = np.where(scales > 1e-12, scales, 1.0)
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(min(_FOLDS, rarer), shuffle=True, random_state=seed)
    model = LogisticRegressionCV(
        Cs=list(_STRENGTHS),
        cv=folds,
        scoring="neg_log_loss",
        max_iter=1000,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    ).fit((features - means) / scales, answered)
    return Gate(
        threshold,
        GateModel(
            tuple(float(w) for w in np.ravel(model.coef_)),
            float(np.ravel(model.intercept_)[0]),
            tuple(means.tolist()),
            tuple(scales.tolist()),
            f"{system.name} on {judged.name} ({judged.split}), {len(answered)} queries, k={k}",
        ),
    )


def reliability(
    gate: Gate, system: Stage, data: RetrievalData | str, *, k: int = 10, bins: int = 5
) -> Reliability:
    """Compare a gate's probabilities with what happened, on queries it was not fitted to.

    Args:
        gate: A fitted gate.
        system: The system it was fitted to.
        data: Judged queries, held out.
        k: As for :func:`fit_gate`.
        bins: Number of bins with about equally many queries.

    Raises:
        InvalidInputError: All lists hold an answer, or none does.
    """
    import pandas as pd
    from sklearn.metrics import roc_auc_score

    judged = load(data) if isinstance(data, str) else data
    features, answered = _examples(system, judged, k)
    if gate.model is None or answered.all() or not answered.any():
        raise InvalidInputError(
            "Reliability needs a fitted gate, and lists with and without an answer.",
            where=judged.name,
            next_step="Fit the gate with vl.fit_gate, and give queries of both kinds.",
        )
    predicted = gate.model.probability(features)
    rows = [
        (float(predicted[part].mean()), float(answered[part].mean()), len(part))
        for part in np.array_split(np.argsort(predicted, kind="stable"), bins)
        if len(part)
    ]
    frame = pd.DataFrame(rows, columns=["predicted", "observed", "n"])
    gaps = (frame["predicted"] - frame["observed"]).abs()
    return Reliability(
        frame,
        len(answered),
        float(answered.mean()),
        float(roc_auc_score(answered, predicted)),
        float(np.mean((predicted - answered) ** 2)),
        float((gaps * frame["n"]).sum() / len(answered)),
    )


def _examples(
    system: Stage, data: RetrievalData, k: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Features of each query's lists, and whether its first k hold an answer."""
    qids, queries = parse_queries(data.queries)
    judged: dict[str, set[str]] = {}
    for qid, docno, label in data.qrels[["qid", "docno", "label"]].itertuples(index=False):
        if label > 0:
            judged.setdefault(str(qid), set()).add(str(docno))
    corpus = data.corpus

    def examined() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        system.prepare(corpus)
        state = system._run(State.start(queries), Context(corpus, max(k, 10)))
        answered = [
            bool(judged.get(qid, set()) & set(corpus.docnos(ranking.head(k).rows.tolist())))
            for qid, ranking in zip(qids, state.lanes[0].rankings, strict=True)
        ]
        return gate_features(state), np.array(answered, np.bool_)

    return corpus.consistently(examined)
