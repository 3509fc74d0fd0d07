"""Connections that end: what becomes of calls, reports and placeholders, and how a link returns."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.joined import FAST, Gate, Joined, eventually, put_plugin
from vcplab.core.errors import VCPErrorCode
from vcplab.core.loop import run
from vcplab.node import duties
from vcplab.node.link import Link
from vcplab.node.standin import StandInServer
from vcplab.protocol.results import ToolFailure


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def ready(joined: Joined, gate: Gate) -> Joined:
    @joined.lab.tool
    async def echo(**given: Any) -> Any:
        return given

    @joined.lab.tool
    async def held(text: str = "") -> str:
        await gate.passed()
        return text

    return joined


def back(joined: Joined, link: Link, tools: int = 2) -> None:
    """Wait until all is as it was before an outage."""
    joined.server.wait_until(lambda s: len(s.tools) == tools and len(s.nodes) == tools + 1)
    link.wait(10)


# --- Calls


def test_a_call_whose_connection_ends_is_lost(ready: Joined, gate: Gate) -> None:
    link = ready.join()
    call = ready.begin("held", {"text": "too late"})
    gate.reached()
    assert ready.server.kick() == 3
    with pytest.raises(ToolFailure, match="disconnected while executing") as caught:
        call.result(10)
    assert caught.value.code == VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
    back(ready, link)
    # Its answer belongs to the connection on which it was asked: it is not sent on another.
    gate.open()
    eventually(lambda: link.status().lost == 1)
    assert ready.call("echo", a=1) == {"a": 1}
    counts = ready.server.counts
    assert (counts["rejected"], counts["late"], counts["foreign"]) == (1, 0, 0)
    assert "too late" not in "".join(frame.text for frame in ready.frames("tool_result"))
    assert gate.arrived == 1  # and it is not run again
    row = next(row for row in ready.lab.node.calls() if row.tool == "held")
    assert (row.state, row.error) == ("lost", "its connection ended before it did")
    status = link.status()
    assert (status.reconnects, status.answered, status.errors) == (1, 1, 0)


def test_one_connection_that_ends_disturbs_no_other(ready: Joined, gate: Gate) -> None:
    link = ready.join()
    call = ready.begin("held", {"text": "whole"})
    gate.reached()
    before = {node.server_name: node.server_id for node in ready.server.nodes}
    for name in ("lab/echo", "lab"):
        ready.server.kick(before[name])
        ready.server.wait_until(lambda s: {n.server_name for n in s.nodes} == before.keys())
        link.wait(10)
    gate.open()
    assert call.result(10)["original_plugin_output"] == "whole"
    assert ready.call("echo", a=1) == {"a": 1}
    after = {node.server_name: node.server_id for node in ready.server.nodes}
    assert {name for name in before if before[name] == after[name]} == {"lab/held"}
    assert link.status().lost == 0


def test_a_restart_of_the_server(ready: Joined, gate: Gate) -> None:
    link = ready.join()
    call = ready.begin("held")
    gate.reached()
    for count in (1, 2):
        ready.server.restart()
        back(ready, link)
        assert ready.call("echo", n=count) == {"n": count}
        assert link.status().reconnects == count
    with pytest.raises(ToolFailure, match="disconnected"):
        call.result(10)
    gate.open()
    eventually(lambda: link.status().lost == 1)
    assert ready.call("held", text="as before") == "as before"
    texts = [line.text for line in ready.lab.node.log()]
    assert sum(text.startswith("connected to") for text in texts) == 3


def test_what_changes_while_the_server_is_away(ready: Joined) -> None:
    link = ready.join()
    server = ready.server
    server.close()
    eventually(lambda: link.state != "open")
    lab = ready.lab
    lab.plugins.unload("held")
    lab.tool(lambda: "new", name="newcomer")
    lab.tool(lambda **given: given, name="echo", description="Described anew.")
    eventually(lambda: {tool.name for tool in link.status().tools} == {"echo", "newcomer"})
    assert {tool.state for tool in link.status().tools} == {"pending"}
    server.start()
    back(ready, link)
    assert set(server.tools) == {"echo", "newcomer"}
    assert server.tools["echo"]["description"] == "Described anew."
    assert ready.call("newcomer") == "new"


def test_a_storm_of_endings(ready: Joined) -> None:
    ready.join()
    server, link = ready.server, ready.lab.node.links[0]
    ready.server.wait_until(lambda s: len(s.tools) == 2)
    run(asyncio.sleep(0))
    stop = threading.Event()
    done: list[tuple[int, Future[Any]]] = []

    def caller() -> None:
        n = 0
        while not stop.is_set():
            done.append((n, ready.begin("echo", {"n": n})))
            n += 1
            if n % 5 == 0:
                stop.wait(0.005)

    thread = threading.Thread(target=caller)
    thread.start()
    for round_ in range(6):
        (server.kick if round_ % 3 else server.restart)()
        answered = server.counts["answered"]
        server.wait_until(lambda s, before=answered: s.counts["answered"] > before + 20)
    stop.set()
    thread.join()
    failures = [error for _, call in done if (error := call.exception(20)) is not None]
    results = [(n, call.result()["n"]) for n, call in done if call.exception() is None]
    assert results
    assert all(n == result for n, result in results)
    assert {error.code for error in failures} <= {
        VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR, VCPErrorCode.TOOL_NOT_FOUND,
    }  # fmt: skip
    back(ready, link)
    eventually(lambda: not [row for row in ready.lab.node.calls() if row.state == "running"])
    counts, status = server.counts, link.status()
    # Every call that the server did not itself reject was answered, once.
    assert counts["called"] == counts["answered"] + counts["rejected"]
    assert (counts["late"], counts["foreign"], counts["timed_out"]) == (0, 0, 0)
    assert status.answered + status.lost + status.errors + status.cancelled <= counts["called"]
    assert status.answered >= counts["answered"]


# --- Closing


def test_closing_waits_a_moment_for_calls_that_run(ready: Joined, gate: Gate) -> None:
    link = ready.join()
    call = ready.begin("held", {"text": "in time"})
    gate.reached()
    closing = threading.Thread(target=link.close, args=(20,))
    closing.start()
    gate.open()
    assert call.result(10)["original_plugin_output"] == "in time"
    closing.join(10)
    assert link.state == "closed"
    ready.server.wait_until(lambda s: not s.nodes)
    assert ready.server.counts["rejected"] == 0


def test_closing_ends_calls_that_go_on(ready: Joined, gate: Gate) -> None:
    link = ready.join()
    lost = ready.begin("held")
    gate.reached()
    ready.server.kick()
    with pytest.raises(ToolFailure):
        lost.result(10)
    back(ready, link)
    running = ready.begin("held")
    gate.reached(2)
    link.close(0.05)
    with pytest.raises(ToolFailure):
        running.result(10)
    # Also the one of a connection that ended before: nobody can get its answer.
    eventually(lambda: gate.cancelled == 2)
    assert not [row for row in ready.lab.node.calls() if row.state == "running"]
    link.close()


def test_closing_while_the_server_holds_still(ready: Joined) -> None:
    link = ready.join(close_timeout=0.2)
    ready.server.stall()
    began = time.monotonic()
    link.close(0)
    assert time.monotonic() - began < 5
    assert link.state == "closed"
    ready.server.stall(False)
    ready.server.wait_until(lambda s: not s.nodes)


def test_closing_while_it_dials(lab: vl.Lab) -> None:
    with StandInServer("a-key-for-nobody") as server:
        server.drain()
        link = lab.node.connect(server.url, server.key, show=False, **{**FAST, "wait": 0.05})
        link.close()
        assert link.state == "closed"


def test_a_long_call_is_no_half_open_link(ready: Joined, gate: Gate) -> None:
    link = ready.join(ping_period=0.1)
    call = ready.begin("held", {"text": "long"})
    gate.reached()
    eventually(lambda: len(link.status().latencies) >= 8)
    gate.open()
    assert call.result(10)["original_plugin_output"] == "long"
    assert link.status().reconnects == 0


# --- Reports of asynchronous plugins

PAINTER = """
import json, os, pathlib, sys, time, urllib.request
given = json.load(sys.stdin)
task = given["task"]
text = "{{VCP_ASYNC_RESULT::Paint::" + task + "}}"
print(json.dumps({"status": "success", "result": text}), flush=True)
while not pathlib.Path(given["until"]).exists():
    time.sleep(0.005)
