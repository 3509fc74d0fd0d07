"""Uses of the node that nobody plans: interrupted ends, tools that end things, wrong arguments."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

import vcplab as vl
from tests.support.joined import FAST, Gate, Joined, eventually
from vcplab.core.errors import InvalidInputError, NotFoundError, OperationTimeoutError, StateError
from vcplab.core.loop import submit
from vcplab.net.dial import DialOptions
from vcplab.node.link import Link
from vcplab.protocol.results import ToolFailure
from vcplab.tracing.records import plain


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def held(joined: Joined, gate: Gate) -> Joined:
    """A lab with a tool that answers when told."""

    @joined.lab.tool
    async def held() -> str:
        """Wait."""
        await gate.passed()
        return "let go"

    return joined


# The end of a link


def begun(joined: Joined, name: str) -> threading.Thread:
    """A call in a thread of its own; how it ends is not looked at."""

    def call() -> None:
        with pytest.raises(ToolFailure):
            joined.server.call(name)

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_an_interrupted_disconnect_ends_the_link_all_the_same(held: Joined, gate: Gate) -> None:
    link = held.join()
    caller = begun(held, "held")
    gate.reached()
    first = submit(held.lab.node.adisconnect(grace=0.5))
    eventually(lambda: link._ending is not None)
    assert first.cancel()  # as Ctrl-C does to who waits for it
    eventually(lambda: link.state == "closed")
    eventually(lambda: not held.server.nodes)
    caller.join()
    row = held.lab.node.calls()[0]
    assert (row.state, row.error) == ("cancelled", "its link was closed")


def test_who_asks_again_with_less_patience_is_obeyed(held: Joined, gate: Gate) -> None:
    link = held.join()
    caller = begun(held, "held")
    gate.reached()
    patient = submit(link.aclose(60.0))
    eventually(lambda: link._ending is not None)
    began = time.monotonic()
    link.close(0.05)
    assert time.monotonic() - began < 20
    assert link.state == "closed"
    patient.result(5)
    caller.join()


def test_a_tool_may_end_the_link_that_it_was_called_by(joined: Joined) -> None:
    lab = joined.lab

    @lab.tool
    async def leave() -> str:
        """Leave."""
        await lab.node.adisconnect(grace=0.05)
        return "left"

    link = joined.join()
    with pytest.raises(ToolFailure, match="disconnected while executing"):
        joined.server.call("leave")
    eventually(lambda: link.state == "closed" and not joined.server.nodes)
    joined.join()  # and nothing is left in the way of the next one
    assert set(joined.server.tools) == {"leave"}


def test_the_node_of_a_closed_lab_does_not_connect(joined: Joined) -> None:
    joined.join()
    joined.lab.close()
    eventually(lambda: not joined.server.nodes)
    with pytest.raises(StateError, match="lab was closed"):
        joined.join()
    assert joined.server.counts["connected"] == 1


# What tools do


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Hostile:
    """Whatever is asked of it while it is written as JSON ends in an exception."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def to_dict(self) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, SystemExit, StopIteration])
def test_what_a_tool_raises_is_answered(joined: Joined, error: type[BaseException]) -> None:
    @joined.lab.tool
    def plain() -> None:
        """Raise it in a thread."""
        raise error

    @joined.lab.tool
    def written() -> Hostile:
        """Raise it while the result is written."""
        return Hostile(error())

    joined.join()
    with pytest.raises(ToolFailure, match=error.__name__):
        joined.server.call("plain", timeout=10)
    if error is SystemExit:
        with pytest.raises(ToolFailure, match=error.__name__):
            joined.server.call("written", timeout=10)


def test_an_interrupt_in_an_asynchronous_tool_is_answered(joined: Joined) -> None:
    @joined.lab.tool
    async def interrupt() -> None:
        """Raise it on the library's loop."""
        raise KeyboardInterrupt

    joined.join()
    with pytest.raises(ToolFailure, match="KeyboardInterrupt"):
        joined.server.call("interrupt", timeout=10)
    assert joined.lab.node.links[0].state == "open"


def test_a_result_whose_failure_has_no_text_is_answered(joined: Joined) -> None:
    class Sly(dict[str, int]):
        def items(self) -> Any:
            raise Broken

    @joined.lab.tool
    def sly() -> Sly:
        """Cannot be read."""
        return Sly(a=1)

    joined.join()
    with pytest.raises(ToolFailure, match="Broken"):
        joined.server.call("sly", timeout=10)


def test_the_trace_outlives_whatever_results_do(joined: Joined) -> None:
    @joined.lab.tool
    def hostile(kind: str) -> Hostile:
        """Cannot be written."""
        return Hostile(SystemExit() if kind == "exit" else Broken())

    @joined.lab.tool
    def fine() -> str:
        """Can."""
        return "fine"

    joined.join()
    for kind in ("exit", "other"):
        with suppress(ToolFailure):
            joined.server.call("hostile", {"kind": kind}, timeout=10)
    joined.server.call("fine", timeout=10)
    found = eventually(lambda: joined.lab.trace.spans(search="fine", roots=True))
    assert [span.name for span in found]
    assert "vcplab-trace" in {thread.name for thread in threading.enumerate()}


