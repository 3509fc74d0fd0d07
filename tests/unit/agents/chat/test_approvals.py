"""Approvals: what a person has to allow waits for it, and nothing else does."""

from __future__ import annotations

import asyncio

import pytest

import vcplab as vl
from tests.support.chatting import Heard, logged, texts, until
from tests.unit.agents.chat.test_tools import Box, asks, calls
from vcplab.core.errors import InvalidInputError, LoopError, NotFoundError
from vcplab.core.loop import run


def room(*names, model=None, **options):
    options.setdefault("stop", vl.stop.rounds(1))
    model = model or vl.Scripted(lambda request: f"{request.agent} speaks")
    return vl.GroupChat(names or ("ann", "bob"), model=model, **options).start()


@pytest.mark.parametrize("call", ["run", "step", "say", "request_speak", "redo"])
def test_a_blocking_call_that_would_wait_for_clicks_says_to_await_it(call):
    chat = room(approve="turns")
    arguments = {"say": ("hi",), "request_speak": ("ann",)}.get(call, ())
    with pytest.raises(LoopError, match="waits for a person") as caught:
        getattr(chat, call)(*arguments)
    assert f"await chat.a{call}(" in caught.value.next_step
    assert len(chat) == 0


def test_turns_wait_until_somebody_allows_them():
    chat = room(approve="turns")
    heard = Heard(chat)

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: chat.pending_approvals)
        assert chat.status == "waiting"
        (asked,) = chat.pending_approvals
        assert (asked["kind"], asked["agent"]) == ("turn", "ann")
        with pytest.raises(NotFoundError, match="Nobody asks this"):
            chat.approve("a99")
        chat.approve(asked["id"])
        await until(lambda: len(chat) == 1 and chat.pending_approvals)
        chat.deny()
        return await running

    assert run(go()).kind == "rounds"
    assert texts(chat) == ["ann: ann speaks"]
    (silent,) = logged(chat, "agent:silent")
    assert (silent["agent"], silent["why"]) == ("bob", "denied")
    assert [d["approved"] for d in logged(chat, "approval")] == [True, False]
    assert [(d["id"], d["kind"]) for d in heard.of("approval:asked")] == [
        ("a1", "turn"), ("a2", "turn"),
    ]  # fmt: skip
    assert heard.of("approval:given") == [
        {"id": "a1", "approved": True}, {"id": "a2", "approved": False},
    ]  # fmt: skip
    assert chat.ledger.total.calls == 1
    with pytest.raises(NotFoundError, match="Nothing is waiting"):
        chat.approve()
    assert chat.replay()


def test_answers_from_another_thread():
    chat = room("ann", approve="turns")

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: chat.pending_approvals)
        await asyncio.to_thread(chat.approve)
        return await running

    run(go())
    assert texts(chat) == ["ann: ann speaks"]


def test_an_approver_answers_instead_of_a_person():
    asked = []

    def approver(kind, agent, text):
        asked.append((kind, agent, text))
        return agent != "bob"

    chat = room("ann", "bob", "cat", approve="turns", approver=approver)
    chat.run()
    assert texts(chat) == ["ann: ann speaks", "cat: cat speaks"]
    assert asked == [("turn", "ann", ""), ("turn", "bob", ""), ("turn", "cat", "")]
    assert chat.replay()
    assert len(asked) == 3, "a replay asks nobody"


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("allowed", [True, False])
def test_tools_are_asked_for_with_their_arguments(allowed, native):
    asked = []

    def approver(kind, agent, text):
        asked.append((kind, agent, text))
        return allowed

    box = Box()
    request = calls(("Look", '{"at": "sky"}')) if native else asks(at="sky")
    model = vl.Scripted([request, "Well."])
    chat = room("ann", model=model, tools=box, approve="tools", approver=approver,
                tool_style="native" if native else "text")  # fmt: skip
    chat.run()
    assert asked == [("tool", "ann", "Look {'at': 'sky'}")]
    assert len(box.run) == allowed
    told = model.requests[1].messages[-1].content
    assert told == ("it is blue" if allowed else "The user did not allow this.")
    assert texts(chat)[-1] == "ann: Well."
    assert chat.replay()
    assert (len(asked), len(box.run)) == (1, allowed), "a replay asks nobody and runs nothing"


def test_turns_and_tools():
    kinds = []
    chat = room(
        "ann",
        model=vl.Scripted([asks(), "Well."]),
        tools=Box(),
        approve="all",
        approver=lambda kind, agent, text: kinds.append(kind) or True,
    )
    chat.run()
    assert kinds == ["turn", "tool"]
    assert chat.replay()


