"""Seed 002's examples of a group chat, on recordings, and the events that they promise."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.seed_examples import EXAMPLES, RECORDINGS, panel, record
from vcplab.agents.chat.events import LIVE_EVENTS, LOGGED_EVENTS, ChatEvent
from vcplab.agents.chat.options import ChatOptions
from vcplab.agents.chat.policies import MODES, as_policy
from vcplab.agents.chat.service import GroupChatService

PAGE = Path(__file__).resolve().parents[4] / "docs" / "group-chat.md"
TURN = ["agent:thinking", "agent:stream", "agent:speak"]
ROUND_OF_ONE = ["round:start", *TURN, "round:end"]
POSITIONS = ["model:call", "model:call", "position", "position"]

PROMISED = {
    "team": ["agent:join", "agent:join", "agent:join", "chat:start", "user:speak", *ROUND_OF_ONE],
    "panel": [
        *("agent:join", "agent:join", "chat:start", "user:speak"),
        *ROUND_OF_ONE,
        *("agent:invite", *TURN, "chat:end"),
    ],
    # Whoever subscribes after the question is told of it and of all that follows.
    "service": ["user:speak", *ROUND_OF_ONE],
    "ipc": [
        *("agent:join", "agent:join", "chat:start", "user:speak"),
        *("round:start", *TURN, *TURN, "round:end", *POSITIONS, "conflict:detected"),
        *("round:start", *TURN, *TURN, "round:end", *POSITIONS, "consensus:reached"),
        *(*ROUND_OF_ONE, "chat:end"),
    ],
}


def told(events: list[ChatEvent]) -> list[str]:
    """The types in order, the pieces of one stream taken together, without the status."""
    types = [event.type for event in events if event.type != "status"]
    return [
        name
        for name, same in itertools.groupby(types)
        for _ in range(1 if name == "agent:stream" else len(list(same)))
    ]


def play(name: str) -> tuple[Any, list[ChatEvent], vl.Recorded]:
    heard: list[ChatEvent] = []
    model = vl.Recorded(RECORDINGS / f"{name}.jsonl")
    made = EXAMPLES[name](model, heard)
    return made, heard, model


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_the_events_that_it_promises(name: str) -> None:
    _, heard, model = play(name)
    assert told(heard) == PROMISED[name]
    assert model.unused() == ()
    assert {event.type for event in heard} <= {*LOGGED_EVENTS, *LIVE_EVENTS}
    logged = [event.seq for event in heard if event.seq is not None]
    assert logged == sorted(set(logged))
    assert len({event.session_id for event in heard}) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_pieces_add_up_to_what_was_said(name: str) -> None:
    _, heard, _ = play(name)
    streamed = ""
    for event in heard:
        if event.type == "agent:stream":
            streamed += event.data["chunk"]
        elif event.type == "agent:speak":
            assert event.message is not None
            assert streamed == event.message.content != ""
            streamed = ""


@pytest.mark.parametrize("name", EXAMPLES)
def test_recordings_are_what_the_scripts_say(name: str, tmp_path: Path) -> None:
    record(name, tmp_path / "again.jsonl")
    kept = (RECORDINGS / f"{name}.jsonl").read_bytes()
    assert b"script (no model)" in kept.splitlines()[0]
    assert (tmp_path / "again.jsonl").read_bytes() == kept


def test_the_team_is_decided_by_keywords() -> None:
    orchestrator, heard, _ = play("team")
    assert isinstance(orchestrator, vl.GroupChat)
    (start,) = (event for event in heard if event.type == "round:start")
    (speaker,) = start.data["speakers"]
    assert speaker["agent"] == "a2"
    assert "校对专家 has most in common" in speaker["reason"]
    assert [message.agent_name for message in orchestrator.get_messages()] == ["用户", "校对专家"]
    assert [agent.id for agent in orchestrator.get_agents()] == ["a1", "a2", "a3"]
    info = orchestrator.get_session_info()
    assert info == {
        "id": orchestrator.id,
        "name": "内容创作团队",
        "is_active": True,
        "agent_count": 3,
        "message_count": 2,
        "current_round": 1,
    }
    state = orchestrator.get_state()
    assert (state["topic"], state["is_active"]) == ("撰写一篇关于AI的文章", True)
    assert (state["speaking_queue"], state["current_speaker"]) == ([], None)
    assert state["config"]["stop"] == {"stop": "rounds", "n": 5}
    assert state["start_time"] is not None
    assert state["end_time"] is None
    orchestrator.end(summary="有了大纲")
    state = orchestrator.get_state()
    assert (state["summary"], state["is_active"]) == ("有了大纲", False)
    assert state["end_time"] >= state["start_time"]


def test_the_panel_says_when_it_was_closed() -> None:
    closed = threading.Event()
    heard: list[ChatEvent] = []
    model = vl.Recorded(RECORDINGS / "panel.jsonl")
    browser = panel(model, heard, closed.set)
    browser.panel._asked(None, {"kind": "do", "id": -1, "what": "close"})
    assert closed.wait(10)
    messages = [m for m in heard if m.type == "agent:speak"]
    assert [event.message.agent_name for event in messages if event.message] == ["产品经理"] * 2


def test_the_service_says_what_the_example_prints(capsys: pytest.CaptureFixture[str]) -> None:
    service, heard, _ = play("service")
    assert capsys.readouterr().out == "产品经理: 用户需要更快的搜索。\n"
    (session,) = service.list_sessions()
    assert session == {
        "id": heard[0].session_id,
        "name": "产品讨论",
        "is_active": True,
        "agent_count": 1,
        "message_count": 2,
    }


def test_consensus_by_channel_names_the_camps_and_the_outcome() -> None:
    _, heard, _ = play("ipc")
    facts = {event.type: event.data for event in heard}
    assert set(facts["conflict:detected"]["agents"]) == {"expert-1", "expert-2"}
    assert facts["conflict:detected"]["topic"] == "要不要采用大模型"
    assert facts["consensus:reached"]["stance"] == "approve"
    assert facts["consensus:reached"]["agreement"] == 1.0
    assert facts["chat:end"]["kind"] == "consensus"
    joined = next(event for event in heard if event.type == "agent:join")
    assert joined.data["agent"]["keywords"] == ["AI", "LLM", "模型"]
    assert joined.data["agent"]["display_name"] == "AI技术专家"


# --- what the page says of it -----------------------------------------------------------------


def table(section: str, head: str) -> list[list[str]]:
    """The rows of a table of the page, by its section and its first line."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_pages_events_are_the_events() -> None:
    rows = {row[0].strip("`"): row[1:] for row in table("The log", "| event |")}
    logged = {name: ["yes", text] for name, text in LOGGED_EVENTS.items()}
    live = {name: ["live only", text] for name, text in LIVE_EVENTS.items()}
    assert rows == {**logged, **live}


