"""The tag graph: weights by hand, changes step by step, a folder, keyphrases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vcplab as vl
from tests.support import dense_tags
from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.memory.tags.graph import TagOrder
from vcplab.memory.tags.kernel import Kernel
from vcplab.memory.tags.sources import keyphrases, normal_tag
from vcplab.memory.tags.store import TagDocuments, tag_documents

TAGS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=5)


def built(lists, order=None):
    store = TagDocuments(order or TagOrder())
    store.add(range(len(lists)), [vl.Document(f"d{n}", "", tags) for n, tags in enumerate(lists)])
    return store


def same(first, second):
    assert first.names == second.names
    assert first.documents == second.documents
    assert first.frequency.tolist() == second.frequency.tolist()
    for a, b in ((first.ordered, second.ordered), (first.together, second.together)):
        assert np.array_equal(a.indptr, b.indptr)
        assert np.array_equal(a.indices, b.indices)
        assert np.array_equal(a.data, b.data)


def test_order_weighs_by_place_and_distance():
    graph = built([("a", "b", "c")]).graph
    at = graph.places
    assert graph.ordered[at["a"], at["b"]] == pytest.approx(0.9 * 0.7, abs=1e-9)
    assert graph.ordered[at["a"], at["c"]] == pytest.approx(0.9 * 0.5 * math.exp(-0.08), abs=1e-9)
    assert graph.ordered[at["b"], at["a"]] == 0
    assert graph.together[at["c"], at["a"]] == 1
    assert graph.neighbours("a") == [("b", 1), ("c", 1)]
    assert graph.neighbours("nobody") == []


def test_npmi_where_the_formula_is_zero_by_zero():
    everywhere = built([("a", "b")] * 4).graph
    assert everywhere.npmi(0).toarray().tolist() == [[0, 1], [1, 0]]
    assert everywhere.npmi(4).toarray().tolist() == [[0, 0.5], [0.5, 0]]
    once = built([("a", "b")]).graph
    assert once.npmi(1)[0, 1] == 0.5


@given(st.lists(TAGS, max_size=12), st.sampled_from([0.0, 1.0, 2.5]))
@settings(max_examples=60)
def test_graph_and_kernels_are_the_dense_ones(lists, shrinkage):
    names, frequency, ordered, together = dense_tags.graph(lists)
    graph = built(lists).graph
    assert graph.names == tuple(names)
    assert graph.frequency.tolist() == frequency.tolist()
    assert np.allclose(graph.ordered.toarray(), ordered, atol=1e-8)
    assert np.array_equal(graph.together.toarray(), together)
    npmi = dense_tags.npmi(frequency, together, len(lists), shrinkage)
    assert np.allclose(graph.npmi(shrinkage).toarray(), npmi, atol=1e-12)
    options = {"hub": 0.3, "floor": 0.55, "ceiling": 1.8, "smoothing": 0.1}
    options |= {"wormhole": 1.0, "gain": 1.35, "mass": 0.95}
    counts = np.log1p(together)
    for weight, dense in (("npmi", npmi), ("count", counts)):
        kernel = Kernel(weight, shrinkage=shrinkage).of(graph)
        flow, holes = dense_tags.kernel(dense, **options)
        assert np.allclose(kernel.flow.toarray(), flow, atol=1e-12)
        where = kernel.flow.tocoo().coords
        assert np.array_equal(kernel.wormhole, holes[where])
        assert kernel.flow.sum(axis=1).max(initial=0) <= 0.95 + 1e-12


@given(st.lists(st.tuples(TAGS, st.booleans()), max_size=25), st.integers(1, 6))
@settings(max_examples=80)
def test_step_by_step_is_all_at_once(steps, often):
    """Documents come one by one, some go again; the graph is bit for bit that of the rest."""
    store = TagDocuments(TagOrder())
    alive = {}
    for row, (tags, goes) in enumerate(steps):
        store.add([row], [vl.Document(f"d{row}", "", tags)])
        alive[row] = tags
        if goes:
            gone = sorted(alive)[len(alive) // 2]
            store.delete([gone, 999])
            store.delete([gone])
            del alive[gone]
        if row % often == 0:
            assert store.graph.documents == len(alive)
    whole = TagDocuments(TagOrder())
    whole.add(sorted(alive), [vl.Document(f"d{row}", "", alive[row]) for row in sorted(alive)])
    same(store.graph, whole.graph)
    assert np.array_equal(store.rows, whole.rows)
    assert np.array_equal(store.incidence.toarray(), whole.incidence.toarray())
    first, second = Kernel().of(store.graph), Kernel().of(whole.graph)
    assert np.array_equal(first.flow.data, second.flow.data)


def test_a_corpus_keeps_it_beside_its_documents(tmp_path):
    documents = [vl.Document(f"d{n}", "", (f"t{n}", "all", "zoë")) for n in range(5)]
    corpus = vl.Corpus(documents).save(tmp_path / "memory")
    before = tag_documents(corpus).graph
    corpus.close()
    with vl.Corpus.open(tmp_path / "memory") as again:
        same(tag_documents(again).graph, before)
        again.delete("d1")
        again.upsert(vl.Document("d2", "", ("new", "all")))
        changed = tag_documents(again).graph
        assert "t1" not in changed.places
        assert "new" in changed.places
    (file,) = (tmp_path / "memory").rglob("tags.npz")
    fresh = built(
        [("t0", "all", "zoë"), *[(f"t{n}", "all", "zoë") for n in (3, 4)], ("new", "all")]
    )
    with vl.Corpus.open(tmp_path / "memory") as again:
        same(tag_documents(again).graph, changed)
        assert changed.names == fresh.graph.names
    file.write_bytes(b"no archive")
    with pytest.raises(InvalidDataError, match="cannot be read"):
        TagDocuments(TagOrder(), "tags", file.parent)
    with vl.Corpus.open(tmp_path / "memory") as again:
        same(tag_documents(again).graph, changed)  # damaged: made again


def test_long_lists_join_nothing_but_count():
    graph = built([[f"t{n}" for n in range(101)], ["t0", "t1"]]).graph
    assert graph.together.nnz == 2
    assert graph.frequency[graph.places["t50"]] == 1
    with pytest.raises(InvalidInputError):
        TagOrder(first=0)


def test_tags_are_normal_and_once():
    assert normal_tag("  ＶＣＰ\n  lab ") == "VCP lab"
    assert built([("a", "a", "", "ｂ", "b")]).graph.names == ("a", "b")


def test_keyphrases_on_request():
    text = "The restore drill failed. We run the restore drill again on Friday."
    assert keyphrases(text)[0] == "restore drill"
    chinese = keyphrases("老林去骨科门诊看手腕，骨科门诊的医生让他休息。")
    assert "手腕" in chinese
    documents = [vl.Document("a", text), vl.Document("b", text, ("drill",))]
    corpus = vl.Corpus(documents)
    assert tag_documents(corpus).graph.names == ("drill",)
    either = tag_documents(corpus, source="either").graph
    assert {"restore drill", "drill"} <= set(either.names)
    assert "drill" not in tag_documents(corpus, source="keyphrases").graph.places


def test_impossible_kernels_are_refused():
    for wrong in ({"weight": "pmi"}, {"mass": 0}, {"hub_floor": 2}, {"reverse": -1}):
        with pytest.raises(InvalidInputError):
            Kernel(**wrong)
