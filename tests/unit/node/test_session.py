"""Recorded sessions, replayed against the stand-in server (issue 7, Beyond)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidDataError, NotFoundError, StateError
from vcplab.node.standin import Session, StandInServer

begun = threading.Event()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[vl.Lab]:
    """A lab with three tools, one of which waits for the others."""
    with vl.Lab(tmp_path / "lab") as lab:
        state = {"opened": asyncio.Event()}
        begun.clear()

        @lab.tool
        async def wait_for_it() -> str:
            """Wait."""
            begun.set()
            await asyncio.wait_for(state["opened"].wait(), 10)
            state["opened"].clear()
            return "it came"

        @lab.tool
        async def let_it_come() -> int:
            """Let it come."""
            state["opened"].set()
            return 7

        @lab.tool
        def fail(text: str) -> str:
            """Fail."""
            raise ValueError(text)

        yield lab


def _join(lab: vl.Lab, server: StandInServer) -> None:
    lab.node.connect(server.url, server.key, show=False).wait(10)
    for name in ("wait_for_it", "let_it_come", "fail"):
        server.wait_for_tool(name)


async def _talk(server: StandInServer) -> None:
    waiting = asyncio.create_task(server.araw_call("wait_for_it"))
    assert await asyncio.to_thread(begun.wait, 10)
    assert await server.araw_call("let_it_come") == 7
    assert await waiting == "it came"
    with pytest.raises(vl.VCPError):
        await server.araw_call("fail", {"text": "no"})


def test_a_session_is_replayed_with_what_ran_side_by_side(lab: vl.Lab, tmp_path: Path) -> None:
    """One call ends only because of another that was made meanwhile."""
    with StandInServer(record=True) as server:
        _join(lab, server)
        server.home.run(_talk(server))
        session = Session.of(server.frames)
        path = session.save(tmp_path / "session.jsonl")
        assert [call.tool for call in session.calls] == ["wait_for_it", "let_it_come", "fail"]
    again = Session.load(path)
    assert again.calls == session.calls
    with StandInServer() as server:
        _join(lab, server)
        outputs = again.replay(server)
        outputs.check()
        assert outputs.rows[2].after["error"] == outputs.rows[2].before["error"]

        @lab.tool
        async def let_it_come() -> int:
            """Let it come."""
            return 8

        with pytest.raises(StateError, match="gave another output"):
            again.replay(server, timeout=1).check()


def test_what_is_no_session_is_refused(tmp_path: Path) -> None:
    """The error names the line."""
    with pytest.raises(NotFoundError):
        Session.load(tmp_path / "nothing.jsonl")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"direction": "in"}\n', "utf-8")
    with pytest.raises(InvalidDataError, match="Line 1"):
        Session.load(broken)
