from __future__ import annotations

import math
import pickle
from types import SimpleNamespace

import ir_measures
import numpy as np
import pandas as pd
import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.evaluation.datasets import from_frames
from vcplab.evaluation.retrieval import RetrievalTask
from vcplab.evaluation.systems import as_system

METRICS = ["nDCG@10", "R@20", "RR", "AP", "P@5", "Success@5", "R(rel=2)@10", "Rprec"]


def _outputs(task, one):
    task.prepare([one])
    items = list(task.items())
    return dict(zip(items, task.run([one], items)[0], strict=True))


def _reference(data, outputs, metrics):
    """ir_measures on frames, the way its documentation does it."""
    qrels = data.qrels.rename(columns={"qid": "query_id", "docno": "doc_id", "label": "relevance"})
    run = pd.DataFrame(
        [
            (qid, docno, score)
            for qid, output in outputs.items()
            for docno, score in zip(output["docnos"], output["scores"], strict=True)
        ],
        columns=["query_id", "doc_id", "score"],
    )
    measures = [ir_measures.parse_measure(metric) for metric in metrics]
    return ir_measures.calc(measures, qrels, run)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_metrics_equal_ir_measures(make_data, system, seed: int) -> None:
    data = make_data(queries=30, seed=seed)
    task = RetrievalTask(data, k=20)
    outputs = _outputs(task, system("one", seed, empty=("q003", "q017")))
    scores = task.measure(outputs, METRICS)
    aggregated, per_query = _reference(data, outputs, METRICS)
    for measure, value in aggregated.items():
        assert scores[str(measure)].mean() == pytest.approx(value, abs=1e-6)
    seen = 0
    for metric in per_query:
        assert scores.loc[metric.query_id, str(metric.measure)] == pytest.approx(
            metric.value, abs=1e-6
        )
        seen += 1
    assert seen >= 28 * len(METRICS)


