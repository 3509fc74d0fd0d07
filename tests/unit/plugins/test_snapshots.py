"""Copies of plugin folders: whole, in their place, and keeping what the plugin wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vcplab.core.errors import InvalidDataError, StateError
from vcplab.plugins import snapshots
from vcplab.plugins.snapshots import Snapshots, project_base
from vcplab.plugins.tree import Tree, read_tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "server" / "Plugin" / "Echo"
    (folder / "lib").mkdir(parents=True)
    (folder / "main.py").write_text("print(1)")
    (folder / "lib" / "a.py").write_text("x = 1")
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o755)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"x")
    (tmp_path / "server" / "node_modules").mkdir()
    (tmp_path / "server" / "config.env").write_text("KEY=1")
    (folder.parent / "Other").mkdir()
    return folder


def test_the_hash_is_of_the_content(folder: Path) -> None:
    tree = read_tree(folder)
    assert set(tree.files) == {"main.py", "lib/a.py", "run.sh"}
    (folder / "__pycache__" / "b.pyc").write_bytes(b"y")
    os.utime(folder / "main.py", (1, 1))
    assert read_tree(folder).digest == tree.digest
    for change in ("edit", "add", "mode"):
        if change == "edit":
            (folder / "main.py").write_text("print(2)")
        elif change == "add":
            (folder / "new.txt").write_text("")
        else:
            (folder / "main.py").chmod(0o755)
        changed = read_tree(folder).digest
        assert changed != tree.digest, change
        tree = read_tree(folder)


def test_links_and_packages(folder: Path, tmp_path: Path) -> None:
    (folder / "inside").symlink_to("main.py")
    (folder / "outside").symlink_to("../../config.env")
    (folder / "node_modules" / "x").mkdir(parents=True)
    (folder / "node_modules" / "x" / "index.js").write_text("1")
    before = read_tree(folder).digest
    snapshot = Snapshots(tmp_path / "copies").take(folder)
    assert (snapshot.folder / "inside").read_text() == "print(1)"
    assert (snapshot.folder / "outside").read_text() == "KEY=1"
    assert (snapshot.folder / "node_modules").is_symlink()
    assert (snapshot.folder / "node_modules" / "x" / "index.js").read_text() == "1"
    (folder / "node_modules" / "x" / "index.js").write_text("12")
    assert read_tree(folder).digest != before


def test_pipes_are_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidDataError, match="no file"):
        read_tree(folder)


def test_the_copy_stands_where_the_plugin_stood(folder: Path, tmp_path: Path) -> None:
    assert project_base(folder) == tmp_path / "server"
    assert project_base(tmp_path / "x" / "Echo") == tmp_path / "x"
    snapshot = Snapshots(tmp_path / "copies").take(folder)
    assert (snapshot.folder / "main.py").read_text() == "print(1)"
    assert os.access(snapshot.folder / "run.sh", os.X_OK)
    base = snapshot.folder.parents[1]
    assert (base / "config.env").read_text() == "KEY=1"
    assert (base / "node_modules").is_dir()
    assert (snapshot.folder.parent / "Other").is_dir()
    assert not (snapshot.folder / "__pycache__").exists()


def test_the_same_content_is_copied_once(folder: Path, tmp_path: Path) -> None:
    copies = Snapshots(tmp_path / "copies")
    first = copies.take(folder)
    (first.folder / "state.json").write_text("{}")
    assert copies.take(folder).folder == first.folder
    (folder / "main.py").write_text("print(2)")
    second = copies.take(folder)
    assert second.folder != first.folder
    assert (first.folder / "main.py").read_text() == "print(1)"
    first.drop()
    assert not first.folder.exists()
    assert (second.folder / "main.py").exists()


def test_what_the_plugin_wrote_is_carried_over(folder: Path, tmp_path: Path) -> None:
    (folder / "data.json").write_text("[]")
    (folder / "both.json").write_text("[]")
    copies = Snapshots(tmp_path / "copies")
    first = copies.take(folder)
    (first.folder / "data.json").write_text("[1]")
    (first.folder / "both.json").write_text("[1]")
    (first.folder / "new").mkdir()
    (first.folder / "new" / "state.txt").write_text("s")
    (folder / "main.py").write_text("print(2)")
    (folder / "both.json").write_text("[2]")  # the developer changed it, too
    second = copies.take(folder, first)
    assert (second.folder / "data.json").read_text() == "[1]"
    assert (second.folder / "new" / "state.txt").read_text() == "s"
    assert (second.folder / "both.json").read_text() == "[2]"
    assert (second.folder / "main.py").read_text() == "print(2)"


def test_a_folder_that_never_keeps_still(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = snapshots._copy_files
    edits = iter(range(1000))

    def copy_under_edits(source: Path, inside: Path, tree: Tree) -> None:
        (source / "main.py").write_text(f"print({next(edits)})")
        copy(source, inside, tree)

    monkeypatch.setattr(snapshots, "_copy_files", copy_under_edits)
    with pytest.raises(StateError, match="five times"):
        Snapshots(tmp_path / "copies").take(folder)
    assert next(edits) == 5
    assert [path.name for path in (tmp_path / "copies").iterdir()] == []


def test_clear_keeps_what_is_in_use(folder: Path, tmp_path: Path) -> None:
    copies = Snapshots(tmp_path / "copies")
    first = copies.take(folder)
    (folder / "main.py").write_text("print(2)")
    second = copies.take(folder)
    copies.release(first)
    copies.clear()
    assert not first.folder.exists()
    assert second.folder.exists()


def test_an_earlier_sessions_copy_is_found_again(folder: Path, tmp_path: Path) -> None:
    first = Snapshots(tmp_path / "copies").take(folder)
    (first.folder / "state.txt").write_text("s")
    (folder / "main.py").write_text("print(2)")
    later = Snapshots(tmp_path / "copies")
    earlier = later.latest(folder)
    assert earlier is not None
    assert earlier.folder == first.folder
    second = later.take(folder, earlier)
    assert (second.folder / "state.txt").read_text() == "s"
    later.clear()
    assert not first.folder.exists()
    assert second.folder.exists()
    assert later.latest(folder.parent / "Other") is None
