"""Turns: who is let speak when, what is kept of a reply, and what people do meanwhile."""

from __future__ import annotations

import asyncio

import pytest

import vcplab as vl
from tests.support.chatting import Gate, Heard, logged, prompt, texts, until, wait_until
from vcplab.agents.chat.decision import Decision
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.core.loop import run
from vcplab.protocol.completions import ChatPiece, ChatReply
from vcplab.protocol.messages import Usage


def room(*names, mode="sequential", model=None, **options):
    agents = [vl.Agent(name) if isinstance(name, str) else name for name in names]
    options.setdefault("stop", vl.stop.rounds(3))
    return vl.GroupChat(agents, mode, model=model or vl.Scripted(echo), **options)


def echo(request):
    """What nobody else says: who speaks, and how many messages it was shown."""
    return f"{request.agent} saw {len(request.messages)}"


# --- one turn, live and in the log ---------------------------------------------------------------


def test_the_events_of_a_round_and_their_order():
    model = vl.Scripted({"ann": ["Good morning."], "bob": ["Hi."]})
    chat = room("ann", "bob", model=model).start("Greetings")
    heard = Heard(chat)
    replies = chat.say("Hello!")
    assert [m.content for m in replies] == ["Good morning.", "Hi."]
    assert heard.types() == [
        "user:speak", "round:start",
        "agent:thinking", "agent:stream", "agent:stream", "agent:speak",
        "agent:thinking", "agent:stream", "agent:speak",
        "round:end",
    ]  # fmt: skip
    assert [d["status"] for d in heard.of("status")] == ["deciding", "speaking", "idle"]
    assert heard.streamed(1) == "Good morning."
    assert heard.streamed(2) == "Hi."
    first, second = heard.of("agent:thinking")
    assert (first["agent"], first["turn"], first["round"]) == ("ann", 1, 1)
    assert (second["agent"], second["turn"]) == ("bob", 2)
    assert first["reason"]
    spoken = [e for e in heard.events if e.type == "agent:speak"]
    assert [e.message for e in spoken] == replies
    live = [e for e in heard.events if e.seq is None]
    assert {e.type for e in live} == {"agent:thinking", "agent:stream", "status"}
    assert [e.line for e in heard.events if e.seq is not None] == [
        e.line for e in chat.events[3:]
    ], "what is heard is what is in the log"


def test_one_type_of_event_or_a_family_of_them():
    chat = room("ann").start()
    one, family = [], []
    chat.subscribe(one.append, "agent:speak")
    subscription = chat.subscribe(family.append, "agent:*")
    chat.say("Hello")
    assert [e.type for e in one] == ["agent:speak"]
    assert {e.type for e in family} == {"agent:thinking", "agent:stream", "agent:speak"}
    subscription.close() if hasattr(subscription, "close") else subscription()
    count = len(family)
    chat.say("Again")
    assert (len(one), len(family)) == (2, count)


@pytest.mark.parametrize("pieces", ["words", "characters", "whole"])
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("[ann的发言]: Good.", "Good."),
        ("ann: Good.", "Good."),
        ("[ann]: Good.", "Good."),
        ("Good.\n[bob的发言]: I agree with ann.", "Good."),
        ("I say ann: is a name.", "I say ann: is a name."),
    ],
)
def test_echoed_heads_are_neither_streamed_nor_logged(said, kept, pieces):
    chat = room("ann", "bob", model=vl.Scripted([said], cycle=True, pieces=pieces)).start()
    heard = Heard(chat)
    chat.step()
    assert chat.messages[0].content == kept
    assert heard.streamed(1).strip() == kept
    assert chat.replay()


@pytest.mark.parametrize("pieces", ["words", "characters", "whole"])
def test_thoughts_are_kept_as_reasoning_and_shown_to_nobody_else(pieces):
    said = {"ann": ["<think>secret plan</think>Let us begin."], "bob": ["Yes."], "*": ["ok"] * 9}
    model = vl.Scripted(said, pieces=pieces)
    chat = room("ann", "bob", model=model).start()
    chat.run(rounds=1)
    message = chat.messages[0]
    assert (message.content, message.reasoning.strip()) == ("Let us begin.", "secret plan")
    assert "secret plan" not in prompt(model.requests[1])
    assert "Let us begin." in prompt(model.requests[1])
    assert chat.replay()


