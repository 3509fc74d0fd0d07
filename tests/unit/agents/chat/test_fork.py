"""Forks: a beginning that is shared and not copied, and a way of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.golden_chat import LOG
from tests.support.killed_chat import ByRequest
from vcplab.agents.chat.log import HEADER
from vcplab.core.errors import NotFoundError

MODEL = ByRequest(failing=False)


def _rows(store: vl.ChatStore, chat: str | None = None) -> int:
    where, values = ("", []) if chat is None else (" WHERE chat = ?", [chat])
    ((count,),) = store._store.rows(f"SELECT count(*) FROM events{where}", values)
    return int(count)


def _golden(store: vl.ChatStore | None = None) -> vl.GroupChat:
    return vl.GroupChat.load(LOG, store=store or vl.ChatStore(), model=MODEL)


def _lines(chat: vl.GroupChat) -> list[str]:
    return [event.line for event in chat.events]


def _go_on(chat: vl.GroupChat) -> None:
    if not chat.state.agents:
        chat.add_agent("new")
    if not chat.state.is_active:
        chat.start("on")
    chat.say("@林 go on")
    chat.step()


def _prefix(text: str, events: int) -> bytes:
    return "".join(f"{line}\n" for line in text.split("\n")[: events + 1]).encode()


@pytest.mark.parametrize(
    "step", [pytest.param(5, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def test_a_fork_at_every_event_shares_its_prefix_copies_nothing_and_goes_on(
    tmp_path: Path, step: int
) -> None:
    store = vl.ChatStore(tmp_path / "chats.sqlite3")
    chat = _golden(store)
    whole = chat.to_jsonl()
    for k in range(0, len(chat.events), step):
        before = _rows(store)
        fork = chat.fork(at=k)
        assert _rows(store) == before
        assert fork.to_jsonl().encode() == _prefix(whole, k + 1)
        assert fork.replay().identical, k
        _go_on(fork)
        assert len(fork.events) > k + 1
        assert fork.to_jsonl().encode().startswith(_prefix(whole, k + 1))
        assert _rows(store, fork.id) == len(fork.events) - k - 1
        again = vl.GroupChat.load(fork.id, store=store, model=MODEL)
        assert again.to_jsonl() == fork.to_jsonl()
        assert again.state == fork.state
    assert chat.to_jsonl() == whole
    assert [event.line for event in store.read(chat.id)] == _lines(chat)


def test_forks_of_forks_share_as_far_as_each_goes(tmp_path: Path) -> None:
    store = vl.ChatStore(tmp_path / "chats.sqlite3")
    first = _golden(store)
    second = first.fork(at=60)
    _go_on(second)
    begun = len(second.events)
    for at in (10, 59, 60, 61, begun - 1):
        third = second.fork(at=at)
        assert _rows(store, third.id) == 0
        assert _lines(third) == _lines(second)[: at + 1]
        _go_on(third)
        fourth = third.fork()
        _go_on(fourth)
        for chat in (third, fourth):
            loaded = vl.GroupChat.load(chat.id, store=store, model=MODEL)
            assert _lines(loaded) == _lines(chat)
            assert loaded.replay().identical
    assert _lines(first) == _lines(_golden())


def test_the_parent_goes_on_and_the_fork_does_not_see_it() -> None:
    parent = _golden()
    fork = parent.fork(at=50)
    shared = _lines(fork)
    _go_on(parent)
    assert _lines(fork) == shared
    assert _lines(vl.GroupChat.load(fork.id, store=fork.store)) == shared


def test_a_fork_of_the_same_seed_goes_the_way_of_its_parent() -> None:
    chat = vl.GroupChat(list("甲乙丙丁"), "random", model=MODEL, seed=3, stop=vl.stop.rounds(9))
    chat.start("x")
    chat.run()
    for at in (6, 7, 11, 20):
        fork = chat.fork(at=at)
        fork.run()
        assert fork.to_jsonl() == chat.to_jsonl()


def test_a_fork_in_a_store_of_its_own_stands_alone(tmp_path: Path) -> None:
    chat = _golden()
    store = vl.ChatStore(tmp_path / "own.sqlite3")
    fork = chat.fork(at=40, store=store)
    assert _rows(store) == 41
    _go_on(fork)
    assert store.row(fork.id).parent is None
    assert vl.GroupChat.load(fork.id, store=store).to_jsonl() == fork.to_jsonl()


def test_a_fork_changes_what_it_is_told_to() -> None:
    chat = vl.GroupChat(list("甲乙丙"), model=MODEL, seed=3)
    chat.start("x")
    chat.run(rounds=1)
    other = vl.Scripted(["other words"], cycle=True, name="other")
    fork = chat.fork(mode="random", model=other, stop=vl.stop.rounds(2), name="what if")
    assert (fork.mode, fork.name, chat.mode) == ("random", "what if", "sequential")
    assert fork.events[-1].type == "mode:changed"
    fork.run()
    assert fork.messages[-1].content == "other words"
    assert fork.events[-1].data["kind"] == "rounds"
    loaded = vl.GroupChat.load(fork.id, store=fork.store)
    assert loaded.mode == "random"
    assert loaded.replay().identical


def test_a_fork_pays_for_its_own_calls_only() -> None:
    chat = vl.GroupChat(list("甲乙"), model=MODEL, seed=3)
    chat.start("x")
    chat.run(rounds=2)
    fork = chat.fork()
    assert len(fork.ledger) == 0
    fork.step()
    assert len(fork.ledger) == 1
    again = vl.GroupChat.load(fork.id, store=fork.store, model=MODEL)
    assert len(again.ledger) == 1


def test_a_fork_goes_back_before_a_change_of_mode() -> None:
    chat = _golden()
    changed = [e.seq or 0 for e in chat.events if e.type == "mode:changed"]
    assert chat.fork(at=changed[0] - 1).mode == "sequential"
    assert chat.fork(at=changed[0]).mode == "random"
    assert chat.fork(at=changed[1]).mode == "natural"


@pytest.mark.parametrize("at", [-1, 10_000, "m10000", "nothing", True, "m", 1.5])
def test_there_is_no_such_place(at: Any) -> None:
    with pytest.raises(NotFoundError):
        _golden().fork(at=at)


def test_a_fork_by_message_or_its_id() -> None:
    chat = _golden()
    message = chat.messages[4]
    for at in (message, message.id, int(message.id[1:])):
        assert chat.fork(at=at).messages[-1].id == message.id


def test_the_header_is_shared_too() -> None:
    assert _golden().fork(at=0).to_jsonl().startswith(HEADER)
