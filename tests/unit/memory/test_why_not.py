"""``why_not``: an applied change recalls, or a stage is named; the space is as stated."""

from __future__ import annotations

import itertools
import random

import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.memory.explaining.changes import DROPPED, applied
from vcplab.memory.explaining.code import as_code
from vcplab.memory.explaining.space import Range, SearchSpace
from vcplab.memory.recipes.tag import TagMemo

HASH = vl.HashEmbedder(64)
LIGHT = vl.LightMemo(embedder=HASH)


@pytest.fixture(scope="module")
def corpus():
    texts = ["budget " * n + "word " * (12 - n) for n in range(1, 9)] + ["violin", "budget violin"]
    documents = [
        vl.Document(f"d{i}", text, tags=("even",) if i % 2 == 0 else ("odd",))
        for i, text in enumerate(texts)
    ]
    return vl.Corpus(documents)


def _top(system, corpus, query, k):
    return [hit.docno for hit in system.on(corpus).search(query, k)]


def test_the_change_recalls_and_its_cost_is_told(corpus):
    memory = (vl.BM25() >> vl.Top(2)).on(corpus)
    answer = memory.why_not("budget", "d5", k=4)
    assert not answer.recalled
    assert answer.rank_before is None
    assert answer.system is not None
    after = _top(answer.system, corpus, "budget", 4)
    assert after.index("d5") == answer.rank_after < 4
    before = _top(memory.system, corpus, "budget", 4)
    places = sum(a != b and b != "d5" for a, b in itertools.zip_longest(before, after))
    assert answer.cost.places == places
    assert set(answer.cost.left) == set(before) - set(after)
    assert answer.cost.metrics == ()
    assert answer.to_frame().shape[0] == len(answer.changes) == 1


def test_it_is_the_smallest_of_the_stated_space(corpus):
    system = vl.BM25() >> vl.Top(2)
    answer = system.on(corpus).why_not("budget", "d5", k=4)
    nearer = [
        option
        for axis in SearchSpace.of(system).axes
        for option in axis.options
        if option.size < answer.size
    ]
    assert nearer
    for option in nearer:
        changed = applied(system, dict(option.changes))
        assert "d5" not in _top(changed, corpus, "budget", 4)


def test_a_filter_that_keeps_it_out_is_dropped(corpus):
    odd = vl.Filter(vl.field("docno") != "d9") >> vl.BM25()
    only = vl.Filter(lambda document: "odd" in document.tags)
    for system in (odd, only >> vl.BM25(), vl.BM25() >> only):
        missing = "d9" if system is odd else "d8"
        answer = system.on(corpus).why_not("violin", missing, k=3)
        assert answer.found
        assert [change.new for change in answer.changes] == [DROPPED]
        assert "leave out Filter" in str(answer)
        assert missing in _top(answer.system, corpus, "violin", 3)


def test_two_changes_where_one_is_not_enough(corpus):
    only = vl.Filter(lambda document: "odd" in document.tags)
    system = only >> vl.BM25() >> vl.Top(1)
    answer = system.on(corpus).why_not("budget", "d0", k=9)
    assert len(answer.changes) == 2
    assert "d0" in _top(answer.system, corpus, "budget", 9)


def test_what_is_recalled_needs_no_change(corpus):
    answer = LIGHT.on(corpus).why_not("violin", "d8", k=10)
    assert answer.recalled
    assert answer.changes == ()
    assert answer.cost is None
    assert "already" in repr(answer)


def test_the_blocking_stage_is_named(corpus):
    answer = (vl.BM25() >> vl.Top(3)).on(corpus).why_not("violin", "d0", k=3)
    assert not answer.found
    assert answer.blocking == "BM25"
    assert "no term in common" in answer.reason
    assert answer.code == ""
    assert answer.searched >= SearchSpace.of(vl.BM25() >> vl.Top(3)).singles
    narrow = vl.Filter(vl.field("docno") == "d9") >> vl.BM25()
    shut = narrow.on(corpus).why_not("violin", "d0", k=3)
    assert shut.blocking == narrow.parts[0].name
    late = (vl.BM25() >> vl.Top(2)).on(corpus).why_not("budget", "d5", 4, space={"top__k": [1]})
    assert late.blocking == "Top(2)"
    assert "dropped" in late.reason
    assert late.searched == 1
    assert late.nearest_rank is None


