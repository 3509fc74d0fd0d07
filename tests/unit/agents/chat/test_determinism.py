"""The same seed and recordings give the same bytes, in every process."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support import golden_chat
from tests.support.golden_chat import CALLS, CLOCK, LOG
from vcplab.agents.chat.events import LOGGED_EVENTS
from vcplab.core.clock import use_clock
from vcplab.protocol.completions import ChatPiece, ChatRequest

PLACES = [
    {"PYTHONHASHSEED": "0", "LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Asia/Kolkata"},
    {"PYTHONHASHSEED": "4711", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "TZ": "America/St_Johns"},
    {
        "PYTHONHASHSEED": "random", "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0", "TZ": "Pacific/Chatham", "PYTHONOPTIMIZE": "1",
    },
]  # fmt: skip


def _golden(tmp_path: Path, **options: Any) -> vl.GroupChat:
    with golden_chat.open_lab(tmp_path / "lab") as lab, use_clock(CLOCK):
        return golden_chat.play(vl.Recorded(CALLS), lab, **options)


def test_other_processes_places_and_hash_seeds_give_the_golden_log(
    tmp_path: Path, root: Path, offline_environment: dict[str, str]
) -> None:
    children = []
    for number, place in enumerate(PLACES):
        out = tmp_path / f"{number}.jsonl"
        code = ["-m", "tests.support.golden_chat", "run", str(CALLS), str(out)]
        environment = {
            k: v for k, v in offline_environment.items() if k not in ("LANG", "LC_CTYPE")
        } | place
        children.append(
            (
                out,
                subprocess.Popen(
                    [sys.executable, *code], cwd=root, env=environment, stderr=subprocess.PIPE
                ),
            )
        )
    for (out, child), place in zip(children, PLACES, strict=True):
        _, told = child.communicate(timeout=120)
        assert child.returncode == 0, told.decode(errors="replace")
        assert out.read_bytes() == LOG.read_bytes(), place


def test_this_process_gives_the_golden_log_and_uses_every_recorded_call(tmp_path: Path) -> None:
    model = vl.Recorded(CALLS)
    with golden_chat.open_lab(tmp_path / "lab") as lab, use_clock(CLOCK):
        chat = golden_chat.play(model, lab)
    assert chat.to_jsonl().encode() == LOG.read_bytes()
    assert model.unused() == ()


def test_the_store_makes_no_difference(tmp_path: Path) -> None:
    chat = _golden(tmp_path, store=vl.ChatStore(tmp_path / "chats.sqlite3"))
    assert chat.to_jsonl().encode() == LOG.read_bytes()


def test_the_golden_log_is_of_what_it_should_be() -> None:
    lines = [json.loads(line) for line in LOG.read_text(encoding="utf-8").split("\n")[1:-1]]
    seen = {line["type"] for line in lines}
    # What needs a clock, a person's permission or a failed consensus is tested elsewhere.
    assert set(LOGGED_EVENTS) - seen == {
        "approval", "consensus:failed", "options:changed", "timeout",
    }  # fmt: skip
    modes = {line["mode"]["mode"] for line in lines if line["type"] == "mode:changed"}
    assert modes == {
        "random", "natural", "mention", "keyword", "consensus", "selected", "sequential",
    }  # fmt: skip
    assert any(line.get("interrupted") for line in lines)
    assert any(line.get("during") for line in lines)
    assert any(line.get("to") for line in lines if line["type"] == "agent:speak")
    assert {line.get("why") for line in lines} >= {"redo", "failed"}


@pytest.mark.parametrize("seed", [20260301, 1])
def test_the_seed_decides(tmp_path: Path, seed: int) -> None:
    def spoke(seed: int) -> list[str | None]:
        chat = vl.GroupChat(
            list("abcde"), "random", model=vl.Scripted(["x"], cycle=True), seed=seed
        )
        chat.start()
        chat.run(rounds=9)
        return [event.agent_id for event in chat.events if event.type == "agent:speak"]

    assert spoke(seed) == spoke(seed)
    assert spoke(seed) != spoke(seed + 1)


class _Late:
    """Says the same always, in pieces that come when they like."""

    name = "late"

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.ended: list[str | None] = []

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPiece]:
        heard = sum(len(str(message.content)) for message in request.messages)
        called = "，@戊 你说" if request.agent == "乙" else ""
        text = f"{request.agent} 听了 {heard} 字{called}。"
        for character in text:
            await asyncio.sleep(self._dice.random() * 0.003)
            yield ChatPiece(character)
        self.ended.append(request.agent)
        yield ChatPiece(finish_reason="stop")


def test_concurrent_turns_are_logged_in_the_order_of_the_decisions_whoever_is_first() -> None:
    logs, ends = set(), set()
    for seed in range(5):
        model = _Late(seed)
        chat = vl.GroupChat(
            list("甲乙丙丁戊"), model=model, concurrent=True, max_speakers=4,
            stop=vl.stop.rounds(3), seed=5,
        )  # fmt: skip
        chat.start("同时说")
        chat.say("开始")
        chat.run()
        logs.add(chat.to_jsonl())
        ends.add(tuple(model.ended))
        assert chat.replay().identical
        for event in chat.events:
            if event.type == "round:start":
                order = [speaker["agent"] for speaker in event.data["speakers"]]
                after = chat.events[(event.seq or 0) + 1 :]
                assert [e.agent_id for e in after if e.type == "agent:speak"][:4] == order
    assert len(logs) == 1
    assert len(ends) > 1, "the delays changed nothing: nothing was tested"


def test_policies_asking_at_once_are_logged_in_the_order_of_the_questions() -> None:
    class Voters(_Late):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPiece]:
            await asyncio.sleep(self._dice.random() * 0.01)
            self.ended.append(request.agent)
            yield ChatPiece('{"stance": "approve", "confidence": 1, "reason": "x"}')

    logs, ends = set(), set()
    for seed in range(5):
        model = Voters(seed)
        chat = vl.GroupChat(list("abcdefg"), "consensus", model=model, concurrent=True, seed=5)
        chat.start("x?")
        chat.run()
        logs.add(chat.to_jsonl())
        ends.add(tuple(model.ended))
    assert len(logs) == 1
    assert len(ends) > 1