def test_the_pages_modes_and_their_options_are_the_modes() -> None:
    rows = {row[0].strip("`"): row[2] for row in table("Speaking modes", "| mode |")}
    assert [name for name in rows if name != "a function"] == list(MODES)
    for mode in MODES:
        options = [option.name for option in fields(as_policy(mode))]
        for written in re.findall(r"`(\w+)(…?)`", rows[mode]):
            name, more = written
            options = [o for o in options if o != name and not (more and o.startswith(name))]
        assert options == [], f"{mode}: not on the page"


def test_the_page_leaves_no_channel_out() -> None:
    section = PAGE.read_text(encoding="utf-8").split("\n## Seed 002's group chat\n")[1]
    for method in GroupChatService.CHANNELS.values():
        name = "create_session" if method == "create" else method
        assert f"`{name}" in section, name


def test_every_option_that_the_page_names_is_one() -> None:
    section = PAGE.read_text(encoding="utf-8").split("\nOptions, in either spelling:")[1]
    names = re.findall(r"`(\w+)`", section.split("All of them")[0])
    assert len(names) == 16
    given: dict[str, Any] = {
        "speakingMode": "natural",
        "contextSharing": "partial",
        "invitePromptTemplate": "Go on.",
        "tagMatchMode": "natural",
        "memberTags": {"a": ["x"]},
        **dict.fromkeys(("id", "name", "hostAgentId"), "n"),
        **dict.fromkeys(("allowFreeDiscussion", "requireConsensus", "showThinking"), False),
    }
    for name in names:
        ChatOptions.of({name: given.get(name, 1)})