class Counting:
    """A reranker that likes what is long, and counts what it is asked; it may look at the list."""

    name = "counting"
    fingerprint = "counting-1"

    def __init__(self, listwise=False):
        self.listwise = listwise
        self.asked = 0

    def score(self, query, documents):
        self.asked += len(documents)
        sign = -1 if self.listwise and len(documents) > 4 else 1
        return [sign * float(document.count("budget")) for document in documents]


@pytest.mark.parametrize("listwise", [False, True])
@pytest.mark.parametrize("as_parameter", [False, True])
def test_a_reranker_is_asked_once_per_document(corpus, listwise, as_parameter):
    judge = Counting(listwise)
    system = (
        vl.LightMemo(embedder=HASH, rerank=judge, rerank_depth=3)
        if as_parameter
        else LIGHT >> vl.Rerank(judge, k=3)
    )
    answer = system.on(corpus).why_not("budget", "d4", k=2)
    assert judge.asked < 10 * 5
    if answer.found:
        assert _top(answer.system, corpus, "budget", 2)[answer.rank_after] == "d4"
        kept = answer.system.get_params().values()
        assert judge in kept or any("leave out" in str(c) or c.new is False for c in answer.changes)
    else:
        assert answer.blocking


def test_a_space_of_ones_own(corpus):
    memory = (vl.BM25() >> vl.Top(2)).on(corpus)
    answer = memory.why_not("budget", "d3", 8, space={"top__k": [3, 6, 8]})
    assert [(c.parameter, c.old, c.new) for c in answer.changes] == [("top__k", 2, 6)]
    assert answer.size == pytest.approx(4 / 6)
    for wrong in ({"tip__k": [3]}, {"top__k": []}, {"top__k": "abc"}, [3]):
        with pytest.raises(InvalidInputError):
            memory.why_not("budget", "d3", 8, space=wrong)
    with pytest.raises(NotFoundError):
        memory.why_not("budget", "nope")
    with pytest.raises(InvalidInputError):
        memory.why_not("budget", "d3", 0)


def test_the_limit_is_kept_and_told(corpus):
    answer = LIGHT.on(corpus).why_not("xyz", "d8", k=1, most=5)
    if not answer.found:
        assert answer.searched == 5
        assert not answer.complete
        assert "there are more" in str(answer)


def test_the_space_follows_from_the_parameters():
    names = {axis.name for axis in SearchSpace.of(TagMemo(base=LIGHT)).axes}
    assert {"tag_weight", "spread", "base__bm25_weight, base__semantic_weight"} <= names
    assert {"base__k1", "base__b", "base__candidates", "candidates", "base__rerank"} <= names
    assert not any("embedder" in name or "analyzer" in name for name in names)
    system = vl.Filter(vl.field("docno") != "a") >> vl.BM25() + vl.Dense(HASH) >> vl.RRF()
    names = {axis.name for axis in SearchSpace.of(system >> vl.Decay()).axes}
    assert {"filter", "lanes__bm25__k1", "rrf__k", "rrf__weights", "decay", "decay__floor"} <= names
    frame = SearchSpace.of(vl.MeshMemo(embedder=HASH)).to_frame()
    assert list(frame.columns) == ["parameter", "now", "values", "farthest"]
    assert isinstance(frame, pd.DataFrame)


def test_sizes_are_shares_of_the_range():
    assert Range(0, 2).size(0.5, 1.5) == 0.5
    assert Range(10, 1000, log=True).size(10, 100) == pytest.approx(0.5)
    for system in (LIGHT, TagMemo(base=LIGHT), vl.MeshMemo(embedder=HASH)):
        for axis in SearchSpace.of(system).axes:
            sizes = [option.size for option in axis.options]
            assert sizes == sorted(sizes)
            assert all(0 < size <= 1 for size in sizes), axis.name
            assert set(axis.coarse()) <= set(axis.options)
            assert len(axis.coarse()) <= 4
            for option in axis.options:
                assert applied(system, dict(option.changes)) != system


