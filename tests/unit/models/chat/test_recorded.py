"""Recordings of models, and the model that answers from them."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vcplab as vl
from vcplab.core.clock import FrozenClock, use_clock
from vcplab.core.errors import (
    InvalidDataError,
    InvalidInputError,
    NotFoundError,
    SchemaMismatchError,
    StateError,
    VCPError,
)
from vcplab.models.chat.failures import (
    ModelContextError,
    ModelError,
    ModelRateLimitError,
    ModelUnavailableError,
)
from vcplab.models.chat.recorded import NotRecordedError, Recorded
from vcplab.models.chat.recording import Recording, canonical_request, request_key
from vcplab.models.chat.scripted import Scripted
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest, complete
from vcplab.protocol.messages import Message, ToolCall, Usage
from vcplab.protocol.ports import ChatModel


def asked(*texts, **options):
    return ChatRequest(tuple(Message("user", text) for text in texts or ("Hello?",)), **options)


def reply(model, request=None):
    return asyncio.run(complete(model, request or asked()))


async def read(model, request):
    return [piece async for piece in model.stream(request)]


def pieces(model, request=None):
    return asyncio.run(read(model, request or asked()))


def record(path, replies, *requests, **options):
    """Record a call per request, failures included."""
    model = Recorded.record(Scripted(replies, name="qwen3", **options), path)
    for request in requests:
        with suppress(VCPError, ValueError):
            reply(model, request)
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chat.jsonl"


# --- what is kept -----------------------------------------------------------------------------


def test_it_is_a_chat_model_and_says_what_it_is(path):
    recorder = record(path, ["a"], asked())
    model = Recorded(path)
    assert isinstance(model, ChatModel)
    assert model.name == recorder.name == "qwen3"
    assert Recorded(path, name="other").name == "other"
    assert "1 calls, 1 unused, replay; a recording, no model" in repr(model)
    assert "records <Scripted" in repr(recorder)
    assert (model.mode, model.path) == ("replay", path)


def test_pieces_come_back_with_their_boundaries_and_all_they_say(path):
    call = ToolCall("c1", "search", '{"query": "潮汐"}')
    given = (
        ChatPiece("Hel"),
        ChatPiece(reasoning="hm"),
        ChatPiece(""),
        ChatPiece("lo \u2028 世界"),
        ChatPiece("x", tool_calls=(call,)),
        ChatPiece(finish_reason="tool_calls"),
        ChatPiece(usage=Usage(7, 3, False, 2)),
    )
    record(path, [given], asked())
    assert tuple(pieces(Recorded(path))) == given


piece_values = st.builds(
    ChatPiece,
    st.text(max_size=8) | st.just("\ud800"),
    st.text(max_size=4),
    st.lists(st.builds(ToolCall, st.text(max_size=3), st.text(max_size=3)), max_size=2).map(tuple),
    st.sampled_from(["stop", "length", None]),
    st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.booleans()),
)


@given(st.lists(piece_values, min_size=1, max_size=6), st.text(max_size=10))
def test_every_answer_comes_back_as_it_was(tmp_path_factory, given, text):
    path = tmp_path_factory.mktemp("recorded") / "chat.jsonl"
    given = [*given, ChatPiece(finish_reason="stop", usage=Usage(1, 1))]
    record(path, [given], asked(text))
    assert pieces(Recorded(path), asked(text)) == given


def test_the_same_request_gets_its_next_answer(path):
    record(path, ["one", "else", "two"], asked("a"), asked("b"), asked("a"))
    model = Recorded(path)
    assert [reply(model, asked(t)).text for t in ("a", "a", "b")] == ["one", "two", "else"]
    assert model.unused() == ()


def test_asking_once_more_than_recorded_is_told(path):
    record(path, ["one", "two"], asked(agent="ann"), asked(agent="ann"))
    model = Recorded(path)
    for _ in range(2):
        reply(model, asked(agent="ann"))
    with pytest.raises(NotRecordedError, match=r"'ann', speak\) was recorded 2 times") as caught:
        reply(model, asked(agent="ann"))
    assert caught.value.details["recorded_lines"] == [2, 3]


def test_failures_are_raised_again_as_the_same_class(path):
    slow = ModelRateLimitError(
        "Too many.", where="http://x", next_step="Wait.", details={"retry_after": 2.5}
    )
    errors = [slow, ModelContextError("Too long."), StateError("odd"), ValueError("plain")]
    requests = [asked(str(n)) for n in range(4)]
    record(path, errors, *requests)
    model = Recorded(path)
    for error, request in zip(errors, requests, strict=True):
        with pytest.raises(type(error)) as caught:
            reply(model, request)
        assert type(caught.value) is type(error)
        assert str(caught.value) == str(error)
    with pytest.raises(ModelRateLimitError) as caught:
        reply(Recorded(path), requests[0])
    assert caught.value.retry_after == 2.5
    assert caught.value.next_step == "Wait."


def test_a_failure_of_an_unknown_class_is_a_model_error(path):
    class OddError(Exception):
        pass

    with pytest.raises(OddError):
        reply(Recorded.record(Scripted([OddError("what")]), path))
    with pytest.raises(ModelError, match="OddError: what"):
        reply(Recorded(path))


def test_what_came_before_a_failure_comes_again(path):
    record(path, [[ChatPiece("half"), ModelUnavailableError("cut")]], asked())
    seen = []

    async def watch():
        async for piece in Recorded(path).stream(asked()):
            seen.append(piece.text)

    with pytest.raises(ModelUnavailableError):
        asyncio.run(watch())
    assert seen == ["half"]


def test_no_secret_is_written(path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "hunter2-hunter2")
    request = asked(extra={"api_key": "k-very-secret", "top_k": 3, "headers": {"X-Token": "tok9"}})
    record(path, [ModelUnavailableError("No: hunter2-hunter2", where="k")], request)
    text = path.read_text(encoding="utf-8")
    for secret in ("hunter2", "very-secret", "tok9"):
        assert secret not in text
    assert '"top_k":3' in text
    # Another key asks the same.
    with pytest.raises(ModelUnavailableError):
        reply(Recorded(path), asked(extra={"api_key": "mine", "top_k": 3, "headers": {}}))


def test_a_picture_is_kept_by_its_hash(path):
    picture = "data:image/png;base64," + "A" * 10_000
    request = ChatRequest((Message("user", "?", images=(picture, "https://x/y.png")),))
    record(path, ["a cat"], request)
    assert path.stat().st_size < 2000
    assert "https://x/y.png" in path.read_text(encoding="utf-8")
    assert reply(Recorded(path), request).text == "a cat"


# --- how a request is known ---------------------------------------------------------------------

BASE = asked("Hello?", agent="ann", temperature=0.5, extra={"top_k": 1})


@pytest.mark.parametrize(
    "other",
    [
        asked("Hello!", agent="ann", temperature=0.5, extra={"top_k": 1}),
        replace(BASE, messages=(*BASE.messages, Message("user", ""))),
        replace(BASE, messages=(Message("system", "Hello?"),)),
        replace(BASE, messages=(Message("user", "Hello?", name="Bob"),)),
        replace(BASE, messages=(Message("user", "Hello?", images=("https://x/y.png",)),)),
        replace(BASE, messages=(Message("user", "Hello?", tool_call_id="c"),)),
        replace(BASE, messages=(Message("user", "Hello?", tool_calls=(ToolCall("c", "n"),)),)),
        replace(BASE, tools=({"name": "search"},)),
        replace(BASE, schema={}),
        replace(BASE, temperature=None),
        replace(BASE, temperature=0.6),
        replace(BASE, max_tokens=9),
        replace(BASE, seed=0),
        replace(BASE, stop=("x",)),
        replace(BASE, extra={"top_k": 2}),
        replace(BASE, extra={"top_k": 1, "stop_token": 7}),
        replace(BASE, agent="bob"),
        replace(BASE, agent=None),
        replace(BASE, purpose="position"),
    ],
    ids=range(19),
)
def test_what_decides_on_the_answer_decides_on_the_key(other):
    assert request_key(other) != request_key(BASE)


@pytest.mark.parametrize(
    "same",
    [
        replace(BASE, messages=(Message("user", "Hello?", time=datetime(2026, 1, 1, tzinfo=UTC)),)),
        replace(BASE, messages=(Message("user", "Hello?", metadata={"id": 3}),)),
        replace(BASE, extra={"top_k": 1, "token": "secret"}),
    ],
)
def test_times_extras_and_secrets_do_not(same):
    assert request_key(same) == request_key(BASE)


def test_whole_and_broken_zero_are_one_temperature():
    assert request_key(replace(BASE, temperature=0)) == request_key(replace(BASE, temperature=0.0))


def test_the_key_is_the_same_in_every_version():
    # A changed key makes every recording of our users useless.
    assert request_key(BASE) == KEY
    assert request_key(canonical_request(BASE)) == KEY


KEY = "fda1ce06de4bd92ffca08dc313cd73e427136f5545002dcfbda2f7e15602ae77"


@pytest.mark.parametrize("bad", [{1, 2}, float("nan"), object()])
def test_a_request_that_is_no_json_is_refused(path, bad):
    model = Recorded.record(Scripted(["a"]), path)
    with pytest.raises(InvalidInputError, match="JSON"):
        reply(model, asked(extra={"x": bad}))
    assert not path.exists()


def test_an_unknown_request_is_shown_the_nearest_one(path):
    record(
        path,
        ["1", "2", "3"],
        asked("Be kind.", "What is a tide?", agent="ann"),
        asked("Be kind.", "What is a tide?", agent="bob"),
        asked("Be kind.", "What is a tide?", "And now?", agent="bob"),
    )
    with pytest.raises(NotRecordedError) as caught:
        reply(Recorded(path), asked("Be kind.", "What is a tram?", agent="bob"))
    error = caught.value
    assert isinstance(error, ModelError)
    assert isinstance(error, NotFoundError)
    assert error.details["nearest_line"] == 3
    assert "messages[1].content, from character 12" in str(error)
    assert "'What is a tide?'" in str(error)
    assert "'What is a tram?'" in str(error)
    assert "line 3" in str(error)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (asked("a", "b", "c"), "messages: 2 were recorded, 3 are asked"),
        (asked("a", "b", temperature=1), "temperature: recorded nothing, asked 1.0"),
        (asked("a", "b", agent="bob"), 'agent: recorded nothing, asked "bob"'),
        (asked("a", "b", purpose="select"), "purpose, from character 2"),
        (asked("a", "b" * 100), "messages[1].content, from character 2"),
    ],
)
def test_the_first_difference_is_named(path, other, told):
    record(path, ["x"], asked("a", "b"))
    with pytest.raises(NotRecordedError) as caught:
        reply(Recorded(path), other)
    assert told in caught.value.message


def test_by_order_edited_prompts_find_their_answers(path):
    record(
        path,
        ["ann 1", "bob 1", "ann 2"],
        asked("a", agent="ann"),
        asked("b", agent="bob"),
        asked("c", agent="ann"),
    )
    model = Recorded(path, match="order")
    answers = [reply(model, asked("edited", agent=name)).text for name in ("ann", "ann", "bob")]
    assert answers == ["ann 1", "ann 2", "bob 1"]
    with pytest.raises(NotRecordedError, match="recorded 1 times"):
        reply(model, asked("more", agent="bob"))
    with pytest.raises(NotRecordedError, match=r"recorded are 'ann' \(speak\), 'bob' \(speak\)"):
        reply(model, asked("more", agent="ann", purpose="position"))


# --- modes --------------------------------------------------------------------------------------


def test_auto_asks_only_what_is_unknown(path):
    record(path, ["known"], asked("a"))
    source = Scripted(["new", "newer"], name="qwen3")
    model = Recorded(path, source)
    assert model.mode == "auto"
    assert [reply(model, asked(t)).text for t in ("a", "b", "a")] == ["known", "new", "newer"]
    assert [request.messages[0].content for request in source.requests] == ["b", "a"]
    again = Recorded(path)
    assert [reply(again, asked(t)).text for t in ("a", "a", "b")] == ["known", "newer", "new"]


def test_auto_begins_a_file(path):
    model = Recorded(path, Scripted(["a"]), mode="auto")
    assert reply(model).text == "a"
    assert reply(Recorded(path)).text == "a"


def test_record_always_asks_and_continues_the_file(path):
    record(path, ["old"], asked())
    recorder = record(path, ["new"], asked())
    assert recorder.unused() == ()
    model = Recorded(path)
    assert [reply(model).text for _ in range(2)] == ["old", "new"]


def test_another_model_is_not_mixed_in(path):
    record(path, ["a"], asked())
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"'qwen3', not of 'llama'"):
        Recorded.record(Scripted(["b"], name="llama"), path)
    assert path.read_bytes() == before
    assert reply(Recorded.record(Scripted(["b"], name="llama"), path, name="qwen3")).text == "b"


def test_two_recorders_of_one_file_are_noticed(path):
    first = Recorded.record(Scripted(["a", "c"]), path)
    second = Recorded.record(Scripted(["b"]), path)
    reply(first)
    before = path.read_bytes()
    with pytest.raises(StateError, match="Someone else"):
        reply(second)
    assert path.read_bytes() == before
    reply(first)
    assert len(Recorded(path).exchanges) == 2


def test_a_call_that_is_closed_is_kept_as_far_as_it_came(path):
    async def first(model):
        async with aclosing(model.stream(asked())) as stream:
            async for piece in stream:
                return piece.text

    source = Scripted(["a b c", "d e f"], name="qwen3")
    recorder = Recorded.record(source, path)
    assert asyncio.run(first(recorder)) == "a "
    assert reply(recorder).text == "d e f"
    model = Recorded(path)
    cut = reply(model)
    assert (cut.text, cut.truncated) == ("a ", True)
    assert reply(model).text == "d e f"
    assert [exchange.closed for exchange in model.exchanges] == [True, False]
    # It is no answer to who wants one: auto goes on to the next.
    assert reply(Recorded(path, source)).text == "d e f"


def test_a_cancelled_call_is_kept_too(path):
    recorder = Recorded.record(Scripted(["a b c"], delay=0.001), path)

    async def cancelled():
        seen = asyncio.Event()

        async def watch():
            async for _ in recorder.stream(asked()):
                seen.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(watch())
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert Recorded(path).exchanges[0].closed


def test_a_caller_who_stops_at_the_end_has_the_whole_answer(path):
    async def until_the_reason(model):
        async with aclosing(model.stream(asked())) as stream:
            async for piece in stream:
                if piece.finish_reason:
                    return

    asyncio.run(until_the_reason(Recorded.record(Scripted(["a b"]), path)))
    assert not Recorded(path).exchanges[0].closed


def test_calls_at_the_same_time_stand_in_the_order_of_their_beginning(path):
    async def slowly(request):
        text = request.messages[0].content
        for _ in range(9 - int(text)):
            await asyncio.sleep(0)
        return text

    async def all_at_once(model):
        await asyncio.gather(*(complete(model, asked(str(n))) for n in range(8)))

    asyncio.run(all_at_once(Recorded.record(Scripted(slowly), path)))
    exchanges = Recorded(path).exchanges
    assert [exchange.text for exchange in exchanges] == [str(n) for n in range(8)]
    assert [exchange.line for exchange in exchanges] == list(range(2, 10))


def test_a_replay_is_watched_at_leisure(path):
    record(path, ["a b"], asked())

    async def times():
        loop = asyncio.get_running_loop()
        before = loop.time()
        await complete(Recorded(path, delay=0.02), asked())
        return loop.time() - before

    assert asyncio.run(times()) >= 0.055


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"mode": "play"}, "play"),
        ({"match": "key"}, "key"),
        ({"mode": "auto"}, "needs a chat model"),
        ({"mode": "record", "model": "qwen3"}, "needs a chat model"),
        ({"mode": "record", "model": Scripted}, "needs a chat model"),
        ({"delay": -1}, "-1"),
    ],
)
def test_what_makes_no_sense_is_refused(path, arguments, match):
    model = arguments.pop("model", None)
    with pytest.raises(InvalidInputError, match=match):
        Recorded(path, model, **arguments)
    assert not path.exists()


# --- the file -----------------------------------------------------------------------------------


def whole(path):
    record(path, ["one", "two", "three"], *(asked(t, temperature=1) for t in "abc"))
    return path.read_bytes().splitlines(keepends=True)


def broken_at(path, lines):
    path.write_bytes(b"".join(lines))
    with pytest.raises(InvalidDataError) as caught:
        Recorded(path)
    assert f"line {caught.value.details['line']}" in str(caught.value)
    return caught.value.details["line"]


def test_edits_losses_and_moves_are_noticed(path):
    head, one, two, three = whole(path)
    assert broken_at(path, [head, one, two.replace(b"two", b"TWO"), three]) == 3
    assert broken_at(path, [head, one, two, three.replace(b"three", b"3")]) == 4
    assert broken_at(path, [head, two, three]) == 2
    assert broken_at(path, [head, one, three, two]) == 3
    assert broken_at(path, [head, one, one, two]) == 3
    assert broken_at(path, [one, two]) == 1
    assert broken_at(path, [head, one, b"\n", two]) == 3
    assert broken_at(path, [head, b"[]\n"]) == 2
    assert broken_at(path, [head, b"\xff\n"]) == 2
    assert broken_at(path, [head, one, two[:-9]]) == 3
    assert broken_at(path, [b""]) == 1
    assert broken_at(path, [b"{}\n"]) == 1


@functools.cache
def sample(folder):
    path = folder / "sample.jsonl"
    return path, b"".join(whole(path))


@given(st.data())
def test_no_changed_byte_goes_unnoticed(tmp_path_factory, data):
    path, content = sample(tmp_path_factory.getbasetemp())
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != content[at]))
    changed = path.with_name("changed.jsonl")
    changed.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
    with pytest.raises((InvalidDataError, SchemaMismatchError)):
        Recorded(changed)


def test_another_file_is_no_recording(path):
    from vcplab.models.chat import recording

    head = {"format": "other", "previous": "", "version": 1}
    head["hash"] = recording.sealed(head)
    path.write_bytes(recording._line(head))
    with pytest.raises(InvalidDataError, match="no recording"):
        Recorded(path)


def test_a_newer_version_is_told(path, monkeypatch):
    from vcplab.models.chat import recording

    monkeypatch.setattr(recording, "VERSION", 2)
    record(path, ["a"], asked())
    monkeypatch.undo()
    with pytest.raises(SchemaMismatchError, match="version 2"):
        Recorded(path)


def test_a_torn_line_is_dropped_when_the_recording_goes_on(path, caplog):
    lines = whole(path)
    path.write_bytes(b"".join(lines)[:-20])
    torn = path.read_bytes()
    model = Recorded(path, Scripted(["again"], name="qwen3"))
    assert "line 4 is torn" in caplog.text
    assert path.read_bytes() == torn, "looking changes nothing"
    assert reply(model, asked("a", temperature=1)).text == "one"
    assert reply(model, asked("c", temperature=1)).text == "again"
    texts = [exchange.text for exchange in Recorded(path).exchanges]
    assert texts == ["one", "two", "again"]


def test_even_a_torn_head_is_mended(path):
    path.write_bytes(b'{"format":"vcp')
    assert reply(Recorded.record(Scripted(["a"]), path)).text == "a"
    assert reply(Recorded(path)).text == "a"


def test_a_missing_file_or_folder_is_told(path):
    with pytest.raises(NotFoundError, match="no such recording"):
        Recorded(path)
    with pytest.raises(StateError, match="cannot be read"):
        Recorded(path.parent)
    with pytest.raises(StateError, match="cannot be recorded"):
        reply(Recorded.record(Scripted(["a"]), path.parent / "nowhere" / "chat.jsonl"))


PROGRAM = textwrap.dedent(
    """
    import asyncio, sys
    from vcplab.models.chat.recorded import Recorded
    from vcplab.models.chat.scripted import Scripted
    from vcplab.protocol.completions import ChatRequest, complete
    from vcplab.protocol.messages import Message

    async def main():
        model = Recorded.record(Scripted(lambda r: "你好 " + r.messages[0].content), sys.argv[1])
        for n in range(int(sys.argv[2])):
            extra = {name: n for name in {"top_k", "min_p", "mirostat", "grammar"}}
            request = ChatRequest((Message("user", f"n{n}"),), extra=extra, agent="安")
            await complete(model, request)
            print(n, flush=True)

    asyncio.run(main())
    """
)


def run(path, count, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_the_same_calls_give_the_same_bytes_in_every_process(tmp_path):
    settings = [
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "Asia/Shanghai", "LC_ALL": "C.UTF-8"},
    ]
    processes = [run(tmp_path / str(n), 5, **s) for n, s in enumerate(settings)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    first, second = ((tmp_path / str(n)).read_bytes() for n in range(2))
    assert first == second
    assert '"agent":"安"' in first.decode()
    assert len(first.splitlines()) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_recorder_loses_no_call_that_was_answered(path):
    process = run(path, 1_000_000)
    told = [process.stdout.readline() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=60)[0].split()
    answered = int(rest[-1] if rest else told[-1]) + 1
    kept = Recording(path, append=True).exchanges
    assert len(kept) >= answered
    assert [e.text for e in kept] == [f"你好 n{n}" for n in range(len(kept))]


# --- looking ------------------------------------------------------------------------------------


def test_the_calls_as_a_frame(path):
    replies = ["a b", ChatReply("c", usage=Usage(5, 2)), ModelUnavailableError("gone")]
    record(path, replies, asked(agent="ann"), asked(agent="ann"), asked("?", purpose="select"))
    model = Recorded(path)
    reply(model, asked(agent="ann"))
    frame = model.to_frame()
    assert list(frame["line"]) == [2, 3, 4]
    assert list(frame["nth"]) == [1, 2, 1]
    assert list(frame["pieces"]) == [3, 2, 0]
    assert list(frame["unused"]) == [False, True, True]
    assert list(frame["failure"])[2] == "ModelUnavailableError"
    assert list(frame["estimated"])[:2] == [True, False]
    assert list(frame["purpose"]) == ["speak", "speak", "select"]
    assert [exchange.line for exchange in model.unused()] == [3, 4]


def test_an_unreadable_error_class_is_never_run(path):
    record(path, [ModelUnavailableError("x")], asked())
    from vcplab.models.chat import recorded

    for name in ("print", "VCPErrorCode", "__doc__", "SystemExit"):
        for plain in (
            {"class": name, "message": "m"},
            {"class": name, "message": "m", "code": "?"},
        ):
            error = recorded._failure(plain)
            assert type(error) is ModelError
            assert isinstance(error, VCPError)


def test_a_line_reads_as_json(path):
    record(path, ["你好"], asked("在吗？", agent="ann"))
    head, call = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(head)["model"] == "qwen3"
    assert "在吗？" in call
    assert json.loads(call)["pieces"][0] == "你"


# --- tools' results on another day --------------------------------------------------------


def _told(moment: str, role: str = "user", value: int = 1) -> ChatRequest:
    payload = json.dumps({"a": value, "timestamp": moment}, indent=2)
    text = json.dumps([{"type": "text", "text": payload}])
    messages = Message(role, f"<!-- VCP_TOOL_PAYLOAD -->\n{text}"), Message("tool", payload)
    return ChatRequest(messages)


def test_the_time_of_a_tools_result_does_not_count():
    then, now = "2026-11-21T14:13:09.793+00:00", "2027-01-02T03:04:05.006+08:00"
    assert request_key(_told(then)) == request_key(_told(now))
    assert request_key(_told(then)) != request_key(_told(now, value=2))
    assert request_key(_told(then)) != request_key(_told("tomorrow"))
    assert canonical_request(_told(then)) != canonical_request(_told(now)), "it is written down"


def test_what_an_agent_says_of_times_counts():
    keys = {
        request_key(_told(moment, role="assistant"))
        for moment in ("2026-11-21T14:13:09.793+00:00", "2027-01-02T03:04:05.006+08:00")
    }
    assert len(keys) == 2


def test_a_chat_with_tools_is_replayed_on_another_day(tmp_path):
    wanted = """One moment.
<<<[TOOL_REQUEST]>>>
tool_name:「始」word_count「末」,
text:「始」four「末」
<<<[END_TOOL_REQUEST]>>>"""

    def chat(model, day, folder):
        with use_clock(FrozenClock(day)), vl.Lab(tmp_path / folder) as lab:

            @lab.tool
            def word_count(text: str) -> int:
                """Count the characters of a text."""
                return len(text)

            made = lab.group_chat(["ann"], model=model, seed=7, name="counting").start()
            made.say("How many?")
            made.say("Sure?")
            return made.to_jsonl()

    path = tmp_path / "calls.jsonl"
    model = Recorded.record(Scripted([wanted, "Four.", "Yes."]), path)
    first = chat(model, "2026-03-01T09:00+08:00", "recorded")
    again = Recorded(path)
    assert chat(again, "2026-04-02T10:11+08:00", "another day") != first, "results tell their time"
    assert again.unused() == ()
    assert chat(Recorded(path), "2026-03-01T09:00+08:00", "the same moment") == first
