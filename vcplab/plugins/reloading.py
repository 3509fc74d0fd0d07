"""Hot reload: edits in watched folders come into force by themselves.

An edit is waited out until the folder keeps still, checked in a copy, and swapped in; calls that
run end on the version they began with. What cannot be loaded changes nothing, and the row says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vcplab.core.errors import VCPError
from vcplab.core.loop import run, to_worker
from vcplab.plugins.manifest import Found, find_plugins
from vcplab.plugins.plugin import Plugin
from vcplab.plugins.tree import SKIPPED, read_tree
from vcplab.plugins.writers import is_being_written

if TYPE_CHECKING:
    from watchfiles import Change

    from vcplab.plugins.hosts.base import Version
    from vcplab.plugins.loading import Loader
    from vcplab.plugins.manager import PluginManager

__all__ = ["Reloader"]

_logger = logging.getLogger(__name__)
_SETTLE: Final = 0.45
"""Seconds without a change after which an edit is taken to be over, if nobody has one of the files
open for writing. Upstream waits for half a second, too."""
_SHORTENED: Final = 0.65
"""The same where a file became shorter: it may have been cut, with the rest still to come."""
_LONGEST: Final = 10.0
_LOOK: Final = 0.05
_AGAIN: Final = 1.0
_AGAIN_LONGEST: Final = 10.0
"""Seconds after which a watch that broke off is set up anew: at first, and at most."""


class Reloader:
    """Watches folders.

    Args:
        manager: Whose plugins they are.
        loader: Loads new versions.
    """

    def __init__(self, manager: PluginManager, loader: Loader) -> None:
        self._manager = manager
        self._loader = loader
        self._roots: dict[Path, bool] = {}
        self._stop: asyncio.Event | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._edits: dict[Path, asyncio.Task[None]] = {}
        self._touched: dict[Path, float] = {}
        self._paths: dict[Path, set[Path]] = {}

    def watch(self, root: Path, *, lenient: bool = False) -> None:
        """Watch one more folder.

        Args:
            root: The folder.
            lenient: How plugins that appear in it are read.
        """
        run(self._awatch(root, lenient))

    async def _awatch(self, root: Path, lenient: bool) -> None:
        known = root in self._roots
        self._roots[root] = lenient
        if known:
            return
        earlier = self._watcher, self._stop
        ready = asyncio.Event()
        self._stop = asyncio.Event()
        self._watcher = asyncio.create_task(self._run(tuple(self._roots), self._stop, ready))
        await ready.wait()
        # The earlier one ends only now: an edit between the two would be nobody's.
        await _end_watcher(*earlier)

    async def close(self) -> None:
        """Watch nothing any more."""
        self._roots.clear()
        await _end_watcher(self._watcher, self._stop)
        self._watcher = None
        edits = list(self._edits.values())
        for edit in edits:
            edit.cancel()
        await asyncio.gather(*edits, return_exceptions=True)

    async def _run(
        self, roots: tuple[Path, ...], stop: asyncio.Event, ready: asyncio.Event
    ) -> None:
        """Watch until it is stopped; a watch that breaks off is set up anew."""
        loop = asyncio.get_running_loop()
        pause, anew, told = _AGAIN, False, ""
        while not stop.is_set():
            began = loop.time()
            try:
                async for batch in _changes(roots, stop):
                    if anew:
                        # What was edited since the earlier watch broke off, nobody saw.
                        self._touch(self._watched(roots))
                        anew = False
                    ready.set()
                    self._touch(Path(path) for _, path in batch)
            except Exception as error:
                # E.g. a file whose name is no text, or too many watches; the group is anyio's.
                while isinstance(error, ExceptionGroup):
                    error = error.exceptions[0]
                if str(error) != told:
                    told = str(error)
                    _logger.warning("Watching %s broke off: %s", ", ".join(map(str, roots)), told)
                ready.set()
                if anew:  # it did not even stand: somebody has to look, from time to time
                    self._touch(self._watched(roots))
                anew = True
                if loop.time() - began > _AGAIN_LONGEST:
                    pause = _AGAIN
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause)
                pause = min(2 * pause, _AGAIN_LONGEST)
        ready.set()

    def _watched(self, roots: Iterable[Path]) -> list[Path]:
        """The folders of plugins, known or new, that lie in watched folders."""
        found = {
            plugin.folder
            for plugin in self._manager.catalogue
            if plugin.watched and plugin.folder is not None
        }
        for root in roots:
            with suppress(OSError):
                found |= {path for path in root.iterdir() if path.is_dir()}
        return sorted(found)

    def _touch(self, paths: Iterable[Path]) -> None:
        now = asyncio.get_running_loop().time()
        for path in paths:
            folder = self._folder_of(path)
            if folder is None:
                continue
            self._touched[folder] = now
            self._paths.setdefault(folder, set()).add(path)
            if folder not in self._edits:
                self._edits[folder] = asyncio.create_task(self._settle(folder))

    def _folder_of(self, path: Path) -> Path | None:
        """The plugin's folder that a path lies in, perhaps one that is still to be found."""
        for root in self._roots:
            if path.is_relative_to(root):
                parts = path.relative_to(root).parts
                if any(part in SKIPPED for part in parts):
                    return None
                for plugin in self._manager.catalogue:
                    if plugin.folder is not None and path.is_relative_to(plugin.folder):
                        return plugin.folder
                return root / parts[0] if parts else root
        return None

    async def _settle(self, folder: Path) -> None:
        """Load what a folder holds whenever it keeps still, until it was not touched again."""
        try:
            seen = None
            while seen != self._touched[folder]:
                await self._stillness(folder)
                seen = self._touched[folder]
                self._paths.pop(folder, None)
                try:
                    await self._apply(folder)
                except (VCPError, OSError) as error:
                    plugin = self._manager.catalogue.by_key(str(folder))
                    name = plugin.name if plugin is not None else folder.name
                    # Its row says so, too.
                    _logger.info("%s was not reloaded: %s", name, error)
                    self._manager.report_failure(name, error)
        finally:
            # At once, not by a callback: a touch after this begins anew.
            self._edits.pop(folder, None)

    async def _stillness(self, folder: Path) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _LONGEST
        while True:
            settle = _SHORTENED if self._is_shorter(folder) else _SETTLE
            left = self._touched[folder] + settle - loop.time()
            if left <= 0:
                if loop.time() > until or not await to_worker(is_being_written, folder):
                    return
                left = _LOOK
            await asyncio.sleep(left)

    def _is_shorter(self, folder: Path) -> bool:
        """Whether a file that was touched is shorter than in the version that takes calls."""
        plugin = self._manager.catalogue.by_key(str(folder))
        version = plugin.version if plugin is not None else None
        if version is None or version.snapshot is None:
            return False
        for path in self._paths.get(folder, ()):
            with suppress(OSError):
                before = version.snapshot.folder / path.relative_to(folder)
                if path.stat().st_size < before.stat().st_size:
                    return True
        return False

    async def _apply(self, folder: Path) -> None:
        plugin = self._manager.catalogue.by_key(str(folder))
        found = await to_worker(_found, folder)
        mine = next((one for one in found if one.folder == folder), None)
        if plugin is None:
            root = next((root for root in self._roots if folder.is_relative_to(root)), folder)
            for one in found:
                key = str(one.folder)
                if self._manager.catalogue.by_key(key) or key in self._manager.unloaded:
                    continue
                # It was not there when its neighbours were trusted, so it is not trusted itself.
                added = await to_worker(
                    self._loader.add_folder,
                    one,
                    trust=None,
                    watch=True,
                    lenient=self._roots.get(root, False),
                )
                await self._loader.aload([added])
            return
        if not plugin.watched:
            return
        if mine is None:
            await self._loader.aremove(plugin)
            return
        if mine.blocked != plugin.blocked:
            plugin.blocked = mine.blocked
            if mine.blocked:
                await self._loader.apause(plugin)
            self._manager.catalogue.put(plugin)
        if mine.blocked:
            return
        version = plugin.version
        if version is None:
            await self._first(plugin)
        elif not await to_worker(_same, folder, version):
            await self._loader.areload(plugin)
        elif plugin.version is version:
            # What was broken was taken back; unless it was just withdrawn, and is broken still.
            plugin.reload_error = None

    async def _first(self, plugin: Plugin) -> None:
        """It could not be loaded before; the edit may have mended it."""
        was_trusted = plugin.trust == "trusted"
        trust = True if was_trusted and plugin.watched else None
        await to_worker(self._loader.read_again, plugin, trust=trust)
        await self._loader.aload([plugin])


async def _changes(
    roots: tuple[Path, ...], stop: asyncio.Event
) -> AsyncIterator[set[tuple[Change, str]]]:
    """What changes; the first word, though it be "nothing", means that the watch stands."""
    from watchfiles import awatch

    present = [root for root in roots if root.is_dir()]
    if not present:
        raise FileNotFoundError("there is no such folder")
    changes = awatch(
        *present,
        watch_filter=None,
        debounce=50,
        step=10,
        stop_event=stop,
        yield_on_timeout=True,
        rust_timeout=100,
        ignore_permission_denied=True,
    )
    async for batch in changes:
        yield batch


async def _end_watcher(watcher: asyncio.Task[None] | None, stop: asyncio.Event | None) -> None:
    if stop is not None:
        stop.set()
    if watcher is not None:
        with suppress(asyncio.CancelledError):
            await watcher


def _found(folder: Path) -> list[Found]:
    return find_plugins(folder) if folder.is_dir() else []


def _same(folder: Path, version: Version) -> bool:
    """Whether a folder holds what a version was made of."""
    if version.snapshot is None:
        return False
    with suppress(OSError):
        return read_tree(folder).digest == version.snapshot.tree.digest
    return False
