"""The asynchronous row of the plugin contract (facts/vcp-protocol §2), in two languages."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import vcplab as vl
from tests.unit.plugins.contract.support import (
    Watch,
    add,
    copied,
    each_language,
    marked,
    none_left,
    refused,
    until,
)
from vcplab.core.errors import VCPErrorCode
from vcplab.core.loop import library_loop
from vcplab.plugins.events import PluginPush

REPORT = "画好了 🎨"


@pytest.fixture(scope="module")
def laters(house: Any) -> Any:
    """The lab with the asynchronous plugins."""
    return add(house, "PyLater", "JsLater")


@pytest.fixture
def later(laters: Any, tmp_path: Path, mark: str) -> Iterator[Any]:
    """After each test its tasks go on to their end, and nothing is left."""
    yield laters
    (tmp_path / "go").touch()
    none_left(mark)


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """Arguments: when to report, where to tell the listener's answer, and the task's name."""
    return {
        "go": str(tmp_path / "go"),
        "answered": str(tmp_path / "answered"),
        "task": f"task-{uuid.uuid4().hex[:8]}",
    }


def go_on(options: dict[str, Any]) -> str:
    """Let the plugin report; what the listener answered it."""
    Path(options["go"]).touch()
    answered = Path(options["answered"])
    return until(lambda: answered.exists() and answered.read_text())


def post(url: str, body: Any) -> int:
    """POST JSON, or bytes as they are, and give the answer's status."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method="POST")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def told(lab: Any, options: dict[str, Any], name: str = "PyLater") -> str:
    """What stands for `{{VCP_ASYNC_RESULT::…}}` in a prompt."""
    return lab.variables.resolve_all(f"{{{{VCP_ASYNC_RESULT::{name}::{options['task']}}}}}")


def first_of(task: Any) -> dict[str, Any]:
    """The first reply of a submitted task."""
    return dict(task.reply)


@each_language
def test_the_first_json_resolves_while_the_process_goes_on(
    later: Any, options: dict[str, Any], language: str
) -> None:
    name = f"{language}Later"
    first = later.tools.call(name, options)
    assert psutil.Process(first["pid"]).is_running()
    assert first["plugin"] == name
    assert first["base"].startswith("http://127.0.0.1:")
    assert f"{{{{VCP_ASYNC_RESULT::{name}::{options['task']}}}}}" in first["message"]


@each_language
@pytest.mark.parametrize("shape", ["path", "body"])
def test_the_callback_in_both_shapes(
    later: Any, options: dict[str, Any], language: str, shape: str
) -> None:
    name = f"{language}Later"
    first = later.tools.call(name, {**options, "shape": shape})
    assert REPORT not in told(later, options, name)
    assert go_on(options) == "200"
    until(lambda: told(later, options, name) == REPORT)
    until(lambda: not psutil.pid_exists(first["pid"]))


def test_the_placeholder_before_and_after(later: Any, options: dict[str, Any]) -> None:
    first = later.tools.call("PyLater", options)
    pending = told(later, options)
    assert "{{" not in pending
    assert options["task"] in pending
    go_on(options)
    until(lambda: told(later, options) == REPORT)
    # As it stands in the plugin's own message.
    assert later.variables.resolve_all(first["message"]) == f"Wait for {REPORT}"


def test_a_report_outlives_the_session(tmp_path: Path, mark: str, options: dict[str, Any]) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        add(lab, "PyLater").tools.call("PyLater", options)
        go_on(options)
        until(lambda: told(lab, options) == REPORT)
    with vl.Lab(tmp_path / "lab") as lab:
        assert told(lab, options) == REPORT
    none_left(mark)


def test_a_wrong_token_is_refused(later: Any, options: dict[str, Any]) -> None:
    base = later.tools.call("PyLater", options)["base"]
    body = {"requestId": options["task"], "status": "Succeed", "message": "forged"}
    named = {"pluginName": "PyLater", "taskId": options["task"], **body}
    before, _, token = base.rpartition("/")
    assert len(token) >= 20
    wrong = f"{before}/{token[:-1]}{'B' if token[-1] == 'A' else 'A'}"
    for url in (wrong, before, before.rpartition("/")[0]):
        assert post(f"{url}/PyLater/{options['task']}", body) in (403, 404, 405)
        assert post(url, named) in (403, 404, 405)
    assert "forged" not in told(later, options)
    assert post(f"{base}/PyLater/{options['task']}", {**body, "message": "real"}) == 200
    until(lambda: told(later, options) == "real")


