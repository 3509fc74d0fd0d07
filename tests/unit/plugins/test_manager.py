"""Coming and going of plugins, names, switches, settings and events."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vcplab as vl
from vcplab.core.errors import InvalidInputError, NotFoundError, VCPErrorCode
from vcplab.plugins.events import PluginEvent
from vcplab.plugins.failures import PluginUnavailableError
from vcplab.plugins.manager import PluginManager
from vcplab.protocol.results import ToolFailure

MakePlugin = Callable[..., Path]


def test_broken_and_blocked_ones_are_rows(
    manager: PluginManager, make_plugin: MakePlugin, tmp_path: Path
) -> None:
    make_plugin("Good")
    broken = make_plugin("Broken")
    (broken / "plugin-manifest.json").write_text("{oops")
    blocked = make_plugin("Blocked")
    (blocked / "plugin-manifest.json").rename(blocked / "plugin-manifest.json.block")
    syntax = make_plugin("Syntax", "def (:\n")
    empty = make_plugin("Empty", " \n")
    manager.add(tmp_path / "plugins", trust=True)
    rows = {row.name: row for row in manager.rows()}
    assert {name: row.state for name, row in rows.items()} == {
        "Good": "ready",
        "Broken": "broken",
        "Blocked": "disabled",
        "Syntax": "broken",
        "Empty": "broken",
    }
    assert "line 1" in (rows["Broken"].problem or "")
    assert "line 1" in (rows["Syntax"].problem or "")
    assert "main.py" in (rows["Syntax"].problem or "")
    assert "empty" in (rows["Empty"].problem or "")
    assert ".block" in (rows["Blocked"].problem or "")
    del syntax, empty


def test_the_first_of_a_name_holds_it(
    manager: PluginManager, make_plugin: MakePlugin, tmp_path: Path
) -> None:
    make_plugin("Echo")
    make_plugin("Echo", root="others")
    manager.add(tmp_path / "plugins", trust=True)
    manager.add(tmp_path / "others", trust=True)
    states = [row.state for row in manager.rows()]
    assert states == ["ready", "clash"]
    assert "came first" in (manager.rows()[1].problem or "")
    manager.unload("Echo")
    manager.load("Echo")
    (row,) = manager.rows()
    assert row.state == "ready"
    assert "others" in row.source


def test_a_function_does_not_take_a_plugins_name(
    manager: PluginManager, make_plugin: MakePlugin
) -> None:
    manager.add(make_plugin("Echo"), trust=True)

    def echo() -> None: ...

    with pytest.raises(InvalidInputError, match="borne by"):
        manager.add_function(echo, name="Echo")


def test_dependencies(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        base = {"version": "1", "description": "d", "type": "internal"}
        lab.plugins.register(
            {**base, "id": "B", "name": "B", "dependencies": ["A"]}, handler=lambda a: "b"
        )
        assert lab.plugins.row("B").state == "waiting"
        assert "'A'" in (lab.plugins.row("B").problem or "")
        with pytest.raises(PluginUnavailableError, match="waiting"):
            lab.tools.call("B")
        lab.plugins.register({**base, "id": "A", "name": "A"}, handler=lambda a: "a")
        assert lab.tools.call("B") == "b"
        lab.plugins.disable("A")
        assert lab.plugins.row("B").state == "waiting"
        lab.plugins.enable("A")
        lab.plugins.register(
            {**base, "id": "A", "name": "A", "dependencies": ["B"]}, handler=lambda a: "a"
        )
        assert "circle" in (lab.plugins.row("A").problem or "")


def test_packages_are_no_missing_plugins(manager: PluginManager, make_plugin: MakePlugin) -> None:
    manager.add(make_plugin("Echo", dependencies={"axios": "^1.0"}), trust=True)
    assert manager.row("Echo").state == "ready"
    manager.add(make_plugin("Needy", requires=["Absent"]), trust=True)
    assert manager.row("Needy").state == "waiting"


def test_events_and_switches(tmp_path: Path, make_plugin: MakePlugin) -> None:
    seen: list[PluginEvent] = []
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.on_change(seen.append)
        lab.plugins.add(make_plugin("Echo"), trust=True)
        lab.tools.call("Echo", {})
        with pytest.raises(NotFoundError):
            lab.tools.call("Nobody", {})
        lab.plugins.disable("Echo")
        with pytest.raises(PluginUnavailableError, match="disabled"):
            lab.tools.call("Echo", {})
        lab.plugins.disable("Echo")  # twice is once
    types = [event.type for event in seen]
    assert list(dict.fromkeys(types)) == [
        "plugin_registered",
        "plugin_executed",
        "plugin_disabled",
    ]
    assert types.count("plugin_disabled") == 1
    assert seen[0].to_dict() == {"type": "plugin_registered", "data": {"plugin": "Echo"}}
    with vl.Lab(tmp_path / "lab") as lab:  # remembered
        assert lab.plugins.row("Echo").state == "disabled"
        seen.clear()
        lab.plugins.on("plugin_enabled", seen.append)
        lab.plugins.enable("Echo")
        assert lab.tools.call("Echo", {}) == {}
        lab.plugins.on("plugins_reloaded", seen.append)
        lab.plugins.reload("Echo")
        lab.plugins.on("plugin_unloaded", seen.append)
        lab.plugins.unload("Echo")
        assert [event.type for event in seen] == [
            "plugin_enabled",
            "plugins_reloaded",
            "plugin_unregistered",
        ]
        with pytest.raises(InvalidInputError, match="no event"):
            lab.plugins.on("nonsense", print)


def test_names_are_exact_and_near_ones_are_told(
    manager: PluginManager, make_plugin: MakePlugin
) -> None:
    manager.add(make_plugin("Echo"), trust=True)
    with pytest.raises(NotFoundError, match="did you mean 'Echo'") as caught:
        manager.row("echo")
    assert caught.value.code == VCPErrorCode.TOOL_NOT_FOUND


def test_settings_of_the_lab_win(tmp_path: Path, make_plugin: MakePlugin) -> None:
    script = (
        "import json, os\n"
        'print(json.dumps({"status": "success", "result": os.environ.get("COLOUR")}))\n'
    )
    folder = make_plugin("Paint", script, configSchema={"COLOUR": {"default": "red"}})
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        assert lab.tools.call("Paint") == "red"
        lab.plugins.set_config("Paint", COLOUR="blue")
        assert lab.tools.call("Paint") == "blue"
        assert lab.plugins.config("Paint").sources["COLOUR"] == "lab"
    with vl.Lab(tmp_path / "lab") as lab:
        assert lab.tools.call("Paint") == "blue"
        lab.plugins.set_config("Paint", COLOUR=None)
        assert lab.tools.call("Paint") == "red"


def test_install_and_uninstall(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin("Echo")
    archive = tmp_path / "Echo.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in folder.iterdir():
            zipped.write(file, f"Echo/{file.name}")
    with vl.Lab(tmp_path / "lab") as lab:
        row = lab.plugins.install(archive)
        assert row.state == "untrusted"
        lab.plugins.trust("Echo")
        assert lab.tools.call("Echo", {"x": 1}) == {"x": 1}
        installed = tmp_path / "lab" / "plugins" / "downloaded" / "Echo"
        assert installed.is_dir()
        listed = json.loads((tmp_path / "lab" / "plugins" / "registry.json").read_text())
        assert [(p["name"], p["path"]) for p in listed["plugins"]] == [("Echo", "downloaded/Echo")]
        lab.plugins.uninstall("Echo")
        assert not installed.exists()
        assert lab.plugins.rows() == []
        listed = json.loads((tmp_path / "lab" / "plugins" / "registry.json").read_text())
        assert listed["plugins"] == []
        lab.plugins.add(folder, trust=True)
        with pytest.raises(InvalidInputError, match="not installed"):
            lab.plugins.uninstall("Echo")
        assert folder.is_dir()


def test_discover(tmp_path: Path, make_plugin: MakePlugin) -> None:
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.install(make_plugin("Echo"))
        lab.plugins.unload("Echo")
        rows = {row.name: row for row in lab.plugins.discover()}
        assert rows["Echo"].state == "untrusted"
        assert rows["SuperDice"].state == "ready"


def test_adding_nothing(manager: PluginManager, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match="No plugin"):
        manager.add(tmp_path / "empty")
    with pytest.raises(NotFoundError):
        manager.add(tmp_path / "nowhere")


def test_arguments_are_checked_for_every_host(
    manager: PluginManager, make_plugin: MakePlugin
) -> None:
    from vcplab.plugins.calling import Caller

    command = {
        "command": "go",
        "description": "d",
        "parameters": {
            "type": "object",
            "properties": {"count": {"type": "integer"}, "text": {"type": "string"}},
            "required": ["count"],
        },
    }
    manager.add(make_plugin("Echo", capabilities={"invocationCommands": [command]}), trust=True)
    caller = Caller(manager)
    assert caller.call("Echo", {"count": "5"}) == {"count": 5}
    with pytest.raises(InvalidInputError, match="'count' is missing"):
        caller.call("Echo", {"text": "x"})
    with pytest.raises(InvalidInputError, match="did you mean 'text'"):
        caller.call("Echo", {"count": 1, "texd": "x"})
    with pytest.raises(InvalidInputError, match="cannot take 0 s"):
        caller.call("Echo", {"count": 1}, timeout=0)


def test_types_that_are_no_tools(manager: PluginManager, make_plugin: MakePlugin) -> None:
    from vcplab.plugins.calling import Caller

    manager.add(make_plugin("Now", pluginType="static"), trust=True)
    with pytest.raises(ToolFailure, match="no tool"):
        Caller(manager).call("Now")


def test_a_read_only_lab_can_still_call(tmp_path: Path, make_plugin: MakePlugin) -> None:
    import subprocess
    import sys

    folder = make_plugin("Echo")
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(folder, trust=True)
        code = (
            "import sys, vcplab as vl\n"
            "lab = vl.Lab(sys.argv[1]); assert lab.read_only\n"
            "print([(r.name, r.state) for r in lab.plugins.add(sys.argv[2], trust=True)])\n"
            "print(lab.tools.call('Echo', {'a': 1}))\n"
            "lab.close()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "lab"), str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.splitlines() == ["[('Echo', 'ready')]", "{'a': 1}"], done.stderr


def test_functions(tmp_path: Path) -> None:
    with vl.Lab(tmp_path / "lab") as lab:

        @lab.tool
        def shout(text: str, times: int = 1) -> str:
            """Say it louder."""
            return text.upper() * times

        assert shout("a") == "A"  # the cell's own function is still one
        assert lab.tools.shout(text="ab", times="2") == "ABAB"
        assert lab.tools.shout("ab") == "AB"
        assert list(lab.tools.shout.__signature__.parameters) == ["text", "times"]
        assert "shout" in dir(lab.tools)

        @lab.tool(name="shout")
        async def again(text: str) -> str:
            return text.lower()

        assert lab.tools.shout(text="AB") == "ab"
        assert [row.name for row in lab.plugins.rows()] == ["shout"]

        @lab.tool
        def fails(n: int) -> int:
            return 1 // n

        with pytest.raises(ToolFailure, match="ZeroDivisionError") as caught:
            lab.tools.fails(n=0)
        assert "return 1 // n" in caught.value.details["traceback"]
        assert "kernel.py" not in caught.value.details["traceback"]
        (call,) = [c for c in lab.trace.log.get_recent_calls() if c.tool_name == "fails"]
        assert call.status == "error"
        (span,) = [s for s in lab.trace.spans(kinds=("tool",)) if s.name == "tool.fails"]
        assert "return 1 // n" in span.attributes["traceback"]

        @lab.tool(timeout=0.05)
        async def slow() -> None:
            import asyncio

            await asyncio.sleep(5)

        with pytest.raises(vl.ToolTimeoutError, match="timed out after 50ms"):
            lab.tools.slow()


def test_the_administrators_code(tmp_path: Path, make_plugin: MakePlugin) -> None:
    script = (
        "import json, os\n"
        'print(json.dumps({"status": "success", "result": os.environ["DECRYPTED_AUTH_CODE"]}))\n'
    )
    with vl.Lab(tmp_path / "lab") as lab:
        lab.plugins.add(make_plugin("Admin", script, requiresAdmin=True), trust=True)
        with pytest.raises(ToolFailure, match="requires the administrator's code"):
            lab.tools.Admin()
        lab.plugins.admin_code = "123456"
        assert lab.tools.Admin() == "123456"
        lines = [str(span.attributes) for span in lab.trace.spans(kinds=("tool",))]
        assert not any("123456" in line for line in lines)


def test_entry_points(
    tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vcplab.plugins import bundled

    folder = make_plugin("Echo").parent

    class Point:
        name = "point"

        def __init__(self, value: Any) -> None:
            self.value = value

        def load(self) -> Any:
            if isinstance(self.value, Exception):
                raise self.value
            return self.value

    points = [Point(ImportError("gone")), Point(str(folder)), Point(lambda: folder)]
    monkeypatch.setattr(bundled, "entry_points", lambda group: points)
    with vl.Lab(tmp_path / "lab") as lab:
        rows = {row.name: row for row in lab.plugins.discover()}
        assert rows["Echo"].state == "untrusted"
        assert rows["SuperDice"].state == "ready"
