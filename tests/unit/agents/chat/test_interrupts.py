"""Interruptions: they reach the model call, what was said stays, and the log goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading

import pytest

import vcplab as vl
from tests.support.chatting import Gate, Heard, logged, texts, until, wait_until
from tests.support.faulty_endpoint import FaultyEndpoint, chunk, hangs_after
from vcplab.core.errors import StateError
from vcplab.core.loop import run


def room(*names, mode="sequential", model=None, **options):
    agents = [vl.Agent(name) if isinstance(name, str) else name for name in names]
    options.setdefault("stop", vl.stop.rounds(3))
    return vl.GroupChat(agents, mode, model=model or vl.Scripted(["ok"], cycle=True), **options)


def test_interrupting_an_agent_keeps_what_it_said_and_the_round_goes_on():
    gate = Gate("So ", "far ", "so ")
    chat = room(vl.Agent("ann", model=gate), "bob").start()
    heard = Heard(chat)

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=1))
        await until(lambda: gate.waiting)
        chat.interrupt("ann")
        return await running

    result = run(go())
    assert (gate.broken, gate.closed) == (1, 1)
    assert texts(chat) == ["ann: So far so", "bob: ok"]
    assert [m.interrupted for m in chat.messages] == [True, False]
    assert chat.messages[0].finish_reason is None
    assert chat.messages[0].usage.estimated
    assert heard.streamed(1) == "So far so "
    assert result.kind == "asked"
    assert chat.replay()


def test_interrupting_somebody_else_changes_nothing():
    gate = Gate("a ")
    chat = room(vl.Agent("ann", model=gate), "bob").start()

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=1))
        await until(lambda: gate.waiting)
        chat.interrupt("bob")
        for _ in range(20):
            await asyncio.sleep(0)
        assert gate.waiting == 1
        gate.opened = True
        return await running

    run(go())
    assert texts(chat) == ["ann: a done", "bob: ok"]


def test_interrupting_everything_ends_the_run_and_not_the_chat():
    gate = Gate("half ")
    chat = room(vl.Agent("ann", model=gate), "bob").start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: gate.waiting)
        assert chat.status == "speaking"
        chat.interrupt()
        return await running

    result = run(go())
    assert result.kind == "interrupted"
    assert [message.content for message in result.messages] == ["half"]
    assert (chat.status, chat.state.is_active) == ("idle", True)
    assert [d.agent_id for d in chat.state.queue] == ["bob"]
    gate.opened = True
    assert chat.step().agent_id == "bob"
    assert chat.run().kind == "rounds"
    assert chat.replay()


@pytest.mark.parametrize("times", [2, 5])
def test_interrupting_again_and_again_is_one_interruption(times):
    gate = Gate("x ")
    chat = room(vl.Agent("ann", model=gate), "bob").start()

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=1))
        await until(lambda: gate.waiting)
        for _ in range(times):
            chat.interrupt("ann")
        return await running

    assert run(go()).kind == "asked"
    assert texts(chat) == ["ann: x", "bob: ok"]


def test_an_agent_that_had_said_nothing_is_silent():
    gate = Gate()
    chat = room(vl.Agent("ann", model=gate), "bob").start()

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=1))
        await until(lambda: gate.waiting)
        chat.interrupt("ann")
        await running

    run(go())
    (silent,) = logged(chat, "agent:silent")
    assert (silent["agent"], silent["why"]) == ("ann", "interrupted")
    assert "usage" not in silent, "nothing came, so nothing is made up"
    assert texts(chat) == ["bob: ok"]
    assert chat.ledger.total.failed == 0


def test_interrupting_while_it_is_being_decided_takes_no_turn():
    gate = Gate()
    chat = room("ann", "bob", "cat", mode="selected", model=gate).start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: gate.waiting)
        assert chat.status == "deciding"
        chat.interrupt()
        return await running

    result = run(go())
    assert (result.kind, result.rounds, result.messages) == ("interrupted", 0, ())
    assert gate.broken == 1
    assert not logged(chat, "round:start")


def test_interrupting_one_of_those_who_speak_at_once():
    ann, bob = Gate("A "), Gate("B ")
    chat = room(
        vl.Agent("ann", model=ann), vl.Agent("bob", model=bob), "cat", concurrent=True
    ).start()

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=1))
        await until(lambda: ann.waiting and bob.waiting)
        chat.interrupt("bob")
        await until(lambda: bob.closed)
        assert ann.waiting
        ann.opened = True
        return await running

    run(go())
    assert texts(chat) == ["ann: A done", "bob: B", "cat: ok"]
    assert [m.interrupted for m in chat.messages] == [False, True, False]


def test_interrupting_all_who_speak_at_once():
    ann, bob = Gate("A "), Gate("B ")
    chat = room(vl.Agent("ann", model=ann), vl.Agent("bob", model=bob), concurrent=True).start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: ann.waiting and bob.waiting)
        chat.interrupt()
        return await running

    assert run(go()).kind == "interrupted"
    assert texts(chat) == ["ann: A", "bob: B"]
    assert not chat.state.queue
    assert chat.status == "idle"


def test_an_interruption_during_the_cooldown_ends_it():
    chat = room("ann", cooldown=60).start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: len(chat) == 1 and len(logged(chat, "round:start")) == 2)
        chat.interrupt()
        return await asyncio.wait_for(running, 5)

    assert run(go()).kind == "interrupted"
    assert len(chat) == 1


def test_ending_interrupts_and_says_who_ended_it():
    gate = Gate("un")
    chat = room(vl.Agent("ann", model=gate), "bob").start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: gate.waiting)
        await chat.aend("Enough.", summary="Nothing was decided.")
        return await running

    result = run(go())
    assert texts(chat) == ["ann: un"]
    (end,) = logged(chat, "chat:end")
    assert end == {"reason": "Enough.", "kind": "user", "summary": "Nothing was decided."}
    assert (chat.status, chat.state.summary) == ("ended", "Nothing was decided.")
    assert result.kind in ("interrupted", "user")
    with pytest.raises(StateError, match="has ended"):
        chat.say("Hello?")
    assert chat.replay()


def test_the_server_sees_that_the_client_goes():
    pytest.importorskip("openai", reason="needs openai")
    with FaultyEndpoint() as server:
        server.then(hangs_after(chunk(role="assistant"), chunk("It "), chunk("is ")))
        model = vl.OpenAIChat("m", base_url=server.url, retries=0)
        chat = room("ann", model=model).start()
        heard = Heard(chat)

        async def go():
            running = asyncio.ensure_future(chat.arun())
            await until(lambda: heard.streamed() == "It is ")
            chat.interrupt()
            return await running

        assert run(go()).kind == "interrupted"
        assert server.requests[0].gone.wait(10)
        assert texts(chat) == ["ann: It is"]
        assert chat.messages[0].interrupted
        model.close()


def test_a_tool_that_runs_is_not_reported_when_its_turn_is_interrupted():
    begun = threading.Event()

    class Tools:
        def definitions(self):
            return []

        def descriptions(self):
            return {"Slow": "Slow: waits."}

        async def aexecute(self, name, args=None):
            raise AssertionError

        async def ahandle(self, answer, *, messages=()):
            begun.set()
            await asyncio.sleep(60)

    request = (
        "One moment.\n<<<[TOOL_REQUEST]>>>\ntool_name:「始」Slow「末」\n<<<[END_TOOL_REQUEST]>>>"
    )
    chat = room("ann", "bob", model=vl.Scripted({"ann": [request], "bob": ["hi"]}), tools=Tools())
    chat.start()

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=1))
        await until(begun.is_set)
        chat.interrupt("ann")
        await running

    run(go())
    assert [e.type for e in chat.events if e.agent_id == "ann"][1:] == [
        "model:call", "tool:call", "agent:silent"
    ]  # fmt: skip
    assert texts(chat)[-1] == "bob: hi"
    assert logged(chat, "agent:silent")[0]["why"] == "interrupted"
    assert chat.ledger.total.calls == 2
    assert chat.replay()


def main_waits():
    """Whether the main thread is inside a blocking call, and not only about to begin it."""
    frame = sys._current_frames().get(threading.main_thread().ident)
    while frame is not None:
        if frame.f_code.co_name == "_wait":
            return True
        frame = frame.f_back
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to one's own process")
def test_the_stop_button_on_a_blocking_run_leaves_a_consistent_log():
    gate = Gate("before ")
    chat = room(vl.Agent("ann", model=gate), "bob").start()

    def press():
        wait_until(lambda: gate.waiting and main_waits())
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        chat.run()
    presser.join()
    assert (gate.broken, gate.closed) == (1, 1)
    assert texts(chat) == ["ann: before"]
    assert chat.messages[0].interrupted
    assert chat.status == "idle"
    gate.opened = True
    assert chat.run().kind == "rounds"
    assert texts(chat)[:2] == ["ann: before", "bob: ok"]
    assert chat.replay()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to one's own process")
def test_the_stop_button_while_several_speak_at_once():
    ann, bob = Gate("A "), Gate("B ")
    chat = room(vl.Agent("ann", model=ann), vl.Agent("bob", model=bob), concurrent=True).start()

    def press():
        wait_until(lambda: ann.waiting and bob.waiting and main_waits())
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        chat.run()
    presser.join()
    assert texts(chat) == ["ann: A", "bob: B"]
    assert (ann.broken, bob.broken) == (1, 1)
    ann.opened = bob.opened = True
    assert chat.run(rounds=1).messages[0].content == "A done"


def test_a_run_that_is_cancelled_from_outside_does_not_hold_the_chat():
    gate = Gate("cut ")
    chat = room(vl.Agent("ann", model=gate), "bob").start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: gate.waiting)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    run(go())
    assert texts(chat) == ["ann: cut"]
    assert chat.step().content == "ok"


def test_who_waits_for_a_cancelled_run_is_answered_by_himself():
    gate = Gate("cut ")
    chat = room(vl.Agent("ann", model=gate), "bob").start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: gate.waiting)
        saying = asyncio.ensure_future(chat.asay("@bob your turn"))
        await until(lambda: len(logged(chat, "user:speak")) == 1)
        running.cancel()
        return await saying

    assert [m.content for m in run(go())] == ["ok"]


def test_a_run_cancelled_while_it_answers_somebody_leaves_him_not_alone():
    ann, bob = Gate("a ", opened=True), Gate("b ")
    chat = room(
        vl.Agent("ann", model=ann), vl.Agent("bob", model=bob), stop=vl.stop.rounds(9)
    ).start()
    chat.set_mode("mention")

    async def go():
        ann.opened = False
        await chat.ahandle_user_input("@ann go on")
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: ann.waiting)
        saying = asyncio.ensure_future(chat.asay("@bob and you?"))
        await until(lambda: len(logged(chat, "user:speak")) == 2)
        ann.opened = True
        await until(lambda: bob.waiting)  # the run answers what was said
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        bob.opened = True
        return await asyncio.wait_for(saying, 5)

    replies = run(go())
    assert [m.agent_id for m in replies] == ["bob"]
    assert chat.status == "idle"
