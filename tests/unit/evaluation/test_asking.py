"""Systems that read the clock, and corpora that change: results never mix two states."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import StateError
from vcplab.evaluation.asking import with_times, without_time
from vcplab.evaluation.datasets import from_frames

FAST = {"resamples": 100, "permutations": 99}
DECAY = vl.BM25() >> vl.Decay(30)


def _data(**columns):
    documents = [
        vl.Document("old", "budget meeting", time=datetime(2024, 12, 1, tzinfo=UTC)),
        vl.Document("new", "budget meeting plan", time=datetime(2034, 12, 1, tzinfo=UTC)),
    ]
    queries = pd.DataFrame({"qid": ["1", "2"], "query": ["budget", "meeting"], **columns})
    qrels = pd.DataFrame({"qid": ["1", "2"], "docno": ["old", "new"], "label": [1, 1]})
    return from_frames(documents, queries, qrels)


def _scores(data, year: int, system=DECAY, **options):
    with use_clock(FrozenClock(f"{year}-01-01T00:00+08:00")):
        board = vl.compare({"s": system}, data, ["RR"], **FAST, **options)
    return board, board.runs["s"].sort_values(["qid", "docno"])["score"].tolist()


@pytest.mark.parametrize("bound", [False, True])
def test_the_moment_is_part_of_the_result(bound: bool) -> None:
    data = _data()
    system = DECAY.on(data.corpus) if bound else DECAY
    board, before = _scores(data, 2025, system)
    _, after = _scores(data, 2035, system)
    assert before != after
    assert _scores(data, 2025, system)[1] == before
    assert _scores(data, 2035, system, cache=False)[1] == after
    assert any("2 of 2" in notice and "2025-01-01T00:00" in notice for notice in board.notices)


def test_workers_are_asked_at_the_same_moment() -> None:
    from loky import get_reusable_executor

    data = _data()
    _, serial = _scores(data, 2025, cache=False)
    try:
        _, parallel = _scores(data, 2025, cache=False, jobs=2, block=1)
    finally:
        get_reusable_executor().shutdown(wait=True)
    assert parallel == serial


def test_systems_that_do_not_read_the_clock_are_kept(system) -> None:
    data = _data()
    first, again = system("a", 1), system("a", 1)
    _scores(data, 2025, first)
    board, _ = _scores(data, 2035, again)
    assert first.calls == ["1", "2"]
    assert again.calls == []
    assert board.notices == ()


def test_times_of_the_queries_win() -> None:
    data = _data(asked_at=["2026-01-01T00:00+08:00", "2027-01-01T00:00+08:00"])
    board, before = _scores(data, 2025)
    other, after = _scores(data, 2035)
    assert before == after
    assert board.infos == other.infos
    assert board.infos[0].moment == ""
    assert board.notices == ()


def test_why_is_asked_when_the_comparison_was() -> None:
    data = _data()
    board, _ = _scores(data, 2025)
    shown = board.runs["s"].set_index(["qid", "docno"])["score"]
    with use_clock(FrozenClock("2035-01-01T00:00+08:00")):
        (why,) = board.why("1", "new").each
    assert why.accounts[-1].score == pytest.approx(shown["1", "new"])


def test_why_goes_as_deep_and_breaks_ties_as_the_comparison_does() -> None:
    data = from_frames(
        [vl.Document(docno, "budget") for docno in "abc"],
        pd.DataFrame({"qid": ["1"], "query": ["budget"]}),
        pd.DataFrame({"qid": ["1"], "docno": ["a"], "label": [1]}),
    )
    board = vl.compare([vl.BM25()], data, ["RR"], k=2, cache=False, **FAST)
    ranks = board.runs["BM25"].set_index("docno")["rank"]
    assert {d: board.why("1", d).each[0].rank for d in "abc"} == {d: ranks.get(d) for d in "abc"}


def test_filling_in_times() -> None:
    now = datetime(2030, 5, 6, 7, tzinfo=UTC)
    queries = pd.DataFrame({"qid": list("abcde")})
    assert without_time(queries) == 5
    assert set(with_times(queries, now)["asked_at"]) == {now.isoformat()}
    given = ["", None, "2025-01-01T10:00", "soon", "2025-01-01T10:00+09:00"]
    timed = with_times(queries.assign(asked_at=given), now)
    assert without_time(queries.assign(asked_at=given)) == 2
    assert timed["asked_at"].tolist() == [
        now.isoformat(),
        now.isoformat(),
        "2025-01-01T10:00:00+00:00",
        "soon",
        "2025-01-01T10:00+09:00",
    ]
    assert with_times(timed, now) is timed


class _Writes:
    """A system that adds a memory while it answers."""

    name = "writes"
    fingerprint = "writes-1"

    def __init__(self, corpus) -> None:
        self.corpus = corpus

    def on(self, corpus):
        return SimpleNamespace(search=self.search)

    def search(self, query, k):
        if "added" not in self.corpus:
            self.corpus.add(vl.Document("added", "budget meeting"))
        return []


@pytest.mark.parametrize("block", [1, 64])
@pytest.mark.parametrize("cache", [True, False])
def test_a_corpus_that_changes_meanwhile_stops_the_run(block: int, cache: bool) -> None:
    data = _data()
    with pytest.raises(StateError, match="changed during the run"):
        vl.compare([_Writes(data.corpus), vl.BM25()], data, "RR", block=block, cache=cache, **FAST)
    data.corpus.delete("added")
    kept = vl.compare(vl.BM25(), data, "RR", block=block, **FAST).runs["BM25"]
    fresh = vl.compare(vl.BM25(), data, "RR", block=block, cache=False, **FAST).runs["BM25"]
    assert "added" not in set(kept["docno"])
    assert kept.equals(fresh)


def test_a_bound_retriever_whose_own_corpus_changes_stops_the_run() -> None:
    data, elsewhere = _data(), _data().corpus
    bound = vl.BM25().on(elsewhere)
    with pytest.raises(StateError, match="changed during the run"):
        vl.compare([_Writes(elsewhere), bound], data, "RR", **FAST)