def test_reasoning_told_apart_by_the_server_is_live_and_kept():
    reply = [
        ChatPiece(reasoning="Hm, "),
        ChatPiece(reasoning="well."),
        ChatPiece("Yes.", finish_reason="stop", usage=Usage(3, 2)),
    ]
    model = vl.Scripted([reply, "I see."])
    chat = room("ann", "bob", model=model).start()
    heard = Heard(chat)
    chat.run(rounds=1)
    assert chat.messages[0].reasoning == "Hm, well."
    told = [d["reasoning"] for d in heard.of("agent:stream") if "reasoning" in d]
    assert told == ["Hm, ", "well."]
    assert "well." not in prompt(model.requests[1])


@pytest.mark.parametrize("said", ["", "   \n", "<think>only this</think>", "[ann的发言]: "])
def test_an_empty_reply_is_silence_with_its_tokens_counted(said):
    reply = [ChatPiece(said, finish_reason="stop", usage=Usage(11, 4))]
    chat = room("ann", "bob", model=vl.Scripted({"ann": [reply], "bob": ["Well?"]})).start()
    chat.run(rounds=1)
    (silent,) = logged(chat, "agent:silent")
    assert (silent["agent"], silent["why"], silent["usage"]) == ("ann", "empty", [11, 4])
    assert texts(chat) == ["bob: Well?"]
    total = chat.ledger.total
    assert (total.calls, total.failed) == (2, 0)
    assert chat.replay()


def test_a_reply_that_was_cut_off_says_so():
    whole = [ChatPiece("All of it.", finish_reason="length", usage=Usage(1, 1))]
    cut = [ChatPiece("Half of")]
    chat = room("ann", model=vl.Scripted([whole, cut])).start()
    assert chat.step().finish_reason == "length"
    assert chat.step().finish_reason is None
    assert chat.replay()


def test_a_message_carries_the_usage_of_its_call():
    reply = ChatReply("Fine.", usage=Usage(100, 20, cached_tokens=60))
    chat = room("ann", model=vl.Scripted([reply])).start()
    message = chat.step()
    assert message.usage == Usage(100, 20, cached_tokens=60)
    assert chat.ledger.usage == Usage(100, 20, cached_tokens=60)


# --- steps, pauses, modes ------------------------------------------------------------------------


def test_steps_take_one_turn_each_and_begin_rounds_by_themselves():
    chat = room("ann", "bob", stop=vl.stop.rounds(2)).start()
    said = [chat.step().agent_id for _ in range(4)]
    assert said == ["ann", "bob", "ann", "bob"]
    assert [d["round"] for d in logged(chat, "round:start")] == [1, 2]
    assert chat.status == "ended"


def test_a_pause_ends_a_run_after_the_present_turn():
    gate = Gate("a ")
    chat = room(vl.Agent("ann", model=gate), "bob", "cat", stop=vl.stop.rounds(1)).start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: gate.waiting)
        chat.pause()
        gate.opened = True
        return await running

    assert run(go()).kind == "paused"
    assert (len(chat), chat.status) == (1, "paused")
    assert chat.step().agent_id == "bob", "one can step through a pause"
    assert chat.status == "paused"
    chat.resume()
    wait_until(lambda: chat.status == "idle")
    assert chat.run().kind == "rounds"
    assert [m.agent_id for m in chat.messages] == ["ann", "bob", "cat"]


def test_running_again_ends_a_pause():
    chat = room("ann", "bob", stop=vl.stop.rounds(1)).start()
    chat.pause()
    assert chat.run().kind == "rounds"


def test_a_pause_holds_back_no_answer_to_a_person():
    chat = room("ann", "bob").start()
    chat.pause()
    assert [m.agent_id for m in chat.say("Are you there?")] == ["ann"]
    assert chat.status == "paused"
    assert [d.agent_id for d in chat.state.queue] == ["bob"]


def test_another_mode_from_the_next_round_on():
    chat = room("ann", "bob", "cat").start()
    assert chat.step().agent_id == "ann"
    chat.set_mode("mention")
    assert chat.mode == "mention"
    assert [chat.step().agent_id, chat.step().agent_id] == ["bob", "cat"]
    assert [m.agent_id for m in chat.say("@bob?")] == ["bob"]
    assert chat.say("Nobody in particular.") == []
    assert logged(chat, "mode:changed") == [{"mode": {"mode": "mention"}}]
    assert chat.state.mode == "mention"
    with pytest.raises(InvalidInputError):
        chat.set_mode("loud")
    assert chat.mode == "mention"
    assert chat.replay()


