"""``board.why``: every system's account of one document, and who may be asked."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import InvalidInputError, NotFoundError

HASH = vl.HashEmbedder(32)


@pytest.fixture
def data():
    return vl.datasets.from_frames(
        pd.DataFrame({"docno": ["a", "b"], "text": ["kitchen budget", "a cat"]}),
        pd.DataFrame({"qid": ["q1", "q2"], "query": ["budget", "cat"]}),
        pd.DataFrame({"qid": ["q1", "q2"], "docno": ["a", "b"], "label": [2, 1]}),
        name="tiny",
    )


def test_every_system_accounts_for_the_document(data):
    board = vl.compare([vl.BM25(), vl.LightMemo(embedder=HASH)], data, ["RR"], cache=False)
    whys = board.why("q1", "a")
    assert whys.label == 2
    assert [w.system for w in whys.each] == list(board.names)
    for why in whys.each:
        run = board.runs[why.system]
        placed = run[(run.qid == "q1") & (run.docno == "a")]
        assert why.rank == placed["rank"].iloc[0]
    assert set(whys.to_frame().system) == set(board.names)
    assert "judged 2" in repr(whys)
    assert board.why("q1", "b").label is None
    assert "<table" in whys._repr_html_()


def test_who_cannot_be_asked(data):
    board = vl.compare([vl.BM25()], data, ["RR"], cache=False)
    with pytest.raises(NotFoundError, match="no query"):
        board.why("q9", "a")
    with pytest.raises(NotFoundError, match="no document"):
        board.why("q1", "z")
    finished = vl.compare([board.runs["BM25"]], data, ["RR"], cache=False)
    with pytest.raises(InvalidInputError, match="explain itself"):
        finished.why("q1", "a")


def test_a_pipeline_with_a_plain_function_is_run_anew(data):
    calls = []

    def note(text):
        calls.append(text)
        return text

    system = vl.Rewrite(note) >> vl.BM25()
    for _ in range(2):
        board = vl.compare([system], data, ["RR"])
    assert len(calls) == 4
    assert any("run anew" in notice for notice in board.notices)
    versioned = vl.Rewrite(note, version="1") >> vl.BM25()
    for _ in range(2):
        vl.compare([versioned], data, ["RR"])
    assert len(calls) == 6


# --- what would have found it ------------------------------------------------------------------


@pytest.fixture
def budgets():
    texts = [f"budget {'word ' * n}" for n in range(12)] + ["violin", "cello"]
    docnos = [f"d{i}" for i in range(len(texts))]
    return vl.datasets.from_frames(
        pd.DataFrame({"docno": docnos, "text": texts}),
        pd.DataFrame({"qid": ["q1", "q2", "q3"], "query": ["budget", "violin", "cello word"]}),
        pd.DataFrame(
            {"qid": ["q1", "q2", "q3"], "docno": ["d8", "d12", "d13"], "label": [2, 1, 1]}
        ),
        name="budgets",
    )


def test_the_smallest_change_and_its_cost_over_all_queries(budgets):
    short = vl.BM25() >> vl.Top(3)
    board = vl.compare([short, vl.BM25()], budgets, ["RR", "R@5"], cache=False)
    answers = board.why_not("q1", "d8", k=10)
    assert answers.label == 2
    assert [answer.before.name for answer in answers] == list(board.names)
    changed, already = answers
    assert already.recalled
    assert already.cost is None
    assert changed.found
    after = vl.compare([changed.system], budgets, ["RR", "R@5"], cache=False)
    assert "d8" in after.ranking(0, "q1")[:10]
    assert [m.metric for m in changed.cost.metrics] == ["RR", "R@5"]
    assert changed.cost.n == 3
    for told, before, then in zip(
        changed.cost.metrics,
        board.to_frame()["mean"].tolist()[:2],
        after.to_frame()["mean"].tolist(),
        strict=True,
    ):
        assert (told.before, told.after) == pytest.approx((before, then))
        assert told.delta == pytest.approx(then - before)
        assert told.low <= told.delta <= told.high
    frame = answers.to_frame()
    assert frame.metric.tolist()[:2] == ["RR", "R@5"]
    assert "3 queries" in str(answers)
    assert "vcp-card" in answers._repr_html_()


def test_one_system_and_a_free_text(budgets):
    board = vl.compare([vl.BM25() >> vl.Top(3), vl.BM25()], budgets, ["RR"], cache=False)
    (only,) = board.why_not("budget please", "d8", system=-2)
    assert only.before.name == board.names[0]
    assert board.why_not("budget please", "d8", system=board.names[0]).label is None
    assert board.why("budget please", "d8").each[1].rank is not None
    # The words of a query of the data are that query.
    assert board.why("budget", "d8").label == 2
    with pytest.raises(NotFoundError, match="no query"):
        board.why_not("q17", "d8")
    with pytest.raises(NotFoundError, match="no system"):
        board.why_not("q1", "d8", system="other")
    with pytest.raises(NotFoundError, match="no document"):
        board.why_not("q1", "z")
    finished = vl.compare([board.runs[board.names[1]]], budgets, ["RR"], cache=False)
    with pytest.raises(InvalidInputError, match="explain itself"):
        finished.why_not("q1", "d8")


def test_a_system_that_reads_the_clock_is_asked_when_the_board_was(budgets):
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    aged = vl.BM25() >> vl.Decay("30d") >> vl.Top(2)
    with use_clock(FrozenClock(moment)):
        board = vl.compare([aged], budgets, ["RR"], cache=False)
    answer = board.why_not("q1", "d8", k=10, space={"top__k": [12]}).each[0]
    assert answer.cost.metrics[0].before == pytest.approx(board.to_frame()["mean"].iloc[0])
