"""The corpus: identity, changes all or none, shared structures that never lag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document


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
