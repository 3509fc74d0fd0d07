"""The stand-in server's other tongues: IntelliCore, Cherry, JSON-RPC."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from typing import Any

import pytest

from vcplab.core.errors import VCPErrorCode
from vcplab.core.loop import run
from vcplab.node.standin import Quirks, StandInServer
from vcplab.protocol.frames import UnknownFrame, parse_frame
from vcplab.protocol.results import ToolFailure

websockets = pytest.importorskip("websockets", reason="needs websockets")

ECHO = {"name": "Echo", "pluginType": "synchronous", "entryPoint": {}}
OTHER = {**ECHO, "name": "Other"}


@contextlib.asynccontextmanager
async def joined(server: StandInServer, key: str | None = None):
    url = f"{server.url}/vcp-distributed-server/VCP_Key={key or server.key}"
    async with websockets.connect(url, compression=None, proxy=None, close_timeout=1) as ws:
        yield ws


async def heard(ws: Any) -> dict[str, Any]:
    """The next frame; it is one that the protocol's own reader knows."""
    async with asyncio.timeout(5):
        text = await ws.recv()
    assert not isinstance(parse_frame(text), UnknownFrame)
    return json.loads(text)


async def say(ws: Any, **frame: Any) -> None:
    await ws.send(json.dumps(frame))


def scene(act: Any, quirks: Quirks) -> StandInServer:
    server = StandInServer(key="k-123", quirks=quirks, record=True)

    async def play() -> None:
        async with server, asyncio.timeout(20):
            await act(server)

    run(play())
    return server


def test_intellicore_acknowledges_twice_and_confirms_registration():
    async def act(server):
        async with joined(server) as ws:
            first, second = await heard(ws), await heard(ws)
            assert set(first) == {"type", "message"}
            assert set(second) == {"type", "data"}
            server_id = second["data"]["serverId"]
            assert re.fullmatch(r"dist-\d-\d{13}", server_id)
            await say(
                ws, type="register_tools", data={"serverName": "x", "tools": [ECHO, OTHER, {}]}
            )
            ack = await heard(ws)
            assert ack == {"type": "register_ack", "data": {"tools": ["Echo", "Other"], "count": 2}}
            assert server.nodes[0].server_name is None  # it takes no notice of names
            await say(ws, type="unregister_tools", tools=["Other", {"name": "Nobody"}])
            await server.await_for_tool("Other", present=False)
            await say(
                ws, type="register_tools", data={"tools": [{**ECHO, "displayName": "Renewed"}]}
            )
            await heard(ws)
            assert server.tools["Echo"]["displayName"] == "[云端] Renewed"
            await say(ws, type="heartbeat")
            await server.await_until(lambda s: s.counts["heartbeats"] == 1)
            call = asyncio.create_task(server.araw_call("Echo", {"a": 1}))
            asked = await heard(ws)
            assert asked["type"] == "execute_tool"
            assert re.fullmatch(r"req-\d{13}-[0-9a-z]{7}", asked["data"]["requestId"])
            data = {"requestId": asked["data"]["requestId"], "status": "success", "result": 5}
            await say(ws, type="tool_result", data=data)
            assert await call == 5

    scene(act, Quirks(dialect="intellicore"))


def test_intellicore_asks_for_files_beside_the_type():
    async def act(server):
        async with joined(server) as ws:
            await heard(ws)
            server_id = (await heard(ws))["data"]["serverId"]
            for success in (True, False):
                fetch = asyncio.create_task(server.afetch_file("/x/a.txt", server=server_id))
                asked = await heard(ws)
                assert set(asked) == {"type", "requestId", "filePath"}
                assert (asked["type"], asked["filePath"]) == ("fetch_file", "/x/a.txt")
                answer = {"content": "YQ=="} if success else {"error": "File not found"}
                await say(
                    ws,
                    type="file_result",
                    requestId=asked["requestId"],
                    success=success,
                    **answer,
                )
                if success:
                    assert (await fetch)["content"] == "YQ=="
                else:
                    with pytest.raises(ToolFailure, match="File not found"):
                        await fetch
            with pytest.raises(ToolFailure, match="timed out") as caught:
                await server.afetch_file("/x/a.txt", server=server_id, timeout=0.05)
            assert caught.value.code is VCPErrorCode.TOOL_TIMEOUT
            lost = asyncio.create_task(server.afetch_file("/x/a.txt", server=server_id))
            await heard(ws)
            await heard(ws)
            server.kick()
            with pytest.raises(ToolFailure, match="disconnected"):
                await lost
            assert server.pending == 0

    scene(act, Quirks(dialect="intellicore"))


