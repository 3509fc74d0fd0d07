"""Agents of four systems as one kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vcplab.agents.agent import Agent
from vcplab.agents.unified import (
    UnifiedAgent,
    UnifiedAgentAdapter,
    create_unified_agent_adapter,
    role_of,
)
from vcplab.core.errors import InvalidInputError, NotFoundError

TEAM = [
    {"id": "a1", "name": "写作助手", "prompt": "你是专业的写作助手..."},
    {"id": "a2", "name": "校对专家", "prompt": "你是专业的文字校对..."},
    {"id": "a3", "name": "创意顾问", "prompt": "你是创意策划专家..."},
]


def test_the_example_of_seed_002() -> None:
    adapter = create_unified_agent_adapter()
    for assistant in TEAM:
        adapter.from_assistant(assistant)
    agents = adapter.to_group_agents()
    assert all(isinstance(agent, Agent) for agent in agents)
    assert [(agent.id, agent.name, agent.role, agent.priority) for agent in agents] == [
        ("a1", "写作助手", "participant", 50),
        ("a2", "校对专家", "expert", 70),
        ("a3", "创意顾问", "expert", 70),
    ]
    assert [agent.keywords[0] for agent in agents] == ["写作", "文字校对", "创意策划"]
    assert agents[0].system_prompt == "你是专业的写作助手..."


def test_four_sources() -> None:
    adapter = UnifiedAgentAdapter()
    adapter.from_assistant({"id": "1", "name": "A", "prompt": "p", "role": "assistant"})
    adapter.from_vcp_agent(
        {"id": "2", "name": "B", "systemPrompt": "q", "vcpConfig": {"enableTools": ["Dice"]}}
    )
    adapter.from_agent_entity(
        {"id": "3", "name": "C", "instructions": "r", "model": "opus", "allowedTools": ["Bash"]}
    )
    adapter.from_custom(id="4", name="D", group_role="host", keywords=["x"])
    assert [(one.id, one.type, one.system_prompt) for one in adapter] == [
        ("1", "assistant", "p"),
        ("2", "vcp", "q"),
        ("3", "claude-code", "r"),
        ("4", "custom", ""),
    ]
    assert adapter.to_group_agent("2").vcp_config.enable_tools == ("Dice",)
    coder = adapter.to_group_agent("3")
    assert coder.metadata == {"model": "opus", "allowed_tools": ["Bash"]}
    assert coder.vcp_config.enable_tools is None
    host = adapter.to_group_agent("D")
    assert (host.role, host.priority, host.keywords) == ("host", 90, ("x",))
    assert [one.id for one in adapter.list("vcp")] == ["2"]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"name": "a", "prompt": "x"}, "assistant"),
        ({"name": "a", "emoji": "x"}, "assistant"),
        ({"name": "a", "type": "agent", "systemPrompt": "x"}, "assistant"),
        ({"name": "a", "instructions": "x"}, "claude-code"),
        ({"name": "a", "allowedTools": []}, "claude-code"),
        ({"name": "a", "type": "claude-code"}, "claude-code"),
        ({"name": "a", "vcpConfig": {}}, "vcp"),
        ({"name": "a", "personality": "calm", "systemPrompt": "x"}, "vcp"),
        ({"name": "a", "systemPrompt": "x"}, "custom"),
        ({"name": "a", "type": "vcp", "prompt": "x"}, "vcp"),
        (Agent("a"), "custom"),
        (Agent.of({"name": "a", "vcpConfig": {"enableDiary": True}}), "vcp"),
    ],
)
def test_add_tells_the_source_by_shape(given: Any, kind: str) -> None:
    adapter = UnifiedAgentAdapter([given])
    assert adapter.get("a").type == kind


def test_given_fields_win() -> None:
    agent = UnifiedAgent.of(
        {
            "name": "会议主持人",
            "systemPrompt": "你擅长小说",
            "expertise": ["围棋"],
            "triggerKeywords": ["棋"],
            "groupRole": "expert",
            "priority": 50,
        }
    )
    assert agent.group_role == "expert"
    assert agent.priority == 50
    assert (agent.expertise, agent.keywords) == (("围棋",), ("棋",))


def test_an_agent_comes_back_as_it_went_in() -> None:
    model = object()
    agent = Agent(
        "校对",
        "你是校对",
        "c",
        role="observer",
        keywords=("错字",),
        expertise=("语法",),
        priority=12,
        greeting_message="你好",
        display_name="校对员",
        model=model,  # type: ignore[arg-type]
    )
    adapter = UnifiedAgentAdapter([agent])
    back = adapter.to_group_agent("c")
    assert back == agent
    assert back.model is model
    assert json.loads(json.dumps(adapter.get("c").to_dict()))["details"] == {
        "display_name": "校对员",
        "greeting_message": "你好",
    }


def test_the_same_id_takes_the_place() -> None:
    adapter = UnifiedAgentAdapter(TEAM)
    adapter.from_assistant({**TEAM[0], "prompt": "new"})
    assert len(adapter) == 3
    assert adapter.get("写作助手").system_prompt == "new"
    adapter.add(adapter.get("a1"), group_role="host")
    assert adapter.get("a1").group_role == "host"
    assert adapter.get("a1").type == "assistant"


def test_get_and_remove() -> None:
    adapter = UnifiedAgentAdapter(TEAM)
    assert adapter.remove("a1")
    assert not adapter.remove("a1")
    assert "a1" not in adapter
    with pytest.raises(NotFoundError, match="did you mean"):
        adapter.get("a22")
    with pytest.raises(NotFoundError):
        adapter.to_group_agent("a1")


@pytest.mark.parametrize("bad", [7, "name", None, {"prompt": "x"}, {"name": "a", "role": "boss"}])
def test_what_is_no_agent(bad: Any) -> None:
    adapter = UnifiedAgentAdapter()
    with pytest.raises(InvalidInputError):
        adapter.add(bad)
    assert len(adapter) == 0


def test_there_is_no_fifth_source() -> None:
    with pytest.raises(InvalidInputError):
        UnifiedAgentAdapter().add({"name": "a"}, "robot")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "prompt", "role"),
    [
        ("主持人", "", "host"),
        ("主持人小王", "", "host"),
        ("Host", "", "host"),
        ("小明", "你是会议的主持人，引导讨论", "host"),
        ("小明", "你是主持人的助手", "participant"),
        ("Ghostwriter", "You are a ghostwriter.", "participant"),
        ("A", "You are a web hosting engineer", "participant"),
        ("A", "You are a host controller driver developer", "participant"),
        ("A", "You are the host of tonight's show.", "host"),
        ("协调员", "", "moderator"),
        ("A", "You are the moderator of a debate", "moderator"),
        ("A", "You are an assistant to the moderator", "participant"),
        ("A", "You are an expert copywriter", "expert"),
        ("A", "You are not an expert", "participant"),
        ("A", "你不是专家", "participant"),
        ("A", "你是AI领域的专家...", "expert"),
        ("法律顾问", "", "expert"),
        ("A", "你要听专家的话", "participant"),
        ("观察员", "", "observer"),
        ("写作助手", "你是专业的写作助手", "participant"),
        ("A", "", "participant"),
    ],
)
def test_roles_by_word(name: str, prompt: str, role: str) -> None:
    assert role_of(Agent(name, prompt)) == role


@pytest.mark.parametrize(
    ("role", "priority"),
    [("host", 90), ("moderator", 80), ("expert", 70), ("participant", 50), ("observer", 50)],
)
def test_priority_by_role(role: str, priority: int) -> None:
    assert UnifiedAgent.of({"name": "a", "groupRole": role}).priority == priority


def test_shows_itself() -> None:
    adapter = UnifiedAgentAdapter([{"name": "<b>", "prompt": ""}])
    assert repr(adapter) == "<UnifiedAgentAdapter: 1 agents>"
    assert "<b>" not in adapter._repr_html_()
    assert list(adapter.to_frame()["type"]) == ["assistant"]
