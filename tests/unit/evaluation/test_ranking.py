"""One ranking: what is shown is what trec_eval measures and what is exported."""

from __future__ import annotations

import ir_measures
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.evaluation.comparison import compare
from vcplab.evaluation.datasets import from_frames
from vcplab.evaluation.ranking import ascii_ids, ranked_outputs

FAST = {"resamples": 100, "permutations": 99, "cache": False}


def _data(docnos, qid="1"):
    """One query for which the first document is relevant."""
    return from_frames(
        pd.DataFrame({"docno": docnos, "text": "budget"}),
        pd.DataFrame({"qid": [qid], "query": ["budget"]}),
        pd.DataFrame({"qid": [qid], "docno": [docnos[0]], "label": [1]}),
    )


def _run(docnos, scores, qid="1"):
    return pd.DataFrame({"qid": qid, "docno": docnos, "score": scores})


def _trec_eval_order(docnos, scores):
    """The rank that trec_eval gives each document, asked one by one."""
    run = {"1": dict(zip(docnos, scores, strict=True))}
    places = {}
    for docno in docnos:
        (metric,) = ir_measures.iter_calc([ir_measures.RR], {"1": {docno: 1}}, run)
        places[docno] = metric.value
    return sorted(docnos, key=lambda docno: -places[docno])


@pytest.mark.parametrize(
    ("docnos", "scores"),
    [
        (["a", "b", "c"], [1.0, 1.0, 1.0]),
        (["a", "b", "c"], [1.0 + 1e-9, 1.0, 2.0]),
        (["a", "b"], [1.0 + 1.2e-7, 1.0]),
        (["é", "z", "Z", "预", "𠀀", "\uffff", "d10", "d9", "d"], [0.5] * 9),
        (["a", "b", "c"], [1e300, 1e299, -1e300]),
        (["a", "b"], [0.0, -0.0]),
    ],
)
def test_the_order_is_trec_evals(docnos, scores) -> None:
    board = compare({"s": _run(docnos, scores)}, _data(docnos), ["RR"], **FAST)
    assert board.runs["s"]["docno"].tolist() == _trec_eval_order(docnos, scores)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from([0.1, 0.1 + 1e-10, 0.5, 2.0])),
        min_size=1,
        max_size=8,
        unique_by=lambda pair: pair[0],
    )
)
def test_any_order_is_trec_evals(pairs) -> None:
    docnos, scores = zip(*pairs, strict=True)
    frame = _run(docnos, scores)
    (output,) = ranked_outputs(frame, ["1"], [None], 100, "s", [])
    assert output["docnos"] == _trec_eval_order(docnos, scores)
    given = dict(pairs)
    assert output["scores"] == [given[docno] for docno in output["docnos"]]


def test_metrics_agree_with_the_ranking_and_with_ir_measures_on_the_export(tmp_path) -> None:
    docnos = [f"d{i}" for i in range(20)]
    data = _data(docnos)
    run = _run(docnos, np.repeat([3.0, 2.0, 1.0, 0.5], 5))
    metrics = ["RR", "nDCG@10", "P@1", "AP", "RR@10", "Judged@5", "Success@5"]
    board = compare({"s": run}, data, metrics, **FAST)
    shown = board.runs["s"]
    place = int(shown.loc[shown["docno"] == "d0", "rank"].iloc[0])
    assert place == 4
    assert board.per_query["RR"].item() == pytest.approx(1 / (place + 1), abs=1e-6)
    exported = list(ir_measures.read_trec_run(str(shown.to_trec(tmp_path / "s.run"))))
    qrels = data.qrels.rename(columns={"qid": "query_id", "docno": "doc_id", "label": "relevance"})
    measures = [ir_measures.parse_measure(metric) for metric in metrics]
    for ranking in (exported, shown.to_ir_measures()):
        for measure, value in ir_measures.calc_aggregate(measures, qrels, ranking).items():
            assert board.per_query[str(measure)].item() == pytest.approx(value, abs=1e-6)


def test_lists_are_cut_after_ranking() -> None:
    (output,) = ranked_outputs(_run(["a", "b", "c"], [1.0] * 3), ["1"], [1.0], 2, "s", [])
    assert output["docnos"] == ["c", "b"]
    notices: list[str] = []
    repeated = _run(["a", "b", "a"], [1.0, 2.0, 3.0])
    (output,) = ranked_outputs(repeated, ["1"], [None], 2, "s", notices)
    assert (output["docnos"], output["scores"]) == (["b", "a"], [2.0, 1.0])
    assert len(notices) == 2


@pytest.mark.parametrize("odd", ["d\ud800", "d\0x", "d 1", "\u2028"])
def test_ids_that_trec_eval_cannot_hold(odd: str, tmp_path) -> None:
    data = _data([odd, "d\0y", "e"], qid="1" + odd)
    run = _run(["d\0y", odd, "e"], [3.0, 2.0, 1.0], qid="1" + odd)
    board = compare({"s": run}, data, ["RR", "P@1"], **FAST)
    assert board.per_query[["RR", "P@1"]].to_numpy().tolist() == [[0.5, 0.0]]
    assert board.runs["s"]["docno"].tolist() == ["d\0y", odd, "e"]
    assert board.report(tmp_path / "report.html").exists()
    if odd != "d\0x":
        with pytest.raises(InvalidInputError, match="cannot be written"):
            board.runs["s"].to_trec(tmp_path / "run")


def test_stand_ins_sort_as_the_ids_do() -> None:
    ids = ["b", "a\ud800", "预", "a", "é", "b"]
    names = ascii_ids(ids)
    assert sorted(names, key=names.__getitem__) == sorted(set(ids))
    assert "".join(names.values()).isascii()
