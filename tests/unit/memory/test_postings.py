"""The lexical index: exact formulas, exact top-k, and step by step equals at once."""

from __future__ import annotations

from collections import Counter

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
from vcplab.memory.index import postings_view
from vcplab.memory.index.postings import PostingsIndex
from vcplab.memory.index.weighting import BM25Weighting

VARIANTS = ["lucene", "robertson", "atire", "bm25l", "bm25+"]
words = st.sampled_from([f"w{i}" for i in range(12)])
texts = st.lists(words, max_size=12)


def build(docs, rows=None):
    index = PostingsIndex()
    index.add(range(len(docs)) if rows is None else rows, docs)
    return index


def zipf(n, seed, vocabulary=400):
    rng = np.random.default_rng(seed)
    p = 1 / np.arange(1, vocabulary + 1) ** 1.07
    p /= p.sum()
    return [[f"w{i}" for i in rng.choice(vocabulary, rng.integers(1, 40), p=p)] for _ in range(n)]


@pytest.mark.parametrize("variant", ["lucene", "robertson", "atire"])
def test_scores_equal_bm25s(variant):
    docs = zipf(300, 1)
    index = build(docs).view(BM25Weighting(1.5, 0.6, variant))
    peer = bm25s.BM25(k1=1.5, b=0.6, method=variant, backend="numpy")
    peer.index(docs, show_progress=False)
    for query in zipf(40, 2):
        expected = peer.get_scores(query)
        rows = np.arange(300)
        np.testing.assert_allclose(
            index.score(Counter(query), rows), expected, rtol=2e-5, atol=1e-5
        )


@pytest.mark.parametrize("variant", ["bm25l", "bm25+"])
def test_bounded_variants_reward_presence_only(variant):
    """Lv & Zhai sum over the shared terms: no term, no score; long documents keep the bonus."""
    docs = [["rare", *["pad"] * 2000], ["pad"] * 10, ["other"]]
    view = build(docs).view(BM25Weighting(1.2, 0.75, variant, 1.0))
    scores = view.score({"rare": 1.0}, np.arange(3))
    assert scores[1] == 0
    assert scores[2] == 0
    assert scores[0] > BM25Weighting(variant=variant).idf(1, 3) * 0.5


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("k", [1, 3, 10, 1000])
def test_top_k_is_the_full_sort(variant, k):
    docs = zipf(500, 3, vocabulary=60)
    view = build(docs).view(BM25Weighting(variant=variant))
    for query in zipf(30, 4, vocabulary=70):
        terms = dict(Counter(query))
        everything = view.score(terms, np.arange(500))
        order = [r for r in np.lexsort((np.arange(500), -everything)) if everything[r] > 0][:k]
        (found,) = view.search([terms], k)
        assert found.rows.tolist() == order
        np.testing.assert_array_equal(found.scores, everything[order])


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(texts, min_size=1, max_size=4)),
        st.tuples(st.just("delete"), st.integers(0, 30)),
        st.tuples(st.just("search"), texts),
    ),
    max_size=25,
)


@given(steps=steps, query=texts, variant=st.sampled_from(VARIANTS))
def test_incremental_equals_rebuild(steps, query, variant):
    index, live, next_row = PostingsIndex(), {}, 0
    weighting = BM25Weighting(variant=variant)
    for kind, value in steps:
        if kind == "add":
            rows = range(next_row, next_row + len(value))
            index.add(rows, value)
            live.update(zip(rows, value, strict=True))
            next_row += len(value)
        elif kind == "delete":
            index.delete([value])
            live.pop(value, None)
        else:  # fills the impact cache, which later changes must invalidate
            index.view(weighting).search([dict(Counter(value))], 5)
    fresh = PostingsIndex()
    fresh.add(sorted(live), [live[row] for row in sorted(live)])
    terms = dict(Counter(query))
    (stepwise,) = index.view(weighting).search([terms], 10)
    (rebuilt,) = fresh.view(weighting).search([terms], 10)
    assert stepwise.rows.tolist() == rebuilt.rows.tolist()
    assert stepwise.scores.tolist() == rebuilt.scores.tolist()
    assert len(index) == len(live)
    ours, theirs = index.statistics(), fresh.statistics()
    for key in ("documents", "terms", "postings", "length"):
        assert ours[key] == theirs[key]


