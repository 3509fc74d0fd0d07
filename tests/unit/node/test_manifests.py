"""What is registered holds the fields that a server reads, and nothing of this machine."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from vcplab.node.manifests import limit_of, wire_manifest
from vcplab.plugins.functions import describe_function
from vcplab.plugins.manifest import read_manifest

REQUEST = (
    "<<<[TOOL_REQUEST]>>>\ntool_name:「始」{name}「末」,\n"
    "city:「始」Rome「末」\n<<<[END_TOOL_REQUEST]>>>"
)
FULL: dict[str, Any] = {
    "manifestVersion": "1.0.0",
    "name": "Weather",
    "displayName": "The weather",
    "version": "2.1.0",
    "description": "Tells the weather.",
    "author": "Ada",
    "pluginType": "asynchronous",
    "entryPoint": {"type": "python", "command": "python /opt/weather/main.py --key=planted-secret"},
    "communication": {"protocol": "stdio", "timeout": 1500},
    "configSchema": {"WEATHER_KEY": {"type": "string", "default": "planted-secret"}},
    "basePath": "/opt/weather",
    "pluginSpecificEnvConfig": {"WEATHER_KEY": "planted-secret"},
    "expose": True,
    "permissions": ["network"],
    "capabilities": {
        "invocationCommands": [
            {
                "commandIdentifier": "ToldWeather",
                "command": "told",
                "description": "Tells it.\n" + REQUEST.format(name="Weather"),
                "example": REQUEST.format(name="Weather"),
                "parameters": [{"name": "city", "default": "planted-secret"}],
            },
            {"command": "plain"},
        ],
        "systemPromptPlaceholders": [{"placeholder": "{{W}}"}],
    },
    "webSocketPush": {"enabled": True, "messageType": "weather", "targetClientType": "VCPLog"},
}


def same(text: str) -> str:
    return text


def test_a_manifest_as_it_is_registered() -> None:
    wire = wire_manifest(read_manifest(FULL), clean=same)
    assert wire == {
        "manifestVersion": "1.0.0",
        "name": "Weather",
        "displayName": "The weather",
        "version": "2.1.0",
        "description": "Tells the weather.",
        "author": "Ada",
        "pluginType": "asynchronous",
        "entryPoint": {"type": "vcplab", "command": "vcplab"},
        "communication": {"protocol": "stdio", "timeout": 1500},
        "capabilities": {
            "invocationCommands": [
                {
                    "command": "told",
                    "commandIdentifier": "ToldWeather",
                    "description": "Tells it.\n" + REQUEST.format(name="Weather"),
                    "example": REQUEST.format(name="Weather"),
                },
                {"command": "plain", "commandIdentifier": "plain"},
            ]
        },
        "webSocketPush": {"enabled": True, "messageType": "weather", "targetClientType": "VCPLog"},
    }
    assert "planted-secret" not in json.dumps(wire)
    assert "/opt" not in json.dumps(wire)


def test_every_text_is_cleaned() -> None:
    seen: list[str] = []

    def clean(text: str) -> str:
        seen.append(text)
        return "x"

    wire = wire_manifest(read_manifest(FULL), clean=clean)

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for inner in value.values() for text in texts(inner)]
        if isinstance(value, list):
            return [text for inner in value for text in texts(inner)]
        return [value] if isinstance(value, str) else []

    fixed = {"1.0.0", "asynchronous", "vcplab", "stdio"}
    assert set(texts(wire)) - fixed == {"x"}
    assert {"The weather", "Ada", "weather", "VCPLog", "2.1.0"} <= set(seen)


def test_examples_call_the_tool_by_its_name_on_the_wire() -> None:
    wire = wire_manifest(read_manifest(FULL), name="lab_Weather", clean=same)
    assert wire["name"] == "lab_Weather"
    assert wire["displayName"] == "The weather"
    command = wire["capabilities"]["invocationCommands"][0]
    assert command["example"] == REQUEST.format(name="lab_Weather")
    assert command["description"] == "Tells it.\n" + REQUEST.format(name="lab_Weather")
    assert command["command"] == "told"


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("tool_name:「始」Echo「末」", "tool_name:「始」my.Echo「末」"),
        ("tool_name: 「始」 Echo 「末」", "tool_name: 「始」 my.Echo 「末」"),
        ("tool_name:「始exp」Echo「末exp」", "tool_name:「始exp」my.Echo「末exp」"),
        ("tool_name:「始」EchoTwo「末」 Echo", "tool_name:「始」EchoTwo「末」 Echo"),
        ("text:「始」Echo「末」", "text:「始」Echo「末」"),
    ],
)
def test_only_requests_of_the_tool_are_renamed(text: str, renamed: str) -> None:
    content = {
        "name": "Echo",
        "pluginType": "synchronous",
        "entryPoint": {"command": "x"},
        "capabilities": {"invocationCommands": [{"command": "go", "example": text}]},
    }
    wire = wire_manifest(read_manifest(content), name="my.Echo", clean=same)
    assert wire["capabilities"]["invocationCommands"][0]["example"] == renamed
    assert wire["displayName"] == "my.Echo"


def test_a_function_goes_by_its_name_on_the_wire() -> None:
    def dice(sides: int = 6) -> int:
        """Roll a die."""
        return sides

    spec = describe_function(dice)
    read = dataclasses.replace(read_manifest(spec.manifest()), dialect="kernel", host="kernel")
    wire = wire_manifest(read, name="lab_dice", clean=same)
    (command,) = wire["capabilities"]["invocationCommands"]
    assert command["command"] == command["commandIdentifier"] == "lab_dice"
    assert "tool_name:「始」lab_dice「末」" in command["example"]
    assert wire["displayName"] == "lab_dice"


@pytest.mark.parametrize(
    ("kind", "timeout", "seconds"),
    [
        ("synchronous", None, 60.0),
        ("hybridservice", None, 60.0),
        ("asynchronous", None, 1800.0),
        ("synchronous", 2.5, 2.5),
        ("synchronous", float("nan"), 60.0),
        ("synchronous", float("inf"), 2147483.647),  # Node.js fires later timers at once
        ("synchronous", 1e-9, 0.001),
    ],
)
def test_limits(kind: Any, timeout: float | None, seconds: float) -> None:
    manifest = dataclasses.replace(read_manifest(FULL), type=kind, timeout=timeout)
    assert limit_of(manifest) == seconds
    wire = wire_manifest(manifest, clean=same)
    assert wire["communication"]["timeout"] == round(seconds * 1000)
    assert wire["communication"]["protocol"] == ("direct" if kind == "hybridservice" else "stdio")


def test_a_push_that_is_off_is_not_told() -> None:
    manifest = read_manifest({**FULL, "webSocketPush": {"enabled": False}})
    assert "webSocketPush" not in wire_manifest(manifest, clean=same)
