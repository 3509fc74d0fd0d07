"""The Rerank stage: what is judged, how orders are joined, and what happens when a model fails."""

from __future__ import annotations

import dataclasses
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import vcplab as vl
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    LoopError,
    NotFoundError,
    VCPError,
)
from vcplab.evaluation.data import RetrievalData
from vcplab.memory import Memo
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.base import Context
from vcplab.memory.stages.rerank import Rerank
from vcplab.memory.stages.state import Lane, Query, State
from vcplab.models.reranking import CrossEncoder, HTTPReranker


@dataclasses.dataclass(frozen=True)
class Judge:
    """Scores by a table; documents outside it get 0."""

    table: tuple[tuple[str, float], ...] = ()
    name: str = "judge"
    fingerprint: str = "judge-1"
    asked: list = dataclasses.field(default_factory=list, compare=False, repr=False)

    def score(self, query, documents):
        self.asked.append((query, list(documents)))
        table = dict(self.table)
        return np.array([table.get(document, 0.0) for document in documents])


class Failing(Judge):
    """Fails for one query."""

    def score(self, query, documents):
        if query == "bad":
            raise VCPError("The model is out.", next_step="Wait.")
        return super().score(query, documents)


@pytest.fixture(scope="module")
def corpus():
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    return vl.Corpus([vl.Document(word, f"text {word}", tags=(f"tag-{word}",)) for word in words])


def state(*rankings, queries=None):
    made = tuple(Query(text) for text in queries or [f"q{i}" for i in range(len(rankings))])
    lanes = (Lane("lane", "bm25", tuple(rankings)),)
    return dataclasses.replace(State.start(made), lanes=lanes)


def ranked(rows, scores=None):
    scores = np.arange(len(rows), 0, -1) if scores is None else scores
    return Ranking(np.array(rows, np.int64), np.array(scores, np.float64))


def apply(stage, corpus, given):
    return stage.apply(given, Context(corpus, 10))


def test_the_first_k_are_judged_and_the_others_follow(corpus):
    judge = Judge((("text beta", 0.2), ("text gamma", 0.9), ("text alpha", -0.5)))
    before = ranked([1, 0, 2, 5, 3])
    output = apply(Rerank(judge, k=3), corpus, state(before))
    (lane,) = output.lanes
    assert judge.asked == [("q0", ["text beta", "text alpha", "text gamma"])]
    assert lane.rankings[0].rows.tolist() == [2, 1, 0, 5, 3]
    assert lane.rankings[0].scores.tolist() == [0.9, 0.2, -0.5, -1.5, -2.5]
    assert lane.scale == "fused"
    assert lane.scorer is None
    assert output.notices == ()


def test_the_whole_list_is_seen_before_it_is_cut(corpus):
    judge = Judge((("text zeta", 1.0),))
    found = (vl.BM25() >> Rerank(judge)).on(corpus).search("text", 1)
    assert [passage.docno for passage in found] == ["zeta"]
    assert found[0].score == 1.0
    assert len(judge.asked[0][1]) == 6
    judge.asked.clear()
    (vl.BM25() >> Rerank(judge, k=2) >> vl.Top(1)).on(corpus).search("text")
    assert len(judge.asked[0][1]) == 2


def test_chosen_fields_are_read(corpus):
    judge = Judge()
    (vl.BM25() >> Rerank(judge, fields=["text", "tags"])).on(corpus).search("beta")
    assert judge.asked == [("beta", ["text beta\ntag-beta"])]


def test_a_blend_is_reciprocal_rank_fusion(corpus):
    judge = Judge((("text beta", 0.2), ("text gamma", 0.9), ("text alpha", -0.5)))
    before = ranked([1, 0, 2, 5, 3])
    output = apply(Rerank(judge, k=3, weight=0.7), corpus, state(before))
    after = output.lanes[0].rankings[0]
    # Ranks by the judge: gamma 1, beta 2, alpha 3; before: beta 1, alpha 2, gamma 3.
    wanted = {
        1: 0.7 / 62 + 0.3 / 61,
        0: 0.7 / 63 + 0.3 / 62,
        2: 0.7 / 61 + 0.3 / 63,
        5: 0.3 / 64,
        3: 0.3 / 65,
    }
    assert dict(zip(after.rows.tolist(), after.scores.tolist(), strict=True)) == pytest.approx(
        wanted, abs=1e-15
    )
    assert after.rows.tolist() == [2, 1, 0, 5, 3]


def test_without_weight_nobody_is_asked(corpus):
    judge = Judge((("text gamma", 0.9),))
    output = apply(Rerank(judge, weight=0), corpus, state(ranked([1, 0, 2])))
    assert output.lanes[0].rankings[0].rows.tolist() == [1, 0, 2]
    assert judge.asked == []
    missing = Rerank(CrossEncoder("nobody/nothing"), weight=0)
    missing.prepare(corpus)


finite = st.floats(-1e300, 1e300)


