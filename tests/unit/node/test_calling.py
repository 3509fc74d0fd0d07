"""Calls of a server: answers, errors, time-outs, many at once, large ones, and strange frames."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.joined import Gate, Joined, eventually, put_plugin
from vcplab.core.loop import run
from vcplab.node import answering
from vcplab.node.events import CallEnded, CallStarted
from vcplab.node.standin import StandInServer
from vcplab.protocol.results import ToolFailure

ECHO = """
import json, sys
print(json.dumps({"status": "success", "result": json.load(sys.stdin)}))
"""
MIB = 2**20


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def ready(joined: Joined, gate: Gate) -> Joined:
    """A lab with a few tools."""
    lab = joined.lab

    @lab.tool
    async def echo(**given: Any) -> Any:
        """Give back what came."""
        return given

    @lab.tool
    def plain(text: str = "") -> str:
        """A plain function."""
        return f"{text} in {threading.current_thread().name}"

    @lab.tool
    async def held(text: str = "") -> str:
        """Answer when told."""
        await gate.passed()
        return text

    @lab.tool
    def broken(text: str = "") -> str:
        """Fail."""
        raise ValueError(f"no {text}")

    return joined


# --- Answers and errors


def test_a_call_and_its_result(ready: Joined) -> None:
    link = ready.join()
    values: list[Any] = [
        {}, {"a": [1, 2.5, None, True]}, {"text": "雪 — \u2028 \x00 \ud83d\ude00 \U0001f600"},
        {"deep": {"er": {"and": ["deeper"]}}}, {"maid": "Nova", "requestId": "not this one"},
    ]  # fmt: skip
    for value in values:
        wanted = json.loads(json.dumps(value))
        assert ready.call("echo", **value) == wanted
    assert ready.call("plain", text="here").startswith("here in ")
    status = link.status()
    assert (status.answered, status.errors, status.lost, status.running) == (6, 0, 0, 0)
    assert {tool.name: tool.calls for tool in status.tools}["echo"] == 5
    assert ready.lab.node.calls()[1].maid == "Nova"


@pytest.mark.parametrize("text", ["half \ud83d", "\udc00\ud800"])
def test_halves_of_characters_do_not_end_a_link(ready: Joined, text: str) -> None:
    link = ready.join()
    assert ready.call("echo", text=text) == {"text": text}
    assert link.status().reconnects == 0


def test_what_is_no_json_is_made_json(ready: Joined) -> None:
    import numpy as np
    import pandas as pd

    lab = ready.lab
    lab.tool(lambda: {1, 2, 3}, name="a_set")
    lab.tool(lambda: float("nan"), name="nan")
    lab.tool(lambda: np.arange(3), name="an_array")
    lab.tool(lambda: pd.DataFrame({"a": [1, 2]}), name="a_frame")
    lab.tool(lambda: Path("a") / "b", name="a_path")
    lab.tool(lambda: None, name="nothing")
    link = ready.join()
    assert sorted(ready.call("a_set")) == [1, 2, 3]
    assert ready.call("nan") is None
    assert ready.call("an_array") == [0, 1, 2]
    assert "a" in json.dumps(ready.call("a_frame"))
    assert ready.call("a_path") in ("a/b", "a\\b")
    assert ready.call("nothing") is None
    assert link.status().errors == 0


def test_errors_are_answers(ready: Joined, tmp_path: Path) -> None:
    lab = ready.lab
    put_plugin(tmp_path / "plugins", "Failing", "import sys\nsys.exit(3)\n")
    failed = 'print(\'{"status": "error", "error": "the oven is cold"}\')\n'
    put_plugin(tmp_path / "plugins", "Cold", failed)
    lab.plugins.add(tmp_path / "plugins", trust=True)

    @lab.tool
    def leaving() -> None:
        raise SystemExit(1)

    link = ready.join(["Failing", "Cold"])
    cases = [
        ("broken", {"text": "bread"}, "ValueError: no bread"),
        ("Cold", {}, "the oven is cold"),
        ("Failing", {}, "3"),
        ("leaving", {}, "SystemExit"),
        ("plain", {"volume": 3}, "volume"),
    ]
    for tool, args, told in cases:
        with pytest.raises(ToolFailure, match=told):
            ready.server.call(tool, args)
    status = link.status()
    assert (status.errors, status.answered) == (len(cases), 0)
    rows = lab.node.calls()
    assert {row.state for row in rows} == {"failed"}
    assert "no bread" in (rows[-1].error or "")
    # Tracebacks stay here.
    assert "Traceback" not in "".join(frame.text for frame in ready.frames("tool_result"))
    assert ready.call("echo", still="there") == {"still": "there"}


def test_tools_that_are_not_offered_cannot_be_called(ready: Joined, tmp_path: Path) -> None:
    lab = ready.lab
    lab.tool(lambda: "secret", name="private", expose=False)
    put_plugin(tmp_path / "plugins", "Folder", ECHO)
    lab.plugins.add(tmp_path / "plugins", trust=True)
    link = ready.join(prefix="lab_")
    # A server, or somebody who has its key, may ask a node for anything.
    for name in ("private", "Folder", "nobody", "echo", "lab_private", "", "internal_request"):
        with pytest.raises(ToolFailure, match="not found for tool call"):
            ready.server.raw_call(name, {}, 5, server="lab")
    status = link.status()
    assert (status.refused, status.errors) == (7, 7)
    assert sum(tool.calls for tool in status.tools) == 0
    link.expose("private")
    ready.server.wait_for_tool("lab_private")
    assert ready.call("lab_private") == "secret"


# --- Time-outs


def test_a_time_out_cancels_the_tool(ready: Joined, gate: Gate) -> None:
    link = ready.join()
    with pytest.raises(ToolFailure, match=r"timed out after 0\.1s"):
        ready.server.call("held", {}, 0.1)
    eventually(lambda: gate.cancelled == 1)
    eventually(lambda: link.status().cancelled == 1)
    assert ready.server.counts["late"] == 0
    assert ready.lab.node.calls()[0].state == "cancelled"
    assert len(ready.frames("cancel_tool", direction="out")) == 1
    assert link.status().running == 0


def test_a_tool_that_ignores_being_cancelled(ready: Joined) -> None:
    lab = ready.lab
    go_on = threading.Event()
    gates = Gate()

    @lab.tool
    async def stubborn() -> str:
        for _ in range(3):
            try:
                await gates.passed()
                break
            except asyncio.CancelledError:
                pass
        return "after all"

    @lab.tool
    def deaf() -> str:
        go_on.wait(20)
        return "after all"

    link = ready.join()
    for tool in ("stubborn", "deaf"):
        with pytest.raises(ToolFailure, match="timed out"):
            ready.server.call(tool, {}, 0.1)
    # The link is none the worse.
    assert ready.call("echo", a=1) == {"a": 1}
    gates.open()
    go_on.set()
    eventually(lambda: link.status().running == 0)
    assert ready.call("echo", a=2) == {"a": 2}
    # Nobody waits for it: it is no result, and never a second answer to another call.
    assert {row.state for row in lab.node.calls() if row.tool in ("stubborn", "deaf")} == {
        "cancelled"
    }
    assert ready.server.counts["late"] == 0
    assert link.status().cancelled == 2


def test_a_tools_own_limit_is_told_and_kept(ready: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_GRACE", 0.2)
    lab = ready.lab

    @lab.tool(timeout=0.2)
    async def slow() -> None:
        await asyncio.sleep(30)

    link = ready.join()
    assert ready.server.tools["slow"]["communication"]["timeout"] == 200
    began = time.monotonic()
    with pytest.raises(ToolFailure, match=r"timed out after 0\.2s"):
        ready.server.call("slow")
    assert time.monotonic() - began < 5
    eventually(lambda: link.status().running == 0)
    # A server that waits longer gets the tool's own limit as an error.
    with pytest.raises(ToolFailure, match="timed out after"):
        ready.server.call("slow", {}, 20)
    eventually(lambda: link.status().timed_out == 1)
    assert ready.lab.node.calls()[0].state == "timed_out"


def test_servers_that_never_cancel(
    lab: vl.Lab, make_server: Callable[..., StandInServer], gate: Gate
) -> None:
    joined = Joined(lab, make_server(cancels=False))

    @lab.tool
    async def held() -> str:
        await gate.passed()
        return "late"

    link = joined.join()
    with pytest.raises(ToolFailure, match="timed out"):
        joined.server.call("held", {}, 0.05)
    gate.open()
    joined.server.wait_until(lambda server: server.counts["late"] == 1)
    assert link.status().answered == 1


# --- Many


def test_64_at_once_are_answered_out_of_order(ready: Joined) -> None:
    lab = ready.lab
    gates = [Gate() for _ in range(64)]
    ended: list[int] = []

    @lab.tool
    async def mine(n: int) -> int:
        await gates[n].passed()
        ended.append(n)
        return n

    link = ready.join()
    calls = [ready.begin("mine", {"n": n}) for n in range(64)]
    for gate in gates:
        gate.reached()
    assert link.status().running == 64
    assert {row.state for row in lab.node.calls()} == {"running"}
    # The connection reads on meanwhile.
    assert ready.call("echo", a=1) == {"a": 1}
    for n in reversed(range(64)):
        gates[n].open()
    assert [call.result(10)["original_plugin_output"] for call in calls] == list(range(64))
    assert ended == list(reversed(range(64)))
    answers = [frame.data["data"]["result"] for frame in ready.frames("tool_result")][1:]
    assert answers == ended
    status = link.status()
    assert (status.answered, status.running) == (65, 0)
    assert ready.server.counts["answered"] == 65
    assert ready.server.counts["late"] == 0


def test_64_plain_functions_and_a_large_call_beside_them(ready: Joined) -> None:
    lab = ready.lab
    go_on = threading.Event()

    @lab.tool
    def blocking(n: int) -> int:
        go_on.wait(20)
        return n

    ready.join()
    calls = [ready.begin("blocking", {"n": n}) for n in range(64)]
    try:
        eventually(lambda: ready.lab.node.links[0].status().running == 64)
        # All workers are busy; an asynchronous tool needs none, whatever its arguments' size.
        text = "x" * MIB
        assert ready.call("echo", text=text) == {"text": text}
    finally:
        go_on.set()
    assert [call.result(20)["original_plugin_output"] for call in calls] == list(range(64))


def test_calls_of_many_tools_and_kinds_at_once(ready: Joined, tmp_path: Path) -> None:
    put_plugin(tmp_path / "plugins", "Folder", ECHO)
    ready.lab.plugins.add(tmp_path / "plugins", trust=True)
    ready.join("Folder")
    calls = []
    for n in range(12):
        calls.append((n, ready.begin(("echo", "Folder")[n % 2], {"n": n})))
    calls += [(n, ready.begin("plain", {"text": str(n)})) for n in range(12, 24)]
    for n, call in calls:
        result = call.result(20)
        assert str(n) in json.dumps(result)
    assert ready.server.counts["answered"] == 24


# --- Large


def test_20_mb_of_arguments_and_results(ready: Joined) -> None:
    @ready.lab.tool
    def length(text: str) -> int:
        return len(text)

    @ready.lab.tool
    def much(n: int) -> str:
        return "雪" * n

    @ready.lab.tool
    def many(n: int) -> list[dict[str, Any]]:
        return [{"n": i, "text": "abcdefgh"} for i in range(n)]

    link = ready.join()
    assert ready.call("length", text="a" * 20 * MIB) == 20 * MIB
    assert len(ready.call("much", n=7 * MIB)) == 7 * MIB
    assert len(ready.call("many", n=10_000)) == 10_000
    status = link.status()
    assert (status.reconnects, status.lost, status.errors) == (0, 0, 0)
    # The table of the latest calls does not keep them.
    assert max(len(row.arguments) + len(row.result) for row in ready.lab.node.calls()) < 1_000


def test_too_large_a_result_is_an_error(ready: Joined) -> None:
    @ready.lab.tool
    def much(n: int) -> str:
        return "x" * n

    @ready.lab.tool
    def snow(n: int) -> str:
        return "雪" * n

    link = ready.join(max_size=MIB)
    with pytest.raises(ToolFailure, match="too large to be sent"):
        ready.call("much", n=2 * MIB)
    with pytest.raises(ToolFailure, match="too large to be sent"):
        ready.call("snow", n=MIB // 2)  # fewer characters, but more bytes
    assert len(ready.call("much", n=MIB // 2)) == MIB // 2
    assert link.status().reconnects == 0


# --- Frames of all kinds


def _node(joined: Joined) -> str:
    """The server's name for the line of echo."""
    return next(n.server_id for n in joined.server.nodes if "echo" in n.tools)


