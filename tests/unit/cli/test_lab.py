"""`vcplab lab`: the working copy never loses what the user wrote."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcplab.cli import lab
from vcplab.core.errors import MissingDependencyError, StateError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "figures").mkdir(parents=True)
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "a.ipynb").write_text("first edition", encoding="utf-8")
    (folder / "b.ipynb").write_text("b", encoding="utf-8")
    (folder / "figures" / "c.txt").write_text("c", encoding="utf-8")
    (folder / ".ipynb_checkpoints" / "a.ipynb").write_text("junk", encoding="utf-8")
    return folder


def test_a_first_copy_has_everything_but_hidden_files(source: Path, tmp_path: Path) -> None:
    copy = lab.working_copy(source, tmp_path / "mine")
    assert copy.added == ("a.ipynb", "b.ipynb", "figures/c.txt")
    names = {path.relative_to(copy.folder).as_posix() for path in copy.folder.rglob("*")}
    assert names == {"a.ipynb", "b.ipynb", "figures", "figures/c.txt", ".vcplab-notebooks.json"}


def test_edited_files_are_kept_and_others_renewed(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    lab.working_copy(source, mine)
    (mine / "a.ipynb").write_text("my work", encoding="utf-8")
    for name in ("a.ipynb", "b.ipynb"):
        (source / name).write_text("second edition", encoding="utf-8")
    copy = lab.working_copy(source, mine)
    assert copy == lab.WorkingCopy(mine.resolve(), (), ("b.ipynb",), ("a.ipynb",))
    assert (mine / "a.ipynb").read_text(encoding="utf-8") == "my work"
    assert (mine / "b.ipynb").read_text(encoding="utf-8") == "second edition"


def test_a_deleted_file_comes_back(source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    lab.working_copy(source, mine)
    (mine / "b.ipynb").unlink()
    assert lab.working_copy(source, mine).added == ("b.ipynb",)


@pytest.mark.parametrize("record", ["", "not json", "[]", "{}"])
def test_without_a_record_differing_files_are_the_users(
    source: Path, tmp_path: Path, record: str
) -> None:
    mine = tmp_path / "mine"
    lab.working_copy(source, mine)
    (mine / ".vcplab-notebooks.json").write_text(record, encoding="utf-8")
    (source / "a.ipynb").write_text("second edition", encoding="utf-8")
    assert lab.working_copy(source, mine).kept == ("a.ipynb",)


def test_the_source_itself_is_left_alone(source: Path) -> None:
    before = sorted(source.rglob("*"))
    assert lab.working_copy(source, source) == lab.WorkingCopy(source.resolve())
    assert sorted(source.rglob("*")) == before


def test_a_file_in_the_way_is_an_error_with_a_way_out(source: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("", encoding="utf-8")
    with pytest.raises(StateError, match="--dir"):
        lab.working_copy(source, tmp_path / "mine")


@settings(max_examples=30)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["edit", "publish", "copy"]), st.text(max_size=3)), max_size=8
    )
)
def test_the_users_last_words_survive_any_history(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    source, mine = folder / "source", folder / "mine"
    source.mkdir()
    (source / "a.ipynb").write_bytes(b"0")
    lab.working_copy(source, mine)
    published, theirs = {b"0"}, None
    for action, text in steps:
        content = text.encode()
        if action == "edit":
            (mine / "a.ipynb").write_bytes(content)
            theirs = content
        elif action == "publish":
            (source / "a.ipynb").write_bytes(content)
            published.add(content)
        else:
            lab.working_copy(source, mine)
            if theirs is not None and theirs not in published:
                assert (mine / "a.ipynb").read_bytes() == theirs


def test_the_checkout_is_the_source(root: Path) -> None:
    assert lab.notebooks_source() == root / "notebooks"


def test_the_command_stays_on_loopback_and_names_no_token(tmp_path: Path) -> None:
    environment = lab.lab_environment({"PATH": "x", "JUPYTER_CONFIG_PATH": "mine"}, tmp_path)
    command = lab.lab_command(tmp_path, port=8123, browser=False, extra=["--x=y"])
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command
    assert "--ServerApp.port=8123" in command
    assert "--no-browser" in command
    assert command[-1] == "--x=y"
    assert not any("token" in part.lower() for part in command)
    assert environment["JUPYTER_CONFIG_PATH"] == os.pathsep.join([str(tmp_path), "mine"])
    defaults = json.loads(
        (tmp_path / "labconfig" / "default_setting_overrides.json").read_text(encoding="utf-8")
    )
    notification = defaults["@jupyterlab/apputils-extension:notification"]
    assert notification == {"fetchNews": "false", "checkForUpdates": False}


def _arguments(folder: Path) -> argparse.Namespace:
    return argparse.Namespace(dir=folder, port=None, no_browser=True, extra=[])


def test_run_serves_the_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[list[str]] = []

    def serve(command: list[str], environment: dict[str, str]) -> int:
        served.append(command)
        return 3

    monkeypatch.setattr(lab, "_serve", serve)
    assert lab.run(_arguments(tmp_path / "mine")) == 3
    assert f"--ServerApp.root_dir={(tmp_path / 'mine').resolve()}" in served[0]
    assert "01_compare_memories.ipynb" in capsys.readouterr().out


def test_serve_returns_the_exit_code() -> None:
    command = [sys.executable, "-c", "import os, sys; sys.exit(int(os.environ['CODE']))"]
    assert lab._serve(command, {**os.environ, "CODE": "5"}) == 5


def test_missing_jupyterlab_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: Any = lab.importlib.util.find_spec
    monkeypatch.setattr(
        lab.importlib.util,
        "find_spec",
        lambda name: None if name == "jupyterlab" else found(name),
    )
    with pytest.raises(MissingDependencyError, match=r'pip install "vcplab\[lab\]"'):
        lab.run(_arguments(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
