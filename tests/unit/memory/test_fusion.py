"""Fusions: the textbook formulas, agreement with ranx, lanes that know what they cannot judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vcplab as vl
from vcplab.memory.index.ports import Ranking
from vcplab.memory.stages.state import Lane


@dataclass
class Fixed:
    """A lane scorer with given scores and judgements."""

    scores: dict
    blind: frozenset = frozenset()

    def score(self, query, rows):
        return np.array([self.scores.get(int(r), 0.0) for r in rows], float)

    def applies(self, query, rows):
        return np.array([int(r) not in self.blind for r in rows], bool)

    def reasons(self, query, row):
        return ""


def lane(scores, listed=None, scale="bm25", blind=()):
    rows = np.array(sorted(scores if listed is None else listed), np.int64)
    ranking = Ranking.of(rows, np.array([scores[int(r)] for r in rows], float))
    fixed = Fixed(scores, frozenset(blind))
    return Lane("x", scale, (ranking,), fixed, fixed.applies)


def fused(fusion, *lanes):
    parts = fusion.contributions(lanes, 0)
    return dict(zip(parts.rows.tolist(), parts.values.sum(axis=0).tolist(), strict=True))


def test_rrf_by_hand():
    a, b = lane({1: 9.0, 2: 5.0}), lane({2: 0.9, 3: 0.1}, scale="cosine")
    assert fused(vl.RRF(), a, b) == pytest.approx({1: 1 / 61, 2: 1 / 62 + 1 / 61, 3: 1 / 62})
    assert fused(vl.RRF(k=0, weights=(2.0, 1.0)), a, b) == pytest.approx({1: 2.0, 2: 2.0, 3: 0.5})


def test_convex_by_hand():
    a, b = (
        lane({1: 10.0, 2: 5.0, 3: 1.0}, listed=[1, 2]),
        lane({1: 0.2, 2: 0.4, 3: 0.9}, [2, 3], "cosine"),
    )
    true = {1: 0.3 + 0.7 * 0.2, 2: 0.15 + 0.7 * 0.4, 3: 0.03 + 0.7 * 0.9}
    assert fused(vl.Convex(0.3), a, b) == pytest.approx(true)
    zero = {1: 0.3, 2: 0.15 + 0.7 * 0.4, 3: 0.7 * 0.9}
    assert fused(vl.Convex(0.3, missing="zero"), a, b) == pytest.approx(zero)
    minmax = fused(vl.Convex(0.5, norm="minmax", missing="zero"), a, b)
    assert minmax == pytest.approx({1: 0.5, 2: 0.0, 3: 0.5})


def test_a_blind_lane_gives_its_weight_away():
    a, b = lane({1: 10.0, 2: 5.0}), lane({1: 0.2, 2: 0.4, 3: 0.9}, scale="cosine", blind=[2, 3])
    scores = fused(vl.Convex(0.3), a, b)
    assert scores == pytest.approx({1: 0.3 + 0.7 * 0.2, 2: 0.5}), (
        "lexical weight 1, and 3 was seen by none"
    )
    assert fused(vl.RRF(), a, b)[2] == pytest.approx(2 / 62)


def test_wholly_blind_means_lexical_alone():
    a, b = lane({1: 10.0, 2: 5.0}), lane({1: 0.2, 7: 0.4}, scale="cosine", blind=range(100))
    for fusion in (vl.Convex(0.3), vl.RRF()):
        scores = fused(fusion, a, b)
        assert sorted(scores, key=scores.get, reverse=True) == [1, 2]
    assert fused(vl.Convex(0.3), a, b) == pytest.approx({1: 1.0, 2: 0.5})


scores = st.dictionaries(st.integers(0, 30), st.floats(0.01, 50), min_size=1, max_size=12)


@given(scores, scores)
def test_convex_ends_are_the_legs(a, b):
    first, second = lane(a), lane({k: v / 50 for k, v in b.items()}, scale="cosine")
    full = fused(vl.Convex(1.0, missing="zero"), first, second)
    assert all(full[r] == pytest.approx(v / max(a.values())) for r, v in a.items())
    assert all(full[r] == 0 for r in b if r not in a)


@given(scores, scores, st.integers(0, 100))
def test_rrf_agrees_with_ranx_formula_on_any_lists(a, b, k):
    result = fused(vl.RRF(k=k), lane(a), lane(b))
    for row in result:
        expected = 0.0
        for own in (a, b):
            order = sorted(own, key=lambda r: (-own[r], r))
            if row in own:
                expected += 1 / (k + 1 + order.index(row))
        assert result[row] == pytest.approx(expected)


def test_theoretical_norm_by_hand():
    a, b = lane({1: 10.0, 2: 5.0}), lane({1: 0.2, 2: 0.6}, scale="cosine")
    scores = fused(vl.Convex(0.3, norm="theoretical"), a, b)
    assert scores == pytest.approx({1: 0.3 + 0.7 * 1.2 / 1.6, 2: 0.15 + 0.7})


@pytest.mark.slow  # ranx compiles for about 20 CPU-s
@pytest.mark.filterwarnings("ignore")  # numba's own
@pytest.mark.parametrize(
    ("ours", "method", "params", "norm", "overlap"),
    [
        (vl.RRF(), "rrf", {"k": 60}, None, False),
        (vl.RRF(k=10), "rrf", {"k": 10}, None, False),
        (
            vl.Convex(0.3, norm="minmax", missing="zero"),
            "wsum",
            {"weights": [0.3, 0.7]},
            "min-max",
            False,
        ),
        (vl.Convex(0.4, norm="max", missing="zero"), "wsum", {"weights": [0.4, 0.6]}, "max", False),
        # Where a list lacks a document ranx takes 0, we the list's end: equal on equal sets.
        (vl.Convex(0.5, norm="zscore"), "wsum", {"weights": [0.5, 0.5]}, "zmuv", True),
    ],
)
def test_fusions_agree_with_ranx(ours, method, params, norm, overlap):
    ranx = pytest.importorskip(
        "ranx", reason="ranx is a peer, installed by `make slow` and `make bench`"
    )
    rng = np.random.default_rng(0)
    lanes, runs = [], []
    for _ in range(2):
        rows = np.arange(20) if overlap else rng.choice(40, 20, replace=False)
        values = {int(r): float(v) for r, v in zip(rows, rng.permutation(20) + 1.0, strict=True)}
        lanes.append(lane(values))
        runs.append(ranx.Run({"q_1": {f"d_{r:02}": v for r, v in values.items()}}))
    theirs = ranx.fuse(runs, norm=norm, method=method, params=params).to_dict()["q_1"]
    mine = fused(ours, *lanes)
    assert {f"d_{r:02}": pytest.approx(v, abs=1e-9) for r, v in mine.items()} == theirs


class English(vl.HashEmbedder):
    languages = frozenset({"en"})

    @property
    def fingerprint(self):
        return "english-hash"


def test_an_english_encoder_never_harms_chinese():
    texts = ["老林把厨房的预算改了", "the kitchen budget", "硬盘坏了", "厨房 kitchen", "备份在老仓"]
    corpus = vl.Corpus([vl.Document(str(i), t) for i, t in enumerate(texts)])
    chinese = ["厨房预算", "备份", "谁改了预算"]
    hybrid = vl.LightMemo(embedder=English(64)).on(corpus).run(chinese)
    lexical = vl.BM25().on(corpus).run(chinese)
    assert hybrid.frame.docno.tolist() == lexical.frame.docno.tolist()
    assert "trained on en only" in hybrid.notices[0]
    dense_alone = vl.Dense(English(64)).on(corpus).run(chinese)
    assert len(dense_alone.frame) == 15, "alone it still says what it thinks"
    assert vl.LightMemo(embedder=vl.HashEmbedder(64)).on(corpus).run(chinese).notices == ()
