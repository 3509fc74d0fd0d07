"""Who speaks in which mode, and with which reason (facts/vcp-agents §1, §7)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np
import pytest

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Ask, Decision, Note
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.policies import (
    MODES,
    ConsensusPolicy,
    CustomPolicy,
    InvitationPolicy,
    KeywordPolicy,
    MentionPolicy,
    NaturalPolicy,
    Policy,
    Position,
    RandomPolicy,
    SelectedPolicy,
    SequentialPolicy,
    agreement_matrix,
    as_policy,
    tally,
)
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import InvalidInputError
from vcplab.protocol.completions import ChatReply

ANN = Agent("Ann", role="host", priority=60)
BOB = Agent("Bob", role="expert", expertise=["databases", "索引"], keywords=["SQL", "查询"])
CAI = Agent("蔡蔡", id="c", keywords=["大纲"], tags=["写作"], description="writes outlines")
DOT = Agent("Dot", role="observer", keywords=["大纲"])
OFF = Agent("Off", is_active=False)
TEAM = (CAI, BOB, ANN, DOT, OFF)


def state_of(*agents: Agent, turns: Mapping[str, int] | None = None, **more: Any) -> ChatState:
    state = ChatState(agents={a.id: a for a in agents or TEAM}, **more)
    state.last_turn = dict(turns or {})
    state.turns = max([*state.last_turn.values(), state.turns])
    return state


def say(state: ChatState, text: str, who: str = USER, **more: Any) -> ChatMessage:
    number = len(state.messages) + 1
    if who != USER:
        state.turns += 1
        state.last_turn[who] = state.turns
        state.spoke[who] = state.spoke.get(who, 0) + 1
        more.setdefault("turn", state.turns)
    message = ChatMessage(
        id=f"m{number}", agent_id=who, agent_name=who, content=text, round=state.round, **more
    )
    state.messages.append(message)
    return message


def decide(
    policy: Policy, state: ChatState, message: ChatMessage | None = None, seed: int = 0
) -> list[Decision]:
    verdict = policy(state, message, random.Random(seed))
    assert not isinstance(verdict, Generator)
    return list(verdict)


def driven(
    verdict: Any, answer: Callable[[Ask], Any], notes: list[Note] | None = None
) -> tuple[list[Decision], list[Ask]]:
    """Perform what a generator yields, as a chat does."""
    asks: list[Ask] = []
    reply: Any = None
    while True:
        try:
            item = verdict.send(reply)
        except StopIteration as end:
            return list(end.value), asks
        reply = None
        if isinstance(item, Note):
            if notes is not None:
                notes.append(item)
        elif isinstance(item, list):
            asks += item
            reply = [answer(one) for one in item]
        else:
            asks.append(item)
            reply = answer(item)


def ids(decisions: list[Decision]) -> list[str]:
    return [decision.agent_id for decision in decisions]


# -- sequential ------------------------------------------------------------------------------------
SEQUENTIAL = [
    ("priority, then joining", {}, {}, ["Ann", "c", "Bob"], "Ann comes first and begins"),
    ("joining order", {"order": "joined"}, {}, ["c", "Bob", "Ann"], "蔡蔡 comes first and begins"),
    ("goes on after one", {}, {"Ann": 1}, ["c", "Bob", "Ann"], "蔡蔡 has waited longest"),
    ("goes on after two", {}, {"Ann": 1, "c": 2}, ["Bob", "Ann", "c"], "Bob has waited longest"),
    (
        "begins again, never drains",
        {},
        {"Ann": 1, "c": 2, "Bob": 3},
        ["Ann", "c", "Bob"],
        "Ann has",
    ),
    (
        "a turn out of order changes no order",
        {},
        {"Ann": 1, "c": 2, "Bob": 4},
        ["Ann", "c", "Bob"],
        "Ann has waited longest",
    ),
    ("who has left counts nothing", {}, {"Zoe": 1}, ["Ann", "c", "Bob"], "Ann comes first"),
    ("long chats", {}, {"Ann": 998, "c": 999, "Bob": 1000}, ["Ann", "c", "Bob"], "Ann has waited"),
]


@pytest.mark.parametrize(
    ("options", "turns", "expected", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in SEQUENTIAL],
)
def test_sequential(
    options: dict[str, Any], turns: dict[str, int], expected: list[str], reason: str
) -> None:
    decisions = decide(SequentialPolicy(**options), state_of(turns=turns))
    assert ids(decisions) == expected
    assert decisions[0].reason.startswith(reason)
    assert {d.priority for d in decisions} == {100}
    follower = state_of().name_of(expected[1])
    leader = state_of().name_of(expected[0])
    assert decisions[1].reason.startswith(f"{follower} follows {leader} in the order of ")


# -- random ----------------------------------------------------------------------------------------
RANDOM = [
    ("host +20", {"weights": {"Bob": 0, "c": 0}}, {}, "", "Ann", "priority 60, host +20"),
    ("expert +10", {"weights": {"Ann": 0, "c": 0}}, {}, "", "Bob", "priority 50, expert +10"),
    ("no role, no bonus", {"weights": {"Ann": 0, "Bob": 0}}, {}, "", "c", "50 (priority 50)"),
    (
        "mention +50",
        {"weights": {"Ann": 0, "c": 0}},
        {},
        "@Bob",
        "Bob",
        "weight 110 of 110 (priority 50, expert +10, mentioned +50)",
    ),
    (
        "keyword +30",
        {"weights": {"Ann": 0, "c": 0}},
        {},
        "a SQL question",
        "Bob",
        "weight 90 of 90 (priority 50, expert +10, keyword 'SQL' +30)",
    ),
    (
        "expertise +15",
        {"weights": {"Ann": 0, "c": 0}},
        {},
        "databases?",
        "Bob",
        "weight 75 of 75 (priority 50, expert +10, expertise 'databases' +15)",
    ),
    (
        "keyword inside a word does not count",
        {"weights": {"Ann": 0, "c": 0}},
        {},
        "MySQLite",
        "Bob",
        "weight 60 of 60 (priority 50, expert +10)",
    ),
    (
        "the latest speaker rests",
        {"weights": {"Ann": 0}},
        {"Bob": 1},
        "",
        "c",
        "weight 50 of 50 (priority 50)",
    ),
    (
        "a rest of three turns",
        {"weights": {"Ann": 0, "c": 0}, "fair": False},
        {"Bob": 1, "Ann": 2},
        "",
        "Bob",
        "weight 20 of 20 (priority 50, expert +10, ×0.33 for having spoken lately)",
    ),
    (
        "alone it speaks again",
        {"weights": {"Ann": 0, "c": 0}, "fair": False},
        {"Bob": 1},
        "",
        "Bob",
        "evenly, since nobody has any weight",
    ),
    (
        "given weights",
        {"weights": {"Ann": 0, "Bob": 3, "蔡蔡": 0}},
        {},
        "",
        "Bob",
        "given weight 3",
    ),
    (
        "nobody waits more than 2n-1 turns",
        {},
        {"Ann": 9, "c": 8, "Bob": 4},
        "",
        "Bob",
        "Bob has waited 5 turns; from 5 on it goes before the draw.",
    ),
]


@pytest.mark.parametrize(
    ("options", "turns", "text", "expected", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in RANDOM],
)
def test_random(
    options: dict[str, Any], turns: dict[str, int], text: str, expected: str, reason: str
) -> None:
    state = state_of(turns=turns)
    message = say(state, text) if text else None
    for seed in range(5):
        (decision,) = decide(RandomPolicy(**options), state, message, seed)
        assert decision.agent_id == expected
        assert reason in decision.reason


def test_random_draws_by_weight() -> None:
    state = state_of(Agent("A"), Agent("B"))
    policy = RandomPolicy(weights={"A": 3, "B": 1}, fair=False)
    drawn = [decide(policy, state, None, seed)[0].agent_id for seed in range(2000)]
    assert 0.70 < drawn.count("A") / len(drawn) < 0.80


def test_random_talking_much_is_no_advantage() -> None:
    state = state_of(Agent("A"), Agent("B"), turns={"A": 5, "B": 6})
    state.turns, state.spoke = 20, {"A": 90, "B": 1}
    drawn = [decide(RandomPolicy(fair=False), state, None, s)[0].agent_id for s in range(1000)]
    assert 0.43 < drawn.count("A") / len(drawn) < 0.57


def test_random_count_is_how_many_speak_at_most() -> None:
    assert len(decide(RandomPolicy(count=2), state_of())) == 2
    assert sorted(ids(decide(RandomPolicy(count=9), state_of()))) == ["Ann", "Bob", "c"]


# -- natural ---------------------------------------------------------------------------------------
QUIET = {"disable_probabilistic_auto_speak": True, "disable_fallback_auto_speak": True}
NATURAL = [
    ("rule 1: @name", {}, [], "@Bob hi", ["Bob"], "Bob is mentioned in the user's message."),
    ("rule 1: no e-mail address", {}, [], "x@bob.com", [], ""),
    ("rule 2: tag in the message", {}, [], "先写大纲", ["c"], "蔡蔡's tag '大纲' is in the user's"),
    ("rule 2: any case, any place", {}, [], "MYSQL", ["Bob"], "Bob's tag 'SQL' is in the user's"),
    (
        "rule 2 strict: tag in the window",
        {},
        [("Ann", "大纲")],
        "ok",
        ["c"],
        "蔡蔡's tag '大纲' came up in the last 8 messages.",
    ),
    ("rule 2 strict: own words too", {}, [("c", "大纲")], "ok", ["c"], "蔡蔡's tag '大纲' came up"),
    (
        "the window is 8 messages",
        {},
        [("Ann", "大纲"), *[("Ann", f"{i}") for i in range(8)]],
        "ok",
        [],
        "",
    ),
    (
        "rule 2 natural: others' words",
        {"tag_match_mode": "natural"},
        [("Ann", "大纲")],
        "ok",
        ["c"],
        "蔡蔡's tag '大纲' came up in others' messages.",
    ),
    (
        "rule 3: @所有人",
        {},
        [],
        "@所有人 开会",
        ["c", "Bob", "Ann"],
        "The user's message addresses",
    ),
    (
        "order: tag in the message, in the window, none",
        {},
        [("Ann", "SQL")],
        "@Ann 大纲",
        ["c", "Bob", "Ann"],
        "蔡蔡's tag",
    ),
    ("nobody: no dice, no fallback", {}, [], "hello", [], ""),
]


@pytest.mark.parametrize(
    ("options", "before", "text", "expected", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in NATURAL],
)
def test_natural(
    options: dict[str, Any],
    before: list[tuple[str, str]],
    text: str,
    expected: list[str],
    reason: str,
) -> None:
    state = state_of()
    for who, words in before:
        say(state, words, who)
    decisions = decide(NaturalPolicy(**QUIET, **options), state, say(state, text))
    assert ids(decisions) == expected
    assert not expected or decisions[0].reason.startswith(reason)
    assert ids(sorted(decisions, key=lambda d: -d.priority)) == expected


def test_natural_rule_4_is_a_chance_of_15_in_100() -> None:
    state = state_of()
    policy = NaturalPolicy(disable_fallback_auto_speak=True)
    message = say(state, "hello")
    spoke = [d for seed in range(2000) for d in decide(policy, state, message, seed)]
    assert 0.13 < len(spoke) / 6000 < 0.17
    assert spoke[0].reason.endswith("speaks by chance (probability 0.15).")


def test_natural_rule_5_somebody_always_answers() -> None:
    state = state_of()
    policy = NaturalPolicy(disable_probabilistic_auto_speak=True)
    message = say(state, "hello")
    chosen = {d.agent_id for s in range(50) for d in decide(policy, state, message, s)}
    assert chosen == {"Ann", "Bob", "c"}
    (decision,) = decide(policy, state, message)
    assert decision.reason.endswith("was drawn from all.")


@pytest.mark.parametrize(
    ("own", "last", "low", "high"),
    [(1, True, 0.56, 0.64), (2, True, 0.66, 0.74), (5, True, 0.71, 0.79), (1, False, 0.16, 0.24)],
)
def test_natural_own_subject(own: int, last: bool, low: float, high: float) -> None:
    state = state_of()
    for _ in range(own):
        say(state, "大纲", "c")
    if not last:
        say(state, "well", "Ann")
    policy = NaturalPolicy(tag_match_mode="natural", **QUIET)
    message = say(state, "ok")
    spoke = [d for seed in range(2000) for d in decide(policy, state, message, seed)]
    assert low < len(spoke) / 2000 < high
    assert "goes on with its own subject" in spoke[0].reason


def test_natural_structured_mentions_skip_the_inline_ones() -> None:
    state = state_of()
    message = say(state, "@Bob @大纲 hi", metadata={"mentions": ["Zoe"]})
    assert decide(NaturalPolicy(**QUIET), state, message) == []
    quiet = NaturalPolicy(external_mention_suppress_local_auto=True)
    assert all(decide(quiet, state, message, seed) == [] for seed in range(50))
    assert any(decide(NaturalPolicy(), state, message, seed) for seed in range(50))


# -- invitation ------------------------------------------------------------------------------------
INVITATION = [
    ("nobody invited: the host", {}, TEAM, [], ["Ann"], "Nobody is invited; Ann, the host, is"),
    ("the user invites", {}, TEAM, [(USER, "@Bob")], ["Bob"], "Bob was invited by the user."),
    (
        "the user invites two",
        {},
        TEAM,
        [(USER, "请蔡蔡回答，@Bob")],
        ["c", "Bob"],
        "蔡蔡 was invited",
    ),
    ("the host invites", {}, TEAM, [("Ann", "请Bob回答")], ["Bob"], "Bob was invited by Ann."),
    ("a guest invites nobody", {}, TEAM, [("Bob", "@蔡蔡")], ["Ann"], "Nobody is invited; Ann"),
    ("no observer", {}, TEAM, [(USER, "@Dot")], ["Ann"], "Nobody is invited; Ann, the host"),
    ("no host", {}, (CAI, BOB), [], ["c"], "Nobody is invited and there is no host; 蔡蔡, first"),
    ("VCPChat: nobody until invited", {"invite_only": True}, TEAM, [(USER, "hello")], [], ""),
    ("VCPChat: invited", {"invite_only": True}, TEAM, [(USER, "@Bob")], ["Bob"], "Bob was invited"),
    ("VCPChat: agents do not invite", {"invite_only": True}, TEAM, [("Ann", "@Bob")], [], ""),
]


@pytest.mark.parametrize(
    ("options", "team", "said", "expected", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in INVITATION],
)
def test_invitation(
    options: dict[str, Any],
    team: tuple[Agent, ...],
    said: list[tuple[str, str]],
    expected: list[str],
    reason: str,
) -> None:
    state = state_of(*team)
    message = None
    for who, text in said:
        message = say(state, text, who)
    decisions = decide(InvitationPolicy(**options), state, message)
    assert ids(decisions) == expected
    assert not expected or decisions[0].reason.startswith(reason)
    assert all((d.action == "delegate") == ("Nobody is invited" in d.reason) for d in decisions)


# -- mention ---------------------------------------------------------------------------------------
MENTION = [
    ("mentioned", {}, USER, "@Bob?", ["Bob"], 100, "Bob is mentioned by the user."),
    ("in order", {}, USER, "@蔡蔡 @Bob", ["c", "Bob"], 100, "蔡蔡 is mentioned by the user."),
    ("phrase", {}, USER, "蔡蔡你怎么看", ["c"], 100, "蔡蔡 is mentioned by the user."),
    ("by an agent", {}, "Ann", "@Bob go on", ["Bob"], 100, "Bob is mentioned by Ann."),
    ("not itself", {}, "Bob", "I, @Bob", [], 0, ""),
    ("everybody", {}, USER, "@all", ["c", "Bob", "Ann"], 100, "蔡蔡 is mentioned by the user."),
    ("e-mail address", {}, USER, "x@bob.com", [], 0, ""),
    ("code", {}, USER, "`@Bob`", [], 0, ""),
    ("observer", {}, USER, "@Dot", [], 0, ""),
    ("not active", {}, USER, "@Off", [], 0, ""),
    ("nobody, though an expert knows", {}, USER, "databases", [], 0, ""),
    (
        "fallback expert",
        {"fallback": "expert"},
        USER,
        "about databases",
        ["Bob"],
        70,
        "Nobody is mentioned; Bob knows about 'databases'.",
    ),
    ("no expert", {"fallback": "expert"}, USER, "hello", [], 0, ""),
    (
        "fallback host",
        {"fallback": "host"},
        USER,
        "hello",
        ["Ann"],
        50,
        "Nobody is mentioned; Ann, the host, answers.",
    ),
    ("a host does not answer itself", {"fallback": "host"}, "Ann", "hello", [], 0, ""),
]


@pytest.mark.parametrize(
    ("options", "who", "text", "expected", "priority", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in MENTION],
)
def test_mention(
    options: dict[str, Any], who: str, text: str, expected: list[str], priority: int, reason: str
) -> None:
    state = state_of()
    decisions = decide(MentionPolicy(**options), state, say(state, text, who))
    assert ids(decisions) == expected
    if expected:
        assert (decisions[0].priority, decisions[0].reason) == (priority, reason)


# -- keyword ---------------------------------------------------------------------------------------
KEYWORD = [
    ("keyword", {}, USER, "请定大纲", ["c"], 81, "Keyword '大纲' is one of 蔡蔡's trigger words."),
    ("any case", {}, USER, "some sql", ["Bob"], 81, "Keyword 'SQL' is one of Bob's trigger words."),
    (
        "full width",
        {},
        USER,
        "ＳＱＬ吗",
        ["Bob"],
        81,
        "Keyword 'SQL' is one of Bob's trigger words.",
    ),
    (
        "more hits, more priority",
        {},
        USER,
        "SQL查询和大纲",
        ["Bob", "c"],
        82,
        "Keywords 'SQL', '查询' are among Bob's trigger words.",
    ),
    ("tag", {}, USER, "写作的事", ["c"], 76, "Keyword '写作' is one of 蔡蔡's tags."),
    (
        "inside a word",
        {"related": False},
        USER,
        "mysqlite",
        ["Ann"],
        50,
        "The text concerns nobody",
    ),
    (
        "expertise",
        {},
        USER,
        "databases are slow",
        ["Bob"],
        70,
        "Nobody's trigger words occur; Bob knows about 'databases'.",
    ),
    (
        "Chinese expertise",
        {},
        USER,
        "建索引吧",
        ["Bob"],
        70,
        "Nobody's trigger words occur; Bob knows",
    ),
    (
        "most in common",
        {},
        USER,
        "an outline please",
        ["c"],
        60,
        "Nobody's trigger words or expertise occur; 蔡蔡 has most in common with the text and the "
        "topic: 'outlin'.",
    ),
    ("host", {}, USER, "xyzzy", ["Ann"], 50, "The text concerns nobody in particular; Ann, the"),
    ("nobody", {"fallback": "nobody"}, USER, "xyzzy", [], 0, ""),
    ("an agent's own words", {"fallback": "nobody"}, "c", "大纲", [], 0, ""),
    (
        "another's words",
        {},
        "Ann",
        "大纲",
        ["c"],
        81,
        "Keyword '大纲' is one of 蔡蔡's trigger words.",
    ),
]


@pytest.mark.parametrize(
    ("options", "who", "text", "expected", "priority", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in KEYWORD],
)
def test_keyword(
    options: dict[str, Any], who: str, text: str, expected: list[str], priority: int, reason: str
) -> None:
    state = state_of()
    decisions = decide(KeywordPolicy(**options), state, say(state, text, who))
    assert ids(decisions) == expected
    if expected:
        assert decisions[0].priority == priority
        assert decisions[0].reason.startswith(reason)


@pytest.mark.parametrize(("topic", "expected"), [("撰写一篇关于AI的文章", "a1"), ("", "a2")])
def test_keyword_seed_example_has_a_speaker(topic: str, expected: str) -> None:
    team = (
        Agent("写作助手", "你是专业的写作助手...", id="a1"),
        Agent("校对专家", "你是专业的文字校对...", id="a2"),
        Agent("创意顾问", "你是创意策划专家...", id="a3"),
    )
    state = state_of(*team, topic=topic)
    (decision,) = decide(KeywordPolicy(), state, say(state, "请先确定文章大纲"))
    assert decision.agent_id == expected
    assert decision.priority == 60


class Meaning:
    """Vectors by the first known word of a text."""

    name = "meaning"
    fingerprint = "1"
    dimension = 2
    languages = None

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        return np.array([self._one(text) for text in texts], dtype=np.float32)

    embed_queries = embed_documents

    @staticmethod
    def _one(text: str) -> list[float]:
        return [0.6, 0.8] if "slow" in text else [1, 0] if "databases" in text else [0, 1]


def test_keyword_by_meaning() -> None:
    state = state_of(BOB, ANN)
    message = say(state, "why so slow")
    policy = KeywordPolicy(embedder=Meaning(), threshold=0.7)  # type: ignore[arg-type]
    (decision,) = decide(policy, state, message)
    assert (decision.agent_id, decision.priority) == ("Ann", 75)
    assert decision.reason == "The text is close to what Ann is (cosine 0.80, from 0.7 on)."
    both = KeywordPolicy(embedder=Meaning(), threshold=0.5)  # type: ignore[arg-type]
    assert ids(decide(both, state, message)) == ["Ann", "Bob"]


# -- consensus -------------------------------------------------------------------------------------
def stance(word: str, confidence: float = 1.0, reason: str = "so") -> ChatReply:
    return ChatReply(json.dumps({"stance": word, "confidence": confidence, "reason": reason}))


def talked(*agents: Agent, rounds: int = 1, **more: Any) -> ChatState:
    """A chat in which the user asked and everybody has spoken some rounds."""
    state = state_of(*agents, topic="ship it?", **more)
    say(state, "Shall we ship it?")
    for number in range(1, rounds + 1):
        state.round = number
        for agent in state.speakers:
            say(state, "hm", agent.id)
    return state


JURY = tuple(Agent(name, role="host" if name == "A" else "participant") for name in "ABCDE")
REACHED = [
    ("all approve", {}, "approve " * 5, True, 1.0, 1.0),
    ("4 of 5 at 0.8", {}, "approve approve approve approve reject", True, 1.0, 0.8),
    ("3 of 5 at 0.8", {}, "approve approve approve reject reject", False, 1.0, 0.6),
    ("3 of 5 at 0.6", {"threshold": 0.6}, "approve approve approve reject reject", True, 1.0, 0.6),
    ("to reject is to agree", {}, "reject " * 5, True, 1.0, 1.0),
    ("who abstains does not side", {}, "approve approve approve abstain abstain", True, 0.6, 1.0),
    ("no quorum", {}, "approve approve abstain abstain abstain", False, 0.4, 1.0),
    ("all must side", {"quorum": 1}, "approve approve approve approve abstain", False, 0.8, 1.0),
    (
        "a tie",
        {"threshold": 0.5, "quorum": 0.5},
        "approve approve reject reject -",
        False,
        0.8,
        0.5,
    ),
    ("nobody sides", {"quorum": 0, "threshold": 0}, "abstain " * 5, False, 0.0, 0.0),
    (
        "failed models do not answer",
        {"quorum": 0.8},
        "approve approve approve - -",
        False,
        0.6,
        1.0,
    ),
    ("own options", {"options": ["x", "y"]}, "x x x x y", True, 1.0, 0.8),
    (
        "own weights",
        {"weights": {"E": 16}},
        "approve approve approve approve reject",
        True,
        1.0,
        0.8,
    ),
]


@pytest.mark.parametrize(
    ("options", "stances", "reached", "quorum", "agreement"),
    [pytest.param(*case[1:], id=case[0]) for case in REACHED],
)
def test_consensus_is_reached_by_quorum_and_threshold(
    options: dict[str, Any], stances: str, reached: bool, quorum: float, agreement: float
) -> None:
    votes = dict(zip("ABCDE", stances.split(), strict=True))
    state = talked(*JURY)
    notes: list[Note] = []

    def answer(ask: Ask) -> Any:
        assert ask.agent_id is not None
        word = votes[ask.agent_id]
        return RuntimeError("down") if word == "-" else stance(word)

    policy = ConsensusPolicy(**options)
    decisions, asks = driven(policy(state, None, random.Random()), answer, notes)
    assert [ask.agent_id for ask in asks] == list("ABCDE")
    assert {ask.purpose for ask in asks} == {"position"}
    assert [n.data["agent"] for n in notes if n.type == "position"] == [
        who for who, word in votes.items() if word != "-"
    ]
    last = notes[-1] if notes else None
    if reached:
        assert last is not None
        assert last.type == "consensus:reached"
        assert (last.data["quorum"], last.data["agreement"]) == (quorum, pytest.approx(agreement))
        assert (decisions[0].agent_id, decisions[0].action) == ("A", "conclude")
        assert decisions[0].reason.startswith(f"Consensus on '{last.data['stance']}'")
        assert len(decisions) == 1
    else:
        assert ids(decisions) == list("ABCDE")
        assert all("the discussion goes on" in d.reason for d in decisions)
    json.dumps([dict(note.data) for note in notes])


def test_consensus_first_everybody_speaks() -> None:
    state = state_of()
    message = say(state, "ship it?")
    decisions, asks = driven(ConsensusPolicy()(state, message, random.Random()), lambda ask: None)
    assert asks == []
    assert ids(decisions) == ["Ann", "c", "Bob"]
    assert decisions[0].reason == "Ann speaks before positions are taken, as everybody does."
    assert [d.priority for d in decisions] == [60, 50, 50]


def test_consensus_waits_for_those_who_have_not_spoken() -> None:
    state = state_of(*JURY)
    say(state, "ship it?")
    state.round = 1
    say(state, "yes", "A")
    decisions, asks = driven(ConsensusPolicy()(state, None, random.Random()), lambda ask: None)
    assert (ids(decisions), asks) == (list("BCDE"), [])


def test_consensus_a_failed_turn_is_a_turn() -> None:
    state = talked(*JURY)
    state.messages.pop()  # E's turn was taken and left no message
    _, asks = driven(ConsensusPolicy()(state, None, random.Random()), lambda ask: stance("approve"))
    assert len(asks) == 5


def test_consensus_conflict_names_the_two_largest_camps() -> None:
    votes = dict(zip("ABCDE", ["x", "x", "y", "y", "z"], strict=True))
    notes: list[Note] = []
    policy = ConsensusPolicy(options=("x", "y", "z"))
    decisions, _ = driven(
        policy(talked(*JURY), None, random.Random()), lambda a: stance(votes[a.agent_id]), notes
    )
    assert notes[-1].type == "conflict:detected"
    assert notes[-1].data["camps"] == {"x": ["A", "B"], "y": ["C", "D"]}
    assert notes[-1].data["agents"] == ["A", "B", "C", "D"]
    assert notes[-1].data["topic"] == "ship it?"
    assert decisions[0].reason == "A holds 'x' with B; the discussion goes on (no stance leads)."
    assert decisions[4].reason.startswith("E holds 'z' alone; the discussion goes on")


BROKEN = [
    ("not JSON", "I approve", "it was no JSON, but began 'I approve'"),
    ("DISAPPROVE is not approve", '{"stance": "DISAPPROVE"}', "its stance 'DISAPPROVE' is none of"),
    ("empty", "", "it was empty"),
    ("a list", '["approve"]', "it was JSON, but no object"),
    ("no stance", '{"confidence": 1}', "its stance None is none of"),
    ("confidence", '{"stance": "approve", "confidence": 2}', "its confidence 2 is no number from"),
    ("truth", '{"stance": "approve", "confidence": true}', "its confidence True is no number"),
    ("not a number", '{"stance": "approve", "confidence": NaN}', "its confidence nan is no number"),
    ("words around", 'Sure: {"stance": "approve"}', "it was no JSON, but began 'Sure: "),
]


@pytest.mark.parametrize(
    ("text", "trouble"), [pytest.param(*case[1:], id=case[0]) for case in BROKEN]
)
def test_consensus_a_broken_answer_is_asked_for_once_more(text: str, trouble: str) -> None:
    notes: list[Note] = []
    policy = ConsensusPolicy(quorum=1)
    decisions, asks = driven(
        policy(talked(*JURY), None, random.Random()),
        lambda ask: ChatReply(text) if ask.agent_id == "B" else stance("approve"),
        notes,
    )
    assert [ask.agent_id for ask in asks] == [*"ABCDE", "B"]
    assert asks[-1].text.startswith(f"Your last answer could not be used: {trouble}")
    assert "B" not in [note.data.get("agent") for note in notes]
    assert decisions[1].reason.startswith("B took no position that could be read")


@pytest.mark.parametrize(
    "text",
    [
        '{"stance": "approve", "confidence": 0.5, "reason": "r"}',
        '```json\n{"stance": "Approve"}\n```',
        '<think>reject?</think>\n{"stance": "approve"}',
    ],
)
def test_consensus_reads_an_object_in_a_fence_or_after_thoughts(text: str) -> None:
    notes: list[Note] = []
    driven(
        ConsensusPolicy()(talked(*JURY), None, random.Random()), lambda a: ChatReply(text), notes
    )
    assert notes[-1].type == "consensus:reached"


def test_consensus_fails_after_its_rounds_and_falls_silent() -> None:
    votes = dict(zip("ABCDE", ["approve", "approve", "reject", "reject", "reject"], strict=True))
    notes: list[Note] = []
    policy = ConsensusPolicy(max_rounds=2)
    state = talked(*JURY, rounds=2)
    decisions, _ = driven(
        policy(state, None, random.Random()), lambda a: stance(votes[a.agent_id]), notes
    )
    assert decisions == []
    assert notes[-1].type == "consensus:failed"
    assert (notes[-1].data["stance"], notes[-1].data["dissent"]) == ("reject", ["A", "B"])
    # The positions are in the log; nobody has spoken since, so nobody is asked again.
    state.positions = {n.data["agent"]: n.data for n in notes if n.type == "position"}
    state.decisions += 1
    again, asks = driven(policy(state, None, random.Random()), lambda ask: None)
    assert (again, asks) == ([], [])


@pytest.mark.parametrize(
    ("turn", "decision", "asked"),
    [(5, 0, "CDE"), (4, 0, "ABCDE"), (5, 1, "ABCDE")],
    ids=["kept while nobody speaks", "asked again after a turn", "a decision taken again asks all"],
)
def test_consensus_keeps_positions_of_earlier_decisions(
    turn: int, decision: int, asked: str
) -> None:
    state = talked(*JURY, decisions=1)
    given = {"stance": "approve", "confidence": 1.0, "turn": turn, "decision": decision}
    state.positions = dict.fromkeys("AB", given)
    notes: list[Note] = []
    _, asks = driven(
        ConsensusPolicy()(state, None, random.Random()), lambda a: stance("approve"), notes
    )
    assert [ask.agent_id for ask in asks] == list(asked)
    assert notes[-1].data["agreement"] == 1.0


def test_consensus_once_reached_is_not_sought_again_until_the_user_asks() -> None:
    state = talked(*JURY)
    state.consensus = {"stance": "approve", "round": state.round, "decision": 0}
    # Cut off between consensus and the round that concludes, the decision is taken again.
    retaken, _ = driven(
        ConsensusPolicy()(state, None, random.Random()), lambda a: stance("approve")
    )
    assert [d.action for d in retaken] == ["conclude"]
    state.round, state.decisions = state.round + 1, 1
    say(state, "So we ship.", "A")
    assert driven(ConsensusPolicy()(state, None, random.Random()), lambda a: None) == ([], [])
    message = say(state, "And tomorrow?")
    decisions, _ = driven(ConsensusPolicy()(state, message, random.Random()), lambda a: None)
    assert ids(decisions) == list("ABCDE")


@pytest.mark.parametrize(("conclude", "host"), [(True, True), (False, True), (True, False)])
def test_consensus_conclusion(conclude: bool, host: bool) -> None:
    jury = JURY if host else JURY[1:]
    decisions, _ = driven(
        ConsensusPolicy(conclude=conclude)(talked(*jury), None, random.Random()),
        lambda ask: stance("approve"),
    )
    assert [d.should_speak for d in decisions] == ([conclude] if host else [])


def test_consensus_weighs_by_confidence() -> None:
    votes = {"A": ("x", 0.9), "B": ("y", 0.1), "C": ("y", 0.1), "D": ("x", 0.9), "E": ("y", 0.2)}
    notes: list[Note] = []
    policy = ConsensusPolicy(options=("x", "y"), weigh="confidence")
    driven(
        policy(talked(*JURY), None, random.Random()), lambda a: stance(*votes[a.agent_id]), notes
    )
    assert (notes[-1].type, notes[-1].data["stance"]) == ("consensus:reached", "x")
    assert notes[-1].data["agreement"] == pytest.approx(1.8 / 2.2)
    assert notes[-1].data["dissent"] == ["B", "C", "E"]


def test_agreement_matrix() -> None:
    positions = [
        Position("A", "x"),
        Position("B", "y"),
        Position("C", "x"),
        Position("D", "abstain"),
    ]
    matrix = agreement_matrix(positions)
    assert matrix["A"] == {"A": 1.0, "B": 0.0, "C": 1.0, "D": None}
    assert matrix["D"] == dict.fromkeys("ABCD")
    assert matrix == agreement_matrix({p.agent_id: p.to_dict() for p in positions})
    assert matrix == agreement_matrix({p.agent_id: p.stance for p in positions})


def test_tally_counts_participants_alone() -> None:
    result = tally([Position("A", "x"), Position("Z", "y")], ["A", "B"])
    assert (result.stance, result.quorum, result.silent) == ("x", 0.5, ("B",))


# -- selected --------------------------------------------------------------------------------------
SELECTED = [
    (
        "by id",
        ['{"agent": "c", "reason": "It writes."}'],
        "c",
        1,
        "The model chose 蔡蔡: It writes.",
    ),
    ("by name", ['{"agent": "蔡蔡", "reason": "r"}'], "c", 1, "The model chose 蔡蔡: r"),
    ("no reason", ['{"agent": "Bob"}'], "Bob", 1, "The model chose Bob without giving a reason."),
    ("any case", ['{"agent": "bob", "reason": "r"}'], "Bob", 1, "The model chose Bob: r"),
    ("asked again", ["Bob!", '{"agent": "c", "reason": "r"}'], "c", 2, "The model chose 蔡蔡: r"),
    (
        "not the latest speaker",
        ['{"agent": "Ann"}'] * 3,
        "c",
        3,
        "The model chose nobody: its agent 'Ann' is none of c, Bob. 蔡蔡 is next in turn.",
    ),
    (
        "not an observer",
        ['{"agent": "Dot"}'] * 3,
        "c",
        3,
        "The model chose nobody: its agent 'Dot'",
    ),
    (
        "broken three times",
        ["?"] * 3,
        "c",
        3,
        "The model chose nobody: it was no JSON, but began '?'",
    ),
    (
        "model down",
        [TimeoutError("late")],
        "c",
        1,
        "The model chose nobody: the model failed (late)",
    ),
]


@pytest.mark.parametrize(
    ("answers", "expected", "calls", "reason"),
    [pytest.param(*case[1:], id=case[0]) for case in SELECTED],
)
def test_selected(answers: list[Any], expected: str, calls: int, reason: str) -> None:
    state = state_of(turns={"Ann": 1})
    left = iter(answers)

    def answer(ask: Ask) -> Any:
        given = next(left)
        return ChatReply(given) if isinstance(given, str) else given

    (decision,), asks = driven(SelectedPolicy()(state, None, random.Random()), answer)
    assert decision.agent_id == expected
    assert decision.reason.startswith(reason)
    assert len(asks) == calls
    assert asks[0].schema is not None
    assert asks[0].schema["properties"]["agent"]["enum"] == ["c", "Bob"]
    assert "c (蔡蔡): writes outlines" in asks[0].text
    assert all("could not be used" in ask.text for ask in asks[1:])


def test_selected_may_repeat_and_asks_nobody_about_one() -> None:
    state = state_of(turns={"Ann": 1})
    reply = ChatReply('{"agent": "Ann", "reason": "r"}')
    (decision,), _ = driven(
        SelectedPolicy(allow_repeat=True)(state, None, random.Random()), lambda ask: reply
    )
    assert decision.agent_id == "Ann"
    (only,), asks = driven(SelectedPolicy()(state_of(BOB), None, random.Random()), lambda ask: None)
    assert (only.reason, asks) == ("Bob is the only candidate, so the model was not asked.", [])


# -- custom ----------------------------------------------------------------------------------------
CUSTOM: list[tuple[str, Callable[..., Any], list[str]]] = [
    ("None", lambda state: None, []),
    ("a name", lambda state: "蔡蔡", ["c"]),
    ("an id", lambda state: "c", ["c"]),
    ("an agent", lambda state, message: BOB, ["Bob"]),
    ("a decision", lambda state, message, rng: Decision("蔡蔡", 7), ["c"]),
    ("a mapping", lambda state: {"Ann": True, "Bob": False, "蔡蔡": 1}, ["Ann", "c"]),
    ("a list", lambda state: ["Bob", ANN, Decision("c")], ["Bob", "Ann", "c"]),
    ("nobody twice", lambda state: ["Bob", BOB, "Bob"], ["Bob"]),
    ("an iterator", lambda state: iter(["Bob"]), ["Bob"]),
    ("chance", lambda state, message, rng: rng.choice(["Bob"]), ["Bob"]),
    ("any arguments", lambda *given: ["Ann"] * len(given), ["Ann"]),
    ("an observer by name", lambda state: "Dot", ["Dot"]),
]


@pytest.mark.parametrize(
    ("function", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CUSTOM]
)
def test_custom(function: Callable[..., Any], expected: list[str]) -> None:
    decisions = decide(as_policy(function), state_of())
    assert ids(decisions) == expected
    assert all(d.reason.startswith("<lambda> chose ") for d in decisions)


def test_custom_keeps_what_a_decision_says() -> None:
    given = Decision("Bob", 7, "mine", should_speak=False, action="ask")
    assert decide(as_policy(lambda state: given), state_of()) == [given]


def test_custom_generator_asks_notes_and_names() -> None:
    def mine(state: ChatState) -> Any:
        yield Note("thought", {"n": 1})
        one = yield Ask("who?")
        yield one.text
        two, three = yield [Ask("a"), Ask("b")]
        return [two.text, three.text]

    notes: list[Note] = []
    texts = {"who?": "Ann", "a": "Bob", "b": "c"}
    decisions, asks = driven(
        as_policy(mine)(state_of(), None, random.Random()),
        lambda ask: ChatReply(texts[ask.text]),
        notes,
    )
    assert (ids(decisions), len(asks), len(notes)) == (["Ann", "Bob", "c"], 3, 1)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (
            lambda state: "Zoe",
            "named 'Zoe', who is not in this chat. (in function) Next: the agents ",
        ),
        (lambda state: 7, "gave int, which says nobody"),
        (lambda state: Decision("Zoe"), "named 'Zoe'"),
        (lambda state: Agent("Zoe"), "named 'Zoe'"),
    ],
)
def test_custom_says_what_is_wrong(function: Callable[..., Any], told: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decide(as_policy(function), state_of())
    assert told in str(caught.value)


def test_custom_may_not_be_asynchronous() -> None:
    async def mine(state: ChatState) -> str:
        return "Ann"

    with pytest.raises(InvalidInputError, match="mine is asynchronous"):
        decide(as_policy(mine), state_of())


def test_custom_needs_a_fitting_function() -> None:
    with pytest.raises(InvalidInputError, match="cannot be called with a chat's state"):
        as_policy(lambda: None)


# -- as_policy, to_dict, repr ----------------------------------------------------------------------
SPELLINGS = [
    ("sequential", SequentialPolicy()),
    ("round_robin", SequentialPolicy()),
    ("Round Robin", SequentialPolicy()),
    ("roundRobin", SequentialPolicy()),
    ("random", RandomPolicy()),
    ("weighted", RandomPolicy()),
    ("naturerandom", NaturalPolicy()),
    ("nature-random", NaturalPolicy()),
    ("natural", NaturalPolicy()),
    ("invitation", InvitationPolicy()),
    ("invite_only", InvitationPolicy(invite_only=True)),
    ("invite-only", InvitationPolicy(invite_only=True)),
    ("mention", MentionPolicy()),
    ("keyword", KeywordPolicy()),
    ("consensus", ConsensusPolicy()),
    ("selected", SelectedPolicy()),
    ("model", SelectedPolicy()),
    ("auto", SelectedPolicy()),
    (SequentialPolicy, SequentialPolicy()),
    (RandomPolicy(count=2), RandomPolicy(count=2)),
    ({"mode": "random", "count": 2}, RandomPolicy(count=2)),
    (
        {"speakingMode": "natural", "tagMatchMode": "natural"},
        NaturalPolicy(tag_match_mode="natural"),
    ),
    ({"mode": "invite_only"}, InvitationPolicy(invite_only=True)),
    ({"mode": "consensus", "options": ["x", "y"]}, ConsensusPolicy(options=("x", "y"))),
]


@pytest.mark.parametrize(("given", "expected"), SPELLINGS)
def test_as_policy(given: Any, expected: Policy) -> None:
    assert as_policy(given) == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("parliament", "There is no speaking mode 'parliament'"),
        (7, "7 is no speaking mode"),
        ({"count": 2}, "The options name no mode"),
        ({"mode": "random", "size": 2}, "The mode 'random' has no option 'size'"),
        ({"mode": "random", "count": 0}, "0 cannot be count"),
        ({"mode": "random", "weights": {"A": -1}}, "-1 cannot be weights['A']"),
        ({"mode": "sequential", "order": "age"}, "'age' is no order of speaking"),
        ({"mode": "natural", "tag_match_mode": "lax"}, "'lax' is no way of matching tags"),
        ({"mode": "mention", "fallback": "all"}, "'all' cannot stand in"),
        ({"mode": "keyword", "embedder": "minilm"}, "'minilm' is no embedder"),
        ({"mode": "keyword", "threshold": 2}, "2 cannot be threshold"),
        ({"mode": "consensus", "options": ["x", "abstain"]}, "leaves nothing to agree on"),
        ({"mode": "consensus", "options": "xy"}, "leaves nothing to agree on"),
        ({"mode": "consensus", "quorum": float("nan")}, "nan cannot be quorum"),
        ({"mode": "custom", "function": "mine"}, "cannot be had from its name"),
    ],
)
def test_as_policy_says_what_is_wrong(given: Any, told: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        as_policy(given)
    assert told in str(caught.value)


@pytest.mark.parametrize("policy", [expected for _, expected in SPELLINGS], ids=repr)
def test_a_policy_survives_being_written_down(policy: Policy) -> None:
    written = json.loads(json.dumps(policy.to_dict()))
    assert as_policy(written) == policy
    assert written["mode"] in MODES
    assert eval(repr(policy)) == policy


def test_only_what_is_not_default_is_written() -> None:
    assert RandomPolicy(count=2).to_dict() == {"mode": "random", "count": 2}
    assert repr(RandomPolicy(count=2)) == "RandomPolicy(count=2)"
    assert repr(SequentialPolicy()) == "SequentialPolicy()"
    assert CustomPolicy(decide).to_dict() == {"mode": "custom", "function": "decide"}


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_chat_has_no_speakers(mode: str) -> None:
    for state in (ChatState(), state_of(DOT, OFF)):
        message = say(state, "@Dot @Off 大纲")
        verdict = as_policy(mode)(state, message, random.Random(0))
        if isinstance(verdict, Generator):
            assert driven(verdict, lambda ask: pytest.fail("asked")) == ([], [])
        else:
            assert list(verdict) == []
