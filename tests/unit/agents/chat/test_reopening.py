"""Chats opened again and forked: what was given is kept, what is changed stands in the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.log import HEADER, ChatStore, read_jsonl
from vcplab.core.errors import InvalidInputError, VCPError

MODEL = vl.Scripted("好。", cycle=True)
OPTIONS: dict[str, Any] = {
    "max_speakers": 1, "sharing": "isolated", "stop": vl.stop.rounds(2), "seed": 5,
    "approve": "turns", "name": "n", "window_tokens": None,
}  # fmt: skip


def _same(one: vl.GroupChat, other: vl.GroupChat) -> None:
    assert one.options == other.options
    assert one._config() == other._config()
    assert one._seed == other._seed


def _begun(**options: Any) -> vl.GroupChat:
    chat = vl.GroupChat(["甲", "乙", "丙"], model=MODEL, seed=3, **options).start("x")
    chat.say("a")
    return chat


def _loaded(chat: vl.GroupChat, **options: Any) -> vl.GroupChat:
    return vl.GroupChat.load(chat.id, store=chat.store, **{"model": MODEL, **options})


def _changes(chat: vl.GroupChat) -> list[ChatEvent]:
    return [event for event in chat.events if event.type in ("options:changed", "mode:changed")]


def test_a_chat_that_was_not_started_keeps_what_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    chat = vl.GroupChat(["甲", "乙"], "random", model=MODEL, store=path, **OPTIONS)
    chat.set_mode("natural")
    chat.store.close()
    again = vl.GroupChat.load("n", store=path, model=MODEL)
    _same(again, chat)
    assert again.mode == "natural"
    again.start("x")
    assert again.state.seed == 5
    assert again.state.config["sharing"] == "isolated"
    assert again.store.options(again.id) != {}
    third = vl.GroupChat.load("n", store=ChatStore(path), model=MODEL)
    _same(third, again)


def test_a_lab_keeps_what_an_unstarted_chat_was_given(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        lab.group_chat(["甲", "乙"], "random", model=MODEL, **OPTIONS)
    with vl.Lab(tmp_path / "lab") as lab:
        chat = lab.chats.open("n", model=MODEL)
        assert (chat.mode, chat.stop, chat._seed) == ("random", vl.stop.rounds(2), 5)
        assert chat.options.max_speakers == 1


@pytest.mark.parametrize("started", [False, True])
def test_a_saved_chat_keeps_what_it_was_given(tmp_path: Path, started: bool) -> None:
    chat = vl.GroupChat(["甲", "乙"], "random", model=MODEL, **OPTIONS)
    if started:
        chat.start("x")
    path = chat.save(tmp_path / "other.jsonl")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(HEADER) is started
    assert len(read_jsonl(text)) == len(chat.events)
    again = vl.GroupChat.load(path, model=MODEL)
    _same(again, chat)
    assert again.name == "n"
    assert again.to_jsonl() == chat.to_jsonl()
    assert again.save(tmp_path / "again.jsonl").read_bytes() == path.read_bytes()


def test_a_saved_chat_without_a_name_of_its_own_gets_none_by_its_file(tmp_path: Path) -> None:
    path = _begun().save(tmp_path / "other.jsonl")
    assert vl.GroupChat.load(path, model=MODEL).name == "group chat"


def test_what_changes_before_the_start_is_kept_and_not_logged() -> None:
    chat = vl.GroupChat(["甲", "乙"], "random", model=MODEL, **OPTIONS)
    changed = _loaded(chat, sharing="partial", mode="sequential", seed=8)
    assert not _changes(changed)
    again = _loaded(chat)
    _same(again, changed)
    assert (again.options.prompt.sharing, again.mode, again._seed) == ("partial", "sequential", 8)


def test_a_fork_of_an_unstarted_chat_keeps_its_options() -> None:
    chat = vl.GroupChat(["甲", "乙"], "random", model=MODEL, **OPTIONS)
    fork = chat.fork(max_speakers=2)
    assert (fork.mode, fork._seed, fork.options.max_speakers) == ("random", 5, 2)
    again = vl.GroupChat.load(fork.id, store=chat.store, model=MODEL)
    _same(again, fork)
    assert again.name == "n (fork at 2)"


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"sharing": "isolated"}, {"sharing": "isolated"}),
    ({"contextSharing": "partial"}, {"sharing": "partial"}),
    ({"max_speakers": 1}, {"max_speakers": 1}),
    ({"maxSpeakersPerRound": 2}, {"max_speakers": 2}),
    ({"handoff_depth": 0}, {"handoff_depth": 0}),
    ({"allowFreeDiscussion": False}, {"handoff_depth": 0}),
    ({"mentions": "ignore"}, {"mentions": "ignore"}),
    ({"concurrent": True}, {"concurrent": True}),
    ({"host": "乙"}, {"host": "乙"}),
    ({"window_tokens": None}, {"window_tokens": None}),
    ({"speakingCooldown": 500}, {"cooldown": 0.5}),
    ({"stop": vl.stop.rounds(7)}, {"stop": {"stop": "rounds", "n": 7}}),
    ({"max_rounds": 7}, {"stop": {"stop": "rounds", "n": 7}}),
]


@pytest.mark.parametrize(("given", "logged"), CHANGES)
@pytest.mark.parametrize("how", ["fork", "load"])
def test_options_that_are_changed_stand_in_the_log(
    how: str, given: dict[str, Any], logged: dict[str, Any]
) -> None:
    chat = _begun()
    other = chat.fork(**given) if how == "fork" else _loaded(chat, **given)
    (event,) = _changes(other)
    assert event.data["changes"] == logged
    assert {**other.state.config, **logged} == other.state.config
    other.say("b")
    assert other.replay().identical
    again = _loaded(other)
    _same(again, other)
    assert again.state == other.state
    assert again.to_jsonl() == other.to_jsonl()
    assert len(_changes(again)) == 1
    assert again.replay().identical


def test_what_is_given_as_it_is_changes_nothing() -> None:
    chat = _begun(max_speakers=2, stop=vl.stop.rounds(4))
    for other in (
        chat.fork(),
        chat.fork(max_speakers=2, mode="sequential", seed=3),
        _loaded(chat, max_speakers=2, stop=vl.stop.rounds(4), mode="sequential", seed=3),
    ):
        assert other.to_jsonl() == chat.to_jsonl()


def test_an_isolated_fork_is_isolated_when_it_is_opened_again() -> None:
    chat = _begun()
    fork = chat.fork(sharing="isolated")
    fork.say("b")
    again = _loaded(fork)
    prompt = " ".join(str(message.content) for message in again.prompt_for("丙"))
    assert "[User says]: b" in prompt
    assert "[甲" not in prompt
    assert again.replay().identical


def test_the_seed_of_a_fork_counts_from_there_on() -> None:
    chat = vl.GroupChat(list("abcdef"), "random", model=MODEL, max_speakers=1, seed=3).start("x")
    chat.run(rounds=3)
    forks = [chat.fork(seed=seed) for seed in range(10, 16)]
    for fork in forks:
        fork.run(rounds=3)
        assert fork.replay().identical
        assert _loaded(fork).state.seed == fork.state.seed
    assert [fork.state.seed for fork in forks] == list(range(10, 16))
    assert len({tuple(m.agent_id for m in fork.messages) for fork in forks}) > 1


@pytest.mark.parametrize("how", ["fork", "load"])
def test_another_mode_stands_in_the_log(how: str) -> None:
    chat = _begun()
    other = chat.fork(mode="random") if how == "fork" else _loaded(chat, mode="random")
    assert [event.data for event in _changes(other)] == [{"mode": {"mode": "random"}}]
    other.say("b")
    assert other.replay().identical
    assert _loaded(other).mode == "random"


def test_several_changes_one_after_another_replay() -> None:
    chat = _begun()
    last = {"max_speakers": 3, "mode": "sequential"}
    for options in ({"max_speakers": 1}, {"mode": "random", "seed": 9}, {"stop": 9}, last):
        chat = _loaded(chat, **options)
        chat.say("b")
        assert chat.replay().identical
    assert len(_changes(chat)) == 6


def test_a_fork_before_a_change_knows_nothing_of_it() -> None:
    chat = _begun(stop=vl.stop.rounds(4))
    before = len(chat.events)
    changed = chat.fork(stop=vl.stop.rounds(9), max_speakers=1, mode="random")
    changed.say("b")
    fork = changed.fork(at=before - 1)
    assert (fork.stop, fork.mode) == (vl.stop.rounds(4), "sequential")
    assert fork.options.max_speakers == 5
    assert fork.to_jsonl() == chat.to_jsonl()


def test_other_limits_take_the_place_of_the_same_kind() -> None:
    chat = _begun(stop=vl.stop.rounds(2) | vl.stop.text("END"))
    assert chat.fork(max_rounds=7).stop == vl.stop.text("END") | vl.stop.rounds(7)
    assert chat.fork(timeout=9000).stop == chat.stop | vl.stop.time(9)


def test_a_fork_at_the_last_word_goes_on_under_its_own_limit() -> None:
    chat = vl.GroupChat(["甲", "乙"], model=MODEL, stop=vl.stop.rounds(2)).start("x")
    chat.run()
    assert chat.status == "ended"
    fork = chat.fork(at=chat.messages[-1], stop=vl.stop.rounds(4))
    fork.run()
    assert fork.state.round == 4
    assert fork.replay().identical


@pytest.mark.parametrize("number", range(30))
def test_a_fork_with_other_options_replays_from_every_event(number: int) -> None:
    # Cut in every place: inside rounds, after a hand-off, before a round's end.
    said: dict[str, Any] = {"甲": ["@乙 说", "好。"], "乙": "@丙 说", "丙": "好。"}
    model = vl.Scripted(said, cycle=True)
    chat = vl.GroupChat(["甲", "乙", "丙"], "random", model=model, seed=1, stop=3).start("x")
    chat.run()
    if number >= len(chat.events):
        number %= len(chat.events)
    fork = chat.fork(at=number, max_speakers=1, handoff_depth=1, stop=vl.stop.rounds(4), seed=8)
    if fork.status == "new":
        fork.start("x")
    elif fork.status == "ended":
        fork.start()
    fork.run()
    assert fork.replay().identical, fork.replay()
    assert _loaded(fork).to_jsonl() == fork.to_jsonl()


def test_a_begun_turn_goes_on_under_other_options() -> None:
    text = "".join(
        f"{line}\n"
        for line in [
            HEADER,
            '{"agent":{"name":"a"},"seq":0,"type":"agent:join"}',
            '{"config":{"mode":{"mode":"sequential"},"stop":{"n":10,"stop":"rounds"}},"seed":0,'
            '"seq":1,"type":"chat:start"}',
            '{"round":1,"seq":2,"speakers":[{"agent":"a"}],"type":"round:start"}',
            '{"agent":"a","seq":3,"text":"Let me see.","type":"model:call","usage":[1,1]}',
        ]
    )
    store = ChatStore()
    for event in read_jsonl(text):
        if event.seq == 0:
            store.create("c", "c", event.time)
        store.append("c", [(event.seq or 0, event.type, event.line, None, 0.0)])
    chat = vl.GroupChat.load("c", store=store, model=MODEL, max_speakers=1)
    (event,) = _changes(chat)
    assert event.data["during"] is True
    chat.step()
    assert chat.messages[0].content == "Let me see."


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"id": "x"}, "cannot be given 'id'"),
        ({"member_tags": {"甲": ["x"]}}, "cannot be given 'member_tags'"),
        ({"consensus_threshold": 0.7}, "mode 'consensus'"),
        ({"tag_match_mode": "natural"}, "mode 'natural'"),
        ({"max_rounds": 2.7}, "max_rounds"),
        ({"timeout": "x"}, "timeout"),
        ({"seed": 1.5}, "no seed"),
        ({"sharing": "all"}, "sharing"),
        ({"nope": 1}, "no option 'nope'"),
        ({"tools": 5}, "tools"),
    ],
)
def test_what_cannot_apply_is_refused_and_leaves_nothing(
    options: dict[str, Any], match: str
) -> None:
    chat = _begun()
    rows = chat.store.rows()
    for again in (chat.fork, lambda **given: _loaded(chat, **given)):
        with pytest.raises(InvalidInputError, match=match):
            again(**options)
    assert chat.store.rows() == rows


def test_seed_002s_options_of_a_mode_count_in_that_mode() -> None:
    chat = _begun()
    fork = chat.fork(mode="consensus", consensus_threshold=0.7)
    assert fork.policy.to_dict() == {"mode": "consensus", "threshold": 0.7}
    assert fork.fork(consensus_threshold=0.9).policy.to_dict()["threshold"] == 0.9


def test_the_name_of_a_fork_stays() -> None:
    chat = _begun(name="旧")
    fork = chat.fork(name="新")
    assert _loaded(fork).name == "新"
    assert chat.store.row("新").id == fork.id
    renamed = _loaded(fork, name="再")
    assert _loaded(renamed).name == renamed.name == chat.store.row(fork.id).name == "再"


def test_a_lab_opens_the_newest_of_several_of_a_name(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab", model=MODEL) as lab:
        chats = [lab.group_chat(["甲"], name="n") for _ in range(5)]
        assert lab.chats["n"] is chats[-1]
        assert lab.chats[chats[0].id] is chats[0]
        with pytest.raises(VCPError, match="More than one"):
            lab.chats.delete("n")
    with vl.Lab(tmp_path / "lab", model=MODEL) as lab:
        assert lab.chats["n"].id == chats[-1].id