def test_unknown_and_malformed_frames_are_counted_and_ignored(ready: Joined) -> None:
    link = ready.join()
    server, node = ready.server, _node(ready)
    unknown: list[Any] = [
        {"type": "plugin_callback_notification", "data": {"a": 1}},
        {"type": "no_such_thing"},
        {"type": "no_such_thing", "data": []},
        {"type": "x" * 500},
        {"type": 7}, {"data": {}}, {},
        {"type": "vcp_log", "data": {"tool_name": "x", "status": "success", "content": ""}},
        {"type": "tool_result", "data": {"requestId": "1", "status": "success", "result": 1}},
    ]  # fmt: skip
    malformed: list[Any] = [
        "", "nothing", "[]", "7", "null", '"text"', "{", b"\xff\xfe", b"\x00" * 50,
        "[" * 100_000, '{"type":' * 5_000, '{"type": "execute_tool", "data": 1e999}',
        {"type": "execute_tool"}, {"type": "execute_tool", "data": []},
        {"type": "execute_tool", "data": {"requestId": "r"}},
        {"type": "execute_tool", "data": {"toolName": "echo", "toolArgs": {}}},
        {"type": "execute_tool", "data": {"requestId": "r", "toolName": 7, "toolArgs": {}}},
        {"type": "cancel_tool", "data": {}},
        {"type": "cancel_tool", "data": {"requestId": {"a": []}}},
        {"type": "execute_tool", "data": {"requestId": ["a"], "toolName": "echo"}},
    ]  # fmt: skip
    for frame in [*unknown, *malformed]:
        server.send(node, frame)
    assert ready.call("echo", still="there") == {"still": "there"}
    status = link.status()
    assert status.malformed == len(malformed)
    assert sum(status.ignored.values()) == len(unknown)
    assert status.ignored["no_such_thing"] == 2
    assert max(map(len, status.ignored)) <= 60
    assert status.reconnects == 0
    assert status.answered == 1
    assert [f.data["data"]["status"] for f in ready.frames("tool_result")] == ["success"]


