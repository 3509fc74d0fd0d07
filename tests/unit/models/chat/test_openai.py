"""What OpenAIChat sends, how it puts answers together, and what is taken for a chat model."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.faulty_endpoint import DONE, FaultyEndpoint, chunk, says, sends, status, usage
from vcplab.core.errors import InvalidInputError, MissingDependencyError
from vcplab.core.loop import library_loop, run
from vcplab.core.settings import override_settings
from vcplab.models.chat._wire import Answer
from vcplab.models.chat.choosing import as_chat_model
from vcplab.models.chat.failures import ModelNotFoundError, ModelRefusedError, ModelUnavailableError
from vcplab.models.chat.openai import OpenAIChat
from vcplab.protocol.completions import ChatReply, ChatRequest, complete
from vcplab.protocol.messages import Message, ToolCall, Usage
from vcplab.protocol.ports import ChatModel

pytest.importorskip("openai", reason="needs openai")

KEY = "sk-Hush-0123456789abcdef"
ASKED = ChatRequest((Message("user", "What is a tide?"),))
SCHEMA = {"type": "object", "properties": {"vote": {"enum": ["yes", "no"]}}, "required": ["vote"]}


@pytest.fixture
def server():
    with FaultyEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def model(server):
    made = OpenAIChat("m", base_url=server.url, backoff=0.01)
    yield made
    made.close()


def sent(server, model, request):
    run(complete(model, request))
    return server.bodies[-1]


def answer_to(server, model, *events, request=ASKED):
    server.then(sends(*events))
    return run(complete(model, request))


# -- what is sent


def test_the_least_request(server, model):
    assert sent(server, model, ASKED) == {
        "model": "m",
        "messages": [{"role": "user", "content": "What is a tide?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert server.requests[-1].path == "/v1/chat/completions"


def test_a_full_request(server, model):
    tool = {"name": "roll", "description": "Rolls.", "parameters": {"type": "object"}}
    whole = {"type": "function", "function": {"name": "look"}}
    body = sent(
        server,
        model,
        ChatRequest(
            ASKED.messages,
            tools=(tool, {"name": "bare"}, whole),
            temperature=0,
            max_tokens=9,
            seed=3,
            stop=("\n",),
            extra={"top_k": 1, "stream": False},
            agent="ada",
            purpose="select",
        ),
    )
    assert body["tools"] == [
        {"type": "function", "function": tool},
        {
            "type": "function",
            "function": {"name": "bare", "parameters": {"type": "object", "properties": {}}},
        },
        whole,
    ]
    assert (body["temperature"], body["max_tokens"], body["seed"]) == (0, 9, 3)
    assert (body["stop"], body["top_k"], body["stream"]) == (["\n"], 1, True)
    assert "ada" not in json.dumps(body), "agent and purpose are ours"
    assert "select" not in json.dumps(body)


def test_the_models_own_options_give_way_to_the_requests(server):
    own = OpenAIChat(
        "m", base_url=server.url, temperature=0.7, max_tokens=5, extra={"top_k": 1, "min_p": 0.1}
    )
    body = sent(server, own, ASKED)
    assert (body["temperature"], body["max_tokens"], body["top_k"]) == (0.7, 5, 1)
    body = sent(
        server, own, ChatRequest(ASKED.messages, temperature=0, max_tokens=6, extra={"top_k": 2})
    )
    assert (body["temperature"], body["max_tokens"], body["top_k"]) == (0, 6, 2)
    assert body["min_p"] == 0.1
    own.close()


def test_messages(server, model):
    call = ToolCall("c1", "roll", '{"n": 2}')
    body = sent(
        server,
        model,
        ChatRequest(
            (
                Message("system", "Be short."),
                Message("user", "see", images=("data:image/png;base64,AA==",)),
                Message("user", "", images=("https://example.org/a.png",)),
                Message("assistant", "", tool_calls=(call,)),
                Message("assistant", "so:", tool_calls=(call,)),
                Message("tool", "5", tool_call_id="c1", name="roll"),
            )
        ),
    )
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    wire = {"id": "c1", "type": "function", "function": {"name": "roll", "arguments": '{"n": 2}'}}
    assert body["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "see"}, picture]},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [wire]},
        {"role": "assistant", "content": "so:", "tool_calls": [wire]},
        {"role": "tool", "content": "5", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize(
    ("name", "fits"),
    [("ada", True), ("Ada_2-b", True), ("小克", False), ("Ada B", False), ("", False),
     ("x" * 65, False), ("ada\n", False)],
)  # fmt: skip
def test_only_names_that_the_api_takes_are_sent(server, model, name, fits):
    body = sent(server, model, ChatRequest((Message("user", "hi", name=name),)))
    assert body["messages"][0].get("name") == (name if fits else None)
    assert body["messages"][0]["content"] == "hi"


def test_texts_of_any_language_and_broken_ones(server, model):
    body = sent(server, model, ChatRequest((Message("user", "潮汐 🌊 \ud800"),)))
    assert body["messages"][0]["content"] == "潮汐 🌊 ?"


@pytest.mark.parametrize("extra", [{"a": {1, 2}}, {"a": float("nan")}, {"a": object()}])
def test_what_is_no_json_is_refused_before_it_is_sent(server, model, extra):
    with pytest.raises(InvalidInputError, match="not JSON"):
        run(complete(model, ChatRequest(ASKED.messages, extra=extra)))
    with pytest.raises(InvalidInputError, match="not JSON"):
        OpenAIChat("m", base_url=server.url, extra=extra)
    assert server.requests == []


# -- keys, addresses, environment


def test_nothing_is_taken_from_the_environment(server, monkeypatch):
    for name, value in {
        "OPENAI_API_KEY": KEY,
        "OPENAI_ADMIN_KEY": KEY,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_ORG_ID": "our-org",
        "OPENAI_PROJECT_ID": "our-project",
        "OPENAI_CUSTOM_HEADERS": "X-Ours: secret",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    keyless = OpenAIChat("m", base_url=server.url, retries=0)
    assert keyless.ask("hi") == "hello"
    told = server.requests[0].headers
    assert "authorization" not in told
    assert not any(KEY in value or "our-" in value or value == "secret" for value in told.values())
    assert not any(name.startswith("x-stainless-os") for name in told), "nor of the machine"
    keyless.close()
    with pytest.raises(InvalidInputError, match="No model server"):
        OpenAIChat("m")


def test_the_key_and_further_headers(server):
    model = OpenAIChat(
        "m", base_url=f"{server.url}?deployment=a&b=", api_key=KEY + "\n", headers={"X-Tag": "t"}
    )
    model.ask("hi")
    told = server.requests[0]
    assert told.headers["authorization"] == f"Bearer {KEY}"
    assert told.headers["x-tag"] == "t"
    assert told.path == "/v1/chat/completions?deployment=a&b="
    model.close()


def test_the_settings_key_goes_to_the_settings_address_alone(server):
    with override_settings(model_url=server.url, model_key=KEY), FaultyEndpoint() as other:
        for model in (OpenAIChat("m"), OpenAIChat("m", base_url=server.url + "/")):
            model.ask("hi")
            assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
            model.close()
        for model in (
            OpenAIChat("m", base_url=other.url),
            OpenAIChat("m", base_url=f"http://localhost:{other.port}/v1"),
        ):
            model.ask("hi")
            assert "authorization" not in other.requests[-1].headers
            model.close()
        without = OpenAIChat("m", api_key="")
        without.ask("hi")
        assert "authorization" not in server.requests[-1].headers
        without.close()


@pytest.mark.parametrize(
    ("given", "url", "name"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1", None),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1", None),
        ("https://x.example/api/v3/", "https://x.example/api/v3", None),
        ("http://127.0.0.1:1/v1/chat/completions", "http://127.0.0.1:1/v1", None),
        ("http://127.0.0.1:1/v1#qwen3:8b", "http://127.0.0.1:1/v1", "qwen3:8b"),
        ("http://127.0.0.1:1#a%20b", "http://127.0.0.1:1/v1", "a b"),
        ("http://[::1]:80/v1?x=1", "http://[::1]:80/v1", None),
    ],
)
def test_addresses(given, url, name):
    model = OpenAIChat(base_url=given)
    assert (model.base_url, model.model) == (url, name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "127.0.0.1:8080"},
        {"base_url": "ftp://x"},
        {"base_url": "http://user:pass@x/v1"},
        {"base_url": "http://a b"},
        {"base_url": ""},
        {"api_key": "two words"},
        {"model": ""},
        {"model": 3},
        {"timeout": 0},
        {"first_token_timeout": -1},
        {"connect_timeout": float("inf")},
        {"backoff": "1"},
        {"retries": -1},
        {"retries": 1.5},
        {"temperature": float("nan")},
        {"temperature": True},
        {"max_tokens": 0},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X": 1}},
    ],
)
def test_wrong_parameters(wrong):
    with pytest.raises(InvalidInputError) as caught:
        OpenAIChat(**{"base_url": "http://127.0.0.1:1/v1", **wrong})
    assert caught.value.next_step
    assert caught.value.where == next(iter(wrong))
    assert "pass@" not in str(caught.value)
    assert "Y: b" not in str(caught.value)


def test_it_shows_itself_without_secrets():
    model = OpenAIChat(
        "<m>", base_url=f"http://127.0.0.1:1/VCP_Key={KEY}/v1?api-key={KEY}", api_key=KEY,
        headers={"X-Key": KEY},
    )  # fmt: skip
    for shown in (repr(model), model._repr_html_(), str(model), model.name):
        assert KEY not in shown
    assert repr(model) == "OpenAIChat('<m>', base_url='http://127.0.0.1:1/VCP_Key=•••')"
    assert "&lt;m&gt;" in model._repr_html_()
    assert "<m>" not in model._repr_html_()


def test_an_error_shows_no_key_of_the_address():
    model = OpenAIChat("m", base_url=f"http://127.0.0.1:9/{KEY}/v1?k={KEY}", api_key=KEY, retries=0)
    with pytest.raises(ModelUnavailableError) as caught:
        model.ask("hi")
    assert KEY not in str(caught.value)
    assert "127.0.0.1:9/•••/v1" in str(caught.value)
    model.close()


# -- which model


def test_the_first_model_is_asked_for_once(server):
    listing = status(200, {"object": "list", "data": [{"id": "first"}, {"id": "second"}]})
    server.then(listing, says("a"))
    model = OpenAIChat(base_url=server.url)
    assert model.name == f"model at 127.0.0.1:{server.port}"
    assert model.ask("hi") == "a"
    model.ask("hi")
    assert [exchange.method for exchange in server.requests] == ["GET", "POST", "POST"]
    assert server.requests[0].path == "/v1/models"
    assert server.bodies[0]["model"] == "first"
    assert model.name == "first"
    model.close()


def test_many_first_calls_ask_for_the_model_once(server):
    server.then(status(200, {"data": [{"id": "first"}]}), says("a"))
    model = OpenAIChat(base_url=server.url)

    async def three():
        from asyncio import gather

        return await gather(*(model.aask(str(n)) for n in range(3)))

    assert run(three()) == ["a"] * 3
    assert sum(exchange.method == "GET" for exchange in server.requests) == 1
    model.close()


@pytest.mark.parametrize("body", [{"data": []}, {"models": None}, {}, [], {"data": [{"x": 1}]}])
def test_a_server_that_lists_nothing(server, body):
    server.then(status(200, body))
    model = OpenAIChat(base_url=server.url)
    with pytest.raises(ModelNotFoundError) as caught:
        model.ask("hi")
    assert "OpenAIChat(" in caught.value.next_step
    model.close()


def test_models_are_listed(server, model):
    server.then(status(200, {"models": [{"name": "a"}, {"model": "b"}, {"id": "c"}, "d", 5]}))
    assert model.models() == ["a", "b", "c", "d"]


# -- how an answer is put together


def test_pieces_come_one_by_one_and_the_last_one_tells_the_usage(server, model):
    server.then(says("The ", "moon"))

    async def read():
        return [piece async for piece in model.stream(ASKED)]

    *texts, last = run(read())
    assert [piece.text for piece in texts] == ["The ", "moon"]
    assert all(piece.usage is None for piece in texts)
    assert (last.text, last.finish_reason, last.usage) == ("", "stop", Usage(7, 2))


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning(server, model, field):
    answer = answer_to(
        server,
        model,
        chunk(None, **{field: "Hm. "}),
        chunk("", **{field: "So:"}),
        chunk("moon"),
        chunk(finish="stop"),
    )
    assert (answer.reasoning, answer.text) == ("Hm. So:", "moon")


def test_think_tags_are_left_alone(server, model):
    answer = answer_to(server, model, chunk("<think>a</think>b"), chunk(finish="stop"))
    assert answer.text == "<think>a</think>b"


def test_content_in_parts(server, model):
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
             {"type": "text", "text": "mo"}, "on", 7]  # fmt: skip
    answer = answer_to(server, model, chunk(parts), chunk(finish="stop"))
    assert (answer.text, answer.reasoning) == ("moon", "Hm")


@pytest.mark.parametrize(
    ("told", "meant"),
    [("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"), ("eos", "stop"),
     ("content_filter", "content_filter"), ("function_call", "tool_calls"), ("", None)],
)  # fmt: skip
def test_reasons(server, model, told, meant):
    assert answer_to(server, model, chunk("a"), chunk(finish=told)).finish_reason == meant


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": []},
        {},
        {"choices": [{}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0, "delta": {"content": None, "tool_calls": None}}]},
        {"choices": [{"index": 1, "delta": {"content": "another answer"}}]},
        {"choices": ["x"]},
        {"choices": True},
        {"choices": {"index": 0}},
        {"usage": {"prompt_tokens": float("inf"), "completion_tokens": -3}},
        {"choices": [{"index": 0, "delta": {"tool_calls": True}}]},
        {"choices": [], "usage": "many"},
        {"choices": [{"index": 0, "delta": {"content": 5, "reasoning": {}, "tool_calls": [5]}}]},
    ],
)
def test_odd_chunks_harm_nothing(server, model, odd):
    answer = answer_to(server, model, odd, chunk("a"), odd, chunk(finish="stop"), odd, usage())
    assert (answer.text, answer.finish_reason, answer.usage) == ("a", "stop", Usage(7, 2))


def fragment(index=None, mark=None, name=None, arguments=None):
    function = {"name": name, "arguments": arguments}
    made = {"index": index, "id": mark, "function": {k: v for k, v in function.items() if v}}
    return chunk(None, tool_calls=[{k: v for k, v in made.items() if v is not None}])


TOOLS_END = (chunk(finish="tool_calls"), usage(), DONE)


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        ([fragment(0, "c1", "roll", '{"n"'), fragment(0, arguments=": 2}")],
         [("c1", "roll", '{"n": 2}')]),
        ([fragment(0, "c1", "roll", '{"n": 2}')], [("c1", "roll", '{"n": 2}')]),
        ([fragment(0, "c1", "roll"), fragment(1, "c2", "look"), fragment(0, arguments='{"n": 1}'),
          fragment(1, arguments="{}")], [("c1", "roll", '{"n": 1}'), ("c2", "look", "{}")]),
        ([fragment(None, "c1", "roll", "{"), fragment(None, arguments="}"),
          fragment(None, "c2", "look", "{}")], [("c1", "roll", "{}"), ("c2", "look", "{}")]),
        ([fragment(None, "c1", "roll", "{"), fragment(None, "c1", None, "}")],
         [("c1", "roll", "{}")]),
        ([fragment(0, None, "roll", "{}"), fragment(1, None, "look", "{}")],
         [("call_0", "roll", "{}"), ("call_1", "look", "{}")]),
        ([fragment(0, "c1", "roll", "{}"), fragment(0, "c2", "roll", '{"n": 2}')],
         [("c1", "roll", "{}"), ("c2", "roll", '{"n": 2}')]),
        ([fragment(0, "c1", "roll"), fragment(0, "c1", "roll", "{}")], [("c1", "roll", "{}")]),
        ([fragment(0, "c1", "roll")], [("c1", "roll", "{}")]),
        ([fragment(0, "c1", "roll", {"n": 2})], [("c1", "roll", '{"n": 2}')]),
        ([chunk(None, function_call={"name": "roll"}),
          chunk(None, function_call={"arguments": "{}"})], [("call_0", "roll", "{}")]),
    ],
    ids=["pieces", "whole", "interleaved", "no index", "no index, id repeated", "no id",
         "all numbered 0", "name repeated", "no arguments", "an object", "function_call"],
)  # fmt: skip
def test_tool_calls(server, model, fragments, calls):
    answer = answer_to(server, model, *fragments, *TOOLS_END)
    assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == calls
    assert answer.finish_reason == "tool_calls"


def test_several_calls_in_one_chunk_without_index(server, model):
    both = [{"id": "a", "function": {"name": "x", "arguments": "{}"}},
            {"id": "b", "function": {"name": "y", "arguments": "{}"}}]  # fmt: skip
    answer = answer_to(server, model, chunk(None, tool_calls=both), *TOOLS_END)
    assert [call.name for call in answer.tool_calls] == ["x", "y"]


def test_calls_come_once_they_are_complete(server, model):
    server.then(sends(chunk("I roll."), fragment(0, "c", "roll", "{"), fragment(0, None, None, "}"),
                      *TOOLS_END))  # fmt: skip

    async def read():
        return [piece async for piece in model.stream(ASKED)]

    pieces = run(read())
    assert [len(piece.tool_calls) for piece in pieces] == [0, 1]


def test_a_call_that_was_cut_off_is_not_given(server, model):
    answer = answer_to(
        server, model, fragment(0, "c1", "roll", "{}"), fragment(1, "c2", "look", '{"a')
    )
    assert [call.id for call in answer.tool_calls] == ["c1"]
    assert answer.truncated


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=5), st.lists(st.text(max_size=4), max_size=4)),
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
def test_interleaved_fragments_are_put_together(calls, random):
    """However the fragments of several calls are mixed, each call gets its own, in order."""
    left = {index: list(parts) for index, (_, parts) in enumerate(calls)}
    answer = Answer(ASKED)
    for index, (name, _) in enumerate(calls):
        answer.take(fragment(index, f"c{index}", name))
    while any(left.values()):
        index = random.choice([index for index, parts in left.items() if parts])
        answer.take(fragment(index, arguments=left[index].pop(0)))
    answer.take(chunk(finish="tool_calls"))
    got = [(call.id, call.name, call.arguments) for call in answer.last().tool_calls]
    want = [(f"c{i}", name, "".join(parts) or "{}") for i, (name, parts) in enumerate(calls)]
    assert got == want


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "delta", "content", "index", "usage", "tool_calls", "function",
                         "id", "name", "arguments", "finish_reason", "prompt_tokens", "text"]),
        inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["choices", "usage", "id"]), JSON, max_size=3))
def test_no_chunk_breaks_an_answer(garbage):
    answer = Answer(ASKED)
    answer.take(garbage)
    answer.take(chunk("a"))
    assert isinstance(answer.last().usage, Usage)


# -- schemas


def test_a_schema_is_asked_for_strictly(server, model):
    body = sent(server, model, ChatRequest(ASKED.messages, schema=SCHEMA))
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
    }
    assert "JSON Schema" not in json.dumps(body["messages"])


def test_what_the_server_refuses_is_put_into_words(server, model):
    no = status(400, {"error": {"message": "response_format is not supported"}})
    server.then(no, no, no, says('{"vote": "no"}'))
    request = ChatRequest((Message("system", "Vote."), Message("user", "?")), schema=SCHEMA)
    assert run(complete(model, request)).text == '{"vote": "no"}'
    kinds = [body.get("response_format", {}).get("type") for body in server.bodies]
    assert kinds == ["json_schema", "json_schema", "json_object", None]
    assert "strict" not in server.bodies[1]["response_format"]["json_schema"]
    for body in server.bodies[2:]:
        (system, user) = body["messages"]
        assert system["content"].startswith("Vote.\n\nAnswer with one JSON value")
        assert json.dumps(SCHEMA) in system["content"]
        assert user == {"role": "user", "content": "?"}
    server.then(says("{}"))
    run(complete(model, ChatRequest(ASKED.messages, schema=SCHEMA)))
    assert len(server.bodies) == 5, "remembered"
    assert [message["role"] for message in server.bodies[-1]["messages"]] == ["system", "user"]
    run(complete(model, ASKED))
    assert len(server.bodies[-1]["messages"]) == 1, "no schema, no words"


def test_a_schema_that_is_not_strict_enough_is_asked_for_loosely(server, model):
    complaint = {"error": {"message": "Invalid schema for response_format 'answer'"}}
    server.then(status(400, complaint), says("{}"))
    run(complete(model, ChatRequest(ASKED.messages, schema=SCHEMA)))
    assert server.bodies[1]["response_format"]["type"] == "json_schema"


def test_the_limit_goes_by_its_other_name(server, model):
    complaint = {
        "error": {"message": "Use 'max_completion_tokens' instead.", "param": "max_tokens"}
    }
    server.then(status(400, complaint), says("a"))
    run(complete(model, ChatRequest(ASKED.messages, max_tokens=5)))
    run(complete(model, ChatRequest(ASKED.messages, max_tokens=6)))
    limits = [(b.get("max_tokens"), b.get("max_completion_tokens")) for b in server.bodies]
    assert limits == [(5, None), (None, 5), (None, 6)]


def test_a_complaint_about_something_else_is_an_error(server, model):
    server.then(status(400, {"error": {"message": "temperature is too hot"}}))
    with pytest.raises(ModelRefusedError, match="too hot"):
        run(complete(model, ChatRequest(ASKED.messages, schema=SCHEMA)))
    assert len(server.bodies) == 1


# -- conveniences


def test_ask_and_chat(server, model):
    assert model.ask("hi", system="Be short.", temperature=0) == "hello"
    assert server.bodies[-1]["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "hi"},
    ]
    assert server.bodies[-1]["temperature"] == 0
    reply = model.chat(["a", {"role": "assistant", "content": "b"}, Message("user", "c")])
    assert isinstance(reply, ChatReply)
    assert (reply.text, reply.usage) == ("hello", Usage(7, 2))
    assert [message["role"] for message in server.bodies[-1]["messages"]] == [
        "user",
        "assistant",
        "user",
    ]
    assert model.chat("just a text").text == "hello"


@pytest.mark.parametrize("wrong", [[5], [{"text": "x"}], [None]])
def test_what_is_no_message(server, model, wrong):
    with pytest.raises(InvalidInputError):
        model.chat(wrong)
    with pytest.raises(InvalidInputError):
        model.chat(["a"], no_such_option=1)
    assert server.requests == []


def test_it_goes_on_after_the_loop_was_closed(server, model):
    assert model.ask("a") == "hello"
    library_loop().close()
    assert model.ask("b") == "hello"


def test_it_goes_on_after_it_was_closed(server, model):
    model.ask("a")
    model.close()
    model.close()
    assert model.ask("b") == "hello"


def test_copies_begin_anew_and_hold_the_key(server):
    first = OpenAIChat("m", base_url=server.url, api_key=KEY, temperature=0.5)
    first.ask("a")
    for again in (pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        assert again.ask("b") == "hello"
        assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
        assert server.bodies[-1]["temperature"] == 0.5
        again.close()
    first.close()


def test_a_model_that_is_forgotten_closes_its_connections(server):
    model = OpenAIChat("m", base_url=server.url)
    model.ask("a")
    transport = server.requests[0].writer.transport
    del model
    import gc
    import time

    gc.collect()
    end = time.monotonic() + 5
    while not transport.is_closing():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_without_the_package(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    monkeypatch.delitem(sys.modules, "vcplab.models.chat._client", raising=False)
    import vcplab.models.chat

    monkeypatch.delattr(vcplab.models.chat, "_client", raising=False)
    with pytest.raises(MissingDependencyError, match="openai"):
        OpenAIChat("m", base_url=server.url).ask("hi")


def test_making_one_imports_no_client():
    code = (
        "import sys; from vcplab.models.chat.openai import OpenAIChat\n"
        "OpenAIChat('m', base_url='http://127.0.0.1:1/v1')\n"
        "print([n for n in ('openai', 'pandas', 'IPython', 'torch') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]", done.stderr


# -- what is taken for a chat model


def test_as_chat_model(server):
    model = OpenAIChat("m", base_url=server.url)
    assert isinstance(model, ChatModel)
    assert as_chat_model(model) is model
    for spec in (
        f"{server.url}#qwen3",
        {"base_url": server.url, "model": "qwen3", "temperature": 0},
    ):
        made = as_chat_model(spec)
        assert (made.base_url, made.model) == (server.url, "qwen3")
    assert as_chat_model(server.url).model is None
    with override_settings(model_url=f"{server.url}#set"):
        assert as_chat_model(None).model == "set"
        assert as_chat_model("qwen3:8b").model == "qwen3:8b"
        assert as_chat_model("meta/llama-3.1:70b").base_url == server.url


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (None, "VCPLAB_MODEL_URL"),
        ("qwen3", "VCPLAB_MODEL_URL"),
        ("localhost:11434/v1", "scheme"),
        ("127.0.0.1:11434", "scheme"),
        (OpenAIChat, "is a class"),
        (7, "no chat model"),
        ({"base_url": "http://127.0.0.1:1", "url": "x"}, "'url'"),
    ],
)
def test_what_is_no_chat_model(spec, words):
    with pytest.raises(InvalidInputError) as caught:
        as_chat_model(spec)
    assert words in str(caught.value)
    assert caught.value.next_step
