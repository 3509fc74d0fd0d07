"""Joining servers: what is shown and sent, settings, several servers, and what goes wrong."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

import vcplab as vl
from tests.support.joined import FAST, Joined, eventually, put_plugin
from tests.support.wires import Bare, connect_proxy, make_certificates
from vcplab.core.errors import (
    InvalidInputError,
    NotFoundError,
    OperationTimeoutError,
    StateError,
    VCPErrorCode,
)
from vcplab.core.loop import run
from vcplab.node.events import LinkChanged, NodeEvent
from vcplab.node.standin import StandInServer

ECHO = 'import json\nprint(json.dumps({"status": "success", "result": "hi"}))\n'


def echo(text: str = "") -> str:
    """Say it again."""
    return text


# --- What goes over the wire


def test_frames_are_those_of_the_transcript(joined: Joined, tmp_path: Path) -> None:
    # facts/vcp-protocol §4.5, frame by frame.
    lab, server = joined.lab, joined.server

    @lab.tool(name="PyTool", timeout=1.5)
    async def py_tool(mode: str = "") -> str:
        """Do it."""
        if mode == "wait":
            await asyncio.sleep(60)
        return "just text"

    (tmp_path / "a.txt").write_text("text")
    lab.node.share("files", tmp_path)
    joined.join(name="py-node")

    result = server.call("PyTool", {"mode": "str", "maid": "Nova"})
    assert result == {
        "original_plugin_output": "just text", "MaidName": "Nova", "timestamp": ANY,
    }  # fmt: skip
    with pytest.raises(Exception, match=r"timed out after 0\.05s"):
        server.call("PyTool", {"mode": "wait"}, 0.05)
    served = server.fetch_file("file:///files/a.txt", server="py-node/PyTool")
    assert served == {"status": "success", "fileData": "dGV4dA==", "mimeType": "text/plain"}

    line = next(node for node in server.nodes if node.tools)
    told = [
        (frame.direction, frame.data)
        for frame in server.frames
        if frame.node == line.server_id and frame.type != "connection_ack"
    ]
    manifest = told[0][1]["data"]["tools"][0]
    recorded: dict[str, Any] = {
        "name": "PyTool", "displayName": "Py Tool", "pluginType": "synchronous",
        "entryPoint": {"command": "x"}, "communication": {"timeout": 1500},
        "capabilities": {"invocationCommands": [{"command": "Go", "description": "Do it"}]},
    }  # fmt: skip
    assert _has_shape(manifest, recorded)
    assert manifest["communication"]["timeout"] == 1500
    assert told == [
        ("in", {"type": "register_tools", "data": {
            "serverName": "py-node/PyTool", "tools": [manifest],
            "capabilities": {"cancelTool": True}}}),
        ("in", {"type": "report_ip", "data": {
            "serverName": "py-node/PyTool", "localIPs": [], "publicIP": None}}),
        ("out", {"type": "execute_tool", "data": {
            "requestId": ANY, "toolName": "PyTool", "toolArgs": {"mode": "str", "maid": "Nova"}}}),
        ("in", {"type": "tool_result", "data": {
            "requestId": told[2][1]["data"]["requestId"], "status": "success",
            "result": "just text"}}),
        ("out", {"type": "execute_tool", "data": {
            "requestId": ANY, "toolName": "PyTool", "toolArgs": {"mode": "wait"}}}),
        ("out", {"type": "cancel_tool", "data": {
            "requestId": told[4][1]["data"]["requestId"]}}),
        ("out", {"type": "execute_tool", "data": {
            "requestId": ANY, "toolName": "internal_request_file",
            "toolArgs": {"fileUrl": "file:///files/a.txt"}}}),
        ("in", {"type": "tool_result", "data": {
            "requestId": told[6][1]["data"]["requestId"], "status": "success",
            "result": {"status": "success", "fileData": "dGV4dA==", "mimeType": "text/plain"}}}),
    ]  # fmt: skip


def _has_shape(value: Any, recorded: Any) -> bool:
    """Whether a value has all that a recorded one has, of the same kinds."""
    if isinstance(recorded, dict):
        return isinstance(value, dict) and all(
            key in value and _has_shape(value[key], inner) for key, inner in recorded.items()
        )
    if isinstance(recorded, list):
        return isinstance(value, list) and all(
            map(_has_shape, value, recorded * len(value))
        )  # fmt: skip
    return type(value) is type(recorded)


def test_the_node_and_each_tool_report_themselves(joined: Joined) -> None:
    joined.lab.tool(echo)
    link = joined.join(name="here")
    main, line = joined.server.nodes
    # Files are asked of the node whose address a request came from: only one names it.
    assert (main.server_name, main.local_ips, main.tools) == ("here", ("127.0.0.1",), ())
    assert (line.server_name, line.local_ips, line.tools) == ("here/echo", (), ("echo",))
    assert main.public_ip is line.public_ip is None
    assert line.capabilities == {"cancelTool": True}
    status = link.status()
    assert (status.state, status.server_id, status.lines) == ("open", main.server_id, 2)
    assert [(t.name, t.local, t.source, t.state) for t in status.tools] == [
        ("echo", "echo", "notebook", "registered")
    ]


@pytest.mark.parametrize(
    "quirks", [{"acknowledges": False}, {"binary": True}, {"heartbeat": 0.2}], ids=str
)
def test_servers_of_all_habits(
    quirks: dict[str, Any], lab: vl.Lab, make_server: Callable[..., StandInServer]
) -> None:
    lab.tool(echo)
    joined = Joined(lab, make_server(**quirks))
    link = joined.join()
    assert joined.call("echo", text="hallo") == "hallo"
    assert (link.status().server_id is None) is ("acknowledges" in quirks)
    if "heartbeat" in quirks:  # unanswered, the second ping would have ended it
        lines = {node.server_id for node in joined.server.nodes}
        waited = joined.server.counts["in"]
        run(asyncio.sleep(0.7))
        assert {node.server_id for node in joined.server.nodes} == lines
        assert joined.server.counts["in"] == waited


@pytest.mark.parametrize(
    ("dialect", "register"),
    [("intellicore", "register_tools"), ("cherry", "distributed_register")],
)
def test_dialects_that_unregister_need_one_connection(
    dialect: Any, register: str, lab: vl.Lab, make_server: Callable[..., StandInServer]
) -> None:
    lab.tool(echo)
    lab.tool(echo, name="again")
    joined = Joined(lab, make_server(dialect=dialect))
    joined.join(dialect=dialect)
    (node,) = joined.server.nodes
    assert node.server_name == (None if dialect == "intellicore" else "lab")
    assert set(node.tools) == {"echo", "again"}
    first, second = [f.data for f in joined.frames()][:2]
    assert first["type"] == register
    assert {tool["name"] for tool in first["data"]["tools"]} == {"echo", "again"}
    assert second["type"] == "report_ip"
    assert joined.call("again", text="1") == "1"
    joined.server.wait_until(lambda server: server.counts["heartbeats"] >= 1)

    lab.plugins.unload("again")
    joined.server.wait_for_tool("again", present=False)
    assert [node.server_id for node in joined.server.nodes] == [node.server_id]
    taken_back = joined.frames("unregister_tools", "distributed_unregister")[-1].data
    if dialect == "intellicore":
        assert taken_back == {"type": "unregister_tools", "tools": ["again"]}
    else:
        data = {"serverName": "lab", "tools": ["again"]}
        assert taken_back == {"type": "distributed_unregister", "data": data}


def test_through_tls_with_its_own_authority_and_through_a_proxy(
    joined: Joined, tmp_path: Path
) -> None:
    joined.lab.tool(echo)
    authority, certificate, key = make_certificates(tmp_path)
    server = joined.server

    async def relay(tls: Any) -> asyncio.Server:
        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while data := await reader.read(2**16):
                    writer.write(data)
                    await writer.drain()
            except OSError:
                pass
            finally:
                writer.close()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.gather(pump(reader, inner[1]), pump(inner[0], writer))

        return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    front = run(relay(tls))
    port = front.sockets[0].getsockname()[1]
    try:
        url = f"wss://localhost:{port}"
        options = {**FAST, "name": "lab", "show": False}
        link = joined.lab.node.connect(url, server.key, **options)
        assert "ca=" in (link.problem or "")
        link = joined.lab.node.connect(url, server.key, ca=authority, **options)
        link.wait(10)
        server.wait_for_tool("echo")
        assert joined.call("echo", text="private") == "private"
        assert link.shown.startswith("wss://localhost:")
    finally:
        joined.lab.node.disconnect()
        front.close()

    async def through_proxy() -> None:
        async with Bare(connect_proxy(server.port)) as proxy:
            given = {**options, "proxy": f"http://127.0.0.1:{proxy.port}"}
            link = await joined.lab.node.aconnect(server.url, server.key, **given)
            await link.await_open(10)
            await server.await_for_tool("echo")
            assert await server.araw_call("echo", {"text": "by proxy"}, 10) == "by proxy"
            assert len(proxy.heads) == 2  # a line for the node, and one for its tool
            await joined.lab.node.adisconnect()

    run(through_proxy())


# --- What is shown before


def test_what_will_be_offered_is_shown_before_anything_is_sent(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, server = joined.lab, joined.server
    lab.tool(echo, name="offered")
    lab.tool(echo, name="kept_back", expose=False)
    shown: list[tuple[str, int]] = []

    class Screen:
        def write(self, text: str) -> None:
            shown.append((text, server.counts["connected"]))

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stderr", Screen())
    joined.join(show=True)
    monkeypatch.undo()
    text = "".join(text for text, _ in shown)
    assert "offered" in text
    assert "made with expose=False" in text
    assert {connected for _, connected in shown} == {0}
    assert set(server.tools) == {"offered"}
    assert "kept_back" not in "".join(frame.text for frame in server.frames)


def test_folder_plugins_are_offered_by_pattern_only(joined: Joined, tmp_path: Path) -> None:
    lab = joined.lab
    lab.tool(echo)
    for name in ("WeatherNow", "WeatherMap", "Diary"):
        put_plugin(tmp_path / "plugins", name, ECHO)
    lab.plugins.add(tmp_path / "plugins", trust=True)
    assert {row.name for row in lab.node.preview().rows if row.exposed} == {"echo"}
    joined.join(["Weather*", "!WeatherMap"], prefix="lab_")
    assert set(joined.server.tools) == {"lab_echo", "lab_WeatherNow"}
    assert joined.server.call("lab_WeatherNow")["original_plugin_output"] == "hi"
    assert "Diary" not in "".join(frame.text for frame in joined.server.frames)


def test_nothing_is_offered_when_told_so(joined: Joined) -> None:
    joined.lab.tool(echo)
    link = joined.join(False)
    assert link.status().tools == ()
    assert [node.server_name for node in joined.server.nodes] == ["lab"]
    assert joined.frames("register_tools") == []
    with pytest.raises(Exception, match="not found"):
        joined.server.raw_call("echo", {}, 5, server="lab")


# --- Settings


def test_settings_come_first(
    tmp_path: Path, make_server: Callable[..., StandInServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server("the-key-of-the-settings")
    monkeypatch.setenv("VCP_SERVER", server.url)
    monkeypatch.setenv("VCP_KEY", server.key)
    monkeypatch.setenv("SERVER_NAME", "from-settings")
    with vl.Lab(tmp_path / "lab") as lab:
        link = lab.node.connect(show=False, **FAST).wait(10)
        assert link.name == "from-settings"
        assert [node.server_name for node in server.nodes] == ["from-settings"]
        assert lab.node["from-settings"] is lab.node[link.id] is lab.node[link.shown] is link


def test_the_names_of_seed_000_in_a_file(
    tmp_path: Path, make_server: Callable[..., StandInServer]
) -> None:
    server = make_server("the-key-of-the-file")
    vl.Lab(tmp_path / "lab").close()
    (tmp_path / "lab" / "config.env").write_text(
        f"VCP_SERVER={server.url}\nVCP_KEY={server.key}\nSERVER_NAME=云端实验室\n", "utf-8"
    )
    with vl.Lab(tmp_path / "lab") as lab:
        assert lab.node.connect(show=False, **FAST).wait(10).name == "云端实验室"
        eventually(lambda: [node.server_name for node in server.nodes] == ["云端实验室"])


def test_without_settings_the_error_names_them(lab: vl.Lab) -> None:
    with pytest.raises(InvalidInputError, match="VCP_SERVER"):
        lab.node.connect(show=False)
    with pytest.raises(InvalidInputError, match="VCP_KEY"):
        lab.node.connect("ws://127.0.0.1:1", show=False)
    assert lab.node.links == ()


# --- Several servers


def test_several_servers_at_once(lab: vl.Lab, make_server: Callable[..., StandInServer]) -> None:
    lab.tool(echo)
    one, two = make_server("the-first-key"), make_server("the-second-key")
    first = Joined(lab, one).join(name="a")
    second = Joined(lab, two).join(name="b")
    assert lab.node.links == (first, second)
    assert one.call("echo", {"text": "first"})["original_plugin_output"] == "first"
    assert two.call("echo", {"text": "second"})["original_plugin_output"] == "second"
    assert [(row.link, row.result) for row in lab.node.calls()] == [
        (second.id, '"second"'), (first.id, '"first"'),
    ]  # fmt: skip
    assert (first.status().answered, second.status().answered) == (1, 1)

    second.expose("echo", False)
    two.wait_for_tool("echo", present=False)
    assert "echo" in one.tools
    lab.node.disconnect(first)
    one.wait_until(lambda server: not server.nodes)
    assert lab.node.links == (second,)
    assert first.state == "closed"
    assert [node.server_name for node in two.nodes] == ["b"]
    with pytest.raises(NotFoundError, match=second.id):
        lab.node[first.id]


def test_joining_again_takes_the_place_of_the_link_before(joined: Joined) -> None:
    joined.lab.tool(echo)
    before = joined.join(name="before")
    after = joined.join(name="after")
    assert joined.lab.node.links == (after,)
    assert before.state == "closed"
    eventually(
        lambda: {node.server_name for node in joined.server.nodes} == {"after", "after/echo"}
    )
    assert joined.call("echo", text="again") == "again"
    with pytest.raises(StateError, match="was closed"):
        before.wait(1)
    assert joined.server.counts["skipped"] == 0


def test_joining_the_same_server_several_times_at_once(joined: Joined) -> None:
    joined.lab.tool(echo)
    joined.join(name="before")
    server, node = joined.server, joined.lab.node

    async def connect(name: str) -> Any:
        return await node.aconnect(server.url, server.key, name, show=False, **FAST)

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*map(connect, "abc"))

    links = run(all_at_once())
    (kept,) = node.links
    assert kept in links
    assert {link.state for link in links if link is not kept} == {"closed"}
    server.wait_until(
        lambda s: {n.server_name for n in s.nodes} == {kept.name, f"{kept.name}/echo"}
    )


def test_the_same_cell_once_more_leaves_the_link_as_it_is(joined: Joined) -> None:
    joined.lab.tool(echo)
    joined.lab.tool(echo, name="other")
    link = joined.join()
    before = {node.server_id for node in joined.server.nodes}
    assert joined.join() is link
    assert {node.server_id for node in joined.server.nodes} == before
    assert joined.join("!other") is link  # but for what is offered
    joined.server.wait_for_tool("other", present=False)
    assert {node.server_id for node in joined.server.nodes} < before
    assert joined.call("echo", text="still") == "still"


def test_the_lab_takes_its_links_with_it(tmp_path: Path, joined: Joined) -> None:
    with vl.Lab(tmp_path / "other") as other:
        other.tool(echo)
        link = Joined(other, joined.server).join()
        assert "echo" in joined.server.tools
    joined.server.wait_until(lambda server: not server.nodes)
    assert link.state == "closed"


# --- What goes wrong


def test_a_wrong_key(joined: Joined) -> None:
    link = joined.lab.node.connect(
        joined.server.url, "not-the-right-key", show=False, **{**FAST, "wait": 5.0}
    )
    assert link.state in ("waiting", "connecting")
    joined.server.wait_until(lambda server: server.counts["refused"] >= 2)
    problem = eventually(lambda: "check key and path" in (link.problem or "") and link.problem)
    assert "not-the-right-key" not in problem
    with pytest.raises(OperationTimeoutError, match="check key and path") as caught:
        link.wait(0.1)
    assert caught.value.code == VCPErrorCode.DISTRIBUTED_AUTH_FAILED
    status = link.status()
    assert status.problem is not None
    assert status.lines == 0
    assert any("check key and path" in line.text for line in joined.lab.node.log())
    assert joined.server.counts["connected"] == 0


def test_a_server_that_is_not_there_yet(lab: vl.Lab) -> None:
    lab.tool(echo)
    with ExitStack() as stack:
        server = stack.enter_context(StandInServer("a-key-for-later", record=True))
        server.close()  # it keeps its port
        joined = Joined(lab, server)
        happened: list[NodeEvent] = []
        listening = lab.node.on_change(happened.append)
        link = joined.join(wait=0.5)
        assert link.state in ("waiting", "connecting")
        assert link.problem is not None
        assert str(server.port) in link.problem
        with pytest.raises(OperationTimeoutError, match="start the server"):
            link.wait(0.05)
        server.start()
        link.wait(10)
        server.wait_for_tool("echo")
        assert link.problem is None
        assert joined.call("echo", text="late") == "late"
        listening.close()
        states = [event.state for event in happened if isinstance(event, LinkChanged)]
        assert "waiting" in states
        assert states[-1] == "open"
        lab.node.disconnect()


def test_a_server_that_is_shutting_down_lets_nobody_in(joined: Joined) -> None:
    joined.server.drain()
    link = joined.join(wait=0.3)
    problem = eventually(lambda: "check key and path" in (link.problem or "") and link.problem)
    assert "shutting down" in problem
    joined.server.drain(False)
    link.wait(10)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"dialect": "klingon"}, "klingon"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": 7}, "name"),
        ({"patience": 3}, "patience"),
        ({"ping_period": 0}, "ping_period"),
        ({"first_delay": -1}, "first_delay"),
        ({"max_size": 0}, "size"),
        ({"ca": "/nowhere/ca.pem"}, "ca"),
        ({"expose": ["a", 3]}, "pattern"),
        ({"expose": "../plugins/*"}, "path"),
        ({"prefix": "「"}, "before"),
        ({"url": "ftp://127.0.0.1"}, "ws://"),
        ({"key": "two words"}, "key"),
        ({"key": ""}, "key"),
    ],
    ids=str,
)
def test_bad_input_connects_nothing(joined: Joined, options: dict[str, Any], where: str) -> None:
    given = {"url": joined.server.url, "key": joined.server.key, "show": False, **options}
    with pytest.raises(InvalidInputError, match=where) as caught:
        joined.lab.node.connect(**given)
    assert caught.value.next_step
    assert joined.lab.node.links == ()
    assert joined.server.counts["connected"] == 0


def test_an_unknown_link_and_tool(joined: Joined) -> None:
    link = joined.join()
    with pytest.raises(NotFoundError, match=link.id):
        joined.lab.node.disconnect("elsewhere")
    with pytest.raises(NotFoundError, match="nobody"):
        link.expose("nobody")


def test_looks(joined: Joined) -> None:
    node = joined.lab.node
    assert repr(node) == "<NodeFacet not connected>"
    assert node.status().links == ()
    joined.lab.tool(echo)
    link = joined.join()
    joined.call("echo", text="<b>bold</b>")
    eventually(lambda: node.calls()[0].state == "succeeded")
    assert "open, 1 of 1 tools registered" in repr(link)
    assert link.shown in repr(node)
    for shown in (link, node, node.status(), node.preview()):
        html = shown._repr_html_()
        assert "<b>bold" not in html
        assert "lab" in html or "echo" in html
    frame = node.to_frame()
    assert list(frame["tool"]) == ["echo"]
    assert list(frame["state"]) == ["succeeded"]
    assert "echo" in str(frame)
