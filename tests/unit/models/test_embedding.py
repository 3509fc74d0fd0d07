"""Embedders and their cache."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vcplab as vl
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    MissingDependencyError,
    NotFoundError,
)
from vcplab.core.settings import override_settings
from vcplab.models.embedding import CachedEmbedder, EmbeddingCache, encoded_texts, minilm
from vcplab.protocol.ports import Embedder


class Counting(vl.HashEmbedder):
    """Counts what it is asked to encode."""

    def __init__(self):
        super().__init__(16)
        object.__setattr__(self, "seen", [])

    @property
    def fingerprint(self):
        return f"counting-{id(self)}"

    def embed_documents(self, texts):
        self.seen.extend(texts)
        return super().embed_documents(texts)

    def embed_queries(self, texts):
        self.seen.extend(texts)
        return super().embed_documents([f"query: {t}" for t in texts])


def test_nothing_is_encoded_twice(tmp_path):
    model = Counting()
    before = encoded_texts()
    first = CachedEmbedder(model, EmbeddingCache(tmp_path / "e.sqlite3"))
    a = first.embed_documents(["x", "y", "x"])
    assert sorted(model.seen) == ["warm-up", "x", "y"]
    again = CachedEmbedder(model, EmbeddingCache(tmp_path / "e.sqlite3"))
    b = again.embed_documents(["y", "z", "x"])
    assert sorted(model.seen) == ["warm-up", "x", "y", "z"]
    np.testing.assert_array_equal(a[[1, 0]], b[[0, 2]])
    assert encoded_texts() - before == 3


def test_roles_are_kept_apart():
    embedder = CachedEmbedder(Counting(), EmbeddingCache.memory())
    assert not np.array_equal(embedder.embed_documents(["x"]), embedder.embed_queries(["x"]))


def test_costs_are_remembered(tmp_path):
    class Slow(Counting):
        def embed_queries(self, texts):
            for _ in range(400_000):
                pass
            return super().embed_queries(texts)

    embedder = CachedEmbedder(Slow(), EmbeddingCache(tmp_path / "e.sqlite3"))
    _, first = embedder.embed_with_cost(["x"], "query")
    _, second = embedder.embed_with_cost(["x"], "query")
    assert first[0] > 1
    assert second[0] == pytest.approx(first[0], rel=1e-6)


def test_an_interrupted_run_keeps_what_it_had(tmp_path):
    class Breaking(Counting):
        def embed_documents(self, texts):
            if len(self.seen) > 300:
                raise KeyboardInterrupt
            return super().embed_documents(texts)

    model = Breaking()
    embedder = CachedEmbedder(model, EmbeddingCache(tmp_path / "e.sqlite3"))
    texts = [f"text {i}" for i in range(900)]
    with pytest.raises(KeyboardInterrupt):
        embedder.embed_documents(texts)
    kept = len(model.seen) - 1
    assert kept >= 256
    model.seen.clear()
    embedder.embed_documents(texts)
    assert len(model.seen) == 900 - kept


def test_an_embedder_that_breaks_its_word_is_refused():
    class Wrong(Counting):
        def embed_documents(self, texts):
            return np.zeros((len(texts), 3), np.float32)

    with pytest.raises(InvalidInputError, match="shape"):
        CachedEmbedder(Wrong(), EmbeddingCache.memory()).embed_documents(["x"])


def test_a_broken_entry_is_encoded_again(tmp_path):
    model = Counting()
    cache = EmbeddingCache(tmp_path / "e.sqlite3")
    embedder = CachedEmbedder(model, cache)
    embedder.embed_documents(["x"])
    (key,) = cache._store.keys(model.fingerprint)
    cache._store.put(model.fingerprint, key, b"short")
    embedder.embed_documents(["x"])
    assert model.seen.count("x") == 2


@given(st.lists(st.text(), max_size=5))
def test_hash_embedder_gives_unit_vectors_for_any_text(texts):
    vectors = vl.HashEmbedder().embed_documents(texts)
    assert vectors.shape == (len(texts), 64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_hash_embedder_is_the_same_everywhere():
    vector = vl.HashEmbedder(8).embed_documents(["预算 budget"])[0]
    golden = np.array([-1, 1, 0, 2, 0, 1, 0, 1]) / np.sqrt(8)
    np.testing.assert_allclose(vector, golden, atol=1e-6)
    with pytest.raises(InvalidInputError):
        vl.HashEmbedder(4)


def test_lsa_is_seeded_and_knows_its_words():
    texts = [f"topic{i % 4} word{i} shared" for i in range(40)]
    a, b = vl.LSA(8).fit(texts), vl.LSA(8).fit(texts)
    np.testing.assert_array_equal(a.embed_queries(texts), b.embed_queries(texts))
    assert a.fingerprint == b.fingerprint != vl.LSA(8).fit(texts[1:]).fingerprint
    assert not a.embed_queries(["unknown"]).any()
    assert a.embed_documents([]).shape == (0, a.dimension)
    for too_little in ([], ["one"], ["", ""]):
        with pytest.raises(InvalidInputError, match="LSA cannot learn"):
            vl.LSA().fit(too_little)


def test_the_ports_are_met():
    assert isinstance(vl.HashEmbedder(), Embedder)
    assert isinstance(vl.LSA(2).fit(["a b", "b c", "c d"]), Embedder)


def test_missing_and_wrong_weights(monkeypatch, tmp_path):
    minilm.verify_minilm.cache_clear()
    monkeypatch.setattr(minilm, "minilm_folder", lambda: None)
    with pytest.raises(MissingDependencyError, match="not installed") as caught:
        vl.MiniLM().embed_queries(["x"])
    assert "vcplab[dense]" in caught.value.next_step
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(minilm, "minilm_folder", lambda: tmp_path)
    with pytest.raises(InvalidDataError, match="SHA-256"):
        vl.MiniLM().embed_queries(["x"])
    minilm.verify_minilm.cache_clear()


def test_an_absent_model_is_not_downloaded():
    pytest.importorskip("huggingface_hub", reason="needs the [dense] extra")
    with pytest.raises(NotFoundError, match="no model") as caught:
        vl.SentenceTransformer("nobody/nothing").embed_queries(["x"])
    assert "offline=False" in caught.value.next_step


@pytest.mark.dense
def test_minilm_is_the_published_model():
    pytest.importorskip("sentence_transformers", reason="needs the [dense] extra")
    vectors = vl.MiniLM().embed_documents(
        [
            "A man is eating food.",
            "A man is eating a piece of bread.",
            "The girl carries a baby.",
            "\ud800",
        ]
    )
    assert vectors.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # From the model's own card: sentence similarity of these two is about 0.76.
    assert vectors[0] @ vectors[1] == pytest.approx(0.7553, abs=2e-3)
    assert vectors[0] @ vectors[2] < 0.2
    assert vl.MiniLM().languages == {"en"}


def test_the_cache_keeps_to_the_budget_of_the_settings(tmp_path):
    texts = [f"text {i}" for i in range(1200)]
    model = vl.HashEmbedder(512)
    with override_settings(cache_budget=2**20, progress=False):
        cache = EmbeddingCache(tmp_path / "e.sqlite3")
    embedder = CachedEmbedder(model, cache)
    vectors = embedder.embed_documents(texts)
    assert cache._store.budget == 2**20
    assert cache._store.total_bytes() <= 1.1 * 2**20
    assert 0 < len(cache._store.keys(model.fingerprint)) < 600
    np.testing.assert_array_equal(embedder.embed_documents(texts), vectors)
    cache.close()


def test_vectors_are_brought_to_unit_length():
    class Long(Counting):
        def embed_documents(self, texts):
            return 7 * super().embed_documents(texts)

    vectors = CachedEmbedder(Long(), EmbeddingCache.memory()).embed_documents(["x", "y"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_an_unusable_cache_folder_is_said_and_worked_around(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    corpus = vl.Corpus([vl.Document("a", "budget")])
    with vl.override_settings(cache_dir=tmp_path / "file" / "cache"):
        hits = vl.Dense(vl.HashEmbedder(16)).on(corpus).search("budget")
    assert hits[0].docno == "a"
    assert "VCPLAB_CACHE_DIR" in hits.notices[0]
