"""The model that says what it was given to say."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.models.chat.failures import ModelUnavailableError
from vcplab.models.chat.scripted import Scripted
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest, complete
from vcplab.protocol.messages import Message, ToolCall, Usage
from vcplab.protocol.ports import ChatModel


def asked(text="Hello?", **options):
    return ChatRequest((Message("user", text),), **options)


def reply(model, request=None):
    return asyncio.run(complete(model, request or asked()))


def pieces(model, request=None):
    async def all_of_it():
        return [piece async for piece in model.stream(request or asked())]

    return asyncio.run(all_of_it())


def test_it_is_a_chat_model_and_says_what_it_is():
    model = Scripted(["a", "b"], name="ann's double")
    assert isinstance(model, ChatModel)
    assert model.name == "ann's double"
    assert "no model" in repr(model)
    assert "2 replies, 2 unused" in repr(model)


def test_a_list_is_said_in_order_and_then_no_more():
    model = Scripted(["one", "two"])
    first, second = reply(model), reply(model)
    assert (first.text, second.text) == ("one", "two")
    assert first.finish_reason == "stop"
    assert model.unused == ()
    for _ in range(2):
        with pytest.raises(StateError, match=r"2 replies were given.*'ann', speak") as caught:
            reply(model, asked(agent="ann"))
        assert caught.value.details["given"] == 2
        assert "cycle=True" in str(caught.value)


def test_an_empty_script_is_used_up_at_once_even_in_a_circle():
    with pytest.raises(StateError, match="0 replies"):
        reply(Scripted([], cycle=True))


def test_it_goes_round_when_asked_to():
    model = Scripted(["a", "b"], cycle=True)
    assert [reply(model).text for _ in range(5)] == ["a", "b", "a", "b", "a"]
    assert model.unused == ()


def test_one_text_is_one_reply_and_not_its_letters():
    model = Scripted("hello")
    assert reply(model).text == "hello"
    with pytest.raises(StateError):
        reply(model)


def test_agents_have_lists_of_their_own():
    model = Scripted(
        {
            "ann": ["ann 1", "ann 2"],
            ("ann", "position"): [{"stance": "approve"}],
            "*": "someone else",
        }
    )
    assert reply(model, asked(agent="ann")).text == "ann 1"
    assert json.loads(reply(model, asked(agent="ann", purpose="position")).text) == {
        "stance": "approve"
    }
    assert reply(model, asked(agent="bob")).text == "someone else"
    assert model.unused == ("ann 2",)
    with pytest.raises(StateError, match="for ann / position"):
        reply(model, asked(agent="ann", purpose="position"))


def test_an_unknown_agent_is_told_who_is_known():
    with pytest.raises(StateError, match=r"no replies for agent 'bob'.*replies for ann"):
        reply(Scripted({"ann": ["x"]}), asked(agent="bob"))


def test_a_function_answers_what_is_asked():
    model = Scripted(lambda request: request.messages[-1].content.upper())
    assert reply(model, asked("quiet")).text == "QUIET"
    assert model.unused == ()
    assert "function" in repr(model)


def test_an_async_function_is_awaited():
    async def slow(request):
        await asyncio.sleep(0)
        return ChatReply(f"{len(request.messages)} message")

    assert reply(Scripted(slow)).text == "1 message"


def test_a_function_that_returns_nothing_is_told():
    with pytest.raises(InvalidInputError, match="NoneType"):
        reply(Scripted(lambda request: None))


def test_what_was_asked_is_kept():
    model = Scripted(["a", "b"])
    first, second = asked("1"), asked("2", schema={"type": "object"})
    reply(model, first)
    reply(model, second)
    assert model.requests == [first, second]


def test_a_mapping_is_json_text_as_it_is():
    answer = reply(Scripted([{"stance": "赞成", "confidence": 0.5}]), asked(schema={}))
    assert answer.text == '{"stance": "赞成", "confidence": 0.5}'


def test_tool_calls_end_the_answer():
    call = ToolCall("c1", "search", '{"query": "tides"}')
    answer = reply(Scripted([ChatReply("Let me look.", tool_calls=(call,))]))
    assert answer.tool_calls == (call,)
    assert answer.finish_reason == "tool_calls"
    assert answer.usage.output_tokens > 3


def test_a_reply_is_passed_on_with_all_it_says():
    given = ChatReply("said", "thought", (), "length", Usage(7, 2, False, 3))
    assert reply(Scripted([given])) == given


def test_usage_is_estimated_and_marked_where_none_is_given():
    usage = reply(Scripted(["four words are here"])).usage
    assert usage.estimated
    assert usage.input_tokens > 4
    assert usage.output_tokens >= 4


def test_a_failure_is_raised_and_the_next_reply_follows():
    model = Scripted([ModelUnavailableError("gone"), "back"])
    with pytest.raises(ModelUnavailableError, match="gone"):
        reply(model)
    assert reply(model).text == "back"


def test_a_failure_in_mid_stream_comes_after_its_pieces():
    model = Scripted([[ChatPiece("be"), ChatPiece("gun"), ModelUnavailableError("cut")]])
    seen = []

    async def read():
        async for piece in model.stream(asked()):
            seen.append(piece.text)

    with pytest.raises(ModelUnavailableError):
        asyncio.run(read())
    assert seen == ["be", "gun"]


def test_pieces_without_a_reason_are_an_answer_that_is_cut_off():
    answer = reply(Scripted([[ChatPiece("half of")]]))
    assert answer.text == "half of"
    assert answer.truncated
    assert answer.usage.estimated


def test_pieces_with_their_usage_get_no_other():
    given = (ChatPiece("x"), ChatPiece(finish_reason="stop", usage=Usage(3, 1)))
    assert tuple(pieces(Scripted([given]))) == given


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("words", ["Well, ", "well. ", "你", "好", "，x"]),
        ("characters", list("Well, well. 你好，x")),
        ("whole", ["Well, well. 你好，x"]),
        (5, ["Well,", " well", ". 你好，", "x"]),
    ],
)
def test_texts_are_cut_as_asked(how, expected):
    told = [p.text for p in pieces(Scripted(["Well, well. 你好，x"], pieces=how)) if p.text]
    assert told == expected


@given(st.text(max_size=60), st.sampled_from(["words", "characters", "whole", 1, 3]))
def test_no_letter_is_lost(text, how):
    told = pieces(Scripted([text], pieces=how))
    assert "".join(piece.text for piece in told) == text
    assert told[-1].finish_reason == "stop"
    assert all(piece.text for piece in told[:-1])


def test_a_delay_is_kept_before_every_piece():
    async def times():
        loop = asyncio.get_running_loop()
        before = loop.time()
        async for _ in Scripted(["a b"], delay=0.02).stream(asked()):
            pass
        return loop.time() - before

    assert asyncio.run(times()) >= 0.055


def test_others_get_their_turn_between_pieces():
    async def both():
        order = []

        async def read(name):
            async for piece in Scripted(["a b c"]).stream(asked()):
                order.append((name, piece.text))

        await asyncio.gather(read(1), read(2))
        return order

    assert [name for name, _ in asyncio.run(both())] == [1, 2] * 4


def test_closing_ends_it():
    async def first():
        async with aclosing(Scripted(["a b c"]).stream(asked())) as stream:
            async for piece in stream:
                return piece.text

    assert asyncio.run(first()) == "a "


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"replies": 3}, "int"),
        ({"replies": [3]}, "int"),
        ({"replies": [None]}, "NoneType"),
        ({"replies": [[3]]}, "list"),
        ({"replies": [ChatPiece("a")]}, "ChatPiece"),
        ({"replies": {"ann": 3}}, "int"),
        ({"replies": [{"a": {1, 2}}]}, "JSON"),
        ({"replies": ["a"], "pieces": 0}, "cut by 0"),
        ({"replies": ["a"], "pieces": "lines"}, "lines"),
        ({"replies": ["a"], "pieces": True}, "True"),
        ({"replies": ["a"], "delay": -1}, "-1"),
        ({"replies": ["a"], "delay": float("nan")}, "nan"),
    ],
)
def test_what_is_no_script_is_refused(arguments, match):
    with pytest.raises(InvalidInputError, match=match):
        Scripted(**arguments)
