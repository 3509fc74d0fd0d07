"""Spreading agrees with dense loops written from the formulas, on random graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tests.support import dense_tags
from vcplab.core.errors import InvalidInputError
from vcplab.memory.tags.kernel import TagKernel
from vcplab.memory.tags.spreading import BreadthFirst, NoSpread, PageRank, Spikes
from vcplab.memory.tags.spreading.base import strongest_path


@st.composite
def networks(draw):
    """A random sub-stochastic flow with wormholes, and seeds."""
    size = draw(st.integers(1, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.1, 0.4, 1.0]))
    weight = random.random((size, size)) * (random.random((size, size)) < density)
    if draw(st.booleans()):
        weight = np.round(weight * 3) / 3  # many ties
    np.fill_diagonal(weight, 0)
    total = weight.sum(axis=1, keepdims=True)
    flow = np.divide(0.95 * weight, total, out=np.zeros_like(weight), where=total > 0)
    holes = (random.random((size, size)) < 0.3) & (flow > 0)
    seeds = random.random(size) * (random.random(size) < 0.5)
    if seeds.sum() > 0:
        seeds = seeds / seeds.sum()
    return flow, holes, seeds


def as_kernel(flow, holes):
    matrix = sparse.csr_array(flow)
    rows, columns = matrix.tocoo().coords
    names = tuple(f"t{n}" for n in range(len(flow)))
    return TagKernel(names, matrix, holes[rows, columns], flow.sum(axis=0))


@given(networks(), st.sampled_from([0.0, 0.15, 0.55, 0.85]))
@settings(max_examples=100)
def test_pagerank_is_the_fixed_point(network, walk):
    flow, holes, seeds = network
    kernel = as_kernel(flow, holes)
    exact = dense_tags.pagerank(flow, seeds, walk)
    close = PageRank(walk, tolerance=1e-12).spread(kernel, seeds[None, :])[0]
    assert np.abs(close - exact).max() <= 1e-9
    # The default leaves out no more than it says.
    usual = PageRank(walk).spread(kernel, seeds[None, :])[0]
    assert np.abs(usual - exact).sum() <= PageRank(walk).tolerance


SPIKES = [
    Spikes(),
    Spikes(firing=0.01, quiet=0.001, decay=0.7),
    Spikes(hops=6, momentum=3, neighbours=2, states=5, emergent=2, firing=0, quiet=0, decay=0.9),
]


@given(networks(), st.sampled_from(SPIKES))
@settings(max_examples=150)
def test_spikes_are_the_loops(network, spikes):
    flow, holes, seeds = network
    found = spikes.spread(as_kernel(flow, holes), seeds[None, :])[0]
    assert np.abs(found - dense_tags.spikes(flow, holes, seeds, spikes)).max() <= 1e-9


@given(networks(), st.integers(1, 3), st.integers(1, 5), st.sampled_from([0.0, 0.2]))
@settings(max_examples=80)
def test_breadth_first_is_the_loops(network, depth, neighbours, floor):
    flow, holes, seeds = network
    found = BreadthFirst(depth, neighbours, floor).spread(as_kernel(flow, holes), seeds[None, :])[0]
    exact = dense_tags.breadth_first(flow, seeds, depth, neighbours, floor, 0.7)
    assert np.abs(found - exact).max() <= 1e-9


@given(st.lists(networks(), min_size=1, max_size=1), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_a_query_is_alone_in_its_batch(networks_, seed):
    """Bit for bit, or a search and an evaluation would rank ties differently."""
    flow, holes, seeds = networks_[0]
    kernel = as_kernel(flow, holes)
    other = np.random.default_rng(seed).random((3, len(seeds)))
    batch = np.vstack([other / other.sum(axis=1, keepdims=True), seeds])
    for spread in (NoSpread(), BreadthFirst(), Spikes(), PageRank(0.7)):
        alone = spread.spread(kernel, seeds[None, :])[0]
        assert np.array_equal(spread.spread(kernel, batch)[3], alone)
        assert (alone >= 0).all()
        empty = spread.spread(kernel, np.zeros((1, len(seeds))))
        assert not empty.any()


def test_the_path_is_the_strongest():
    flow = np.zeros((4, 4))
    flow[0, 1], flow[1, 3], flow[0, 2], flow[2, 3] = 0.5, 0.4, 0.3, 0.9
    kernel = as_kernel(flow, np.zeros((4, 4), bool))
    seeds = np.array([1.0, 0, 0, 0])
    path = strongest_path(kernel, seeds, 3, 4)
    assert [name for name, _ in path] == ["t0", "t2", "t3"]
    assert [energy for _, energy in path] == pytest.approx([1.0, 0.3, 0.27])
    assert strongest_path(kernel, seeds, 3, 1) == ()
    assert strongest_path(kernel, seeds, 0, 4) == (("t0", 1.0),)
    assert strongest_path(kernel, np.zeros(4), 3, 4) == ()
    assert NoSpread().path(kernel, seeds, 3) == ()


def test_hubs_are_cut_once():
    flow = np.full((30, 30), 0.95 / 29)
    np.fill_diagonal(flow, 0)
    kernel = as_kernel(flow, np.zeros((30, 30), bool))
    cut, holes = kernel.strongest(5)
    assert np.diff(cut.indptr).tolist() == [5] * 30
    assert len(holes) == cut.nnz
    assert kernel.strongest(5)[0] is cut
    assert kernel.strongest(40)[0] is kernel.flow


def test_impossible_ways_are_refused():
    for wrong in (
        lambda: PageRank(1.0),
        lambda: PageRank(tolerance=0),
        lambda: BreadthFirst(depth=0),
        lambda: Spikes(decay=1.5),
        lambda: Spikes(hops=0),
    ):
        with pytest.raises(InvalidInputError):
            wrong()