@given(
    scores=arrays.arrays(np.float64, st.integers(0, 12), elements=finite),
    behind=st.integers(0, 8),
    weight=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_the_order_is_whole_and_sound(scores, behind, weight):
    rows = np.random.default_rng(len(scores)).permutation(len(scores) + behind)
    before = ranked(rows)
    after = Rerank(Judge(), k=max(1, len(scores)), weight=weight)._reranked(before, scores)
    assert sorted(after.rows.tolist()) == sorted(rows.tolist())
    assert np.isfinite(after.scores).all()
    assert (np.diff(after.scores) <= 0).all()
    if len(scores):
        tail = after.rows[len(scores) :]
        assert tail.tolist() == rows[len(scores) :].tolist(), "the rest keeps its order"
        assert (np.diff(after.scores[len(scores) - 1 :]) < 0).all(), "strictly below"
    if weight == 1 and len(scores):
        given_scores = dict(zip(rows.tolist(), scores.tolist(), strict=False))
        assert after.scores[: len(scores)].tolist() == sorted(given_scores.values(), reverse=True)


def test_an_indifferent_judge_changes_no_blend(corpus):
    before = ranked([4, 1, 3, 0])
    output = apply(Rerank(Judge(), weight=0.5), corpus, state(before))
    assert output.lanes[0].rankings[0].rows.tolist() == [4, 1, 3, 0]


def test_empty_lists_stay_empty(corpus):
    judge = Judge()
    output = apply(Rerank(judge), corpus, state(Ranking.empty(), ranked([1])))
    assert len(output.lanes[0].rankings[0]) == 0
    assert judge.asked == [("q1", ["text beta"])]


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_a_failure_keeps_the_whole_list_and_says_so(corpus, weight):
    judge = Failing((("text gamma", 0.9),))
    lists = [ranked([1, 0, 2]), ranked([1, 0, 2]), ranked([2, 0])]
    given = state(*lists, queries=["good", "bad", "bad"])
    output = apply(Rerank(judge, k=2, weight=weight), corpus, given)
    after = output.lanes[0].rankings
    assert after[0] is not lists[0]
    assert after[1] is lists[1], "order and scores are those of before"
    assert after[2] is lists[2]
    assert output.notices == (
        "judge could not rerank 2 of 3 lists, which keep their order. The model is out. Wait.",
    )
    with pytest.raises(VCPError, match="The model is out"):
        apply(Rerank(judge, on_error="raise"), corpus, given)


def test_the_notice_reaches_the_reader(corpus):
    found = (vl.BM25() >> Rerank(Failing())).on(corpus).search("bad text")
    assert len(found) == 6
    assert found.notices == ()
    found = (vl.Rewrite(lambda _: "bad") >> vl.BM25() >> Rerank(Failing())).on(corpus)
    assert found.search("x").notices == (), "nothing was found, so nobody was asked"
    renamed = vl.Corpus([vl.Document("a", "bad")])
    (notice,) = (vl.BM25() >> Rerank(Failing())).on(renamed).search("bad").notices
    assert "could not rerank 1 of 1 lists" in notice


def test_numbers_that_are_none_are_a_failure(corpus):
    judge = Judge((("text beta", float("nan")),))
    output = apply(Rerank(judge), corpus, state(ranked([1, 0]), ranked([0, 2])))
    assert output.lanes[0].rankings[0].rows.tolist() == [1, 0]
    assert "scored document 0 of 2 as nan" in output.notices[0]
    with pytest.raises(InvalidDataError):
        apply(Rerank(judge, on_error="raise"), corpus, state(ranked([1, 0])))


def test_mistakes_are_not_swallowed(corpus):
    class Wrong(Judge):
        def score(self, query, documents):
            return np.zeros(len(documents) + 1)

    class Broken(Judge):
        def score(self, query, documents):
            raise ZeroDivisionError

    class OnTheLoop(Judge):
        def score(self, query, documents):
            raise LoopError("on the loop")

    for kind, error in (
        (Wrong, InvalidInputError),
        (Broken, ZeroDivisionError),
        (OnTheLoop, LoopError),
    ):
        with pytest.raises(error):
            apply(Rerank(kind()), corpus, state(ranked([1, 0])))


def test_a_missing_model_is_raised_and_no_failure(corpus):
    stage = Rerank(CrossEncoder("nobody/nothing"))
    pytest.importorskip("huggingface_hub", reason="needs the [dense] extra")
    with pytest.raises(NotFoundError, match="no model"):
        (vl.BM25() >> stage).on(corpus).search("text")


@pytest.mark.parametrize(
    "wrong",
    [
        {"reranker": None},
        {"reranker": "cross-encoder/ms-marco"},
        {"reranker": Judge},
        {"k": 0},
        {"k": 2.5},
        {"k": True},
        {"fields": ()},
        {"fields": ("body",)},
        {"weight": -0.1},
        {"weight": 1.1},
        {"weight": float("nan")},
        {"on_error": "ignore"},
    ],
)
def test_wrong_parameters_are_refused_where_they_are_written(wrong):
    with pytest.raises(InvalidInputError) as caught:
        Rerank(**{"reranker": Judge(), **wrong})
    assert caught.value.next_step


def test_identity_and_parameters():
    stage = Rerank(Judge(), k=20, weight=0.5)
    assert stage.name == "Rerank(judge, k=20, weight=0.5)"
    assert stage.fingerprint == Rerank(Judge(), 20, weight=0.5).fingerprint
    others = [
        Rerank(Judge(fingerprint="judge-2"), 20, weight=0.5),
        Rerank(Judge(), 21, weight=0.5),
        Rerank(Judge(), 20, weight=0.6),
        Rerank(Judge(), 20, fields=("title",), weight=0.5),
        Rerank(Judge(), 20, weight=0.5, on_error="raise"),
    ]
    assert len({stage.fingerprint, *(other.fingerprint for other in others)}) == 6
    assert stage.set_params(k=5).k == 5
    tail = vl.BM25() >> stage
    assert tail.get_params()["rerank__weight"] == 0.5


def test_what_may_be_kept_between_runs():
    url = "http://127.0.0.1:9"
    assert Rerank(CrossEncoder("x")).cacheable
    assert Rerank(HTTPReranker(url)).cacheable
    assert not Rerank(HTTPReranker(url, dialect="tei")).cacheable, "it is not known which model"
    # A class of this file may change unseen, but its fingerprint is its word.
    assert (vl.BM25() >> Rerank(Judge())).cacheable


def test_what_a_failure_left_as_it_was_is_not_kept(corpus):
    retriever = (vl.BM25() >> Rerank(Failing())).on(vl.Corpus([vl.Document("a", "bad good")]))
    assert retriever.run(["good", "bad"]).volatile
    assert not retriever.run(["good"]).volatile
    assert retriever.run(["good", "bad"], 5, Memo()).volatile


def test_a_comparison_asks_again_after_a_failure(tmp_path):
    class Recovering(Judge):
        def score(self, query, documents):
            super().score(query, documents)
            if len(self.asked) == 1:
                raise VCPError("The model is out.")
            return np.arange(len(documents), dtype=float)

    data = RetrievalData(
        "tiny",
        vl.Corpus([vl.Document("a", "good text"), vl.Document("b", "good")]),
        pd.DataFrame({"qid": ["1"], "query": ["good"]}),
        pd.DataFrame({"qid": ["1"], "docno": ["a"], "label": [1]}),
    )
    judge = Recovering()
    system = vl.BM25() >> Rerank(judge)
    boards = []
    for _ in range(3):
        boards.append(vl.compare([system], data, cache=tmp_path / "c.sqlite3"))
    assert len(judge.asked) == 2, "the failure was not kept, the success was"
    assert any("could not rerank" in text for text in map(str, boards[0].notices))
    assert not any("could not rerank" in text for text in map(str, boards[1].notices))


def test_a_memo_shares_the_work(corpus):
    judge = Judge((("text gamma", 0.9),))
    memo = Memo()
    systems = [vl.BM25() >> Rerank(judge), vl.BM25() >> Rerank(judge) >> vl.Top(2)]
    for system in systems:
        system.on(corpus).run(["text", "gamma"], 5, memo)
    assert len(judge.asked) == 2


def test_why_shows_what_reranking_did(corpus):
    judge = Judge((("text zeta", 1.0),))
    why = (vl.BM25() >> Rerank(judge)).on(corpus).why("text", "zeta")
    assert why.rank == 0
    assert why.to_frame()["rank"].tolist() == [5, 0]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        bad = body["query"] == "text beta" and "text beta" not in body["texts"]
        ranks = [{"index": i, "score": 1.0 / (1 + len(t))} for i, t in enumerate(body["texts"])]
        data = b"{" if bad else json.dumps(ranks[::-1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.requests = []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_service_reranks_many_queries_and_one_bad_batch_spoils_one_list(corpus, server):
    pytest.importorskip("httpx2", reason="needs httpx2")
    url = f"http://127.0.0.1:{server.server_port}"
    service = HTTPReranker(url, dialect="tei", api_key="sk-hush", batch_documents=2, concurrency=1)
    system = vl.BM25() >> Rerank(service, k=4)
    plain = vl.BM25().on(corpus).run(["text", "text beta"])
    run = system.on(corpus).run(["text", "text beta"])
    # Shorter texts first, then by row; two of six were not judged.
    good = run.frame[run.frame["qid"] == "1"]
    assert good["docno"].tolist() == ["beta", "alpha", "gamma", "delta", "epsilon", "zeta"]
    # Its other batch was scored, and none of these scores is used.
    columns = ["docno", "score", "rank"]
    kept = run.frame.loc[run.frame["qid"] == "2", columns]
    assert kept.equals(plain.frame.loc[plain.frame["qid"] == "2", columns])
    (notice,) = run.notices
    assert notice.startswith("tei at 127.0.0.1 could not rerank 1 of 2 lists")
    assert "is no JSON" in notice
    assert "hush" not in repr(system) + str(run.notices) + str(system.get_params())
    assert len(server.requests) == 4, "the good batch of the bad list was asked for first"
    with pytest.raises(InvalidDataError, match="is no JSON"):
        system.set_params(rerank__on_error="raise").on(corpus).run(["text beta"])
