"""The fixed port for reports: real requests, both shapes, and only tasks that go on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.core.loop import run
from vcplab.node.callback_port import CallbackPort
from vcplab.plugins.callbacks import BODY_LIMIT
from vcplab.plugins.manager import PluginManager
from vcplab.plugins.tasks import Task
from vcplab.protocol.results import ToolResult

pytest.importorskip("uvicorn", reason="needs uvicorn")
httpx2 = pytest.importorskip("httpx2", reason="needs httpx2")


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def manager() -> Iterator[PluginManager]:
    manager = PluginManager()
    yield manager
    manager.close()


@pytest.fixture
def door(manager: PluginManager) -> Iterator[CallbackPort]:
    told: list[str] = []
    door = CallbackPort(manager, free_port(), told=told.append)
    door.open()
    assert told == []
    yield door
    door.close()


def post(url: str | None, **options: Any) -> Any:
    assert url is not None
    with httpx2.Client(trust_env=False, timeout=10) as client:
        return client.post(url, **options)


def going_on(manager: PluginManager, plugin: str = "Painter", task: str = "t-1") -> Task:
    found = manager.tasks.new(plugin, {}, task)
    found.answer("under way")
    return found


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("", {"pluginName": "Painter", "taskId": "t-1"}),
        ("/", {"PLUGIN_NAME_FOR_CALLBACK": "Painter", "task_id": "t-1"}),
        ("", {"pluginName": "Painter", "requestId": "t-1"}),
        ("/Painter/t-1", {}),
        ("/Painter/t-1/", {"pluginName": "Other"}),
        ("/t-1", {"pluginName": "Painter"}),
    ],
)
def test_both_shapes_of_a_report(
    path: str, names: dict[str, str], manager: PluginManager, door: CallbackPort
) -> None:
    task = going_on(manager)
    body = {**names, "status": "Succeed", "url": "画.png"}
    answer = post(f"{door.url}{path}", json=body)
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    result = task.wait(5)
    assert result.success
    assert result.value == body
    assert task.state == "succeeded"


def test_a_report_of_failure(manager: PluginManager, door: CallbackPort) -> None:
    task = going_on(manager)
    body = {"status": "Failed", "reason": "no paint"}
    assert post(f"{door.url}/Painter/t-1", json=body).status_code == 200
    assert (task.wait(5).error, task.state) == ("no paint", "failed")


def test_only_tasks_that_go_on(manager: PluginManager, door: CallbackPort) -> None:
    body = {"pluginName": "Painter", "taskId": "t-1", "status": "Succeed"}
    assert post(door.url, json=body).status_code == 404
    task = going_on(manager)
    for path in ("/Painter/t-2", "/Other/t-1"):
        assert post(f"{door.url}{path}", json=body).status_code == 404
    assert task.state == "pending"
    task.finish("succeeded", ToolResult("Painter", "done"))
    assert post(door.url, json=body).status_code == 404
    assert len(manager.tasks) == 1
    assert task.result is not None
    assert task.result.value == "done"
    assert manager.records.reports() == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"[1]",
        b"\xff\xfe\xff",
        b"[" * 100_000,
        b'{"pluginName":"Painter"}',
        b'{"taskId":"t-1"}',
        b'{"pluginName":"Painter","taskId":"' + b"x" * 300 + b'"}',
    ],
)
def test_what_is_no_report(content: bytes, manager: PluginManager, door: CallbackPort) -> None:
    task = going_on(manager)
    answer = post(door.url, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert task.state == "pending"


def test_browsers_of_other_pages_and_big_bodies_stay_outside(
    manager: PluginManager, door: CallbackPort
) -> None:
    task = going_on(manager)
    where = f"{door.url}/Painter/t-1"
    assert post(where, json={}, headers={"Origin": "http://evil.example"}).status_code == 403
    assert post(where, json={}, headers={"Host": "evil.example"}).status_code == 421
    assert post(where, content=b" " * (BODY_LIMIT + 1)).status_code == 413
    with httpx2.Client(trust_env=False, timeout=10) as client:
        assert client.get(where).status_code == 405
    assert task.state == "pending"


def test_a_busy_port_is_told_and_another_one_taken(manager: PluginManager) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        told: list[str] = []
        door = CallbackPort(manager, port, told=told.append)
        url = door.open()
        assert door.is_open
        assert told == [door.notice]
        assert str(port) in told[0]
        assert url in told[0]
        assert f":{port}/" not in url
        task = going_on(manager)
        assert post(url, json={"pluginName": "Painter", "taskId": "t-1"}).status_code == 200
        assert task.wait(5).success
        door.close()


def test_opening_and_closing(manager: PluginManager) -> None:
    port = free_port()
    door = CallbackPort(manager, port)
    assert (door.is_open, door.url) == (False, None)

    async def twice() -> list[str]:
        return await asyncio.gather(door.aopen(), door.aopen())

    assert run(twice()) == [f"http://127.0.0.1:{port}/plugin/callback"] * 2
    assert door.notice is None
    assert str(port) in repr(door)
    door.close()
    door.close()
    assert not door.is_open
    assert "closed" in repr(door)
    with socket.socket() as again:  # the port is free once more
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
    assert door.open().endswith(f":{port}/plugin/callback")
    door.close()


def test_what_is_no_port_is_refused(manager: PluginManager) -> None:
    with pytest.raises(InvalidInputError):
        CallbackPort(manager, 70000)
