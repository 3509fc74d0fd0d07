"""The exact dense index."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidDataError, InvalidInputError, SchemaMismatchError
from vcplab.memory.index.dense import VectorIndex


def unit(n, d=8, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_top_k_is_the_full_sort():
    vectors, queries = unit(300), unit(70, seed=1)
    index = VectorIndex(8)
    index.add(range(300), vectors)
    for query, found in zip(queries, index.search(queries, 7), strict=True):
        cosines = vectors @ query
        assert found.rows.tolist() == np.argsort(-cosines, kind="stable")[:7].tolist()
        np.testing.assert_allclose(index.score(query, found.rows), found.scores, atol=1e-6)


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(1, 6))
def test_deleting_equals_never_adding(gone, batch):
    vectors = unit(20)
    index = VectorIndex(8)
    for at in range(0, 20, batch):
        index.add(range(at, min(20, at + batch)), vectors[at : at + batch])
    index.delete(gone)
    kept = [row for row in range(20) if row not in gone]
    rebuilt = VectorIndex(8)
    rebuilt.add(kept, vectors[kept])
    (a,), (b,) = index.search(unit(1, seed=2), 5), rebuilt.search(unit(1, seed=2), 5)
    assert a.rows.tolist() == b.rows.tolist()
    assert len(index) == len(kept)


def test_mask_and_empty():
    index = VectorIndex(8)
    assert len(index.search(unit(1), 3)[0]) == 0
    index.add(range(10), unit(10))
    mask = np.zeros(10, bool)
    mask[[2, 5]] = True
    assert set(index.search(unit(1, seed=3), 5, mask=mask)[0].rows.tolist()) == {2, 5}


def test_ties_go_to_the_smaller_row():
    index = VectorIndex(2)
    index.add(range(6), np.tile(np.array([[1, 0]], np.float32), (6, 1)))
    assert index.search(np.array([[1, 0]], np.float32), 3)[0].rows.tolist() == [0, 1, 2]


def test_wrong_vectors_are_refused():
    index = VectorIndex(8)
    with pytest.raises(InvalidInputError, match="shape"):
        index.add([0], np.zeros((1, 7), np.float32))
    with pytest.raises(InvalidInputError, match="finite"):
        index.add([0], np.full((1, 8), np.nan, np.float32))
    assert len(index) == 0


# Many vectors: a graph finds candidates, the stored vectors score them.


def graphed(n, folder=None, seed=0, **options):
    options = {"exact_limit": 50, "threads": 1, **options}
    index = VectorIndex(8, folder, **options)
    index.add(range(n), unit(n, seed=seed))
    if folder is not None:
        index.commit(n, 0)
    return index


def lists(rankings):
    return [(r.rows.tolist(), r.scores.tolist()) for r in rankings]


@given(
    n=st.integers(60, 160),
    more=st.integers(0, 90),
    gone=st.sets(st.integers(0, 200), max_size=20),
    share=st.sampled_from([None, 0.02, 0.5, 0.95]),
    k=st.integers(1, 12),
    queries=st.integers(1, 3),
)
def test_a_graph_gives_exact_scores_and_full_lists(n, more, gone, share, k, queries):
    index = graphed(n)
    asked = unit(queries, seed=5)
    index.search(asked, k)  # makes the graph
    assert index._graph is not None
    assert "recall" in index.notice
    index.add(range(n, n + more), unit(more, seed=9))
    index.delete(sorted(gone))
    exact = VectorIndex(8, mode="exact")
    exact.add(range(n), unit(n))
    exact.add(range(n, n + more), unit(more, seed=9))
    exact.delete(sorted(gone))
    assert len(index) == len(exact)
    mask = None if share is None else np.random.default_rng(n).random(n + more) < share
    for found, true in zip(
        index.search(asked, k, mask=mask), exact.search(asked, k, mask=mask), strict=True
    ):
        assert len(found) == len(true)
        assert len(set(found.rows.tolist())) == len(found)
        assert not set(found.rows.tolist()) & gone
        assert mask is None or mask[found.rows].all()
        # Few enough that the graph sees them all: what it gives is what there is.
        assert found.rows.tolist() == true.rows.tolist()
        assert found.scores.tolist() == true.scores.tolist()


def test_recall_is_measured():
    index = graphed(2000, exact_limit=100)
    assert index.recall(unit(50, seed=3), 10) > 0.95
    assert VectorIndex(8).recall(unit(2)) == 1.0
    exact = VectorIndex(8, mode="exact", exact_limit=5)
    exact.add(range(100), unit(100))
    assert exact.recall(unit(3, seed=1)) == 1.0
    assert exact.notice == ""


def test_zero_queries_find_nothing_in_a_graph():
    index = graphed(200)
    zero = np.zeros((2, 8), np.float32)
    assert [len(r) for r in index.search(zero, 3)] == [0, 0]
    assert len(index.search(zero[:1], 3)[0]) == 0


def test_without_usearch_every_vector_is_compared(monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    index = graphed(100)
    (found,) = index.search(unit(1, seed=2), 5)
    assert len(found) == 5
    assert "not installed" in index.notice


@pytest.mark.parametrize("limit", [50, 1000])
def test_a_folder_opens_as_it_was_committed(tmp_path, limit):
    index = graphed(120, tmp_path, exact_limit=limit)
    index.delete([3, 5])
    index.commit(120, 2)
    asked = unit(4, seed=3)
    expected = lists(index.search(asked, 10))
    index.add([120], unit(1, seed=8))  # never committed
    again = VectorIndex(8, tmp_path, exact_limit=limit)
    assert again.seen() == (120, 2)
    assert lists(again.search(asked, 10)) == expected
    assert (again._graph is not None) == (limit == 50)
    # Another process goes on; this one takes it over.
    again.add(range(120, 300), unit(180, seed=8))
    again.commit(300, 2)
    index.reload()
    assert len(index) == len(again) == 298
    assert lists(index.search(asked, 10)) == lists(again.search(asked, 10))
    assert len(list(tmp_path.glob("graph-*.usearch"))) == (1 if limit == 50 else 0)
    np.testing.assert_array_equal(
        index.vectors(np.array([0, 299])), again.vectors(np.array([0, 299]))
    )


def test_folders_of_something_else_and_damage_are_told(tmp_path):
    graphed(120, tmp_path)
    with pytest.raises(SchemaMismatchError, match="length 8"):
        VectorIndex(9, tmp_path)
    graph = next(tmp_path.glob("graph-*.usearch"))
    content = graph.read_bytes()
    graph.write_bytes(b"nonsense")
    with pytest.raises(InvalidDataError, match="graph"):
        VectorIndex(8, tmp_path)
    graph.write_bytes(content)
    meta = tmp_path / "meta.json"
    noted = meta.read_text(encoding="utf-8")
    for broken in ("{", "{}", noted.replace('"vectors": 120', '"vectors": 99999')):
        meta.write_text(broken, encoding="utf-8")
        with pytest.raises(InvalidDataError):
            VectorIndex(8, tmp_path)


def test_rows_must_grow():
    index = VectorIndex(8)
    index.add([5], unit(1))
    for rows in ([5], [4], [7, 6]):
        with pytest.raises(InvalidInputError, match="ascending"):
            index.add(rows, unit(len(rows)))
    with pytest.raises(InvalidInputError, match="mode"):
        VectorIndex(8, mode="guess")