def test_broadcasts_reach_every_line_and_are_ignored(ready: Joined) -> None:
    link = ready.join()
    sent = ready.server.broadcast({"type": "plugin_callback_notification", "data": {}})
    assert sent == link.status().lines == 5
    eventually(lambda: link.status().ignored == {"plugin_callback_notification": 5})


def test_binary_frames(ready: Joined) -> None:
    ready.join()
    frame = {"type": "execute_tool", "data": {"requestId": "b-1", "toolName": "echo",
             "toolArgs": {"text": "雪"}}}  # fmt: skip
    ready.server.send(_node(ready), json.dumps(frame).encode())
    ready.server.wait_until(lambda server: server.counts["late"] == 1)
    answer = ready.frames("tool_result")[-1].data["data"]
    assert answer == {"requestId": "b-1", "status": "success", "result": {"text": "雪"}}


def test_a_call_that_is_sent_twice_runs_once(ready: Joined, gate: Gate) -> None:
    link = ready.join()
    server = ready.server
    node = next(n.server_id for n in server.nodes if "held" in n.tools)
    frame = {"type": "execute_tool", "data": {"requestId": "twice", "toolName": "held",
             "toolArgs": {}}}  # fmt: skip
    server.send(node, frame)
    server.send(node, frame)
    gate.reached()
    eventually(lambda: link.status().ignored == {"(a call sent twice)": 1})
    gate.open()
    server.wait_until(lambda server: server.counts["late"] == 1)
    assert gate.arrived == 1
    assert link.status().answered == 1


