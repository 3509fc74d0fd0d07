from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import ir_measures
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation.comparison import Comparison, compare
from vcplab.evaluation.datasets import from_frames
from vcplab.evaluation.scoring import forget
from vcplab.evaluation.summary import COLUMNS

FAST = {"resamples": 500, "permutations": 999}


@pytest.fixture
def board(data, system) -> Comparison:
    return compare([system("a", 1), system("b", 2), system("c", 3)], data, seed=4, **FAST)


def test_long_frame(board: Comparison, data) -> None:
    frame = board.to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame[["system", "metric"]].to_numpy().tolist() == [
        [s, m] for s in "abc" for m in ("nDCG@10", "R@20", "RR")
    ]
    assert (frame["n"] == 40).all()
    base, rest = frame[:3], frame[3:]
    assert base[["delta", "p", "p_adjusted", "effect", "wins"]].isna().all(axis=None)
    assert rest.notna().all(axis=None)
    assert (rest["wins"] + rest["ties"] + rest["losses"] == 40).all()
    assert ((frame["low"] <= frame["mean"]) & (frame["mean"] <= frame["high"])).all()


def test_numbers_are_those_of_ir_measures_and_scipy(board: Comparison, data) -> None:
    frame = board.to_frame().set_index(["system", "metric"])
    qrels = data.qrels.rename(columns={"qid": "query_id", "docno": "doc_id", "label": "relevance"})
    measures = [ir_measures.parse_measure(m) for m in board.metrics]
    for name in "abc":
        found = ir_measures.calc_aggregate(measures, qrels, board.runs[name].to_ir_measures())
        for measure, value in found.items():
            assert frame.loc[(name, str(measure)), "mean"] == pytest.approx(value, abs=1e-6)
    wide = board.per_query.pivot(index="qid", columns="system", values="RR")
    for name in "bc":
        expected = stats.permutation_test(
            (wide[name].to_numpy(), wide["a"].to_numpy()),
            lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=999,
            rng=np.random.default_rng(4),
        ).pvalue
        assert frame.loc[(name, "RR"), "p"] == pytest.approx(expected, abs=1e-9)


def test_t_tests_and_other_corrections(data, system) -> None:
    systems = [system("a", 1), system("b", 2), system("c", 3)]
    board = compare(systems, data, "RR", "b", test="t", correction="bonferroni", **FAST)
    wide = board.per_query.pivot(index="qid", columns="system", values="RR")
    frame = board.to_frame().set_index("system")
    for name in "ac":
        p = stats.ttest_rel(wide[name], wide["b"]).pvalue
        assert frame.loc[name, "p"] == pytest.approx(p, abs=1e-9)
        assert frame.loc[name, "p_adjusted"] == pytest.approx(min(1, 2 * p), abs=1e-9)
    assert np.isnan(frame.loc["b", "p"])
    assert "RR p_bonferroni" in board.table.columns


def test_wide_table(board: Comparison) -> None:
    table = board.table
    assert table["system"].tolist() == ["a", "b", "c"]
    assert len(table) == 3
    for column in ("", " low", " high", " delta", " p", " p_holm", " effect"):
        assert f"nDCG@10{column}" in table.columns
    assert table["ms/query"].tolist() == [1.5, 1.5, 1.5]


def test_per_query_frame(board: Comparison, data) -> None:
    frame = board.per_query
    assert len(frame) == 3 * len(data.queries)
    assert list(frame.columns[:3]) == ["qid", "query", "system"]
    assert set(frame["class"]) == {"exact", "tag_hop"}
    frame["RR"] = 0.0  # a copy: the comparison does not change
    assert board.per_query["RR"].sum() > 0


def test_groups(board: Comparison) -> None:
    frame = board.by("class")
    assert frame[["class", "system"]].to_numpy().tolist() == [
        [c, s] for c in ("exact", "tag_hop") for s in "abc"
    ]
    assert (frame["n"] == 20).all()
    whole = board.to_frame().query("metric == 'RR' and system == 'b'")["mean"].item()
    assert frame.loc[frame["system"] == "b", "RR"].mean() == pytest.approx(whole)
    with pytest.raises(InvalidInputError, match="class"):
        board.by("colour")


def test_queries_without_answer_are_left_out_and_stated(make_data, system) -> None:
    data = make_data(queries=30, unjudged=6)
    board = compare([system("a", 1), system("b", 2)], data, **FAST)
    assert (board.n, board.excluded) == (24, 6)
    assert (board.to_frame()["n"] == 24).all()
    assert "6 left out, because no document is relevant (no_answer 6)" in board.to_text()
    groups = board.by("class").set_index(["class", "system"])
    assert groups.loc[("no_answer", "a"), "n"] == 0
    assert groups.loc[("no_answer", "a"), "queries"] == 6
    assert np.isnan(groups.loc[("no_answer", "a"), "RR"])
    # They are run all the same.
    assert set(board.runs["a"]["qid"]) == set(data.queries["qid"])


