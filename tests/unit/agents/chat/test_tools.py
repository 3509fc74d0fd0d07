"""Tools in replies: they go through the tool box, back to the model, and never further."""

from __future__ import annotations

import asyncio
import json

import pytest

import vcplab as vl
from tests.support.chatting import logged, prompt, texts, until
from vcplab.core.errors import InvalidInputError
from vcplab.core.loop import run
from vcplab.plugins.handling import Handled
from vcplab.protocol.completions import ChatReply
from vcplab.protocol.messages import ToolCall
from vcplab.protocol.requests import VCPProtocolParser
from vcplab.protocol.results import ToolResult


def asks(name="Look", before="", **arguments):
    """A reply that asks for a tool as VCP does."""
    lines = [f"tool_name:「始」{name}「末」"]
    lines += [f"{key}:「始」{value}「末」" for key, value in arguments.items()]
    return before + "<<<[TOOL_REQUEST]>>>\n" + ",\n".join(lines) + "\n<<<[END_TOOL_REQUEST]>>>"


def calls(*named, text=""):
    """A reply that calls functions by the API's own means: name and arguments as they came."""
    given = tuple(ToolCall(f"c{n}", name, arguments) for n, (name, arguments) in enumerate(named))
    return ChatReply(text, tool_calls=given)


class Box:
    """A tool box that keeps what was run."""

    def __init__(self, *names, result="it is blue", finished=False):
        self.names = names or ("Look",)
        self.result = result
        self.finished = finished
        self.run: list[tuple[str, dict]] = []

    def definitions(self):
        schema = {"type": "object", "properties": {"at": {"type": "string"}}}
        return [
            {"name": n, "description": f"{n} looks.", "inputSchema": schema} for n in self.names
        ]

    def descriptions(self):
        return {name: f"{name}: looks at things." for name in self.names}

    def _one(self, name, arguments):
        self.run.append((name, dict(arguments)))
        result = self.result(name, arguments) if callable(self.result) else self.result
        if isinstance(result, BaseException):
            raise result
        return result

    async def aexecute(self, name, args=None):
        result = self._one(name, args or {})
        if isinstance(result, ToolResult):
            return result
        return ToolResult(name, success=True, value=result)

    async def ahandle(self, answer, *, messages=()):
        parsed = VCPProtocolParser().parse(answer)
        told = [self._one(request.name, request.args) for request in parsed.requests]
        message = None if self.finished else {"role": "user", "content": "\n".join(map(str, told))}
        return Handled(parsed, (), message, "toolbox", self.finished)


def room(model, *names, tools, **options):
    options.setdefault("stop", vl.stop.rounds(1))
    agents = [vl.Agent(n) if isinstance(n, str) else n for n in names or ("ann",)]
    return vl.GroupChat(agents, model=model, tools=tools, **options).start()


def test_a_request_is_run_and_its_result_goes_back_to_the_model():
    model = vl.Scripted([asks(before="One moment. ", at="sky"), "It is blue, I see."])
    box = Box()
    chat = room(model, tools=box)
    chat.run()
    assert box.run == [("Look", {"at": "sky"})]
    assert "Look: looks at things." in str(model.requests[0].messages[0].content)
    first, second = model.requests
    assert [m.role for m in second.messages[len(first.messages) :]] == ["assistant", "user"]
    assert second.messages[-1].content == "it is blue"
    assert [e.type for e in chat.events if e.agent_id == "ann"][1:] == [
        "model:call", "tool:call", "tool:result", "agent:speak",
    ]  # fmt: skip
    assert [m.content for m in chat.messages if m.is_public] == ["It is blue, I see."]
    assert len(chat.ledger) == 2
    assert chat.ledger.by_purpose["speak"].calls == 2
    assert len(box.run) == 1
    assert chat.replay()
    assert len(box.run) == 1, "a replay runs no tool"


