"""Which tools a server gets to see, and what is told of that."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vcplab.core.errors import InvalidInputError
from vcplab.node.exposure import Exposure
from vcplab.plugins.manager import PluginManager

ECHO = 'import json\nprint(json.dumps({"status": "success", "result": "hi"}))\n'


def dice(sides: int = 6) -> int:
    """Roll a die.

    The second line is not shown.
    """
    return sides


def hidden() -> str:
    """Not for servers."""
    return "hidden"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[PluginManager]:
    manager = PluginManager()
    manager.add_function(dice)
    manager.add_function(hidden, expose=False)
    for name in ("WeatherNow", "WeatherAdmin", "Echo"):
        put(tmp_path / "plugins", name, requiresAdmin=name == "WeatherAdmin")
    manager.add(tmp_path / "plugins", trust=True)
    yield manager
    manager.close()


def put(root: Path, name: str, **fields: Any) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    content = {
        "name": name,
        "description": f"{name} does it.",
        "pluginType": "synchronous",
        "entryPoint": {"type": "stdio", "command": "python main.py"},
        "communication": {"timeout": 5000},
        "capabilities": {"invocationCommands": [{"command": "go", "description": "Goes."}]},
        **fields,
    }
    (folder / "plugin-manifest.json").write_text(json.dumps(content), "utf-8")
    (folder / "main.py").write_text(ECHO, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("expose", "names"),
    [
        (None, ["dice"]),
        (True, ["dice"]),
        (False, []),
        ((), ["dice"]),
        ("Echo", ["dice", "Echo"]),
        ("Weather*", ["dice", "WeatherNow"]),
        ("*", ["dice", "Echo", "WeatherNow"]),
        (["*", "WeatherAdmin"], ["dice", "Echo", "WeatherAdmin", "WeatherNow"]),
        (["*", "!Weather*"], ["dice", "Echo"]),
        (iter(["*", "!d*"]), ["Echo", "WeatherNow"]),
        ("!*", []),
        ("echo", ["dice"]),
        ("hidden", ["dice"]),
        ("Weather[NA]ow", ["dice", "WeatherNow"]),
    ],
)
def test_what_is_exposed(manager: PluginManager, expose: Any, names: list[str]) -> None:
    exposure = Exposure(expose)
    assert sorted(exposure.tools(manager)) == sorted(names)
    assert sorted(row.name for row in exposure.preview(manager)) == sorted(names)


def test_a_tool_as_a_server_sees_it(manager: PluginManager) -> None:
    tools = Exposure("Echo", prefix="lab_").tools(manager)
    echo, die = tools["lab_Echo"], tools["lab_dice"]
    assert (echo.name, echo.local, echo.source, echo.limit_s) == ("lab_Echo", "Echo", "folder", 5.0)
    assert (die.name, die.local, die.source, die.limit_s) == ("lab_dice", "dice", "notebook", 60.0)
    assert echo.manifest["name"] == "lab_Echo"
    assert "expose" not in die.manifest
    assert set(echo.manifest["entryPoint"].values()) == {"vcplab"}


def test_switches_win(manager: PluginManager) -> None:
    exposure = Exposure(["Echo", "!WeatherNow"])
    for name in ("hidden", "WeatherNow", "WeatherAdmin"):
        exposure.switch(name, True)
    exposure.switch("Echo", False)
    exposure.switch("dice", False)
    assert sorted(exposure.tools(manager)) == ["WeatherAdmin", "WeatherNow", "hidden"]
    whys = {row.name: row.why for row in exposure.rows(manager)}
    assert whys["Echo"] == "switched off"
    assert whys["hidden"] == "switched on"
    exposure.switch("dice", None)
    exposure.switch("nobody", None)
    assert "dice" in exposure.tools(manager)
    assert exposure.switches == {
        "hidden": True, "WeatherNow": True, "WeatherAdmin": True, "Echo": False,
    }  # fmt: skip
    everything_off = Exposure(False)
    everything_off.switch("dice", True)
    assert list(everything_off.tools(manager)) == ["dice"]


@pytest.mark.parametrize(("name", "on"), [("", True), (None, True), ("dice", 1), ("dice", "on")])
def test_impossible_switches(name: Any, on: Any) -> None:
    with pytest.raises(InvalidInputError):
        Exposure().switch(name, on)


def test_only_ready_tools_are_exposed(manager: PluginManager, tmp_path: Path) -> None:
    put(tmp_path / "more", "Strange")
    manager.add(tmp_path / "more")
    manager.disable("Echo")
    exposure = Exposure("*")
    assert sorted(exposure.tools(manager)) == ["WeatherNow", "dice"]
    whys = {row.name: row.why for row in exposure.rows(manager)}
    assert whys["Echo"] == "disabled"
    assert whys["Strange"].startswith("untrusted: ")
    manager.enable("Echo")
    assert "Echo" in exposure.tools(manager)


def test_what_is_called_now_is_what_is_exposed(manager: PluginManager) -> None:
    exposure = Exposure()
    manager.unload("dice")
    assert exposure.tools(manager) == {}

    def roll() -> int:
        """Roll."""
        return 4

    manager.add_function(roll, timeout=3)
    assert exposure.tools(manager)["roll"].limit_s == 3


def test_other_nodes_tools_are_never_passed_on(manager: PluginManager) -> None:
    manager.register_distributed_tools("dist-1", [{"name": "Far", "pluginType": "synchronous"}])
    exposure = Exposure(["*", "Far"])
    exposure.switch("Far", True)
    assert "Far" not in exposure.tools(manager)
    row = next(row for row in exposure.rows(manager) if row.name == "Far")
    assert (row.source, row.exposed) == ("node", False)


def test_registered_plugins_are_exposed_by_name_alone(manager: PluginManager) -> None:
    manifest = {"name": "Given", "pluginType": "synchronous", "entryPoint": {"command": "x"}}
    manager.register(manifest, lambda arguments: "given")
    assert "Given" not in Exposure().tools(manager)
    assert Exposure("Given").tools(manager)["Given"].source == "registered"


def test_services_and_preprocessors_have_no_row(manager: PluginManager) -> None:
    manager.register({"name": "S", "pluginType": "service", "entryPoint": {"script": "x"}})
    manager.register(
        {"name": "P", "pluginType": "messagePreprocessor", "entryPoint": {"script": "x"}},
        processor=lambda messages: messages,
    )
    assert {"S", "P"}.isdisjoint(row.name for row in Exposure("*").rows(manager))


def test_values_of_static_plugins(manager: PluginManager) -> None:
    # What a folder's static plugins told is put there by hand: nothing has to run.
    for name, values in {
        "Sky": {"VCPSky": "blue planted-secret", "VCPNight": "dark"},
        "Sea": {"VCPSea": "deep"},
        "Slow": {"VCPSlow": "[The Slow a-zheng-zai-jia-zai-zhong... ]"},
        "Bad": {"VCPBad": "[Error updating Bad: no]"},
    }.items():
        put_static(manager, name, values)
    manager.masking.learn(["planted-secret"])
    assert Exposure().statics(manager) == {}
    assert Exposure(["S*", "Bad", "!Sea"]).statics(manager) == {
        "VCPSky": "blue •••",
        "VCPNight": "dark",
    }
    exposure = Exposure()
    exposure.switch("Sea", True)
    assert exposure.statics(manager) == {"VCPSea": "deep"}
    assert "Sea" not in exposure.tools(manager)
    assert [(row.name, row.type) for row in exposure.preview(manager)] == [
        ("dice", "synchronous"),
        ("Sea", "static"),
    ]
    assert "1 tool is exposed, and 1 static plugin." in repr(exposure.preview(manager))


def put_static(manager: PluginManager, name: str, values: dict[str, str]) -> None:
    placeholders = dict.fromkeys(values, "…")
    manager.register(
        {"id": name, "name": name, "type": "static", "version": "1", "placeholders": placeholders}
    )
    for key, value in values.items():
        manager.statics.results.set(key, value)


def test_names_that_cannot_be_on_the_wire(manager: PluginManager) -> None:
    def request_file() -> str:
        """Take a name that servers keep."""
        return ""

    manager.add_function(request_file)
    exposure = Exposure(prefix="internal_")
    assert sorted(exposure.tools(manager)) == ["internal_dice"]
    assert next(r.why for r in exposure.rows(manager) if r.name == "request_file") == (
        "servers keep this name for files"
    )
    masked = Exposure(clean=lambda text: text.replace("dice", "•••"))
    assert sorted(masked.tools(manager)) == ["request_file"]


def test_texts_are_cleaned(manager: PluginManager) -> None:
    manager.masking.learn(["Roll a die"])
    assert "Roll a die" not in json.dumps(Exposure().tools(manager)["dice"].manifest)
    assert "Roll a die" not in repr(Exposure().preview(manager))
    own = Exposure(clean=lambda text: text.replace("does it", "•••"))
    assert "WeatherNow •••." in repr(own.preview(manager))


def test_the_preview_as_text(manager: PluginManager) -> None:
    preview = Exposure(["Weather*", "Nothing*"], prefix="lab_").preview(manager)
    lines = repr(preview).split("\n")
    assert lines[0] == "2 tools are exposed."
    assert "dice as lab_dice" in repr(preview)
    assert "The pattern 'Nothing*' matches no plugin." in lines
    assert "The second line" not in repr(preview)
    assert len([line for line in lines if line.startswith("yes")]) == len(preview) == 2
    assert len([line for line in lines if line.startswith("no ")]) == 3
    assert "full name" in repr(preview)
    frame = preview.to_frame()
    assert list(frame["name"][:2]) == ["dice", "WeatherNow"]
    assert list(frame["exposed"]) == [True, True, False, False, False]


def test_the_preview_as_html_is_escaped(manager: PluginManager) -> None:
    manager.add_function(dice, name="evil", description="<script>alert(1)</script>")
    html = Exposure("<b>*").preview(manager)._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html


def test_a_long_preview_is_cut(manager: PluginManager, tmp_path: Path) -> None:
    for number in range(25):
        manager.add_function(dice, name=f"d{number}", expose=False)
    preview = Exposure().preview(manager)
    assert "and 9 more that are not exposed" in repr(preview)
    assert len(preview.rows) == 30


def test_nothing_at_all() -> None:
    manager = PluginManager()
    try:
        preview = Exposure().preview(manager)
        assert repr(preview) == "0 tools are exposed."
        assert "0 tools" in preview._repr_html_()
        assert len(preview) == 0
        assert preview.to_frame().empty
    finally:
        manager.close()


@pytest.mark.parametrize(
    "expose",
    ["", " ", "!", "!!a", " a", [""], [1], 3, 1.5, b"a", {"a": 1}, [None], ["a", b"b"], "plugins/*",
     "C:\\plugins"],
)  # fmt: skip
def test_impossible_patterns(expose: Any) -> None:
    with pytest.raises(InvalidInputError):
        Exposure(expose)


@pytest.mark.parametrize("prefix", [" a", "a\n", "\x1b[1m", None, 3, "「始」"])
def test_impossible_prefixes(prefix: Any) -> None:
    with pytest.raises(InvalidInputError):
        Exposure(prefix=prefix)


def test_an_exposure_shows_itself() -> None:
    exposure = Exposure(["!B", "A*"])
    assert exposure.patterns == ("A*", "!B")
    exposure.switch("C", False)
    assert repr(exposure) == "<Exposure of functions of the notebook, 'A*', '!B', C off>"
    assert repr(Exposure(False)) == "<Exposure of nothing>"


def test_rows_cannot_be_changed(manager: PluginManager) -> None:
    row = Exposure().rows(manager)[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.exposed = False  # type: ignore[misc]
