"""The algebra of stages: composition, parameters, fingerprints, and what a memo may share."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.memory import Memo
from vcplab.memory.stages.base import Pipeline, SideBySide
from vcplab.memory.stages.configurable import fingerprint_of

HASH = vl.HashEmbedder(64)


@pytest.fixture
def corpus():
    texts = {
        "a": "the budget of the kitchen was changed on Friday",
        "b": "周五谁提到预算，老林说厨房要推迟",
        "c": "a cat sleeps on the warm oven",
        "d": "Friday evening without any budget talk",
        "e": "硬盘坏了，备份在老仓",
    }
    return vl.Corpus([vl.Document(i, t, tags=("x",)) for i, t in texts.items()])


def test_precedence_and_repr():
    pipeline = vl.BM25() + vl.Dense(HASH) >> vl.Convex(0.4) >> vl.Decay("30d")
    assert isinstance(pipeline, Pipeline)
    assert isinstance(pipeline.parts[0], SideBySide)
    assert len(pipeline.parts) == 3
    shown = repr(pipeline)
    names = {"BM25": vl.BM25, "Dense": vl.Dense, "Convex": vl.Convex, "Decay": vl.Decay}
    assert eval(shown, {**names, "HashEmbedder": vl.HashEmbedder}) == pipeline
    inner = (vl.Rewrite(str.lower) >> vl.BM25()) + vl.BM25(k1=2.0)
    assert repr(inner).startswith("(Rewrite")


@pytest.mark.parametrize(
    ("compose", "message"),
    [
        (lambda: vl.BM25() + vl.BM25(2.0) >> vl.Decay(), "fusion"),
        (lambda: vl.Decay() + vl.BM25(), "beside another lane"),
        (lambda: vl.BM25() >> vl.BM25(), "takes no list"),
        (lambda: vl.Rewrite(str.lower) >> vl.RRF(), "needs a ranked list"),
        (lambda: vl.BM25() + "x", "not a stage"),
        (lambda: vl.BM25() >> len, "not a stage"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(compose, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        compose()
    assert caught.value.next_step


@pytest.mark.parametrize("stage", [vl.BM25() + vl.BM25(2.0), vl.RRF(), vl.Rewrite(str.lower)])
def test_only_one_ranked_list_can_be_bound(stage, corpus):
    with pytest.raises(InvalidInputError, match="ranked lists"):
        stage.on(corpus)


def test_a_tail_of_stages_can_wait_for_its_lane(corpus):
    tail = vl.Decay() >> vl.Top(2)
    assert len((vl.BM25() >> tail).on(corpus).search("budget Friday")) == 2


def test_params_are_scikit_learns():
    pipeline = vl.BM25() + vl.BM25(2.0) >> vl.Convex(0.4)
    assert pipeline.get_params()["lanes__bm25_2__k1"] == 2.0
    changed = pipeline.set_params(convex__weight=0.6, lanes__bm25_1__b=0.1)
    assert changed.get_params()["convex__weight"] == 0.6
    assert changed.get_params()["lanes__bm25_1__b"] == 0.1
    assert pipeline.get_params()["convex__weight"] == 0.4, "values never change"
    with pytest.raises(InvalidInputError, match="Did you mean 'bm25_weight'"):
        vl.LightMemo().set_params(bm25_wieght=1)
    with pytest.raises(InvalidInputError):
        vl.LightMemo().set_params(bm25_weight=-1)


def test_fingerprints_tell_behaviour_apart():
    different = [
        vl.BM25(),
        vl.BM25(k1=1.5),
        vl.BM25(fields=("text",)),
        vl.BM25() + vl.Dense(HASH) >> vl.Convex(0.3),
        vl.Dense(HASH) + vl.BM25() >> vl.Convex(0.3),
        vl.BM25() + vl.Dense(vl.HashEmbedder(32)) >> vl.Convex(0.3),
        vl.BM25() + vl.Dense(HASH) >> vl.RRF(),
        vl.Rewrite(str.lower, "1") >> vl.BM25(),
        vl.Rewrite(str.lower, "2") >> vl.BM25(),
    ]
    assert len({s.fingerprint for s in different}) == len(different)
    assert vl.BM25(1.2).fingerprint == vl.BM25().fingerprint
    assert vl.BM25().named("other").fingerprint == vl.BM25().fingerprint
    assert vl.Dense().fingerprint == vl.Dense(vl.MiniLM()).fingerprint, (
        "a lazy default is the default"
    )
    assert not (vl.Rewrite(str.lower) >> vl.BM25()).cacheable
    assert (vl.Rewrite(str.lower, "1") >> vl.BM25()).cacheable
    with pytest.raises(InvalidInputError, match="no fingerprint"):
        fingerprint_of({"x": object()})


def test_memo_shares_prefixes_and_changes_nothing(corpus):
    systems = [
        vl.BM25(),
        vl.BM25() + vl.Dense(HASH) >> vl.RRF(),
        vl.BM25() + vl.Dense(HASH) >> vl.Convex(0.2),
        vl.LightMemo(embedder=HASH),
    ]
    queries = ["Friday budget", "周五 预算", ""]
    memo = Memo()
    shared = [system.on(corpus).run(queries, 3, memo) for system in systems]
    alone = [system.on(corpus).run(queries, 3) for system in systems]
    for a, b in zip(shared, alone, strict=True):
        assert a.frame.equals(b.frame)
    assert memo.hits == 5, "BM25 thrice, Dense twice"
    assert shared[1].milliseconds.min() > 0


def test_memo_sees_a_changed_corpus(corpus):
    memo = Memo()
    retriever = vl.BM25().on(corpus)
    before = retriever.run(["budget"], 5, memo).frame.docno.tolist()
    corpus.add(vl.Document("new", "budget budget"))
    after = retriever.run(["budget"], 5, memo).frame.docno.tolist()
    assert "new" in after
    assert "new" not in before


def test_shared_work_is_charged_to_everyone(corpus):
    class Slow(vl.HashEmbedder):
        def embed_queries(self, texts):
            total = 0
            for i in range(300_000):
                total += i
            return super().embed_queries(texts)

        @property
        def fingerprint(self):
            return "slow-hash"

    memo = Memo()
    slow = Slow(64)
    runs = [
        (vl.BM25() + vl.Dense(slow) >> fusion).on(corpus).run(["Friday"], 3, memo)
        for fusion in (vl.RRF(), vl.Convex(0.5))
    ]
    assert runs[1].milliseconds[0] > 5, "the encoding that the first system did"
    again = (vl.Dense(slow)).on(corpus).run(["Friday"], 3)
    assert again.milliseconds[0] > 5, "and that the cache saved"


def test_rewrite(corpus):
    shout = vl.Rewrite(lambda text: "budget") >> vl.BM25()
    assert {h.docno for h in shout.on(corpus).search("nothing of the kind")} == {"a", "d"}
    expand = (
        vl.Rewrite(lambda q: dataclasses.replace(q, terms={"oven": 2.0}), whole=True) >> vl.BM25()
    )
    assert expand.on(corpus).search("budget")[0].docno == "c"
    with pytest.raises(InvalidInputError, match="gave int"):
        (vl.Rewrite(len) >> vl.BM25()).on(corpus).search("x")


def test_decay_is_a_prior_and_not_a_cliff():
    clock = vl.Document
    old = clock("old", "budget", time=__import__("datetime").datetime(2020, 1, 1))
    new = clock("new", "budget", time=__import__("datetime").datetime(2026, 1, 1))
    never = clock("never", "budget")
    corpus = vl.Corpus([old, new, never])
    asked = __import__("datetime").datetime(2026, 1, 1, tzinfo=__import__("datetime").UTC)
    plain = {h.docno: h.score for h in vl.BM25().on(corpus).search("budget")}
    aged = {
        h.docno: h.score
        for h in (vl.BM25() >> vl.Decay("30d", 0.25)).on(corpus).search("budget", asked_at=asked)
    }
    assert len(aged) == 3, "nothing is dropped"
    assert aged["new"] == pytest.approx(plain["new"])
    assert aged["never"] == pytest.approx(plain["never"])
    assert aged["old"] == pytest.approx(0.25 * plain["old"], rel=1e-6)
    half = vl.BM25() >> vl.Decay("1y", 0.0)
    year = {
        h.docno: h.score
        for h in half.on(corpus).search("budget", asked_at=asked.replace(year=2027))
    }
    assert year["new"] == pytest.approx(plain["new"] / 2, rel=1e-2)


@pytest.mark.parametrize("wrong", ["", "30", "30x", "-3d", "0d", 0, -1])
def test_impossible_half_lives_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="half-life"):
        vl.Decay(wrong)


def test_lane_parameters_are_checked_where_they_are_written():
    for make in (
        lambda: vl.BM25(b=2),
        lambda: vl.BM25(variant="bm26"),
        lambda: vl.BM25(fields=("txt",)),
        lambda: vl.BM25(candidates=0),
        lambda: vl.LightMemo(k1=-1),
        lambda: vl.LightMemo(bm25_weight=0, semantic_weight=0),
        lambda: vl.LightMemo(top_k=0),
        lambda: vl.Convex(1.5),
        lambda: vl.Convex(norm="median"),
        lambda: vl.Convex(weights=(0.0, 0.0)),
        lambda: vl.Convex(weights=(float("nan"), 1.0)),
        lambda: vl.Dense("all-MiniLM-L6-v2"),
        lambda: vl.LightMemo(embedder=object()),
        lambda: vl.BM25(analyzer=str.split),
        lambda: vl.RRF(k=-1),
        lambda: vl.Top(0),
    ):
        with pytest.raises(InvalidInputError):
            make()


def test_weights_must_fit_the_lanes(corpus):
    three = vl.BM25() + vl.BM25(2.0) + vl.Dense(HASH)
    with pytest.raises(InvalidInputError, match="2 weights for 3 lanes"):
        three >> vl.Convex(0.3)
    assert (three >> vl.Convex(weights=(0.2, 0.2, 0.6))).on(corpus).search("budget")
    assert (three >> vl.RRF()).on(corpus).search("budget")


def test_light_memo_is_what_it_says(corpus):
    spelled = vl.BM25() + vl.Dense(HASH) >> vl.Convex(weights=(0.3, 0.7))
    queries = ["Friday budget", "厨房", "oven cat"]
    ours = vl.LightMemo(embedder=HASH).on(corpus).run(queries).frame
    assert ours.equals(spelled.on(corpus).run(queries).frame)
    only = vl.LightMemo(semantic_weight=0).on(corpus).run(queries).frame
    assert only.equals(vl.BM25().on(corpus).run(queries).frame)
    doubled = vl.LightMemo(bm25_weight=0.6, semantic_weight=1.4, embedder=HASH)
    assert doubled.on(corpus).run(queries).frame.equals(ours), "weights are shares"
    assert len(vl.LightMemo(embedder=HASH, top_k=2).on(corpus).search("Friday")) == 2


def test_a_query_embedding_replaces_the_embedders(corpus):
    retriever = vl.Dense(HASH).on(corpus)
    vector = HASH.embed_documents([corpus["c"].field_text(("text", "tags"))])[0]
    assert retriever.search("budget", 1, query_embedding=3 * vector)[0].docno == "c"
    for wrong in (vector[:3], np.zeros(64), np.full(64, np.nan)):
        with pytest.raises(InvalidInputError, match="query embedding"):
            retriever.search("budget", query_embedding=wrong)


def test_languages_are_part_of_what_a_dense_lane_is():
    class Known(vl.HashEmbedder):
        def __init__(self, languages):
            super().__init__(32)
            object.__setattr__(self, "languages", languages)

        languages = None

    english, any_language = Known(frozenset({"en"})), Known(None)
    assert english.fingerprint == any_language.fingerprint, "the vectors are the same"
    assert vl.Dense(english).fingerprint != vl.Dense(any_language).fingerprint


def test_a_stage_of_a_cell_is_cacheable_once_it_states_a_version(corpus):
    from vcplab.memory.stages.base import Output, Stage

    def make(sign, version=None):
        class Flip(Stage):
            kind = "ranking"

            def apply(self, state, context):
                (lane,) = state.lanes
                rankings = tuple(type(r).of(r.rows, sign * r.scores) for r in lane.rankings)
                return Output(lanes=(dataclasses.replace(lane, rankings=rankings),))

        if version:
            Flip.version = version
        return Flip()

    assert not (vl.BM25() >> make(1)).cacheable
    assert (vl.BM25() >> make(1, "1")).cacheable
    assert (vl.BM25() >> make(1, "1")).fingerprint != (vl.BM25() >> make(-1, "2")).fingerprint
    assert (vl.BM25() >> make(-1)).on(corpus).search("Friday budget")[0].score < 0


def test_who_reads_the_clock_says_so():
    assert (vl.BM25() >> vl.Decay()).reads_clock
    assert not vl.LightMemo(embedder=HASH).reads_clock
    assert not (vl.BM25() + vl.Dense(HASH) >> vl.RRF() >> vl.Top(3)).reads_clock


def test_a_memo_never_mistakes_one_object_for_another():
    memo = Memo()
    for i in range(200):
        corpus = vl.Corpus([vl.Document(f"only-{i}", "budget")])
        word = f"word{i}"
        corpus.add(vl.Document("word", word))
        found = (vl.Rewrite(lambda text, w=word: w) >> vl.BM25()).on(corpus).run(["x"], 2, memo)
        assert found.frame.docno.tolist() == ["word"]
        assert vl.BM25().on(corpus).run(["budget"], 2, memo).frame.docno.tolist() == [f"only-{i}"]


def test_language_gating_survives_ranking_stages():
    class English(vl.HashEmbedder):
        languages = frozenset({"en"})

    corpus = vl.Corpus([vl.Document("zh", "厨房的预算"), vl.Document("en", "kitchen")])
    dense = vl.Dense(English(32))
    plain = (vl.BM25() + dense >> vl.RRF()).on(corpus).search("厨房预算")
    cut = (
        (vl.BM25() + (dense >> vl.Decay() >> vl.Top(50)) >> vl.RRF()).on(corpus).search("厨房预算")
    )
    assert [h.docno for h in plain] == [h.docno for h in cut] == ["zh"]


def test_numpy_numbers_are_parameters_too():
    assert vl.RRF().set_params(k=np.int64(10)).fingerprint == vl.RRF(k=10).fingerprint


def test_candidates_mean_what_they_say():
    corpus = vl.Corpus([vl.Document(f"d{i:03}", "budget " * (i + 1)) for i in range(150)])
    assert len(vl.BM25().on(corpus).run(["budget"], 150).frame) == 150
    assert len(vl.BM25(candidates=20).on(corpus).run(["budget"], 150).frame) == 20
    assert vl.BM25().on(corpus).why("budget", "d149", k=150).rank is not None