def test_cancelling_what_has_ended_or_never_was(ready: Joined) -> None:
    link = ready.join()
    ready.call("echo", a=1)
    node = _node(ready)
    ended = ready.frames("execute_tool", direction="out")[-1].data["data"]["requestId"]
    for request in (ended, "never-was"):
        ready.server.send(node, {"type": "cancel_tool", "data": {"requestId": request}})
    eventually(lambda: link.status().ignored == {"cancel_tool (too late)": 2})
    assert ready.call("echo", a=2) == {"a": 2}
    assert link.status().cancelled == 0


def test_cancelling_goes_by_the_connection(ready: Joined, gate: Gate) -> None:
    link = ready.join()
    call = ready.begin("held", {"text": "kept"})
    gate.reached()
    request = ready.frames("execute_tool", direction="out")[-1].data["data"]["requestId"]
    # Identifiers are the server's; a line answers for its own calls alone.
    ready.server.send(_node(ready), {"type": "cancel_tool", "data": {"requestId": request}})
    eventually(lambda: link.status().ignored)
    assert gate.cancelled == 0
    gate.open()
    assert call.result(10)["original_plugin_output"] == "kept"


# --- Other dialects' frames


def test_calls_by_json_rpc(lab: vl.Lab, make_server: Callable[..., StandInServer]) -> None:
    lab.tool(lambda text="": text.upper(), name="shout")

    @lab.tool
    def broken() -> None:
        raise ValueError("no")

    joined = Joined(lab, make_server(jsonrpc=True))
    joined.join()
    assert joined.call("shout", text="hallo") == "HALLO"
    with pytest.raises(ToolFailure, match="ValueError: no"):
        joined.call("broken")
    asked = joined.frames(None, direction="out")[0].data
    first, second = (frame.data for frame in joined.frames(None))
    assert first == {"jsonrpc": "2.0", "id": asked["id"], "result": "HALLO"}
    assert second["error"]["code"] == -32000
    assert lab.node.calls()[-1].result == '"HALLO"'


