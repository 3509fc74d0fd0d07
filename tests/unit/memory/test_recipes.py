"""The named engines: what their parameters stand for, on disk and in memory."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.filters import field
from vcplab.memory.recipes.deep import DeepMemo
from vcplab.memory.recipes.light import LightMemo
from vcplab.memory.recipes.mesh import MeshMemo
from vcplab.memory.stages.proximity import Proximity
from vcplab.memory.syntax import QuerySyntaxError
from vcplab.models.embedding.hashing import HashEmbedder

EMBEDDER = HashEmbedder(32)
DOCUMENTS = [
    Document(
        str(n),
        text,
        tags,
        datetime(2026, 1 + n, 1),
        {"category": "dress" if n % 2 else "coat", "season": season, "price": 10 * n},
    )
    for n, (text, tags, season) in enumerate(
        [
            ("a blue coat for the winter", ("winter",), "winter"),
            ("a summer dress, blue as the sea", ("holiday",), "summer"),
            ("度假风连衣裙，蓝色", ("holiday", "度假"), "spring"),
            ("a dress for the office", (), "spring"),
            ("the winter coat was moved to the attic", ("winter",), "winter"),
            ("blue dress, draft of the catalogue", ("draft",), "summer"),
        ]
    )
]


class Backwards:
    """A reranker that likes short texts."""

    name = "backwards"
    fingerprint = "backwards-1"

    def score(self, query, documents):
        return np.array([-len(text) for text in documents], float)


@pytest.fixture(params=["memory", "disk"])
def corpus(request, tmp_path):
    corpus = Corpus(DOCUMENTS)
    if request.param == "disk":
        corpus = corpus.save(tmp_path / "memory")
        yield corpus
        corpus.close()
    else:
        yield corpus


def ids(hits):
    return [p.docno for p in hits]


@pytest.mark.parametrize("recipe", [LightMemo, DeepMemo, MeshMemo])
def test_an_engine_finds_by_words_and_is_its_stages(corpus, recipe):
    engine = recipe(embedder=EMBEDDER)
    hits = engine.on(corpus).search("blue dress")
    assert {"1", "5"} <= set(ids(hits)[:3])
    assert ids(hits) == ids(engine.stages().on(corpus).search("blue dress"))
    assert engine.fingerprint == recipe(embedder=EMBEDDER).fingerprint
    assert engine.fingerprint != recipe(embedder=HashEmbedder(16)).fingerprint
    assert engine.name.startswith(recipe.__name__)


def test_lists_have_the_length_that_is_asked_for(corpus):
    assert len(DeepMemo(embedder=EMBEDDER, final_top_k=2).on(corpus).search("blue")) == 2
    assert len(MeshMemo(embedder=EMBEDDER, final_top_k=3).on(corpus).search("blue")) == 3
    assert len(MeshMemo(embedder=EMBEDDER, final_top_k=3).on(corpus).search("blue", k=5)) == 5
    narrow = DeepMemo(embedder=EMBEDDER, initial_top_k=1, semantic_weight=0)
    assert len(narrow.on(corpus).run(["blue"]).frame) == 1


def test_reranking(corpus):
    for recipe in (LightMemo, DeepMemo, MeshMemo):
        hits = recipe(embedder=EMBEDDER, rerank=Backwards()).on(corpus).search("blue dress winter")
        lengths = [len(p.text) for p in hits]
        assert lengths == sorted(lengths)
        for quick in (True, Proximity(weight=0.5)):
            assert len(recipe(embedder=EMBEDDER, rerank=quick).on(corpus).search("blue dress"))
        for wrong in ("yes", object(), Backwards):
            with pytest.raises(InvalidInputError):
                recipe(rerank=wrong)
        with pytest.raises(InvalidInputError, match="ranked list"):
            recipe(rerank=LightMemo())


def test_mesh_filters_before_it_recalls(corpus):
    seed = MeshMemo(
        filters=[
            {"field": "category", "operator": "equals", "value": "dress"},
            {"field": "season", "operator": "in", "value": ["spring", "summer"]},
        ],
        diversity_sampling=True,
        embedder=EMBEDDER,
    )
    assert set(ids(seed.on(corpus).search("winter coat"))) == {"1", "3", "5"}
    ours = MeshMemo(filters=(field("price") < 30) & ~(field("tags") == "winter"), embedder=EMBEDDER)
    assert set(ids(ours.on(corpus).search("blue"))) == {"1", "2"}
    deep = DeepMemo(filters=field("time") >= "2026-05-01", embedder=EMBEDDER)
    assert set(ids(deep.on(corpus).search("coat"))) == {"4", "5"}
    # A list is as long as there are documents that may be found, however unlike the query.
    assert (
        len(MeshMemo(filters=field("price") >= 0, embedder=EMBEDDER).on(corpus).search("sea")) == 6
    )


def test_mesh_prefers_the_recent_and_says_so_in_its_parameters(corpus):
    fresh = MeshMemo(semantic_weight=0, time_decay="30d", decay_floor=0.0)
    stale = MeshMemo(semantic_weight=0, time_decay=None)
    asked = {"query": "winter coat", "asked_at": datetime(2026, 7, 1)}
    assert ids(stale.on(corpus).search(**asked))[0] == "0"
    assert ids(fresh.on(corpus).search(**asked))[0] == "4"
    assert fresh.reads_clock
    assert not stale.reads_clock


def test_deep_speaks_the_query_language_in_every_lane(corpus):
    deep = DeepMemo(syntax="deepmemo", embedder=EMBEDDER, query_preset="[draft]")
    found = ids(deep.on(corpus).search('"blue dress" (summer:1.5) [attic]'))
    # The dense lane gives everything; what is excluded is dropped from it, too.
    assert set(found) == {"0", "1", "2", "3"}
    assert found[0] == "1"
    with pytest.raises(QuerySyntaxError):
        deep.on(corpus).search("(blue")
    plain = DeepMemo(embedder=EMBEDDER)
    assert len(plain.on(corpus).search("(blue [x")) == 6
    why = deep.on(corpus).why("blue [attic]", "4")
    assert "dropped here" in why.accounts[-1].reason
    with pytest.raises(InvalidInputError, match="syntax"):
        DeepMemo(query_preset="[draft]")


@pytest.mark.parametrize(
    "wrong",
    [
        {"initial_top_k": 0},
        {"final_top_k": -1},
        {"final_top_k": True},
        {"bm25_weight": -1},
        {"bm25_weight": 0, "semantic_weight": 0},
        {"fields": ("nothing",)},
        {"filters": "category = dress"},
    ],
)
@pytest.mark.parametrize("recipe", [DeepMemo, MeshMemo])
def test_impossible_parameters_are_refused_where_they_are_written(recipe, wrong):
    with pytest.raises(InvalidInputError):
        recipe(**wrong)


def test_parameters_can_be_swept():
    for recipe in (LightMemo, DeepMemo, MeshMemo):
        engine = recipe().set_params(bm25_weight=0.5)
        assert engine.get_params()["bm25_weight"] == 0.5
        assert engine.fingerprint != recipe().fingerprint
