"""A chat whose endpoint does what endpoints do wrong: it goes on or stops, and loses nothing."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

import pytest

import vcplab as vl
from tests.support.chatting import Heard, logged, texts, until
from tests.support.faulty_endpoint import (
    DONE,
    FaultyEndpoint,
    breaks_after,
    chunk,
    hangs_after,
    sends,
    status,
    usage,
)
from vcplab.core.errors import OperationTimeoutError, VCPError
from vcplab.core.trace import add_sink
from vcplab.models.chat.failures import ModelError, ModelUnavailableError
from vcplab.protocol.completions import ChatPiece
from vcplab.protocol.messages import Usage

pytest.importorskip("openai", reason="needs openai")


class Counting(FaultyEndpoint):
    """An endpoint that keeps what usage it reported."""

    def __init__(self):
        super().__init__()
        self.reported: list[tuple[int, int]] = []

    def answers(self, text, read=7, written=2, **more):
        async def behave(exchange):
            await exchange.stream(chunk(role="assistant"), *map(chunk, [text]))
            self.reported.append((read, written))
            counts = {"prompt_tokens": read, "completion_tokens": written, **more}
            await exchange.end(chunk(finish="stop"), usage(**counts), DONE)

        return behave

    @property
    def total(self):
        return sum(r for r, _ in self.reported), sum(w for _, w in self.reported)


@pytest.fixture
def server():
    with Counting() as endpoint:
        yield endpoint


@pytest.fixture
def model(server):
    made = vl.OpenAIChat("m", base_url=server.url, retries=1, backoff=0.01, timeout=5)
    yield made
    made.close()


def room(model, *names, mode="sequential", **options):
    options.setdefault("stop", vl.stop.rounds(1))
    agents = [vl.Agent(n) if isinstance(n, str) else n for n in names or ("ann", "bob", "cat")]
    return vl.GroupChat(agents, mode, model=model, **options).start()


def same_as_reported(chat, server):
    """Whether the ledger is what the server said, call by call."""
    own = [e for e in chat.ledger.entries if not e.usage.estimated and e.usage.total_tokens]
    assert [(e.usage.input_tokens, e.usage.output_tokens) for e in own] == server.reported
    total = chat.ledger.total.usage
    assert (total.input_tokens, total.output_tokens) == server.total
    assert not total.estimated
    return True


REFUSED = {"error": {"message": "nope", "type": "x", "code": "x"}}
FAULTS = {
    "400": (status(400, REFUSED),),
    "500 again and again": (status(500, REFUSED), status(500, REFUSED)),
    "breaks before a word": (breaks_after(), breaks_after()),
    "no JSON": (sends(b"data: {nonsense\n\n"),),
    "an error in the stream": (sends({"error": {"message": "overloaded", "code": 400}}),),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("on_error", ["continue", "stop", "raise"])
def test_one_failing_agent(server, model, fault, on_error):
    good = server.answers("fine", 10, 3)
    server.then(good, *FAULTS[fault], good, good, good)
    chat = room(model, on_error=on_error)
    if on_error == "raise":
        with pytest.raises(VCPError) as caught:
            chat.run()
        assert isinstance(caught.value, ModelError)
        assert chat.state.is_active
        said = ["ann: fine"]
    else:
        kind = chat.run().kind
        assert kind == {"continue": "rounds", "stop": "failed"}[on_error]
        assert chat.status == "ended"
        said = ["ann: fine", "cat: fine"] if on_error == "continue" else ["ann: fine"]
    assert texts(chat) == said
    (silent,) = logged(chat, "agent:silent")
    assert (silent["agent"], silent["why"]) == ("bob", "failed")
    assert silent["error"]["code"]
    assert silent["error"]["next_step"]
    assert same_as_reported(chat, server)
    assert chat.ledger.total.failed == 1
    assert chat.ledger.by_agent["bob"].calls == 1
    if on_error == "stop":
        (end,) = logged(chat, "chat:end")
        assert end["reason"].startswith("bob failed: ")
    if on_error == "raise":
        assert chat.run().kind == "rounds", "it goes on"
        assert texts(chat) == ["ann: fine", "cat: fine"]
    assert chat.replay()


def test_an_endpoint_that_refuses_connections():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = vl.OpenAIChat("m", base_url=f"http://127.0.0.1:{port}/v1", retries=0)
    chat = room(model, "ann", "bob")
    result = chat.run()
    assert (result.kind, result.messages) == ("rounds", ())
    assert [d["error"]["code"] for d in logged(chat, "agent:silent")] == [
        str(ModelUnavailableError("x").code)
    ] * 2
    assert chat.ledger.total.usage == Usage()
    assert (chat.ledger.total.calls, chat.ledger.total.failed) == (2, 2)
    model.close()


def test_an_endpoint_that_is_silent_for_ever(server):
    model = vl.OpenAIChat("m", base_url=server.url, retries=0, first_token_timeout=0.1)
    server.then(hangs_after(), server.answers("I am here"))
    chat = room(model, "ann", "bob")
    chat.run()
    assert texts(chat) == ["bob: I am here"]
    assert server.requests[0].gone.wait(10)
    assert same_as_reported(chat, server)
    model.close()


def test_an_endpoint_that_falls_silent_in_the_middle(server):
    model = vl.OpenAIChat("m", base_url=server.url, retries=0, timeout=0.1)
    server.then(hangs_after(chunk(role="assistant"), chunk("Let me ")), server.answers("ok"))
    chat = room(model, "ann", "bob")
    heard = Heard(chat)
    chat.run()
    assert texts(chat) == ["bob: ok"]
    (silent,) = logged(chat, "agent:silent")
    assert silent["partial"] == "Let me ", "nothing is lost"
    assert silent["estimated"]
    assert heard.streamed(1) == "Let me "
    assert chat.ledger.total.estimated_calls == 1
    assert chat.ledger.total.usage.estimated
    model.close()


def test_a_limit_of_the_chat_itself_on_every_call(server, model):
    server.then(hangs_after(chunk("Slow")), server.answers("Quick"))
    chat = room(model, "ann", "bob", call_timeout=0.3)
    chat.run()
    (silent,) = logged(chat, "agent:silent")
    assert silent["error"]["code"] == str(OperationTimeoutError("x").code)
    assert "0.3 s" in silent["error"]["message"]
    assert server.requests[0].gone.wait(10)
    assert texts(chat) == ["bob: Quick"]
    chat = room(model, "ann", call_timeout=0.1, on_error="raise")
    server.then(hangs_after())
    with pytest.raises(OperationTimeoutError, match="longer than"):
        chat.run()


def test_too_many_requests_are_repeated_when_the_server_says(server, model):
    server.then(status(429, REFUSED, retry_after="0"), server.answers("at last", 12, 4))
    chat = room(model, "ann")
    chat.run()
    assert texts(chat) == ["ann: at last"]
    assert len(server.bodies) == 2
    assert same_as_reported(chat, server)
    assert chat.ledger.total.calls == 1
    assert not logged(chat, "agent:silent")


def test_an_answer_that_breaks_off_is_kept_apart_and_estimated(server, model):
    server.then(
        breaks_after(chunk(role="assistant"), chunk("The answer is ")), server.answers("ok")
    )
    chat = room(model, "ann", "bob")
    chat.run()
    (silent,) = logged(chat, "agent:silent")
    assert (silent["partial"], silent["why"]) == ("The answer is ", "failed")
    assert len(server.bodies) == 2, "what had begun is not asked for again"
    assert texts(chat) == ["bob: ok"]
    total = chat.ledger.total
    assert (total.calls, total.failed, total.estimated_calls) == (2, 1, 1)


def test_all_who_speak_at_once_and_one_of_them_fails(server, model):
    async def by_agent(exchange):
        await until(lambda: len(server.requests) == 3)  # they come together
        name = "bob" if "bob" in json.dumps(exchange.body["messages"][-1:]) else "other"
        await (status(400, REFUSED) if name == "bob" else server.answers("fine"))(exchange)

    server.then(by_agent)
    chat = room(model, concurrent=True)
    assert chat.run().kind == "rounds"
    assert sorted(texts(chat)) == ["ann: fine", "cat: fine"]
    assert server.most_together == 3
    assert same_as_reported(chat, server)
    assert chat.ledger.total.failed == 1
    assert chat.replay()


@pytest.mark.parametrize("on_error", ["stop", "raise"])
def test_a_failure_among_those_who_speak_at_once_loses_nobody(server, model, on_error):
    async def by_agent(exchange):
        failing = "ann" in json.dumps(exchange.body["messages"][-1:])
        await (status(400, REFUSED) if failing else server.answers("fine"))(exchange)

    server.then(by_agent)
    chat = room(model, concurrent=True, on_error=on_error)
    if on_error == "raise":
        with pytest.raises(ModelError):
            chat.run()
    else:
        assert chat.run().kind == "failed"
    assert texts(chat) == ["bob: fine", "cat: fine"]
    assert same_as_reported(chat, server)


def test_choosing_speakers_is_in_the_ledger_and_survives_a_fault(server, model):
    choose = server.answers('{"agent": "bob", "reason": "his turn"}', 50, 9)
    speak = server.answers("fine", 20, 5)
    bad = status(400, REFUSED)
    server.then(choose, speak, bad, speak, speak)
    chat = room(model, mode="selected", stop=vl.stop.rounds(2))
    chat.run()
    assert same_as_reported(chat, server)
    purposes = chat.ledger.by_purpose
    assert purposes["select"].usage == Usage(50, 9)
    assert (purposes["select"].calls, purposes["select"].failed) == (2, 1)
    assert purposes["speak"].calls == 2
    assert "The model chose nobody" in chat.messages[-1].reason
    assert chat.replay()


def test_positions_are_in_the_ledger(server, model):
    position = server.answers('{"stance": "approve", "confidence": 1, "reason": "r"}', 30, 8)

    async def by_schema(exchange):
        asked = "response_format" in exchange.body
        await (position if asked else server.answers("I think so", 11, 3))(exchange)

    server.then(by_schema)
    chat = room(model, mode="consensus", stop=vl.stop.consensus() | vl.stop.rounds(3))
    result = chat.run()
    assert result.kind == "consensus"
    assert logged(chat, "consensus:reached")[0]["stance"] == "approve"
    assert chat.ledger.by_purpose["position"].usage == Usage(90, 24)
    own = sorted((e.usage.input_tokens, e.usage.output_tokens) for e in chat.ledger.entries)
    assert own == sorted(server.reported)
    assert chat.state.usage == chat.ledger.usage
    assert chat.replay()


def test_cached_tokens_and_calls_of_tools_are_counted(server, model):
    request = "<<<[TOOL_REQUEST]>>>\ntool_name:「始」Look「末」\n<<<[END_TOOL_REQUEST]>>>"

    class Tools:
        def definitions(self):
            return []

        def descriptions(self):
            return {}

        async def aexecute(self, name, args=None):
            raise AssertionError

        async def ahandle(self, answer, *, messages=()):
            return SimpleNamespace(finished=False, text="seen")

    cached = server.answers("well", 100, 10, prompt_tokens_details={"cached_tokens": 64})
    server.then(server.answers(request, 40, 30), cached)
    chat = room(model, "ann", tools=Tools())
    chat.run()
    assert texts(chat)[-1] == "ann: well"
    assert same_as_reported(chat, server)
    assert chat.ledger.total.usage.cached_tokens == 64
    assert chat.messages[-1].usage == Usage(100, 10, cached_tokens=64)


def test_what_was_paid_is_known_again_after_loading_and_a_fork_pays_only_its_own(server, model):
    server.then(server.answers("fine", 10, 3))
    chat = room(model, "ann", "bob", stop=vl.stop.rounds(5))
    chat.run(rounds=1)
    loaded = vl.GroupChat.load(chat.id, store=chat.store, model=model)
    assert loaded.ledger.usage == chat.ledger.usage == Usage(20, 6)
    fork = chat.fork()
    assert fork.ledger.usage == Usage()
    fork.step()
    assert (fork.ledger.usage, chat.ledger.usage) == (Usage(10, 3), Usage(20, 6))


def test_one_span_for_every_model_call_and_what_they_stand_in(server, model):
    spans = []

    class Sink:
        def on_start(self, span):
            pass

        def on_end(self, span):
            spans.append(span)

    server.then(server.answers('{"agent": "bob", "reason": "r"}'), server.answers("fine"))
    scripted = vl.Scripted(lambda r: {"agent": "bob", "reason": "r"} if r.schema else "fine")
    for chosen in (model, scripted):
        spans.clear()
        chat = room(chosen, mode="selected")
        with add_sink(Sink()):
            chat.step()
        calls = [s for s in spans if s.name == "model.call"]
        assert [s.attributes["purpose"] for s in calls] == ["select", "speak"]
        assert calls[1].attributes["agent"] == "bob"
        assert calls[1].attributes["model"] == chosen.name
        assert calls[1].attributes["output_tokens"] > 0
        names = {s.span_id: s.name for s in spans}
        assert [names[s.parent_id] for s in calls] == ["chat.decide", "chat.turn"]
        server.then(server.answers('{"agent": "bob", "reason": "r"}'), server.answers("fine"))


def test_a_failed_call_is_a_failed_span():
    spans = []

    class Sink:
        def on_start(self, span):
            pass

        def on_end(self, span):
            spans.append(span)

    chat = room(vl.Scripted([[ChatPiece("So"), ValueError("broken")]]), "ann")
    with add_sink(Sink()):
        chat.run()
    (call,) = [s for s in spans if s.name == "model.call"]
    assert call.status == "error"
    (turn,) = [s for s in spans if s.name == "chat.turn"]
    assert turn.attributes["failed"] == "broken"
    (silent,) = logged(chat, "agent:silent")
    assert silent["error"] == {"code": "ValueError", "message": "broken"}


def test_an_agent_without_any_model_says_how_to_give_it_one():
    chat = vl.GroupChat(["ann", vl.Agent("bob", model=vl.Scripted(["ok"]))]).start()
    with pytest.raises(VCPError, match="ann has no model") as caught:
        chat.step()
    assert "model=" in caught.value.next_step
    chat.add_agent(vl.Agent("ann", model=vl.Scripted(["here"])))
    chat.step()
    assert texts(chat) == ["ann: here"]


def test_a_listener_that_fails_harms_nobody():
    chat = vl.GroupChat(["ann"], model=vl.Scripted(["ok"]), stop=vl.stop.rounds(1))

    def broken(event):
        raise RuntimeError("not mine")

    chat.subscribe(broken)
    chat.start()
    chat.run()
    assert texts(chat) == ["ann: ok"]


def test_three_agents_of_a_real_server_agree_under_a_schema(tiny):
    """The tiny model says nothing sensible; what the server grants is the form of the positions."""
    model = vl.OpenAIChat("tiny", base_url=tiny.url, retries=0, max_tokens=40)
    chat = vl.GroupChat(
        ["ann", "bob", "cat"],
        vl.policies.ConsensusPolicy(threshold=0.1, quorum=0.0, max_rounds=1),
        model=model,
        temperature=0,
        window_tokens=400,
        stop=vl.stop.consensus() | vl.stop.rounds(2),
    ).start("Shall we?")
    heard = Heard(chat)
    chat.run()
    assert len(heard.of("agent:stream")) > 6
    asked = [d for d in logged(chat, "model:call") if d["purpose"] == "position"]
    assert len(asked) >= 3
    whole = [d for d in asked if d.get("finish", "stop") == "stop"]
    for data in whole:
        position = json.loads(data["text"])
        assert position["stance"] in ("approve", "reject", "abstain")
        assert set(position) == {"stance", "confidence", "reason"}
    assert len(chat.ledger) == len(asked) + len(chat.messages) + len(logged(chat, "agent:silent"))
    assert not chat.ledger.usage.estimated
    assert chat.replay()
    model.close()