def test_no_judged_query_is_an_error(data, system) -> None:
    empty = from_frames(data.corpus, data.queries, data.qrels.assign(label=0), "empty")
    one = system("a")
    with pytest.raises(InvalidDataError, match="relevant"):
        compare([one], empty)
    assert one.calls == []


def test_runs(board: Comparison) -> None:
    run = board.runs["b"]
    assert list(run.columns) == ["qid", "query", "docno", "score", "rank"]
    first = run[run["qid"] == "q000"]
    assert first["rank"].tolist() == list(range(30))
    assert first["score"].is_monotonic_decreasing
    assert len(board.runs) == 3
    assert list(board.runs) == ["a", "b", "c"]
    with pytest.raises(NotFoundError, match="a, b, c"):
        board.runs["d"]


def test_one_system_and_no_baseline(data, system) -> None:
    alone = compare(system("a"), data, **FAST)
    assert alone.to_frame()["p"].isna().all()
    both = compare([system("a", 1), system("b", 2)], data, baseline=None, **FAST)
    assert both.baseline is None
    assert both.to_frame()["delta"].isna().all()
    assert "Δ" not in both.to_text()


@pytest.mark.parametrize(("given", "name"), [(0, "a"), (1, "b"), (-1, "b"), ("b", "b")])
def test_baselines(data, system, given, name) -> None:
    board = compare([system("a", 1), system("b", 2)], data, "RR", given, **FAST)
    assert board.baseline == name


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"baseline": 2}, NotFoundError),
        ({"baseline": "z"}, NotFoundError),
        ({"test": "wilcoxon"}, InvalidInputError),
        ({"correction": "none at all"}, InvalidInputError),
        ({"interval": "normal"}, InvalidInputError),
        ({"confidence": 95}, InvalidInputError),
        ({"metrics": ["nDGC@10"]}, InvalidInputError),
        ({"metrics": ["RR", "alpha_nDCG@10"]}, InvalidInputError),
        ({"k": 0}, InvalidInputError),
        ({"resamples": 0}, InvalidInputError),
    ],
)
def test_bad_options_are_refused_before_anything_runs(data, system, options, error) -> None:
    one = system("a")
    with pytest.raises(error):
        compare([one], data, **options)
    assert one.calls == []


def test_data_by_name_that_does_not_exist(system) -> None:
    with pytest.raises(NotFoundError, match="no-such-set"):
        compare([system("a")], "no-such-set")


def test_more_metrics_later_run_nothing(data, system) -> None:
    first = system("a", 1)
    compare([first], data, ["RR"], **FAST)
    assert len(first.calls) == 40
    again = system("a", 1)
    board = compare([again], data, ["RR", "AP", "P@5"], baseline=None, **FAST)
    assert again.calls == []
    assert board.metrics == ("RR", "AP", "P@5")


def test_other_judgements_run_nothing_but_count(data, system) -> None:
    compare([system("a", 1)], data, "AP", **FAST)
    fewer = from_frames(data.corpus, data.queries, data.qrels.iloc[::2], "small")
    again = system("a", 1)
    before = compare([system("a", 1)], data, "AP", **FAST).to_frame()["mean"].item()
    assert compare([again], fewer, "AP", **FAST).to_frame()["mean"].item() != before
    assert again.calls == []


def test_a_changed_document_runs_everything(data, make_data, system) -> None:
    from vcplab.memory.document import Document

    compare([system("a", 1)], data, "AP", **FAST)
    changed = make_data()
    changed.corpus.upsert(Document("d0", "another text"))
    again = system("a", 1)
    compare([again], changed, "AP", **FAST)
    assert len(again.calls) == 40


def test_the_same_comparison_again_is_almost_free(make_data, system) -> None:
    data = make_data(queries=200)

    def once():
        began = time.perf_counter()
        board = compare([system(name, i) for i, name in enumerate("abcd")], data)
        return time.perf_counter() - began, board

    compare([system("warm", 9)], make_data(queries=6, seed=1))  # imports
    first, board = once()
    again, same = min((once() for _ in range(3)), key=lambda pair: pair[0])
    assert again <= 0.05 * first
    pd.testing.assert_frame_equal(same.to_frame(), board.to_frame())
    forget()
    from_disk = system("a", 0)
    assert compare([from_disk], data, baseline=None).runs["a"].equals(board.runs["a"])
    assert from_disk.calls == []


def test_seeds_reach_everything(data, system) -> None:
    systems = [system("a", 1), system("b", 2)]
    frames = [compare(systems, data, "RR", seed=s, **FAST).to_frame() for s in (1, 1, 2)]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    assert frames[0]["low"].tolist() != frames[2]["low"].tolist()
    from vcplab.core.settings import override_settings

    with override_settings(seed=2):
        pd.testing.assert_frame_equal(compare(systems, data, "RR", **FAST).to_frame(), frames[2])


