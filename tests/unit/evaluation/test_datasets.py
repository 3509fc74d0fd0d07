from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import pandas as pd
import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError
from vcplab.core.settings import override_settings
from vcplab.evaluation import datasets
from vcplab.memory.corpus import Corpus
from vcplab.memory.document import Document


def _jsonl(path: Path, records, packed: bool = False) -> None:
    text = "".join(
        record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) + "\n"
        for record in records
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if packed:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(text.encode("utf-8")))
    else:
        path.write_text(text, encoding="utf-8", newline="\n")


def _beir(folder: Path, packed: bool = False) -> Path:
    _jsonl(
        folder / "corpus.jsonl",
        [
            {"_id": "1", "title": "茶", "text": "喝茶的日子", "metadata": {}},
            {"_id": 2, "title": "", "text": "rain"},
            {"_id": "1", "title": "", "text": "again"},
            {"_id": "", "text": "lost"},
            "{broken\n",
            "[1, 2]\n",
            "\n",
        ],
        packed,
    )
    _jsonl(
        folder / "queries.jsonl",
        [
            {"_id": "q1", "text": "茶", "metadata": {"kind": "short", "deep": {"a": 1}}},
            {"_id": 7, "text": "rain?"},
            {"_id": "q3", "text": "never judged"},
            {"_id": "q4", "text": "  "},
        ],
        packed,
    )
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\t1\t2\nq1\t1\t1\nq1\t99\t1\ngone\t1\t1\nq1\t2\n",
        encoding="utf-8",
    )
    (folder / "qrels" / "train.tsv").write_text(
        "query-id\tcorpus-id\tscore\n7\t2\t1\n", encoding="utf-8"
    )
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_beir(tmp_path: Path, packed: bool) -> None:
    data = datasets.load(_beir(tmp_path / "set", packed))
    assert (data.name, data.split, data.splits) == ("set", "test", ("test", "train"))
    assert data.corpus["1"].text == "茶 喝茶的日子"
    assert data.corpus["1"].metadata["title"] == "茶"
    assert data.corpus["2"].text == "rain"
    assert data.queries[["qid", "query", "kind"]].to_numpy().tolist() == [["q1", "茶", "short"]]
    # An unknown document stays judged, as trec_eval has it; an unknown query cannot be run.
    assert data.qrels.to_numpy().tolist() == [["q1", "1", 2], ["q1", "99", 1]]
    problems = data.report["problem"].tolist()
    for part in (
        "second document",
        "without id or text",
        "no JSON:",
        "no JSON object",
        "judged twice",
        "unknown query",
        "unknown document",
        "not qid, docno",
    ):
        assert any(part in problem for problem in problems), part
    assert set(data.report.columns) == {"file", "line", "id", "problem"}


def test_splits(tmp_path: Path) -> None:
    folder = _beir(tmp_path / "set")
    train = datasets.load(folder, split="train")
    assert train.queries["qid"].tolist() == ["7"]
    assert train.qrels["label"].tolist() == [1]
    everything = train.split_named("all")
    assert everything.queries["qid"].tolist() == ["q1", "7", "q3"]
    assert datasets.load(folder, split="all").fingerprint == everything.fingerprint
    assert datasets.load(folder).split_named("train").fingerprint == train.fingerprint
    with pytest.raises(NotFoundError, match="test, train, all"):
        datasets.load(folder, split="dev")


def test_a_folder_without_test_split_is_taken_whole(tmp_path: Path) -> None:
    folder = _beir(tmp_path / "set")
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "dev.tsv")
    assert datasets.load(folder).split == "all"


