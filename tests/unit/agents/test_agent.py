"""The value that says who speaks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.agents.agent import Agent, VCPConfig
from vcplab.core.errors import InvalidInputError

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).filter(
    lambda name: name.strip() and len(name) <= 200
)


def test_defaults_come_from_the_name() -> None:
    agent = Agent("  校对专家 ", "你是专业的文字校对…")
    assert (agent.name, agent.id, agent.display_name) == ("校对专家", "校对专家", "校对专家")
    assert agent.to_dict() == {"name": "校对专家", "system_prompt": "你是专业的文字校对…"}


def test_seed_002_spelling_is_accepted() -> None:
    agent = Agent.of(
        {
            "id": "expert-1",
            "name": "AI专家",
            "displayName": "AI技术专家",
            "role": "expert",
            "expertise": ["AI", "机器学习"],
            "triggerKeywords": ["AI", "LLM", "模型"],
            "systemPrompt": "你是AI领域的专家...",
            "priority": 80,
            "vcpConfig": {"enableDiary": True, "enableTools": ["SuperDice"]},
            "colour": "blue",
        }
    )
    assert agent == Agent(
        "AI专家",
        "你是AI领域的专家...",
        "expert-1",
        display_name="AI技术专家",
        role="expert",
        expertise=("AI", "机器学习"),
        keywords=("AI", "LLM", "模型"),
        priority=80,
        vcp_config=VCPConfig(enable_diary=True, enable_tools=("SuperDice",)),
        metadata={"colour": "blue"},
    )
    assert agent.trigger_keywords == agent.keywords
    assert agent.may_use("SuperDice")
    assert not agent.may_use("Shell")


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a\u2028b"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": 7}, "name"),
        ({"name": "a", "role": "boss"}, "role"),
        ({"name": "a", "priority": 101}, "priority"),
        ({"name": "a", "priority": True}, "priority"),
        ({"name": "a", "priority": float("nan")}, "priority"),
        ({"name": "a", "priority": "high"}, "priority"),
        ({"name": "a", "expertise": 3}, "expertise"),
        ({"name": "a", "system_prompt": 3}, "system_prompt"),
        ({"name": "a", "description": ["x"]}, "description"),
        ({"name": "a", "temperature": "hot"}, "temperature"),
        ({"name": "a", "temperature": -1}, "temperature"),
        ({"name": "a", "max_tokens": 0}, "max_tokens"),
        ({"name": "a", "max_tokens": 1.5}, "max_tokens"),
        ({"name": "a", "is_active": "yes"}, "is_active"),
        ({"name": "a", "metadata": "x"}, "metadata"),
        ({"name": "a", "vcp_config": 3}, "vcp_config"),
        ({"name": "a", "vcp_config": {"enableDairy": True}}, "vcp_config"),
    ],
)
def test_impossible_fields_are_named(fields: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Agent.of(fields)
    assert caught.value.where == where
    assert caught.value.next_step


def test_with_changes_one_thing() -> None:
    agent = Agent.of("a", keywords="校对、错别字, proof")
    assert agent.keywords == ("校对", "错别字", "proof")
    other = agent.with_(role="host")
    assert (other.role, other.keywords) == ("host", agent.keywords)
    assert agent.role == "participant"


@pytest.mark.parametrize(
    ("agent", "listens"),
    [(Agent("a"), False), (Agent("a", role="observer"), True), (Agent("a", is_active=False), True)],
)
def test_who_listens_only(agent: Agent, listens: bool) -> None:
    assert agent.listens_only is listens


def test_agents_can_be_members_of_sets() -> None:
    assert len({Agent("a", metadata={"x": 1}), Agent("a", metadata={"x": 1}), Agent("b")}) == 2


@given(
    NAMES,
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(NAMES, max_size=4),
    st.sampled_from(["host", "moderator", "expert", "participant", "observer"]),
    st.integers(0, 100),
    st.booleans(),
)
def test_to_dict_and_back(
    name: str, prompt: str, words: list[str], role: str, priority: int, active: bool
) -> None:
    agent = Agent.of(
        {
            "name": name,
            "prompt": prompt,
            "keywords": words,
            "role": role,
            "priority": priority,
            "isActive": active,
            "vcpConfig": {"enableTools": words},
        }
    )
    assert Agent.of(json.loads(json.dumps(agent.to_dict()))) == agent