def test_json_rpc_that_asks_wrongly(ready: Joined) -> None:
    ready.join()
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"id": 1, "method": "no_such"}, -32601),
        ({"id": "a", "method": "execute_tool"}, -32602),
        ({"id": 2, "method": "execute_tool", "params": [1]}, -32602),
        ({"id": 3, "method": "execute_tool", "params": {"toolName": 7}}, -32602),
        ({"id": 4, "method": "execute_tool", "params": {"toolName": "a", "toolArgs": 1}}, -32602),
        ({"id": 5, "method": "execute_tool", "params": {"toolName": "nobody"}}, -32000),
    ]
    for count, (request, code) in enumerate(wrong, 1):
        ready.server.send(_node(ready), {"jsonrpc": "2.0", **request})
        eventually(lambda count=count: len(ready.frames(None)) == count)
        answer = ready.frames(None)[-1].data
        assert (answer["id"], answer["error"]["code"]) == (request["id"], code)


def test_notifications_of_json_rpc_get_no_answer(ready: Joined) -> None:
    ready.join()
    node = _node(ready)
    for method in ("execute_tool", "no_such"):
        params = {"toolName": "echo", "toolArgs": {}}
        ready.server.send(node, {"jsonrpc": "2.0", "method": method, "params": params})
    assert ready.call("echo", a=1) == {"a": 1}
    eventually(lambda: ready.lab.node.links[0].status().running == 0)
    assert ready.frames(None) == []


