"""The sidecar: links that survive a C call which holds the GIL (issue 7, Beyond)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.core.errors import OperationTimeoutError
from vcplab.node.standin import Quirks, StandInProcess
from vcplab.node.standin.core import StandInServer

FAST: dict[str, Any] = {"first_delay": 0.05, "longest_delay": 0.1, "show": False}


def hold_the_gil(seconds: float) -> None:
    """A C call that keeps the interpreter to itself."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[vl.Lab]:
    """A lab with a tool."""
    with vl.Lab(tmp_path / "lab") as lab:

        @lab.tool
        def shout(text: str) -> str:
            """Say it louder."""
            return text.upper()

        yield lab


@pytest.mark.skipif(sys.platform == "win32", reason="usleep is POSIX's")
def test_a_link_survives_what_its_server_would_not_wait_for(lab: vl.Lab) -> None:
    """The same stall cuts a link without a sidecar, and not one with it."""
    with StandInProcess(quirks=Quirks(heartbeat=0.3)) as server:
        for sidecar, cut in ((False, True), (True, False)):
            link = lab.node.connect(server.url, server.key, sidecar=sidecar, **FAST).wait(10)
            server.wait_for_tool("shout")
            before = link.status().reconnects
            answers: list[Any] = []

            def call(answers: list[Any] = answers) -> None:
                try:
                    answers.append(server.call("shout", text="meanwhile"))
                except vl.VCPError as error:
                    answers.append(error)

            caller = threading.Thread(target=call)
            hold_the_gil(1.5)
            caller.start()
            hold_the_gil(0.4)
            caller.join(20)
            link.wait(10)
            server.wait_for_tool("shout")
            assert (link.status().reconnects > before) is cut, f"sidecar={sidecar}"
            if sidecar:
                assert answers[0]["original_plugin_output"] == "MEANWHILE"
            assert server.call("shout", text="after")["original_plugin_output"] == "AFTER"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX's")
def test_a_sidecar_that_dies_is_started_again(lab: vl.Lab) -> None:
    """Its link comes back by itself."""
    with StandInServer(own_thread=True) as server:
        link = lab.node.connect(server.url, server.key, sidecar=True, **FAST).wait(10)
        server.wait_for_tool("shout")
        pid = link._parts.sidecar.pid  # type: ignore[union-attr]
        assert pid is not None
        line = Path(f"/proc/{pid}/cmdline").read_bytes() if sys.platform == "linux" else b""
        assert server.key.encode() not in line
        os.kill(pid, signal.SIGKILL)
        server.wait_for_tool("shout", present=False, timeout=10)
        server.wait_for_tool("shout", timeout=20)
        assert server.call("shout", {"text": "back"})["original_plugin_output"] == "BACK"
        assert any("the sidecar died" in line.text for line in lab.node.log())
    lab.node.disconnect()
    assert link._parts.sidecar.pid is None  # type: ignore[union-attr]


def test_the_servers_trouble_is_told_through_the_sidecar(lab: vl.Lab) -> None:
    """A wrong key, and a server that is not there, read as without a sidecar."""
    with StandInServer(own_thread=True) as server:
        link = lab.node.connect(server.url, "a-wrong-key", sidecar=True, **FAST)
        with pytest.raises(OperationTimeoutError, match="check key and path") as caught:
            link.wait(1.5)
        assert f":{server.port} dropped" in str(caught.value)
        assert "a-wrong-key" not in str(caught.value)
        port = server.port
    link = lab.node.connect(f"127.0.0.1:{port}", "another-key", sidecar=True, **FAST)
    assert f"Nobody listens at 127.0.0.1:{port}" in str(link.problem)
