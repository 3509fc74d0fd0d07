"""The plugin as its manifest starts it: strict stdio contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filekit.commands import COMMANDS

FOLDER = Path(__file__).resolve().parent.parent
MANIFEST = json.loads((FOLDER / "plugin-manifest.json").read_text(encoding="utf-8"))
LISTED = MANIFEST["capabilities"]["invocationCommands"]


def raw(data: bytes, **config: str) -> bytes:
    """Spawn the manifest's command through a shell in the plugin's folder, as upstream does."""
    kept = {k: v for k, v in os.environ.items() if k not in MANIFEST["configSchema"]}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        MANIFEST["entryPoint"]["command"],
        input=data,
        capture_output=True,
        cwd=FOLDER,
        shell=True,
        timeout=60,
        check=True,
        env={**kept, "PATH": path, "PYTHONIOENCODING": "utf-8", **config},
    )
    return done.stdout


def call(root: Path, **args: object) -> dict:
    data = json.dumps(args, ensure_ascii=False).encode()
    return json.loads(raw(data, ALLOWED_DIRECTORIES=f"文档={root}").decode("utf-8"))


def test_write_and_read_back_in_chinese(tmp_path: Path) -> None:
    text = "第一行\n「始」与「末」\n"
    reply = call(
        tmp_path, command="WriteFile", filePath="文档:笔记/计划.md", content=text, maid="诺娃"
    )
    assert reply["status"] == "success"
    assert reply["result"]["path"] == "文档:笔记/计划.md"
    assert (tmp_path / "笔记" / "计划.md").read_bytes() == text.encode()
    reply = call(tmp_path, command="ReadFile", filePath="文档:笔记/计划.md", lines="2", extra="x")
    assert reply["result"]["content"][0] == {"type": "text", "text": "「始」与「末」\n"}
    reply = call(tmp_path, command="UpdateHistory")
    assert reply["result"]["history"][0]["maid"] == "诺娃"


def test_a_failing_batch_is_an_error_that_tells_what_was_done(tmp_path: Path) -> None:
    reply = call(
        tmp_path, command1="CreateDirectory", directoryPath1="a", command2="ReadFile",
        filePath2="文档:nothing", command10="ListDirectory",
    )  # fmt: skip
    assert reply["status"] == "error"
    assert "step 2 failed" in reply["error"]
    assert [row["status"] for row in reply["result"]["steps"]] == ["success", "error", "not run"]
    assert (tmp_path / "a").is_dir()


@pytest.mark.parametrize("data", [b"", b"\xff\xfe{", b"[1]", b"{", b'"ReadFile"', b"[" * 100_000])
def test_bad_input_still_gives_one_json_object(data: bytes) -> None:
    reply = json.loads(raw(data))
    assert reply["status"] == "error"
    assert reply["error"]


def test_without_configuration_nothing_can_be_used() -> None:
    reply = json.loads(raw(b'{"command": "ListAllowedDirectories"}'))
    assert reply["result"]["directories"] == []
    assert "ALLOWED_DIRECTORIES=docs=" in reply["result"]["message"]
    reply = json.loads(raw(b'{"command": "ReadFile", "filePath": "/etc/hostname"}'))
    assert reply["status"] == "error"
    assert "ALLOWED_DIRECTORIES=docs=" in reply["error"]


def test_a_wrong_configuration_is_told() -> None:
    request = b'{"command": "ListAllowedDirectories"}'
    for config, needle in (
        ({"ALLOWED_DIRECTORIES": "{broken"}, "no JSON object"),
        ({"ALLOWED_DIRECTORIES": "docs=relative/path"}, "not an absolute path"),
        ({"MAX_FILE_MB": "many"}, "MAX_FILE_MB=many"),
    ):
        reply = json.loads(raw(request, **config))
        assert reply["status"] == "error"
        assert needle in reply["error"]


def test_the_manifest_lists_every_command_once() -> None:
    assert MANIFEST["name"] == "FileOperator"
    assert MANIFEST["author"] == "The vcplab developers"
    assert [c["command"] for c in LISTED] == [*COMMANDS, "Batch"]


@pytest.mark.parametrize("command", LISTED, ids=lambda c: c["command"])
def test_each_command_is_described_in_words_and_schema(command: dict) -> None:
    assert command["commandIdentifier"] == command["command"]
    example = command["example"]
    assert example.startswith("<<<[TOOL_REQUEST]>>>\n")
    assert example.endswith("\n<<<[END_TOOL_REQUEST]>>>")
    assert "tool_name:「始」FileOperator「末」" in example
    schema = command["parameters"]
    assert schema["type"] == "object"
    assert set(schema["required"]) <= set(schema["properties"])
    for name, rule in schema["properties"].items():
        need = "required" if name in schema["required"] else "optional"
        assert f"- {name} ({rule['type']}, {need}): {rule['description']}" in command["description"]
        assert name not in schema["required"] or f"{name}:「始」" in example
