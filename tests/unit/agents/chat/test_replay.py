"""Replays: every decision and turn again from the log alone, byte for byte, and nothing runs."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support import golden_chat
from tests.support.golden_chat import CALLS, CLOCK, LOG
from tests.support.killed_chat import ByRequest, Look, go_on
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.events import ChatEvent
from vcplab.core.clock import use_clock
from vcplab.core.errors import InvalidInputError
from vcplab.protocol.completions import ChatPiece, ChatRequest


class _Never:
    """A model that nobody may ask."""

    name = "never"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPiece]:
        raise AssertionError("a replay asked a model")
        yield ChatPiece()


def _edited(tmp_path: Path, change: Any) -> vl.GroupChat:
    lines = LOG.read_text(encoding="utf-8").split("\n")[:-1]
    facts = [json.loads(line) for line in lines[1:]]
    change(facts)
    path = tmp_path / "edited.jsonl"
    text = [json.dumps(f, sort_keys=True, ensure_ascii=False, separators=(",", ":")) for f in facts]
    path.write_text("\n".join([lines[0], *text, ""]), encoding="utf-8")
    return vl.GroupChat.load(path)


def test_the_golden_chat_replays_the_same_and_runs_no_tool(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with golden_chat.open_lab(tmp_path / "lab", canary) as lab, use_clock(CLOCK):
        model = vl.Recorded(CALLS)
        chat = golden_chat.play(model, lab)
        assert canary.read_bytes() == b"xx"
        replay = chat.replay()
        assert replay.identical, replay
        assert (replay.log.encode(), replay.events) == (LOG.read_bytes(), len(chat.events))
        assert canary.read_bytes() == b"xx", "the replay ran a tool"
        assert model.unused() == ()
        assert chat.to_jsonl().encode() == LOG.read_bytes()


def test_a_loaded_log_replays_with_a_live_tool_and_model_at_hand(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    with golden_chat.open_lab(tmp_path / "lab", canary) as lab:
        chat = vl.GroupChat.load(LOG, model=_Never(), tools=lab.tools)
        assert chat.replay().identical
    assert not canary.exists()


def test_a_log_alone_replays() -> None:
    replay = vl.GroupChat.load(LOG).replay()
    assert bool(replay)
    assert "identical" in repr(replay)
    assert "identical" in replay._repr_html_()


def test_every_beginning_of_a_log_replays(tmp_path: Path) -> None:
    lines = LOG.read_text(encoding="utf-8").split("\n")
    path = tmp_path / "beginning.jsonl"
    for upto in range(1, len(lines), 3):
        path.write_text("\n".join([*lines[:upto], ""]), encoding="utf-8")
        replay = vl.GroupChat.load(path).replay()
        assert replay.identical, (upto, replay)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"concurrent": True},
        {"max_speakers": 2, "mentions": "ignore"},
        {"handoff_depth": 0},
        {"handoff_budget": 1},
        {"on_error": "stop"},
        {"tool_rounds": 1, "sharing": "isolated"},
        {"approve": "all", "approver": lambda kind, agent, text: kind == "turn" or len(text) % 2},
        {"stop": vl.stop.messages(11)},
        {"stop": vl.stop.tokens(5000) | vl.stop.silence(1)},
        {"stop": vl.stop.text("说 a") & vl.stop.rounds(2)},
        {"stop": vl.stop.stagnation(2, similarity=0.3)},
        {"stop": vl.stop.consensus() | vl.stop.rounds(6), "mode": "consensus"},
        {"mode": {"mode": "random", "count": 3}},
        {"mode": "selected"},
        {"mode": "invitation"},
        {"mode": "keyword"},
        {"mode": "natural"},
    ],
    ids=lambda kind: " ".join(kind) or "plain",
)
def test_chats_of_every_kind_replay(options: dict[str, Any], tmp_path: Path) -> None:
    stop = options.get("stop", vl.stop.rounds(6))
    chat = vl.GroupChat(
        list("甲乙丙丁"), seed=9, model=ByRequest(), tools=Look(tmp_path / "c"),
        **{**options, "stop": stop},
    )  # fmt: skip
    chat.start("做不做")
    chat.say("@丙 先说")
    if chat.state.is_active:
        chat.run()
    replay = chat.replay()
    assert replay.identical, replay
    before = (tmp_path / "c").read_text() if (tmp_path / "c").exists() else ""
    loaded = vl.GroupChat.load(chat.save(tmp_path / "chat.jsonl"), stop=stop)
    assert loaded.replay().identical, loaded.replay()
    assert ((tmp_path / "c").read_text() if (tmp_path / "c").exists() else "") == before


def test_the_killed_chat_s_plan_replays(tmp_path: Path) -> None:
    chat = go_on(vl.ChatStore(), tmp_path / "canary")
    assert chat.replay().identical, chat.replay()


def _reason(facts: list[dict[str, Any]]) -> int:
    at = next(f for f in facts if f["type"] == "round:start" and f["round"] == 3)
    at["speakers"][0]["reason"] = "Somebody else wrote this."
    return int(at["seq"])


def _speakers(facts: list[dict[str, Any]]) -> int:
    at = next(f for f in facts if f["type"] == "round:start" and f["round"] == 2)
    at["speakers"].reverse()
    return int(at["seq"])


def _seed(facts: list[dict[str, Any]]) -> int:
    next(f for f in facts if f["type"] == "chat:start")["seed"] = 1
    # Where chance leads to something else for the first time.
    return 20


def _handoff(facts: list[dict[str, Any]]) -> int:
    at = next(f for f in facts if f["type"] == "handoff")
    at["speakers"][0]["priority"] = 1
    return int(at["seq"])


def _mention(facts: list[dict[str, Any]]) -> int:
    at = next(f for f in facts if f["type"] == "agent:speak" and f.get("mentions"))
    at["mentions"] = []
    return int(at["seq"])


def _stance(facts: list[dict[str, Any]]) -> int:
    at = next(f for f in facts if f["type"] == "position")
    at["stance"] = "reject"
    return int(at["seq"])


def _head(facts: list[dict[str, Any]]) -> int:
    at = next(f for f in facts if f["type"] == "agent:speak" and f["agent"] == "bob")
    at["text"] = f"[bob的发言]: {at['text']}"
    return int(at["seq"])


@pytest.mark.parametrize("change", [_reason, _speakers, _seed, _handoff, _mention, _stance, _head])
def test_a_log_that_was_changed_is_found_out(change: Any, tmp_path: Path) -> None:
    places: list[int] = []
    chat = _edited(tmp_path, lambda facts: places.append(change(facts)))
    replay = chat.replay()
    assert not replay.identical
    assert replay.at == places[0]
    assert replay.first_difference is not None
    assert replay.first_difference[0] == chat.events[places[0]].line
    assert str(places[0]) in repr(replay)
    assert str(places[0]) in replay._repr_html_()


def test_the_events_of_the_second_run_can_be_followed() -> None:
    chat = vl.GroupChat.load(LOG)
    heard: list[ChatEvent] = []
    chat.replay(on_event=heard.append)
    assert [e.line for e in heard if e.seq is not None] == [e.line for e in chat.events]
    assert any(event.type == "agent:thinking" for event in heard)


def test_a_function_as_mode_is_given_again(tmp_path: Path) -> None:
    def last_first(state: Any, message: Any, rng: Any) -> list[Decision]:
        return [Decision(list(state.agents)[-1], 90, f"drawn {rng.random():.6f}")]

    chat = vl.GroupChat(list("ab"), last_first, model=ByRequest(failing=False), seed=2)
    chat.start("x")
    chat.run(rounds=3)
    assert chat.replay().identical
    path = chat.save(tmp_path / "chat.jsonl")
    with pytest.raises(InvalidInputError, match="function"):
        vl.GroupChat.load(path)
    assert vl.GroupChat.load(path, mode=last_first).replay().identical

    def first_first(state: Any, message: Any, rng: Any) -> list[Decision]:
        return [Decision(next(iter(state.agents)), 90, "another")]

    assert not vl.GroupChat.load(path, mode=first_first).replay().identical