def test_a_plugin_reports_its_own_tasks_only(later: Any, options: dict[str, Any]) -> None:
    base = later.tools.call("PyLater", options)["base"]
    body = {"taskId": "other", "status": "Succeed", "message": "forged"}
    assert post(f"{base}/PyTalker/other", body) in (403, 404)
    assert post(base, {"pluginName": "PyTalker", **body}) in (403, 404)
    placeholder = "{{VCP_ASYNC_RESULT::PyTalker::other}}"
    assert "forged" not in later.variables.resolve_all(placeholder)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff", b'"text"', b"1", b"{}"])
def test_a_callback_that_is_no_report_is_refused(
    later: Any, options: dict[str, Any], body: bytes
) -> None:
    base = later.tools.call("PyLater", options)["base"]
    assert 400 <= post(base, body) < 500
    if body != b"{}":
        assert 400 <= post(f"{base}/PyLater/{options['task']}", body) < 500


@pytest.mark.parametrize(
    "task", ["../../escape", "a/b", "..", "%2e%2e%2fescape", "甲", "a b", "x" * 5000]
)
def test_any_name_of_a_task_is_taken_or_refused(
    later: Any, options: dict[str, Any], task: str
) -> None:
    base = later.tools.call("PyLater", options)["base"]
    body = {"status": "Succeed", "message": "planted"}
    assert post(base, {"pluginName": "PyLater", "taskId": task, **body}) < 500
    names = [path.name for path in later.path.parent.rglob("*") if "escape" in path.name]
    assert not names


@each_language
def test_a_task_can_be_cancelled(
    later: Any, options: dict[str, Any], mark: str, language: str
) -> None:
    task = later.plugins.submit(f"{language}Later", options)
    until(lambda: task.state == "pending")
    assert psutil.pid_exists(first_of(task)["pid"])
    assert task.cancel()
    none_left(mark)
    assert task.state == "cancelled"
    assert not task.result.success


def test_a_task_that_is_cancelled_before_its_first_reply(
    later: Any, options: dict[str, Any], mark: str
) -> None:
    task = later.plugins.submit("PyLater", {**options, "silent": True})
    until(lambda: marked(mark))
    assert task.cancel()
    none_left(mark)
    assert task.state == "cancelled"


@each_language
def test_a_task_succeeds_with_its_report(
    later: Any, options: dict[str, Any], language: str
) -> None:
    task = later.plugins.submit(f"{language}Later", options)
    until(lambda: task.state == "pending")
    assert task.result is None
    go_on(options)
    until(lambda: task.state == "succeeded")
    assert task.result.value["message"] == REPORT


def test_tasks_of_the_same_arguments_are_kept_apart(later: Any, options: dict[str, Any]) -> None:
    # The names come from the plugin; each submitted task has to end with its own report.
    tasks = [later.plugins.submit("PyLater", {**options, "task": ""}) for _ in range(4)]
    until(lambda: all(task.state == "pending" for task in tasks))
    Path(options["go"]).touch()
    until(lambda: all(task.state == "succeeded" for task in tasks))
    reports = {task.result.value["requestId"] for task in tasks}
    assert len(reports) == 4


def test_a_report_of_failure(later: Any, options: dict[str, Any]) -> None:
    task = later.plugins.submit("PyLater", options)
    until(lambda: task.state == "pending")
    body = {"status": "Failed", "reason": "no paint left"}
    base = first_of(task)["base"]
    assert post(f"{base}/PyLater/{options['task']}", body) == 200
    until(lambda: task.state == "failed")
    assert "no paint left" in task.result.text


def test_an_end_without_a_report(later: Any, options: dict[str, Any]) -> None:
    task = later.plugins.submit("PyLater", {**options, "shape": "none", "code": 4})
    until(lambda: task.state == "pending")
    go_on(options)
    until(lambda: task.state == "failed")
    assert "PyLater" in task.result.text
    assert "4" in task.result.text


def test_noise_before_the_first_json(later: Any, options: dict[str, Any]) -> None:
    # Only what a synchronous plugin prints is taken as a whole.
    assert later.tools.call("PyLater", {**options, "noise": True})["plugin"] == "PyLater"


@pytest.mark.parametrize(
    ("end", "at"), [(None, 2), (True, 1), (False, 4), (-1.5, 1), (-1.5, 3), ("中", 4), (12, 1)]
)
def test_a_first_json_that_comes_in_two_pieces(
    later: Any, options: dict[str, Any], end: Any, at: int
) -> None:
    first = later.tools.call("PyLater", {**options, "cut": end, "at": at})
    assert first["end"] == end


