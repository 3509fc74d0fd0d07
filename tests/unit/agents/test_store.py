"""Agents that are kept: made, changed, switched, imported, exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.agents.agent import Agent, VCPConfig
from vcplab.agents.store import AgentStore
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    ReadOnlyError,
    SchemaMismatchError,
    StateError,
)
from vcplab.core.store import Store
from vcplab.core.workspace import Workspace
from vcplab.models.chat.scripted import Scripted

CHERRY: list[dict[str, Any]] = [
    {
        "id": "7a1",
        "name": "写作助手",
        "emoji": "✍️",
        "group": ["写作", "精选"],
        "prompt": "你是专业的写作助手",
        "description": "帮你写",
        "type": "agent",
    },
    {
        "id": "7a2",
        "name": "Translator",
        "prompt": "You translate.",
        "topics": [{"id": "t1", "messages": [{"role": "user", "content": "private"}]}],
        "type": "assistant",
        "model": {"id": "gpt-4o", "provider": "openai", "name": "GPT-4o"},
        "settings": {
            "temperature": 0.3,
            "enableTemperature": True,
            "maxTokens": 512,
            "enableMaxTokens": False,
            "contextCount": 5,
        },
        "knowledge_bases": [{"id": "kb1", "name": "词典"}],
    },
]


@pytest.fixture
def agents() -> AgentStore:
    return AgentStore()


def test_names_of_any_script_do_not_collide(agents: AgentStore) -> None:
    for name in ("写作助手", "校对专家", "Ёлка", "עברית", "🙂", "a", "写作助手2"):
        agents.create(name)
    assert [agent.id for agent in agents] == [agent.name for agent in agents]
    assert len(agents) == 7


@pytest.mark.parametrize("other", ["Bob", "bob", " BOB ", "Ｂob"])
def test_the_same_name_is_refused_or_replaces(agents: AgentStore, other: str) -> None:
    agents.create("Bob", system_prompt="one", id="b1")
    with pytest.raises(InvalidInputError, match="already"):
        agents.create(other, system_prompt="two")
    assert agents.get("b1").system_prompt == "one"
    assert agents.create(other, replace=True, system_prompt="two").id == "b1"
    assert [agent.system_prompt for agent in agents] == ["two"]


def test_an_id_is_no_one_elses(agents: AgentStore) -> None:
    agents.create("a", id="1")
    with pytest.raises(InvalidInputError, match="id '1'"):
        agents.create("b", id="1")
    assert "b" not in agents


def test_found_by_id_and_names(agents: AgentStore) -> None:
    agents.create("proof", id="p1", display_name="校对", aliases=["小校"])
    agents.create("校对")
    assert agents.get("p1").name == "proof"
    assert agents.read("PROOF").id == "p1"
    assert agents["小校"].id == "p1"
    assert agents.get("校对").id == "校对"  # a name goes before a display name
    with pytest.raises(NotFoundError, match="did you mean 'proof'"):
        agents.get("prof")


def test_update_raises_the_patch_only_where_something_changed(agents: AgentStore) -> None:
    agents.create("a", personality="calm")
    assert agents.update("a", personality="calm").version == "1.0.0"
    assert agents.update("a", {"greetingMessage": "hi"}).version == "1.0.1"
    assert agents.update("a", description="x").version == "1.0.2"
    assert agents.update("a", description="y", version="2.0.0").version == "2.0.0"
    assert agents.update("a", description="z").version == "2.0.1"
    assert agents.deactivate("a").version == "2.0.1"
    kept = agents.get("a")
    assert (kept.is_active, kept.greeting_message, kept.description) == (False, "hi", "z")
    assert agents.update("a", description=None).description == ""


@pytest.mark.parametrize(
    ("before", "after"), [("1.0.9", "1.0.10"), ("3", "4"), ("1.2-beta", "1.3-beta"), ("x", "x.1")]
)
def test_versions_of_other_systems(agents: AgentStore, before: str, after: str) -> None:
    agents.create("a", version=before)
    assert agents.update("a", description="x").version == after


def test_update_of_a_part_of_the_config_keeps_the_rest(agents: AgentStore) -> None:
    agents.create("a", vcp_config={"enableDiary": True, "enableTools": []})
    agents.update("a", vcpConfig={"memoryWindowSize": 3})
    config = agents.get("a").vcp_config
    assert config == VCPConfig(enable_diary=True, enable_tools=(), memory_window_size=3)


def test_update_renames_and_keeps_the_id(agents: AgentStore) -> None:
    agents.create("旧名")
    agents.create("other")
    assert agents.update("旧名", name="新名").id == "旧名"
    assert agents.get("新名").display_name == "新名"
    with pytest.raises(InvalidInputError, match="already"):
        agents.update("新名", name="OTHER")
    with pytest.raises(InvalidInputError, match="id of an agent"):
        agents.update("新名", id="x")
    with pytest.raises(InvalidInputError, match="no field 'colour'"):
        agents.update("新名", colour="blue")
    with pytest.raises(InvalidInputError):
        agents.update("新名", priority=1000)
    assert agents.get("新名").version == "1.0.1"


def test_delete_gives_back(agents: AgentStore) -> None:
    agents.create("a", id="1")
    assert agents.delete("a").id == "1"
    assert len(agents) == 0
    with pytest.raises(NotFoundError):
        agents.delete("a")


def test_restore_takes_back_and_again(agents: AgentStore) -> None:
    agents.create("a", system_prompt="one")
    with pytest.raises(StateError, match="never updated"):
        agents.restore("a")
    agents.update("a", system_prompt="two")
    agents.deactivate("a")  # a switch is no change to take back
    back = agents.restore("a")
    assert (back.system_prompt, back.version, back.is_active) == ("one", "1.0.2", False)
    assert agents.restore("a").system_prompt == "two"


def test_list_filters(agents: AgentStore) -> None:
    agents.create("a", tags=["x"], category="c", expertise=["围棋"])
    agents.create("b", is_active=False)
    names = [
        [agent.name for agent in agents.list(**choice)]
        for choice in (
            {},
            {"active": True},
            {"active": False},
            {"tag": "x"},
            {"category": "c"},
            {"search": "围"},
        )
    ]
    assert names == [["a", "b"], ["a"], ["b"], ["a"], ["a"], ["a"]]


def test_a_chat_model_is_not_kept(agents: AgentStore) -> None:
    made = agents.create(Agent("a", model=Scripted(["hi"])))
    assert made.model is None
    assert agents.create("b", model="gpt-4o").metadata == {"model": "gpt-4o"}


def test_kept_in_a_lab(tmp_path: Path) -> None:
    with Workspace(tmp_path / "lab") as workspace:
        AgentStore(workspace).create("校对专家", keywords=["错别字"])
        AgentStore(workspace).create("a")
    with Workspace(tmp_path / "lab") as workspace:
        assert [agent.name for agent in AgentStore(workspace)] == ["校对专家", "a"]
        assert AgentStore(workspace).get("校对专家").keywords == ("错别字",)


def test_a_reader_reads(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with Store(path, schema="test") as store:
        AgentStore(store).create("a")
    with Store(path, schema="test", read_only=True) as store:
        agents = AgentStore(store)
        assert agents.get("a").name == "a"
        with pytest.raises(ReadOnlyError):
            agents.create("b")


def test_what_is_no_json_is_refused(agents: AgentStore) -> None:
    with pytest.raises(InvalidInputError, match="JSON"):
        agents.create("a", metadata={"x": object()})
    with pytest.raises(InvalidInputError, match="JSON"):
        agents.create("a", metadata={"x": float("nan")})
    assert len(agents) == 0


def test_a_broken_record_is_named() -> None:
    store = Store.memory()
    store.put("agents", "a", b"{")
    with pytest.raises(InvalidDataError, match="agents/a"):
        AgentStore(store).list()
    store.put("agents", "a", b'{"schema": 9}')
    with pytest.raises(SchemaMismatchError):
        AgentStore(store).list()


# --- import and export --------------------------------------------------------------------------


def test_cherry_agents(agents: AgentStore, tmp_path: Path) -> None:
    file = tmp_path / "cherry.json"
    file.write_text("\ufeff" + json.dumps(CHERRY), encoding="utf-8")
    first, second = agents.import_(file)
    assert first == Agent(
        "写作助手",
        "你是专业的写作助手",
        "7a1",
        avatar="✍️",
        description="帮你写",
        category="写作",
        tags=("写作", "精选"),
    )
    assert (second.temperature, second.max_tokens) == (0.3, None)
    assert second.metadata == {"model": CHERRY[1]["model"]}
    assert second.vcp_config.knowledge_base_name == "词典"
    assert "private" not in agents.export()


def test_vcp_agents_in_camel_case(agents: AgentStore) -> None:
    text = json.dumps(
        {
            "name": "小知",
            "displayName": "小知老师",
            "systemPrompt": "你是老师",
            "personality": "耐心",
            "exampleDialogues": ["你好"],
            "isActive": False,
            "version": "1.0.7",
            "vcpConfig": {"enableMemory": True, "memoryWindowSize": 5, "somethingNew": 1},
        }
    )
    (agent,) = agents.import_(text)
    assert (agent.display_name, agent.personality, agent.version) == ("小知老师", "耐心", "1.0.7")
    assert agent.vcp_config == VCPConfig(enable_memory=True, memory_window_size=5)
    assert agent.metadata == {"vcp_config": {"something_new": 1}}
    assert not agent.is_active


def test_a_folder_of_vcpchat(agents: AgentStore, tmp_path: Path) -> None:
    for folder, name in (("Nova_1", "Nova"), ("小克_2", "小克")):
        (tmp_path / folder).mkdir()
        config = {
            "name": name,
            "systemPrompt": f"我是{name}",
            "model": "gemini",
            "temperature": 0.7,
            "contextTokenLimit": 100_000,
            "maxOutputTokens": 4000,
            "topics": [{"id": "default", "name": "主要对话"}],
        }
        (tmp_path / folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    agents.import_(tmp_path)
    nova = agents.get("Nova")
    assert (nova.id, nova.system_prompt, nova.temperature) == ("Nova_1", "我是Nova", 0.7)
    assert nova.max_tokens == 4000
    assert nova.metadata["model"] == "gemini"
    assert "topics" not in nova.metadata
    assert agents.get("小克").id == "小克_2"


def test_claude_code_agents(agents: AgentStore) -> None:
    entity = {"name": "Coder", "instructions": "Write code.", "allowed_tools": ["Bash"]}
    (agent,) = agents.import_({"agents": [entity]})
    assert agent.system_prompt == "Write code."
    assert agent.metadata["allowed_tools"] == ["Bash"]
    assert agent.vcp_config.enable_tools is None


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ([*CHERRY, {"prompt": "nobody"}], "entry 3"),
        ([*CHERRY, {"name": "x", "priority": 900}], r"entry 3 \('x'\)"),
        ([*CHERRY, 7], "entry 3"),
        ([*CHERRY, {"name": "写作助手"}], r"entry 3 \('写作助手'\)"),
        ([*CHERRY, {"name": "new", "id": "7a1"}], r"entry 3 \('new'\), id"),
        ([*CHERRY, {"name": "kept"}], r"entry 3 \('kept'\), name"),
        ([], "no agent"),
        ("{not json", "no JSON"),
        ('{"schema": "vcplab-agents", "version": 99, "agents": []}', "newer"),
    ],
)
def test_a_bad_import_writes_nothing(agents: AgentStore, bad: object, told: str) -> None:
    agents.create("kept", system_prompt="mine")
    before = agents.export()
    with pytest.raises((InvalidInputError, SchemaMismatchError), match=told):
        agents.import_(bad)
    assert json.loads(agents.export())["agents"] == json.loads(before)["agents"]


def test_twice_in_one_import_is_a_mistake_even_when_replacing(agents: AgentStore) -> None:
    agents.create("a")
    with pytest.raises(InvalidInputError, match="entry 2"):
        agents.import_([{"name": "a"}, {"name": "A"}], replace=True)


def test_import_replaces_when_told(agents: AgentStore) -> None:
    agents.create("写作助手", id="mine", system_prompt="old")
    with pytest.raises(InvalidInputError, match="entry 1"):
        agents.import_(CHERRY)
    agents.import_(CHERRY, replace=True)
    assert agents.get("mine").system_prompt == "你是专业的写作助手"
    assert agents.restore("mine").system_prompt == "old"


def test_missing_files(agents: AgentStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        agents.import_(tmp_path / "none.json")
    with pytest.raises(InvalidDataError, match="no agent"):
        agents.import_(tmp_path)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("[", encoding="utf-8")
    with pytest.raises(InvalidDataError, match="bad"):
        agents.import_(tmp_path)


def test_export_to_a_file_and_forms(agents: AgentStore, tmp_path: Path) -> None:
    agents.import_(CHERRY)
    agents.create("x", vcp_config={"enable_diary": True}, greeting_message="hi")
    text = agents.export(["x", "7a2"], to=tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text("utf-8") == text
    assert [entry["name"] for entry in json.loads(text)["agents"]] == ["x", "Translator"]
    cherry = json.loads(agents.export("7a2", form="cherry"))
    assert cherry[0]["prompt"] == "You translate."
    assert cherry[0]["settings"]["temperature"] == 0.3
    (vcp,) = json.loads(agents.export("x", form="vcp"))
    assert (vcp["greetingMessage"], vcp["vcpConfig"]) == ("hi", {"enableDiary": True})
    with pytest.raises(InvalidInputError):
        agents.export(form="yaml")  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        agents.export("nobody")


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)
MADE = st.builds(
    lambda name, prompt, words, active, priority: {
        "name": name,
        "system_prompt": prompt,
        "keywords": words,
        "is_active": active,
        "priority": priority,
    },
    WORDS.filter(lambda name: bool(name.strip())),
    WORDS,
    st.lists(WORDS, max_size=3),
    st.booleans(),
    st.integers(0, 100),
)


@settings(max_examples=30)
@given(st.lists(MADE, min_size=1, max_size=5), st.sampled_from(["vcplab", "vcp"]))
def test_export_and_import_round_trip(made: list[dict[str, Any]], form: Any) -> None:
    agents = AgentStore()
    for fields in made:
        agents.create(fields, replace=True)
    other = AgentStore()
    other.import_(agents.export(form=form))
    assert other.list() == agents.list()


def test_shows_itself(agents: AgentStore) -> None:
    agents.create("<script>", keywords=["a", "b"])
    agents.create("b", is_active=False)
    assert repr(agents) == "<AgentStore: 2 agents, 1 resting>"
    html = agents._repr_html_()
    assert "<script>" not in html
    assert "keywords" in html  # what no agent has takes no room
    assert "display_name" not in html
    assert "category" not in html
    frame = agents.to_frame()
    assert list(frame["name"]) == ["<script>", "b"]
    assert frame["keywords"][0] == "a, b"
