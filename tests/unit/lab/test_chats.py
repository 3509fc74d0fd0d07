"""The chats of a lab: kept in its folder, opened again, read by others, closed in the middle."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys
import textwrap

import pytest

import vcplab as vl
from tests.support.chatting import Gate, logged, texts, wait_until
from vcplab.core.errors import NotFoundError, StateError, VCPError


def echo(request):
    return f"{request.agent} speaks"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "lab"


def test_a_chat_has_the_lab_s_model_tools_and_variables(folder):
    model = vl.Scripted(echo, name="mine")
    with vl.Lab(folder, model=model, seed=11) as lab:
        lab.prompt_variables.create("Mood", "cheerful")
        lab.agents.create(vl.Agent("ann", "Be {{Mood}}."))
        chat = lab.group_chat(["ann", "bob"], name="review", stop=vl.stop.rounds(1)).start("T")
        chat.run()
        assert "Be cheerful." in model.requests[0].messages[0].content
        assert chat.toolbox is lab.tools
        assert chat.state.seed == 11
        assert list(lab.chats) == [chat.id]
        assert lab.chats["review"] is chat
        assert len(lab.chats) == 1
        assert "review" in lab.chats._repr_html_()


def test_it_is_there_again_and_goes_on(folder):
    with vl.Lab(folder, model=vl.Scripted(echo)) as lab:
        chat = lab.group_chat(["ann", "bob"], name="review", stop=vl.stop.rounds(5)).start("T")
        chat.say("Hello", to="bob")
        chat.step()
        before, log = texts(chat), chat.to_jsonl()
    with vl.Lab(folder, model=vl.Scripted(echo)) as lab:
        again = lab.chats["review"]
        assert texts(again) == before
        assert again.to_jsonl() == log
        assert again.messages[0].visible_to == {"bob"}
        assert again.messages[0].time is not None
        assert again.step().content == "bob speaks"
        assert again.ledger.total.calls == 3
        assert again.replay()
        with pytest.raises(NotFoundError):
            lab.chats["nothing"]


def test_forks_are_kept_and_hold_their_parent(folder):
    with vl.Lab(folder, model=vl.Scripted(echo)) as lab:
        chat = lab.group_chat(["ann", "bob"], name="root").start()
        chat.step()
        fork = chat.fork(name="branch")
        fork.step()
        assert {row.name: row.parent for row in lab.chats.rows()} == {
            "root": None,
            "branch": chat.id,
        }
        with pytest.raises(VCPError, match="forked"):
            lab.chats.delete("root")
    with vl.Lab(folder, model=vl.Scripted(echo)) as lab:
        assert texts(lab.chats["branch"]) == ["ann: ann speaks", "bob: bob speaks"]
        lab.chats.delete("branch")
        lab.chats.delete("root")
        assert len(lab.chats) == 0


def test_a_second_opener_reads_and_cannot_write(folder):
    script = """
        import json, sys
        import vcplab as vl
        lab = vl.Lab(sys.argv[1], model=vl.Scripted(["x"]))  # one reply: refusals cost none
        chat = lab.chats["review"]
        found = {"read_only": lab.read_only, "texts": [m.content for m in chat.messages]}
        for name, act in {
            "say": lambda: chat.say("hi"),
            "step": chat.step,
            "create": lambda: lab.group_chat(["ann"]),
            "delete": lambda: lab.chats.delete("review"),
            "join": lambda: chat.add_agent("eve"),
        }.items():
            try:
                act()
                found[name] = "done"
            except Exception as error:
                found[name] = type(error).__name__
        found["events"] = len(chat.events)
        fork = chat.fork(store=vl.ChatStore())
        found["fork"] = fork.step().content
        lab.close()
        print(json.dumps(found))
    """
    with vl.Lab(folder, model=vl.Scripted(echo)) as lab:
        chat = lab.group_chat(["ann", "bob"], name="review").start()
        chat.step()
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(folder)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["read_only"]
        assert found["texts"] == ["ann speaks"]
        kinds = {found[name] for name in ("say", "step", "create", "delete", "join")}
        assert kinds == {"ReadOnlyError"}
        assert found["events"] == len(chat.events)
        assert found["fork"] == "x"
        assert chat.step().content == "bob speaks"


def test_closing_the_lab_during_a_run_keeps_what_was_said(folder):
    gate = Gate("so far ")
    lab = vl.Lab(folder, model=gate)
    chat = lab.group_chat(["ann", "bob"], name="review", stop=vl.stop.rounds(5)).start()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(chat.run)
        wait_until(lambda: gate.waiting)
        lab.close()
        assert running.result(10).kind == "interrupted"
    with vl.Lab(folder, model=vl.Scripted(echo)) as lab:
        again = lab.chats["review"]
        assert texts(again) == ["ann: so far"]
        assert again.messages[0].interrupted
        assert again.step().agent_id == "bob"


def test_closing_the_lab_while_several_wait_to_speak(folder):
    gate = Gate("so far ")
    lab = vl.Lab(folder, model=gate)
    chat = lab.group_chat(["ann", "bob"], name="review", stop=vl.stop.rounds(50)).start()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(chat.run)
        wait_until(lambda: gate.waiting)
        saying = [pool.submit(chat.say, f"@bob {n}") for n in range(3)]
        wait_until(lambda: len(logged(chat, "user:speak")) == 3)
        stepping = pool.submit(chat.step)
        lab.close()
        running.result(10)
        for job in (*saying, stepping):
            outcome = job.exception(10)
            assert outcome is None or isinstance(outcome, StateError), outcome
    assert len(gate.requests) <= 2, "nobody begins a turn while the lab is closed"
    with vl.Lab(folder, model=vl.Scripted(echo)) as lab:
        assert "ann: so far" in texts(lab.chats["review"])


def test_a_chat_of_a_closed_lab_says_so(folder):
    with vl.Lab(folder, model=vl.Scripted(echo)) as lab:
        chat = lab.group_chat(["ann"]).start()
        fork = chat.fork()
    for one in (chat, fork):
        for act in (one.step, lambda one=one: one.say("hi"), lambda one=one: one.add_agent("eve")):
            with pytest.raises(VCPError) as caught:
                act()
            assert caught.value.next_step
        assert len(one.messages) == 0


def test_turns_decisions_and_calls_stand_in_the_trace(folder):
    said = vl.Scripted(lambda r: {"agent": "bob", "reason": "r"} if r.schema else "fine")
    with vl.Lab(folder, model=said) as lab:
        lab.group_chat(["ann", "bob", "cat"], "selected").start().step()
        spans = {span.span_id: span for span in lab.trace.spans(limit=50)}
        tree = sorted(
            (span.name, spans[span.parent_id].name if span.parent_id in spans else None)
            for span in spans.values()
            if span.name in ("chat.decide", "chat.turn", "model.call")
        )
        assert tree == [
            ("chat.decide", None),
            ("chat.turn", None),
            ("model.call", "chat.decide"),
            ("model.call", "chat.turn"),
        ]


def test_a_lab_opened_again_in_this_process_takes_its_chats_over(folder):
    first = vl.Lab(folder, model=vl.Scripted(echo))
    first.group_chat(["ann"], name="review").start().step()
    with vl.Lab(folder, model=vl.Scripted(echo)) as second:
        assert texts(second.chats["review"]) == ["ann: ann speaks"]
        assert second.chats["review"].step().content == "ann speaks"


def test_a_chat_in_a_lab_without_any_model_says_what_is_missing(folder):
    with vl.Lab(folder) as lab:
        chat = lab.group_chat(["ann"]).start()
        with pytest.raises(VCPError, match="no model") as caught:
            chat.step()
        assert "model=" in caught.value.next_step