def test_no_more_than_the_most_speakers_and_nobody_twice():
    def all_twice(state, message, rng):
        agents = list(state.agents)
        return [Decision(a, 10 * n, "f") for n, a in enumerate([*agents, *agents], 1)]

    chat = room("a", "b", "c", "d", mode=all_twice, max_speakers=3).start()
    assert [m.agent_id for m in chat.say("Go")] == ["d", "c", "b"]
    (start,) = logged(chat, "round:start")
    assert [s["priority"] for s in start["speakers"]] == [40, 30, 20]


def test_decisions_against_speaking_are_left_out():
    def mixed(state, message, rng):
        return [
            Decision("ann", 90, "no", should_speak=False),
            Decision("bob", 70, "yes"),
        ]

    chat = room("ann", "bob", mode=mixed).start()
    assert [m.agent_id for m in chat.say("Go")] == ["bob"]


@pytest.mark.parametrize(
    ("mentions", "first"), [("override", ["cat"]), ("ignore", ["ann", "bob", "cat"])]
)
def test_whom_a_person_mentions_speaks_unless_that_is_ignored(mentions, first):
    chat = room("ann", "bob", "cat", mentions=mentions).start()
    assert [m.agent_id for m in chat.say("@cat what about you?")] == first
    (start,) = logged(chat, "round:start")
    if mentions == "override":
        assert start["speakers"][0]["reason"] == "The user mentioned cat."


def test_everybody_can_be_mentioned():
    chat = room("ann", "bob", "cat", mode="mention").start()
    assert {m.agent_id for m in chat.say("@所有人 开会了")} == {"ann", "bob", "cat"}


def test_speakers_at_once_do_not_see_each_other_and_are_logged_in_order():
    slow, quick = Gate("slow "), vl.Scripted(["quick"] * 9)
    chat = room(vl.Agent("ann", model=slow), vl.Agent("bob", model=quick), concurrent=True).start()
    heard = Heard(chat)

    async def go():
        saying = asyncio.ensure_future(chat.asay("Go"))
        await until(lambda: heard.streamed(2) == "quick" and slow.waiting)
        assert not logged(chat, "agent:speak"), "the first one is logged first"
        slow.opened = True
        return await saying

    assert [m.content for m in run(go())] == ["slow done", "quick"]
    assert texts(chat) == ["user: Go", "ann: slow done", "bob: quick"]
    assert "slow" not in prompt(quick.requests[0])
    chat.run(rounds=1)
    assert "slow done" in prompt(quick.requests[1])
    assert chat.replay()


def test_a_cooldown_keeps_one_agent_from_speaking_too_soon():
    import time

    chat = room("ann", "bob", cooldown=0.15).start()
    begun = time.monotonic()
    chat.run(rounds=1)
    assert time.monotonic() - begun < 0.15, "nobody has spoken before"
    chat.run(rounds=1)
    assert time.monotonic() - begun >= 0.15


# --- people who speak, and who drive, at the same time -------------------------------------------


def test_what_is_said_during_a_run_is_taken_up_after_the_present_turn():
    gate = Gate("first ")
    model = vl.Scripted(echo)
    chat = room(vl.Agent("ann", model=gate), "bob", "cat", model=model).start()

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=2))
        await until(lambda: gate.waiting)
        saying = asyncio.ensure_future(chat.asay("@cat and you?"))
        await until(lambda: len(chat) == 1)
        assert logged(chat, "user:speak"), "it is in the log at once"
        gate.opened = True
        replies = await saying
        return replies, await running

    replies, result = run(go())
    assert [m.agent_id for m in replies] == ["cat"]
    assert texts(chat)[:3] == ["user: @cat and you?", "ann: first done", "cat: cat saw 4"]
    assert logged(chat, "round:end")[0] == {"round": 1, "cut": True}
    assert result.kind == "asked"
    assert "@cat" not in prompt(gate.requests[0]), "it spoke without knowing"
    assert logged(chat, "agent:speak")[0]["seen"] < 6
    assert chat.replay()


def test_several_who_speak_at_once_are_all_answered_in_their_order():
    chat = room("ann", "bob", mode="mention", stop=vl.stop.rounds(20)).start()

    async def go():
        return await asyncio.gather(
            *(chat.asay(f"@{who} {n}?") for n, who in enumerate(["ann", "bob", "ann", "bob"]))
        )

    replies = run(go())
    assert [[m.agent_id for m in said] for said in replies] == [["ann"], ["bob"], ["ann"], ["bob"]]
    assert not chat.state.queue
    assert chat.status == "idle"


