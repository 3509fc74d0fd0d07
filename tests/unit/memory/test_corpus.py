"""The corpus: identity, changes all or none, shared structures that never lag."""

from __future__ import annotations

import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.stages.lexical import BM25


class Recorder:
    def __init__(self):
        self.live = {}

    def add(self, rows, documents):
        assert not set(rows) & set(self.live)
        self.live.update(zip(rows, (d.id for d in documents), strict=True))

    def delete(self, rows):
        for row in rows:
            del self.live[row]


def docs(*ids):
    return [Document(i, f"text of {i}") for i in ids]


def test_changes_are_all_or_none():
    corpus = Corpus(docs("a", "b"))
    before = corpus.fingerprint, corpus.version
    for change in (
        lambda: corpus.add(docs("c", "a")),
        lambda: corpus.add(docs("c", "c")),
        lambda: corpus.upsert(docs("c", "c")),
        lambda: corpus.add([Document("c", "x"), "no document"]),
    ):
        with pytest.raises(InvalidInputError):
            change()
    for change in (lambda: corpus.update(docs("a", "c")), lambda: corpus.delete(["a", "c"])):
        with pytest.raises(NotFoundError, match="'c'"):
            change()
    assert (corpus.fingerprint, corpus.version) == before
    assert [d.id for d in corpus] == ["a", "b"]


def test_update_upsert_delete_clear():
    corpus = Corpus(docs("a", "b"))
    corpus.update(Document("a", "new"))
    assert corpus["a"].text == "new"
    assert corpus.upsert([Document("a", "new"), *docs("c")]) == 1, "unchanged ones cost nothing"
    assert corpus.delete("b") == 1
    assert corpus.count() == len(corpus) == 2
    assert "b" not in corpus
    corpus.clear()
    assert corpus.count() == 0
    assert corpus.fingerprint == Corpus().fingerprint
    corpus.add(docs("z"))
    assert [d.id for d in corpus] == ["z"]


ids = st.sampled_from("abcdef")
operations = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), ids, st.text(max_size=3)),
        st.tuples(st.just("delete"), ids, st.just("")),
        st.tuples(st.just("look"), ids, st.just("")),
    ),
    max_size=20,
)


@given(operations)
def test_fingerprint_and_derived_follow_every_change(operations):
    corpus = Corpus()
    for kind, docno, text in operations:
        if kind == "upsert":
            corpus.upsert(Document(docno, text))
        elif kind == "delete" and docno in corpus:
            corpus.delete(docno)
        elif kind == "look":
            corpus.derived("r", Recorder)
    rebuilt = Corpus(sorted(corpus, key=lambda d: d.id))
    assert corpus.fingerprint == rebuilt.fingerprint
    live = corpus.derived("r", Recorder).live
    assert sorted(live.values()) == sorted(d.id for d in corpus)
    assert all(corpus.row(docno) == row for row, docno in live.items())


def test_a_failing_structure_gets_the_same_documents_again():
    class Failing(Recorder):
        fail = True

        def add(self, rows, documents):
            if self.fail:
                raise KeyboardInterrupt
            super().add(rows, documents)

    corpus = Corpus(docs("a"))
    kept = Failing()
    with pytest.raises(KeyboardInterrupt):
        corpus.derived("f", lambda: kept)
    kept.fail = False
    assert corpus.derived("f", Failing) is kept
    assert list(kept.live.values()) == ["a"]


def test_fingerprint_sees_content_and_not_source():
    base = Document("a", "x", ("t",), metadata={"k": 1})
    same = Document("a", "x", ["t"], metadata={"k": 1}, source="elsewhere")
    assert Corpus([base]).fingerprint == Corpus([same]).fingerprint
    for other in (
        Document("a", "y", ("t",), metadata={"k": 1}),
        Document("a", "x", ("t", "u"), metadata={"k": 1}),
        Document("a", "x", ("t",), metadata={"k": 2}),
        Document("b", "x", ("t",), metadata={"k": 1}),
    ):
        assert Corpus([other]).fingerprint != Corpus([base]).fingerprint


@given(st.text(), st.text(min_size=1))
def test_any_unicode_is_a_document(text, docno):
    corpus = Corpus([Document(docno, text)])
    assert corpus[docno].text == text
    assert len(corpus.fingerprint) == 32


