"""Who is told what: nothing that an agent may not see stands in a prompt that its model gets."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vcplab as vl
from tests.support.chatting import logged, prompt, texts
from vcplab.core.errors import NotFoundError
from vcplab.protocol.completions import ChatPiece

AGENTS = ("ann", "bob", "cat", "dan")
MARK = re.compile(r"«(\d+)»")
REQUEST = "<<<[TOOL_REQUEST]>>>\ntool_name:「始」Look「末」\n<<<[END_TOOL_REQUEST]>>>"


def room(*names, mode="sequential", model=None, **options):
    agents = [vl.Agent(name) if isinstance(name, str) else name for name in names]
    options.setdefault("stop", vl.stop.rounds(9))
    return vl.GroupChat(agents, mode, model=model or vl.Scripted(numbered()), **options)


def numbered():
    """Replies that can be told apart: ann-1, bob-2, …"""
    count = iter(range(1, 1000))
    return lambda request: f"{request.agent}-{next(count)}"


# --- one case each -------------------------------------------------------------------------------


def test_what_is_said_privately_and_the_answer_stay_between_the_two():
    model = vl.Scripted(numbered())
    chat = room("ann", "bob", model=model).start()
    (reply,) = chat.say("a secret for ann", to="ann")
    assert (reply.agent_id, reply.visible_to) == ("ann", {"ann"})
    chat.say("and now everybody")
    asked = {request.agent: prompt(request) for request in model.requests[1:]}
    assert "a secret" in asked["ann"]
    assert "ann-1" in asked["ann"]
    assert "a secret" not in asked["bob"]
    assert "ann-1" not in asked["bob"]
    assert chat.messages[0].visible_to == {"ann"}
    assert chat.replay()


def test_a_private_question_to_several_is_known_to_all_of_them():
    model = vl.Scripted(numbered())
    chat = room("ann", "bob", "cat", model=model).start()
    assert [m.agent_id for m in chat.say("you two", to=["bob", "ann"])] == ["ann", "bob"]
    assert "ann-1" in prompt(model.requests[1])
    chat.request_speak("cat")
    assert not [said for said in ("you two", "ann-1", "bob-2") if said in prompt(model.requests[2])]


def test_nobody_of_this_name_can_be_told_anything():
    chat = room("ann").start()
    with pytest.raises(NotFoundError, match="no agent 'eve'"):
        chat.say("psst", to="eve")
    assert len(chat) == 0


def test_an_observer_can_be_spoken_to_privately():
    chat = room("ann", vl.Agent("eye", role="observer")).start()
    assert [m.agent_id for m in chat.say("what do you see?", to="eye")] == ["eye"]


def test_after_a_private_round_the_floor_is_public_again():
    chat = room("ann", "bob").start()
    chat.say("secret", to="ann")
    assert chat.request_speak("bob").visible_to is None
    assert chat.step().visible_to is None


def test_the_floor_in_the_middle_of_a_private_round():
    chat = room("ann", "bob", "cat").start()
    chat.pause()
    chat.say("secret", to=["ann", "bob"])
    assert [d.agent_id for d in chat.state.queue] == ["bob"]
    assert chat.request_speak("cat").visible_to is None, "she knows nothing of it"
    assert chat.step().visible_to == {"ann", "bob"}
    assert chat.step().visible_to is None
    assert chat.replay()


@pytest.mark.parametrize("again", ["ann", "bob"])
def test_what_was_private_is_private_when_it_is_said_again(again):
    chat = room("ann", "bob").start()
    (reply,) = chat.say("secret", to="ann")
    new = chat.redo(reply, agent=again)
    assert new.visible_to == {"ann"}
    assert new.agent_id == again
    assert chat.step().visible_to is None
    assert chat.replay()


def test_whom_a_private_message_calls_when_it_is_said_again_is_bound_too():
    said = {"ann": ["fine", "@bob what do you say?"], "bob": ["yes", "well"], "cat": ["ok"]}
    model = vl.Scripted(said)
    chat = room("ann", "bob", "cat", model=model).start()
    first, _ = chat.say("secret", to=["ann", "bob"])
    assert chat.redo(first).visible_to == {"ann", "bob"}
    assert [d.agent_id for d in chat.state.queue] == ["bob"]
    assert chat.step().visible_to == {"ann", "bob"}
    chat.request_speak("cat")
    assert not [s for s in ("secret", "what do you say", "well") if s in prompt(model.requests[-1])]
    assert chat.replay()


def test_a_public_message_said_again_in_a_private_round_is_public():
    chat = room("ann", "bob").start()
    first = chat.step()
    chat.pause()
    chat.say("secret", to=["ann", "bob"])
    assert chat.redo(first).visible_to is None
    assert chat.step().visible_to == {"ann", "bob"}
    assert chat.replay()


def test_a_private_conversation_cannot_be_handed_to_others():
    model = vl.Scripted({"ann": ["@bob do you know?"], "bob": ["no"]})
    chat = room("ann", "bob", model=model).start()
    assert [m.agent_id for m in chat.say("secret", to="ann")] == ["ann"]
    (handoff,) = logged(chat, "handoff")
    assert handoff["refused"] == [{"agent": "bob", "why": "the conversation is private"}]


def test_a_private_message_does_not_decide_who_speaks_next():
    model = vl.Scripted({"ann": ["Ask @bob, @bob, @bob."], "bob": ["what?"]})
    chat = room("ann", "bob", mode="mention", model=model).start()
    chat.say("secret", to="ann")
    assert chat.run().kind == "silence"
    assert len(chat) == 2


def test_a_private_question_is_not_what_everybody_is_asked_about():
    said = vl.Scripted(
        lambda r: {"stance": "approve", "confidence": 1, "reason": "r"} if r.schema else "hm"
    )
    chat = room("ann", "bob", mode="consensus", model=said, stop=vl.stop.rounds(6)).start()
    chat.step()
    chat.step()
    chat.say("my very secret", to="ann")
    chat.run()
    asked = [r for r in said.requests if r.purpose == "position"]
    assert asked
    assert not [r for r in said.requests if r.agent == "bob" and "my very secret" in prompt(r)]
    assert all("The question: my very secret" not in prompt(r) for r in asked)


def test_the_chooser_of_speakers_is_told_nothing_private():
    chooser = vl.Scripted(
        lambda r: {"agent": "bob", "reason": "why not"} if r.purpose == "select" else "hm"
    )
    chat = room("ann", "bob", "cat", mode="selected", model=chooser).start()
    chat.say("secret", to="ann")
    chat.step()
    asked = [prompt(r) for r in chooser.requests if r.purpose == "select"]
    assert asked
    assert "secret" not in asked[0]


@pytest.mark.parametrize(
    ("sharing", "sees"),
    [
        ("full", {"user", "public", "note", "result"}),
        ("partial", {"user", "public"}),
        ("isolated", {"user"}),
    ],
)
def test_how_much_agents_see_of_each_other(sharing, sees):
    model = vl.Scripted({"ann": [f"note\n{REQUEST}", "public"], "bob": ["ok"]})
    chat = room("ann", "bob", model=model, sharing=sharing, tools=Look("result")).start()
    chat.say("user")
    shown = prompt(model.requests[-1])
    assert {word for word in ("user", "public", "note", "result") if word in shown} == sees
    own = prompt(model.requests[1])
    assert all(word in own for word in ("user", "note", "result"))


def test_who_was_removed_and_comes_back_knows_what_it_knew_and_no_more():
    model = vl.Scripted(numbered())
    chat = room("ann", "bob", model=model).start()
    chat.say("secret", to="ann")
    chat.remove_agent("ann")
    chat.say("without ann")
    chat.add_agent("ann")
    chat.add_agent("cat")
    chat.request_speak("cat")
    assert "secret" not in prompt(model.requests[-1])
    chat.request_speak("ann")
    assert "secret" in prompt(model.requests[-1])


def test_a_fork_keeps_secrets():
    model = vl.Scripted(numbered())
    chat = room("ann", "bob", model=model).start()
    chat.say("secret", to="ann")
    fork = chat.fork()
    fork.request_speak("bob")
    assert "secret" not in prompt(model.requests[-1])
    assert fork.messages[-1].visible_to is None
    loaded = vl.GroupChat.load(fork.id, store=fork.store, model=model)
    loaded.request_speak("ann")
    assert "secret" in prompt(model.requests[-1])


# --- any course of events ------------------------------------------------------------------------


class Look:
    """A tool box with one tool, whose results the test makes."""

    def __init__(self, result: Any) -> None:
        self.result = result if callable(result) else lambda answer: result

    def definitions(self):
        return []

    def descriptions(self):
        return {"Look": "Look: looks."}

    async def aexecute(self, name, args=None):
        raise AssertionError("no native calls here")

    async def ahandle(self, answer, *, messages=()):
        return SimpleNamespace(finished=False, text=self.result(str(answer)))


@dataclass
class Fact:
    """What the test knows of a marked text: it does not ask the chat."""

    author: str
    audience: frozenset[str] | None  # None: everybody
    kind: str  # "user", "said", "note", "inner"


@dataclass
class Watch:
    """Marks everything that is said, and looks for marks in every prompt."""

    sharing: str
    rng: random.Random
    facts: list[Fact] = field(default_factory=list)
    audience: frozenset[str] | None = None  # of what is said now
    gone: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)  # what was said after what is said again
    leaks: list[str] = field(default_factory=list)
    prompts: int = 0

    def mark(self, author: str, kind: str, audience: Any = "now") -> str:
        audience = self.audience if audience == "now" else audience
        self.facts.append(Fact(author, audience, kind))
        return f"«{len(self.facts) - 1}»"

    def may_see(self, viewer: str | None, number: int) -> bool:
        fact = self.facts[number]
        if number in self.gone:
            return False
        if self.unknown and number in self.unknown and fact.author != viewer:
            return False
        if fact.kind == "inner":
            return fact.author == viewer
        if viewer is not None and fact.author == viewer:
            return True
        if fact.audience is not None:
            return viewer in fact.audience
        if viewer is None:
            return fact.kind != "note"
        return {
            "full": True,
            "partial": fact.kind != "note",
            "isolated": fact.kind == "user",
        }[self.sharing]

    def reply(self, request: Any) -> Any:
        self.prompts += 1
        for number in map(int, MARK.findall(prompt(request))):
            if not self.may_see(request.agent, number):
                self.leaks.append(f"{request.agent} ({request.purpose}) saw {self.facts[number]}")
        if request.purpose == "position":
            stance = self.rng.choice(["approve", "reject"])
            reason = self.mark(request.agent, "inner")
            return {"stance": stance, "confidence": 0.5, "reason": reason}
        if request.purpose == "select":
            ids = request.schema["properties"]["agent"]["enum"]
            return {"agent": self.rng.choice(ids), "reason": self.mark("?", "inner")}
        how = self.rng.choice(["say", "call", "call", "tool", "fail", "think"])
        if how == "fail":
            return [ChatPiece(self.mark(request.agent, "inner")), ValueError("broken")]
        if how == "tool":
            return f"{self.mark(request.agent, 'note')}\n{REQUEST}"
        if how == "think":
            thought = self.mark(request.agent, "inner", frozenset())
            return f"<think>{thought}</think>{self.mark(request.agent, 'said')}"
        called = f" @{self.rng.choice(AGENTS)}" if how == "call" else ""
        return self.mark(request.agent, "said") + called

    def looked(self, answer: str) -> str:
        asked = MARK.search(answer)
        assert asked is not None
        fact = self.facts[int(asked[1])]
        return self.mark(fact.author, "note", fact.audience)


class Course:
    """A chat on a random course, and what the test expects of each step."""

    def __init__(self, rng: random.Random, sharing: str, mode: str, **options: Any) -> None:
        self.rng = rng
        self.watch = Watch(sharing, rng)
        self.chat = vl.GroupChat(
            [vl.Agent(name, keywords=[name]) for name in AGENTS],
            mode,
            model=vl.Scripted(self.watch.reply, pieces="whole"),
            tools=Look(self.watch.looked),
            sharing=sharing,
            stop=vl.stop.rounds(10_000),
            **options,
        ).start("topic")
        self.round: frozenset[str] | None = None  # to whom the present round is private
        self.owed: dict[str, frozenset[str] | None] = {}  # turns that are otherwise
        self.audiences: dict[str, frozenset[str] | None] = {}  # of messages, by id

    def some(self, values: Any) -> Any:
        return self.rng.choice(list(values))

    def go(self) -> None:
        here = list(self.chat.state.agents)
        act = self.some(ACTS)
        if act in ("say", "whisper"):
            self.owed = {}
            some = self.rng.sample(here, self.rng.randint(1, len(here)))
            to = frozenset(some) if act == "whisper" else None
            self.round = self.watch.audience = to
            text = self.watch.mark("user", "user")
            if self.rng.random() < 0.5:
                text += f" @{self.some(AGENTS)}"
            self.chat.say(text, to=sorted(to) if to else None)
        elif act == "step":
            self.step()
        elif act == "floor":
            who = self.some(here)
            queue = self.chat.state.queue
            default = self.round if queue and (not self.round or who in self.round) else None
            waits = bool(queue) and queue[0].agent_id == who
            self.watch.audience = self.owed.pop(who, self.round) if waits else default
            before = {d.agent_id for d in queue}
            self.owed.pop(who, None)
            self.chat.request_speak(who)
            self.note_calls(before)
        elif act == "redo":
            self.redo()
        elif act == "leave" and len(here) > 1:
            who = self.some(here)
            self.chat.remove_agent(who)
            self.owed.pop(who, None)
        elif act == "join":
            self.chat.add_agent(vl.Agent(self.some(AGENTS)))
        elif act == "mode":
            self.chat.set_mode(self.some(MODES))
        elif act == "pause":
            self.chat.pause() if self.rng.random() < 0.6 else self.chat.resume()
        elif act == "fork":
            self.chat = self.chat.fork()
        elif act == "load":
            chat = self.chat
            self.chat = vl.GroupChat.load(
                chat.id, store=chat.store, model=chat._session.model, tools=chat.toolbox
            )
        if not self.chat.state.queue:
            self.round, self.owed = None, {}
        self.remember()

    def step(self) -> None:
        queue = self.chat.state.queue
        if queue:
            who = queue[0].agent_id
            self.watch.audience = self.owed.pop(who, self.round)
        else:
            self.round = self.watch.audience = None
        before = {d.agent_id for d in queue}
        self.chat.step()
        self.note_calls(before)

    def note_calls(self, before: set[str]) -> None:
        """Whom the last turn called is bound as that turn was."""
        for decision in self.chat.state.queue:
            if decision.agent_id not in before and self.watch.audience != self.round:
                self.owed[decision.agent_id] = self.watch.audience

    def redo(self) -> None:
        said = [m for m in self.chat.messages if m.turn and m.is_public]
        if not said:
            return
        message = self.some(said)
        (number, *_) = map(int, MARK.findall(message.content))
        self.watch.gone.add(number)
        later = self.chat.messages[self.chat.messages.index(message) :]
        self.watch.unknown = {int(n) for m in later for n in MARK.findall(m.content)}
        self.watch.audience = self.audiences[message.id]
        queue = self.chat.state.queue
        before = {d.agent_id for d in queue}
        if not queue:
            self.round = None
        who = self.some(self.chat.state.agents)
        self.owed.pop(who, None)
        self.chat.redo(message, agent=who)
        self.watch.unknown = set()
        self.note_calls(before)

    def remember(self) -> None:
        for message in self.chat.messages:
            marks = MARK.findall(message.content)
            if marks and message.id not in self.audiences:
                self.audiences[message.id] = self.watch.facts[int(marks[0])].audience


ACTS = (
    *("say", "whisper", "whisper", "step", "step", "floor", "redo", "redo"),
    *("leave", "join", "mode", "pause", "fork", "load"),
)
MODES = ("sequential", "mention", "random", "keyword", "natural", "selected", "consensus")


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    sharing=st.sampled_from(["full", "partial", "isolated"]),
    mode=st.sampled_from(MODES),
    concurrent=st.booleans(),
    window=st.sampled_from([None, 2]),
    heads=st.booleans(),
)
def test_no_prompt_holds_what_its_agent_may_not_see(seed, sharing, mode, concurrent, window, heads):
    # The course is drawn by a generator of its own: drawn by hypothesis, most would be short.
    course = Course(
        random.Random(seed), sharing, mode,
        concurrent=concurrent, window_messages=window, heads=heads, window_tokens=None,
    )  # fmt: skip
    for _ in range(30):
        course.go()
        assert not course.watch.leaks
    for message in course.chat.messages:
        marks = MARK.findall(message.content)
        if marks and message.is_public:
            told = course.watch.facts[int(marks[0])]
            wanted = None if told.audience is None else told.audience | {told.author}
            shown = message.visible_to
            assert (None if shown is None else shown | {told.author}) == wanted
    json.dumps(course.chat.to_json())


def test_the_oracle_itself_finds_a_leak():
    watch = Watch("partial", random.Random(0))
    secret = watch.mark("user", "user", frozenset({"ann"}))
    request = SimpleNamespace(
        agent="bob", purpose="speak", messages=[SimpleNamespace(content=secret)]
    )
    watch.reply(request)
    assert len(watch.leaks) == 1
    request.agent = "ann"
    watch.reply(request)
    assert len(watch.leaks) == 1
    assert not texts(room("ann"))
