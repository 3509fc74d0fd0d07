"""``board.why``: every system's account of one document, and who may be asked."""

from __future__ import annotations

import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, NotFoundError

HASH = vl.HashEmbedder(32)


@pytest.fixture
def data():
    return vl.datasets.from_frames(
        pd.DataFrame({"docno": ["a", "b"], "text": ["kitchen budget", "a cat"]}),
        pd.DataFrame({"qid": ["q1", "q2"], "query": ["budget", "cat"]}),
        pd.DataFrame({"qid": ["q1", "q2"], "docno": ["a", "b"], "label": [2, 1]}),
        name="tiny",
    )


def test_every_system_accounts_for_the_document(data):
    board = vl.compare([vl.BM25(), vl.LightMemo(embedder=HASH)], data, ["RR"], cache=False)
    whys = board.why("q1", "a")
    assert whys.label == 2
    assert [w.system for w in whys.each] == list(board.names)
    for why in whys.each:
        run = board.runs[why.system]
        placed = run[(run.qid == "q1") & (run.docno == "a")]
        assert why.rank == placed["rank"].iloc[0]
    assert set(whys.to_frame().system) == set(board.names)
    assert "judged 2" in repr(whys)
    assert board.why("q1", "b").label is None
    assert "<table" in whys._repr_html_()


def test_who_cannot_be_asked(data):
    board = vl.compare([vl.BM25()], data, ["RR"], cache=False)
    with pytest.raises(NotFoundError, match="no query"):
        board.why("q9", "a")
    with pytest.raises(NotFoundError, match="no document"):
        board.why("q1", "z")
    finished = vl.compare([board.runs["BM25"]], data, ["RR"], cache=False)
    with pytest.raises(InvalidInputError, match="explain itself"):
        finished.why("q1", "a")


def test_a_pipeline_with_a_plain_function_is_run_anew(data):
    calls = []

    def note(text):
        calls.append(text)
        return text

    system = vl.Rewrite(note) >> vl.BM25()
    for _ in range(2):
        board = vl.compare([system], data, ["RR"])
    assert len(calls) == 4
    assert any("run anew" in notice for notice in board.notices)
    versioned = vl.Rewrite(note, version="1") >> vl.BM25()
    for _ in range(2):
        vl.compare([versioned], data, ["RR"])
    assert len(calls) == 6
