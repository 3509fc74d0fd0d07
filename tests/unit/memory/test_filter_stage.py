"""The filter stage before and behind lanes, on corpora that change."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.memory import Context, Memo, Query, State
from vcplab.memory.filters import Custom, FieldCondition, field
from vcplab.memory.stages.filters import Filter

HASH = vl.HashEmbedder(64)


def _document(i):
    return vl.Document(
        f"d{i}",
        "budget " * (1 + i % 4) + f"of kitchen {i}",
        time=datetime(2026, 1, 1 + i),
        metadata={"category": ["dress", "shirt", "hat"][i % 3], "price": i},
    )


@pytest.fixture
def corpus():
    return vl.Corpus([_document(i) for i in range(30)])


DRESS = {"field": "category", "operator": "equals", "value": "dress"}


def _ids(hits):
    return [passage.docno for passage in hits]


def _found(system, corpus, k=10, query="budget"):
    frame = system.on(corpus).run([query], k=k).frame
    return frame["docno"].tolist()


def test_before_the_lanes_the_list_stays_full(corpus):
    everything = _found(vl.BM25(), corpus, k=30)
    dresses = [docno for docno in everything if int(docno[1:]) % 3 == 0]
    assert _found(Filter(DRESS) >> vl.BM25(), corpus, k=5) == dresses[:5]
    assert _found(vl.BM25(candidates=5) >> Filter(DRESS), corpus, k=5) == [
        docno for docno in everything[:5] if docno in dresses
    ]
    assert _found(vl.BM25(candidates=30) >> Filter(DRESS), corpus, k=30) == dresses


@pytest.mark.parametrize(
    "lanes", [vl.Dense(HASH), vl.BM25() + vl.Dense(HASH) >> vl.Convex(0.4), vl.Tantivy()]
)
def test_every_lane_searches_within(lanes, corpus):
    condition = (field("category") == "dress") & (field("time") <= "2026-01-10")
    found = _found(Filter(condition) >> lanes, corpus, k=30)
    assert sorted(found, key=lambda d: int(d[1:])) == ["d0", "d3", "d6", "d9"]


def test_two_filters_before_the_lanes_both_hold(corpus):
    system = Filter(DRESS) >> Filter(field("price").between(4, 9)) >> vl.BM25()
    assert set(_found(system, corpus)) == {"d6", "d9"}
    assert set(_found(vl.BM25() >> Filter(DRESS) >> vl.Top(3), corpus)) <= {
        f"d{i}" for i in range(0, 30, 3)
    }


def test_one_lane_may_be_filtered_alone(corpus):
    system = (vl.BM25() >> Filter(DRESS)) + (Filter(field("price") < 3) >> vl.BM25(2.0))
    found = _found(system >> vl.RRF(), corpus, k=40)
    assert set(found) == {f"d{i}" for i in range(0, 30, 3)} | {"d1", "d2"}


def test_the_output_before_lanes(corpus):
    state = State.start((Query("budget"),))
    context = Context(corpus, 10)
    output = Filter(field("price") >= 28).apply(state, context)
    assert output.lanes is None
    assert output.mask is not None
    assert np.flatnonzero(output.mask).tolist() == [28, 29]
    assert output.mask.shape == (30,)
    assert not output.mask.flags.writeable
    after = context.run(Filter(field("price") >= 28), state)
    narrowed = Filter(field("price") <= 28).apply(after, context)
    assert np.flatnonzero(narrowed.mask).tolist() == [28]


def test_changes_are_seen_at_once(corpus):
    retriever = (Filter(DRESS) >> vl.BM25()).on(corpus)
    behind = (vl.BM25() >> Filter(DRESS)).on(corpus)
    before = set(_ids(retriever.search("budget", 40)))
    corpus.add(vl.Document("new", "budget", metadata={"category": "dress"}))
    corpus.add(vl.Document("other", "budget", metadata={"category": "hat"}))
    corpus.upsert(vl.Document("d0", "budget", metadata={"category": "hat"}))
    corpus.delete("d3")
    expected = (before | {"new"}) - {"d0", "d3"}
    assert set(_ids(retriever.search("budget", 40))) == expected
    assert set(_ids(behind.search("budget", 40))) == expected
    corpus.clear()
    assert _ids(retriever.search("budget")) == []
    assert _ids(behind.search("budget")) == []


def test_nothing_matches_and_no_such_field_are_told(corpus):
    for system in (Filter({**DRESS, "value": "coat"}) >> vl.BM25(), vl.BM25() >> Filter(
        {**DRESS, "value": "coat"}
    )):  # fmt: skip
        hits = system.on(corpus).search("budget")
        assert len(hits) == 0
        assert any("No document meets field('category') == 'coat'" in n for n in hits.notices)
    hits = (Filter(field("categroy") != "coat") >> vl.BM25()).on(corpus).search("budget", 40)
    assert len(hits) == 30
    assert any("'categroy'" in notice for notice in hits.notices)
    assert not (Filter(DRESS) >> vl.BM25()).on(corpus).search("budget").notices


def test_functions(corpus):
    asked = []

    def cheap(document):
        asked.append(document.id)
        return document.metadata["price"] < 5

    stage = Filter(cheap)
    assert not stage.cacheable
    assert not (stage >> vl.BM25()).cacheable
    assert Filter(Custom(cheap, version="1")).cacheable
    assert Filter(DRESS).cacheable
    assert set(_found(stage >> vl.BM25(), corpus, k=40)) == {f"d{i}" for i in range(5)}
    asked.clear()
    listed = _found(vl.BM25(candidates=4), corpus, k=4)
    found = _found(vl.BM25(candidates=4) >> stage, corpus, k=4)
    assert sorted(asked) == sorted(listed)  # behind the lanes, only what is listed
    assert found == [docno for docno in listed if int(docno[1:]) < 5]


def test_a_memo_runs_it_once(corpus, monkeypatch):
    calls = []
    apply = Filter.apply
    monkeypatch.setattr(Filter, "apply", lambda *given: calls.append(1) or apply(*given))
    memo = Memo()
    for k1 in (0.9, 1.2, 2.0):
        (Filter(DRESS) >> vl.BM25(k1)).on(corpus).run(["budget"], memo=memo)
    assert len(calls) == 1


def test_parameters_and_identity():
    stage = Filter([DRESS])
    assert stage == Filter(DRESS) == Filter(field("category") == "dress")
    assert stage.fingerprint == Filter(DRESS).fingerprint
    assert stage.fingerprint != Filter({**DRESS, "value": "hat"}).fingerprint
    assert repr(stage) == "Filter(condition=field('category') == 'dress')"
    assert stage.name == "Filter(field('category') == 'dress')"
    assert stage.set_params(condition__value="hat") == Filter(field("category") == "hat")
    assert not stage.reads_clock
    system = Filter(DRESS) >> vl.BM25()
    assert system.set_params(filter__condition=field("price") > 3).parts[0] == Filter(
        field("price") > 3
    )
    for wrong in ("dress", None, 5, {"field": "a"}):
        with pytest.raises(InvalidInputError, match="no condition"):
            Filter(wrong)


def test_an_empty_filter_changes_nothing(corpus):
    assert _found(Filter([]) >> vl.BM25(), corpus) == _found(vl.BM25(), corpus)


def test_why_says_what_was_dropped(corpus):
    assert (Filter(DRESS) >> vl.BM25()).on(corpus).why("budget", "d0").rank is not None
    assert (Filter(DRESS) >> vl.BM25()).on(corpus).why("budget", "d1").rank is None
    system = vl.BM25(candidates=30) >> Filter(FieldCondition("price", "lt", 2))
    assert system.on(corpus).why("budget", "d1").rank is not None
    assert system.on(corpus).why("budget", "d2").rank is None
