"""Structured queries in memory: equal to a search by hand, step by step, within bounds."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import StateError
from vcplab.memory.index import structured
from vcplab.memory.index.ports import StructuredQuery
from vcplab.memory.index.postings import PostingsIndex
from vcplab.memory.index.structured import RowsOfTokens
from vcplab.memory.index.weighting import BM25Weighting

TOKEN = st.sampled_from("abc")
DOCUMENT = st.lists(TOKEN, max_size=9)
WORDS = st.lists(TOKEN, min_size=1, max_size=4).map(tuple)
QUERY = st.builds(
    StructuredQuery,
    st.dictionaries(st.sampled_from("abx"), st.sampled_from([0.0, 0.5, 1.0, 1.7]), max_size=2),
    st.lists(st.tuples(WORDS, st.sampled_from([0.0, 1.0, 1.3])), max_size=2).map(tuple),
    st.lists(WORDS, max_size=2).map(tuple),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(DOCUMENT, min_size=1, max_size=4)),
        st.tuples(st.just("delete"), st.integers(0, 12)),
        st.tuples(st.just("search"), QUERY),
    ),
    max_size=10,
)
WEIGHTINGS = st.sampled_from(
    [
        BM25Weighting(),
        BM25Weighting(0.9, 0.4, "robertson"),
        BM25Weighting(1.5, 1.0, "bm25l"),
        BM25Weighting(1.2, 0.75, "bm25+", 1.0),
    ]
)


def occurrences(tokens, words):
    n = len(words)
    return sum(tuple(tokens[at : at + n]) == words for at in range(len(tokens) - n + 1))


def by_hand(live, query, weighting):
    """Scores of live documents as the port defines them, in double precision."""
    n = len(live)
    total = sum(map(len, live.values()))

    def idf(word):
        df = sum(word in tokens for tokens in live.values())
        return weighting.idf(df, n) if df else 0.0

    scores = {}
    asked = [((term,), weight) for term, weight in query.terms.items()] + list(query.phrases)
    for row, tokens in live.items():
        score = 0.0
        for words, weight in asked:
            tf = occurrences(tokens, words)
            if tf:
                relative = np.array([len(tokens) / (total / n)], np.float32)
                saturated = weighting.saturation(np.array([tf], np.float32), relative)[0]
                score += weight * sum(map(idf, words)) * float(saturated)
        out = any(occurrences(tokens, words) for words in query.excluded)
        scores[row] = 0.0 if out else score
    return scores


@given(
    start=st.lists(DOCUMENT, min_size=1, max_size=8),
    steps=STEPS,
    query=QUERY,
    k=st.integers(1, 12),
    weighting=WEIGHTINGS,
    data=st.data(),
)
def test_search_is_what_the_definition_says(start, steps, query, k, weighting, data):
    documents = {}
    index = PostingsIndex(lambda rows: [documents[row] for row in rows])
    live = {}
    for kind, value in [("add", start), *steps]:
        if kind == "add":
            rows = range(len(documents), len(documents) + len(value))
            documents.update(zip(rows, value, strict=True))
            live.update(zip(rows, value, strict=True))
            index.add(rows, value)
        elif kind == "delete":
            index.delete([value])
            live.pop(value, None)
        else:  # leaves counts behind that later changes must not spoil
            index.view(weighting).search([value], 5)
    size = len(documents)
    mask = data.draw(
        st.none() | st.lists(st.booleans(), max_size=size + 2).map(lambda m: np.array(m, bool))
    )
    view = index.view(weighting)
    (found,) = view.search([query], k, mask=mask)
    expected = by_hand(live, query, weighting)
    allowed = {
        row: score
        for row, score in expected.items()
        if score > 0 and (mask is None or (row < len(mask) and mask[row]))
    }
    # The index adds up in single precision: equal scores and order, but for what rounding decides.
    assert len(found) == min(k, len(allowed))
    np.testing.assert_allclose(found.scores, sorted(allowed.values(), reverse=True)[:k], rtol=1e-5)
    np.testing.assert_allclose(found.scores, [allowed[row] for row in found.rows], rtol=1e-5)
    everything = np.arange(size)
    scores = view.score(query, everything)
    np.testing.assert_allclose(scores, [expected.get(row, 0.0) for row in everything], rtol=1e-5)
    ranked = [row for row in np.lexsort((everything, -scores)) if row in allowed][:k]
    assert found.rows.tolist() == ranked
    np.testing.assert_array_equal(found.scores, scores[ranked])
    for row in ranked:
        assert view.score(query, np.array([row])) == scores[row]
    # An index that was built at once answers bit for bit the same.
    fresh = PostingsIndex(lambda rows: [documents[row] for row in rows])
    fresh.add(sorted(live), [live[row] for row in sorted(live)])
    (again,) = fresh.view(weighting).search([query], k, mask=mask)
    assert again.rows.tolist() == found.rows.tolist()
    assert again.scores.tolist() == found.scores.tolist()


def indexed(documents):
    asked = []

    def tokens_of(rows):
        asked.append(list(rows))
        return [documents[row] for row in rows]

    index = PostingsIndex(tokens_of)
    index.add(range(len(documents)), documents)
    return index, asked


def test_only_candidates_are_looked_at_and_only_once():
    documents = [["a", "b"], ["b", "a"], ["a"], ["b"], ["a", "b", "a", "b"], ["c"]]
    index, asked = indexed(documents)
    view = index.view(BM25Weighting())
    query = StructuredQuery({"c": 1.0}, ((("a", "b"), 1.0),))
    mask = np.array([True, True, True, True, False, True])
    assert set(view.search([query], 9, mask=mask)[0].rows.tolist()) == {0, 5}
    assert asked == [[0, 1]]
    assert set(view.search([query], 9)[0].rows.tolist()) == {0, 4, 5}
    assert asked == [[0, 1], [4]]
    # Another view, an account of one row, a change elsewhere: nothing is looked at again.
    index.view(BM25Weighting(0.5)).search([query, query], 9)
    view.score(query, np.array([4]))
    index.delete([0])
    view.search([query], 9)
    assert len(asked) == 2
    documents.append(["x", "a", "b"])
    index.add([6], documents[6:])
    assert set(view.search([query], 9)[0].rows.tolist()) == {4, 5, 6}
    assert asked[2:] == [[6]]
    # A repeated word must occur as often; what is not found anyway need not be excluded.
    view.search([StructuredQuery({"c": 1.0}, ((("b", "b"), 1.0),), (("x", "a"),))], 9)
    assert asked[3:] == [[4]]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(structured, "_REMEMBERED", 10)
    monkeypatch.setattr(structured, "_BATCH", 3)
    documents = [["a", "b", "c"]] * 7
    index, asked = indexed(documents)
    view = index.view(BM25Weighting())
    for words in (("a", "b"), ("b", "c"), ("b", "c"), ("a", "b")):
        (found,) = view.search([StructuredQuery({}, ((words, 1.0),))], 9)
        assert found.rows.tolist() == list(range(7))
    whole = [[0, 1, 2], [3, 4, 5], [6]]
    assert asked == whole * 3


def test_exclusions_lift_the_bound_of_the_best():
    """The document that makes the k-th best score of a term may be the excluded one."""
    documents = [["a"], ["a", "x", "y"], ["a", "z", "z", "z"], ["b"]]
    index, _ = indexed(documents)
    query = StructuredQuery({"a": 1.0}, (), (("a", "x"), ("a", "z")))
    (found,) = index.view(BM25Weighting()).search([query], 1)
    assert found.rows.tolist() == [0]
    query = StructuredQuery({"a": 1.0}, (), (("b",), ("z",), ("q", "r"), ()))
    (found,) = index.view(BM25Weighting()).search([query], 2)
    assert found.rows.tolist() == [0, 1]
    (found,) = index.view(BM25Weighting()).search([StructuredQuery({"a": 1.0}, (), (("a",),))], 2)
    assert len(found) == 0


@given(words=WORDS.filter(lambda words: len(words) > 1), tokens=st.lists(TOKEN, max_size=40))
def test_occurrences_overlap(words, tokens):
    rows, counts = RowsOfTokens(lambda rows: [tokens]).find(words, np.array([0]))
    expected = occurrences(tokens, words)
    assert counts.tolist() == ([float(expected)] if expected else [])
    assert rows.tolist() == ([0] if expected else [])


def test_repetition_takes_linear_time():
    tokens = ["a"] * 200_000
    words = ("a",) * 100_000 + ("b",)
    index, _ = indexed([[*tokens, "b"], tokens, ["b", *tokens]])
    began = time.process_time()
    (found,) = index.view(BM25Weighting()).search([StructuredQuery({}, ((words, 1.0),))], 9)
    assert found.rows.tolist() == [0]
    assert time.process_time() - began < 5


def test_without_documents_phrases_are_refused_and_the_rest_works():
    index = PostingsIndex()
    index.add([0, 1], [["a", "b"], ["a"]])
    view = index.view(BM25Weighting())
    for query in (
        StructuredQuery({}, ((("a", "b"), 1.0),)),
        StructuredQuery({"a": 1.0}, (), (("a", "b"),)),
    ):
        with pytest.raises(StateError, match="no positions") as caught:
            view.search([query], 3)
        assert caught.value.next_step
        with pytest.raises(StateError):
            view.score(query, np.array([0]))
    query = StructuredQuery({"a": 1.0}, ((("b",), 2.0), (("a", "b"), 0.0)), (("x",),))
    assert view.search([query], 3)[0].rows.tolist() == [0, 1]


@pytest.mark.parametrize("k", [1, 3, 50])
def test_terms_alone_are_a_term_query(k):
    rng = np.random.default_rng(5)
    documents = [[f"w{i}" for i in rng.zipf(1.5, rng.integers(1, 30)) % 50] for _ in range(300)]
    index, asked = indexed(documents)
    view = index.view(BM25Weighting())
    terms = {"w1": 1.0, "w7": 0.5, "w20": 2.0}
    (plain,), (same,) = view.search([terms], k), view.search([StructuredQuery(terms)], k)
    assert plain.rows.tolist() == same.rows.tolist()
    assert plain.scores.tolist() == same.scores.tolist()
    assert not asked
