"""What holds for every policy, team and course of a chat."""

from __future__ import annotations

import json
import random
from collections.abc import Generator, Sequence
from dataclasses import fields
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.agents.agent import ROLES, Agent
from vcplab.agents.chat.decision import Ask, Decision, Note
from vcplab.agents.chat.mentions import find_mentions, mentions_everyone
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.policies import (
    MODES,
    ConsensusPolicy,
    MentionPolicy,
    RandomPolicy,
    SequentialPolicy,
    as_policy,
)
from vcplab.agents.chat.state import ChatState
from vcplab.protocol.completions import ChatReply

NAMES = ["Bob", "小明", "AI 专家", "Мария", "bob2", "校对", "O'Hara", "สมชาย"]
WORDS = [*NAMES, "大纲", "sql", "@", "@小明", "请", "回答", " ", "\n", "`", ">", "@所有人", "hello"]
texts = st.lists(st.sampled_from(WORDS), max_size=12).map("".join)


@st.composite
def teams(draw: st.DrawFn) -> list[Agent]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    words = st.lists(st.sampled_from(["大纲", "sql", "hello"]), max_size=2, unique=True)
    return [
        Agent(
            name,
            role=draw(st.sampled_from(ROLES)),
            priority=draw(st.integers(0, 100)),
            keywords=draw(words),
            expertise=draw(words),
            is_active=draw(st.integers(0, 5)) > 0,
        )
        for name in names
    ]


def new_state(team: list[Agent], topic: str = "") -> ChatState:
    return ChatState(agents={agent.id: agent for agent in team}, topic=topic)


def speak(state: ChatState, who: str, text: str) -> ChatMessage:
    turn = 0
    if who != USER:
        state.turns += 1
        turn = state.last_turn[who] = state.turns
    message = ChatMessage(
        id=f"m{len(state.messages) + 1}",
        agent_id=who,
        agent_name=who,
        content=text,
        turn=turn,
        round=state.round,
    )
    state.messages.append(message)
    return message


def outcome(verdict: Any, answers: Sequence[str]) -> tuple[list[Decision], list[Any]]:
    """Decisions and everything that was yielded; the answers are used in turn, over and over."""
    if not isinstance(verdict, Generator):
        return list(verdict), []
    yielded: list[Any] = []
    reply: Any = None

    def answer() -> ChatReply:
        return ChatReply(answers[len(yielded) % len(answers)] if answers else "")

    while True:
        try:
            item = verdict.send(reply)
        except StopIteration as end:
            return list(end.value), yielded
        yielded.append(item)
        reply = None if isinstance(item, Note) else answer()
        if isinstance(item, list):
            reply = [answer() for _ in item]


said = st.lists(st.tuples(st.integers(0, 6), texts), max_size=10)
replies = st.lists(
    st.sampled_from(
        [
            "",
            "nonsense",
            *(json.dumps({"stance": s, "confidence": 1}) for s in ("approve", "reject", "abstain")),
            *(json.dumps({"agent": name, "reason": "r"}) for name in NAMES),
        ]
    ),
    max_size=4,
)


@settings(max_examples=150)
@given(teams(), st.sampled_from(MODES), said, replies, st.integers(0, 2**32))
def test_decisions_name_speakers_of_the_chat_once_and_the_same_seed_repeats_them(
    team: list[Agent], mode: str, course: list[tuple[int, str]], answers: list[str], seed: int
) -> None:
    state = new_state(team, "大纲")
    message = None
    for number, (who, text) in enumerate(course):
        state.round = number
        speaker = USER if who >= len(state.speakers) else state.speakers[who].id
        message = speak(state, speaker, text)
    before = {one.name: repr(getattr(state, one.name)) for one in fields(state)}
    policy = as_policy(mode)
    first = outcome(policy(state, message, random.Random(seed)), answers)
    again = outcome(as_policy(mode)(state, message, random.Random(seed)), answers)
    assert first == again
    # A policy changes nothing.
    assert {one.name: repr(getattr(state, one.name)) for one in fields(state)} == before
    named = [decision.agent_id for decision in first[0]]
    assert set(named) <= {agent.id for agent in state.speakers}
    assert len(set(named)) == len(named)
    assert all(decision.reason.endswith(".") or ": " in decision.reason for decision in first[0])
    for item in first[1]:
        for ask in item if isinstance(item, list) else [item]:
            assert not isinstance(ask, Ask) or ask.agent_id is None or ask.agent_id in state.agents
            assert not isinstance(ask, Note) or json.dumps(dict(ask.data))


@settings(max_examples=100)
@given(
    teams(),
    st.sampled_from(["priority", "joined"]),
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=15),
)
def test_sequential_never_falls_silent_and_passes_nobody_over(
    team: list[Agent], order: Any, cuts: list[tuple[int, bool]]
) -> None:
    """Whatever is cut from its rounds, everybody who may speak has a turn within 2n - 1 turns."""
    state = new_state(team)
    speakers = {agent.id for agent in state.speakers}
    spoken: list[str] = []
    for cut, by_user in cuts * 3:
        message = speak(state, USER, "so?") if by_user else state.last_message
        decisions = SequentialPolicy(order=order)(state, message, random.Random(0))
        assert {decision.agent_id for decision in decisions} == speakers
        for decision in list(decisions)[: max(1, cut)]:
            speak(state, decision.agent_id, "word")
            spoken.append(decision.agent_id)
    n = len(speakers)
    for at in range(len(spoken) - 2 * n + 1):
        assert set(spoken[at : at + 2 * n - 1]) == speakers