def test_several_who_drive_queue():
    chat = room("ann", "bob", stop=vl.stop.rounds(5)).start()

    async def go():
        return await asyncio.gather(chat.astep(), chat.astep(), chat.arequest_speak("bob"))

    first, second, third = run(go())
    assert [m.agent_id for m in (first, second, third)] == ["ann", "bob", "bob"]


def test_who_waits_when_the_chat_ends_gets_no_reply_and_no_error():
    gate = Gate("a ")
    chat = room(vl.Agent("ann", model=gate), stop=vl.stop.rounds(1)).start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: gate.waiting)
        saying = asyncio.ensure_future(chat.asay("One more thing"))
        await until(lambda: len(logged(chat, "user:speak")) == 1)
        ending = asyncio.ensure_future(chat.aend())
        return await asyncio.gather(running, saying, ending)

    _, replies, _ = run(go())
    assert replies == []
    assert chat.status == "ended"


def test_speaking_from_several_threads():
    import concurrent.futures

    chat = room("ann", "bob", mode="mention", stop=vl.stop.rounds(99)).start()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda n: chat.say(f"@{'ann' if n % 2 else 'bob'} {n}"), range(12)))
    assert [[m.agent_id for m in r] for r in replies] == [
        ["ann" if n % 2 else "bob"] for n in range(12)
    ]
    assert [e.seq for e in chat.events] == list(range(len(chat.events)))
    assert chat.replay()


def test_agents_that_join_and_leave_from_other_threads_keep_the_log_whole():
    import concurrent.futures

    chat = room("ann", stop=vl.stop.rounds(30)).start()

    def come_and_go(n):
        chat.add_agent(f"guest {n}")
        chat.remove_agent(f"guest {n}")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = pool.submit(chat.run)
        list(pool.map(come_and_go, range(40)))
        running.result()
    assert [e.seq for e in chat.events] == list(range(len(chat.events)))
    assert list(chat.state.agents) == ["ann"]
    again = vl.GroupChat.load(chat.id, store=chat.store, model="http://127.0.0.1:9/v1")
    assert texts(again) == texts(chat)


# --- the floor, redone and given -----------------------------------------------------------------


def test_redo_is_said_again_from_what_was_known_then():
    model = vl.Scripted(
        {"ann": ["ann-1", "ann-2"], "bob": ["bob-1", "bob-2", "bob-3"], "cat": ["cat-1"]}
    )
    chat = room("ann", "bob", "cat", model=model).start()
    chat.say("Go")
    new = chat.redo(chat.messages[1])
    assert new.content == "ann-2"
    assert texts(chat) == ["user: Go", "bob: bob-1", "cat: cat-1", "ann: ann-2"]
    asked = prompt(model.requests[-1])
    assert "Go" in asked
    assert not [said for said in ("ann-1", "bob-1", "cat-1") if said in asked]
    other = chat.redo(agent="bob")
    assert (other.agent_id, other.content) == ("bob", "bob-2")
    assert "ann-2" not in prompt(model.requests[-1])
    assert [d["why"] for d in logged(chat, "message:removed")] == ["redo", "redo"]
    assert chat.replay()


def test_redo_in_the_middle_of_a_round_leaves_the_others_their_turns():
    chat = room("ann", "bob", "cat").start()
    chat.step()
    chat.redo()
    assert chat.state.in_round
    assert [chat.step().agent_id, chat.step().agent_id] == ["bob", "cat"]
    assert [m.agent_id for m in chat.messages] == ["ann", "bob", "cat"]


def test_redo_of_what_nobody_said():
    chat = room("ann").start()
    with pytest.raises(NotFoundError, match="No agent has said anything"):
        chat.redo()
    chat.say("Hello")
    with pytest.raises(NotFoundError, match="No agent said this"):
        chat.redo("m1")
    with pytest.raises(NotFoundError, match="no agent 'dan'"):
        chat.redo(agent="dan")
    assert len(chat) == 2


def test_the_floor_is_given_to_an_observer_too():
    watcher = vl.Agent("watcher", role="observer")
    chat = room("ann", watcher).start()
    assert [m.agent_id for m in chat.say("Go")] == ["ann"]
    message = chat.request_speak("watcher", context="user_request")
    assert message.agent_id == "watcher"
    assert message.reason == "watcher was given the floor."
    (invite,) = logged(chat, "agent:invite")
    assert invite["context"] == "user_request"
    with pytest.raises(NotFoundError):
        chat.request_speak("nobody")
    assert chat.replay()


