"""Reading folders and tables: what can be read is, what cannot becomes a row."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.memory.reading.decoding import decode
from vcplab.memory.reading.delimited import read_csv
from vcplab.memory.reading.report import ReadReport
from vcplab.memory.reading.tables import records_of_jsonl


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
    assert note.text == "Plans\n\n# Heading\nBody"
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


def table(text):
    """Documents as (id, text) and the report's rows as (line, problem)."""
    report = ReadReport()
    found = [(d.id, d.text) for d in read_csv(text, "t.csv", report)]
    return found, [(p.line, p.problem) for p in report]


@pytest.mark.parametrize(
    ("data", "text", "problems"),
    [
        (b"a\r\nb\rc", "a\nb\nc", 0),
        ("é".encode("utf-8-sig"), "é", 0),
        ("预算".encode("utf-16"), "预算", 0),
        (b"\xfe\xff" + "预算".encode("utf-16-be"), "预算", 0),
        ("预算".encode("utf-32"), "预算", 0),
        ("老林的笔记本".encode("gb18030"), "老林的笔记本", 1),
        (b"\x00\x01", None, 1),
        (b"\xff\xfeabc", None, 1),
        (b"\xff\xff\xfa", None, 1),
        (b"", "", 0),
    ],
)
def test_bytes_become_text(data, text, problems):
    report = ReadReport()
    assert decode(data, "f", report) == text
    assert len(report) == problems


def test_one_odd_record_does_not_stop_the_others(tmp_path):
    deep = "[" * 100_000 + "]" * 100_000
    nested = '{"id": "n", "text": "x", "m": ' + "[" * 300 + "]" * 300 + "}"
    lines = [
        '{"id": "a", "text": "one", "tags": 7}',
        '{"id": "b", "text": "two", "m": ' + deep + "}",
        nested,
        '{"id": "c", "text": "three", "tags": {"x": 1}, "date": {"y": 2}}',
        '{"id": "d", "text": "four", "tags": ["x", 3, null]}',
        "7",
        '{"id": 5.0, "text": "five"}',
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines), encoding="utf-8")
    corpus = vl.Corpus.read(tmp_path / "m.jsonl")
    assert [d.id for d in corpus] == ["a", "c", "d", "5"]
    assert corpus["a"].tags == corpus["c"].tags == ()
    assert corpus["d"].tags == ("x", "3")
    assert [p.line for p in corpus.report] == [1, 2, 3, 4, 4, 6]
    assert all(p.next_step for p in corpus.report)
    report = ReadReport()
    found = records_of_jsonl("\n".join(lines), "m", report)
    assert [number for number, _ in found] == [1, 3, 4, 5, 7]
    assert [p.line for p in report] == [2, 6]


def test_frames_with_arrays_and_missing_values():
    frame = pd.DataFrame(
        {
            "id": [1.0, 2.0, 3.0],
            "text": ["one", "two", "three"],
            "tags": [np.array(["x", "y"]), pd.NA, np.array([])],
            "vector": [np.array([0.5, 1.0]), np.array([]), None],
            "time": [pd.NaT, pd.NA, pd.Timestamp("2025-01-01")],
        }
    )
    corpus = vl.Corpus.from_frame(frame)
    assert [d.id for d in corpus] == ["1", "2", "3"]
    assert [d.tags for d in corpus] == [("x", "y"), (), ()]
    assert corpus["1"].metadata == {"vector": [0.5, 1.0]}
    assert corpus["3"].time == datetime(2025, 1, 1)
    assert not len(corpus.report)


def test_a_csv_says_what_it_cannot_place():
    found, problems = table("id,text\n1,Hello, world\n2,fine,\n3,short\n4\n")
    assert found == [("1", "Hello"), ("2", "fine"), ("3", "short")]
    assert [line for line, _ in problems] == [2, 5]
    assert "' world'" in problems[0][1]


def test_an_open_quote_does_not_swallow_the_rows_below():
    found, problems = table('id,text\n1,"two\nlines"\n2,"open\n3,three\n4,four\n')
    assert found == [("1", "two\nlines"), ("3", "three"), ("4", "four")]
    assert [line for line, _ in problems] == [4]
    found, problems = table('id,text\n1,"open\n2,"two"\n3,"a "b" c"\n4,four\n')
    assert found == [("2", "two"), ("4", "four")]
    assert [line for line, _ in problems] == [2, 4]
    tabs = 'id\ttext\n1\t"Ulysses" is a novel\n2\t"open\n3\tthree\n'
    found, problems = table(tabs)
    assert found == [("1", '"Ulysses" is a novel'), ("2", '"open'), ("3", "three")]
    assert [line for line, _ in problems] == [2, 3]