@settings(max_examples=80)
@given(
    st.integers(1, 6),
    st.integers(1, 3),
    st.lists(st.sampled_from([0.001, 1, 1e6]), min_size=6, max_size=6),
    st.integers(0, 2**32),
)
def test_random_starves_nobody(n: int, count: int, weights: list[float], seed: int) -> None:
    """Between two turns of an agent the others have 3n - 3 + count turns at most."""
    team = [Agent(f"a{i}") for i in range(n)]
    state = new_state(team)
    policy = RandomPolicy(
        weights={a.id: w for a, w in zip(team, weights, strict=False)}, count=count
    )
    rng = random.Random(seed)
    latest = dict.fromkeys(state.agents, 0)
    for _ in range(20 * n):
        decisions = policy(state, state.last_message, rng)
        assert len(decisions) == min(count, n)
        for decision in sorted(decisions, key=lambda d: -d.priority):
            speak(state, decision.agent_id, "word")
            latest[decision.agent_id] = state.turns
        assert all(state.turns - turn <= 3 * n - 3 + count for turn in latest.values())


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["approve", "reject", "abstain", "-"]), min_size=1, max_size=9),
    st.integers(0, 10),
    st.integers(0, 10),
)
def test_consensus_stops_exactly_when_quorum_and_threshold_hold(
    stances: list[str], quorum: int, threshold: int
) -> None:
    team = [Agent(f"a{i}", role="host" if i == 0 else "participant") for i in range(len(stances))]
    state = new_state(team, "ship it?")
    speak(state, USER, "ship it?")
    state.round = 1
    for agent in team:
        speak(state, agent.id, "hm")
    policy = ConsensusPolicy(quorum=quorum / 10, threshold=threshold / 10)
    verdict = policy(state, state.last_message, random.Random(0))
    votes = dict(zip(state.agents, stances, strict=True))
    notes: list[Note] = []
    reply: Any = None
    while True:
        try:
            item = verdict.send(reply)  # type: ignore[union-attr]
        except StopIteration as end:
            decisions = list(end.value)
            break
        reply = None
        if isinstance(item, Note):
            notes.append(item)
        else:
            reply = [ChatReply(json.dumps({"stance": votes[a.agent_id]})) for a in item]
    yes, no = stances.count("approve"), stances.count("reject")
    sides = yes + no
    holds = (
        yes != no
        and Fraction(sides, len(stances)) >= Fraction(quorum, 10)
        and Fraction(max(yes, no), sides) >= Fraction(threshold, 10)
    )
    assert ("consensus:reached" in [note.type for note in notes]) is holds
    assert [d.action for d in decisions] == (["conclude"] if holds else ["respond"] * len(stances))
    conflict = not holds and yes > 0 and no > 0
    assert ("conflict:detected" in [note.type for note in notes]) is conflict


# Words that address nobody whatever they are put between.
HIDING = [
    "x{}.com",
    "a.b{}.org",
    "https://h.org/{}",
    "`{}`",
    "``{} ` {}``",
    "\n```\n{}\n```\n",
    "\n~~~\n{} 请小明回答\n~~~\n",
    "\n> {} 小明你怎么看\n",
    "<<<[TOOL_REQUEST]>>>to:「始」{}「末」<<<[END_TOOL_REQUEST]>>>",
]


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(HIDING), st.sampled_from(["@Bob", "@bob", "@小明", "@all"])),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([" ", "\n", " and ", "，"]),
)
def test_mention_ignores_addresses_code_and_quotes(
    pieces: list[tuple[str, str]], between: str
) -> None:
    team = [Agent("Bob"), Agent("小明")]
    text = between.join(shape.replace("{}", name) for shape, name in pieces)
    assert find_mentions(text, team) == ()
    assert not mentions_everyone(text)
    state = new_state(team)
    assert MentionPolicy()(state, speak(state, USER, text), random.Random(0)) == ()
    (mention,) = find_mentions(f"{text}\n\n@Bob", team)
    assert mention.agent_id == "Bob"


@settings(max_examples=150)
@given(st.one_of(texts, st.text(max_size=60)), teams())
def test_mentions_lie_in_the_text_in_order_and_apart(text: str, team: list[Agent]) -> None:
    found = find_mentions(text, team)
    end = 0
    for mention in found:
        assert end <= mention.start < mention.end <= len(text)
        end = mention.end
        assert mention.agent_id in {agent.id for agent in team}
        assert mention.kind == "phrase" or text[mention.start] in "@＠"
    author = team[0].id
    others = tuple(mention for mention in found if mention.agent_id != author)
    assert find_mentions(text, team, author=author) == others
