"""The manager by the names that peers use: seed 001's channels, seed 003's PluginRuntime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidDataError, NotFoundError, VCPErrorCode
from vcplab.plugins.events import InternalPluginExecute
from vcplab.protocol.results import ToolFailure

MakePlugin = Callable[..., Path]


@pytest.fixture
def lab(tmp_path: Path, make_plugin: MakePlugin) -> Iterator[vl.Lab]:
    make_plugin("Echo", configSchema={"TOKEN": "string"})
    (tmp_path / "plugins" / "Echo" / "config.env").write_text("TOKEN=very-secret")
    (tmp_path / "plugins" / "Echo" / "README.md").write_text("# Echo")
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(tmp_path / "plugins", trust=True)
        yield lab


def test_plugin_channels(lab: vl.Lab) -> None:
    invoke = lab.plugins.invoke
    (told,) = invoke("vcp:plugin:list")
    assert (told["name"], told["pluginType"], told["enabled"]) == ("Echo", "synchronous", True)
    assert invoke("vcp:plugin:get", "Echo") == told
    assert invoke("vcp:plugin:initialize") == [told]
    details = invoke("vcp:plugin:getDetails", {"name": "Echo"})
    assert details["readme"] == "# Echo"
    assert "very-secret" not in str(details)
    assert "very-secret" not in str(invoke("vcp:plugin:getConfig", "Echo"))
    assert invoke("vcp:plugin:disable", "Echo")["enabled"] is False
    assert invoke("vcp:plugin:enable", "Echo")["enabled"] is True
    assert [row["name"] for row in invoke("vcp:plugin:reload", {"name": "Echo"})] == ["Echo"]
    invoke("vcp:plugin:updateConfig", {"name": "Echo", "config": {"LEVEL": "3"}})
    assert invoke("vcp:plugin:getConfig", "Echo")["LEVEL"] == "3"
    assert invoke("vcp:plugin:getStats")["byType"] == {"synchronous": 1}
    assert invoke("vcp:plugin:getPlaceholders") == {}


def test_tool_channels(lab: vl.Lab) -> None:
    invoke = lab.plugins.invoke
    done = invoke("vcp:tool:execute", {"name": "Echo", "arguments": {"a": "1"}})
    assert done["success"]
    assert done["data"]["a"] == "1"
    assert not invoke("vcp:tool:execute", {"name": "Nobody"})["success"]
    started = invoke("vcp:tool:executeAsync", {"name": "Echo", "arguments": {"a": "2"}})
    task_id = started["taskId"]
    lab.tools.tasks.get(task_id).wait(20)
    assert invoke("vcp:tool:getTaskStatus", {"taskId": task_id})["status"] == "succeeded"
    assert invoke("vcp:tool:getTaskResult", task_id)["result"]["a"] == "2"
    assert invoke("vcp:tool:cancelTask", task_id) is False
    (defined,) = invoke("vcp:tool:listDefinitions")
    assert defined["name"] == "Echo"
    assert defined["inputSchema"]["type"] == "object"
    with pytest.raises(NotFoundError, match="no task"):
        invoke("vcp:tool:getTaskStatus", "nothing")
    with pytest.raises(NotFoundError, match="no channel"):
        invoke("vcp:tool:nonsense")


def test_unified_view(lab: vl.Lab) -> None:
    invoke = lab.plugins.invoke
    assert [p["protocol"] for p in invoke("vcp:unified:getAllPlugins")] == ["vcp"]
    assert len(invoke("vcp:unified:getPluginsByProtocol", "vcp")) == 1
    assert invoke("vcp:unified:getPluginsByProtocol", {"protocol": "mcp"}) == []
    done = invoke("vcp:unified:executeTool", {"name": "Echo", "arguments": {"query": "搜索"}})
    assert done["data"]["query"] == "搜索"
    assert invoke("vcp:unified:getToolDefinitions") == invoke("vcp:tool:listDefinitions")
    assert len(invoke("vcp:unified:refresh")) == 1


def test_channels_of_nodes(lab: vl.Lab) -> None:
    invoke = lab.plugins.invoke
    tool = {
        "name": "Lamp",
        "description": "Switches a lamp.",
        "pluginType": "synchronous",
        "entryPoint": {"command": "lamp"},
        "capabilities": {"invocationCommands": [{"command": "on", "description": "Light it."}]},
    }
    taken = {**tool, "name": "Echo"}
    given = {"serverId": "desk", "tools": [tool, taken, {"name": "half"}]}
    assert invoke("vcp:distributed:register", given) == ["Lamp"]
    invoke("vcp:distributed:register", {"server_id": "attic", "tools": [{**tool, "name": "Fan"}]})
    assert invoke("vcp:distributed:getServers") == [
        {"serverId": "desk", "tools": ["Lamp"]},
        {"serverId": "attic", "tools": ["Fan"]},
    ]
    (lamp,) = invoke("vcp:distributed:getServerTools", {"serverId": "desk"})
    assert (lamp["name"], lamp["description"]) == ("Lamp", "Light it.")
    assert invoke("vcp:distributed:getServerTools", "nobody") == []

    asked: list[tuple[Any, ...]] = []

    def executor(server: str, name: str, arguments: Any) -> str:
        asked.append((server, name, dict(arguments)))
        return "lit"

    lab.plugins.set_distributed_executor(executor)
    assert lab.tools.Lamp(power="on") == "lit"
    assert asked == [("desk", "Lamp", {"power": "on"})]

    assert invoke("vcp:distributed:unregister", {"serverId": "desk"}) == ["Lamp"]
    assert [one["serverId"] for one in invoke("vcp:distributed:getServers")] == ["attic"]
    assert not invoke("vcp:tool:execute", {"name": "Lamp"})["success"]


def test_preprocessor_channels_remember(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        for name in "abc":
            lab.plugins.preprocessors.add(name, lambda messages: messages)
        assert lab.plugins.invoke("vcp:preprocessor:set-order", {"order": ["c"]}) == ["c", "a", "b"]
    with vl.Lab(tmp_path / "lab") as lab:
        for name in "abc":
            lab.plugins.preprocessors.add(name, lambda messages: messages)
        assert lab.plugins.invoke("vcp:preprocessor:get-order") == ["c", "a", "b"]
        assert [one["name"] for one in lab.plugins.invoke("vcp:preprocessor:get-info")] == [
            "c", "a", "b",
        ]  # fmt: skip


RANDOMNESS: dict[str, Any] = {
    "id": "Randomness",
    "name": "Randomness",
    "version": "5.2.0",
    "type": "direct",
    "description": "Random event generator",
    "capabilities": {"invocationCommands": [{"command": "rollDice", "description": "Roll dice"}]},
}


def test_runtime_direct(tmp_path: Path, make_plugin: MakePlugin) -> None:
    script = 'print(\'{"status": "success", "result": {"total": 11, "rolls": [6, 5]}}\')'
    make_plugin("Randomness", script, root="Plugin")
    with vl.Lab(tmp_path / "lab") as lab:
        runtime = vl.PluginRuntime(lab.plugins, plugin_dir=tmp_path / "Plugin", trust=True)
        seen: list[Any] = []
        runtime.on("plugin_executed", seen.append)
        runtime.on("plugin_error", seen.append)

        async def main() -> None:
            await runtime.register_plugin(RANDOMNESS)
            args = {"command": "rollDice", "diceString": "2d6"}
            assert await runtime.execute_plugin("Randomness", args) == {
                "status": "success",
                "result": {"total": 11, "rolls": [6, 5]},
            }
            with pytest.raises(NotFoundError) as caught:
                await runtime.execute_plugin("NonExistent", {})
            assert caught.value.code == VCPErrorCode.TOOL_NOT_FOUND
            await runtime.unload_plugin("Randomness")

        asyncio.run(main())
        assert [event.type for event in seen] == ["plugin_executed"]
        assert seen[0].plugin == "Randomness"
        assert seen[0].result["result"]["total"] == 11
        assert runtime.get_plugins() == []


def test_runtime_without_a_folder_is_a_row_that_says_so(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        assert lab.plugins.register(RANDOMNESS).state == "unsupported"


def test_invalid_manifest_has_its_own_code(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab, pytest.raises(InvalidDataError) as caught:
        lab.plugins.register({"id": "X", "type": "magic"})
    assert caught.value.code == VCPErrorCode.INVALID_PLUGIN_MANIFEST


def test_distributed(tmp_path: Path) -> None:
    tools = [
        {"name": "RemoteTool1", "id": "RemoteTool1", "type": "distributed", "timeout": 200},
        {"name": "RemoteTool2", "pluginType": "synchronous"},
        {"broken": True},
    ]
    calls: list[Any] = []

    async def executor(server: str, tool: str, args: Any) -> Any:
        calls.append((server, tool, dict(args)))
        if tool == "RemoteTool1":
            await asyncio.sleep(5)
        return {"status": "success", "result": {"ok": 1}}

    with vl.Lab(tmp_path / "lab") as lab:
        names = lab.plugins.register_distributed_tools("node-1", tools)
        assert names == ["RemoteTool1", "RemoteTool2"]
        assert lab.plugins.register_distributed_tools("node-2", tools) == []  # the first holds it
        with pytest.raises(vl.VCPError) as unconnected:
            lab.tools.call("RemoteTool2", {})
        assert unconnected.value.code == VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
        lab.plugins.set_distributed_executor(executor)
        assert lab.tools.call("RemoteTool2", {"a": 1}) == {"ok": 1}
        assert calls == [("node-1", "RemoteTool2", {"a": 1})]
        assert lab.plugins.row("RemoteTool2").source == "node-1"
        with pytest.raises(vl.ToolTimeoutError, match=r"server node-1 timed out after 0\.2s"):
            lab.tools.call("RemoteTool1", {})
        gone = lab.plugins.unregister_all_distributed_tools("node-1")
        assert gone == ["RemoteTool1", "RemoteTool2"]
        assert lab.plugins.rows() == []


def test_internal_by_event_and_by_handler(tmp_path: Path) -> None:
    base = {"version": "1", "description": "d", "type": "internal"}
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.register({**base, "id": "Ask", "name": "Ask"})

        def answer(event: InternalPluginExecute) -> None:
            event.respond({"got": event.arguments["x"]})

        lab.plugins.on("internal_plugin_execute", answer)
        assert lab.tools.call("Ask", {"x": 1}) == {"got": 1}
        lab.plugins.register(
            {**base, "id": "Quick", "name": "Quick"}, handler=lambda args: args["x"] + 1
        )
        assert lab.tools.call("Quick", {"x": 1}) == 2
        lab.plugins.register({**base, "id": "Deaf", "name": "Deaf", "timeout": 50})
        lab.plugins.events.subscribe(InternalPluginExecute, lambda event: None)
        with pytest.raises(vl.ToolTimeoutError):
            lab.tools.call("Deaf", {})


def test_static_service_and_preprocessor_of_the_sdk(tmp_path: Path) -> None:
    base = {"version": "1", "description": "d"}
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.register(
            {**base, "id": "S", "name": "S", "type": "static", "placeholders": {"{{Mood}}": "good"}}
        )
        assert lab.variables.resolve_all("{{Mood}}") == "good"
        lab.plugins.register(
            {**base, "id": "P", "name": "P", "type": "preprocessor"},
            processor=lambda messages: [*messages, {"role": "system", "content": "added"}],
        )
        assert lab.plugins.preprocess([])[-1]["content"] == "added"
        module = object()
        lab.plugins.register({**base, "id": "M", "name": "M", "type": "service"}, module=module)
        assert lab.plugins.service_module("M") is module
        with pytest.raises(ToolFailure, match="no tool"):
            lab.tools.call("M", {})
        lab.plugins.unload("S")
        assert lab.variables.resolve_all("{{Mood}}") == "{{Mood}}"
        lab.plugins.unload("P")
        assert lab.plugins.preprocess([]) == []


def test_tasks_can_be_cancelled(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:

        @lab.tool
        async def slow() -> None:
            await asyncio.sleep(60)

        task = lab.plugins.submit("slow", {})
        ended: list[Any] = []
        task.add_done_callback(ended.append)
        with pytest.raises(TimeoutError):
            task.wait(0.05)
        assert task.cancel()
        assert task.state == "cancelled"
        assert ended == [task]

        @lab.tool
        def fails() -> None:
            raise ValueError("no")

        task = lab.plugins.submit("fails")
        assert not task.wait(10).success
        assert task.state == "failed"

        async def main() -> Any:
            return await lab.plugins.submit("fails")

        assert "no" in asyncio.run(main()).error
    with vl.Lab(tmp_path / "lab") as lab:
        states = {r["tool"]: r["status"] for r in lab.tools.tasks.records()}
        assert states == {"slow": "cancelled", "fails": "failed"}