def test_merging_many_segments_changes_nothing():
    docs = zipf(600, 5)
    at_once = build(docs).view(BM25Weighting())
    stepwise = PostingsIndex()
    for i, doc in enumerate(docs):
        stepwise.add([i], [doc])
    assert stepwise.statistics()["segments"] <= 9
    for query in zipf(20, 6):
        terms = dict(Counter(query))
        (a,), (b,) = at_once.search([terms], 20), stepwise.view(BM25Weighting()).search([terms], 20)
        assert a.rows.tolist() == b.rows.tolist()
        assert a.scores.tolist() == b.scores.tolist()


def test_mask_excludes_rows_and_keeps_scores():
    docs = zipf(200, 7)
    view = build(docs).view(BM25Weighting())
    mask = np.arange(200) % 3 == 0
    terms = dict(Counter(docs[0]))
    (found,) = view.search([terms], 10, mask=mask)
    full = view.score(terms, np.arange(200))
    best = [r for r in np.lexsort((np.arange(200), -full)) if mask[r] and full[r] > 0][:10]
    assert found.rows.tolist() == best


def test_weights_of_terms_scale_their_share():
    view = build([["a"], ["b"], ["c"]]).view(BM25Weighting())
    single = view.score({"a": 1.0}, np.array([0]))[0]
    assert view.score({"a": 2.5}, np.array([0]))[0] == pytest.approx(2.5 * single)
    assert view.search([{"a": 0.0}], 5)[0].rows.tolist() == []


def test_rows_must_be_new_and_ascending():
    index = build([["a"], ["b"]])
    for rows in ([1], [5, 4], [5, 5]):
        with pytest.raises(InvalidInputError, match="ascending"):
            index.add(rows, [["x"]] * len(rows))
    assert len(index) == 2


def test_empty_index_and_unknown_terms():
    view = PostingsIndex().view(BM25Weighting())
    assert len(view.search([{"a": 1.0}], 3)[0]) == 0
    view = build([[], ["a"]]).view(BM25Weighting())
    assert view.search([{"zzz": 1.0}, {}, {"a": 1.0}], 3)[2].rows.tolist() == [1]
    assert view._impacts.keys() == {"a"}, "unknown terms are not kept"


def test_impossible_parameters_are_refused():
    for bad in ({"k1": -1}, {"b": 1.5}, {"variant": "bm26"}, {"k1": float("inf")}):
        with pytest.raises(InvalidInputError):
            BM25Weighting(**bad)


def test_a_sweep_keeps_the_impacts_of_the_last_views_only():
    docs = zipf(300, 8, vocabulary=40)
    index = build(docs)
    terms = dict(Counter(docs[0]))
    weightings = [BM25Weighting(k1=0.5 + i / 10) for i in range(20)]
    views = [index.view(weighting) for weighting in weightings]
    first = views[0].search([terms], 10)[0]
    for view in views[1:]:
        view.search([terms], 10)
    for weighting in weightings:
        index.view(weighting).search([terms], 10)
    assert list(index._views) == weightings[-4:]
    assert index.view(weightings[-4]) is index.view(weightings[-4])
    assert list(index._views)[-1] == weightings[-4], "the one used last leaves last"
    held = [views[0], *(index.view(weighting) for weighting in weightings[:4])]
    assert not held[1]._impacts, "given up and made again empty"
    again = held[0].search([terms], 10)[0]
    assert again.rows.tolist() == first.rows.tolist()
    assert again.scores.tolist() == first.scores.tolist()


def test_an_evicted_view_lets_go_of_its_impacts():
    index = build([["a"], ["b"]])
    old = index.view(BM25Weighting())
    old.search([{"a": 1.0}], 1)
    assert old._impacts
    for k1 in (0.1, 0.2, 0.3, 0.4):
        index.view(BM25Weighting(k1=k1))
    assert not old._impacts
    assert old.search([{"a": 1.0}], 1)[0].rows.tolist() == [0]


def test_views_share_the_room_for_dense_vectors(monkeypatch):
    docs = [["a", "b", "c"]] * 10
    monkeypatch.setattr(postings_view, "_DENSE_BUDGET", 5 * 4 * 10)
    index = build(docs)
    expected = None
    for k1 in (0.5, 1.0, 1.5):
        view = index.view(BM25Weighting(k1=k1))
        (found,) = view.search([{"a": 1.0, "b": 1.0, "c": 1.0}], 3)
        expected = expected or found.rows.tolist()
        assert found.rows.tolist() == expected
    dense = sum(i.dense is not None for v in index._views.values() for i in v._impacts.values())
    assert dense == 5
    index.add([10], [["d"]])
    assert index._dense_bytes() == 0, "a change frees them all at once"
