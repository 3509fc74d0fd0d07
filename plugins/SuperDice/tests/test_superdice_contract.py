"""The plugin as its manifest starts it: strict stdio contract."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent
MANIFEST = json.loads((FOLDER / "plugin-manifest.json").read_text(encoding="utf-8"))


def raw(data: bytes) -> bytes:
    """Spawn the manifest's command through a shell in the plugin's folder, as upstream does."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        MANIFEST["entryPoint"]["command"],
        input=data,
        capture_output=True,
        cwd=FOLDER,
        shell=True,
        timeout=60,
        check=True,
        env={**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8"},
    )
    return done.stdout


def call(**args: object) -> dict:
    return json.loads(raw(json.dumps(args, ensure_ascii=False).encode()).decode("utf-8"))


def test_a_roll_of_text_arguments() -> None:
    reply = call(command="roll", notation="4d6kh3+2", seed="42", themecolor="teal", maid="诺娃")
    assert reply["status"] == "success"
    result = reply["result"]
    assert [part["type"] for part in result["content"]] == ["text", "image_url"]
    assert result["content"][0]["text"] == (
        "Rolled 4d6kh3+2: 4d6kh3 [6, (1), 1, 6] = 13. Total: 15. Seed: 42."
    )
    assert (result["total"], result["totals"], result["seed"]) == (15, [15], 42)
    assert result["rolls"][0]["dice"][1] == {"value": 1, "kept": False, "exploded": False}
    head, data = result["content"][1]["image_url"]["url"].split(",", 1)
    assert head == "data:image/svg+xml;base64"
    assert ET.fromstring(base64.b64decode(data)).tag == "{http://www.w3.org/2000/svg}svg"
    assert call(notation="4d6kh3+2", seed=42)["result"]["rolls"] == result["rolls"]


@pytest.mark.parametrize(
    ("args", "needle"),
    [
        ({"notation": "2d6+?"}, "character 5"),
        ({}, "notation is missing"),
        ({"notation": ["2d6"]}, "notation is missing"),
        ({"notation": "2d6", "command": "explode"}, "its command is roll"),
        ({"notation": "2d6", "themecolor": 'red"/><script>'}, "not a CSS colour"),
        ({"notation": "2d6", "seed": {"a": 1}}, "seed must be"),
    ],
)
def test_errors_say_what_to_do(args: dict, needle: str) -> None:
    reply = call(**args)
    assert reply["status"] == "error"
    assert set(reply) == {"status", "error"}
    assert needle in reply["error"]


@pytest.mark.parametrize("data", [b"", b"\xff\xfe{", b"[1]", b"{", b'"2d6"', b"[" * 100_000])
def test_bad_input_still_gives_one_json_object(data: bytes) -> None:
    reply = json.loads(raw(data))
    assert reply["status"] == "error"
    assert reply["error"]


def test_the_largest_roll_stays_small_and_whole() -> None:
    reply = call(notation="1000d1000000dl1", seed=1)
    assert len(reply["result"]["rolls"][0]["dice"]) == 1000
    assert len(json.dumps(reply)) < 1_000_000


def test_a_fresh_seed_repeats_the_roll() -> None:
    first = call(notation="20d20")["result"]
    again = call(notation="20d20", seed=str(first["seed"]))["result"]
    assert again["rolls"] == first["rolls"]


def test_the_manifest_is_whole() -> None:
    assert MANIFEST["name"] == "SuperDice"
    assert MANIFEST["author"] == "The vcplab developers"
    assert MANIFEST["pluginType"] == "synchronous"
    (command,) = MANIFEST["capabilities"]["invocationCommands"]
    assert command["command"] == command["commandIdentifier"] == "roll"
    assert command["example"].startswith("<<<[TOOL_REQUEST]>>>\n")
    assert command["example"].endswith("\n<<<[END_TOOL_REQUEST]>>>")
    schema = command["parameters"]
    assert set(schema["required"]) <= set(schema["properties"])
    for name in schema["properties"]:
        need = "required" if name in schema["required"] else "optional"
        line = next(x for x in command["description"].splitlines() if x.startswith(f"- {name} ("))
        assert need in line