def test_ties_are_broken_as_ir_measures_breaks_them(make_data) -> None:
    data = make_data(queries=20)
    docnos = [document.id for document in data.corpus]
    rows = [(q, d, float(i // 5)) for q in data.queries["qid"] for i, d in enumerate(docnos)]
    run = as_system(pd.DataFrame(rows, columns=["qid", "docno", "score"]))
    task = RetrievalTask(data)
    outputs = _outputs(task, run)
    aggregated, _ = _reference(data, outputs, ["nDCG@10", "RR"])
    scores = task.measure(outputs, ["nDCG@10", "RR"])
    for measure, value in aggregated.items():
        assert scores[str(measure)].mean() == pytest.approx(value, abs=1e-6)


def test_queries_without_a_relevant_document_do_not_count(make_data, system) -> None:
    data = make_data(queries=12, unjudged=3)
    zero = pd.DataFrame({"qid": ["q009"], "docno": ["d1"], "label": [0]})
    data = from_frames(data.corpus, data.queries, pd.concat([data.qrels, zero]), "with-zeros")
    task = RetrievalTask(data)
    scores = task.measure(_outputs(task, system("one")), ["RR", "AP"])
    assert scores.index[scores["RR"].isna()].tolist() == ["q009", "q010", "q011"]
    assert scores["AP"].notna().sum() == 9


def test_judged_queries_without_results_count_as_zero(data, system) -> None:
    task = RetrievalTask(data)
    outputs = _outputs(task, system("one", empty=tuple(data.queries["qid"][:-1])))
    scores = task.measure(outputs, ["RR"])
    assert (scores["RR"][:-1] == 0).all()
    assert scores["RR"].iloc[-1] > 0
    nothing = _outputs(task, system("none", empty=tuple(data.queries["qid"])))
    assert (task.measure(nothing, ["RR", "nDCG@10"]) == 0).all(axis=None)


def test_failed_queries_count_as_zero(data) -> None:
    task = RetrievalTask(data)
    outputs = {qid: {"error": "ValueError: no"} for qid in task.items()}
    assert (task.measure(outputs, ["RR"])["RR"] == 0).all()


def test_impossible_metrics_are_refused(data, system) -> None:
    task = RetrievalTask(data)
    outputs = _outputs(task, system("one"))
    with pytest.raises(InvalidInputError):
        task.measure(outputs, ["RBP(rel=1)"])


def test_systems_see_neither_class_nor_split(data) -> None:
    seen = []

    def peek(queries):
        seen.extend(queries.columns)
        return pd.DataFrame({"qid": ["q000"], "docno": ["d1"], "score": [1.0]})

    _outputs(RetrievalTask(data), peek)
    assert set(seen) == {"qid", "query"}


def test_every_kind_of_system_gives_the_same_outputs(data, system) -> None:
    task = RetrievalTask(data, k=7)
    recipe = system("one")
    reference = _outputs(task, recipe)
    bound = recipe.on(data.corpus)
    frame = bound.run(data.queries, 7, memo=object()).frame

    def search(query, k):
        qid = data.queries.loc[data.queries["query"] == query, "qid"].iloc[0]
        rows = frame[frame["qid"] == qid]
        return [
            SimpleNamespace(docno=d, score=s)
            for d, s in zip(rows["docno"], rows["score"])  # noqa: B905
        ]

    def answer(queries):
        return frame[frame["qid"].isin(queries["qid"])].sample(frac=1, random_state=1)

    unique = data.queries["query"].is_unique
    others = [bound, answer, frame, *([SimpleNamespace(search=search)] if unique else [])]
    for other in others:
        outputs = _outputs(task, other)
        assert {q: o["docnos"] for q, o in outputs.items()} == {
            q: o["docnos"] for q, o in reference.items()
        }
    assert _outputs(task, frame)["q000"]["ms"] is None


def test_only_search_is_enough(data) -> None:
    class Port:
        name = "port"

        def search(self, query: str, k: int = 10):
            return [SimpleNamespace(docno=f"d{i}", score=1.0 / (i + 1)) for i in range(k)]

    output = _outputs(RetrievalTask(data, k=3), Port())["q001"]
    assert output["docnos"] == ["d0", "d1", "d2"]
    assert output["ms"] >= 0


def test_results_are_cut_and_checked(data) -> None:
    task = RetrievalTask(data, k=2)

    def answer(queries):
        return pd.DataFrame(
            {
                "qid": ["q000"] * 4,
                "docno": ["d1", "d1", "d2", "d3"],
                "score": [4.0, 3.0, 2.0, 1.0],
            }
        )

    first = _outputs(task, answer)["q000"]
    assert (first["docnos"], first["scores"]) == (["d1", "d2"], [4.0, 2.0])
    assert any("twice" in notice for notice in first["notices"])


@pytest.mark.parametrize(
    "answer",
    [
        lambda queries: [1, 2],
        lambda queries: pd.DataFrame({"qid": ["q000"], "docno": ["d1"]}),
        lambda queries: pd.DataFrame({"qid": ["q000"], "docno": ["d1"], "score": [math.nan]}),
    ],
)
def test_broken_functions_are_named(data, answer) -> None:
    with pytest.raises(InvalidInputError):
        _outputs(RetrievalTask(data), answer)


def test_a_retriever_with_broken_scores_is_named(data) -> None:
    class Broken:
        name = "broken"

        def run(self, queries, k, memo):
            frame = pd.DataFrame({"qid": ["q000"], "docno": ["d1"], "score": [math.inf]})
            return SimpleNamespace(frame=frame, milliseconds=np.zeros(len(queries)), notices=())

    with pytest.raises(InvalidDataError, match="broken") as caught:
        _outputs(RetrievalTask(data), Broken())
    assert any("broken" in note for note in caught.value.__notes__)


def test_rising_scores_are_noticed(data) -> None:
    class Rising:
        name = "rising"

        def run(self, queries, k, memo):
            rows = [(qid, d, s) for qid in queries["qid"] for d, s in (("d1", 1.0), ("d2", 2.0))]
            frame = pd.DataFrame(rows, columns=["qid", "docno", "score"])
            return SimpleNamespace(
                frame=frame, milliseconds=np.full(len(queries), math.nan), notices=("mine",)
            )

    first = _outputs(RetrievalTask(data), Rising())["q000"]
    assert first["notices"][0] == "mine"
    assert "fall" in first["notices"][1]
    assert first["ms"] is None


def test_fingerprints(data, make_data, system) -> None:
    task = RetrievalTask(data)
    items = list(task.items())[:4]
    assert task.fingerprint == RetrievalTask(make_data()).fingerprint
    assert task.fingerprint != RetrievalTask(data, k=9).fingerprint
    # Judgements and classes are not what a system sees.
    judged = from_frames(data.corpus, data.queries, data.qrels.head(5), "other")
    assert RetrievalTask(judged).fingerprint == task.fingerprint
    assert RetrievalTask(judged).digest(items) == task.digest(items)
    asked = data.queries.assign(query="another")
    other = RetrievalTask(from_frames(data.corpus, asked, data.qrels, "other"))
    assert other.digest(items) != task.digest(items)


def test_a_bound_retriever_is_known_by_its_corpus(data, make_data, system) -> None:
    recipe = system("one")

    def bound(corpus):
        return SimpleNamespace(
            name="b", run=lambda *a: None, fingerprint=recipe.fingerprint, corpus=corpus
        )

    task = RetrievalTask(data)
    assert task.describe(bound(data.corpus)).fingerprint == recipe.fingerprint
    elsewhere = task.describe(bound(make_data(documents=9).corpus)).fingerprint
    assert elsewhere not in (None, recipe.fingerprint)
    assert task.describe(bound(None)).fingerprint is None


def test_tasks_travel(data, system) -> None:
    task = RetrievalTask(data, k=5)
    task.prepare([system("one")])
    arrived = pickle.loads(pickle.dumps(task))
    assert arrived.fingerprint == task.fingerprint
    assert arrived.data.fingerprint == data.fingerprint


def test_k_must_be_positive(data) -> None:
    with pytest.raises(InvalidInputError, match="k must"):
        RetrievalTask(data, k=0)
