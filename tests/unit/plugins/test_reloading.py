"""The watch over folders: what breaks it off, and what must not be forgotten."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from vcplab.core.errors import StateError
from vcplab.core.loop import run
from vcplab.plugins import reloading
from vcplab.plugins.manager import PluginManager
from vcplab.plugins.plugin import Plugin
from vcplab.plugins.tree import Tree, read_tree

MakePlugin = Callable[..., Path]
SAYS = 'print(\'{{"status": "success", "result": "{}"}}\')\n'


def _until(done: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, f"not within a minute: {what}"
        time.sleep(0.02)


def _serves(plugin: Plugin, folder: Path) -> bool:
    """Whether what the folder holds takes the calls."""
    version = plugin.version
    assert version is not None
    assert version.snapshot is not None
    # This file alone: reading all others would be noticed by the watch.
    return (version.snapshot.folder / "main.py").read_text() == (folder / "main.py").read_text()


def _breaking(
    monkeypatch: pytest.MonkeyPatch, broke: threading.Event, *, times: int, at_once: bool
) -> list[int]:
    """Lets the first watches break off: at once, or at the first change, which is lost thereby."""
    watch, begun = watchfiles.awatch, [0]

    async def awatch(*roots: Path, **options: Any) -> AsyncIterator[set[Any]]:
        begun[0] += 1
        if begun[0] > times:
            async for batch in watch(*roots, **options):
                yield batch
            return
        if not at_once:
            async for batch in watch(*roots, **options):
                if batch:
                    break
                yield batch
        broke.set()
        raise RuntimeError("the watch broke")

    monkeypatch.setattr(watchfiles, "awatch", awatch)
    return begun


def test_a_watch_that_broke_off_is_set_up_anew_and_nothing_is_lost(
    manager: PluginManager, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    broke = threading.Event()
    begun = _breaking(monkeypatch, broke, times=1, at_once=False)
    folder = make_plugin("Echo", SAYS.format("one"))
    manager.add(folder.parent, trust=True, watch=True)
    plugin = manager.catalogue.get("Echo")
    (folder / "main.py").write_text(SAYS.format("two"), "utf-8")
    assert broke.wait(60)
    # Nobody watches now: neither this edit nor the one before is told of by anybody.
    make_plugin("Later")
    _until(lambda: _serves(plugin, folder), "the edit that broke it off")
    _until(lambda: manager.catalogue.find("Later"), "the plugin that came meanwhile")
    (folder / "main.py").write_text(SAYS.format("three"), "utf-8")
    _until(lambda: _serves(plugin, folder), "an edit afterwards")
    assert begun == [2]


def test_a_watch_that_cannot_be_set_up_holds_nobody_up(
    manager: PluginManager,
    make_plugin: MakePlugin,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broke = threading.Event()
    _breaking(monkeypatch, broke, times=10**6, at_once=True)
    folder = make_plugin()
    (row,) = manager.add(folder, trust=True, watch=True)
    assert row.state == "ready"
    assert f"Watching {folder} broke off: the watch broke" in caplog.text
    manager.close()


def test_a_file_whose_name_is_no_text_does_not_end_the_watch(
    manager: PluginManager, make_plugin: MakePlugin
) -> None:
    folder = make_plugin("Echo", SAYS.format("one"))
    manager.add(folder, trust=True, watch=True)
    plugin = manager.catalogue.get("Echo")
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
    except OSError:
        return  # a file system whose names are always text
    (folder / "main.py").write_text(SAYS.format("two"), "utf-8")
    _until(lambda: _serves(plugin, folder), "the edit")


def test_a_version_withdrawn_while_its_folder_is_read_keeps_its_problem(
    manager: PluginManager, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_plugin("Echo", SAYS.format("one"))
    manager.add(folder, trust=True, watch=True)
    plugin = manager.catalogue.get("Echo")
    (folder / "main.py").write_text(SAYS.format("two"), "utf-8")
    _until(lambda: _serves(plugin, folder), "the edit")
    newest, read = plugin.version, threading.Event()
    assert newest is not None

    def reading(path: Path) -> Tree:
        tree = read_tree(path)
        if not read.is_set():
            run(_withdraw(newest))
            read.set()
        return tree

    async def _withdraw(version: Any) -> None:
        manager.loader.withdraw(plugin, version, StateError("it does not answer"))

    monkeypatch.setattr(reloading, "read_tree", reading)
    (folder / "main.py").touch()  # looked at once more, though nothing changed
    assert read.wait(60)
    run(_idle(manager))
    assert plugin.version is not newest
    assert "it does not answer" in (plugin.reload_error or "")


async def _idle(manager: PluginManager) -> None:
    await asyncio.gather(*manager._reloader._edits.values())
