"""Groups of VCPChat: config, members, topics and history as VCPChat writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl


@pytest.fixture
def data(tmp_path: Path) -> Path:
    def write(path: str, value: Any) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")

    write(
        "Agents/_Agent_1/config.json", {"name": "小克", "systemPrompt": "你是小克", "model": "m1"}
    )
    write("Agents/_Agent_2/config.json", {"name": "Nova", "systemPrompt": "You are Nova."})
    write(
        "AgentGroups/team_1/config.json",
        {
            "id": "team_1", "name": "茶话会", "members": ["_Agent_1", "_Agent_2"],
            "mode": "sequential",
            "modeSettings": {"sequential": {"speakerOrder": ["_Agent_2", "_Agent_1"]}},
            "memberTags": {"_Agent_1": "茶,猫，coding"}, "tagMatchMode": "natural",
            "groupPrompt": "轻松聊天", "invitePrompt": "轮到你{{VCPChatAgentName}}了。",
            "topics": [{"id": "t1", "name": "主要群聊"}, {"id": "t2", "name": "周末"}],
        },
    )  # fmt: skip
    write(
        "UserData/team_1/topics/t1/history.json",
        [
            {"role": "user", "name": "阿明", "content": "大家好",
             "timestamp": 1767225600000, "id": "a"},
            {"role": "assistant", "name": "Nova", "agentId": "_Agent_2", "content": "Hello!",
             "timestamp": 1767225601000, "id": "b"},
            {"role": "assistant", "name": "走了的人", "agentId": "gone", "content": "再见"},
        ],
    )  # fmt: skip
    return tmp_path


def test_a_group_goes_on(data: Path) -> None:
    model = vl.Scripted(lambda r: f"{r.agent}: 嗯")
    chat = vl.read_vcpchat_group(data / "AgentGroups/team_1", model=model)
    assert (chat.name, chat.mode, chat.state.topic) == ("茶话会", "sequential", "主要群聊")
    assert [a.name for a in chat.agents] == ["Nova", "小克"]
    assert chat.agents[1].keywords == ("茶", "猫", "coding")
    said = [(m.agent_name, m.content) for m in chat.messages]
    assert said == [("阿明", "大家好"), ("Nova", "Hello!"), ("gone", "再见")]
    assert chat.messages[0].time is not None
    assert chat.messages[0].time.year == 2026
    assert chat.messages[2].time is None
    assert [m.agent_id for m in chat.say("你们好")] == ["_Agent_1", "_Agent_2"]
    system, *_, invitation = model.requests[0].messages
    assert "[群聊设定]" in system.content
    assert "轻松聊天" in system.content
    assert invitation.content.startswith("轮到你小克了。")
    assert chat.replay().identical


def test_other_modes_and_topics(data: Path) -> None:
    file = data / "AgentGroups/team_1/config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "mode": "naturerandom"}))
    chat = vl.read_vcpchat_group(file, topic="周末", history=False)
    assert chat.policy.to_dict() == {"mode": "natural", "tag_match_mode": "natural"}
    assert chat.messages == []
    assert chat.state.topic == "周末"
    file.write_text(json.dumps({**config, "mode": "invite_only"}))
    chat = vl.read_vcpchat_group(file, mode="mention")
    assert chat.mode == "mention"
    assert vl.read_vcpchat_group(file).policy.to_dict() == {
        "mode": "invitation", "invite_only": True,
    }  # fmt: skip


def test_refusals(data: Path) -> None:
    group = data / "AgentGroups/team_1"
    with pytest.raises(vl.VCPError, match="no topic 'x'"):
        vl.read_vcpchat_group(group, topic="x")
    with pytest.raises(vl.VCPError, match="_Agent_1, _Agent_2 have no definition"):
        vl.read_vcpchat_group(group, agents=data)
    with pytest.raises(vl.VCPError, match="cannot be read"):
        vl.read_vcpchat_group(data)
    history = data / "UserData/team_1/topics/t1/history.json"
    history.write_text("[1]")
    with pytest.raises(vl.VCPError, match="Message 1 is no message"):
        vl.read_vcpchat_group(group)
    history.write_text("[")
    with pytest.raises(vl.VCPError, match="no JSON"):
        vl.read_vcpchat_group(group)
