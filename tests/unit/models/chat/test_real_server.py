"""Chat models against a real llama.cpp server with a tiny model (random weights)."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.support.tiny_llm import make_model, tiny_server
from vcplab.core.errors import VCPErrorCode
from vcplab.core.loop import run
from vcplab.models.chat.failures import (
    ModelAuthenticationError,
    ModelContextError,
    ModelUnavailableError,
)
from vcplab.models.chat.ledger import Ledger, LedgerEntry, Price, PriceTable
from vcplab.models.chat.openai import OpenAIChat
from vcplab.models.chat.recorded import NotRecordedError, Recorded
from vcplab.protocol.completions import ChatRequest, complete
from vcplab.protocol.messages import Message
from vcplab.protocol.ports import ChatModel

STANCE = {
    "type": "object",
    "properties": {
        "stance": {"type": "string", "enum": ["approve", "reject", "abstain"]},
        "confidence": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["stance", "confidence"],
    "additionalProperties": False,
}


def asked(text="Say something.", **options):
    options = {"temperature": 0, "max_tokens": 16, **options}
    return ChatRequest((Message("system", "Be brief."), Message("user", text)), **options)


@pytest.fixture
def model(tiny):
    model = OpenAIChat("tiny", base_url=tiny.url, retries=0)
    yield model
    run(model.aclose())


async def read(model, request):
    return [piece async for piece in model.stream(request)]


def reply(model, request):
    return run(complete(model, request))


def busy(server):
    with urllib.request.urlopen(f"{server.root}/slots", timeout=10) as answer:
        return sum(slot["is_processing"] for slot in json.load(answer))


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.01)


def test_an_answer_streams_and_the_server_tells_the_usage(model):
    assert isinstance(model, ChatModel)
    pieces = run(read(model, asked()))
    assert sum(bool(piece.text) for piece in pieces) >= 5
    last = pieces[-1]
    assert last.finish_reason == "length"
    assert last.usage is not None
    assert not last.usage.estimated
    assert last.usage.output_tokens == 16
    assert last.usage.input_tokens > 5


def test_the_pieces_come_while_the_server_writes(model, tiny):
    async def look():
        async with aclosing(model.stream(asked(max_tokens=1500, extra={"ignore_eos": True}))) as s:
            async for piece in s:
                if piece.text:
                    return await asyncio.to_thread(busy, tiny)

    assert run(look()) == 1


def test_the_likeliest_answer_is_always_the_same(model):
    answers = {reply(model, asked()).text for _ in range(3)}
    assert len(answers) == 1
    assert reply(model, asked("Say something else, please.")).text not in answers


def test_a_seed_draws_the_same_again(model):
    drawn = [reply(model, asked(temperature=1.5, seed=seed)).text for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_eight_at_the_same_time_do_not_mix(model):
    requests = [asked(f"Number {n} speaks.") for n in range(8)]

    async def all_at_once():
        return await asyncio.gather(*(complete(model, request) for request in requests))

    together = run(all_at_once())
    assert [answer.usage.output_tokens for answer in together] == [16] * 8
    assert all(answer.finish_reason == "length" for answer in together)
    assert not any(answer.usage.estimated for answer in together)
    assert [answer.usage.input_tokens for answer in together] == [
        reply(model, request).usage.input_tokens for request in requests
    ]


def test_closing_in_mid_stream_frees_the_server(tiny, model):
    async def cut():
        async with aclosing(model.stream(asked(max_tokens=1900, extra={"ignore_eos": True}))) as s:
            async for piece in s:
                if piece.text:
                    return await asyncio.to_thread(busy, tiny)

    assert run(cut()) == 1
    wait_until(lambda: busy(tiny) == 0)
    assert reply(model, asked()).usage.output_tokens == 16


def test_cancelling_the_task_frees_the_server(tiny, model):
    async def cut():
        begun = asyncio.Event()

        async def watch():
            stream = model.stream(asked(max_tokens=1900, extra={"ignore_eos": True}))
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    if piece.text:
                        begun.set()

        tasks = [asyncio.create_task(watch()) for _ in range(3)]
        await begun.wait()
        for task in tasks:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(end, asyncio.CancelledError) for end in run(cut()))
    wait_until(lambda: busy(tiny) == 0)
    assert reply(model, asked()).usage.output_tokens == 16


@pytest.mark.parametrize("seed", range(5))
def test_a_stance_obeys_its_schema(model, seed):
    answer = reply(
        model, asked("Do you agree?", schema=STANCE, temperature=1.5, seed=seed, max_tokens=400)
    )
    assert answer.finish_reason == "stop"
    stance = json.loads(answer.text)
    assert stance.keys() == {"stance", "confidence"}
    assert stance["stance"] in ("approve", "reject", "abstain")
    assert 0 <= stance["confidence"] <= 9


def test_a_conversation_that_is_too_long_is_told(model):
    with pytest.raises(ModelContextError) as caught:
        reply(model, asked("tide " * 4000))
    assert caught.value.code == VCPErrorCode.MODEL_CONTEXT_OVERFLOW
    assert caught.value.details["context_tokens"] == 2048
    assert caught.value.details["prompt_tokens"] > 2048
    assert reply(model, asked()).text, "the next call is answered"


def test_a_key_is_needed_and_never_shown(tiny_model):
    secret = "vcp-tiny-8f2c1e77"
    with tiny_server(tiny_model, api_key=secret, n_parallel=1) as server:
        for wrong in ("", "not-the-key-9911"):
            model = OpenAIChat("tiny", base_url=server.url, api_key=wrong, retries=0)
            with pytest.raises(ModelAuthenticationError) as caught:
                reply(model, asked())
            assert caught.value.code == VCPErrorCode.MODEL_AUTHENTICATION
            assert "not-the-key" not in str(caught.value)
            run(model.aclose())
        model = OpenAIChat("tiny", base_url=server.url, api_key=secret, retries=0)
        assert reply(model, asked()).usage.output_tokens == 16
        assert secret not in repr(model)
        run(model.aclose())


def test_a_server_that_ends_in_mid_stream_is_told(tiny_model):
    with tiny_server(tiny_model, n_parallel=1) as server:
        model = OpenAIChat("tiny", base_url=server.url, retries=0)
        seen = []

        async def watch():
            request = asked(max_tokens=1900, extra={"ignore_eos": True})
            async for piece in model.stream(request):
                seen.append(piece)
                if len(seen) == 3:
                    os.kill(server.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)

        with pytest.raises(ModelUnavailableError):
            run(watch())
        assert len(seen) >= 3
        run(model.aclose())


def test_a_recording_of_the_server_replays_exactly(model, tmp_path):
    path = tmp_path / "tiny.jsonl"
    stance = asked("Do you agree?", schema=STANCE, max_tokens=400, agent="ann", purpose="position")
    requests = [asked(agent="ann"), asked(agent="bob"), asked(agent="ann"), stance]
    too_long = asked("tide " * 4000)
    recorder = Recorded.record(model, path)
    live = [run(read(recorder, request)) for request in requests]
    with pytest.raises(ModelContextError) as first:
        run(read(recorder, too_long))

    replay = Recorded(path)
    assert [run(read(replay, request)) for request in requests] == live
    with pytest.raises(ModelContextError) as second:
        run(read(replay, too_long))
    assert second.value.message == first.value.message
    assert second.value.next_step == first.value.next_step
    assert second.value.details == first.value.details
    assert replay.unused() == ()
    assert replay.name == "tiny"
    with pytest.raises(NotRecordedError):
        run(read(replay, asked("Something new.")))


def test_the_ledger_is_the_servers_own_account(model):
    requests = [asked(f"Number {n}.", agent=f"agent {n % 2}") for n in range(6)]
    ledger = Ledger(prices=PriceTable({"tin?": Price(1, 2)}))
    for request in requests:
        usage = reply(model, request).usage
        ledger.add(LedgerEntry(request.agent, request.purpose, model.name, usage))
    assert ledger.total.estimated_calls == 0
    assert ledger.usage.output_tokens == 6 * 16
    assert ledger.by_agent["agent 0"].usage.output_tokens == 3 * 16
    assert ledger.cost * 1_000_000 == ledger.usage.input_tokens + 2 * 96


def test_the_tiny_model_is_the_same_every_time(tiny_model, tmp_path):
    assert make_model(tmp_path / "again.gguf").read_bytes() == tiny_model.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_the_server_ends_with_the_process_that_started_it(tiny_model):
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.support.tiny_llm import tiny_server\n"
        "with tiny_server(Path(sys.argv[1]), n_parallel=1) as server:\n"
        "    print(server.root, flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(tiny_model)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[4],
    )
    assert owner.stdout is not None
    root = owner.stdout.readline().strip()
    owner.kill()
    owner.communicate()

    def gone():
        try:
            with urllib.request.urlopen(f"{root}/health", timeout=5):
                return False
        except OSError:
            return True

    wait_until(gone)