def test_decisions_only_then_carried_out():
    chat = room("ann", "bob", mode="mention").start()
    decisions = chat.handle_user_input("@bob, @ann: what now?")
    assert [d.agent_id for d in decisions] == ["bob", "ann"]
    assert all(d.should_speak and d.reason for d in decisions)
    assert len(chat) == 1
    for decision in decisions:
        assert chat.request_speak(decision.agent_id).agent_id == decision.agent_id
    assert len(logged(chat, "round:start")) == 1
    assert len(logged(chat, "round:end")) == 1
    assert not logged(chat, "agent:invite"), "they were decided for already"
    assert chat.replay()


# --- agents that go ------------------------------------------------------------------------------


def test_an_agent_removed_in_the_middle_of_a_round_is_passed_over():
    gate = Gate("a ")
    chat = room(vl.Agent("ann", model=gate), "bob", "cat").start()

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=1))
        await until(lambda: gate.waiting)
        chat.remove_agent("bob")
        gate.opened = True
        return await running

    run(go())
    assert [m.agent_id for m in chat.messages] == ["ann", "cat"]
    assert chat.replay()


@pytest.mark.parametrize("concurrent", [False, True])
def test_an_agent_removed_while_it_speaks_is_stopped_and_what_it_said_stays(concurrent):
    gate = Gate("My last ", "words ")
    chat = room(
        vl.Agent("a-1", model=gate, display_name="Ann"), "bob", concurrent=concurrent
    ).start()

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=2))
        await until(lambda: gate.waiting)
        chat.remove_agent("Ann")
        return await asyncio.wait_for(running, 5)

    run(go())
    first = chat.messages[0]
    assert (first.content, first.interrupted) == ("My last words", True)
    assert first.agent_name == "Ann"
    assert [m.agent_id for m in chat.messages] == ["a-1", "bob", "bob"]
    assert chat.replay()


def test_an_agent_removed_while_its_position_is_asked():
    gate = Gate()
    spoken = vl.Scripted(["I think so."] * 20)

    class Split:
        name = "split"

        def stream(self, request):
            return (gate if request.purpose == "position" else spoken).stream(request)

    chat = room("ann", "bob", mode="consensus", model=Split(), stop=vl.stop.rounds(2)).start()

    async def go():
        running = asyncio.ensure_future(chat.arun())
        await until(lambda: gate.waiting == 2)
        chat.remove_agent("bob")
        gate.last = '{"stance": "approve", "confidence": 1, "reason": "r"}'
        gate.opened = True
        return await asyncio.wait_for(running, 5)

    run(go())
    assert "bob" not in chat.state.agents


def test_an_agent_replaced_speaks_with_its_new_prompt():
    model = vl.Scripted(echo)
    chat = room(vl.Agent("ann", "Be kind."), model=model).start()
    chat.step()
    chat.add_agent(vl.Agent("ann", "Be stern."))
    chat.step()
    assert "Be kind." in prompt(model.requests[0])
    assert "Be stern." in prompt(model.requests[1])
    assert len(chat.agents) == 1
    with pytest.raises(InvalidInputError, match="already"):
        chat.add_agent(vl.Agent("anna", id="other", display_name="ann"))
    with pytest.raises(InvalidInputError, match="person"):
        chat.add_agent(vl.Agent("me", id="user"))


@pytest.mark.parametrize(
    "names",
    [
        ("小明", "校对专家"),
        ("Αθηνά", "Мария"),
        ("علي", "שרה"),
        ("さくら", "지민"),
        ("O'Brien", "Zoë-Ana"),
        ("🦊", "🐼 Panda"),
        ("a b c", "A.B."),
        ("नेहा", "สมชาย"),
    ],
)
def test_agents_of_any_script_are_called_and_speak(names):
    first, second = names
    chat = room(first, second, mode="mention").start("T")
    (reply,) = chat.say(f'@"{second}" hello')
    assert reply.agent_id == second
    assert reply.content == f"{second} saw 3"
    (reply,) = chat.say("private", to=first)
    assert reply.agent_id == first
    again = vl.GroupChat.load(chat.id, store=chat.store, model=vl.Scripted(echo))
    assert again.to_jsonl() == chat.to_jsonl()
    assert chat.replay()


def test_a_sleeping_agent_waits_until_it_is_active():
    chat = room(vl.Agent("ann", is_active=False), "bob").start()
    assert [m.agent_id for m in chat.say("Go")] == ["bob"]
    chat.add_agent(vl.Agent("ann"))
    assert {m.agent_id for m in chat.say("Go")} == {"ann", "bob"}