def test_threads_and_serial_agree(data, system) -> None:
    def make():
        return [system("a", 1), system("b", 2)]

    serial = compare(make(), data, cache=False, block=7, **FAST)
    with ThreadPoolExecutor(3) as executor:
        threads = compare(make(), data, cache=False, block=7, executor=executor, **FAST)
    pd.testing.assert_frame_equal(serial.to_frame(), threads.to_frame())


def test_processes_and_serial_agree(data) -> None:
    from loky import get_reusable_executor

    from vcplab.memory.stages.lexical import BM25

    serial = compare([BM25()], data, cache=False, block=10, **FAST)
    try:
        processes = compare([BM25()], data, cache=False, block=10, jobs=2, **FAST)
    finally:
        get_reusable_executor().shutdown(wait=True)
    pd.testing.assert_frame_equal(serial.to_frame(), processes.to_frame())
    assert serial.runs["BM25"].equals(processes.runs["BM25"])


def test_failures_can_be_recorded(data, system) -> None:
    weak = system("weak", 1)
    weak.breaks_on = ("q003",)
    with pytest.raises(ZeroDivisionError) as caught:
        compare([weak], data)
    assert any("weak" in note for note in caught.value.__notes__)
    board = compare([weak], data, "RR", on_error="record", **FAST)
    assert [(f.system, f.item) for f in board.failures] == [("weak", "q003")]
    assert "failed on 1 of 40 queries" in board.to_text()
    assert board.per_query.set_index("qid").loc["q003", "RR"] == 0
    assert "q003" not in set(board.runs["weak"]["qid"])


def test_notices(data, system) -> None:
    talkative = system("talkative")
    talkative.notices = ("the dense leg was off",)

    def plain(queries):
        return pd.DataFrame({"qid": queries["qid"], "docno": "d1", "score": 1.0})

    board = compare([talkative, plain], data, ["R@200"], k=10, **FAST)
    text = board.to_text()
    assert "talkative: the dense leg was off" in text
    assert text.count("the dense leg") == 1
    assert "plain: run anew each time" in text
    assert "R@200 read deeper" in text


def test_finished_runs_have_no_time(data, board: Comparison) -> None:
    again = compare([board.runs["a"], board.runs["b"]], data, seed=4, **FAST)
    assert again.names == ("a", "b")
    assert np.isnan(again.table["ms/query"]).all()
    pd.testing.assert_series_equal(again.to_frame()["mean"], board.to_frame()["mean"][:6])


def test_text(board: Comparison, data) -> None:
    text = board.to_text(width=200)
    assert str(board.data.version) in text
    lines = text.splitlines()
    assert "nDCG@10 [95%]" in lines[0]
    assert "RR [95%]" in lines[0]
    assert "ms/query" in lines[0]
    assert "Holm".lower() in text.lower()
    assert "seed 4" in text
    assert data.fingerprint[:12] in text
    narrow = board.to_text(width=70)
    assert max(len(line) for line in narrow.split("\n\n")[0].splitlines()) <= 70
    assert sum(line.startswith("system") for line in narrow.splitlines()) == 3
    assert repr(board).startswith("Comparison(3 systems on 'small', 40 queries; best nDCG@10: ")
    assert "\n" not in repr(board)


def test_marks() -> None:
    from vcplab.evaluation.presentation import marks

    assert [marks(p) for p in (0.0005, 0.005, 0.03, 0.05, float("nan"))] == [
        "***",
        "**",
        "*",
        "",
        "",
    ]


def test_html_is_escaped(data, system) -> None:
    hostile = '<img src=x onerror="alert(1)">'
    board = compare([system("a", 1), system(hostile, 2)], data, "RR", **FAST)
    page = board._repr_html_()
    assert "<img" not in page
    assert "&lt;img" in page
    assert "<script" not in page
    board.to_text().encode("utf-8")


def test_terminal_control_sequences_do_not_get_through(data, system) -> None:
    board = compare([system("a\x1b[31m", 1), system("b", 2)], data, "RR", **FAST)
    assert "\x1b" not in board.to_text()


def test_nothing_warns(data, system) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare([system("a", 1), system("a", 1)], data, interval="BCa", **FAST).to_text()


def test_the_room_loads_nothing_heavy_before_it_is_used(root) -> None:
    code = (
        "import sys, vcplab.evaluation.comparison, vcplab.evaluation.datasets, "
        "vcplab.evaluation.plots, vcplab.evaluation.report\n"
        "heavy = {'torch', 'matplotlib', 'statsmodels', 'sklearn', 'IPython', 'ipywidgets', "
        "'ranx', 'loky', 'tqdm', 'ir_measures'} | {'scipy.stats'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.stdout.strip() == "[]"
