"""The state is what the log adds up to, whatever happens in a chat."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vcplab as vl
from tests.support.golden_chat import LOG
from tests.support.killed_chat import ByRequest, Look
from vcplab.agents.chat.fold import fold
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import VCPError
from vcplab.core.loop import run

NAMES = ["甲", "bob", "Ада", "小红😀"]
TEXTS = st.sampled_from(
    [
        "你好",
        "@bob and @甲?",
        "x@bob.com",
        "@所有人 说",
        "half \ud800",
        "  \n",
        "build 构建",
        "@Ада",
    ]
)
MODES = st.sampled_from(
    ["sequential", "random", "natural", "mention", "keyword", "selected", "invitation",
     {"mode": "consensus", "max_rounds": 2}, {"mode": "random", "count": 2}]
)  # fmt: skip
WHO = st.sampled_from(NAMES)
#: What people do in the middle of a round, while an agent streams.
MEDDLING = st.one_of(
    st.tuples(st.just("interrupt"), st.none() | WHO),
    st.tuples(st.just("say"), TEXTS),
    st.tuples(st.just("whisper"), WHO),
    st.tuples(st.just("join"), WHO),
    st.tuples(st.just("leave"), WHO),
    st.tuples(st.just("mode"), MODES),
    st.tuples(st.just("topic"), TEXTS),
    st.tuples(st.just("pause"), st.none()),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), TEXTS),
        st.tuples(st.just("whisper"), st.sets(WHO, min_size=1, max_size=2)),
        st.tuples(st.just("run"), st.integers(0, 2)),
        st.tuples(st.just("run"), st.just(1)),
        st.tuples(st.just("step"), st.none()),
        st.tuples(st.just("step"), st.none()),
        st.tuples(st.just("mode"), MODES),
        st.tuples(st.just("floor"), WHO),
        st.tuples(st.just("redo"), st.none() | WHO),
        st.tuples(st.just("hear"), TEXTS),
        st.tuples(st.just("join"), WHO),
        st.tuples(st.just("leave"), WHO),
        st.tuples(st.just("topic"), TEXTS),
        st.tuples(st.just("end"), st.none()),
        st.tuples(st.just("start"), st.none()),
        st.tuples(st.just("meddle"), st.tuples(st.integers(1, 9), MEDDLING)),
        st.tuples(st.just("meddle"), st.tuples(st.integers(1, 9), MEDDLING)),
        st.tuples(st.just("meddle"), st.tuples(st.integers(1, 9), MEDDLING)),
        st.tuples(st.just("fork"), st.integers(0, 60)),
    ),
    min_size=2,
    max_size=14,
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "concurrent": st.booleans(),
        "max_speakers": st.integers(1, 3),
        "on_error": st.sampled_from(["continue", "stop"]),
        "sharing": st.sampled_from(["full", "partial", "isolated"]),
        "handoff_depth": st.integers(0, 3),
        "stop": st.sampled_from(
            [vl.stop.rounds(3), vl.stop.messages(5) | vl.stop.rounds(4), vl.stop.silence(1),
             vl.stop.text("说 4"), vl.stop.tokens(3000)]
        ),
    },
)  # fmt: skip


def _agent(name: str) -> vl.Agent:
    return vl.Agent(name, f"You are {name}.", keywords=["构建"] if name == "bob" else [])


def _do(chat: vl.GroupChat, step: str, what: Any) -> vl.GroupChat:
    if chat.state.agents and not chat.state.is_active and step not in ("start", "end"):
        chat.start("again")
    if step == "say":
        chat.say(what)
    elif step == "whisper":
        chat.say("私下", to=sorted(what))
    elif step == "run":
        chat.run(rounds=what)
    elif step == "step":
        chat.step()
    elif step == "mode":
        chat.set_mode(what)
    elif step == "floor":
        chat.request_speak(what)
    elif step == "redo":
        chat.redo(agent=what)
    elif step == "hear":
        chat.handle_user_input(what)
    elif step == "join":
        chat.add_agent(_agent(what))
    elif step == "leave":
        chat.remove_agent(what)
    elif step == "topic":
        chat.set_topic(what)
    elif step == "end":
        chat.end()
    elif step == "start":
        chat.start("again")
    elif step == "meddle":
        _meddle(chat, *what)
    elif chat.events:
        return chat.fork(at=what % len(chat.events))
    return chat


def _meddle(chat: vl.GroupChat, piece: int, act: tuple[str, Any]) -> None:
    """A round in whose middle somebody does something, at one of its pieces."""
    pieces: list[object] = []
    tasks: list[asyncio.Task[Any]] = []
    step, what = act

    def heard(event: object) -> None:
        pieces.append(event)
        if len(pieces) != piece:
            return
        with suppress(VCPError):
            if step == "interrupt":
                chat.interrupt(what)
            elif step == "say":
                tasks.append(asyncio.ensure_future(chat.asay(what)))
            elif step == "whisper":
                tasks.append(asyncio.ensure_future(chat.asay("私下", to=what)))
            elif step == "pause":
                chat.pause()
            else:
                _do(chat, step, what)

    with chat.subscribe(heard, "agent:stream"):
        chat.run(rounds=1)

    async def done() -> None:
        await asyncio.gather(*tasks, return_exceptions=True)

    run(done())


def _folded(chat: vl.GroupChat) -> ChatState:
    state = ChatState()
    for event in chat.events:
        fold(
            state, event.seq or 0, event.type, event.data, time=event.moment, seconds=event.seconds
        )
    return state


@settings(max_examples=15)
@given(STEPS, OPTIONS, st.integers(0, 9))
def test_whatever_happens_the_log_says_it_all(
    steps: list[tuple[str, Any]], options: dict[str, Any], seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tools = Look(Path(folder) / "canary")
        chat = vl.GroupChat(
            map(_agent, NAMES), model=ByRequest(), tools=tools, seed=seed, **options
        )
        chat.start("做不做")
        for step, what in steps:
            with suppress(VCPError):
                chat = _do(chat, step, what)
        assert _folded(chat) == chat.state
        stored = vl.GroupChat.load(chat.id, store=chat.store)
        assert stored.state == chat.state
        assert stored.to_jsonl() == chat.to_jsonl()
        replay = chat.replay()
        assert replay.identical, replay
        loaded = vl.GroupChat.load(chat.save(Path(folder) / "chat.jsonl"))
        assert loaded.to_jsonl() == chat.to_jsonl()
        assert _timeless(loaded.state) == _timeless(chat.state)
        assert loaded.replay().identical


def _timeless(state: ChatState) -> tuple[Any, ...]:
    """A state without what the canonical log leaves out: times and durations."""
    said = [
        (m.id, m.agent_id, m.content, m.visible_to, m.mentions, m.usage) for m in state.messages
    ]
    return (
        said, state.agents, state.queue, state.round, state.turns, state.spoke, state.last_turn,
        state.in_round, state.is_active, state.mode, state.topic, state.summary, state.usage,
        state.positions, state.consensus, state.chains, state.handoffs, state.audience,
        state.silent_rounds, state.decisions, state.config, state.seed,
    )  # fmt: skip


def test_the_golden_log_adds_up_step_by_step_to_the_same_as_at_once() -> None:
    chat = vl.GroupChat.load(LOG)
    assert _folded(chat) == chat.state
    assert chat.state.usage.total_tokens == chat.ledger.total.usage.total_tokens


def test_unknown_events_change_nothing() -> None:
    state = ChatState()
    assert fold(state, 0, "agent:danced", {"agent": "x"}) is None
    assert state == ChatState()


@pytest.mark.parametrize("words", ["say", "whisper"])
def test_the_state_s_messages_are_those_of_the_events(words: str) -> None:
    chat = vl.GroupChat(map(_agent, NAMES), model=ByRequest(failing=False), seed=1)
    chat.start("x")
    chat = _do(chat, words, {"bob"} if words == "whisper" else "hi")
    spoken = [e for e in chat.events if e.type in ("user:speak", "agent:speak")]
    public = [m for m in chat.messages if m.is_public]
    assert [m.id for m in public] == [f"m{e.seq}" for e in spoken]
    assert [m.content for m in public] == [e.data["text"] for e in spoken]
