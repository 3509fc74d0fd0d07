"""How chats end and what a run says of it: time, failures, disagreement, somebody's word."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

import vcplab as vl
from vcplab.protocol.completions import ChatPiece, ChatRequest


class Hanging:
    """Says a word and then nothing more."""

    name = "hanging"

    def __init__(self) -> None:
        self.asked = threading.Event()

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatPiece]:
        yield ChatPiece("first words ")
        self.asked.set()
        await asyncio.sleep(60)


def test_a_time_limit_ends_a_call_that_hangs() -> None:
    chat = vl.GroupChat(["A", "B"], model=Hanging(), stop=vl.stop.time(0.2) | vl.stop.rounds(3))
    begun = time.monotonic()
    result = chat.start("t").run()
    assert time.monotonic() - begun < 10
    assert (result.kind, [m.content for m in result.messages]) == ("time", ["first words"])
    assert result.messages[0].interrupted
    assert [e.type for e in chat.events][-2:] == ["timeout", "chat:end"]
    assert chat.replay().identical


def test_a_condition_without_a_limit_gets_one() -> None:
    chat = vl.GroupChat(["A"], model=vl.Scripted(lambda r: "x"), stop=vl.stop.text("never"))
    assert repr(chat.stop) == "stop.text('never') | stop.rounds(100)"
    limited = vl.stop.text("never") | vl.stop.tokens(5)
    assert vl.GroupChat(["A"], stop=limited).stop == limited
    both = vl.stop.text("never") & vl.stop.rounds(2)
    assert repr(vl.GroupChat(["A"], stop=both).stop).endswith("| stop.rounds(100)")


def test_a_run_says_that_everybody_failed(caplog: pytest.LogCaptureFixture) -> None:
    model = vl.Scripted(lambda r: ValueError("no such luck"))
    chat = vl.GroupChat(["A", "B"], model=model).start("t")
    result = chat.run()
    assert (result.kind, result.failed, result.rounds) == ("failed", 2, 1)
    assert "no such luck" in result.reason
    chat.run()
    assert [r.message for r in caplog.records] == [
        "A could not answer: no such luck", "B could not answer: no such luck",
    ]  # fmt: skip
    assert repr(result).startswith("<RunResult 0 messages, 1 round, 2 failed turns: Nobody could")


def test_ending_a_run_is_no_interruption() -> None:
    model = Hanging()
    chat = vl.GroupChat(["A"], model=model).start("t")
    running = vl.submit(chat.arun())
    assert model.asked.wait(10)
    chat.end("enough")
    result = running.result(10)
    assert (result.kind, result.reason) == ("user", "enough")


def test_disagreement_ends_a_consensus_chat() -> None:
    stances = {"A": "approve", "B": "reject"}

    def reply(request: ChatRequest) -> object:
        if request.purpose == "position":
            return {"stance": stances[request.agent or ""], "confidence": 1, "reason": "so"}
        return "words"

    mode = {"mode": "consensus", "max_rounds": 2}
    chat = vl.GroupChat(["A", "B"], mode, model=vl.Scripted(reply)).start("t")
    result = chat.run()
    assert result.kind == "consensus"
    assert result.reason == "The agents did not agree in the rounds they had."
    assert chat.positions()["stance"].tolist() == ["approve", "reject"] * 2
    assert chat.replay().identical


def test_rounds_count_what_was_left_of_one() -> None:
    chat = vl.GroupChat(["A", "B"], model=vl.Scripted(lambda r: "x")).start("t")
    chat.step()
    result = chat.run(rounds=1)
    assert (len(result.messages), result.rounds, chat.state.round) == (1, 1, 1)
    assert repr(result) == "<RunResult 1 message, 1 round: 1 round asked for.>"


def test_an_interrupted_question_is_in_the_log_and_the_ledger() -> None:
    model = Hanging()
    chat = vl.GroupChat(["A", "B"], "selected", model=model).start("t")
    running = vl.submit(chat.arun())
    assert model.asked.wait(10)
    chat.interrupt()
    assert running.result(10).kind == "interrupted"
    event = chat.events[-1]
    assert (event.type, event.data["purpose"], event.data["interrupted"]) == (
        "model:call", "select", True,
    )  # fmt: skip
    assert chat.ledger.total.calls == 1
    assert chat.ledger.total.usage.estimated
    assert chat.replay().identical


def test_somebody_speaks_while_the_first_decision_is_taken() -> None:
    slow = vl.Scripted(lambda r: {"speaker": "A", "reason": "x"} if r.schema else "x", delay=0.05)
    chat = vl.GroupChat(["A", "B"], "selected", model=slow).start("t")
    running = vl.submit(chat.arun(1))
    while chat.status != "deciding":
        time.sleep(0.001)
    chat.say("@B hello")
    running.result(30)
    assert chat.replay().identical


def test_what_an_agent_would_be_shown() -> None:
    chat = vl.GroupChat(["A", "B"], model=vl.Scripted(lambda r: "x")).start("预算")
    chat.say("secret", to="B")
    assert "secret" in "".join(m.content for m in chat.prompt_for("B"))
    assert "secret" not in "".join(m.content for m in chat.prompt_for("A"))
