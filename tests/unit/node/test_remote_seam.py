"""Tools of another lab's node, called over the wire through seed 003's seam."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from tests.support.joined import Gate, Joined, eventually
from vcplab.core.errors import VCPErrorCode
from vcplab.core.loop import submit
from vcplab.plugins.failures import ToolTimeoutError
from vcplab.protocol.results import ToolFailure


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def theirs(joined: Joined, gate: Gate) -> Joined:
    """The lab whose tools are called, joined as ``lab``."""
    lab = joined.lab

    @lab.tool
    def scale(value: float, factor: float = 2.0) -> dict[str, Any]:
        """Multiply.

        Args:
            value: What is multiplied.
            factor: By what.
        """
        return {"product": value * factor, "thread": threading.current_thread().name}

    @lab.tool(timeout=0.4)
    async def held(text: str = "") -> str:
        """Answer when told."""
        await gate.passed()
        return text

    joined.join()
    return joined


@pytest.fixture
def ours(theirs: Joined, tmp_path: Path) -> Iterator[vl.Lab]:
    """The lab that calls: it knows the other's tools by the server alone."""
    server = theirs.server
    with vl.Lab(tmp_path / "ours") as lab:
        registered = []
        for info in server.get_distributed_servers().values():
            # The name of a connection outlives its identifier.
            tools = [server.tools[name] for name in info.tools]
            registered += lab.plugins.register_distributed_tools(info.server_name, tools)
        assert sorted(registered) == ["held", "scale"]
        lab.plugins.set_distributed_executor(server.execute_distributed_tool)
        yield lab


def test_a_call_crosses_the_wire(ours: vl.Lab, theirs: Joined) -> None:
    given = ours.tools.scale(value=21)
    assert given["product"] == 42.0
    assert ours.tools.scale(value="3", factor="0.5")["product"] == 1.5  # as a model sends them
    (asked, _) = theirs.frames("execute_tool", direction="out")
    assert (asked.data["data"]["toolName"], asked.data["data"]["toolArgs"]) == (
        "scale",
        {"value": 21},
    )
    rows = theirs.lab.node.calls()
    assert [(row.tool, row.state) for row in rows] == [("scale", "succeeded")] * 2
    row = ours.plugins.row("scale")
    assert (row.host, row.calls, row.errors) == ("remote", 2, 0)


def test_every_connection_of_a_node_leads_to_its_tools(ours: vl.Lab, theirs: Joined) -> None:
    # A server's list has a connection for each tool; the node answers on any of them.
    ours.plugins.unregister_all_distributed_tools("lab/scale")
    for server_id in theirs.server.get_distributed_servers():
        tools = [theirs.server.tools["scale"]]
        ours.plugins.register_distributed_tools(server_id, tools)
        assert ours.tools.scale(value=1)["product"] == 2.0
        ours.plugins.unregister_all_distributed_tools(server_id)


def test_failures_come_back_with_the_nodes_words(ours: vl.Lab, theirs: Joined) -> None:
    with pytest.raises(ToolFailure, match="value") as caught:
        ours.tools.scale(value="a lot")
    assert caught.value.code == VCPErrorCode.TOOL_EXECUTION_FAILED
    theirs.lab.plugins.unload("scale")
    theirs.settled()
    with pytest.raises(ToolFailure, match="lab/scale is not connected"):
        ours.tools.scale(value=1)


def test_the_manifests_time_is_read_as_milliseconds(
    ours: vl.Lab, theirs: Joined, gate: Gate
) -> None:
    assert theirs.server.tools["held"]["communication"]["timeout"] == 400
    began = time.monotonic()
    with pytest.raises(ToolTimeoutError, match="timed out"):
        ours.tools.held(text="late")
    assert 0.3 < time.monotonic() - began < 10
    # The server takes the call back, and the other lab's function ends.
    eventually(lambda: gate.cancelled == 1)
    eventually(lambda: theirs.lab.node.calls()[0].state == "cancelled")


def test_a_node_that_leaves_fails_its_call_at_once(
    ours: vl.Lab, theirs: Joined, gate: Gate
) -> None:
    call = submit(ours.tools.acall("held", {"text": "lost"}))
    gate.reached()
    theirs.lab.node.disconnect()
    with pytest.raises(ToolFailure):
        call.result(10)
    with pytest.raises(ToolFailure, match="lab"):
        ours.tools.scale(value=1)


def test_tools_of_other_nodes_are_not_passed_on(ours: vl.Lab) -> None:
    preview = ours.node.preview("*")
    assert len(preview) == 0
    assert {row.why for row in preview.rows} == {"another node's tools are not passed on"}


def test_a_changed_body_and_a_new_description_reach_the_caller(
    ours: vl.Lab, theirs: Joined
) -> None:
    lab = theirs.lab

    @lab.tool
    def scale(value: float, factor: float = 2.0) -> dict[str, Any]:
        """Multiply.

        Args:
            value: What is multiplied.
            factor: By what.
        """
        return {"product": -value * factor}

    assert ours.tools.scale(value=1)["product"] == -2.0

    @lab.tool
    def scale(value: float) -> dict[str, Any]:  # noqa: F811 - as in a cell that runs again
        """Multiply by ten."""
        return {"product": value * 10}

    eventually(lambda: "ten" in theirs.server.tools.get("scale", {}).get("description", ""))
    assert ours.tools.scale(value=1)["product"] == 10.0
