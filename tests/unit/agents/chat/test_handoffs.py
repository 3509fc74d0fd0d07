"""Hand-offs: an agent's words call another, within limits."""

from __future__ import annotations

import itertools

import pytest

import vcplab as vl
from tests.support.chatting import logged


def room(said, *names, mode="mention", **options):
    options.setdefault("stop", vl.stop.rounds(9))
    agents = [vl.Agent(n) if isinstance(n, str) else n for n in names or tuple(said)]
    model = vl.Scripted({**said, "*": ["well"] * 99})
    return vl.GroupChat(agents, mode, model=model, **options).start()


def who(messages):
    return [message.agent_id for message in messages]


def refusals(chat):
    return [
        (r["agent"], r["why"]) for data in logged(chat, "handoff") for r in data.get("refused", ())
    ]


def test_whom_an_agent_mentions_speaks_next():
    chat = room({"ann": ["Ask @cat."], "bob": ["hm"], "cat": ["Here I am."]})
    assert who(chat.say("@ann, @bob: who knows?")) == ["ann", "cat", "bob"]
    (handoff,) = logged(chat, "handoff")
    assert handoff["agent"] == "ann"
    assert [s["agent"] for s in handoff["speakers"]] == ["cat"]
    assert chat.messages[2].reason == "ann mentioned cat."
    assert chat.replay()


def test_several_are_called_in_the_order_of_their_names_in_the_text():
    chat = room({"ann": ["@dan and @bob, please."], "bob": ["b"], "cat": [], "dan": ["d"]})
    assert who(chat.say("@ann?")) == ["ann", "dan", "bob"]


def test_who_waits_already_keeps_his_place():
    chat = room({"ann": ["@cat what do you say?"], "bob": ["b"], "cat": ["c"]}, mode="sequential")
    assert who(chat.say("Go")) == ["ann", "bob", "cat"]
    assert not logged(chat, "handoff")


@pytest.mark.parametrize(("depth", "spoke"), [(0, 1), (1, 2), (2, 3), (3, 4)])
def test_a_chain_ends_at_its_depth(depth, spoke):
    names = ("a1", "a2", "a3", "a4", "a5")
    said = {name: [f"@{following} ?"] for name, following in itertools.pairwise(names)}
    chat = room(said, *names, handoff_depth=depth)
    assert who(chat.say("@a1 begin")) == list(names[:spoke])
    if depth:
        assert refusals(chat) == [(names[spoke], f"the chain is longer than {depth}")]
    else:
        assert not logged(chat, "handoff")
    assert chat.replay()


def test_nobody_is_called_twice_in_one_chain():
    chat = room({"ann": ["@bob ?"], "bob": ["@ann ?"]}, "ann", "bob")
    assert who(chat.say("@ann begin")) == ["ann", "bob"]
    assert refusals(chat) == [("ann", "called before in this chain")]
    assert chat.replay()


def test_a_round_has_so_many_hand_offs_and_no_more():
    said = {"ann": ["@b1 @b2 @b3 @b4 go"]}
    chat = room(said, "ann", "b1", "b2", "b3", "b4", handoff_budget=2)
    assert who(chat.say("@ann begin")) == ["ann", "b1", "b2"]
    assert refusals(chat) == [
        ("b3", "2 hand-offs were made in this round"),
        ("b4", "2 hand-offs were made in this round"),
    ]
    assert chat.replay()


def test_the_budget_counts_anew_in_every_round():
    said = {"ann": ["@bob 1", "@bob 2", "@bob 3"], "bob": ["x", "y", "z"]}
    chat = room(said, "ann", "bob", handoff_budget=1)
    for _ in range(3):
        assert who(chat.say("@ann")) == ["ann", "bob"]
    assert not refusals(chat)


def test_who_only_listens_cannot_be_called():
    chat = room(
        {"ann": ["@eye and @off?"]},
        "ann",
        vl.Agent("eye", role="observer"),
        vl.Agent("off", is_active=False),
    )
    assert who(chat.say("@ann")) == ["ann"]
    assert refusals(chat) == [("eye", "only listens"), ("off", "only listens")]


def test_mentioning_oneself_an_address_or_code_calls_nobody():
    said = {"ann": ["I, @ann, wrote to x@bob.com: `@bob`"], "bob": []}
    chat = room(said, "ann", "bob")
    assert who(chat.say("@ann")) == ["ann"]
    assert not logged(chat, "handoff")


def test_no_free_discussion_no_hand_offs():
    chat = room({"ann": ["@bob ?"]}, "ann", "bob", allowFreeDiscussion=False)
    assert who(chat.say("@ann")) == ["ann"]


def test_hand_offs_do_not_count_as_speakers_of_the_round():
    chat = room({"ann": ["@bob ?"], "bob": ["yes"]}, "ann", "bob", max_speakers=1)
    assert who(chat.say("@ann")) == ["ann", "bob"]


def test_those_who_speak_at_once_call_others_after_them():
    said = {"ann": ["@cat !"], "bob": ["@dan !"], "cat": ["c"], "dan": ["d"]}
    chat = room(said, concurrent=True)
    assert who(chat.say("@ann @bob")) == ["ann", "bob", "dan", "cat"] or who(chat.messages[1:]) == [
        "ann",
        "bob",
        "cat",
        "dan",
    ]
    assert len(logged(chat, "handoff")) == 2
    assert chat.replay()


def test_a_word_that_was_cut_off_calls_nobody():
    import asyncio

    from tests.support.chatting import Gate, until
    from vcplab.core.loop import run

    gate = Gate("@bob please ")
    chat = room({}, vl.Agent("ann", model=gate), "bob")

    async def go():
        saying = asyncio.ensure_future(chat.asay("@ann"))
        await until(lambda: gate.waiting)
        chat.interrupt("ann")
        return await saying

    assert who(run(go())) == ["ann"]
    assert not logged(chat, "handoff")


def test_the_floor_hands_on_too():
    chat = room({"ann": ["@bob ?"], "bob": ["yes"]}, "ann", "bob")
    chat.request_speak("ann")
    assert [d.agent_id for d in chat.state.queue] == ["bob"]
    assert chat.step().agent_id == "bob"
    assert chat.replay()


def test_a_hand_off_that_is_owed_does_not_swallow_the_next_question():
    chat = room({"ann": ["@bob ?"], "bob": ["yes"], "cat": ["I"]}, "ann", "bob", "cat")
    chat.request_speak("ann")
    assert who(chat.say("@cat instead")) == ["cat"]
    assert not chat.state.queue
    assert chat.replay()