def test_a_first_json_of_ten_megabytes(later: Any, options: dict[str, Any]) -> None:
    watch = Watch()
    first = later.tools.call("PyLater", {**options, "ballast": 10_000_000})
    assert len(first["ballast"]) == 10_000_000
    assert watch.seconds < 5


def test_a_flood_before_the_first_json_does_not_hold_up_others(
    later: Any, options: dict[str, Any], mark: str
) -> None:
    task = later.plugins.submit("PyLater", {**options, "flood": 1_000_000})
    until(lambda: marked(mark), 5)
    longest = 0.0
    end = time.monotonic() + 1
    while time.monotonic() < end and not task.done:
        watch = Watch()
        library_loop().run(asyncio.sleep(0))
        longest = max(longest, watch.seconds)
    task.cancel()
    none_left(mark)
    assert longest < 0.5


def test_a_first_reply_that_is_an_error(later: Any, mark: str) -> None:
    failure = refused(later, "PyLater", {"go": "", "refuse": True})
    assert failure.payload["plugin_error"] == "no room for tasks"
    none_left(mark)


def test_an_end_without_any_reply(later: Any) -> None:
    failure = refused(later, "PyLater", {"go": "", "crash": True})
    assert "PyLater" in str(failure)
    assert "code 2" in str(failure)
    assert "it never began" in str(failure)


def test_no_first_reply_in_time(later: Any, options: dict[str, Any], mark: str) -> None:
    failure = refused(later, "PyLater", {**options, "silent": True}, timeout=0.7)
    assert failure.code == VCPErrorCode.TOOL_TIMEOUT
    assert "PyLater" in str(failure)
    none_left(mark)


def test_no_report_in_time(lab: Any, tmp_path: Path, options: dict[str, Any], mark: str) -> None:
    limit = {"protocol": "stdio", "timeout": 1000}
    lab.plugins.add(copied("PyLater", tmp_path / "copies", communication=limit), trust=True)
    task = lab.plugins.submit("PyLater", options)
    until(lambda: task.state == "timed_out", 6)
    assert "PyLater" in task.result.text
    none_left(mark)


def test_thirty_minutes_where_the_manifest_has_no_limit(
    lab: Any, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []
    wait = asyncio.wait

    async def noting(*args: Any, timeout: float | None = None, **more: Any) -> Any:
        limits.append(timeout or 0.0)
        return await wait(*args, timeout=timeout, **more)

    monkeypatch.setattr(asyncio, "wait", noting)
    folder = copied("PyLater", tmp_path / "copies", communication={"protocol": "stdio"})
    lab.plugins.add(folder, trust=True)
    lab.tools.call("PyLater", options)
    assert max(limits) == pytest.approx(1800, abs=1)


def test_unloading_ends_the_task(lab: Any, options: dict[str, Any], mark: str) -> None:
    task = add(lab, "PyLater").plugins.submit("PyLater", options)
    until(lambda: task.state == "pending")
    lab.plugins.unload("PyLater")
    none_left(mark)
    until(lambda: task.state in ("cancelled", "failed", "lost"))


def test_closing_the_lab_ends_the_task(lab: Any, options: dict[str, Any], mark: str) -> None:
    task = add(lab, "PyLater").plugins.submit("PyLater", options)
    until(lambda: task.state == "pending")
    lab.close()
    none_left(mark)
    assert task.state in ("cancelled", "failed", "lost")


def test_the_callback_is_pushed_as_the_manifest_says(later: Any, options: dict[str, Any]) -> None:
    pushed: list[PluginPush] = []
    with later.plugins.events.subscribe(PluginPush, pushed.append):
        later.tools.call("PyLater", options)
        go_on(options)
        (push,) = until(lambda: list(pushed))
    assert (push.plugin, push.message_type, push.target) == ("PyLater", "contract_news", "VCPLog")
    assert push.data["message"] == REPORT


def test_without_a_push_nothing_is_pushed(
    lab: Any, tmp_path: Path, options: dict[str, Any]
) -> None:
    folder = copied("PyLater", tmp_path / "copies", webSocketPush=None)
    lab.plugins.add(folder, trust=True)
    pushed: list[PluginPush] = []
    with lab.plugins.events.subscribe(PluginPush, pushed.append):
        lab.tools.call("PyLater", options)
        assert go_on(options) == "200"
        until(lambda: told(lab, options) == REPORT)
    assert not pushed
