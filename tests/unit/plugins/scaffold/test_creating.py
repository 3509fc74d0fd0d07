"""New plugins from a template: they work, their tests can fail, nothing is half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.plugins.manifest import read_manifest
from vcplab.plugins.scaffold import LANGUAGES, PLUGIN_KINDS, new_plugin
from vcplab.plugins.scaffold.folder import checked_name, write_folder
from vcplab.protocol.requests import VCPProtocolParser

EACH = [(kind, language) for kind in PLUGIN_KINDS for language in LANGUAGES]


def make(to: Path, kind: Any, language: Any, **options: Any) -> Path:
    if language == "javascript" and shutil.which("node") is None:
        pytest.skip("needs node")
    return new_plugin("My-Plugin", to, plugin_type=kind, language=language, **options)


def unittests(folder: Path) -> subprocess.CompletedProcess[str]:
    """Its own tests, in an interpreter that knows nothing but the standard library."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-m", "unittest"],
        cwd=folder,
        env={"PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("kind", "language"), EACH)
def test_a_new_plugin_passes_its_own_tests(tmp_path: Path, kind: str, language: str) -> None:
    folder = make(tmp_path / "plugins", kind, language)
    assert folder == tmp_path / "plugins" / "My-Plugin"
    done = unittests(folder)
    assert done.returncode == 0, done.stderr
    assert "Ran 9 tests" in done.stderr


@pytest.mark.parametrize(("kind", "language"), EACH)
def test_its_manifest_is_upstreams(tmp_path: Path, kind: str, language: str) -> None:
    folder = make(tmp_path, kind, language, description="骰子\n dice")
    manifest = json.loads((folder / "plugin-manifest.json").read_text(encoding="utf-8"))
    assert manifest["name"] == "My-Plugin"
    assert manifest["pluginType"] == kind
    assert manifest["description"] == "骰子 dice"
    assert manifest["communication"]["timeout"] >= 1000
    for key, entry in manifest["configSchema"].items():
        assert key in (folder / "config.env.example").read_text(encoding="utf-8")
        assert key in (folder / manifest["entryPoint"]["command"].split(" ")[1]).read_text("utf-8")
        assert entry["description"]
    if kind == "static":
        [placeholder] = manifest["capabilities"]["systemPromptPlaceholders"]
        assert placeholder["placeholder"] == "{{My_Plugin}}"
    else:
        [command] = manifest["capabilities"]["invocationCommands"]
        [request] = VCPProtocolParser().parse_tool_requests(command["example"])
        assert request.name == "My-Plugin"
        assert set(request.args) - {"maid"} <= set(command["parameters"]["properties"])
    read = read_manifest(manifest)
    assert (read.name, read.type, read.host) == ("My-Plugin", kind, "stdio")


@pytest.mark.parametrize(
    ("language", "good", "bad", "passes"),
    [
        ("python", '"words"', '"werds"', False),
        ("python", "if __name__", "os.write(1, b'noise')\nif __name__", False),
        ("python", "return len(text)", "print('on stderr')\n    return len(text)", True),
        ("javascript", "status: 'success'", "status: 'fine'", False),
        ("javascript", "'use strict';", "process.stdout.write('noise');", False),
        ("javascript", "process.exitCode = 1", "process.exitCode = 0", False),
    ],
)
def test_its_tests_can_fail(
    tmp_path: Path, language: str, good: str, bad: str, passes: bool
) -> None:
    folder = make(tmp_path, "synchronous", language)
    script = folder / ("plugin.py" if language == "python" else "plugin.js")
    text = script.read_text(encoding="utf-8")
    assert good in text
    script.write_text(text.replace(good, bad), encoding="utf-8")
    done = unittests(folder)
    assert (done.returncode == 0) == passes, done.stderr


def test_its_readme_names_every_file_and_calls_it(tmp_path: Path) -> None:
    folder = new_plugin("Count", tmp_path)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "@@" not in text
    for path in folder.iterdir():
        assert path.name in (*text.replace("/", " ").replace("`", " ").split(), "README.md")
    assert 'lab.plugins.add("Count"' in text
    assert "tool_name:「始」Count「末」" in text


@pytest.mark.parametrize(
    "name", ["", "a b", "../x", "a/b", "骰子", "-x", ".x", "x" * 65, "a\n", None, 'a"b']
)
def test_a_name_that_cannot_be(tmp_path: Path, name: Any) -> None:
    with pytest.raises(InvalidInputError, match="letters, digits"):
        new_plugin(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", fullmatch=True))
def test_names_of_letters_digits_and_dashes_can_be(name: str) -> None:
    assert checked_name(name, "here") == name


def test_a_type_or_language_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="one of: synchronous"):
        new_plugin("X", tmp_path, plugin_type="service")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="one of: python"):
        new_plugin("X", tmp_path, language="rust")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "X").mkdir()
    (tmp_path / "X" / "mine.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "File").write_text("", encoding="utf-8")
    for name in ("X", "File"):
        with pytest.raises(StateError, match="not empty"):
            new_plugin(name, tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["File", "X", "mine.txt"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "X").mkdir()
    assert (new_plugin("X", tmp_path) / "plugin.py").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["X"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_folder("X", tmp_path, {"a.txt": "fine", "b.txt": "\ud800"})
    (tmp_path / "in_the_way").write_text("", encoding="utf-8")
    with pytest.raises(StateError, match="cannot be written"):
        write_folder("X", tmp_path / "in_the_way", {"a.txt": "fine"})
    assert [path.name for path in tmp_path.iterdir()] == ["in_the_way"]
