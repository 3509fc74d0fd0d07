"""What a chat is given is checked before anything is written."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.agents.chat.log import ChatStore
from vcplab.core.errors import InvalidInputError, StateError, VCPError

MODEL = vl.Scripted("好。", cycle=True)


def _chat(**options: Any) -> vl.GroupChat:
    return vl.GroupChat(["甲", "乙"], model=MODEL, **options)


NO_OPTIONS: list[tuple[str, Any]] = [
    ("name", 5),
    ("group_prompt", 5),
    ("invite_prompt", 5),
    ("user_name", 5),
    ("tools", 5),
    ("tokenizer", 5),
    ("approver", 5),
    ("host", "nobody"),
    ("host", 5),
    ("model", {"丁": MODEL}),
    ("max_speakers", 2.5),
    ("max_speakers", math.inf),
    ("handoff_depth", 1.5),
    ("cooldown", math.nan),
    ("cooldown", math.inf),
    ("max_tokens", "abc"),
    ("temperature", "hot"),
    ("temperature", math.inf),
    ("call_timeout", "x"),
    ("call_timeout", -1),
    ("concurrent", "yes"),
    ("heads", "x"),
    ("send_seed", 1),
    ("consensus_threshold", 7),
    ("consensus_threshold", "x"),
    ("tag_match_mode", "zzz"),
    ("seed", "abc"),
    ("seed", 1.5),
    ("prices", 5),
    ("prices", {"a": {"inptu": 1}}),
    ("member_tags", 5),
    ("max_rounds", "x"),
    ("max_rounds", 2.7),
    ("max_rounds", 0),
    ("timeout", "x"),
    ("timeout", -1),
    ("speaking_cooldown", "x"),
    ("sharing", "all"),
    ("mode", "nope"),
    ("stop", "x"),
]


@pytest.mark.parametrize(("name", "value"), NO_OPTIONS)
def test_options_that_cannot_be_are_refused_and_leave_nothing(name: str, value: Any) -> None:
    store = ChatStore()
    with pytest.raises(InvalidInputError) as caught:
        vl.GroupChat(["甲", "乙"], **{"model": MODEL, "store": store, name: value})
    assert caught.value.next_step
    assert store.rows() == []


def test_a_store_is_a_store_or_a_file() -> None:
    with pytest.raises(InvalidInputError, match="keeps no chats"):
        _chat(store=5)


@pytest.mark.parametrize(
    "agents",
    [
        "Alice",
        5,
        None,
        {"name": "a"},
        vl.Agent("a"),
        [5],
        ["甲", {"name": ""}],
        [vl.Agent("甲", "A"), vl.Agent("甲", "B")],
        ["A", "a"],
        ["é", "e\u0301"],
        ["Ａ", "A"],
        [vl.Agent("a", id="1"), vl.Agent("A", id="2")],
        [vl.Agent("a", id="b"), "b"],
        ["user"],
    ],
)
def test_agents_that_cannot_be_are_refused_and_leave_nothing(agents: Any) -> None:
    store = ChatStore()
    with pytest.raises(InvalidInputError):
        vl.GroupChat(agents, model=MODEL, store=store, name="ghost")
    assert store.rows() == []


def test_an_agent_of_the_same_id_is_replaced_and_of_the_same_name_refused() -> None:
    chat = _chat()
    chat.add_agent(vl.Agent("甲", "another prompt"))
    assert [agent.system_prompt for agent in chat.agents] == ["another prompt", ""]
    before = chat.to_jsonl()
    with pytest.raises(InvalidInputError, match="called"):
        chat.add_agent(vl.Agent("甲", id="third"))
    assert chat.to_jsonl() == before


CALLS: list[tuple[str, Callable[[vl.GroupChat], Any]]] = [
    ("user_id list", lambda c: c.say("x", user_id=["a"])),
    ("user_id number", lambda c: c.say("x", user_id=5)),
    ("user_id empty", lambda c: c.say("x", user_id=" ")),
    ("user_id agent", lambda c: c.say("x", user_id="甲")),
    ("user_id agent, folded", lambda c: c.say("x", user_id=" 甲")),
    ("handle user_id", lambda c: c.handle_user_input("x", 5)),
    ("text", lambda c: c.say(5)),
    ("to", lambda c: c.say("x", to=5)),
    ("to inside", lambda c: c.say("x", to=[5])),
    ("to list inside", lambda c: c.say("x", to=[["甲"]])),
    ("to empty", lambda c: c.say("x", to=[])),
    ("to nobody", lambda c: c.say("x", to="丁")),
    ("images text", lambda c: c.say("x", images="data:abc")),
    ("images file", lambda c: c.say("x", images=["/etc/passwd"])),
    ("images number", lambda c: c.say("x", images=[5])),
    ("images none", lambda c: c.say("x", images=[None])),
    ("images 5", lambda c: c.say("x", images=5)),
    ("topic", lambda c: c.set_topic(5)),
    ("topic none", lambda c: c.set_topic(None)),
    ("mode", lambda c: c.set_mode("nope")),
    ("rounds text", lambda c: c.run("x")),
    ("rounds negative", lambda c: c.run(-1)),
    ("rounds part", lambda c: c.run(1.5)),
    ("rounds true", lambda c: c.run(True)),
    ("context", lambda c: c.request_speak("甲", 5)),
    ("end", lambda c: c.end(5)),
    ("summary", lambda c: c.end("x", 5)),
    ("subscribe number", lambda c: c.subscribe(print, 5)),
    ("subscribe typo", lambda c: c.subscribe(print, "agnt:speak")),
    ("subscribe family", lambda c: c.subscribe(print, "agnt:*")),
    ("subscribe 5", lambda c: c.subscribe(5)),
    ("save", lambda c: c.save(5)),
    ("save folder", lambda c: c.save("/")),
    ("save nowhere", lambda c: c.save("/no/dir/x")),
    ("load", lambda c: vl.GroupChat.load(5)),
    ("fork name", lambda c: c.fork(name=5)),
    ("fork store", lambda c: c.fork(store=5)),
]


@pytest.mark.parametrize(("what", "call"), CALLS)
def test_calls_that_cannot_be_are_refused_and_write_nothing(
    what: str, call: Callable[[vl.GroupChat], Any]
) -> None:
    chat = _chat().start("x")
    before, rows = chat.to_jsonl(), chat.store.rows()
    with pytest.raises(VCPError) as caught:
        call(chat)
    assert caught.value.next_step, what
    assert (chat.to_jsonl(), chat.store.rows()) == (before, rows)
    assert chat.say("好")
    assert vl.GroupChat.load(chat.id, store=chat.store).state == chat.state


@pytest.mark.parametrize("topic", [5, {"a": 1}, None])
def test_a_topic_is_a_text(topic: Any) -> None:
    chat = _chat()
    with pytest.raises(InvalidInputError, match="topic"):
        chat.start(topic)
    assert chat.status == "new"


def test_subscribing_takes_known_types_families_and_those_of_ones_own() -> None:
    chat = _chat()
    for type_ in (None, "agent:speak", "agent:*", "agent:stream", "status", "vote:cast"):
        chat.subscribe(print, type_).close()


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("user:speak", {"text": "x", "user": ["a"]}),
        ("user:speak", {"text": 5}),
        ("user:speak", {}),
        ("round:start", {"round": 1, "speakers": 5}),
        ("agent:speak", {"agent": "甲"}),
        ("topic:updated", {"topic": 5}),
        ("options:changed", {"changes": 5}),
        ("mode:changed", {"mode": "x"}),
    ],
)
def test_facts_that_cannot_be_folded_are_not_written(type_: str, data: dict[str, Any]) -> None:
    chat = _chat().start("x")
    chat.say("一")
    before, state = chat.to_jsonl(), chat.state
    whole = state.snapshot()
    with pytest.raises(VCPError):
        chat._session.record_all([("topic:updated", {"topic": "new"}), (type_, data)])
    assert chat.to_jsonl() == before
    assert chat.state is state
    assert state == whole
    assert vl.GroupChat.load(chat.id, store=chat.store).to_jsonl() == before


def test_a_write_that_fails_changes_nothing() -> None:
    chat = _chat().start("x")
    whole = chat.state.snapshot()
    chat.store.close()
    for call in (lambda: chat.set_mode("random"), lambda: chat.set_topic("y"), lambda: chat.end()):
        with pytest.raises(VCPError):
            call()
    assert chat.mode == chat.state.mode == "sequential"
    assert chat.state == whole


def _at_once(call: Callable[[int], object], number: int = 16) -> list[Exception]:
    failed: list[Exception] = []
    gate = threading.Barrier(number)

    def go(one: int) -> None:
        gate.wait()
        try:
            call(one)
        except VCPError as error:
            failed.append(error)

    threads = [threading.Thread(target=go, args=(one,)) for one in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_a_chat_that_many_start_is_started_once() -> None:
    for _ in range(5):
        chat = _chat()
        failed = _at_once(lambda _, chat=chat: chat.start("x"))  # type: ignore[misc]
        assert [type(error) for error in failed] == [StateError] * 15
        assert sum(event.type == "chat:start" for event in chat.events) == 1


@pytest.mark.parametrize("started", [False, True])
def test_of_many_agents_of_one_name_one_takes_part(started: bool) -> None:
    for _ in range(5):
        chat = _chat()
        if started:
            chat.start("x")
        failed = _at_once(lambda n, chat=chat: chat.add_agent(vl.Agent("丙", id=f"c{n}")))  # type: ignore[misc]
        assert len(failed) == 15
        assert [agent.name for agent in chat.agents] == ["甲", "乙", "丙"]
        assert vl.GroupChat.load(chat.id, store=chat.store).state == chat.state


def test_a_file_that_is_no_log_leaves_no_chat_in_the_store(tmp_path: Path) -> None:
    store = ChatStore()
    path = _chat().save(tmp_path / "chat.jsonl")
    with pytest.raises(InvalidInputError):
        vl.GroupChat.load(path, store=store, max_speakers="x")
    assert store.rows() == []
