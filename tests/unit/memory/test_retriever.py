"""Searching: any text, right ids, frames with PyTerrier's names, hostile text inert."""

from __future__ import annotations

import threading
from datetime import datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vcplab as vl
from vcplab.core.errors import InvalidInputError
from vcplab.protocol.ports import Retriever as RetrieverPort

SYSTEM = vl.LightMemo(embedder=vl.HashEmbedder(32))

anything = st.text(st.characters(), max_size=40)  # surrogates and controls included


@given(st.lists(anything, max_size=6), anything)
def test_any_text_is_a_document_and_a_query(texts, query):
    corpus = vl.Corpus([vl.Document(f"d{i}", t) for i, t in enumerate(texts)])
    for system in (vl.BM25(), SYSTEM):
        hits = system.on(corpus).search(query, 3)
        assert len({h.docno for h in hits}) == len(hits) <= 3
        assert all(h.docno in corpus and corpus[h.docno].text == h.text for h in hits)
        assert [h.rank for h in hits] == list(range(len(hits)))
        assert all(a.score >= b.score for a, b in zip(hits, list(hits)[1:], strict=False))
        assert hits._repr_html_()


@given(
    st.text(
        st.characters(categories=["Lo"], min_codepoint=0x4E00, max_codepoint=0x9FFF),
        min_size=2,
        max_size=6,
    )
)
def test_a_query_that_occurs_in_the_text_finds_it(query):
    corpus = vl.Corpus([vl.Document("hit", f"昨天说到{query}的事"), vl.Document("x", "nothing")])
    assert vl.BM25().on(corpus).search(query)[0].docno == "hit"


@given(st.data())
def test_incremental_equals_rebuild(data):
    words = st.sampled_from(["预算", "厨房", "kitchen", "budget", "Friday", "硬盘"])
    text = st.lists(words, max_size=5).map(" ".join)
    corpus = vl.Corpus()
    for _ in range(data.draw(st.integers(0, 6))):
        docno = data.draw(st.sampled_from("abcd"))
        if docno in corpus and data.draw(st.booleans()):
            corpus.delete(docno)
        else:
            corpus.upsert(vl.Document(docno, data.draw(text)))
        SYSTEM.on(corpus).search("budget")
    query = data.draw(text)
    stepwise = SYSTEM.on(corpus).search(query, 10).to_frame()
    rebuilt = SYSTEM.on(vl.Corpus(corpus)).search(query, 10).to_frame()
    pd.testing.assert_frame_equal(stepwise, rebuilt)


@pytest.fixture
def corpus():
    return vl.Corpus(
        [
            vl.Document("a", "budget of the kitchen", ("money",), datetime(2025, 4, 11)),
            vl.Document("b", "<img src=x onerror=alert(1)> budget", ("<b>",)),
        ]
    )


def test_frames_have_pyterriers_names(corpus):
    queries = pd.DataFrame({"qid": ["q2", "q1"], "query": ["kitchen", "budget"]})
    run = vl.BM25().on(corpus).run(queries, k=5)
    assert run.frame.columns.tolist() == ["qid", "query", "docno", "score", "rank"]
    assert run.frame.qid.tolist() == ["q2", "q1", "q1"]
    assert run.frame["rank"].tolist() == [0, 0, 1]
    assert run.milliseconds.shape == (2,)
    assert vl.BM25().on(corpus).transform(queries).equals(run.frame)
    empty = vl.BM25().on(vl.Corpus()).run(queries)
    assert empty.frame.columns.tolist() == run.frame.columns.tolist()
    assert len(vl.BM25().on(corpus).run([]).frame) == 0


def test_hits_show_themselves_inertly(corpus):
    hits = vl.BM25().on(corpus).search("budget <script>")
    html = hits._repr_html_()
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img" in html
    assert "2 passages" in repr(hits)
    assert hits.to_frame().docno.tolist() == [h.docno for h in hits]


def test_the_port_is_met(corpus):
    assert isinstance(vl.BM25().on(corpus), RetrieverPort)


