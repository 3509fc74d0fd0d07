"""Fresh copies of stand-ins, and what says that two would answer alike."""

from __future__ import annotations

import asyncio

import pytest

from vcplab.models.chat.recorded import Recorded
from vcplab.models.chat.scripted import Scripted
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest, complete
from vcplab.protocol.messages import Message

ASKED = ChatRequest((Message("user", "Hello?"),), agent="ann")


def said(model):
    return asyncio.run(complete(model, ASKED)).text


@pytest.mark.parametrize(
    "replies",
    [
        ["one", "two"],
        {"ann": ["one"], "*": {"stance": "approve"}},
        [[ChatPiece("one"), ChatPiece("!", finish_reason="stop")]],
        ChatReply("one"),
        lambda request: "one",
    ],
)
def test_a_fresh_script_begins_again(replies):
    model = Scripted(replies, name="n", pieces=2)
    first = said(model)
    fresh = model.fresh()
    assert said(fresh) == first
    assert len(fresh.requests) == len(model.requests) == 1
    assert (fresh.name, fresh.fingerprint) == ("n", model.fingerprint)


def test_fingerprints_tell_scripts_apart():
    def vouched(request):
        return "one"

    vouched.fingerprint = "1"
    scripts = [
        Scripted(["one"]),
        Scripted(["one"], cycle=True),
        Scripted(["one"], name="n"),
        Scripted(["one"], pieces="whole"),
        Scripted(["one", "two"]),
        Scripted({"ann": ["one"]}),
        Scripted({("ann", "speak"): ["one"]}),
        Scripted([ValueError("one")]),
        Scripted([{"one": 1}]),
        Scripted([ChatReply("one", finish_reason="length")]),
        Scripted(vouched),
    ]
    assert len({script.fingerprint for script in scripts}) == len(scripts)
    assert None not in {script.fingerprint for script in scripts}
    assert Scripted(["one"], delay=0.1).fingerprint == scripts[0].fingerprint
    assert Scripted(lambda request: "one").fingerprint is None


def test_a_fresh_recording_has_all_its_answers(tmp_path):
    recorder = Recorded.record(Scripted(["one", "two"]), tmp_path / "a.jsonl")
    assert recorder.fingerprint is None
    assert recorder.fresh() is recorder
    assert said(recorder) == "one"
    early = Recorded(tmp_path / "a.jsonl")
    assert said(recorder) == "two"
    model = Recorded(tmp_path / "a.jsonl", match="order")
    assert [said(model), said(model)] == ["one", "two"]
    assert [said(model.fresh()), said(model.fresh())] == ["one", "one"]
    prints = {early.fingerprint, model.fingerprint, Recorded(tmp_path / "a.jsonl").fingerprint}
    assert len(prints) == 3
    assert None not in prints
    assert model.fresh().fingerprint == model.fingerprint