def test_the_bundled_diaries() -> None:
    assert "diaries" in datasets.available()
    data = datasets.load("diaries")
    card = json.loads((datasets.datasets_dir() / "diaries" / "dataset.json").read_text("utf-8"))
    assert len(data.corpus) == card["counts"]["documents"]
    assert len(data.queries) == card["counts"]["queries_by_split"]["test"]
    assert len(data.split_named("all").queries) == card["counts"]["queries"]
    assert data.version == card["version"]
    assert data.licence == card["license"]
    assert data.languages == tuple(card["languages"])
    assert len(data.report) == 0
    assert set(data.qrels["docno"]) <= {document.id for document in data.corpus}
    classes = data.to_frame().groupby("class")["relevant"]
    assert classes.max()["no_answer"] == 0
    assert (classes.min().drop("no_answer") > 0).all()
    train, test = (set(data.split_named(s).queries["qid"]) for s in ("train", "test"))
    assert not train & test
    assert data.fingerprint == datasets.load("diaries").fingerprint


def test_own_sets_by_name(tmp_path: Path) -> None:
    _beir(tmp_path / "mine")
    with override_settings(data_dir=tmp_path):
        assert {"mine", "diaries"} <= set(datasets.available())
        assert datasets.load("mine").name == "mine"
        assert datasets.load("mine").source == "mine"


def test_dataset_json_of_any_layout(tmp_path: Path) -> None:
    folder = _beir(tmp_path / "set")
    card = folder / "dataset.json"
    card.write_text('{"name": "fine", "licence": "CC0", "languages": "zh"}', encoding="utf-8")
    data = datasets.load(folder)
    assert (data.name, data.licence, data.languages) == ("fine", "CC0", ("zh",))
    card.write_text("{", encoding="utf-8")
    with pytest.raises(InvalidDataError, match=r"dataset\.json"):
        datasets.load(folder)


def _trec(folder: Path, topics: str) -> Path:
    folder.mkdir()
    (folder / "documents.tsv").write_text(
        "d1\tthe first\nd2\t第二\nbroken\nd1\tagain\n", encoding="utf-8"
    )
    (folder / "topics.txt").write_text(topics, encoding="utf-8")
    (folder / "qrels.txt").write_text("1 0 d1 1\n2 0 d2 0\n\n2 0 d1 x\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "topics",
    [
        "1\tfirst?\n2\t第二?\n",
        "<top>\n<num> Number: 1\n<title> first?\n<desc> Description:\nlong\n</top>\n"
        "<top><num>2</num><title>第二?</title></top>",
    ],
)
def test_trec(tmp_path: Path, topics: str) -> None:
    data = datasets.load(_trec(tmp_path / "set", topics))
    assert data.split == "all"
    assert data.queries.to_numpy().tolist() == [["1", "first?"], ["2", "第二?"]]
    assert data.qrels.to_numpy().tolist() == [["1", "d1", 1], ["2", "d2", 0]]
    assert data.corpus["d2"].text == "第二"
    assert len(data.report) == 3


def test_trec_files_by_path(tmp_path: Path) -> None:
    folder = _trec(tmp_path / "set", "1\tfirst?\n")
    _jsonl(folder / "docs.jsonl", [{"id": "d1", "contents": "the first"}])
    paths = [folder / name for name in ("docs.jsonl", "topics.txt", "qrels.txt")]
    data = datasets.from_trec(*paths, name="three", licence="CC0")
    assert (data.name, data.licence, len(data.corpus)) == ("three", "CC0", 1)
    with pytest.raises(NotFoundError, match="no-file"):
        datasets.from_trec(folder / "no-file.tsv", paths[1], paths[2])
    (folder / "topics.txt").write_text("nothing here\n", encoding="utf-8")
    with pytest.raises(InvalidDataError, match="topic"):
        datasets.from_trec(*paths)


def test_frames() -> None:
    documents = pd.DataFrame({"docno": ["1", "2"], "text": ["a", "b"]})
    queries = pd.DataFrame({"qid": [1, 2, 2], "query": ["x", "y", "z"], "class": ["p", None, "q"]})
    qrels = pd.DataFrame(
        {"qid": [1, 1, 2], "docno": [1, 2, 2], "label": [1.0, 0.5, 2], "split": ["a", "a", "b"]}
    )
    data = datasets.from_frames(documents, queries, qrels, "tiny", version="3")
    assert (data.version, data.splits) == ("3", ("a", "b"))
    assert data.queries.to_numpy().tolist() == [["1", "x", "p"], ["2", "y", ""]]
    assert data.qrels.to_numpy().tolist() == [["1", "1", 1], ["2", "2", 2]]
    assert len(data.report) == 2
    assert data.split_named("b").queries["qid"].tolist() == ["2"]


