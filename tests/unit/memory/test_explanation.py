"""``why``: the account agrees with the run."""

from __future__ import annotations

import pytest

import vcplab as vl
from vcplab.core.errors import NotFoundError

HASH = vl.HashEmbedder(64)


@pytest.fixture
def corpus():
    texts = ["the kitchen budget", "budget talk on Friday", "<b>oven</b>", "厨房的预算", "Friday"]
    return vl.Corpus([vl.Document(f"d{i}", t) for i, t in enumerate(texts)])


@pytest.mark.parametrize("fusion", [vl.RRF(), vl.Convex(0.3), vl.Convex(0.5, norm="minmax")])
def test_contributions_sum_to_the_fused_score(corpus, fusion):
    memory = (vl.BM25() + vl.Dense(HASH) >> fusion).on(corpus)
    for hit in memory.search("Friday budget", 5):
        frame = memory.why("Friday budget", hit.docno).to_frame()
        fused = frame[(frame.kind == "fusion") & (frame.lane == "")].iloc[0]
        shares = frame[(frame.kind == "fusion") & (frame.lane != "")].contribution
        assert shares.sum() == pytest.approx(hit.score, abs=1e-9)
        assert fused.score == pytest.approx(hit.score, abs=1e-9)
        assert fused["rank"] == hit.rank == memory.why("Friday budget", hit.docno).rank


def test_matched_and_missing_terms_are_named(corpus):
    why = vl.BM25().on(corpus).why("budget Friday oven", "d1")
    assert why.rank == 0
    reason = why.accounts[0].reason
    assert "budget" in reason
    assert "not in it: oven" in reason
    assert "no term in common" in vl.BM25().on(corpus).why("oven", "d0").accounts[0].reason


def test_what_a_stage_dropped_is_said(corpus):
    why = (vl.Rewrite(str.upper) >> vl.BM25() >> vl.Top(1)).on(corpus).why("budget", "d1")
    assert [a.kind for a in why.accounts] == ["query", "lane", "ranking"]
    assert why.accounts[0].reason == "now asks: BUDGET"
    assert why.rank is None
    assert why.accounts[-1].reason == "dropped here, was at rank 1"


def test_it_shows_itself_inertly(corpus):
    why = vl.LightMemo(embedder=HASH).on(corpus).why("<img src=x onerror=1>", "d2")
    assert "<img" not in why._repr_html_()
    assert "LightMemo" in repr(why)
    assert "Dense" in str(why)
    with pytest.raises(NotFoundError):
        vl.BM25().on(corpus).why("x", "nope")
