"""``lab.node``: loaded when used, its settings and defaults, its port for reports, its end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.joined import FAST, eventually
from vcplab.core.errors import InvalidInputError
from vcplab.node.standin import StandInServer

QUIET: dict[str, Any] = {**FAST, "show": False}


@pytest.fixture
def server() -> Iterator[StandInServer]:
    with StandInServer("the-key-of-the-server", record=True) as server:
        yield server


def test_it_is_loaded_when_it_is_used(tmp_path: Path) -> None:
    code = """
import sys
import vcplab as vl
with vl.Lab(sys.argv[1]) as lab:
    lab.tool(lambda: 1, name="one")
    lab.tools.one()
assert "node" not in lab.__dict__
print([name for name in sys.modules if name.startswith(("websockets", "vcplab.node"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "lab")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_its_name_is_the_folders_unless_told(tmp_path: Path, server: StandInServer) -> None:
    with vl.Lab(tmp_path / "weather") as lab:
        assert lab.node.connect(server.url, server.key, **QUIET).name == "vcplab-weather"
        assert lab.node.connect(server.url, server.key, "mine", **QUIET).name == "mine"
    with vl.Lab(tmp_path / "weather", server_name="set") as lab:
        assert lab.node.connect(server.url, server.key, **QUIET).name == "set"


def test_the_key_of_the_settings_goes_with_any_address(
    tmp_path: Path, server: StandInServer
) -> None:
    with vl.Lab(tmp_path / "lab", server_key=server.key) as lab:
        link = lab.node.connect(server.url, **QUIET).wait(10)
        assert link.state == "open"
        # An address that holds a key needs no other; a second one would be a mistake.
        full = server.node_url
        assert lab.node.connect(full, **QUIET).wait(10) is link
        with pytest.raises(InvalidInputError):
            lab.node.connect(full, "a-different-key", **QUIET)
        assert lab.node.links == (link,)


def test_a_lab_that_is_opened_again_leaves_its_servers(
    tmp_path: Path, server: StandInServer
) -> None:
    first = vl.Lab(tmp_path / "lab")
    first.tool(lambda: 1, name="one")
    link = first.node.connect(server.url, server.key, **QUIET).wait(10)
    with vl.Lab(tmp_path / "lab") as second:  # the cell was run once more
        assert link.state == "closed"
        server.wait_until(lambda s: not s.nodes)
        assert second.node.links == ()
    first.close()


def test_the_port_for_reports(tmp_path: Path, server: StandInServer) -> None:
    pytest.importorskip("uvicorn", reason="reports come by HTTP")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    url = f"http://127.0.0.1:{port}/plugin/callback"

    def report(task: str) -> int:
        body = json.dumps({"pluginName": "Paint", "taskId": task, "message": "done"}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    with vl.Lab(tmp_path / "lab", node_port=port) as lab:
        link = lab.node.connect(server.url, server.key, **QUIET).wait(10)
        task = lab.plugins.tasks.new("Paint", {}, "t1", f"node:{link.id}")
        task.answer("begun")
        assert report("t1") == 200
        assert task.wait(10).success
        server.wait_until(lambda s: ("Paint", "t1") in s.callbacks)
        assert report("nobodys") >= 400
        assert set(server.callbacks) == {("Paint", "t1")}
    with pytest.raises(urllib.error.URLError):
        report("t1")


def test_closing_twice_and_after_everything(tmp_path: Path, server: StandInServer) -> None:
    lab = vl.Lab(tmp_path / "lab")
    node = lab.node
    assert bool(node)
    assert len(node) == 0
    link = node.connect(server.url, server.key, **QUIET).wait(10)
    assert list(node) == [link]
    lab.close()
    lab.close()
    node.close()
    assert link.state == "closed"
    eventually(lambda: not server.nodes)
    assert "closed the link" in node.log()[-1].text