def test_frames_with_missing_columns() -> None:
    corpus = Corpus.from_documents([Document("1", "a")])
    queries = pd.DataFrame({"qid": ["1"], "query": ["x"]})
    qrels = pd.DataFrame({"qid": ["1"], "docno": ["1"], "label": [1]})
    assert len(datasets.from_frames(corpus, queries, qrels).qrels) == 1
    with pytest.raises(InvalidInputError, match="label"):
        datasets.from_frames(corpus, queries, qrels.drop(columns="label"))
    with pytest.raises(InvalidInputError, match="not a DataFrame"):
        datasets.from_frames(corpus, [("1", "x")], qrels)
    with pytest.raises(InvalidDataError, match="no queries"):
        datasets.from_frames(corpus, queries.head(0), qrels)


@pytest.mark.parametrize("given", ["no-such-set", "./nowhere", Path("/no/such/folder")])
def test_wrong_paths_list_what_there_is(given) -> None:
    with pytest.raises(NotFoundError) as caught:
        datasets.load(given)
    assert "diaries" in str(caught.value)
    assert "BEIR" in str(caught.value)


def test_a_folder_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(NotFoundError, match="TREC"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("missing", ["qrels/test.tsv", "corpus", "judgements"])
def test_empty_parts_are_errors(tmp_path: Path, missing: str) -> None:
    folder = _beir(tmp_path / "set")
    if missing == "qrels/test.tsv":
        for path in (folder / "qrels").iterdir():
            path.unlink()
    elif missing == "corpus":
        (folder / "corpus.jsonl").write_text("{}\n", encoding="utf-8")
    else:
        (folder / "qrels" / "test.tsv").write_text("a b\nc d\n", encoding="utf-8")
    with pytest.raises(InvalidDataError):
        datasets.load(folder)


def test_fingerprint_ignores_order_only(data) -> None:
    def same(queries, qrels):
        return datasets.from_frames(data.corpus, queries, qrels, "x").fingerprint

    reference = same(data.queries, data.qrels)
    assert same(data.queries.iloc[::-1], data.qrels.sample(frac=1, random_state=0)) == reference
    assert same(data.queries, data.qrels.head(-1)) != reference
    assert same(data.queries.head(-1), data.qrels) != reference
    longer = Corpus.from_documents([*data.corpus, Document("new", "x")])
    assert datasets.from_frames(longer, data.queries, data.qrels).fingerprint != reference


def test_filter(data) -> None:
    part = data.filter(class_="exact")
    assert set(part.queries["class"]) == {"exact"}
    assert set(part.qrels["qid"]) <= set(part.queries["qid"])
    assert len(part.corpus) == len(data.corpus)
    assert part.split == "all, class=exact"
    assert len(data.filter(**{"class": ["exact", "tag_hop"]}).queries) == len(data.queries)
    assert data.filter(qid=lambda qid: qid < "q003").queries["qid"].tolist() == [
        "q000",
        "q001",
        "q002",
    ]
    with pytest.raises(InvalidInputError, match="colour"):
        data.filter(colour="red")
    with pytest.raises(InvalidInputError, match="No query"):
        data.filter(class_="none")
    with pytest.raises(NotFoundError):
        part.split_named("train")


def test_shows_itself(data) -> None:
    assert repr(data).startswith("RetrievalData('small', split='all', 30 documents, 40 queries")
    page = data._repr_html_()
    assert data.fingerprint in page
    assert "MIT" in page
    assert (data.to_frame()["relevant"] >= 1).all()


def test_travels(data) -> None:
    arrived = pickle.loads(pickle.dumps(data))
    assert arrived.fingerprint == data.fingerprint
    assert arrived.corpus.name == "small"
    pd.testing.assert_frame_equal(arrived.queries, data.queries)
