"""The stand-in server towards a bare client: upstream's behaviour, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import threading
from typing import Any

import pytest

from vcplab.core.errors import (
    InvalidInputError,
    NotFoundError,
    OperationTimeoutError,
    StateError,
    VCPErrorCode,
)
from vcplab.core.loop import run
from vcplab.node.standin import Quirks, StandInServer
from vcplab.protocol.frames import ExecuteToolFrame, parse_frame
from vcplab.protocol.results import ToolFailure

websockets = pytest.importorskip("websockets", reason="needs websockets")

TOOL = {
    "name": "PyTool",
    "displayName": "Py Tool",
    "pluginType": "synchronous",
    "entryPoint": {"command": "x"},
    "communication": {"timeout": 1500},
    "capabilities": {"invocationCommands": [{"command": "Go", "description": "Do it"}]},
}


@contextlib.asynccontextmanager
async def joined(server: StandInServer, path: str | None = None):
    """A bare WebSocket to the server."""
    url = server.node_url if path is None else f"{server.url}{path}"
    async with websockets.connect(
        url, compression=None, max_size=None, proxy=None, ping_interval=None, close_timeout=1
    ) as ws:
        yield ws


async def tell(ws: Any, kind: str, **data: Any) -> None:
    await ws.send(json.dumps({"type": kind, "data": data}))


async def register(ws: Any, *tools: Any, cancel: bool = False, name: str = "py-node") -> None:
    more = {"capabilities": {"cancelTool": True}} if cancel else {}
    await tell(ws, "register_tools", serverName=name, tools=list(tools), **more)


async def heard(ws: Any, kind: str) -> dict[str, Any]:
    """The next frame of a type."""
    async with asyncio.timeout(5):
        while True:
            frame = json.loads(await ws.recv())
            if frame["type"] == kind:
                return frame


async def ended(ws: Any) -> None:
    """Read until the connection is gone."""
    async with asyncio.timeout(5):
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            while True:
                await ws.recv()


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "pluginType": "synchronous", "entryPoint": {}, **more}


def scene(act: Any, quirks: Quirks | None = None, **options: Any) -> StandInServer:
    """Run a scenario against a server on the library's loop."""
    server = StandInServer(key="k-123", quirks=quirks, record=True, **options)

    async def play() -> None:
        async with server:
            async with asyncio.timeout(20):
                await act(server)

    run(play())
    return server


def test_frames_are_those_of_the_recorded_transcript():
    # facts/vcp-protocol §4.5
    async def act(server):
        async with joined(server) as ws:
            ack = json.loads(await ws.recv())
            assert set(ack) == {"type", "message", "data"}
            assert ack["type"] == "connection_ack"
            client_id = ack["data"]["clientId"]
            assert re.fullmatch(r"[0-9a-z]{8,9}-[0-9a-z]{7}", client_id)
            assert ack["data"] == {"serverId": f"dist-{client_id}", "clientId": client_id}
            await register(ws, TOOL, cancel=True)
            await tell(ws, "report_ip", serverName="py-node", localIPs=["10.9.8.7"], publicIP=None)
            await server.await_until(lambda s: s.nodes[0].local_ips)
            call = asyncio.create_task(server.acall("PyTool", {"mode": "str", "maid": "Nova"}))
            text = await ws.recv()
            assert isinstance(text, str)
            asked = json.loads(text)
            request_id = asked["data"]["requestId"]
            assert re.fullmatch(r"[0-9a-z]{8,9}-[0-9a-z]{7}", request_id)
            assert asked == {
                "type": "execute_tool",
                "data": {
                    "requestId": request_id,
                    "toolName": "PyTool",
                    "toolArgs": {"mode": "str", "maid": "Nova"},
                },
            }
            assert isinstance(parse_frame(text), ExecuteToolFrame)
            await tell(
                ws, "tool_result", requestId=request_id, status="success", result="just text"
            )
            result = await call
            assert set(result) == {"original_plugin_output", "MaidName", "timestamp"}
            assert result["original_plugin_output"] == "just text"
            assert result["MaidName"] == "Nova"
            (node,) = server.nodes
            assert (node.server_id, node.server_name) == (f"dist-{client_id}", "py-node")
            assert (node.tools, node.local_ips, node.public_ip) == (
                ("PyTool",),
                ("10.9.8.7",),
                None,
            )
            assert server.get_distributed_servers() == {node.server_id: node}

    server = scene(act)
    assert [(frame.direction, frame.type) for frame in server.frames] == [
        ("out", "connection_ack"),
        ("in", "register_tools"),
        ("in", "report_ip"),
        ("out", "execute_tool"),
        ("in", "tool_result"),
    ]
    assert server.frames[4].data["data"]["result"] == "just text"
    assert len({frame.node for frame in server.frames}) == 1