def test_native_calls_are_offered_run_and_answered_one_by_one():
    reply = calls(("Look", '{"at": "sky"}'), ("Smell", '{"at": "rose"}'), text="Let me see.")
    model = vl.Scripted([reply, "Both are fine."])
    box = Box("Look", "Smell", result=lambda name, args: f"{name} {args['at']}")
    chat = room(model, tools=box, tool_style="native")
    chat.run()
    assert [tool["name"] for tool in model.requests[0].tools] == ["Look", "Smell"]
    assert model.requests[0].tools[0]["parameters"]["properties"] == {"at": {"type": "string"}}
    assert "looks at things" not in prompt(model.requests[0])
    assistant, one, two = model.requests[1].messages[-3:]
    assert (assistant.role, [c.name for c in assistant.tool_calls]) == (
        "assistant",
        ["Look", "Smell"],
    )
    assert [(m.role, m.content, m.tool_call_id) for m in (one, two)] == [
        ("tool", "Look sky", "c0"),
        ("tool", "Smell rose", "c1"),
    ]
    assert texts(chat)[-1] == "ann: Both are fine."
    assert chat.replay()
    assert len(box.run) == 2


@pytest.mark.parametrize("arguments", ["{broken", "[1, 2]", '"text"', "7", '{"at": '])
def test_native_arguments_that_are_no_object_are_told_to_the_model(arguments):
    model = vl.Scripted([calls(("Look", arguments)), "Sorry."])
    box = Box()
    chat = room(model, tools=box, tool_style="native")
    chat.run()
    assert box.run == []
    assert model.requests[1].messages[-1].content == "The arguments of Look are not a JSON object."
    assert texts(chat)[-1] == "ann: Sorry."
    assert chat.replay()


def test_native_calls_without_arguments_have_none():
    model = vl.Scripted([calls(("Look", "")), "Seen."])
    box = Box()
    room(model, tools=box, tool_style="native").run()
    assert box.run == [("Look", {})]


def test_requests_of_either_kind_are_understood_whatever_was_offered():
    model = vl.Scripted([asks(), calls(("Look", "{}")), "Enough."])
    box = Box()
    chat = room(model, tools=box, tool_style="native")
    chat.run()
    assert [name for name, _ in box.run] == ["Look", "Look"]
    assert texts(chat)[-1] == "ann: Enough."


def test_a_tool_that_fails_is_told_to_the_model():
    failed = ToolResult("Look", success=False, error="it is dark")
    model = vl.Scripted([calls(("Look", "{}")), "I cannot see."])
    chat = room(model, tools=Box(result=failed), tool_style="native")
    chat.run()
    assert model.requests[1].messages[-1].content == "Error: it is dark"
    assert texts(chat)[-1] == "ann: I cannot see."


@pytest.mark.parametrize("style", ["text", "native"])
def test_what_an_agent_may_not_use_is_neither_offered_nor_run(style):
    config = vl.VCPConfig(enable_tools=("Look",))
    reply = asks("Burn") if style == "text" else calls(("Burn", "{}"))
    model = vl.Scripted([reply, "I may not."])
    box = Box("Look", "Burn")
    chat = room(model, vl.Agent("ann", vcp_config=config), tools=box, tool_style=style)
    chat.run()
    assert box.run == []
    offered = prompt(model.requests[0]) + json.dumps([t["name"] for t in model.requests[0].tools])
    assert "Look" in offered
    assert "Burn" not in offered
    assert "Not allowed for this agent: Burn" in model.requests[1].messages[-1].content
    assert texts(chat)[-1] == "ann: I may not."
    assert chat.replay()


def test_one_forbidden_request_keeps_all_of_the_reply_from_running():
    config = vl.VCPConfig(enable_tools=("Look",))
    model = vl.Scripted([asks("Look") + "\n" + asks("Burn"), "Well."])
    box = Box("Look", "Burn")
    room(model, vl.Agent("ann", vcp_config=config), tools=box).run()
    assert box.run == []