def test_wrong_documents_are_refused():
    for wrong in ({"id": ""}, {"id": 3}, {"text": None}):
        with pytest.raises(InvalidInputError):
            Document(**{"id": "a", "text": "x", **wrong})


def test_the_hash_gives_back_what_it_took():
    """Metadata of a stored document can be written to: its hash must still leave with it."""
    corpus = Corpus([Document("a", "x", metadata={"title": "one"}), *docs("b")])
    corpus["a"].metadata["title"] = "two"
    corpus.delete("a")
    assert corpus.fingerprint == Corpus(docs("b")).fingerprint
    corpus["b"].metadata["title"] = "new"
    assert corpus.upsert(corpus["b"]) == 1, "what has changed in place is a change"
    assert corpus.fingerprint == Corpus([corpus["b"]]).fingerprint


def test_a_document_without_digest_changes_nothing():
    class Wild:
        def __str__(self):
            raise ValueError("wild")

    corpus = Corpus(docs("a", "b"))
    before = corpus.fingerprint, corpus.version
    bad = Document("b", "x", metadata={"wild": Wild()})
    for change in (corpus.add, corpus.update, corpus.upsert):
        with pytest.raises(ValueError, match="wild"):
            change([Document("a" if change != corpus.add else "c", "new"), bad])
    assert (corpus.fingerprint, corpus.version) == before
    assert [d.text for d in corpus] == ["text of a", "text of b"]


def test_rows_of_the_dead_are_given_back():
    """A few documents that are written again and again must not fill the memory."""
    ids = [str(i) for i in range(30)]
    corpus = Corpus(docs(*ids))
    recorder = corpus.derived("r", Recorder)
    lane = BM25().on(corpus)
    for turn in range(100):
        corpus.upsert([Document(i, f"turn{turn} word{i}") for i in ids])
        if turn % 7 == 0:
            assert [hit.docno for hit in lane.search("word7", 1)] == ["7"]
        assert corpus._table.next_row <= 1000 + 3 * len(ids)
        assert corpus._table.removed <= 1000 + 2 * len(ids)
    fresh = Corpus([Document(i, f"turn99 word{i}") for i in ids])
    assert corpus.fingerprint == fresh.fingerprint
    assert [d.id for d in corpus] == ids
    assert [corpus.document(row).id for row in corpus.rows] == ids
    assert all(corpus.document(corpus.row(i)).id == i for i in ids)
    now = corpus.derived("r", Recorder)
    assert now is not recorder, "it knew the old rows"
    assert now.live == {corpus.row(i): i for i in ids}
    assert lane.run(["turn99 word3"]).frame.equals(BM25().on(fresh).run(["turn99 word3"]).frame)


def test_reading_while_rows_are_numbered_anew():
    corpus = Corpus(docs("a", "b", "c"))
    wrong, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            wrong.extend(d for i in "bc" if (d := corpus[i]).id != i)

    reader = threading.Thread(target=look)
    reader.start()
    for turn in range(3000):
        corpus.upsert(Document("a", str(turn)))
    stop.set()
    reader.join()
    assert not wrong
    assert corpus._table.next_row < 1100


def test_only_the_structures_in_use_are_kept():
    corpus = Corpus(docs("a"))
    first = corpus.derived(0, Recorder)
    for key in range(1, 200):
        corpus.derived(key, Recorder)
        assert corpus.derived(0, Recorder) is first, "used between all others"
    assert len(corpus._kept) == 64
    assert corpus.derived(1, Recorder).live == {0: "a"}, "given up, made again"


def test_a_pickle_holds_the_documents():
    corpus = Corpus(docs("a", "b", "c"), name="mine")
    corpus.delete("a")
    corpus.report.note("file", 1, "It is odd.", "Look.")
    retriever = BM25(k1=0.9).on(corpus)
    found = retriever.run(["text of c"])
    copy = pickle.loads(pickle.dumps(retriever))
    there = copy.run(["text of c"])
    assert there.frame.equals(found.frame)
    assert copy.corpus.fingerprint == corpus.fingerprint
    assert (copy.corpus.name, list(copy.corpus.report)) == ("mine", list(corpus.report))
    assert len(pickle.dumps(corpus)) < 2000, "no index travels"
    copy.corpus.add(docs("d"))
    assert "d" not in corpus
