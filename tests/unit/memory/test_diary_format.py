"""Upstream's diary files: the rules of facts/vcp-memory §1 as a table."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidDataError
from vcplab.memory.diary.format import DiaryEntry, is_diary, parse_diary, write_diary

HEAD = "[2025-04-11] - 小克\n"


@pytest.mark.parametrize(
    ("tail", "tags"),
    [
        ("Tag: a, b, c", ("a", "b", "c")),
        ("Tag: 甲，乙、丙", ("甲", "乙", "丙")),
        ("Tag: a; b| c｜d；e", ("a", "b", "c", "d", "e")),
        ("Tag: z, a, z", ("z", "a")),
        ("Tag: 预算。", ("预算",)),
        ("Tag: budget.", ("budget",)),
        ("Tag: a\nTag: b", ("a", "b")),
        ("Tag: a\n\n", ("a",)),
        ("tag：a", ("a",)),
        ("Tag: 2025-04-11, 4月11日, 2025年4月, a", ("a",)),
        ("Tag: " + "长" * 21 + ", " + "x" * 41 + ", ok", ("ok",)),
        ("Tag: " + "长" * 20 + ", " + "x" * 40, ("长" * 20, "x" * 40)),
        ("Tag: " + ", ".join(f"t{i}" for i in range(60)), tuple(f"t{i}" for i in range(50))),
        ("no tags at all", ()),
        ("Tag: , ,", ()),
    ],
)
def test_tags(tail, tags):
    assert parse_diary(f"{HEAD}[09:05] text\n{tail}").tags == tags


def test_a_tag_line_inside_the_text_is_text():
    entry = parse_diary(f"{HEAD}[09:05] one\nTag: not a tag\ntwo\nTag: a")
    assert entry.tags == ("a",)
    assert "Tag: not a tag" in entry.text


@pytest.mark.parametrize(
    ("text", "name", "time"),
    [
        (f"{HEAD}[09:05] x", "2025-04-11-22_10_30.txt", datetime(2025, 4, 11, 9, 5)),
        (f"{HEAD}x", "2025-04-11-22_10_30-note.txt", datetime(2025, 4, 11, 22, 10, 30)),
        (f"{HEAD}x", "other.md", datetime(2025, 4, 11)),
        ("2025.04.11 - A\nx", "", datetime(2025, 4, 11)),
        ("2025-04-11\nx", "", datetime(2025, 4, 11)),
        ("\ufeff[2025-04-11] - A\r\n[9:05] x\r\n", "", datetime(2025, 4, 11, 9, 5)),
    ],
)
def test_time(text, name, time):
    assert parse_diary(text, file_name=name).time == time


@pytest.mark.parametrize(
    "text", ["", "hello", "[2025-13-41] - A\nx", "[2025-04-11] - A\n[29:00] x"]
)
def test_what_is_no_diary_is_refused(text):
    with pytest.raises(InvalidDataError) as caught:
        parse_diary(text)
    assert caught.value.next_step


def test_is_diary_looks_at_the_first_line_only():
    assert is_diary(HEAD + "x")
    assert not is_diary("# title\n[2025-04-11] - A")


word = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
    word,
    st.lists(word, min_size=1, max_size=5),
    st.lists(word.map(lambda t: f"x{t}"), max_size=5, unique=True),
)
def test_what_is_written_is_read_again(time, author, body, tags):
    time = time.replace(second=0, microsecond=0)
    written = write_diary(DiaryEntry(time, author, "\n".join(body), tuple(tags)))
    entry = parse_diary(written)
    assert (entry.time, entry.author) == (time, author)
    assert entry.tags == tuple(tags)
    assert write_diary(entry) == written