def test_an_agent_without_tools_in_a_chat_with_tools():
    config = vl.VCPConfig(enable_tools=())
    model = vl.Scripted([asks(), "No."])
    box = Box()
    chat = room(model, vl.Agent("ann", vcp_config=config), tools=box)
    chat.run()
    assert box.run == []
    assert "looks at things" not in prompt(model.requests[0])
    assert texts(chat)[-1] == "ann: No."


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_model_that_never_stops_calling_is_stopped(limit):
    model = vl.Scripted([asks(before="Again! ")], cycle=True)
    box = Box()
    chat = room(model, tools=box, tool_rounds=limit)
    chat.run()
    assert len(box.run) == limit
    assert len(model.requests) == limit + 1
    assert texts(chat)[-1] == "ann: Again!", "its last request is cut out and not run"
    assert chat.replay()


def test_a_last_reply_that_is_only_a_request_is_silence():
    model = vl.Scripted([asks()], cycle=True)
    chat = room(model, tools=Box(), tool_rounds=1)
    chat.run()
    (silent,) = logged(chat, "agent:silent")
    assert silent["why"] == "empty"
    assert len(chat.ledger) == 2
    assert chat.replay()


def test_a_turn_that_is_over_with_its_tools_asks_the_model_no_more():
    model = vl.Scripted([asks(before="On its way. ")])
    box = Box(finished=True)
    chat = room(model, tools=box)
    chat.run()
    assert len(model.requests) == 1
    assert [m.content for m in chat.messages if m.is_public] == ["On its way."]
    assert len(chat.ledger) == 1, "one call is paid once"
    assert chat.replay()


def test_without_tools_a_request_is_taken_out_of_what_is_said():
    model = vl.Scripted([asks(before="I would look. ")])
    chat = room(model, tools=None)
    chat.run()
    assert texts(chat) == ["ann: I would look."]
    assert chat.replay()


@pytest.mark.parametrize("style", ["text", "native"])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("the box broke"), "Error: RuntimeError: the box broke"),
        (StopIteration(), "Error: RuntimeError: coroutine raised StopIteration"),
        (InvalidInputError("No such place.", where="at"), "Error: No such place."),
    ],
)
def test_a_tool_box_that_breaks_is_told_to_the_model(error, told, style):
    model = vl.Scripted([asks() if style == "text" else calls(("Look", "{}")), "Then not."])
    chat = room(model, tools=Box(result=error), tool_style=style)
    assert chat.run().kind == "rounds"
    assert model.requests[1].messages[-1].content == told
    assert texts(chat)[-1] == "ann: Then not."
    assert chat.replay()


def test_several_who_speak_at_once_may_all_use_tools():
    replies = {name: [asks(at=name), f"{name} saw it"] for name in ("ann", "bob", "cat")}
    box = Box(result=lambda name, args: args["at"])
    model = vl.Scripted(replies)
    chat = room(model, *replies, tools=box, concurrent=True)
    chat.run()
    assert sorted(args["at"] for _, args in box.run) == ["ann", "bob", "cat"]
    assert [m.content for m in chat.messages if m.is_public] == [f"{n} saw it" for n in replies]
    for request in model.requests[3:]:
        assert request.messages[-1].content == request.agent, "results are not mixed up"
    assert chat.replay()
    assert len(box.run) == 3


def test_who_joins_while_a_tool_runs_does_not_disturb_a_replay():
    gate = asyncio.Event()

    class Slow(Box):
        async def ahandle(self, answer, *, messages=()):
            await gate.wait()
            return await super().ahandle(answer, messages=messages)

    model = vl.Scripted({"ann": [asks(), "done"], "bob": ["hello"]})
    chat = room(model, tools=Slow(), stop=vl.stop.rounds(2))

    async def go():
        running = asyncio.ensure_future(chat.arun(rounds=1))
        await until(lambda: logged(chat, "tool:call"))
        chat.add_agent("bob")
        chat.set_topic("another one")
        gate.set()
        await running

    run(go())
    assert texts(chat)[-1] == "ann: done"
    assert chat.replay()


