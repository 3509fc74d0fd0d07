"""What data sets look like in the wild: encodings, packed files, several splits, odd columns."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.evaluation import datasets
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document

QUERIES = pd.DataFrame({"qid": ["1", "2"], "query": ["x", "y"]})
QRELS = pd.DataFrame({"qid": ["1", "2"], "docno": ["1", "2"], "label": [1, 1]})
DOCUMENTS = pd.DataFrame({"docno": ["1", "2"], "text": ["a", "b"]})


def _beir(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    records = {
        "corpus.jsonl": [{"_id": "1", "text": "预算会议在周五"}, {"_id": "2", "text": "喝茶"}],
        "queries.jsonl": [{"_id": "q1", "text": "预算"}],
    }
    for name, rows in records.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name).write_text(lines, encoding="utf-8", newline="\n")
    (folder / "qrels" / "test.tsv").write_text("q1\t1\t1\n", encoding="utf-8")
    return folder


def _pack(path: Path) -> None:
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings(tmp_path: Path, encoding: str, packed: bool) -> None:
    folder = _beir(tmp_path / "set")
    for name in ("corpus.jsonl", "queries.jsonl"):
        path = folder / name
        path.write_bytes(path.read_text("utf-8").replace("\n", "\r\n").encode(encoding))
        if packed:
            _pack(path)
    data = datasets.load(folder)
    assert data.corpus["1"].text == "预算会议在周五"
    assert data.queries["query"].tolist() == ["预算"]
    told = [p for p in data.report["problem"] if "GB18030" in p]
    assert len(told) == len(data.report) == (2 if encoding == "gb18030" else 0)


def test_packed_judgements(tmp_path: Path) -> None:
    folder = _beir(tmp_path / "set")
    _pack(folder / "qrels" / "test.tsv")
    data = datasets.load(folder)
    assert (data.split, data.splits, len(data.qrels)) == ("test", ("test",), 1)


def test_a_broken_package_is_an_error(tmp_path: Path) -> None:
    folder = _beir(tmp_path / "set")
    (folder / "corpus.jsonl").rename(folder / "corpus.jsonl.gz")
    with pytest.raises(InvalidDataError, match="cannot be read"):
        datasets.load(folder)


def test_line_separators_inside_texts_stay(tmp_path: Path) -> None:
    folder = _beir(tmp_path / "set")
    path = folder / "corpus.jsonl"
    path.write_text('{"_id": "1", "text": "a\u2028b\x85c"}\n', encoding="utf-8")
    assert datasets.load(folder).corpus["1"].text == "a\u2028b\x85c"


def _trec(folder: Path, qrels: dict[str, str]) -> Path:
    folder.mkdir()
    files = {"documents.tsv": "d1\tfirst\nd2\tsecond\n", "topics.txt": "1\tone\n2\ttwo\n"}
    for name, text in {**files, **qrels}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_several_trec_judgements_are_splits(tmp_path: Path) -> None:
    files = {"qrels.dev.txt": "1 0 d1 1\n", "qrels.test.txt": "2 0 d2 1\n"}
    data = datasets.load(_trec(tmp_path / "set", files))
    assert (data.split, data.splits) == ("test", ("dev", "test"))
    assert data.qrels.to_numpy().tolist() == [["2", "d2", 1]]
    assert data.split_named("dev").queries["qid"].tolist() == ["1"]
    one = datasets.load(_trec(tmp_path / "one", {"qrels-dev.tsv": "1\td1\t1\n"}))
    assert (one.split, one.splits, len(one.qrels)) == ("all", (), 1)


def test_topics_of_all_files_are_read(tmp_path: Path) -> None:
    folder = _trec(tmp_path / "set", {"qrels.txt": "1 0 d1 1\n3 0 d2 1\n"})
    (folder / "topics.more.txt").write_text("3\tthree\n", encoding="utf-8")
    (folder / "documents.txt").write_text("d9\tninth\n", encoding="utf-8")
    data = datasets.load(folder)
    assert set(data.queries["qid"]) == {"1", "2", "3"}
    assert len(data.qrels) == 2
    assert [p for p in data.report["problem"] if "not read" in p]


def test_judgements_without_a_split_hold_in_any() -> None:
    queries = QUERIES.assign(split=["train", "test"])
    data = datasets.from_frames(DOCUMENTS, queries, QRELS)
    assert data.split == "test"
    assert data.qrels.to_numpy().tolist() == [["2", "2", 1]]
    assert data.split_named("train").qrels.to_numpy().tolist() == [["1", "1", 1]]
    # A query without a split is not drawn into one by them.
    mixed = datasets.from_frames(DOCUMENTS, QUERIES.assign(split=["", "test"]), QRELS)
    assert mixed.queries["qid"].tolist() == ["2"]


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime(["2026-01-02T03:04:05", "2026-01-03T00:00:00"]),
        pd.Series([datetime(2026, 1, 2, 3, 4, 5), datetime(2026, 1, 3)], dtype=object),
        pd.Series(
            [np.datetime64("2026-01-02T03:04:05", "ns"), np.datetime64("2026-01-03", "ns")],
            dtype=object,
        ),
    ],
)
def test_times_in_frames_are_kept(times) -> None:
    queries = QUERIES.assign(asked_at=times)
    data = datasets.from_frames(DOCUMENTS, queries, QRELS)
    assert data.queries["asked_at"].tolist() == ["2026-01-02T03:04:05", "2026-01-03T00:00:00"]


def test_empty_times_and_arrays_in_frames() -> None:
    queries = QUERIES.assign(
        asked_at=pd.to_datetime(["2026-01-02", None]), vector=[np.zeros(2), np.ones(2)]
    )
    data = datasets.from_frames(DOCUMENTS, queries, QRELS.assign(note=[np.zeros(2)] * 2))
    assert data.queries["asked_at"].tolist() == ["2026-01-02T00:00:00", ""]
    assert len(data.qrels) == 2


def test_ids_that_became_floats_match() -> None:
    documents = pd.DataFrame({"docno": [1.0, 2.0], "text": ["a", "b"]})
    data = datasets.from_frames(documents, QUERIES.assign(qid=[1.0, 2.0]), QRELS)
    assert "1" in data.corpus
    assert len(data.qrels) == 2
    assert len(data.report) == 0


def test_documents_may_be_a_list() -> None:
    documents = [Document("1", "a"), Document("2", "b")]
    for given in (documents, tuple(documents), iter(documents), Corpus(documents)):
        data = datasets.from_frames(given, QUERIES, QRELS, "listed")
        assert [document.id for document in data.corpus] == ["1", "2"]
    for wrong in (["a", "b"], 7, "a", {"1": "a"}):
        with pytest.raises(InvalidInputError):
            datasets.from_frames(wrong, QUERIES, QRELS)


def test_a_part_says_that_it_cannot_be_split(data) -> None:
    for part in (data.filter(class_="exact"), data.head(3)):
        with pytest.raises(NotFoundError) as caught:
            part.split_named("all")
        assert "is a part already" in caught.value.message
        assert "Its splits are" not in (caught.value.next_step or "")


def test_long_lists_of_values_are_abbreviated(data) -> None:
    part = data.filter(qid=data.queries["qid"].tolist()[:20])
    assert part.split == "all, qid=q000|q001|q002|q003|q004|… (15 more)"
    assert data.head(7).split == "all, first 7"
    assert data.head(7).queries["qid"].tolist() == data.queries["qid"].tolist()[:7]
    assert set(data.head(7).qrels["qid"]) <= set(data.head(7).queries["qid"])
    assert data.head(1000) is data
    with pytest.raises(InvalidInputError, match="count"):
        data.head(0)
