"""Every dialect's manifest becomes the same kind of value; broken ones say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError, VCPErrorCode
from vcplab.plugins.manifest import (
    describe_plugin,
    find_plugins,
    read_folder,
    read_manifest,
)

TOOLBOX: dict[str, Any] = {
    "manifestVersion": "1.0.0",
    "name": "SciCalculator",
    "displayName": "科学计算器",
    "version": "1.1.1",
    "description": "算",
    "author": "A",
    "pluginType": "synchronous",
    "entryPoint": {"type": "python", "command": "python calculator.py"},
    "communication": {"protocol": "stdio", "timeout": 15000},
    "configSchema": {
        "LIMIT": {"type": "integer", "default": 5, "description": "d"},
        "API_KEY": "string",
    },
    "capabilities": {
        "invocationCommands": [
            {
                "commandIdentifier": "SciCalculatorRequest",
                "command": "calculate",
                "description": "第一行\n第二行",
                "example": "<<<[TOOL_REQUEST]>>>\ntool_name:「始」SciCalculator「末」,\n"
                "expression:「始」1+1「末」\n<<<[END_TOOL_REQUEST]>>>",
            },
            {"commandIdentifier": "hidden"},
        ],
        "systemPromptPlaceholders": [{"placeholder": "{{VCPSci}}", "description": "p"}],
    },
    "webSocketPush": {"enabled": True, "messageType": "done", "targetClientType": "VCPLog"},
    "requiresAdmin": True,
    "permissions": ["network"],
}
CHERRY: dict[str, Any] = {
    "name": "my_plugin",
    "displayName": "我的插件",
    "description": "插件描述",
    "version": "1.0.0",
    "pluginType": "synchronous",
    "params": [
        {"name": "input", "description": "输入参数", "type": "string", "required": True},
        {"name": "count", "type": "number"},
    ],
    "entryPoint": {"type": "script", "script": "index.js"},
}
SEED_000 = {
    "name": "示例插件",
    "version": "1.0.0",
    "description": "插件功能描述",
    "main": "plugin.js",
    "type": "tool",
    "dependencies": [],
    "permissions": ["file_read", "network"],
}
SEED_003 = {
    "id": "Randomness",
    "name": "Randomness Name",
    "version": "5.2.0",
    "type": "direct",
    "description": "Random event generator",
    "capabilities": {"invocationCommands": [{"command": "rollDice", "description": "Roll dice"}]},
}


def test_toolbox() -> None:
    manifest = read_manifest(TOOLBOX)
    assert (manifest.name, manifest.type, manifest.dialect) == (
        "SciCalculator",
        "synchronous",
        "toolbox",
    )
    assert manifest.host == "stdio"
    assert manifest.entry.command == "python calculator.py"
    assert manifest.timeout == 15.0
    assert manifest.callable
    assert [(key.name, key.type, key.default) for key in manifest.config_schema] == [
        ("LIMIT", "integer", 5),
        ("API_KEY", "string", None),
    ]
    first, second = manifest.commands
    assert (first.identifier, first.command) == ("SciCalculatorRequest", "calculate")
    assert [p.name for p in first.parameters] == ["expression"]
    assert not first.parameters[0].declared  # only seen in an example
    assert second.description == ""
    assert [p.name for p in manifest.placeholders] == ["VCPSci"]
    assert (manifest.push.enabled, manifest.push.message_type, manifest.push.target) == (
        True,
        "done",
        "VCPLog",
    )
    assert manifest.requires_admin
    assert manifest.permissions == ("network",)


def test_description_in_upstream_wording() -> None:
    assert describe_plugin(read_manifest(TOOLBOX)) == (
        "- 科学计算器 (SciCalculator) - 命令: calculate:\n    第一行\n    第二行\n  调用示例:\n"
        "    <<<[TOOL_REQUEST]>>>\n    tool_name:「始」SciCalculator「末」,\n"
        "    expression:「始」1+1「末」\n    <<<[END_TOOL_REQUEST]>>>"
    )


def test_a_command_without_its_word_shows_as_upstream_shows_it() -> None:
    content = {
        **TOOLBOX,
        "capabilities": {
            "invocationCommands": [
                {"commandIdentifier": "A", "description": "a"},
                {"commandIdentifier": "B", "description": "b"},
            ]
        },
    }
    assert describe_plugin(read_manifest(content)) == (
        "- 科学计算器 (SciCalculator) - 命令: N/A:\n    a\n\n"
        "- 科学计算器 (SciCalculator) - 命令: N/A:\n    b"
    )


def test_cherry() -> None:
    manifest = read_manifest(CHERRY)
    assert (manifest.dialect, manifest.type, manifest.host) == ("cherry", "synchronous", "stdio")
    assert (manifest.entry.script, manifest.entry.style) == ("index.js", "cherry")
    assert [(p.name, p.type, p.required) for p in manifest.parameters_of()] == [
        ("input", "string", True),
        ("count", "number", False),
    ]


def test_seed_000() -> None:
    manifest = read_manifest(SEED_000)
    assert (manifest.type, manifest.host, manifest.entry.style) == (
        "synchronous",
        "stdio",
        "module",
    )
    assert manifest.entry.script == "plugin.js"
    assert manifest.permissions == ("file_read", "network")


@pytest.mark.parametrize(
    ("given", "kind", "host"),
    [
        ("direct", "synchronous", "none"),  # nothing to start is named
        ("distributed", "synchronous", "remote"),
        ("preprocessor", "messagePreprocessor", "kernel"),
        ("service", "service", "kernel"),
        ("static", "static", "values"),
        ("internal", "synchronous", "kernel"),
    ],
)
def test_seed_003_has_six_types(given: str, kind: str, host: str) -> None:
    manifest = read_manifest({**SEED_003, "type": given})
    assert (manifest.name, manifest.dialect) == ("Randomness", "intellicore")
    assert (manifest.type, manifest.host) == (kind, host)


def test_seed_003_direct_with_a_command() -> None:
    manifest = read_manifest({**SEED_003, "entryPoint": {"command": "node r.js"}})
    assert (manifest.host, manifest.timeout, manifest.lenient) == ("stdio", 10.0, True)


@pytest.mark.parametrize("kind", ["static", "synchronous", "asynchronous"])
def test_types_with_a_command(kind: str) -> None:
    assert read_manifest({**TOOLBOX, "pluginType": kind}).host == "stdio"


def test_modules_of_a_server() -> None:
    entry = {"type": "direct", "script": "x.js"}
    kinds = {
        kind: read_manifest({**TOOLBOX, "pluginType": kind, "entryPoint": entry})
        for kind in ("hybridservice", "service", "messagePreprocessor")
    }
    assert {kind: m.host for kind, m in kinds.items()} == {
        "hybridservice": "stdio",
        "service": "none",
        "messagePreprocessor": "stdio",
    }
    assert kinds["hybridservice"].entry.style == "toolbox"
    assert kinds["messagePreprocessor"].entry.style == "preprocessor"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": ""}, "no name"),
        ({"name": " X "}, "blanks"),
        ({"name": "a\nb"}, "control"),
        ({"pluginType": "magic"}, "no plugin type"),
        ({"entryPoint": None}, "no entryPoint"),
        ({"entryPoint": {}}, "entryPoint.command"),
        ({"communication": {"timeout": -1}}, "time limit"),
        ({"communication": {"timeout": True}}, "time limit"),
    ],
)
def test_what_is_missing_or_impossible(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidDataError, match=told) as caught:
        read_manifest({**TOOLBOX, **change})
    assert caught.value.code == VCPErrorCode.INVALID_PLUGIN_MANIFEST
    assert caught.value.next_step


def test_no_dialect() -> None:
    with pytest.raises(InvalidDataError, match="no known dialect"):
        read_manifest({"name": "x"})


def _write(folder: Path, content: object, name: str = "plugin-manifest.json") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, "utf-8")


def test_finding(tmp_path: Path) -> None:
    _write(tmp_path / "a", TOOLBOX)
    _write(tmp_path / "b", '{"name": "Broken",\n  oops}')
    _write(tmp_path / "c", TOOLBOX, "plugin-manifest.json.block")
    _write(tmp_path / "d", {"manifest_version": 3, "name": "a browser extension"}, "manifest.json")
    _write(tmp_path / "downloaded" / "e", CHERRY, "manifest.json")
    _write(tmp_path / "f", "\ufeff" + json.dumps(TOOLBOX))  # written by Windows
    (tmp_path / ".hidden").mkdir()
    found = {one.folder.name: one for one in find_plugins(tmp_path)}
    assert list(found) == ["a", "b", "c", "e", "f"]
    assert found["a"].error is None
    assert found["b"].manifest is None
    assert "line 2" in str(found["b"].error)
    assert found["c"].blocked
    assert not found["a"].blocked
    assert found["e"].name == "my_plugin"


def test_finding_one_or_none(tmp_path: Path) -> None:
    _write(tmp_path / "a", TOOLBOX)
    assert [one.name for one in find_plugins(tmp_path / "a")] == ["SciCalculator"]
    (tmp_path / "empty").mkdir()
    assert find_plugins(tmp_path / "empty") == []
    assert read_folder(tmp_path / "empty") is None
    with pytest.raises(NotFoundError):
        find_plugins(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match="file"):
        find_plugins(tmp_path / "a" / "plugin-manifest.json")


@pytest.mark.parametrize("content", ["[]", "3", "", "\x00", '{"name": "\udcff"}', "[" * 100_000])
def test_hostile_json_is_a_row(tmp_path: Path, content: str) -> None:
    (tmp_path / "plugin-manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    found = read_folder(tmp_path)
    assert found is not None
    assert found.manifest is None
    assert found.error is not None
