"""`vcplab compare` on any data set, and what it shares with the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vcplab.cli import boards, main
from vcplab.core.errors import InvalidInputError, NotFoundError

DOCUMENTS = {
    "d1": "the budget of the roof garden was cut in March",
    "d2": "a quiet evening with tea",
    "d3": "预算被砍掉了一半",
    "d4": "the cat slept on the server",
}
QUERIES = {"q1": "roof garden budget", "q2": "预算", "q3": "cat server", "q4": "nobody wrote this"}
QRELS = [("q1", "d1", 2), ("q2", "d3", 1), ("q3", "d4", 1)]


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": k, "title": "", "text": v} for k, v in DOCUMENTS.items()]
    queries = [{"_id": k, "text": v} for k, v in QUERIES.items()]
    for name, rows in (("corpus.jsonl", documents), ("queries.jsonl", queries)):
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in QRELS)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def test_a_folder_is_compared(
    beir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.html"
    code = main(["compare", "--data", str(beir), "--systems", "bm25", "--report", str(report)])
    assert code == 0
    out = capsys.readouterr().out
    assert "BM25" in out
    assert f"report: {report.resolve()}" in out
    assert "BM25" in report.read_text(encoding="utf-8")


def test_json_has_every_metric(beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "--data", str(beir), "--systems", "BM25,LightMemo", "--embedder", "lsa"]
    assert main([*arguments, "--metrics", "RR, P(rel=2)@1", "--json"]) == 0
    told = _json(capsys)
    assert told["metrics"] == ["RR", "P(rel=2)@1"]
    assert {(row["system"], row["metric"]) for row in told["results"]} == {
        (system, metric) for system in ("BM25", "LightMemo") for metric in told["metrics"]
    }
    assert told["baseline"] == "BM25"
    assert next(row["mean"] for row in told["results"] if row["system"] == "BM25") == 1.0


def test_limit_and_baseline(beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "--data", str(beir), "--systems", "BM25,Dense", "--embedder", "lsa"]
    assert main([*arguments, "--baseline", "Dense", "--limit", "2", "--json"]) == 0
    told = _json(capsys)
    assert told["queries"] == 2
    assert told["baseline"] == "Dense"


def test_tune_chooses_on_train_only(beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "--data", str(beir), "--systems", "BM25", "--embedder", "lsa", "--tune"]
    assert main(arguments) == 1
    assert "no split 'train'" in capsys.readouterr().err
    lines = (beir / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    (beir / "qrels" / "train.tsv").write_text(lines[0] + lines[3], encoding="utf-8")
    (beir / "qrels" / "test.tsv").write_text("".join(lines[:3]), encoding="utf-8")
    assert main([*arguments, "--json"]) == 0
    told = _json(capsys)
    assert told["data"]["split"] == "test"
    assert [row["system"].split()[0] for row in told["results"][:: len(told["metrics"])]] == [
        "BM25",
        "tuned",
    ]
    assert main(arguments) == 0
    assert "tuned: BM25 weight chosen on the train split: 0" in capsys.readouterr().out
    assert main([*arguments, "--split", "train"]) == 1
    assert "judged by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--systems", "BM52"], "did you mean BM25?"),
        (["--systems", ","], "no system is named"),
        (["--systems", "BM25,bm25"], "named twice"),
        (["--systems", "BM25", "--metrics", "nDGC@10"], "nDCG@10"),
        (["--systems", "BM25", "--split", "dev"], "split"),
        (["--systems", "BM25", "--baseline", "Dense"], "Dense"),
    ],
)
def test_mistakes_are_explained(
    beir: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["compare", "--data", str(beir), *arguments]) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert "next:" in captured.err
    assert captured.out == ""


def test_an_unknown_set_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--data", "no-such-set"]) == 1
    assert "diaries" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_limit_must_be_positive(beir: Path, limit: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["compare", "--data", str(beir), "--limit", limit])
    assert stopped.value.code == 2


def test_lists_keep_brackets_together() -> None:
    assert boards.split_list("nDCG@10, R(rel=2,x=1)@5 ,,RR") == ["nDCG@10", "R(rel=2,x=1)@5", "RR"]


def test_every_named_system_can_be_made() -> None:
    made = boards.make_systems(boards.SYSTEMS, "lsa")
    names = ["BM25", "Tantivy", "Dense", "RRF", "LightMemo", "DeepMemo", "MeshMemo", "TagMemo"]
    assert list(made) == names
    with pytest.raises(NotFoundError):
        boards.make_systems(["nothing at all"])
    with pytest.raises(InvalidInputError):
        boards.make_systems([])


@pytest.mark.parametrize("baseline", ["1", "dense", "DENSE"])
def test_a_baseline_by_number_or_in_any_case(
    beir: Path, capsys: pytest.CaptureFixture[str], baseline: str
) -> None:
    arguments = ["compare", "--data", str(beir), "--systems", "BM25,Dense", "--embedder", "lsa"]
    assert main([*arguments, "--baseline", baseline, "--json"]) == 0
    assert _json(capsys)["baseline"] == "Dense"
    assert main([*arguments, "--baseline", "2"]) == 1
    assert "0 to 1" in capsys.readouterr().err


def test_limit_is_told_in_a_few_words(beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", "--data", str(beir), "--systems", "BM25", "--json"]
    assert main([*arguments, "--limit", "2"]) == 0
    assert _json(capsys)["data"]["split"] == "test, first 2"


@pytest.mark.parametrize("choice", [["--split", "all"], ["--split", "all", "--limit", "3"]])
def test_tune_refuses_to_judge_by_train_queries(
    beir: Path, capsys: pytest.CaptureFixture[str], choice: list[str]
) -> None:
    lines = (beir / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    (beir / "qrels" / "train.tsv").write_text(lines[0] + lines[3], encoding="utf-8")
    arguments = ["compare", "--data", str(beir), "--systems", "BM25", "--embedder", "lsa", "--tune"]
    assert main([*arguments, *choice]) == 1
    assert "judged by" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["", "file/report.html", "file/deep/report.html"])
def test_a_report_that_cannot_be_written_is_told_first(
    beir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    # The data set does not exist: the path of the report is looked at before anything is read.
    for data in (str(beir), "no-such-set"):
        assert main(["compare", "--data", data, "--report", str(tmp_path / target)]) == 1
        captured = capsys.readouterr()
        assert "cannot be written" in captured.err
        assert "next:" in captured.err
        assert captured.out == ""
