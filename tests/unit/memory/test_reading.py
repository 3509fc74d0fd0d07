"""Reading folders and tables: what can be read is, what cannot becomes a row."""

from __future__ import annotations

import json
from datetime import datetime

import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, NotFoundError


def test_a_mixed_folder(tmp_path):
    (tmp_path / "小克").mkdir()
    (tmp_path / "小克" / "2025-04-11-22_10_30.txt").write_text(
        "[2025-04-11] - 小克\n[22:10] 预算改了。\nTag: 预算, 厨房\n", encoding="utf-8"
    )
    (tmp_path / "note.md").write_text(
        "---\ntitle: Plans\ntags: [a, '#b']\ndate: 2025-05-01\n---\n# Heading\nBody",
        encoding="utf-8",
    )
    (tmp_path / "list.md").write_text("---\ntags:\n  - x\n  - y\n---\n\ntext", encoding="utf-8")
    (tmp_path / "plain.txt").write_text("just text", encoding="utf-8")
    (tmp_path / "gbk.txt").write_bytes("老林的笔记本在厨房".encode("gb18030"))
    (tmp_path / "utf16.txt").write_bytes("wide text".encode("utf-16"))
    (tmp_path / "binary.txt").write_bytes(b"\x00\x01\x02")
    (tmp_path / "broken.txt").write_bytes(b"\xff\xff\xfa\x80\x80" * 3)
    (tmp_path / "bad-date.txt").write_text("[2025-13-01] - X\ntext", encoding="utf-8")
    (tmp_path / "empty.md").write_text("  \n", encoding="utf-8")
    (tmp_path / "same.md").write_text("one", encoding="utf-8")
    (tmp_path / "same.txt").write_text("two", encoding="utf-8")
    (tmp_path / "image.png").write_bytes(b"png")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.md").write_text("hidden", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({"_id": "j1", "title": "T", "text": "body", "tags": ["q"], "year": 3})
        + "\nnot json\n[1]\n"
        + json.dumps({"id": "j2"})
        + "\n",
        encoding="utf-8",
    )
    corpus = vl.Corpus.read(tmp_path)

    diary = corpus["小克/2025-04-11-22_10_30"]
    assert diary.tags == ("预算", "厨房")
    assert diary.time == datetime(2025, 4, 11, 22, 10)
    assert diary.metadata == {"author": "小克", "notebook": "小克"}
    note = corpus["note"]
    assert (note.tags, note.time, note.metadata["title"]) == (
        ("a", "b"),
        datetime(2025, 5, 1),
        "Plans",
    )
    assert note.text == "# Heading\nBody"
    assert corpus["list"].tags == ("x", "y")
    assert corpus["gbk"].text == "老林的笔记本在厨房"
    assert corpus["utf16"].text == "wide text"
    assert corpus["same.md"].text == "one"
    assert corpus["same.txt"].text == "two"
    assert corpus["j1"].text == "T body"
    assert corpus["j1"].metadata == {"title": "T", "year": 3}
    problems = {(p.source, p.line) for p in corpus.report}
    assert problems == {
        ("gbk.txt", None),
        ("binary.txt", None),
        ("broken.txt", None),
        ("bad-date.txt", 1),
        ("empty.md", None),
        ("rows.jsonl", 2),
        ("rows.jsonl", 3),
        ("rows.jsonl", 4),
    }
    assert all(p.next_step for p in corpus.report)
    assert corpus.report.to_frame().columns.tolist() == ["source", "line", "problem", "next_step"]
    assert "8 problems" in repr(corpus)


def test_one_file_and_nothing(tmp_path):
    (tmp_path / "one.csv").write_text(
        "id;text;date\n1;hello;2025-01-02\n2;;\n", encoding="utf-8-sig"
    )
    corpus = vl.Corpus.read(tmp_path / "one.csv")
    assert [d.id for d in corpus] == ["1"]
    assert corpus["1"].time == datetime(2025, 1, 2)
    assert corpus.report[0].line == 3
    with pytest.raises(NotFoundError):
        vl.Corpus.read(tmp_path / "missing")
    (tmp_path / "void").mkdir()
    assert "No file" in vl.Corpus.read(tmp_path / "void").report[0].problem


def test_frames():
    frame = pd.DataFrame(
        {
            "name": ["a", "b", "b", "c"],
            "content": ["one", "two", "again", None],
            "tags": ["x, y", "", None, "z"],
            "when": [pd.Timestamp("2025-01-01"), pd.NaT, pd.NaT, pd.NaT],
            "score": [1, 2, 3, 4],
        }
    )
    corpus = vl.Corpus.from_frame(frame, columns={"id": "name", "time": "when"})
    assert [d.id for d in corpus] == ["a", "b"]
    assert corpus["a"].tags == ("x", "y")
    assert corpus["a"].time == datetime(2025, 1, 1)
    assert corpus["b"].time is None
    assert corpus["a"].metadata == {"score": 1}
    assert len(corpus.report) == 2
    assert corpus.to_frame().docno.tolist() == ["a", "b"]
    with pytest.raises(InvalidInputError, match="no column 'nope'"):
        vl.Corpus.from_frame(frame, columns={"id": "nope"})


def test_a_long_cell_is_read(tmp_path):
    (tmp_path / "long.csv").write_text("id,text\n1," + "x" * 200_000 + "\n", encoding="utf-8")
    assert len(vl.Corpus.read(tmp_path / "long.csv")["1"].text) == 200_000
