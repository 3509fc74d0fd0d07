"""A killed chat: its log is a prefix of the undisturbed one, and it ends as that one does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.killed_chat import ID, PLAN, ByRequest, Look, go_on
from vcplab.agents.chat.events import ChatEvent
from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
_NOT_KNOWN = "whether it took effect is not known"


def _kinds(lines: list[str]) -> list[str]:
    return [json.loads(line)["type"] for line in lines]


def _kill(tmp_path: Path, root: Path, environment: dict[str, str], kills: int, seed: int) -> Any:
    code = ["-m", "tests.support.killed_chat", str(tmp_path), str(kills), str(seed)]
    child = subprocess.run(
        [sys.executable, *code], cwd=root, env=environment, capture_output=True, timeout=600
    )
    assert child.returncode == 0, child.stderr.decode(errors="replace")
    return json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


def _judge(report: Any, kills: int) -> None:
    calm = report["undisturbed"]
    assert report["status"] == 0
    assert _kinds(calm)[-1] == "chat:end"
    # What is killed is worth it.
    assert {"tool:result", "handoff", "position", "consensus:reached", "agent:silent"} <= set(
        _kinds(calm)
    )
    assert len(report["kills"]) == kills
    for killed in report["kills"]:
        assert os.WTERMSIG(killed["status"]) == signal.SIGKILL, killed["status"]
        lines = killed["lines"]
        assert lines == calm[: len(lines)], f"no prefix after {len(lines)} events"
    assert len({len(killed["lines"]) for killed in report["kills"]}) > kills / 3
    assert report["ends"]
    for end in report["ends"]:
        if end["in_tool"]:
            assert _NOT_KNOWN in "".join(end["lines"])
            continue
        assert end["lines"] == calm
        # No tool ran twice, and none was passed over.
        assert end["runs"] == report["runs"]


@posix
def test_a_chat_killed_at_random_points_ends_as_if_it_had_not_been(
    tmp_path: Path, root: Path, offline_environment: dict[str, str]
) -> None:
    _judge(_kill(tmp_path, root, offline_environment, 4, 6), 4)


@posix
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_chat_killed_at_thirty_random_points_ends_as_if_it_had_not_been(
    tmp_path: Path, root: Path, offline_environment: dict[str, str], seed: int
) -> None:
    _judge(_kill(tmp_path, root, offline_environment, 30, seed), 30)


# --- every point, in this process: the store as a killed process leaves it ------------------


def _cut(events: tuple[ChatEvent, ...], upto: int) -> vl.ChatStore:
    """A store that holds the beginning of a log and no more."""
    store = vl.ChatStore()
    store.create(ID, "group chat", current_clock().now())
    rows = [(e.seq or 0, e.type, e.line, e.time.isoformat(), e.seconds) for e in events[:upto]]
    store.append(ID, rows)
    return store


def _points(events: tuple[ChatEvent, ...], step: int) -> Iterator[int]:
    """After how many events it is killed.

    A tool that had begun is another test's, and what is written at once is not torn apart.
    """
    at_once = {("round:end", "chat:end"), ("message:removed", "agent:invite")}
    for upto in range(1, len(events), step):
        here, follows = events[upto - 1].type, events[upto].type
        if here != "tool:call" and (here, follows) not in at_once:
            yield upto


@pytest.mark.parametrize(
    "step", [pytest.param(11, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def test_the_planned_chat_goes_on_from_every_event(tmp_path: Path, step: int) -> None:
    calm = go_on(vl.ChatStore(), tmp_path / "calm.txt")
    assert [event.type for event in calm.events].count("mode:changed") == sum(
        kind == "mode" for kind, _ in PLAN
    )
    for upto in _points(calm.events, step):
        store = _cut(calm.events, upto)
        chat = go_on(store, tmp_path / "again.txt")
        assert chat.to_jsonl() == calm.to_jsonl(), upto
        store.close()


def _concurrent(chat: vl.GroupChat) -> None:
    chat.start("同时")
    chat.say("开始吧")
    chat.run()


def _failing(chat: vl.GroupChat) -> None:
    chat.start("直到失败")
    chat.run()
    assert chat.events[-1].data["kind"] == "failed"


def _redone(chat: vl.GroupChat) -> None:
    chat.start("重说")
    chat.run(rounds=2)
    chat.redo()
    chat.redo(agent="丁")
    chat.run()


def _interjected(chat: vl.GroupChat) -> None:
    """A person speaks in the middle of the first turn of the second round."""
    pieces: list[ChatEvent] = []
    submitted: list[Any] = []

    def heard(event: ChatEvent) -> None:
        if chat.state.round == 2:
            pieces.append(event)
            if len(pieces) == 2:
                submitted.append(asyncio.ensure_future(chat.asay("我插一句，@丙 怎么看？")))

    chat.subscribe(heard, "agent:stream")
    chat.start("插话")
    chat.run()
    assert submitted
    assert any(event.data.get("during") for event in chat.events)


def _limited(chat: vl.GroupChat) -> None:
    chat.start("字数")
    chat.run()
    assert [event.data.get("cut") for event in chat.events if event.type == "round:end"][-1]


_SCENES: dict[str, tuple[Callable[[vl.GroupChat], None], dict[str, Any]]] = {
    "concurrent": (_concurrent, {"concurrent": True, "max_speakers": 3}),
    "a failure ends it": (_failing, {"on_error": "stop", "stop": vl.stop.rounds(30)}),
    "said again": (_redone, {}),
    "a person speaks in a turn": (_interjected, {}),
    "a limit in the middle of a round": (_limited, {"stop": vl.stop.messages(6)}),
}


@pytest.mark.parametrize(
    "step", [pytest.param(3, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("scene", _SCENES)
def test_every_kind_of_chat_goes_on_from_every_event(tmp_path: Path, scene: str, step: int) -> None:
    play, options = _SCENES[scene]
    stop = options.get("stop", vl.stop.rounds(4))
    given = {
        "model": ByRequest(failing=scene == "a failure ends it"),
        "tools": Look(tmp_path / "canary.txt"),
        "stop": stop,
    }
    calm = vl.GroupChat(list("甲乙丙丁"), seed=11, **{**given, **options})
    play(calm)
    assert not calm.state.is_active
    begun = next(e.seq or 0 for e in calm.events if e.type == "round:start")
    for upto in _points(calm.events, step):
        if upto <= begun:
            continue  # people had not yet said what they had to say
        if scene == "said again" and not _all_asked(calm.events[:upto]):
            continue
        if scene == "a person speaks in a turn" and not any(
            "during" in event.data for event in calm.events[:upto]
        ):
            continue
        store = _cut(calm.events, upto)
        chat = vl.GroupChat.load(ID, store=store, **given)
        if chat.state.is_active:
            chat.run(rounds=0)
        if chat.state.is_active:
            chat.run()
        assert chat.to_jsonl() == calm.to_jsonl(), (upto, calm.events[upto - 1])
        store.close()


def _all_asked(events: tuple[ChatEvent, ...]) -> bool:
    return sum(event.type == "message:removed" for event in events) == 2


def test_a_tool_that_had_begun_is_not_run_again(tmp_path: Path) -> None:
    canary = tmp_path / "calm.txt"
    calm = go_on(vl.ChatStore(), canary)
    begun = [e.seq or 0 for e in calm.events if e.type == "tool:call"]
    assert len(begun) > 3
    for seq in begun[:4]:
        store = _cut(calm.events, seq + 1)
        again = tmp_path / f"{seq}.txt"
        again.touch()
        chat = go_on(store, again)
        result = chat.events[seq + 1]
        assert result.type == "tool:result"
        assert _NOT_KNOWN in result.data["text"]
        assert not chat.state.is_active
        assert [e.line for e in chat.events[: seq + 1]] == [e.line for e in calm.events[: seq + 1]]
        key = calm.events[seq].data["calls"][0]["arguments"]["key"]
        assert key not in again.read_text().split()
        assert chat.replay().identical
        store.close()


def test_a_private_word_is_answered_privately_after_a_kill() -> None:
    calm = vl.GroupChat(list("甲乙丙"), model=ByRequest(failing=False), seed=1)
    calm.start("x")
    calm.say("公开")
    calm.say("私下", to=["乙"])
    said = next(e.seq or 0 for e in calm.events if e.data.get("text") == "私下")
    again = calm.fork(at=said)
    again.run(rounds=0)
    assert again.to_jsonl() == calm.to_jsonl()
    assert again.messages[-1].visible_to == {"乙"}


def test_nothing_left_is_nothing_done() -> None:
    chat = vl.GroupChat(list("甲乙"), model=ByRequest(failing=False), seed=1)
    chat.start("x")
    chat.run(rounds=1)
    before = chat.to_jsonl()
    result = chat.run(rounds=0)
    assert (result.rounds, result.messages) == (0, ())
    assert chat.to_jsonl() == before


def test_a_question_that_was_answered_is_not_asked_again() -> None:
    model = vl.Scripted(
        lambda request: (
            {"stance": "approve", "confidence": 1, "reason": "x"}
            if request.purpose == "position"
            else "words"
        )
    )
    calm = vl.GroupChat(list("abc"), "consensus", model=model, seed=1)
    calm.start("x?")
    calm.run()
    asked = [e.seq or 0 for e in calm.events if e.data.get("purpose") == "position"]
    again = vl.Scripted({"c": [{"stance": "approve", "confidence": 1, "reason": "x"}]})
    fork = calm.fork(at=asked[1], model=again)
    fork.run()
    assert fork.to_jsonl() == calm.to_jsonl()
    assert [request.agent for request in again.requests] == ["c"]


def test_the_whole_of_a_group_of_events_is_written_or_nothing() -> None:
    chat = vl.GroupChat(list("ab"), model=ByRequest(failing=False), seed=1)
    log = chat._session.log
    before = chat.to_jsonl()
    with pytest.raises(InvalidInputError, match="not JSON"):
        log.extend(
            [("topic:updated", {"topic": "x"}), ("topic:updated", {"topic": object()})],
            current_clock().now(),
        )
    assert chat.to_jsonl() == before
    assert vl.GroupChat.load(chat.id, store=chat.store).to_jsonl() == before