def reply(server: StandInServer, head: str) -> bytes:
    """What a server sends to a raw request before it closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(head.encode("latin-1"))
        got = b""
        with contextlib.suppress(ConnectionError):
            while more := raw.recv(65536):
                got += more
        return got


def upgrade(path: str) -> str:
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/vcp-distributed-server/VCP_Key=wrong",
        "/vcp-distributed-server/VCP_Key=",
        "/vcp-distributed-server/VCP_Key=k%2D123",  # never percent-decoded
        "/vcp-distributed-server/k-123",
        "/vcp-distributed-server/VCP_Key=VCP_Key=k-123",
        "/vcp-distributed/VCP_Key=k-123",
        "/VCP_Key=k-123",
        "/",
    ],
)
def test_without_the_literal_key_the_socket_is_destroyed_without_an_answer(path):
    with StandInServer(key="k-123") as server:
        assert reply(server, upgrade(path)) == b""
        assert server.counts["refused"] == 1
        assert server.counts["connected"] == 0


def test_a_server_without_a_key_lets_nobody_in():
    with StandInServer(key="") as server:
        assert reply(server, upgrade("/vcp-distributed-server/VCP_Key=")) == b""


def test_a_draining_server_lets_nobody_in_and_keeps_who_is_there():
    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            server.drain()
            with pytest.raises(websockets.exceptions.InvalidMessage):
                async with joined(server):
                    pass
            assert list(server.tools) == ["Echo"]
            server.drain(False)
            async with joined(server):
                pass

    scene(act)


def test_no_log_shows_the_key(caplog):
    caplog.set_level(logging.DEBUG)

    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")

    server = scene(act)
    ours = [record for record in caplog.records if record.name != "websockets.client"]
    assert "k-123" not in " ".join(record.getMessage() for record in ours)
    assert "k-123" not in repr(server)


@pytest.mark.parametrize(("path", "name"), [("VCPlog", "VCPLog"), ("vcpinfo", "VCPInfo")])
def test_watchers_are_acknowledged(path, name):
    async def act(server):
        async with joined(server, f"/{path}/VCP_Key=k-123?deviceName=me") as ws:
            assert json.loads(await ws.recv()) == {
                "type": "connection_ack",
                "message": f"WebSocket connection successful for {name}.",
            }
            assert server.nodes == []

    scene(act)


def test_older_servers_send_no_acknowledgement():
    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            server.broadcast({"type": "first"})
            assert json.loads(await ws.recv()) == {"type": "first"}

    scene(act, Quirks(acknowledges=False))


def test_registration_only_adds():
    async def act(server):
        async with joined(server) as one, joined(server) as two:
            await register(
                one,
                TOOL,
                tool("Bare"),
                {"name": "NoType", "entryPoint": {}},
                {"name": "NoEntry", "pluginType": "synchronous"},
                {"pluginType": "synchronous", "entryPoint": {}},
                tool("internal_request_file"),
                "no manifest",
                name="one",
            )
            await server.await_for_tool("Bare")
            assert server.counts["skipped"] == 5
            assert server.tools["PyTool"]["displayName"] == "[云端] Py Tool"
            assert server.tools["Bare"]["displayName"] == "[云端] Bare"
            # The same again with another text, and less of it: neither updates nor removes.
            await register(one, tool("PyTool", displayName="New"), name="one")
            await register(two, tool("PyTool", displayName="Theirs"), tool("Mine"), name="two")
            await server.await_for_tool("Mine")
            assert server.tools["PyTool"]["displayName"] == "[云端] Py Tool"
            assert set(server.tools) == {"PyTool", "Bare", "Mine"}
            assert [node.tools for node in server.nodes] == [("PyTool", "Bare"), ("Mine",)]
            await one.close()
            await server.await_for_tool("PyTool", present=False)
            # Who was skipped is not promoted.
            assert set(server.tools) == {"Mine"}
            with pytest.raises(ToolFailure) as caught:
                await server.acall("PyTool")
            assert caught.value.code is VCPErrorCode.TOOL_NOT_FOUND
            assert caught.value.payload["plugin_execution_error"] == '未找到名为 "PyTool" 的插件'

    scene(act)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": "success", "result": {"a": 1}}, {"a": 1}),
        ({"status": "success", "result": {"status": "success", "result": {"a": 1}}}, {"a": 1}),
        ({"status": "success", "result": '{"a": 1}'}, {"a": 1}),
        ({"status": "success"}, {"original_plugin_output": None}),
        ({"status": "error", "error": "Bad"}, "plugin_execution_error: Bad"),
        (
            {"status": "error"},
            "plugin_execution_error: Distributed tool execution failed.",
        ),
        ({"status": "success", "result": {"status": "error", "error": "no"}}, "plugin_error: no"),
    ],
)
def test_results_are_normalised_as_upstream_does(answer, expected):
    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            call = asyncio.create_task(server.acall("Echo"))
            asked = await heard(ws, "execute_tool")
            assert asked["data"]["toolArgs"] == {}
            await tell(ws, "tool_result", requestId=asked["data"]["requestId"], **answer)
            if isinstance(expected, str):
                with pytest.raises(ToolFailure) as caught:
                    await call
                payload = dict(caught.value.payload)
                assert payload.pop("timestamp")
                assert [f"{key}: {value}" for key, value in payload.items()] == [expected]
            else:
                result = await call
                assert result.pop("timestamp")
                assert result == expected

    scene(act)


def test_a_time_out_cancels_once_and_late_results_are_dropped():
    async def act(server):
        async with joined(server) as able, joined(server) as unable:
            limited = tool("Slow", communication={"timeout": 100})
            await register(able, limited, cancel=True)
            await register(unable, tool("Deaf", communication={"timeout": 100}))
            await server.await_for_tool("Slow")
            await server.await_for_tool("Deaf")
            with pytest.raises(ToolFailure) as caught:
                await server.acall("Slow")
            server_id = server.nodes[0].server_id
            assert caught.value.code is VCPErrorCode.TOOL_TIMEOUT
            assert caught.value.payload["plugin_execution_error"] == (
                f"Request to distributed tool Slow on server {server_id} timed out after 0.1s."
            )
            asked = (await heard(able, "execute_tool"))["data"]["requestId"]
            cancel = await heard(able, "cancel_tool")
            assert cancel == {"type": "cancel_tool", "data": {"requestId": asked}}
            await tell(able, "tool_result", requestId=asked, status="success", result=1)
            await server.await_until(lambda s: s.counts["late"] == 1)
            with pytest.raises(ToolFailure):
                await server.acall("Deaf", timeout=0.05)
            assert server.counts["timed_out"] == 2
            assert server.counts["cancelled"] == 1
            assert server.pending == 0

    server = scene(act)
    assert [f.type for f in server.frames].count("cancel_tool") == 1


def test_only_the_addressed_node_may_answer_and_only_once():
    async def act(server):
        async with joined(server) as mine, joined(server) as other:
            await register(mine, tool("Echo"))
            await server.await_for_tool("Echo")
            call = asyncio.create_task(server.araw_call("Echo"))
            request_id = (await heard(mine, "execute_tool"))["data"]["requestId"]
            answer = {"requestId": request_id, "status": "success"}
            await tell(other, "tool_result", **answer, result="forged")
            await server.await_until(lambda s: s.counts["foreign"] == 1)
            assert not call.done()
            await tell(mine, "tool_result", **answer, result="true")
            assert await call == "true"
            await tell(mine, "tool_result", **answer, result="again")
            await server.await_until(lambda s: s.counts["late"] == 1)
            assert (server.counts["called"], server.counts["answered"]) == (1, 1)

    scene(act)


def test_sixty_four_calls_at_once_answered_backwards():
    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            calls = [asyncio.create_task(server.araw_call("Echo", {"i": i})) for i in range(64)]
            asked = [(await heard(ws, "execute_tool"))["data"] for _ in range(64)]
            for data in reversed(asked):
                await tell(
                    ws,
                    "tool_result",
                    requestId=data["requestId"],
                    status="success",
                    result=data["toolArgs"]["i"],
                )
            assert await asyncio.gather(*calls) == list(range(64))

    scene(act)


def test_a_node_that_leaves_loses_its_calls_tools_and_placeholders_at_once():
    async def act(server):
        async with joined(server) as gone, joined(server) as stays:
            await register(gone, tool("Gone"), name="gone")
            await register(stays, tool("Stays"), name="stays")
            await tell(gone, "update_static_placeholders", placeholders={"{{A}}": "1", "B": "2"})
            await tell(stays, "update_static_placeholders", placeholders={"{{C}}": "3"})
            await server.await_until(lambda s: len(s.placeholders) == 3)
            assert server.placeholders == {"{{A}}": "1", "{{B}}": "2", "{{C}}": "3"}
            lost = asyncio.create_task(server.acall("Gone"))
            kept = asyncio.create_task(server.araw_call("Stays"))
            lost_id = (await heard(gone, "execute_tool"))["data"]["requestId"]
            kept_id = (await heard(stays, "execute_tool"))["data"]["requestId"]
            server_id = server.nodes[0].server_id
            assert server.kick("gone") == 1
            with pytest.raises(ToolFailure) as caught:
                await lost
            assert caught.value.code is VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
            assert caught.value.payload["plugin_execution_error"] == (
                f"Distributed server {server_id} disconnected while executing request {lost_id}."
            )
            await ended(gone)
            assert set(server.tools) == {"Stays"}
            assert server.placeholders == {"{{C}}": "3"}
            await tell(stays, "tool_result", requestId=kept_id, status="success", result=7)
            assert await kept == 7
            assert server.counts["rejected"] == 1

    scene(act)


def test_callbacks_are_kept_and_pushed_to_everybody():
    async def act(server):
        async with (
            joined(server) as ws,
            joined(server) as other,
            joined(server, "/vcpinfo/VCP_Key=k-123") as info,
            joined(server, "/vcp-admin-panel/VCP_Key=k-123") as admin,
        ):
            await register(ws, tool("Paint", webSocketPush={"enabled": True}), tool("Quiet"))
            await server.await_for_tool("Quiet")
            quiet = {"PLUGIN_NAME_FOR_CALLBACK": "Quiet", "task_id": 7}
            await tell(ws, "plugin_callback_forward", serverName="n", callbackData=quiet)
            said = {"pluginName": "Paint", "taskId": "t1", "status": "Succeed"}
            await tell(ws, "plugin_callback_forward", serverName="n", callbackData=said)
            for peer in (ws, other, info):
                pushed = await heard(peer, "plugin_callback_notification")
                assert pushed["data"] == said
            assert server.callbacks == {("Quiet", "7"): quiet, ("Paint", "t1"): said}
            # The admin panel gets no broadcasts: the next thing it hears is its own goodbye.
            await server.aclose()
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                await admin.recv()

    scene(act)


def test_the_log_is_told_of_calls():
    async def act(server):
        async with joined(server) as ws, joined(server, "/VCPlog/VCP_Key=k-123") as log:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            call = asyncio.create_task(server.acall("Echo"))
            asked = await heard(ws, "execute_tool")
            await tell(
                ws,
                "tool_result",
                requestId=asked["data"]["requestId"],
                status="error",
                error="no",
            )
            with pytest.raises(ToolFailure):
                await call
            told = await heard(log, "vcp_log")
            assert (told["data"]["tool_name"], told["data"]["status"]) == ("Echo", "error")
            parse_frame(told)

    scene(act)


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[1]",
        "5",
        '{"type": "tool_result"}',
        '{"type": "tool_result", "data": 5}',
        '{"type": "register_tools", "data": {"tools": 5}}',
        '{"type": "plugin_callback_forward", "data": {}}',
        b"\xff\xfe binary rubbish",
        "[" * 100_000,
    ],
)
def test_malformed_frames_are_counted_and_survived(message):
    async def act(server):
        async with joined(server) as ws:
            await ws.send(message)
            await server.await_until(lambda s: s.counts["malformed"] == 1)
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")

    scene(act)


def test_unknown_frames_are_ignored_in_both_directions():
    async def act(server):
        async with joined(server) as ws:
            await heard(ws, "connection_ack")
            await tell(ws, "brand_new", a=1)
            await ws.send('{"no": "type"}')
            await server.await_until(lambda s: s.counts["ignored"] == 2)
            server_id = server.nodes[0].server_id
            server.send(server_id, "not json at all")
            server.send(server_id, b"\x00\x01")
            assert await ws.recv() == "not json at all"
            assert await ws.recv() == b"\x00\x01"
            with pytest.raises(NotFoundError):
                server.send("dist-nobody", {})

    scene(act)


def test_twenty_megabytes_both_ways_also_in_fragments_and_binary():
    big = "界" * 7_000_000  # 21 MB

    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            for fragments in (False, True):
                call = asyncio.create_task(server.araw_call("Echo", {"big": big}, 20))
                asked = json.loads(await ws.recv())
                while asked["type"] != "execute_tool":
                    asked = json.loads(await ws.recv())
                result = asked["data"]["toolArgs"]["big"]
                data = {"requestId": asked["data"]["requestId"], "status": "success"}
                text = json.dumps(
                    {"type": "tool_result", "data": {**data, "result": result}},
                    ensure_ascii=False,
                )
                pieces = [
                    text[start : start + 1_000_000] for start in range(0, len(text), 1_000_000)
                ]
                await ws.send(pieces if fragments else text.encode())
                assert await call == big

    scene(act)


def test_frames_over_the_limit_close_with_1009():
    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            with contextlib.suppress(websockets.exceptions.ConnectionClosed):
                await ws.send("x" * 3_000_000)
            await ended(ws)
            assert ws.close_code == 1009
            await server.await_for_tool("Echo", present=False)

    scene(act, Quirks(max_size=2_000_000))
    assert Quirks().max_size == 100 * 2**20


def test_text_that_is_no_utf8_closes_with_1007():
    async def act(server):
        async with joined(server) as ws:
            await ws.send(b"\xff\xff", text=True)
            await ended(ws)
            assert ws.close_code == 1007

    scene(act)


def test_binary_frames_on_request():
    async def act(server):
        async with joined(server) as ws:
            assert json.loads(await ws.recv())["type"] == "connection_ack"
            server.broadcast({"type": "x"})
            assert await ws.recv() == b'{"type":"x"}'

    scene(act, Quirks(binary=True))


def test_half_an_emoji_is_sent_escaped_and_nothing_that_is_no_json():
    async def act(server):
        async with joined(server) as ws:
            await heard(ws, "connection_ack")
            server.broadcast({"type": "x", "half": "\ud83d"})
            assert await ws.recv() == '{"type":"x","half":"\\ud83d"}'
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            for bad in ({"a": float("nan")}, {"a": object()}):
                with pytest.raises(InvalidInputError):
                    await server.araw_call("Echo", bad)
            assert server.pending == 0

    scene(act)


def test_a_peer_that_answers_no_ping_is_dropped_and_one_that_does_is_kept():
    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Live"))
            await server.await_for_tool("Live")
            # A client that never reads: raw, so that nothing answers its pings.
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(upgrade("/vcp-distributed-server/VCP_Key=k-123").encode())
            await server.await_until(lambda s: len(s.nodes) == 2)
            await server.await_until(lambda s: len(s.nodes) == 1)
            writer.close()
            assert list(server.tools) == ["Live"]

    scene(act, Quirks(heartbeat=0.1))


def test_a_stalled_server_is_silent_until_it_goes_on():
    async def act(server):
        async with joined(server) as ws:
            await heard(ws, "connection_ack")
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            server.stall()
            pong = await ws.ping()
            call = asyncio.create_task(server.araw_call("Echo"))
            opening = asyncio.create_task(
                websockets.connect(server.node_url, proxy=None).__aenter__()
            )
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(pong), 0.2)
            assert not opening.done()
            server.stall(False)
            await asyncio.wait_for(pong, 5)
            asked = await heard(ws, "execute_tool")
            await tell(
                ws, "tool_result", requestId=asked["data"]["requestId"], status="success", result=1
            )
            assert await call == 1
            await (await opening).close()

    scene(act)


def test_a_restart_forgets_everything_but_the_port():
    async def act(server):
        port = server.port
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            call = asyncio.create_task(server.araw_call("Echo"))
            await heard(ws, "execute_tool")
            coming_back = asyncio.create_task(server.arestart(down=0.2))
            with pytest.raises(ToolFailure):
                await call
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            await coming_back
            assert (server.port, server.tools, server.nodes) == (port, {}, [])
            await ended(ws)
            assert ws.close_code == 1006
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")

    scene(act)


def test_closing_says_goodbye_and_rejects_and_it_can_start_again():
    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"))
            await server.await_for_tool("Echo")
            call = asyncio.create_task(server.araw_call("Echo"))
            await heard(ws, "execute_tool")
            await server.aclose()
            with pytest.raises(ToolFailure):
                await call
            await ended(ws)
            assert ws.close_code == 1001
        await server.aclose()
        await server.astart()
        async with joined(server):
            pass

    server = scene(act)
    assert repr(server) == "<StandInServer: closed>"


def test_a_port_that_is_taken_is_said_so():
    with StandInServer() as server:
        other = StandInServer(port=server.port)
        with pytest.raises(StateError, match=str(server.port)):
            other.start()
    with pytest.raises(InvalidInputError):
        StandInServer(port=70_000)


def test_seed_003_names_work_with_milliseconds_and_names():
    async def act(server):
        async with joined(server) as ws:
            await register(ws, tool("Echo"), name="node-1")
            await server.await_for_tool("Echo")
            for which in ("node-1", server.nodes[0].server_id):
                with pytest.raises(ToolFailure, match=r"timed out after 0\.05s"):
                    await server.execute_distributed_tool(which, "Unregistered", {}, 50)
            with pytest.raises(NotFoundError) as caught:
                await server.execute_distributed_tool("node-2", "Echo", {})
            assert caught.value.code is VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR

    scene(act)


def test_files_are_asked_for_by_the_tool_that_nobody_registers():
    async def act(server):
        async with joined(server) as ws:
            await tell(ws, "report_ip", serverName="files", localIPs=["127.0.0.1"])
            await server.await_until(lambda s: s.nodes[0].server_name == "files")
            fetch = asyncio.create_task(server.afetch_file("file:///a.txt", server="files"))
            asked = await heard(ws, "execute_tool")
            assert asked["data"]["toolName"] == "internal_request_file"
            assert asked["data"]["toolArgs"] == {"fileUrl": "file:///a.txt"}
            result = {"status": "success", "fileData": "YQ==", "mimeType": "text/plain"}
            await tell(
                ws,
                "tool_result",
                requestId=asked["data"]["requestId"],
                status="success",
                result=result,
            )
            assert await fetch == result

    scene(act)


def test_waiting_for_what_does_not_come_ends():
    async def act(server):
        with pytest.raises(OperationTimeoutError):
            await server.await_for_tool("Never", timeout=0.05)

    scene(act)


def test_any_thread_may_use_it_and_a_loop_of_its_own_is_left_behind_by_none():
    before = {thread.name for thread in threading.enumerate()}
    with StandInServer(key="k-123", own_thread=True) as server:
        assert any(t.name == "vcplab-stand-in" for t in threading.enumerate())

        async def node() -> None:
            async with joined(server) as ws:
                await register(ws, tool("Echo"))
                async with asyncio.timeout(10):
                    async for message in ws:
                        frame = json.loads(message)
                        if frame["type"] == "execute_tool":
                            data = frame["data"]
                            await tell(
                                ws,
                                "tool_result",
                                requestId=data["requestId"],
                                status="success",
                                result=data["toolArgs"],
                            )

        thread = threading.Thread(target=lambda: asyncio.run(node()))
        thread.start()
        server.wait_for_tool("Echo")
        assert server.raw_call("Echo", {"a": 1}) == {"a": 1}
        assert server.call("Echo", {"a": 1})["a"] == 1
        assert server.home.run(server.araw_call("Echo", {"b": 2})) == {"b": 2}
        assert server.broadcast({"type": "x"}) == 1
        server.stall()
        server.stall(False)
        assert "1 tools" in repr(server)
    thread.join(10)
    assert not thread.is_alive()
    assert "vcplab-stand-in" not in {thread.name for thread in threading.enumerate()} - before


def test_nothing_is_recorded_unless_asked_for_and_then_only_the_latest():
    async def act(server):
        async with joined(server):
            await server.await_until(lambda s: s.nodes)
            for number in range(5):
                server.broadcast({"type": f"t{number}"})

    for record, kept in ((False, []), (2, ["t3", "t4"])):
        server = StandInServer(record=record)

        async def play(server: StandInServer = server) -> None:
            async with server:
                await act(server)

        run(play())
        assert [frame.type for frame in server.frames] == kept
        assert server.counts["out"] == 6


def test_quirks_are_checked():
    with pytest.raises(InvalidInputError):
        Quirks(dialect="klingon")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        Quirks(heartbeat=0)