def test_many_wrong_quotes_take_linear_time():
    rows = "".join(f'{i},"a "b" c"\n' for i in range(20_000))
    found, problems = table("id,text\n" + rows)
    assert not found
    assert len(problems) == 20_000


def test_blank_lines_above_a_header():
    found, problems = table("\n  \nid; text\n1;one\n\n2;\n")
    assert found == [("1", "one")]
    assert problems == [(6, "It has no text.")]


def test_front_matter_titles_are_searched(tmp_path):
    bodies = {
        "plain": "---\ntitle: Zanzibar trip\n---\nBody",
        "heading": "---\ntitle: Zanzibar trip\n---\n\n## zanzibar TRIP ##\nBody",
        "setext": "---\ntitle: Zanzibar trip\n---\nZanzibar trip\n====\nBody",
        "bare": "---\ntitle: Zanzibar trip\n---\n",
    }
    for name, text in bodies.items():
        (tmp_path / f"{name}.md").write_text(text, encoding="utf-8")
    corpus = vl.Corpus.read(tmp_path)
    assert corpus["plain"].text == "Zanzibar trip\n\nBody"
    assert corpus["heading"].text == "## zanzibar TRIP ##\nBody"
    assert corpus["setext"].text.count("Zanzibar") == 1
    assert corpus["bare"].text == "Zanzibar trip"
    assert {d.metadata["title"] for d in corpus} == {"Zanzibar trip"}
    assert len(vl.BM25().on(corpus).search("zanzibar")) == 4


def test_titles_are_headings_and_no_comments(tmp_path):
    for name, text in {
        "code": "```sh\n# comment\n```\n\n# Real #\n",
        "tilde": "~~~~\n~~~\n# comment\n~~~~~\n### Deep",
        "inline": "``` x ``` is code\n# Real",
        "open": "text\n```\n# comment",
        "prose": "C# is a language, #tag too\n    # indented",
        "sharp": "# About C#",
    }.items():
        (tmp_path / f"{name}.md").write_text(text, encoding="utf-8")
    titles = {d.id: d.metadata.get("title") for d in vl.Corpus.read(tmp_path)}
    assert titles == {
        "code": "Real",
        "tilde": "Deep",
        "inline": "Real",
        "open": None,
        "prose": None,
        "sharp": "About C#",
    }


@pytest.mark.parametrize(
    ("content", "ids", "problems"),
    [
        ('[{"id": "a", "text": "x"}, 3, {"id": "b", "text": "y"}]', ["a", "b"], 1),
        ('{"version": 1, "memories": [{"id": "a", "text": "x"}]}', ["a"], 0),
        ('{"id": "a", "text": "x", "tags": ["t"]}', ["a"], 0),
        ('{"id": "a", "text": "x"}\n{"id": "b", "text": "y"}\n', ["a", "b"], 0),
        ('{"setting": 1}', [], 1),
        ('{"a": [{"text": "x"}], "b": [{"text": "y"}]}', [], 1),
        ("[1, 2", [], 1),
        ("[" * 100_000, [], 1),
        ('"text"', [], 1),
        (" \n", [], 1),
    ],
)
def test_json_files(tmp_path, content, ids, problems):
    (tmp_path / "memories.json").write_text(content, encoding="utf-8")
    corpus = vl.Corpus.read(tmp_path / "memories.json")
    assert [d.id for d in corpus] == ids
    assert len(corpus.report) == problems
    assert not len(vl.Corpus.read(tmp_path)), "in a folder it may be anything"


def test_only_files_that_share_a_name_keep_their_endings(tmp_path):
    for i in range(300):
        (tmp_path / f"{i}.md").write_text("x", encoding="utf-8")
    (tmp_path / "7.txt").write_text("y", encoding="utf-8")
    ids = {d.id for d in vl.Corpus.read(tmp_path)}
    assert len(ids) == 301
    assert {"7.md", "7.txt", "8"} <= ids
