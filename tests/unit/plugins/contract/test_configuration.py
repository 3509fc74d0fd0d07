"""Configuration cascade, environment, disabling and broken manifests (facts/vcp-protocol §2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.contract.support import FOLDERS, copied, each_language, row


@pytest.fixture
def seen(lab: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a mirror's environment is, given the process's."""
    monkeypatch.setenv("FROM_PROCESS", "the process")
    monkeypatch.setenv("COUNT", "99")
    monkeypatch.setenv("EVERYTHING_ELSE", "is there too")
    # What a server's own config.env would have put there.
    monkeypatch.setenv("PORT", "6005")
    monkeypatch.setenv("Image_Key", "image key")
    monkeypatch.setenv("File_Key", "file key")
    monkeypatch.setenv("VCPLAB_SEED", "5")
    monkeypatch.delenv("DEFAULTED", raising=False)
    monkeypatch.delenv("UNSET", raising=False)

    def ask(language: str) -> dict[str, str]:
        lab.plugins.add(FOLDERS / f"{language}Mirror", trust=True)
        return lab.tools.call(f"{language}Mirror", {"a": 1})["environment"]

    return ask


@each_language
def test_the_cascade(seen: Any, language: str) -> None:
    environment = seen(language)
    assert environment["COUNT"] == "7"  # config.env before the process, read as parseInt does
    assert "BROKEN_COUNT" not in environment  # no number: dropped
    assert environment["FLAG"] == "true"
    assert environment["OTHER_FLAG"] == "false"
    assert environment["WORD"] == "from the 文件"
    assert environment["FROM_PROCESS"] == "the process"
    assert environment["DEFAULTED"] == "42"
    assert "UNSET" not in environment


@each_language
def test_the_environment_of_the_child(seen: Any, language: str, tmp_path: Path) -> None:
    environment = seen(language)
    assert environment["EVERYTHING_ELSE"] == "is there too"
    assert environment["PYTHONIOENCODING"].lower() == "utf-8"
    assert Path(environment["PROJECT_BASE_PATH"]).is_dir()
    assert environment["SERVER_PORT"] == "6005"
    assert environment["VCP_REQUEST_IP"] == "127.0.0.1"
    assert environment["IMAGESERVER_IMAGE_KEY"] == "image key"
    assert environment["IMAGESERVER_FILE_KEY"] == "file key"
    assert environment["DebugMode"] == "false"
    assert "VCPLAB_SEED" not in environment
    assert "DECRYPTED_AUTH_CODE" not in environment
    assert "CALLBACK_BASE_URL" not in environment
    assert "PLUGIN_NAME_FOR_CALLBACK" not in environment


@each_language
def test_the_folder_of_the_child_has_the_plugins_files(lab: Any, language: str) -> None:
    lab.plugins.add(FOLDERS / f"{language}Mirror", trust=True)
    result = lab.tools.call(f"{language}Mirror", {"a": 1})
    assert set(os.listdir(FOLDERS / f"{language}Mirror")) <= {*result["files"], "__pycache__"}


def test_block_disables(lab: Any, tmp_path: Path) -> None:
    folder = copied("PyTalker", tmp_path / "plugins")
    copied("PyMirror", tmp_path / "plugins")
    (folder / "plugin-manifest.json").rename(folder / "plugin-manifest.json.block")
    lab.plugins.add(tmp_path / "plugins", trust=True)
    assert row(lab, "PyTalker").state == "disabled"
    assert row(lab, "PyMirror").state == "ready"


def test_a_broken_manifest_is_a_row_with_its_error(lab: Any, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    copied("PyMirror", plugins)
    for name, text in {
        "HalfJson": '{"name": "HalfJson", "pluginType": ',
        "NoEntry": '{"name": "NoEntry", "pluginType": "synchronous"}',
        "OddType": '{"name": "OddType", "pluginType": "magic", "entryPoint": {"command": "x"}}',
        "Empty": "",
        "List": "[]",
        "NotText": '{"name": 5, "pluginType": [], "entryPoint": "x"}',
    }.items():
        (plugins / name).mkdir()
        (plugins / name / "plugin-manifest.json").write_text(text)
    (plugins / "Bytes").mkdir()
    (plugins / "Bytes" / "plugin-manifest.json").write_bytes(b"\xff\xfe\x00{")
    lab.plugins.add(plugins, trust=True)
    rows = {row.name: row for row in lab.plugins.rows()}
    broken = {name: row for name, row in rows.items() if row.state == "broken"}
    assert len(broken) == 7
    for name in ("HalfJson", "Empty", "List", "NoEntry", "OddType", "NotText", "Bytes"):
        (found,) = [row for row in broken.values() if name in (row.name, Path(row.source).name)]
        assert found.problem
    assert rows["PyMirror"].state == "ready"
    assert lab.tools.call("PyMirror", {})["stdin"] == ""


def test_the_first_of_a_name_wins(lab: Any, tmp_path: Path) -> None:
    lab.plugins.add(copied("PyMirror", tmp_path / "one"), trust=True)
    lab.plugins.add(copied("PyMirror", tmp_path / "two", description="the other"), trust=True)
    states = sorted(row.state for row in lab.plugins.rows() if row.name == "PyMirror")
    assert states == ["clash", "ready"]
    assert row_of(lab, tmp_path / "two").problem
    assert lab.tools.call("PyMirror", {})["stdin"] == ""


def row_of(lab: Any, folder: Path) -> Any:
    """The row of what lies under a folder."""
    (found,) = [row for row in lab.plugins.rows() if Path(row.source).is_relative_to(folder)]
    return found
