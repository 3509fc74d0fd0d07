"""The waterfall: parts sum to the score, replaced scores are shown old → new, all of it inert."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pytest

import vcplab as vl
from vcplab.memory.explaining.waterfall import steps
from vcplab.memory.recipes.tag import TagMemo
from vcplab.memory.stages.tag_field import TagField

HASH = vl.HashEmbedder(64)
TEXTS = [
    ("the kitchen budget", ("money", "home")),
    ("budget talk on Friday with the oven people", ("money", "meeting")),
    ("a new oven for the kitchen", ("home",)),
    ("厨房的预算", ("home", "money")),
    ("Friday is for the choir", ("music", "meeting")),
    ("the choir needs a budget", ("music", "money")),
]


class Backwards:
    """A reranker that likes what is long."""

    name = "backwards"
    fingerprint = "backwards-1"

    def score(self, query, documents):
        return [float(len(document)) for document in documents]


@pytest.fixture(scope="module")
def corpus():
    return vl.Corpus(
        [
            vl.Document(f"d{i}", text, tags=tags, time=datetime(2026, 1, i + 1, tzinfo=UTC))
            for i, (text, tags) in enumerate(TEXTS)
        ]
    )


BASE = vl.LightMemo(embedder=HASH)
SYSTEMS = {
    "light": BASE,
    "deep": vl.DeepMemo(embedder=HASH, rerank=True),
    "mesh": vl.MeshMemo(embedder=HASH, diversity_sampling=True),
    "tag": TagMemo(base=BASE, field=TagField(), embedder=HASH),
    "rrf": vl.BM25() + vl.Dense(HASH) >> vl.RRF() >> vl.Decay() >> vl.Top(3),
    "aged": BASE >> vl.Decay("1d"),
    "reranker": BASE >> vl.Rerank(Backwards()),
    "mmr": BASE >> vl.MMR(embedder=HASH) >> vl.Dedup(by="text"),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_parts_sum_to_the_score_of_their_stage(corpus, name):
    retriever = SYSTEMS[name].on(corpus)
    hits = retriever.search("Friday kitchen budget", 6)
    seen = 0
    for hit in hits:
        why = retriever.why("Friday kitchen budget", hit.docno, 6)
        frame = why.waterfall()
        total = 0.0
        for row in frame.to_dict("records"):
            if row["kind"] == "part":
                total += 0.0 if np.isnan(row["change"]) else row["change"]
                seen += 1
            elif row["kind"] == "sum":
                assert total == pytest.approx(row["end"], abs=1e-9)
                total = 0.0
        last = frame.iloc[-1]
        assert last["end"] == pytest.approx(hit.score, abs=1e-9)
        assert last["rank"] == hit.rank == why.rank
        assert sum(why.shares.values()) == pytest.approx(
            frame[frame.kind == "sum"].iloc[-1 - (name == "tag")]["end"], abs=1e-9
        )
    assert seen


@pytest.mark.parametrize(
    ("name", "stage"),
    [("deep", "Proximity"), ("mesh", "MMR"), ("reranker", "Rerank"), ("aged", "Decay")],
)
def test_stages_that_replace_scores_show_old_and_new(corpus, name, stage):
    why = SYSTEMS[name].on(corpus).why("Friday kitchen budget", "d1", 6)
    before = why.accounts[[a.stage.startswith(stage) for a in why.accounts].index(True) - 1]
    (step,) = (step for step in steps(why.accounts) if step.stage.startswith(stage))
    assert step.kind == "moved"
    assert step.start == before.score
    assert step.rank_before == before.rank
    assert step.end != step.start
    assert f"→ {step.rank}" in step.reason


def test_a_gate_and_a_cut_remove(corpus):
    why = (vl.BM25() >> vl.Top(1)).on(corpus).why("budget", "d1")
    assert why.filters == (("Top(1)", why.accounts[-1].reason),)
    assert why.waterfall().kind.tolist() == ["lane", "removed"]
    assert "→ removed" in why._repr_html_()


def test_filters_that_removed_it_are_named(corpus):
    home = vl.Filter(vl.field("tags").has("home")) if hasattr(vl.field("tags"), "has") else None
    home = home or vl.Filter(lambda document: "home" in document.tags)
    why = (home >> vl.BM25()).on(corpus).why("choir", "d4")
    assert [stage for stage, _ in why.filters] == [home.name]
    behind = (vl.BM25() >> home).on(corpus).why("choir", "d4")
    assert [stage for stage, _ in behind.filters] == [home.name]
    assert (home >> vl.BM25()).on(corpus).why("kitchen", "d0").filters == ()


def test_tags_and_the_way_to_them_are_data(corpus):
    retriever = SYSTEMS["tag"].on(corpus)
    why = retriever.why("money", "d5", 6)
    lane = next(a for a in why.accounts if a.stage.startswith("TagLane"))
    assert dict(lane.terms).keys() <= {"music", "money"}
    assert sum(share for _, share in lane.terms) == pytest.approx(lane.score, abs=1e-9)
    assert why.path == lane.path
    assert why.path[-1][0] in {"music", "money"}


def test_it_is_inert_and_has_one_bar_per_score(corpus):
    hostile = vl.Corpus([vl.Document("<img src=x>", "<script>alert(1)</script> budget")])
    why = BASE.on(hostile).why('budget "><script>', "<img src=x>")
    html = why._repr_html_()
    assert "<script" not in html
    assert "<img" not in html
    shown = [step for step in steps(why.accounts) if step.end is not None]
    assert len(re.findall("<svg", html)) == len(shown)
    assert "prefers-color-scheme: dark" in html


def test_it_can_be_drawn(corpus):
    figure = SYSTEMS["tag"].on(corpus).why("预算 $x$", "d3", 6).plot()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert any(label.startswith("Convex") for label in labels)
    assert figure._repr_svg_().startswith("<svg")
