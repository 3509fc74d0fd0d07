"""The exact dense index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError
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
