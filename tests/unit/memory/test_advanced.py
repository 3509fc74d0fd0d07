"""Seed 002's memory calls: every channel and method, with the seed's own payloads."""

from __future__ import annotations

import pytest

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.memory.advanced import AdvancedMemory
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.models.embedding.hashing import HashEmbedder

EMBEDDER = HashEmbedder(16)


@pytest.fixture
def memory():
    memory = AdvancedMemory(embedder=EMBEDDER)
    memory.add_documents(
        [
            {
                "id": "1",
                "content": "搜索词 在这里",
                "metadata": {"category": "dress", "season": "spring"},
            },
            {"id": "2", "text": "度假风连衣裙", "tags": ["holiday"], "category": "dress"},
            {"id": 3, "content": "冬天的大衣", "timestamp": "2026-01-01", "category": "coat"},
            Document("4", "a summer dress", metadata={"category": "dress", "season": "summer"}),
        ]
    )
    return memory


def ids(hits):
    return [p.docno for p in hits]


def test_the_examples_of_the_seed(memory):
    vector = EMBEDDER.embed_queries(["搜索词"])[0].tolist()
    light = memory.light_memo_search(
        {
            "query": "搜索词",
            "queryEmbedding": vector,
            "config": {"bm25Weight": 0.3, "semanticWeight": 0.7, "topK": 10},
        }
    )
    assert ids(light)[0] == "1"
    deep = memory.deep_memo_search(
        {
            "query": "搜索词",
            "queryEmbedding": vector,
            "config": {"rerank": True, "initialTopK": 100, "finalTopK": 1},
        }
    )
    assert ids(deep) == ["1"]
    mesh = memory.mesh_memo_search(
        {
            "queryEmbedding": EMBEDDER.embed_queries(["度假风连衣裙"])[0].tolist(),
            "config": {
                "query": "度假风连衣裙",
                "filters": [
                    {"field": "category", "operator": "equals", "value": "dress"},
                    {"field": "season", "operator": "in", "value": ["spring", "summer"]},
                ],
                "diversitySampling": True,
            },
        }
    )
    assert set(ids(mesh)) == {"1", "4"}


def test_python_spelling_gives_the_same(memory):
    assert ids(memory.light_memo_search("搜索词", bm25_weight=0.3, top_k=2)) == ids(
        memory.light_memo_search({"query": "搜索词", "config": {"bm25Weight": 0.3, "topK": 2}})
    )
    either = memory.mesh_memo_search(
        "大衣",
        filters=[
            {"field": "category", "operator": "equals", "value": "coat"},
            {"field": "season", "operator": "equals", "value": "summer"},
        ],
        logic="or",
        custom_filter=lambda document: document.id != "4",
    )
    assert ids(either) == ["3"]
    assert ids(
        memory.mesh_memo_search(
            {"query": "dress", "config": {"customFilter": lambda d: d.id == "4"}}
        )
    ) == ["4"]


def test_every_channel(memory):
    assert memory.invoke("AdvancedMemory_GetDocumentCount") == 4
    assert memory.invoke("AdvancedMemory_AddDocument", {"id": "5", "content": "月亮"}) == 5
    assert memory.invoke("AdvancedMemory_AddDocuments", [{"id": "5", "content": "moon"}]) == 5
    for channel in AdvancedMemory.CHANNELS:
        if channel.endswith("Search"):
            assert "5" in ids(memory.invoke(channel, {"query": "moon"}))
    memory.invoke("AdvancedMemory_Clear")
    assert memory.get_document_count() == 0
    with pytest.raises(NotFoundError, match="channel"):
        memory.invoke("AdvancedMemory_Nothing")


def test_bad_payloads_are_refused_and_change_nothing(memory):
    for wrong in (
        {"query": "x", "config": {"topKK": 1}},
        {"query": "x", "konfig": {}},
        {"query": "x", "config": {"topK": 0}},
        {"config": {"query": 5}},
    ):
        with pytest.raises(InvalidInputError):
            memory.light_memo_search(wrong)
    for wrong in (
        "text",
        {"id": "9", "content": "x", "embedding": [1.0]},
        {"id": "9", "content": "x", "timestamp": "yesterday"},
        {"content": "without an id"},
        {"id": "9", "content": None, "text": None},
    ):
        with pytest.raises(InvalidInputError):
            memory.add_documents([{"id": "8", "content": "fine"}, wrong])
    assert memory.get_document_count() == 4


def test_it_works_on_ones_own_corpus(tmp_path):
    with Corpus.open(tmp_path / "c") as corpus:
        memory = AdvancedMemory(corpus, embedder=EMBEDDER)
        memory.add_document({"id": "1", "content": "moon"})
        assert corpus.count() == 1
        assert "moon" in memory.deep_memo_search("moon")[0].text
        assert "corpus" in repr(memory).lower()