def test_cherrys_calls_are_answered_in_its_words(
    lab: vl.Lab, make_server: Callable[..., StandInServer]
) -> None:
    lab.tool(lambda text="": text.upper(), name="shout")
    joined = Joined(lab, make_server(dialect="cherry"))
    joined.join(dialect="cherry")
    assert joined.call("shout", text="hallo") == "HALLO"
    asked = joined.frames("distributed_tool_call", direction="out")[-1].data["data"]
    answer = joined.frames("distributed_tool_result")[-1].data
    data = {"requestId": asked["requestId"], "status": "success", "result": "HALLO"}
    assert answer == {"type": "distributed_tool_result", "data": data}


def test_the_sdk_of_2025(lab: vl.Lab, make_server: Callable[..., StandInServer]) -> None:
    lab.tool(lambda text="": text.upper(), name="shout")
    server = make_server(
        dialect="intellicore", any_key=True, errors_resolve=True, shared_fate=True, cancels=False
    )
    joined = Joined(lab, server)
    link = joined.join(dialect="intellicore")
    assert joined.call("shout", text="hallo") == "HALLO"
    assert (link.status().server_id or "").startswith("dist-")
    assert server.counts["heartbeats"] >= 1


def test_every_form_is_understood_on_every_link(ready: Joined) -> None:
    ready.join()
    node = _node(ready)
    data = {"requestId": "c-1", "toolName": "echo", "toolArgs": {"a": 1}}
    ready.server.send(node, {"type": "distributed_tool_call", "data": data})
    eventually(lambda: ready.frames("distributed_tool_result"))
    answer = ready.frames("distributed_tool_result")[-1].data["data"]
    assert answer == {"requestId": "c-1", "status": "success", "result": {"a": 1}}


# --- What is written down


def test_the_trace_tells_who_asked(ready: Joined) -> None:
    link = ready.join()
    ready.call("echo", a=1)
    with pytest.raises(ToolFailure):
        ready.server.raw_call("nobody", {}, 5, server="lab")
    ready.lab.trace.flush()
    found = ready.lab.trace.spans()
    (span,) = [s for s in found if s.name == "tool.echo"]
    assert span.attributes["origin"] == f"node:{link.id}"
    assert span.attributes["server"] == link.shown
    request = ready.frames("execute_tool", direction="out")[0].data["data"]["requestId"]
    assert span.attributes["request_id"] == request
    (refused,) = [s for s in found if s.name == "node.refused"]
    assert refused.attributes["tool"] == "nobody"


def test_events_and_rows_of_calls(ready: Joined, gate: Gate) -> None:
    seen: list[Any] = []
    with_calls = (CallStarted, CallEnded)
    listening = ready.lab.node.on_change(
        lambda event: seen.append(event) if isinstance(event, with_calls) else None
    )
    ready.join()
    call = ready.begin("held", {"text": "<i>a</i>"})
    gate.reached()
    (row,) = ready.lab.node.calls()
    assert (row.tool, row.state, row.result) == ("held", "running", "")
    assert "<i>a</i>" in row.arguments
    gate.open()
    call.result(10)
    eventually(lambda: len(seen) == 2)
    listening.close()
    began, ended = seen
    assert isinstance(began, CallStarted)
    assert isinstance(ended, CallEnded)
    assert began.call.id == ended.call.id == row.id
    assert (ended.call.state, ended.call.result) == ("succeeded", '"<i>a</i>"')
    assert ended.call.ms >= 0


def test_the_loop_stays_free_for_others(ready: Joined) -> None:
    ready.join()

    async def both() -> tuple[Any, Any]:
        return await asyncio.gather(
            ready.server.araw_call("echo", {"n": 1}, 10),
            ready.server.araw_call("plain", {"text": "2"}, 10),
        )

    first, second = run(both())
    assert first == {"n": 1}
    assert second.startswith("2 in ")