def test_parts_are_left_out_by_their_old_names():
    system = vl.BM25() >> vl.Top(9) >> vl.Decay() >> vl.Top(3)
    assert (
        repr(applied(system, {"top_1": DROPPED, "top_2__k": 5})) == "BM25() >> Decay() >> Top(k=5)"
    )
    assert repr(applied(system, dict.fromkeys(["top_1", "decay", "top_2"], DROPPED))) == "BM25()"
    nested = TagMemo(base=LIGHT >> vl.Top(5))
    assert applied(nested, {"base__top": DROPPED}).base == LIGHT
    assert nested.base == LIGHT >> vl.Top(5)


@pytest.mark.parametrize(
    "system",
    [
        LIGHT,
        TagMemo(base=LIGHT, tag_weight=0.4),
        vl.MeshMemo(embedder=HASH, filters=vl.field("docno") != "a", time_decay=None),
        vl.Filter(vl.field("docno") == 'BM25("') >> vl.BM25() + vl.Dense(HASH) >> vl.RRF(k=10),
    ],
)
def test_code_makes_the_same_system(system):
    space: dict[str, object] = {}
    exec(as_code(system), space)
    assert space["system"].fingerprint == system.fingerprint


# --- the diaries -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def diaries():
    return vl.datasets.load("diaries")


def _systems():
    words = vl.HashEmbedder(256)
    light = vl.LightMemo(embedder=words)
    return [
        light,
        vl.MeshMemo(embedder=words, diversity_sampling=True),
        TagMemo(base=light, embedder=words),
        vl.DeepMemo(embedder=words, rerank=True),
        vl.BM25() + vl.Dense(words) >> vl.RRF() >> vl.Decay() >> vl.Top(10),
    ]


def _check(data, systems, share, most):
    """Every judged but missed document of a share of the queries is recalled or its block named."""
    order = random.Random(2)
    asked = data.queries.set_index("qid")
    outcomes = {True: 0, False: 0}
    relevant = data.qrels[data.qrels["label"] > 0]
    judged = sorted(set(relevant["qid"]))
    for system in systems:
        retriever = system.on(data.corpus).prepare()
        chosen = order.sample(judged, max(1, round(len(judged) * share)))
        run = retriever.run(data.queries[data.queries["qid"].isin(chosen)], 10).frame
        top = set(zip(run["qid"], run["docno"], strict=True))
        pairs = relevant[relevant["qid"].isin(chosen)]
        for qid, docno in sorted(zip(pairs["qid"], pairs["docno"], strict=True)):
            if (qid, docno) in top:
                continue
            query, when = asked.loc[qid, "query"], asked.loc[qid, "asked_at"]
            answer = retriever.why_not(query, docno, 10, asked_at=when, most=most)
            outcomes[answer.found] += 1
            if answer.found:
                found = answer.system.on(data.corpus).search(query, 10, asked_at=when)
                assert [hit.docno for hit in found].index(docno) == answer.rank_after
                assert answer.changes
            else:
                stages = [a.stage for a in retriever.why(query, docno, 10, asked_at=when).accounts]
                assert answer.blocking
                assert all(name in stages for name in answer.blocking.split(" + "))
                assert answer.searched <= most
    return outcomes


def test_a_tenth_of_the_missed_diaries_is_recalled_or_its_block_is_named(diaries):
    # One engine is asked about a tenth of the queries, the others about a few.
    first, *others = _systems()
    outcomes = _check(diaries, [first], 0.1, 100)
    assert all(outcomes.values())
    _check(diaries, others, 0.02, 50)


@pytest.mark.slow
def test_every_missed_diary_is_recalled_or_its_block_is_named(diaries):
    assert all(_check(diaries, _systems(), 1.0, 400).values())