def test_a_lab_s_tools(tmp_path):
    with vl.Lab(tmp_path / "lab", model=vl.Scripted([asks("shout", text="hi"), "HI it is"])) as lab:

        @lab.tool
        def shout(text: str) -> str:
            """Say it loudly.

            Args:
                text: What to say.
            """
            return text.upper()

        chat = lab.group_chat(["ann"], stop=vl.stop.rounds(1)).start()
        chat.run()
        (result,) = logged(chat, "tool:result")
        assert "HI" in result["text"]
        assert texts(chat)[-1] == "ann: HI it is"
        names = {span.name for span in lab.trace.spans(limit=100)}
        assert {"chat.turn", "model.call"} <= names
        assert chat.replay()


@pytest.mark.parametrize("native", [False, True])
def test_a_huge_result_is_cut_for_the_model_and_whole_in_the_log(native):
    huge = "begin " + "x1 " * 700_000 + "end"
    asked = calls(("Look", '{"at": "sky"}')) if native else asks(at="sky")
    model = vl.Scripted([asked, "Much.", "More."])
    style = "native" if native else "text"
    chat = room(
        model, tools=Box(result=huge), window_tokens=200, tool_style=style, stop=vl.stop.rounds(2)
    )
    chat.run()
    shown = model.requests[1].messages[-1].content
    assert len(shown) < 2000
    assert shown.startswith("begin")
    assert shown.endswith("end")
    assert f"the result has {len(huge):,} characters" in shown
    assert logged(chat, "tool:result")[0]["text"] == huge
    assert len(prompt(model.requests[2])) < 10_000, "nor is it shown whole later"
    assert chat.replay()


def test_results_of_one_request_share_the_window_and_small_ones_are_left_alone():
    big = "word " * 5_000
    reply = calls(("Look", "{}"), ("Smell", "{}"))
    model = vl.Scripted([reply, "Done.", reply, "Done."])
    box = Box("Look", "Smell", result=lambda name, args: big if name == "Look" else "a rose")
    room(model, tools=box, tool_style="native", window_tokens=400).run()
    one, two = model.requests[1].messages[-2:]
    assert 400 < len(one.content) < 2000
    assert two.content == "a rose"
    room(model, tools=box, tool_style="native", window_tokens=None).run()
    assert model.requests[3].messages[-2].content == big


def test_requests_beyond_the_limit_are_told_and_flagged():
    model = vl.Scripted([asks(at="one"), asks(at="two"), asks(before="One more: ", at="three")])
    box = Box()
    chat = room(model, tools=box, tool_rounds=2)
    chat.run()
    assert len(box.run) == 2
    (spoken,) = logged(chat, "agent:speak")
    assert (spoken["text"], spoken["tools_refused"]) == ("One more:", 1)
    assert "last tool calls" not in prompt(model.requests[1])
    assert "last tool calls of this turn" in model.requests[2].messages[-1].content
    assert chat.replay()


def test_a_last_reply_that_only_asks_for_tools_is_flagged_too():
    model = vl.Scripted([asks(at="one"), calls(("Look", "{}"), ("Look", "{}"))])
    chat = room(model, tools=Box(), tool_rounds=1)
    chat.run()
    (silent,) = logged(chat, "agent:silent")
    assert (silent["why"], silent["tools_refused"]) == ("empty", 2)
    assert chat.replay()


def test_within_the_limit_nothing_is_flagged():
    chat = room(vl.Scripted([asks(at="one"), "Done."]), tools=Box(), tool_rounds=1)
    chat.run()
    assert "tools_refused" not in logged(chat, "agent:speak")[0]
