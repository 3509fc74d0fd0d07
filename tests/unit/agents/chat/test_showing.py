"""What is shown of a chat: names apart, replies that are not whole, nothing that hides."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading

import pytest

import vcplab as vl
from tests.support.chatting import texts, until
from vcplab.core.errors import StateError, VCPError
from vcplab.core.loop import run, to_worker
from vcplab.protocol.completions import ChatPiece


def said(reply, *, name="ann", **options):
    chat = vl.GroupChat([name], model=vl.Scripted([reply]), name="room", **options).start()
    chat.say("go")
    return chat


# --- documents ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "mark"),
    [
        ([ChatPiece("half a sen")], "(broken off: the model never said that it was done)"),
        (
            [ChatPiece("half a sen"), ChatPiece(finish_reason="length")],
            "(cut off: the limit of tokens was reached)",
        ),
        (
            [ChatPiece("half a sen"), ChatPiece(finish_reason="content_filter")],
            "(cut off by a filter)",
        ),
    ],
)
def test_replies_that_are_not_whole_are_marked(reply, mark):
    chat = said(reply)
    assert f"**ann** {mark}" in chat.to_markdown()
    assert mark[1:-1] in chat._repr_html_()


def test_whole_replies_and_what_the_user_said_bear_no_mark():
    shown = said("All of it.").to_markdown()
    assert "**ann**\n" in shown
    assert "off" not in shown


def test_control_characters_do_not_reach_a_document():
    chat = said("safe \x1b[31mred\u202egnp.exe", name="a\u202eb")
    chat.set_topic("t\x1b]0;x\x07")
    shown = chat.to_markdown()
    assert not set("\x1b\x07\u202e") & set(shown)
    assert "safe \ufffd" in shown
    assert "gnp.exe" in shown


@pytest.mark.parametrize(("name", "second"), [("用户", "用户 (2)"), ("Ｍｅ", "Ｍｅ (2)")])
def test_an_agent_called_as_the_user_is_told_apart(name, second):
    user = "" if name == "用户" else "me"
    chat = said("hello", name=name, user_name=user)
    frame = chat.to_frame()
    assert list(frame["agent"]) == [user or "用户", second]
    assert list(frame["agent_id"]) == ["user", name]
    timeline = chat.timeline()
    assert second in set(timeline["agent"])
    assert f"**{second.replace('(', chr(92) + '(').replace(')', chr(92) + ')')}**" in (
        chat.to_markdown()
    )
    assert second in chat._repr_html_()


# --- short forms --------------------------------------------------------------------------


def test_an_agent_is_shown_as_the_call_that_makes_it():
    assert repr(vl.Agent("甲")) == "Agent('甲')"
    agent = vl.Agent("甲", "你好", role="host", keywords=["天气"], priority=90)
    assert eval(repr(agent), {"Agent": vl.Agent}) == agent
    assert len(repr(vl.Agent("甲", "x" * 100_000))) < 200


def test_a_state_is_shown_in_a_line():
    chat = vl.GroupChat(["ann", "bob"], model=vl.Scripted("x" * 10_000, cycle=True)).start("topic")
    assert repr(chat.state) == (
        "<ChatState sequential, active: 2 agents, 0 messages, round 0, 0 turns>"
    )
    chat.say("go")
    chat.end()
    assert repr(chat.state) == (
        "<ChatState sequential, not active: 2 agents, 3 messages, round 1, 2 turns>"
    )


@pytest.mark.parametrize("module", [vl.stop, vl.policies])
def test_only_what_is_meant_for_users_is_offered(module):
    assert dir(module) == sorted(module.__all__)
    assert not {"annotations", "Callable", "stopping", "base"} & set(dir(module))


# --- copies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, pickle.dumps],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize(
    ("make", "instead"),
    [
        (lambda: vl.GroupChat(["a"], model=vl.Scripted("x")), "chat.fork()"),
        (vl.ChatStore, "ChatStore(path)"),
        (vl.Ledger, "Ledger(ledger.entries"),
        (lambda: vl.Scripted("x"), "model.fresh()"),
    ],
    ids=["chat", "store", "ledger", "scripted"],
)
def test_what_is_one_is_not_copied_and_says_what_to_do(make, instead, copied):
    with pytest.raises(StateError, match="cannot be copied or pickled") as caught:
        copied(make())
    assert instead in caught.value.next_step


# --- functions that take long -------------------------------------------------------------


def test_a_policy_function_that_takes_long_holds_up_nobody():
    begun, release = threading.Event(), threading.Event()

    def slow(state):
        begun.set()
        assert release.wait(10)
        return "ann"

    held = vl.GroupChat(["ann"], slow, model=vl.Scripted("at last")).start()
    other = vl.GroupChat(["bob"], model=vl.Scripted("at once")).start()

    async def go():
        waiting = asyncio.ensure_future(held.asay("go"))
        await until(begun.is_set)
        try:
            await other.asay("go")
            assert texts(other)[-1] == "bob: at once"
            assert not waiting.done()
        finally:
            release.set()
        await waiting

    run(go())
    assert texts(held)[-1] == "ann: at last"
    assert held.replay()


def test_a_policy_function_sees_the_chat_as_it_was_when_it_was_asked():
    begun, release = threading.Event(), threading.Event()
    seen = []

    def slow(state, message):
        begun.set()
        assert release.wait(10)
        seen.append((len(state.messages), len(state.agents), message.content))
        return "ann"

    chat = vl.GroupChat(["ann"], slow, model=vl.Scripted("yes", cycle=True)).start()

    async def go():
        waiting = asyncio.ensure_future(chat.asay("first"))
        await until(begun.is_set)
        try:
            await to_worker(chat.add_agent, "bob")
        finally:
            release.set()
        await waiting

    run(go())
    assert seen == [(1, 1, "first")]
    assert set(chat.state.agents) == {"ann", "bob"}


def test_a_policy_function_that_fails_says_so_in_the_cell():
    def ends(state):
        return next(iter(()))

    chat = vl.GroupChat(["ann"], ends, model=vl.Scripted("yes")).start()
    with pytest.raises((VCPError, RuntimeError)):
        chat.say("go")