def test_what_an_agent_may_not_use_is_not_asked_for():
    agent = vl.Agent("ann", vcp_config=vl.VCPConfig(enable_tools=()))
    asked = []
    chat = room(
        agent, model=vl.Scripted([asks(), "Well."]), tools=Box(), approve="tools",
        approver=lambda *facts: asked.append(facts) or True,
    )  # fmt: skip
    chat.run()
    assert not asked
    assert chat.replay()


@pytest.mark.parametrize("what", ["turns", "tools"])
def test_an_interruption_takes_the_question_back(what):
    box = Box()
    model = vl.Scripted([asks(), "x"])
    chat = room("ann", model=model, tools=box, approve=what, stop=vl.stop.rounds(2))

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: chat.pending_approvals)
        chat.interrupt()
        return await running

    assert run(go()).kind == "interrupted"
    assert chat.pending_approvals == []
    assert logged(chat, "agent:silent")[0]["why"] == "interrupted"
    assert not logged(chat, "approval")
    assert not box.run
    assert chat.status == "idle"
    assert chat.replay()


def test_several_questions_at_the_same_time():
    chat = room("ann", "bob", "cat", approve="turns", concurrent=True)

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: len(chat.pending_approvals) == 3)
        by_agent = {asked["agent"]: asked["id"] for asked in chat.pending_approvals}
        chat.deny(by_agent["bob"])
        await until(lambda: len(chat.pending_approvals) == 2)
        assert chat.status == "waiting"
        chat.approve()
        await running

    run(go())
    assert texts(chat) == ["ann: ann speaks", "cat: cat speaks"]
    assert chat.replay()


def test_ending_while_somebody_is_waited_for():
    chat = room("ann", approve="turns")

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: chat.pending_approvals)
        await chat.aend()
        await running

    run(go())
    assert chat.status == "ended"
    assert chat.pending_approvals == []


def test_an_approver_that_fails_allows_nothing_and_says_why():
    def approver(kind, agent, text):
        if agent == "ann":
            raise ValueError("I do not know.")
        return True

    chat = room("ann", "bob", approve="turns", approver=approver)
    assert chat.run().kind == "rounds"
    assert texts(chat) == ["bob: bob speaks"]
    refused, _ = logged(chat, "approval")
    assert not refused["approved"]
    assert "I do not know." in refused["why"]
    assert chat.replay()


@pytest.mark.parametrize("allowed", [True, False])
def test_an_approver_may_take_its_time(allowed):
    async def approver(kind, agent, text):
        await asyncio.sleep(0)
        return allowed

    chat = room("ann", approve="turns", approver=approver)
    chat.run()
    assert len(chat) == allowed


def test_there_are_only_these_kinds_of_approval():
    with pytest.raises(InvalidInputError, match="no way of approve"):
        room(approve="everything")


def test_an_approver_may_be_asynchronous():
    async def allows(kind, agent, text):
        await asyncio.sleep(0)
        return agent == "bob"

    chat = room(approve="turns", approver=allows)
    chat.run()
    assert texts(chat) == ["bob: bob speaks"]
    chat = room(approve="turns", approver=lambda *asked: allows(*asked))
    chat.run()
    assert texts(chat) == ["bob: bob speaks"]


@pytest.mark.parametrize("error", [ZeroDivisionError("1/0"), StopIteration("none")])
def test_an_approver_that_fails_allows_nothing_and_the_log_says_why(error, caplog):
    def fails(kind, agent, text):
        raise error

    chat = room(approve="turns", approver=fails)
    assert chat.run().kind == "rounds"
    assert texts(chat) == []
    told = logged(chat, "approval")
    assert [data["approved"] for data in told] == [False, False]
    assert all(str(error) in data["why"] or "StopIteration" in data["why"] for data in told)
    assert [data["why"] for data in logged(chat, "agent:silent")] == ["denied", "denied"]
    assert not chat.state.in_round
    assert "The approver failed" in caplog.text
    assert chat.replay()


def test_a_tool_that_an_approver_could_not_decide_on_does_not_run():
    box = Box()
    model = vl.Scripted([asks(at="sky"), "Then not."])
    chat = room(
        "ann", model=model, tools=box, approve="tools", approver=lambda kind, agent, text: 1 / 0
    )
    chat.run()
    assert box.run == []
    assert texts(chat)[-1] == "ann: Then not."
    assert "ZeroDivisionError" in logged(chat, "approval")[0]["why"]
    assert chat.replay()