def test_the_trace_outlives_a_mapping_that_changes_meanwhile() -> None:
    class Changing(dict[str, int]):
        def items(self) -> Any:
            raise RuntimeError("dictionary changed size during iteration")

    assert plain({"state": Changing(a=1), "left": 1}) == {"state": "<Changing>", "left": 1}


# Switches


def test_switches_outlive_other_terms(joined: Joined) -> None:
    @joined.lab.tool
    def shy() -> None:
        """Not for others."""

    link = joined.join()
    link.expose("shy", on=False)
    joined.server.wait_for_tool("shy", present=False)
    other = joined.join(name="another name")
    assert other is not link
    assert other.exposure.switches == {"shy": False}
    assert not joined.server.tools


# Many tools, few connections


def test_many_tools_do_not_take_up_the_loop(joined: Joined, monkeypatch: Any) -> None:
    link = joined.join()
    looked: list[float] = []
    real = link.exposure.tools

    def slow(manager: Any) -> Any:
        looked.append(time.monotonic())
        time.sleep(0.05)  # as with hundreds of tools
        return real(manager)

    monkeypatch.setattr(link.exposure, "tools", slow)
    for number in range(20):

        def made() -> None:
            """One of many."""

        joined.lab.tool(made, name=f"made_{number}")
        time.sleep(0.01)
    link.wait()
    assert len(joined.server.tools) == 20
    assert all(after - before >= 0.2 for before, after in itertools.pairwise(looked))


@pytest.fixture
def lonely() -> Iterator[str]:
    """A server that takes one connection at a time."""
    here: set[ServerConnection] = set()

    async def one(wire: ServerConnection) -> None:
        if here:
            await wire.close(1008, "one is enough")
            return
        here.add(wire)
        async for _ in wire:
            pass
        here.discard(wire)

    async def listening() -> Any:
        return await serve(one, "127.0.0.1", 0)

    server = submit(listening()).result(5)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def ended() -> None:
        server.close()
        await server.wait_closed()

    submit(ended()).result(5)


def test_a_server_with_too_few_connections_is_named_as_such(lab: vl.Lab, lonely: str) -> None:
    @lab.tool
    def waiting() -> None:
        """Has no connection."""

    link = lab.node.connect(lonely, "an-ordinary-key", show=False, **{**FAST, "wait": 0.0})
    assert eventually(lambda: link.problem)
    eventually(lambda: link.problem and "one is enough" in link.problem)
    assert link.state == "open"
    told = ""
    while "one is enough" not in told:  # between two tries there is none
        with pytest.raises(OperationTimeoutError) as caught:
            link.wait(0.05)
        told = caught.value.message
    lab.node.disconnect()


# Wrong arguments


@pytest.mark.parametrize("seconds", ["x", None, float("nan"), True])
def test_times_that_are_none(joined: Joined, seconds: Any) -> None:
    link = joined.join()
    for act in (
        lambda: link.wait(seconds),
        lambda: link.close(seconds),
        lambda: joined.join(wait=seconds) if seconds != "x" else joined.lab.node.connect(
            joined.server.url, joined.server.key, show=False, wait=seconds
        ),
    ):  # fmt: skip
        with pytest.raises(InvalidInputError, match="is no time"):
            act()
    assert link.state == "open"


@pytest.mark.parametrize("name", ["a\nb", "\0", "\ud800", "a\u202eb", 5, "", "x" * 101])
def test_names_that_are_no_plain_line(joined: Joined, name: Any) -> None:
    with pytest.raises(InvalidInputError, match="no name for a node"):
        joined.join(name=name)
    assert not joined.lab.node.links


def test_links_and_tools_that_there_are_not(joined: Joined) -> None:
    link = joined.join()
    for wrong in (5, True, [link]):
        with pytest.raises(NotFoundError, match="There is no link"):
            joined.lab.node.disconnect(wrong)  # type: ignore[arg-type]
    for wrong in (5, None):
        with pytest.raises(NotFoundError, match="There is no plugin"):
            link.expose(wrong)  # type: ignore[arg-type]
    assert link.state == "open"


def test_options_of_another_type(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="Certificates cannot be of type int"):
        DialOptions(ca=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="Headers cannot be of type int"):
        DialOptions(headers=5)  # type: ignore[arg-type]


def test_waiting_for_ever_is_a_time(joined: Joined) -> None:
    link: Link = joined.join()
    assert link.wait(float("inf")) is link
    asyncio.run(link.await_open(10**12))
