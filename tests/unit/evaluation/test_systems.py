from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation.comparison import compare
from vcplab.evaluation.systems import as_system, as_systems, read_run, unique_names


def _run() -> pd.DataFrame:
    return pd.DataFrame({"qid": [1, 1, 2], "docno": ["a", "b", "a"], "score": [0.5, 0.9, 1.0]})


def _ranker(queries, depth=3):
    return queries


def test_kinds(system) -> None:
    assert as_system(system("x")).kind == "recipe"
    assert as_system(system("x").on([])).kind == "retriever"
    assert as_system(_ranker).kind == "function"
    assert as_system(_run()).kind == "run"


def test_names_are_made_unique(system) -> None:
    found = as_systems([system("x"), system("x"), system("x (2)"), system("x")])
    assert [one.name for one in found] == ["x", "x (3)", "x (2)", "x (4)"]
    assert unique_names(["a", "a", "a"]) == ["a", "a (2)", "a (3)"]


def test_a_mapping_names_systems(system) -> None:
    found = as_systems({"mine": system("x"), "run": _run()})
    assert [one.name for one in found] == ["mine", "run"]
    assert as_systems(system("alone"))[0].name == "alone"


def test_a_finished_run_is_sorted_and_identified_by_content() -> None:
    one = as_system(_run())
    assert one.value["docno"].tolist()[1:] == ["b", "a"]
    assert one.value["qid"].tolist() == ["2", "1", "1"]
    shuffled = as_system(_run().iloc[::-1])
    assert shuffled.fingerprint == one.fingerprint
    changed = _run()
    changed.loc[0, "score"] = 0.6
    assert as_system(changed).fingerprint != one.fingerprint


def test_a_trec_run_file(tmp_path) -> None:
    path = tmp_path / "bm25.run"
    path.write_text("q1 Q0 d1 0 2.5 tag\n\nq1 Q0 d2 1 1.5 tag\n", encoding="utf-8")
    found = as_system(str(path))
    assert (found.name, found.kind) == ("bm25", "run")
    assert found.value["docno"].tolist() == ["d1", "d2"]
    path.write_text("q1 d1 2.5\n", encoding="utf-8")
    with pytest.raises(InvalidDataError, match="line 1"):
        read_run(path)


def test_functions_are_cacheable_only_with_a_version() -> None:
    def make(depth, version=None):
        def rank(queries):
            return depth

        if version:
            rank.version = version
        return rank

    assert as_system(make(1)).fingerprint is None
    one = as_system(make(1, "1")).fingerprint
    assert one is not None
    assert as_system(make(1, "1")).fingerprint == one
    assert as_system(make(1, "2")).fingerprint != one
    # What a function captured is part of it ...
    assert as_system(make(2, "1")).fingerprint != one
    # ... and where that has no plain content, nothing tells when it changes.
    assert as_system(make(object(), "1")).fingerprint is None


def test_a_partial_is_named_after_its_function() -> None:
    partial = functools.partial(_ranker, depth=5)
    assert as_system(partial).name == "_ranker"
    assert as_system(lambda queries: queries).name == "function"


def test_a_fingerprint_that_fails_means_not_cacheable(system) -> None:
    class Odd(system):
        @property
        def fingerprint(self):
            raise InvalidInputError("no stable content")

    assert as_system(Odd("x")).fingerprint is None


def test_parameters_become_json_able(system) -> None:
    class Rich(system):
        def get_params(self):
            return {"weight": 0.3, "embedder": system("mini"), "tags": ("a", "b"), "odd": object}

    found = as_system(Rich("x")).parameters
    assert found["weight"] == 0.3
    assert found["embedder"] == "mini"
    assert found["tags"] == ["a", "b"]
    assert isinstance(found["odd"], str)


@pytest.mark.parametrize("value", [7, object(), [], {}])
def test_the_rest_is_refused(value) -> None:
    with pytest.raises(InvalidInputError, match="recipe"):
        as_systems(value)


def test_a_class_is_refused_with_the_remedy(system) -> None:
    with pytest.raises(InvalidInputError, match=r"FakeSystem\(\)"):
        as_system(system)


def test_a_missing_run_file_is_named() -> None:
    with pytest.raises(NotFoundError, match=r"no-such\.run"):
        as_system("no-such.run")


def test_broken_runs_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="docno"):
        as_system(_run().drop(columns="docno"))
    with pytest.raises(InvalidDataError, match="finite"):
        as_system(_run().assign(score=[0.1, np.nan, 0.2]))


def test_ids_of_a_run_are_normalised(tmp_path) -> None:
    floats = pd.DataFrame({"qid": [1.0, 2.0], "docno": [10.0, 2.5], "score": [1.0, 0.5]})
    found = as_system(floats).value
    assert found[["qid", "docno"]].to_numpy().tolist() == [["1", "10"], ["2", "2.5"]]
    path = tmp_path / "bom.run"
    path.write_text("q1 Q0 d1 0 2.5 tag\n", encoding="utf-8-sig")
    assert read_run(path)["qid"].tolist() == ["q1"]
    path.write_bytes(b"q1 Q0 d1 0 2.5 tag\n\0\0")
    with pytest.raises(InvalidDataError, match="no text"):
        read_run(path)


def test_a_run_for_other_queries_is_refused(data) -> None:
    run = pd.DataFrame({"qid": ["0", "1"], "docno": ["d1", "d2"], "score": [1.0, 1.0]})
    with pytest.raises(InvalidDataError, match="none of the queries") as caught:
        compare({"mine": run}, data, "RR")
    assert "'0'" in caught.value.next_step
    assert "'q000'" in caught.value.next_step
    with pytest.raises(InvalidDataError, match="none of the queries"):
        compare(lambda queries: run, data, "RR")


def test_a_run_over_other_documents_is_refused(data) -> None:
    run = pd.DataFrame({"qid": ["q000"], "docno": ["1"], "score": [1.0]})
    with pytest.raises(InvalidDataError, match="none of the documents") as caught:
        compare({"mine": run}, data, "RR")
    assert "'1'" in caught.value.next_step
    assert "'d0'" in caught.value.next_step


def test_a_run_that_answers_some_queries_says_so(data) -> None:
    run = pd.DataFrame({"qid": data.queries["qid"], "docno": "d1", "score": 1.0})
    for _ in range(2):  # kept or not
        board = compare({"mine": run.head(12)}, data, "RR", resamples=100)
        assert any("mine: answers 12 of 40 queries" in notice for notice in board.notices)
    assert compare({"mine": run}, data, "RR", resamples=100).notices == ()
    # A function may be asked for a block that it has nothing for.
    board = compare({"some": lambda queries: run.head(1)}, data, "RR", block=8, resamples=100)
    assert len(board.runs["some"]) == 1
