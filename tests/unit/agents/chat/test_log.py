"""The log: canonical lines, the store, and what is broken."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vcplab as vl
from tests.support.golden_chat import LOG
from vcplab.agents.chat.events import UNKNOWN, canonical_line
from vcplab.agents.chat.log import HEADER, ChatLog, read_jsonl
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    SchemaMismatchError,
    StateError,
    VCPError,
)

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
GOLDEN = LOG.read_text(encoding="utf-8")
TEXT = st.text(st.characters(), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)  # fmt: skip


def _log(path: Path | None = None) -> ChatLog:
    store = vl.ChatStore(path)
    store.create("c", "a chat", NOW)
    return ChatLog(store, "c")


# --- canonical lines ------------------------------------------------------------------------------


def test_a_line_has_sorted_keys_no_blanks_and_texts_as_they_are() -> None:
    line = canonical_line(3, "user:speak", {"text": "你好 “x”\n", "b": 1.0, "a": None})
    assert line == '{"a":null,"b":1.0,"seq":3,"text":"你好 “x”\\n","type":"user:speak"}'


@given(st.dictionaries(st.text(max_size=4).filter(lambda k: k not in ("seq", "type")), JSON))
def test_reading_a_line_gives_its_facts_again(data: dict[str, Any]) -> None:
    text = f"{HEADER}\n{canonical_line(0, 'x', data)}\n"
    (event,) = read_jsonl(text)
    assert (event.seq, event.type, event.data) == (0, "x", data)
    assert event.line == canonical_line(0, "x", data)


@pytest.mark.parametrize(
    "fact", [object(), {1, 2}, float("nan"), float("inf"), b"x", {"a": object()}]
)
def test_what_is_not_json_is_refused_and_nothing_is_written(fact: object) -> None:
    log = _log()
    log.append("topic:updated", {"topic": "x"}, NOW)
    with pytest.raises(InvalidInputError, match="topic:updated"):
        log.append("topic:updated", {"topic": fact}, NOW)
    assert len(log.events) == 1
    assert [event.seq for event in log.store.read("c")] == [0]


@pytest.mark.parametrize("half", ["\ud83d", "\udc00 x", "a\udfffb", "\ud83d\ude00 \ud800"])
def test_half_characters_stand_as_they_are_in_the_file(half: str, tmp_path: Path) -> None:
    log = _log(tmp_path / "chats.sqlite3")
    event = log.append("user:speak", {"text": half}, NOW)
    # Listeners and the state get what a reader of the file gets.
    event.data["text"].encode()
    assert [e.data for e in log.store.read("c")] == [event.data]
    assert [e.line for e in read_jsonl(log.to_jsonl())] == [event.line]
    log.to_jsonl().encode()


@given(st.lists(TEXT, max_size=5))
def test_any_texts_come_back_the_same_from_store_and_lines(texts: list[str]) -> None:
    log = _log()
    for text in texts:
        log.append("user:speak", {"text": text}, NOW, 0.25)
    lines = [event.line for event in log.events]
    assert [event.line for event in log.store.read("c")] == lines
    assert [event.line for event in read_jsonl(log.to_jsonl())] == lines
    assert "".join(read.data["text"] for read in log.store.read("c")) == "".join(texts)
    log.store.close()


def test_line_separators_of_unicode_do_not_tear_a_line() -> None:
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh\r\ni"
    log = _log()
    log.append("user:speak", {"text": text}, NOW)
    assert log.to_jsonl().count("\n") == 2
    assert read_jsonl(log.to_jsonl())[0].data["text"] == text


def test_time_and_duration_are_kept_and_are_no_part_of_the_canonical_log(tmp_path: Path) -> None:
    log = _log(tmp_path / "chats.sqlite3")
    log.append("topic:updated", {"topic": "x"}, NOW, 1.5)
    (event,) = log.store.read("c")
    assert (event.time, event.seconds, event.moment) == (NOW, 1.5, NOW)
    assert "2026" not in log.to_jsonl()
    (line,) = read_jsonl(log.to_jsonl())
    assert (line.time, line.seconds, line.moment) == (UNKNOWN, 0.0, None)


# --- broken files ---------------------------------------------------------------------------------


def test_the_golden_log_is_read_and_written_the_same(tmp_path: Path) -> None:
    chat = vl.GroupChat.load(LOG)
    assert chat.save(tmp_path / "again.jsonl").read_bytes() == LOG.read_bytes()
    again = vl.GroupChat.load(tmp_path / "again.jsonl", store=tmp_path / "chats.sqlite3")
    assert again.to_jsonl() == GOLDEN


@given(st.integers(len(HEADER) + 1, len(GOLDEN)))
def test_a_log_torn_anywhere_is_what_was_whole(cut: int) -> None:
    events = read_jsonl(GOLDEN[:cut])
    whole = GOLDEN[:cut].count("\n") - 1
    # A last line without its line end may be whole all the same.
    assert len(events) in (whole, whole + 1)
    assert "\n".join([HEADER, *(e.line for e in events)]) == GOLDEN[:cut][: len(
        "\n".join([HEADER, *(e.line for e in events)])
    )]  # fmt: skip
    if len(events) > whole:
        assert GOLDEN[cut : cut + 1] == "\n" or cut == len(GOLDEN)


@pytest.mark.parametrize("line", [2, 3, 40, 100])
def test_a_missing_line_is_refused_with_its_number(line: int, tmp_path: Path) -> None:
    lines = GOLDEN.split("\n")
    del lines[line - 1]
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InvalidDataError, match=rf"Event {line - 2} is missing.*line {line}\b"):
        vl.GroupChat.load(path)


@pytest.mark.parametrize(
    "broken",
    ["{", "[]", "7", "null", '"x"', "", '{"seq":9}', '{"type":"x"}', "\x00", '{"seq":9,"type":"x"'],
)
def test_an_edited_line_is_refused_with_its_number(broken: str) -> None:
    lines = GOLDEN.split("\n")
    lines[10] = broken
    with pytest.raises(InvalidDataError, match=r"Event 9 cannot be read.*log, line 11") as caught:
        read_jsonl("\n".join(lines))
    assert caught.value.next_step


def test_lines_in_another_order_are_refused() -> None:
    lines = GOLDEN.split("\n")
    lines[10], lines[11] = lines[11], lines[10]
    with pytest.raises(InvalidDataError, match="line 11"):
        read_jsonl("\n".join(lines))


def test_a_line_twice_is_refused() -> None:
    lines = GOLDEN.split("\n")
    lines.insert(10, lines[10])
    with pytest.raises(InvalidDataError, match="line 12"):
        read_jsonl("\n".join(lines))


@pytest.mark.parametrize(
    "facts",
    [
        {"type": "agent:join"},
        {"type": "agent:join", "agent": {"name": ""}},
        {"type": "agent:speak", "agent": "甲"},
        {"type": "round:start", "round": 1},
        {"type": "mode:changed", "mode": "sequential"},
        {"type": "agent:speak", "agent": "甲", "text": "x", "usage": "many"},
    ],
)
def test_an_event_without_its_facts_is_refused_with_its_number(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "chat.jsonl"
    join = '{"agent":{"name":"甲"},"seq":0,"type":"agent:join"}'
    path.write_text(f"{HEADER}\n{join}\n{json.dumps({**facts, 'seq': 1})}\n", encoding="utf-8")
    with pytest.raises(InvalidDataError, match=r"[Ee]vent 1\b"):
        vl.GroupChat.load(path)


def test_an_event_of_a_newer_vcplab_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(f'{HEADER}\n{{"seq":0,"type":"agent:danced","agent":"甲"}}\n', encoding="utf-8")
    chat = vl.GroupChat.load(path)
    assert (chat.agents, chat.messages, chat.status) == ([], [], "new")
    assert chat.to_jsonl().count("agent:danced") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "{}",
        "[]\n",
        "chat\n",
        '{"schema":"other","version":1}\n',
        "\ufeff" + HEADER + "\n",
    ],
)
def test_what_is_no_log_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SchemaMismatchError, match=r"no log of a chat.*line 1"):
        vl.GroupChat.load(path)


@pytest.mark.parametrize("version", ["2", '"1"', "null", "1.5"])
def test_a_log_of_another_version_is_refused(version: str) -> None:
    with pytest.raises(SchemaMismatchError, match="version"):
        read_jsonl(f'{{"schema":"vcplab-chat","version":{version}}}\n')


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(LOG.read_bytes()[:500] + b"\xff\xfe" + LOG.read_bytes()[500:])
    with pytest.raises(VCPError, match=r"chat\.jsonl"):
        vl.GroupChat.load(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        vl.GroupChat.load(tmp_path / "no.jsonl")


# --- the store ------------------------------------------------------------------------------------


def _chat(store: vl.ChatStore, **options: Any) -> vl.GroupChat:
    model = vl.Scripted(["words"], cycle=True)
    chat = vl.GroupChat(["甲", "乙"], model=model, store=store, seed=1, **options)
    chat.start("x")
    chat.run(rounds=1)
    return chat


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    _chat(vl.ChatStore(path))
    from vcplab.core.store import Store

    other = tmp_path / "newer.sqlite3"
    Store(other, schema="vcplab-chat", version=2).close()
    with pytest.raises(SchemaMismatchError):
        vl.ChatStore(other)
    Store(tmp_path / "cache.sqlite3", schema="vcplab-cache", version=1).close()
    with pytest.raises(SchemaMismatchError):
        vl.ChatStore(tmp_path / "cache.sqlite3")


def test_an_event_that_is_missing_in_a_store_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    store = vl.ChatStore(path)
    chat = _chat(store)
    store.close()
    with sqlite3.connect(path) as base:
        base.execute("DELETE FROM events WHERE seq = 4")
    base.close()
    with pytest.raises(InvalidDataError, match="Event 4 is missing"):
        vl.GroupChat.load(chat.id, store=path)


def test_a_chat_by_id_or_by_its_only_name(tmp_path: Path) -> None:
    store = vl.ChatStore(tmp_path / "chats.sqlite3")
    first = _chat(store, name="review")
    assert vl.GroupChat.load("review", store=store).to_jsonl() == first.to_jsonl()
    second = _chat(store, name="review")
    with pytest.raises(NotFoundError, match="More than one chat"):
        store.row("review")
    assert store.row(second.id).name == "review"
    with pytest.raises(NotFoundError, match="No chat"):
        store.row("nobody")


def test_an_id_is_given_once() -> None:
    store = vl.ChatStore()
    vl.GroupChat(["a"], id="x", store=store)
    with pytest.raises(StateError, match="already"):
        vl.GroupChat(["a"], id="x", store=store)


def test_a_parent_is_not_deleted_before_its_forks() -> None:
    store = vl.ChatStore()
    parent = _chat(store)
    fork = parent.fork(at=5)
    with pytest.raises(InvalidDataError, match="forked from this one") as caught:
        store.delete(parent.id)
    assert fork.id in str(caught.value.next_step)
    assert [e.line for e in store.read(parent.id)] == [e.line for e in parent.events]
    store.delete(fork.id)
    store.delete(parent.id)
    assert store.rows() == []


def test_two_who_write_into_one_chat_do_not_mix_their_events(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    first = _chat(vl.ChatStore(path))
    second = vl.GroupChat.load(first.id, store=path, model=vl.Scripted(["later"], cycle=True))
    second.say("I was faster.")
    with pytest.raises(VCPError) as caught:
        first.say("And I?")
    assert caught.value.next_step
    assert "another" in caught.value.message
    lines = [event.line for event in vl.ChatStore(path).read(first.id)]
    assert lines == [event.line for event in second.events]


def test_a_reader_in_another_process_sees_a_chat_while_it_grows_and_may_not_write(
    tmp_path: Path, root: Path, offline_environment: dict[str, str]
) -> None:
    folder = tmp_path / "lab"
    with vl.Lab(folder) as lab:
        chat = lab.group_chat(["甲"], model=vl.Scripted(["words"], cycle=True), name="shared")
        chat.start("x")
        chat.run(rounds=2)
        code = (
            "import sys, json, vcplab as vl\n"
            "from vcplab.core.errors import ReadOnlyError\n"
            "with vl.Lab(sys.argv[1]) as lab:\n"
            "    chat = lab.chats['shared']\n"
            "    found = {'log': chat.to_jsonl(), 'read_only': lab.read_only, 'told': []}\n"
            "    for write in (lambda: chat.say('x'), lambda: chat.run(rounds=1),\n"
            "                  lambda: chat.set_topic('y'), lambda: lab.group_chat(['b']),\n"
            "                  lambda: lab.chats.delete('shared')):\n"
            "        try:\n"
            "            write()\n"
            "        except ReadOnlyError as error:\n"
            "            found['told'].append(str(error.next_step))\n"
            "    fork = chat.fork(model=vl.Scripted(['mine'], cycle=True))\n"
            "    fork.run(rounds=1)\n"
            "    found['fork'] = fork.to_jsonl()\n"
            "    found['after'] = lab.chats['shared'].to_jsonl()\n"
            "sys.stdout.buffer.write(json.dumps(found).encode())\n"
        )
        child = subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            cwd=root, env=offline_environment, capture_output=True, timeout=120,
        )  # fmt: skip
        assert child.returncode == 0, child.stderr.decode(errors="replace")
        found = json.loads(child.stdout)
        assert found["read_only"]
        assert found["log"] == chat.to_jsonl() == found["after"]
        assert len(found["told"]) == 5
        assert all(found["told"])
        assert found["fork"].startswith(chat.to_jsonl())
        assert "mine" in found["fork"]
        chat.run(rounds=1)  # the owner is not disturbed


def test_a_store_that_is_read_only_says_what_can_be_done(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    chat = _chat(vl.ChatStore(path))
    reader = vl.ChatStore(path, read_only=True)
    again = vl.GroupChat.load(chat.id, store=reader, model=vl.Scripted(["x"]))
    with pytest.raises(ReadOnlyError) as caught:
        again.say("x")
    assert "fork" in str(caught.value.next_step)
    assert again.to_jsonl() == chat.to_jsonl()


def test_many_threads_join_and_speak_and_every_event_has_its_number() -> None:
    chat = vl.GroupChat(["甲"], model=vl.Scripted(["words"], cycle=True), seed=1)
    chat.start("x")

    def work(number: int) -> None:
        for step in range(5):
            chat.add_agent(f"agent {number}.{step}")
            chat.set_topic(f"{number}.{step}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    chat.run(rounds=2)
    for thread in threads:
        thread.join()
    assert [event.seq for event in chat.events] == list(range(len(chat.events)))
    assert [event.line for event in chat.store.read(chat.id)] == [e.line for e in chat.events]
    assert len(chat.agents) == 31