def test_intellicore_with_all_its_habits():
    async def act(server):
        async with joined(server, "whatever") as one, joined(server, "another") as two:
            for ws in (one, two):
                await heard(ws)
                await heard(ws)
            await say(one, type="register_tools", data={"tools": [ECHO]})
            await say(two, type="register_tools", data={"tools": [OTHER]})
            await server.await_for_tool("Echo")
            await server.await_for_tool("Other")
            call = asyncio.create_task(server.araw_call("Echo"))
            await heard(one)
            request_id = (await heard(one))["data"]["requestId"]
            # Anybody may answer, and an error comes out as nothing.
            answer = {"requestId": request_id, "status": "error", "error": "x"}
            await say(two, type="tool_result", data=answer)
            assert await call is None
            assert server.counts["failed"] == 1
            other = asyncio.create_task(server.araw_call("Other"))
            await heard(two)
            await heard(two)
            await one.close()
            with pytest.raises(ToolFailure, match="disconnected"):
                await other

    scene(act, Quirks.intellicore())
    assert Quirks.intellicore(any_key=False).any_key is False


def test_cherry_spells_it_distributed():
    async def act(server):
        async with joined(server) as ws:
            await heard(ws)
            data = {"serverName": "c", "tools": [ECHO, OTHER], "capabilities": {"cancelTool": True}}
            await say(ws, type="distributed_register", data=data)
            await server.await_for_tool("Other")
            call = asyncio.create_task(server.araw_call("Echo", {"a": 1}))
            asked = await heard(ws)
            assert asked["type"] == "distributed_tool_call"
            assert asked["data"]["toolArgs"] == {"a": 1}
            answer = {
                "requestId": asked["data"]["requestId"],
                "status": "success",
                "result": {"b": 2},
            }
            await say(ws, type="distributed_tool_result", data=answer)
            assert await call == {"b": 2}
            await say(ws, type="distributed_heartbeat", data={"serverName": "c"})
            await server.await_until(lambda s: s.counts["heartbeats"] == 1)
            await say(ws, type="distributed_unregister", data={"tools": ["Other"]})
            await server.await_for_tool("Other", present=False)
            # A list is all there is: what it leaves out is gone.
            await say(ws, type="distributed_tool_list", data={"tools": [OTHER]})
            await server.await_for_tool("Other")
            assert set(server.tools) == {"Other"}
            await say(ws, type="distributed_unregister", data={"serverName": "c"})
            await server.await_for_tool("Other", present=False)
            with pytest.raises(ToolFailure):
                await server.acall("Echo")

    scene(act, Quirks(dialect="cherry"))


@pytest.mark.parametrize("answers_as_rpc", [True, False])
def test_json_rpc_calls(answers_as_rpc):
    async def act(server):
        async with joined(server) as ws:
            await heard(ws)
            await say(ws, type="register_tools", data={"tools": [ECHO]})
            await server.await_for_tool("Echo")
            for failing in (False, True):
                call = asyncio.create_task(server.araw_call("Echo", {"a": 1}))
                asked = await heard(ws)
                assert asked == {
                    "jsonrpc": "2.0",
                    "id": asked["id"],
                    "method": "execute_tool",
                    "params": {"toolName": "Echo", "toolArgs": {"a": 1}},
                }
                if not answers_as_rpc:
                    ending = (
                        {"status": "error", "error": "no"}
                        if failing
                        else {"status": "success", "result": 3}
                    )
                    await say(ws, type="tool_result", data={"requestId": asked["id"], **ending})
                elif failing:
                    error = {"code": -32000, "message": "no"}
                    await say(ws, jsonrpc="2.0", id=asked["id"], error=error)
                else:
                    await say(ws, jsonrpc="2.0", id=asked["id"], result=3)
                if failing:
                    with pytest.raises(ToolFailure, match="no"):
                        await call
                else:
                    assert await call == 3

    scene(act, Quirks(jsonrpc=True))


def test_the_toolbox_knows_none_of_the_other_tongues():
    async def act(server):
        async with joined(server) as ws:
            await heard(ws)
            await say(ws, type="register_tools", data={"tools": [ECHO]})
            await server.await_for_tool("Echo")
            await say(ws, type="unregister_tools", tools=["Echo"])
            await say(ws, type="distributed_unregister", data={})
            await say(ws, type="heartbeat")
            await say(ws, jsonrpc="2.0", id="x", result=1)
            await server.await_until(lambda s: s.counts["ignored"] == 4)
            assert set(server.tools) == {"Echo"}

    scene(act, Quirks())