def test_bad_questions_are_refused(corpus):
    retriever = vl.BM25().on(corpus)
    for call in (
        lambda: retriever.search(None),
        lambda: retriever.search(["a"]),
        lambda: retriever.search("a", 0),
        lambda: retriever.run(["a"], k=0),
        lambda: retriever.run(pd.DataFrame({"q": ["a"]})),
        lambda: retriever.run(pd.DataFrame({"qid": ["1"], "query": [None]})),
        lambda: retriever.run(pd.DataFrame({"qid": ["1"], "query": ["a"], "asked_at": ["soon"]})),
    ):
        with pytest.raises(InvalidInputError) as caught:
            call()
        assert caught.value.next_step


def test_clear_and_count(corpus):
    memory = SYSTEM.on(corpus)
    assert memory.count() == 2
    memory.clear()
    assert memory.count() == 0
    assert len(memory.search("budget")) == 0
    corpus.add(vl.Document("c", "budget again"))
    assert memory.search("budget")[0].docno == "c", "a new memory is visible at once"


def test_lsa_follows_its_corpus():
    texts = ["cats sleep", "dogs bark", "cats purr", "dogs run", "birds sing", "birds fly"]
    corpus = vl.Corpus([vl.Document(str(i), t) for i, t in enumerate(texts)])
    memory = vl.Dense(vl.LSA(6)).on(corpus)
    assert {h.docno for h in memory.search("cats", 2)} == {"0", "2"}
    corpus.add([vl.Document("6", "whales dive deep"), vl.Document("7", "whales sing")])
    assert {h.docno for h in memory.search("whales", 2)} == {"6", "7"}
    with pytest.raises(InvalidInputError, match="LSA cannot learn"):
        vl.Dense(vl.LSA()).on(vl.Corpus([vl.Document("a", "one")])).search("one")


def test_searching_while_another_thread_changes_the_corpus():
    corpus = vl.Corpus([vl.Document(f"d{i}", f"budget kitchen {i}") for i in range(50)])
    memory, stop, failures = SYSTEM.on(corpus), threading.Event(), []

    def search():
        while not stop.is_set():
            try:
                hits = memory.search("budget kitchen 7", 10)
                assert all(h.text.startswith("budget") for h in hits)
                memory.run(["kitchen 3"], 10)
            except Exception as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for round_ in range(60):
        corpus.upsert(vl.Document(f"d{round_ % 50}", f"budget kitchen again {round_}"))
        corpus.delete(f"d{(round_ + 25) % 50}") if f"d{(round_ + 25) % 50}" in corpus else None
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_scores_do_not_depend_on_the_batch():
    texts = [f"text number {i % 300}" for i in range(900)]
    corpus = vl.Corpus([vl.Document(f"d{i}", t) for i, t in enumerate(texts)])
    memory = vl.Dense(vl.HashEmbedder(96)).on(corpus)
    queries = texts[:40]
    together = memory.run(queries, 10).frame
    for qid, query in enumerate(queries, 1):
        alone = memory.search(query, 10)
        mine = together[together.qid == str(qid)]
        assert [h.docno for h in alone] == mine.docno.tolist()
        assert [h.score for h in alone] == mine.score.tolist()


def test_a_query_without_direction_finds_nothing():
    corpus = vl.Corpus(
        [vl.Document(str(i), t) for i, t in enumerate(["a cat", "a dog", "two cats"])]
    )
    assert len(vl.Dense(vl.LSA(2)).on(corpus).search("zzz")) == 0


def test_fits_do_not_pile_up():
    corpus = vl.Corpus([vl.Document(str(i), f"word{i} shared text") for i in range(6)])
    memory = vl.Dense(vl.LSA(64)).on(corpus)
    memory.search("shared")
    before = len(corpus._kept)
    for i in range(5):
        corpus.add(vl.Document(f"new{i}", f"other{i} shared"))
        assert memory.search(f"other{i}", 1)[0].docno == f"new{i}"
    assert len(corpus._kept) == before


def test_times_may_be_written(corpus):
    aged = (vl.BM25() >> vl.Decay("30d", 0.0)).on(corpus)
    assert aged.search("kitchen", asked_at="2025-04-11")[0].score > 0
    with pytest.raises(InvalidInputError, match="asked_at"):
        aged.search("kitchen", asked_at="soon")