body = {"pluginName": "Paint", "taskId": task, "status": "Succeed", "message": "a cat " + task}
request = urllib.request.Request(os.environ["CALLBACK_BASE_URL"], json.dumps(body).encode())
urllib.request.urlopen(request, timeout=10).read()
"""


@pytest.fixture
def painting(ready: Joined, tmp_path: Path) -> Joined:
    pytest.importorskip("uvicorn", reason="reports come by HTTP")
    push = {"enabled": True, "messageType": "painted"}
    put_plugin(
        tmp_path / "plugins", "Paint", PAINTER, pluginType="asynchronous", webSocketPush=push
    )
    ready.lab.plugins.add(tmp_path / "plugins", trust=True)
    return ready


def test_reports_are_forwarded(painting: Joined, tmp_path: Path) -> None:
    link = painting.join("Paint")
    done = tmp_path / "done"
    promise = painting.call("Paint", task="t1", until=str(done))
    assert promise == "{{VCP_ASYNC_RESULT::Paint::t1}}"
    done.touch()
    server = painting.server
    server.wait_until(lambda s: ("Paint", "t1") in s.callbacks)
    assert server.callbacks["Paint", "t1"]["message"] == "a cat t1"
    (frame,) = painting.frames("plugin_callback_forward")
    data = frame.data["data"]
    assert data["serverName"] == "lab"
    assert data["callbackData"].items() >= {"pluginName": "Paint", "taskId": "t1"}.items()
    # The server pushes it to everybody, its nodes included.
    eventually(lambda: link.status().ignored.get("painted"))


def test_reports_that_come_during_an_outage_are_delivered_after_it(
    painting: Joined, tmp_path: Path
) -> None:
    link = painting.join("Paint")
    done = tmp_path / "done"
    server = painting.server
    for task in ("t1", "t2"):
        painting.call("Paint", task=task, until=str(done))
    server.close()
    eventually(lambda: link.state != "open")
    done.touch()
    for task in ("t1", "t2"):
        assert painting.lab.tools.tasks.get(task).wait(10).success
    server.start()
    server.wait_until(lambda s: len(s.callbacks) == 2)
    assert len(painting.frames("plugin_callback_forward")) == 2
    assert server.callbacks["Paint", "t2"]["message"] == "a cat t2"


def test_reports_outlive_a_link_that_is_made_anew(painting: Joined, tmp_path: Path) -> None:
    painting.join("Paint")
    done = tmp_path / "done"
    server = painting.server
    painting.call("Paint", task="t1", until=str(done))
    server.close()
    done.touch()
    assert painting.lab.tools.tasks.get("t1").wait(10).success
    # A person who is impatient; other terms make another link.
    painting.join("Paint", wait=0.05, open_timeout=5)
    server.start()
    server.wait_until(lambda s: ("Paint", "t1") in s.callbacks)


def test_reports_go_to_the_server_that_asked_alone(painting: Joined, tmp_path: Path) -> None:
    with StandInServer("the-key-of-another", record=True) as other:
        painting.join("Paint")
        Joined(painting.lab, other).join("Paint")
        done = tmp_path / "done"
        done.touch()
        painting.call("Paint", task="t1", until=str(done))
        painting.lab.tools.Paint(task="t2", until=str(done))  # nobody's but the lab's
        assert painting.lab.tools.tasks.get("t2").wait(10).success
        painting.server.wait_until(lambda s: ("Paint", "t1") in s.callbacks)
        assert other.raw_call("echo", {"a": 1}, 10) == {"a": 1}
        assert painting.call("echo", a=1) == {"a": 1}
        assert other.callbacks == {}
        assert set(painting.server.callbacks) == {("Paint", "t1")}
        painting.lab.node.disconnect()


# --- Placeholders

CLOCK = """
import pathlib
print(pathlib.Path(__file__).with_name("value").read_text("utf-8"))
"""


def test_placeholders_are_told_and_told_again(
    ready: Joined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "_LOOK", 0.02)
    fields = {
        "pluginType": "static",
        "capabilities": {"systemPromptPlaceholders": [
            {"placeholder": "{{Weather}}", "description": "It."}]},
    }  # fmt: skip
    for name in ("Weather", "Private"):
        folder = put_plugin(
            tmp_path / "plugins", name, CLOCK,
            **{**fields, "capabilities": {"systemPromptPlaceholders": [
                {"placeholder": f"{{{{{name}}}}}", "description": "It."}]}},
        )  # fmt: skip
        (folder / "value").write_text(f"雨 at {name}", "utf-8")
    lab, server = ready.lab, ready.server
    lab.plugins.add(tmp_path / "plugins", trust=True)
    link = ready.join("Weather")
    server.wait_until(lambda s: s.placeholders == {"{{Weather}}": "雨 at Weather"})
    frame = ready.frames("update_static_placeholders")[0].data
    assert frame == {
        "type": "update_static_placeholders",
        "data": {"serverName": "lab", "placeholders": {"{{Weather}}": "雨 at Weather"}},
    }
    (tmp_path / "plugins" / "Weather" / "value").write_text("sun", "utf-8")
    lab.plugins.reload("Weather", trust=True)
    server.wait_until(lambda s: s.placeholders == {"{{Weather}}": "sun"})
    told = len(ready.frames("update_static_placeholders"))

    server.kick()  # which takes them away
    back(ready, link)
    server.wait_until(lambda s: s.placeholders == {"{{Weather}}": "sun"})
    assert len(ready.frames("update_static_placeholders")) == told + 1
    assert {"Weather"} == {row.name for row in link.exposure.rows(lab.plugins) if row.exposed} - {
        "echo", "held",
    }  # fmt: skip
