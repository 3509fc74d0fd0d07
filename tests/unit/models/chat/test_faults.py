"""OpenAIChat against an endpoint that does everything wrong that endpoints do wrong."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import traceback
import types
from contextlib import aclosing, suppress

import pytest

from tests.support.faulty_endpoint import (
    DONE,
    FaultyEndpoint,
    breaks_after,
    chunk,
    hangs_after,
    says,
    sends,
    status,
    usage,
)
from vcplab.core.errors import NotFoundError, OperationTimeoutError, VCPError, VCPErrorCode
from vcplab.core.loop import run, submit
from vcplab.core.trace import add_sink
from vcplab.models.chat.failures import (
    ModelAuthenticationError,
    ModelContextError,
    ModelError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelRefusedError,
    ModelReplyError,
    ModelTimeoutError,
    ModelUnavailableError,
    pause_asked_for,
    spoken,
)
from vcplab.models.chat.openai import OpenAIChat
from vcplab.protocol.completions import ChatRequest, complete
from vcplab.protocol.messages import Message, Usage

pytest.importorskip("openai", reason="needs openai")

KEY = "sk-Hush-0123456789abcdef"
ASKED = ChatRequest((Message("user", "What is a tide?"),))


@pytest.fixture
def server():
    with FaultyEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def model(server):
    made = OpenAIChat("m", base_url=server.url, api_key=KEY, backoff=0.01)
    yield made
    made.close()


def reply(model, request=ASKED):
    return run(complete(model, request))


def fails(model, kind, request=ASKED):
    """The error, after checking that it is one that a reader can use and holds no key."""
    with pytest.raises(kind) as caught:
        reply(model, request)
    error = caught.value
    assert type(error) is kind
    assert error.where == model.base_url
    assert error.next_step
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.details)
    assert KEY not in shown
    assert "Error code:" not in shown, "the package's own error is not shown: it may hold the key"
    return error


# -- before the first piece: asked again


@pytest.mark.parametrize(
    ("headers", "least"),
    [({"retry_after": "0.06"}, 0.06), ({"retry_after_ms": "60"}, 0.06), ({}, 0.01)],
    ids=["retry-after", "retry-after-ms", "unsaid"],
)
def test_too_many_requests_are_repeated_when_the_server_says(server, model, headers, least):
    server.then(status(429, {"error": {"message": "slow down"}}, **headers), says("fine"))
    began = time.monotonic()
    assert reply(model).text == "fine"
    assert least <= time.monotonic() - began < 5
    assert len(server.requests) == 2


def test_retry_after_ms_wins_over_retry_after(server, model):
    server.then(status(429, b"", retry_after="50", retry_after_ms="20"), says("fine"))
    assert reply(model).text == "fine"


def test_a_wait_longer_than_anyone_waits_is_refused_at_once(server, model):
    server.then(status(429, {"error": {"message": "quota of today"}}, retry_after="3600"))
    error = fails(model, ModelRateLimitError)
    assert error.retry_after == 3600
    assert "3600" in error.message
    assert len(server.requests) == 1


def test_no_credit_is_final(server, model):
    server.then(status(429, {"error": {"message": "pay", "code": "insufficient_quota"}}))
    error = fails(model, ModelRateLimitError)
    assert not error.is_passing
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [500, 503, 408])
def test_twice_broken_then_fine(server, model, code):
    server.then(status(code), status(code, b"<h1>Bad gateway</h1>"), says("fine"))
    assert reply(model).text == "fine"
    assert len(server.requests) == 3


def test_retries_end(server, model):
    server.then(status(500, {"error": {"message": "out of memory"}}))
    error = fails(model, ModelUnavailableError)
    assert "out of memory" in error.message
    assert error.details["status"] == 500
    assert len(server.requests) == 3


def test_no_retries_at_all(server):
    with_none = OpenAIChat("m", base_url=server.url, retries=0)
    server.then(status(500), says("fine"))
    fails(with_none, ModelUnavailableError)
    assert len(server.requests) == 1
    with_none.close()


@pytest.mark.parametrize(
    "before",
    [(), (b": waiting\n\n",), (chunk(role="assistant"),)],
    ids=["nothing", "a comment", "a role"],
)
def test_a_connection_dropped_before_the_first_piece_is_made_again(server, model, before):
    server.then(breaks_after(*before), says("fine"))
    assert reply(model).text == "fine"
    assert len(server.requests) == 2


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        port = taken.getsockname()[1]
        model = OpenAIChat("m", base_url=f"http://127.0.0.1:{port}/v1", backoff=0.01)
        error = fails(model, ModelUnavailableError)
        assert "cannot be reached" in error.message
        assert error.code is VCPErrorCode.MODEL_UNAVAILABLE
        model.close()


# -- after the first piece: never again


def test_a_drop_in_the_middle_is_told_and_not_repeated(server, model):
    server.then(breaks_after(chunk("The moon ")), says("never asked"))
    seen = []

    async def read():
        async for piece in model.stream(ASKED):
            seen.append(piece.text)

    with pytest.raises(ModelUnavailableError, match="middle of the answer") as caught:
        run(read())
    assert seen == ["The moon "]
    assert caught.value.details["begun"]
    assert not caught.value.is_passing
    assert len(server.requests) == 1


def test_silence_in_the_middle_ends_the_call(server):
    model = OpenAIChat("m", base_url=server.url, timeout=0.1)
    server.then(hangs_after(chunk("The moon ")))
    error = fails(model, ModelTimeoutError)
    assert "middle" in error.message
    assert "0.1 s" in error.message
    assert server.requests[0].gone.wait(5)
    assert len(server.requests) == 1
    model.close()


def test_a_hang_before_the_first_token_ends_the_call(server):
    model = OpenAIChat("m", base_url=server.url, first_token_timeout=0.1)
    server.then(hangs_after())
    error = fails(model, ModelTimeoutError)
    assert isinstance(error, OperationTimeoutError)
    assert isinstance(error, TimeoutError)
    assert "first_token_timeout" in error.next_step
    assert server.requests[0].gone.wait(5)
    assert len(server.requests) == 1, "waiting twice as long helps nobody"
    model.close()


def test_comments_do_not_count_as_a_beginning(server):
    model = OpenAIChat("m", base_url=server.url, first_token_timeout=0.1)
    server.then(hangs_after(b": processing\n\n", chunk(role="assistant")))
    fails(model, ModelTimeoutError)
    model.close()


@pytest.mark.parametrize("bad", [b"data: {broken\n\n", b"data: \xff\xfe\n\n", b"data: [1]\n\n"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_malformed_chunk(server, model, bad, begun):
    server.then(sends(*([chunk("The ")] if begun else []), bad, DONE))
    error = fails(model, ModelReplyError)
    assert error.details["begun"] is begun
    assert len(server.requests) == 1


def test_an_error_among_the_chunks(server, model):
    server.then(sends(chunk("The "), {"error": {"message": "slot lost", "code": 500}}))
    error = fails(model, ModelUnavailableError)
    assert "slot lost" in error.message
    assert len(server.requests) == 1


def test_what_breaks_after_the_reason_harms_nothing(server, model):
    server.then(breaks_after(chunk("whole"), chunk(finish="stop")))
    answer = reply(model)
    assert (answer.text, answer.finish_reason) == ("whole", "stop")
    assert answer.usage.estimated


# -- no finish_reason


@pytest.mark.parametrize("tail", [(), (DONE,)], ids=["nothing", "[DONE]"])
def test_an_end_without_a_reason_is_an_answer_cut_off(server, model, tail):
    server.then(sends(chunk("half of"), *tail))
    answer = reply(model)
    assert answer.text == "half of"
    assert answer.finish_reason is None
    assert answer.truncated
    assert answer.usage.estimated


def test_a_reason_without_done_is_a_whole_answer(server, model):
    server.then(sends(chunk("whole"), chunk(finish="stop")))
    assert not reply(model).truncated


@pytest.mark.parametrize("events", [(), (DONE,)], ids=["nothing", "[DONE]"])
def test_a_stream_without_a_chunk_is_no_answer(server, model, events):
    server.then(sends(*events))
    fails(model, ModelReplyError)


def test_an_empty_answer_is_an_answer(server, model):
    server.then(sends(chunk(role="assistant"), chunk(finish="stop"), usage(), DONE))
    answer = reply(model)
    assert (answer.text, answer.finish_reason, answer.usage) == ("", "stop", Usage(7, 2))


# -- the four dialects of usage


def test_dialect_1_an_extra_chunk_without_choices(server, model):
    server.then(says("a", "b"))
    assert reply(model).usage == Usage(7, 2)
    assert server.bodies[0]["stream_options"] == {"include_usage": True}


def test_dialect_2_usage_on_the_last_choice(server, model):
    server.then(sends(chunk("a"), {**chunk(finish="stop"), "usage": usage()["usage"]}))
    assert reply(model).usage == Usage(7, 2)


def test_dialect_3_never(server, model):
    server.then(sends(chunk("a tide is water"), {**chunk(finish="stop"), "usage": None}, DONE))
    used = reply(model).usage
    assert used.estimated
    assert used.input_tokens > 0
    assert used.output_tokens > 0


@pytest.mark.parametrize(
    "complaint",
    [
        {"error": {"message": "Unknown field", "param": "stream_options"}},
        {"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]},
        {"object": "error", "message": "Extra inputs are not permitted"},
    ],
)
@pytest.mark.parametrize("code", [400, 422])
def test_dialect_4_the_field_is_refused(server, model, complaint, code):
    server.then(status(code, complaint), sends(chunk("a"), chunk(finish="stop"), DONE))
    assert reply(model).usage.estimated
    assert reply(model).text == "a"
    asked = ["stream_options" in body for body in server.bodies]
    assert asked == [True, False, False], "asked again once without it, and remembered"


def test_an_extra_that_is_refused_is_not_asked_for_ever(server, model):
    server.then(status(400, {"error": {"message": "stream_options is unknown"}}))
    fails(model, ModelRefusedError, ChatRequest(ASKED.messages, extra={"stream_options": {}}))
    assert len(server.requests) == 1


def test_zeros_are_no_report(server, model):
    zeros = usage(prompt_tokens=0, completion_tokens=0)
    server.then(sends(chunk("a"), chunk(finish="stop"), zeros))
    assert reply(model).usage.estimated


def test_what_the_server_kept_is_told(server, model):
    kept = usage(prompt_tokens_details={"cached_tokens": 5})
    server.then(sends(chunk("a"), chunk(finish="stop"), kept))
    assert reply(model).usage == Usage(7, 2, cached_tokens=5)


def test_running_totals_count_once(server, model):
    growing = [
        {**chunk("a"), "usage": {"prompt_tokens": 7, "completion_tokens": n}} for n in (1, 2)
    ]
    server.then(sends(*growing, chunk(finish="stop")))
    assert reply(model).usage == Usage(7, 2)


# -- refusals


@pytest.mark.parametrize(
    ("code", "content", "kind", "words"),
    [
        (401, {"error": {"message": f"Incorrect API key: {KEY}"}}, ModelAuthenticationError, "•••"),
        (403, {"error": "forbidden"}, ModelAuthenticationError, "forbidden"),
        (404, {"error": {"message": "The model `m` does not exist"}}, ModelNotFoundError, "'m'"),
        (404, b"<html><title>404</title></html>", ModelNotFoundError, "404"),
        (400, {"detail": "Model 'm' not found."}, ModelNotFoundError, "not found"),
        (400, {"detail": "no such thing"}, ModelRefusedError, "no such thing"),
        (400, {"error": {"message": "bad", "type": "invalid_request_error"}}, ModelRefusedError,
         "bad"),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "too short"}]}, ModelRefusedError,
         "body.messages too short"),
        (400, b"plain words", ModelRefusedError, "plain words"),
        (400, b"", ModelRefusedError, "HTTP 400"),
        (302, b"", ModelRefusedError, "elsewhere"),
        (413, b"<html><h1>Too <b>large</b></h1></html>", ModelRefusedError, "Too large"),
    ],
)  # fmt: skip
def test_refusals(server, model, code, content, kind, words):
    server.then(status(code, content, location="http://127.0.0.1:9/"))
    error = fails(model, kind)
    assert words in error.message
    assert error.details["status"] == code
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 400, "message": "the request exceeds the available context size",
                   "type": "exceed_context_size_error", "n_prompt_tokens": 900, "n_ctx": 256}},
        {"error": {"message": "This model's maximum context length is 256 tokens.",
                   "code": "context_length_exceeded", "n_prompt_tokens": 900, "n_ctx": 256}},
    ],
    ids=["llama.cpp", "openai"],
)  # fmt: skip
def test_a_conversation_that_is_too_long(server, model, body):
    server.then(status(400, body))
    error = fails(model, ModelContextError)
    assert error.code is VCPErrorCode.MODEL_CONTEXT_OVERFLOW
    assert error.details["prompt_tokens"] == 900
    assert error.details["context_tokens"] == 256


def test_html_with_a_good_status(server, model):
    server.then(status(200, b"<html>Welcome to nginx</html>", content_type="text/html"))
    assert "web page" in fails(model, ModelReplyError).message


@pytest.mark.parametrize("content", [b"{", b'"text"', b"[]"])
def test_json_that_is_no_answer(server, model, content):
    server.then(status(200, content))
    fails(model, ModelReplyError)


def test_an_error_with_a_good_status(server, model):
    server.then(status(200, {"error": {"message": "overloaded"}}))
    assert "overloaded" in fails(model, ModelUnavailableError).message


def test_a_server_that_does_not_stream_is_understood(server, model):
    message = {"role": "assistant", "content": "at once"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    server.then(status(200, {"choices": [choice], "usage": usage()["usage"]}))
    answer = reply(model)
    assert (answer.text, answer.finish_reason, answer.usage) == ("at once", "stop", Usage(7, 2))


def test_every_error_is_a_model_error_and_survives_a_pickle():
    import pickle

    error = ModelNotFoundError("No.", where="there", next_step="Look.", details={"status": 404})
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, ModelError)
    assert isinstance(again, NotFoundError)
    assert isinstance(again, VCPError)
    assert (str(again), again.details) == (str(error), error.details)


def test_what_a_body_says():
    assert spoken({"error": {"message": "a\n b"}}) == "a b"
    assert spoken({"detail": [{"msg": "x", "loc": ["q"]}, {"msg": "y"}]}) == "q x; y"
    assert spoken(None) == spoken("") == spoken([]) == ""
    assert spoken("<html><style>p{}</style><p>Down</p></html>") == "Down"
    assert len(spoken("x" * 5000)) < 400


def test_pauses():
    assert pause_asked_for({"retry-after": "2"}) == 2
    assert pause_asked_for({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert pause_asked_for({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert pause_asked_for({"retry-after": "soon"}) is None
    assert pause_asked_for({"retry-after": "-5"}) is None
    assert pause_asked_for({}) is None


# -- closing, cancelling, many at once


def test_closing_the_iterator_closes_the_connection(server, model):
    server.then(hangs_after(chunk("a"), chunk("b")))

    async def read_one():
        async with aclosing(model.stream(ASKED)) as pieces:
            return (await anext(pieces)).text

    assert run(read_one()) == "a"
    assert server.requests[0].gone.wait(5), "the server still writes to nobody"


def test_closing_leaves_no_generator_to_the_garbage_collector(server, model):
    # It would finalise them in whichever thread it runs, while the loop's thread is in them.
    server.then(says("connected"), hangs_after(chunk("a"), chunk("b")))
    reply(model)

    async def read_one():
        async with aclosing(model.stream(ASKED)) as pieces:
            await anext(pieces)

    def suspended():
        return {
            id(thing): thing.ag_code.co_qualname
            for thing in gc.get_objects()
            if type(thing) is types.AsyncGeneratorType and thing.ag_frame is not None
        }

    gc.collect()
    gc.disable()
    try:
        before = suspended()
        run(read_one())
        after = suspended()
    finally:
        gc.enable()
    assert {mark: name for mark, name in after.items() if mark not in before} == {}


@pytest.mark.parametrize("begun", [False, True])
def test_cancelling_closes_the_connection(server, model, begun):
    server.then(hangs_after(*([chunk("a")] if begun else [])))
    job = submit(complete(model, ASKED))
    wait_until(lambda: server.requests)
    if begun:
        wait_until(lambda: server.requests[0].begun)
    job.cancel()
    assert server.requests[0].gone.wait(5)
    wait_until(job.done)
    assert job.cancelled()


def test_a_reader_on_another_loop_closes_it_too(server, model):
    server.then(hangs_after(chunk("a")))

    async def read_one():
        async with aclosing(model.stream(ASKED)) as pieces:
            return (await anext(pieces)).text

    assert asyncio.run(read_one()) == "a"
    assert server.requests[0].gone.wait(5)


def test_the_connection_is_used_again(server, model):
    server.then(says("a"))
    reply(model)
    reply(model)
    ports = {exchange.writer.get_extra_info("peername")[1] for exchange in server.requests}
    assert len(ports) == 1


def test_eight_at_once(server, model):
    everybody = asyncio.Event()

    async def together(exchange):
        if server.together == 8:
            everybody.set()
        await everybody.wait()  # none is answered before all have asked
        name = exchange.body["messages"][0]["content"]
        await exchange.end(chunk(f"{name}, "), chunk(name), chunk(finish="stop"), usage(), DONE)

    server.then(together)

    async def ask_all():
        asked = [ChatRequest((Message("user", str(n)),)) for n in range(8)]
        return await asyncio.gather(*(complete(model, request) for request in asked))

    answers = run(ask_all())
    assert [answer.text for answer in answers] == [f"{n}, {n}" for n in range(8)]
    assert server.most_together == 8


# -- what is traced


class _Kept:
    def __init__(self):
        self.spans = []

    def on_start(self, span):
        pass

    def on_end(self, span):
        self.spans.append(span)


def traced(model, request=ASKED):
    kept = _Kept()
    with add_sink(kept), suppress(ModelError):  # its span is what is looked at
        reply(model, request)
    (span,) = [span for span in kept.spans if span.name == "model.call"]
    return span


def test_a_call_is_a_span(server, model):
    server.then(says("a", "b"))
    span = traced(model, ChatRequest(ASKED.messages, agent="ada", purpose="position"))
    facts = dict(span.attributes)
    assert facts.pop("first_token_ms") > 0
    assert facts == {
        "model": "m",
        "agent": "ada",
        "purpose": "position",
        "finish_reason": "stop",
        "input_tokens": 7,
        "output_tokens": 2,
    }
    assert (span.kind, span.status) == ("model", "ok")


def test_a_repetition_and_a_failure_are_traced_without_the_key(server, model):
    server.then(status(500), status(401, {"error": {"message": f"no {KEY}"}}))
    span = traced(model)
    assert [(event.name, event.attributes["number"]) for event in span.events] == [("retry", 1)]
    assert (span.status, span.error_type) == ("error", "ModelAuthenticationError")
    assert KEY not in f"{span.attributes} {span.error_message}"


def test_a_call_that_is_given_up_is_cancelled(server, model):
    server.then(hangs_after(chunk("a")))
    kept = _Kept()

    async def read_one():
        async with aclosing(model.stream(ASKED)) as pieces:
            await anext(pieces)

    with add_sink(kept):
        run(read_one())
    assert [span.status for span in kept.spans if span.name == "model.call"] == ["cancelled"]


def wait_until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
