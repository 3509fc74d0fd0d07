"""The disk index: the port's promises, and text that cannot hurt it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidDataError
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document
from vcplab.memory.index.ports import StructuredQuery
from vcplab.memory.index.postings import PostingsIndex
from vcplab.memory.index.tantivy import TantivyIndex
from vcplab.memory.index.weighting import BM25Weighting
from vcplab.memory.stages.lexical import BM25, Tantivy

TOKENS = st.lists(st.sampled_from(["a", "b", "c", "猫", "预算", "é"]), max_size=8)


def built(documents, folder=None):
    index = TantivyIndex(folder)
    index.add(range(len(documents)), documents)
    return index


def lists(rankings):
    return [(r.rows.tolist(), r.scores.tolist()) for r in rankings]


@given(
    documents=st.lists(TOKENS, min_size=1, max_size=12),
    query=st.dictionaries(
        st.sampled_from(["a", "b", "猫", "预算", "none"]), st.floats(0.1, 3), max_size=3
    ),
    k=st.integers(1, 5),
    data=st.data(),
)
def test_it_finds_what_the_exact_index_finds(documents, query, k, data):
    index = built(documents)
    exact = PostingsIndex()
    exact.add(range(len(documents)), documents)
    view = exact.view(BM25Weighting())
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=1, max_size=len(documents))))
    for within in (None, mask):
        (everything,) = index.search([query], 100, mask=within)
        found = {row for row, words in enumerate(documents) if set(words) & set(query)} & (
            set(range(len(documents))) if within is None else set(np.flatnonzero(mask).tolist())
        )
        assert set(everything.rows.tolist()) == found
        (best,) = index.search([query], k, mask=within)
        assert best.rows.tolist() == everything.rows[:k].tolist()
        assert best.scores.tolist() == everything.scores[:k].tolist()
    rows = np.arange(len(documents))
    # Lengths up to 40 are kept exactly, so the scores agree but for single precision.
    assert np.allclose(index.score(query, rows), view.score(query, rows), rtol=1e-5, atol=1e-6)
    (ranked,) = index.search([query], 100)
    assert np.array_equal(index.score(query, ranked.rows), ranked.scores)


@given(documents=st.lists(TOKENS, min_size=2, max_size=10), data=st.data())
def test_adding_step_by_step_ranks_as_adding_at_once(documents, data):
    cut = data.draw(st.integers(1, len(documents) - 1))
    step = built(documents[:cut])
    step.search([{"a": 1.0}], 1)
    step.add(range(cut, len(documents)), documents[cut:])
    query = [{"a": 1.0, "猫": 2.0}, {"b": 1.0}]
    for k in (1, 2, 100):
        assert lists(step.search(query, k)) == lists(built(documents).search(query, k))


def test_ties_go_to_the_smaller_row_across_segments():
    index = TantivyIndex()
    for row in range(12):
        index.add([row], [["same"]])
        index.commit()
    for k in (1, 5, 12):
        (found,) = index.search([{"same": 1.0}], k)
        assert found.rows.tolist() == list(range(k))


def test_deleting_and_idempotence():
    index = built([["a"], ["a", "b"], ["b"]])
    index.delete([1, 77, -3])
    index.delete([1])
    index.delete([])
    assert len(index) == 2
    assert index.search([{"a": 1.0}], 5)[0].rows.tolist() == [0]
    assert index.score({"b": 1.0}, np.array([0, 1, 2])).tolist()[:2] == [0, 0]


@pytest.mark.parametrize("share", [0.001, 0.05, 0.4, 0.999])
@pytest.mark.parametrize("pattern", ["scattered", "range"])
def test_masks_of_every_size(share, pattern):
    rng = np.random.default_rng(3)
    n = 8000
    documents = [["common"] * int(c) + ["other"] for c in rng.integers(1, 9, n)]
    index = built(documents)
    mask = rng.random(n) < share if pattern == "scattered" else np.arange(n) < share * n
    (everything,) = index.search([{"common": 1.0}], n)
    allowed = everything.rows[mask[everything.rows]]
    (found,) = index.search([{"common": 1.0}], 50, mask=mask)
    assert found.rows.tolist() == allowed[:50].tolist()
    # A shorter mask excludes what it does not reach.
    (short,) = index.search([{"common": 1.0}], n, mask=np.ones(10, np.bool_))
    assert set(short.rows.tolist()) == set(range(10))
    assert index.search([{"common": 1.0}], 5, mask=np.zeros(n, np.bool_))[0].rows.tolist() == []


def test_structured_queries():
    index = built([["new", "york", "city"], ["york", "new"], ["new", "city", "new", "york"]])
    phrase = StructuredQuery({}, ((("new", "york"), 1.0),))
    (found,) = index.search([phrase], 9)
    assert sorted(found.rows.tolist()) == [0, 2]
    (double,) = index.search([StructuredQuery({}, ((("new", "york"), 2.0),))], 9)
    assert np.allclose(double.scores, 2 * found.scores)
    without = StructuredQuery({"new": 1.0}, (), (("new", "york"), ("nothing",)))
    assert index.search([without], 9)[0].rows.tolist() == [1]
    one = StructuredQuery({"york": 1.0}, ((("city",), 1.0), ((), 1.0)), (("new", "city"), ()))
    assert index.search([one], 9)[0].rows.tolist() == [0, 1]
    assert index.search([StructuredQuery({}, (), (("new",),))], 9)[0].rows.tolist() == []
    assert index.search([{}, {"new": 0.0}], 9)[1].rows.tolist() == []


@given(text=st.text(st.characters(), max_size=40))
def test_no_text_can_make_it_fail(text):
    corpus = Corpus([Document("d", text), Document("e", "plain words")])
    lane = Tantivy()
    assert {p.docno for p in lane.on(corpus).search(text)} == {
        p.docno for p in BM25().on(corpus).search(text)
    }


@pytest.mark.parametrize(
    "text", ["body:[a TO", "c++ : foo(bar)", '"', "AND OR NOT", "a:b^3~", "*", "\\", "[2020 TO *]"]
)
def test_query_languages_of_others_are_plain_text(text):
    corpus = Corpus([Document("d", f"x {text} y"), Document("e", "plain words")])
    assert len(Tantivy().on(corpus).search(text)) == len(BM25().on(corpus).search(text))


def test_it_is_opened_again_and_sees_what_others_commit(tmp_path):
    first = built([["a"], ["b"]], tmp_path)
    first.commit(2, 0)
    second = TantivyIndex(tmp_path)
    assert second.seen() == (2, 0)
    first.add([2], [["a"]])
    first.commit(3, 0)
    assert len(second) == 2
    second.reload()
    assert len(second) == 3
    # Forgotten: it was never committed.
    first.add([3], [["a"]])
    first.reload()
    assert first.seen() == (3, 0)
    assert len(first) == 3


def test_rows_are_known_though_the_note_is_behind(tmp_path):
    index = built([["a"], ["b"]], tmp_path)
    index.commit(2, 0)
    index.add([5], [["c"]])
    index.commit()  # killed before the note was written
    assert TantivyIndex(tmp_path).seen() == (6, 0)


def test_leavings_of_a_killed_process_are_no_obstacle(tmp_path):
    """Found by kill -9: the same operations give the same file names again."""
    index = built([["a"], ["b"], ["c"]], tmp_path)
    index.commit(3, 0)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    index.delete([1])
    index.commit(3, 1)
    (leaving,) = (file for file in tmp_path.iterdir() if file.suffix == ".del")
    content, listed = leaving.read_bytes(), (tmp_path / ".managed.json").read_bytes()
    # Back to the first commit, but for the file that the second had begun to write.
    for file in tmp_path.iterdir():
        if file.name not in before:
            file.unlink()
    for name, old in before.items():
        (tmp_path / name).write_bytes(old)
    leaving.write_bytes(content)
    (tmp_path / ".managed.json").write_bytes(listed)
    again = TantivyIndex(tmp_path)
    again.delete([1])
    again.commit(3, 1)
    assert len(again) == 2


def test_damage_is_told(tmp_path):
    built([["a"]], tmp_path).commit(1, 0)
    (tmp_path / "meta.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidDataError, match="cannot be opened"):
        TantivyIndex(tmp_path)


def test_where_tantivy_is_missing_the_index_in_memory_serves(monkeypatch):
    monkeypatch.setitem(sys.modules, "tantivy", None)
    corpus = Corpus([Document("d", "moon over the harbour")])
    hits = Tantivy().on(corpus).search("moon")
    assert [p.docno for p in hits] == ["d"]
    assert "not installed" in hits.notices[0]


def test_why_names_terms():
    corpus = Corpus([Document("d", "moon over the harbour"), Document("e", "sun")])
    why = Tantivy().on(corpus).why("moon train", "d")
    assert "moon" in why.accounts[-1].reason
    assert "not in it: train" in why.accounts[-1].reason
