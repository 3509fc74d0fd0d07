"""Loading: from a folder or function to a version that takes calls, and from one to the next."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError, VCPError
from vcplab.core.loop import blocking, to_worker
from vcplab.plugins.checking import check_scripts
from vcplab.plugins.events import PluginRegistered, PluginsReloaded, PluginUnregistered
from vcplab.plugins.failures import PluginUnavailableError
from vcplab.plugins.hosts.base import Version
from vcplab.plugins.hosts.modules import described_commands
from vcplab.plugins.internal import answered_by_event
from vcplab.plugins.manifest import Found, Manifest, read_folder, resolve_config
from vcplab.plugins.plugin import Plugin
from vcplab.plugins.snapshots import Snapshot, Snapshots
from vcplab.plugins.statics import checked_cron
from vcplab.plugins.tree import read_tree

if TYPE_CHECKING:
    from vcplab.plugins.manager import PluginManager

__all__ = ["Loader"]


class Loader:
    """Loads, replaces and takes away versions.

    Args:
        manager: Whose plugins they are.
        snapshots: Where their folders are copied to.
    """

    def __init__(self, manager: PluginManager, snapshots: Snapshots) -> None:
        self._manager = manager
        self._snapshots = snapshots

    # -- folders ---------------------------------------------------------------------------------

    def add_folder(
        self, found: Found, *, trust: bool | None, watch: bool, lenient: bool = False
    ) -> Plugin:
        """Take note of a folder; one that is known already is read again.

        Args:
            found: What it holds.
            trust: See `PluginManager.add`.
            watch: Whether edits are loaded by themselves.
            lenient: Whether replies are read leniently, whatever the dialect.
        """
        key = str(found.folder)
        plugin = self._manager.catalogue.by_key(key)
        if plugin is None:
            plugin = Plugin(key, found.name, folder=found.folder)
            plugin.overrides = self._manager.records.config(key)
            plugin.enabled = self._manager.records.enabled(key)
        plugin.watched, plugin.lenient = watch, lenient
        if plugin.version is None:
            self.read_again(plugin, trust=trust, found=found)
        return plugin

    async def arefresh(self, plugin: Plugin, trust: bool | None) -> None:
        """Bring a plugin that was added again up to date; what cannot be loaded changes nothing.

        Args:
            plugin: The plugin.
            trust: See `PluginManager.add`.
        """
        if trust is False:
            await self.adistrust(plugin)
            return
        try:
            await self.areload(plugin, trust=trust is True)
        except VCPError as error:
            self._manager.report_failure(plugin.name, error)

    refresh = blocking(arefresh)

    def read_again(
        self, plugin: Plugin, *, trust: bool | None = None, found: Found | None = None
    ) -> None:
        """Read a plugin's folder: its manifest, and whether it is trusted.

        Args:
            plugin: The plugin.
            trust: See `PluginManager.add`.
            found: What the folder holds, if that is known already.
        """
        folder = plugin.folder
        if folder is None:
            return
        if found is None:
            found = read_folder(folder)
        if found is None:
            plugin.error = NotFoundError("Its manifest is gone.", where=str(folder))
            plugin.manifest = None
        else:
            plugin.error, plugin.blocked = found.error, found.blocked
            plugin.manifest, plugin.name = _in_folder(found.manifest), found.name
        self._judge(plugin, folder, trust)
        self._manager.catalogue.put(plugin)
        self._manager.events.publish(PluginRegistered(plugin=plugin.name))

    def _judge(self, plugin: Plugin, folder: Path, trust: bool | None) -> None:
        trusted = self._manager.trusted
        try:
            plugin.digest = read_tree(folder).digest
        except (OSError, InvalidDataError) as error:
            plugin.error = (
                error
                if isinstance(error, VCPError)
                else InvalidDataError(f"The folder cannot be read: {error}.", where=str(folder))
            )
            plugin.trust = "untrusted"
            return
        if trust is True:
            trusted.give(folder, plugin.digest)
        elif trust is False:
            trusted.take(folder)
        plugin.trust = trusted.state(folder, plugin.digest)

    # -- versions --------------------------------------------------------------------------------

    async def aload(self, plugins: Iterable[Plugin]) -> None:
        """Load those that may be loaded and are not yet; what keeps one is its ``error``."""
        for plugin in plugins:
            if plugin.version is None and self._may_run(plugin):
                try:
                    await self.areload(plugin, quiet=True)
                except VCPError as error:
                    plugin.error = error
                    self._manager.report_failure(plugin.name, error)

    load = blocking(aload)

    def _may_run(self, plugin: Plugin) -> bool:
        manifest = plugin.manifest
        return (
            manifest is not None
            and manifest.host != "none"
            and plugin.folder is not None
            and plugin.trust == "trusted"
            and plugin.enabled
            and not plugin.blocked
        )

    async def areload(self, plugin: Plugin, *, trust: bool = False, quiet: bool = False) -> None:
        """Make a new version of what the folder holds now, and give it the calls.

        Args:
            plugin: The plugin.
            trust: Whether what the folder holds now is trusted by this call.
            quiet: Whether this is the first load, which is no reload to tell of.

        Raises:
            VCPError: It cannot be loaded; the version before stays in force.
        """
        if plugin.folder is None or not plugin.enabled:
            return
        async with plugin.lock:
            try:
                await self._replace(plugin, plugin.folder, trust)
            except VCPError as error:
                if plugin.version is not None:
                    plugin.reload_error = str(error)
                raise
        await self._manager.background.follow()
        if quiet:
            self._manager.events.publish(PluginRegistered(plugin=plugin.name))
        else:
            message = f"{plugin.name} was reloaded."
            self._manager.events.publish(PluginsReloaded(plugin=plugin.name, message=message))

    async def _replace(self, plugin: Plugin, folder: Path, trust: bool) -> None:
        before = plugin.version.snapshot if plugin.version is not None else None
        try:
            # An earlier session's copy holds what the plugin wrote then.
            earlier = before or await to_worker(self._snapshots.latest, folder)
            snapshot = await to_worker(self._snapshots.take, folder, earlier)
        except OSError as error:
            raise InvalidDataError(
                f"The folder cannot be read: {error}.", where=str(folder)
            ) from error
        try:
            self._consent(plugin, folder, snapshot, trust)
            self._swap(plugin, await self._make(plugin, folder, snapshot, before))
        except BaseException:
            self._snapshots.release(snapshot, drop=True)
            raise

    async def _make(
        self, plugin: Plugin, folder: Path, snapshot: Snapshot, before: Snapshot | None
    ) -> Version:
        """Check a copy, without running any of it, and make a version of it."""
        found = await to_worker(read_folder, snapshot.folder)
        if found is None or found.manifest is None:
            problem = found.error if found is not None else None
            raise problem or NotFoundError("Its manifest is gone.", where=str(folder))
        manifest = _in_folder(found.manifest)
        assert manifest is not None
        if plugin.lenient:
            manifest = dataclasses.replace(manifest, lenient=True)
        changed = [] if before is None else _changed(before, snapshot)
        await check_scripts(manifest, snapshot.folder, changed)
        config = resolve_config(manifest, snapshot.folder, os.environ, plugin.overrides)
        for note in config.notes:
            self._manager.log(plugin, note)
        if manifest.cron is not None:
            checked_cron(manifest.cron, "refreshIntervalCron")
        version = Version(manifest, snapshot, source=folder, overrides=plugin.overrides)
        if manifest.host == "kernel":
            version.target = answered_by_event(self._manager, manifest.name)
        if manifest.entry.style == "module" and not manifest.commands:
            version.manifest = await described_commands(
                self._manager.stdio, version, lambda line: self._manager.log(plugin, line)
            )
        plugin.blocked = found.blocked
        return version

    def _consent(self, plugin: Plugin, folder: Path, snapshot: Snapshot, trust: bool) -> None:
        """Only what was trusted may run; the copy is judged, which nobody can change meanwhile."""
        digest = snapshot.tree.digest
        trusted = self._manager.trusted
        # An edit in a watched folder is covered while an earlier content of it was trusted.
        watched = plugin.watched and plugin.version is not None
        if trust or (watched and trusted.state(folder, digest) != "untrusted"):
            trusted.give(folder, digest)
        state = trusted.state(folder, digest)
        if state != "trusted":
            if plugin.version is None:
                plugin.trust = state
            raise PluginUnavailableError(
                f"The folder of {plugin.name} is {state}"
                + (" since it was trusted." if state == "changed" else "."),
                where=str(folder),
                next_step=f'look at it, then lab.plugins.trust("{plugin.name}")',
                details={"state": state},
            )
        plugin.digest, plugin.trust = digest, "trusted"

    def _swap(self, plugin: Plugin, version: Version) -> None:
        manager = self._manager
        assert version.snapshot is not None
        assert plugin.folder is not None
        with manager.catalogue.lock:
            # Making it took a while, and its user may have thought better of it meanwhile.
            state = manager.trusted.state(plugin.folder, version.snapshot.tree.digest)
            there = manager.catalogue.by_key(plugin.key) is plugin
            if not there or not plugin.enabled or state != "trusted":
                raise PluginUnavailableError(
                    f"{plugin.name} was taken away while it was loaded.",
                    where=plugin.name,
                    next_step="add, enable or trust it again",
                    details={"state": state},
                )
            before, plugin.version = plugin.version, version
            plugin.manifest, plugin.name = version.manifest, version.manifest.name
            plugin.error = plugin.reload_error = plugin.run_error = None
            doomed: Version | None
            if before is not None and (before.proven or plugin.previous is None):
                doomed, plugin.previous = plugin.previous, before
            else:  # it never showed that it works: the one before it stays the one to fall back on
                doomed = before
            manager.catalogue.put(plugin)
        if doomed is not None:
            self._retire(doomed)
        if not version.manifest.callable:
            self.prove(plugin, version)

    def prove(self, plugin: Plugin, version: Version) -> None:
        """A version has shown that it works: the one before it is not needed any more."""
        version.proven = True
        with self._manager.catalogue.lock:
            if plugin.version is not version:
                return
            before, plugin.previous = plugin.previous, None
        if before is not None:
            self._retire(before)

    def withdraw(self, plugin: Plugin, version: Version, error: VCPError) -> None:
        """A new version broke its contract at its first call: the one before comes back."""
        with self._manager.catalogue.lock:
            if plugin.version is not version or plugin.previous is None:
                return
            plugin.version, plugin.previous = plugin.previous, None
            plugin.manifest = plugin.version.manifest
            plugin.name = plugin.manifest.name
            plugin.reload_error = str(error)
            self._manager.catalogue.put(plugin)
        self._retire(version)
        self._manager.log(plugin, f"the new version was withdrawn: {error}")
        self._manager.report_failure(plugin.name, error)

    def _retire(self, version: Version) -> None:
        if version.snapshot is not None:
            version.retire(partial(self._snapshots.release, version.snapshot, drop=True))

    def clear(self) -> None:
        """Delete copies of folders that nobody needs any more."""
        self._snapshots.clear()

    # -- going -----------------------------------------------------------------------------------

    async def aremove(self, plugin: Plugin) -> None:
        """Take a plugin away and end what runs of it."""
        self._manager.catalogue.remove(plugin)
        await self.apause(plugin, end=True)
        self._manager.events.publish(PluginUnregistered(plugin=plugin.name))

    remove = blocking(aremove)

    async def adistrust(self, plugin: Plugin) -> None:
        """Trust a plugin no more, and end what runs of it.

        Raises:
            InvalidInputError: It has no folder.
        """
        if plugin.folder is None:
            raise InvalidInputError(
                f"{plugin.name} has no folder.",
                where="name",
                next_step="unload() it instead",
            )
        self._manager.trusted.take(plugin.folder)
        plugin.trust = "untrusted"
        await self.apause(plugin, end=True)
        self._manager.events.publish(PluginRegistered(plugin=plugin.name))

    distrust = blocking(adistrust)

    async def apause(self, plugin: Plugin, *, end: bool = False) -> None:
        """Stop what a plugin does by itself, and give up its version.

        Args:
            plugin: The plugin.
            end: Whether calls that run are ended; else they go on.
        """
        if plugin.folder is None and not end:
            await self._manager.background.follow()
            return  # a function costs nothing while it is switched off
        async with plugin.lock:
            with self._manager.catalogue.lock:
                versions = [plugin.version, plugin.previous]
                plugin.version = plugin.previous = None
        await self._manager.background.follow()
        for version in versions:
            if version is None:
                continue
            if end:
                await self._manager.stdio.end_version(version)
            # Its copy stays: it holds what the plugin wrote.
            if version.snapshot is not None:
                version.retire(partial(self._snapshots.release, version.snapshot))

    pause = blocking(apause)


def _in_folder(manifest: Manifest | None) -> Manifest | None:
    """The manifest of a folder: what only a caller of ``register`` can bring is missing there."""
    if (
        manifest is None
        or manifest.host not in ("kernel", "remote")
        or (manifest.host == "kernel" and manifest.callable)
    ):
        return manifest
    return dataclasses.replace(manifest, host="none")


def _changed(before: Snapshot, now: Snapshot) -> list[str]:
    old = before.tree.files
    return [name for name, what in now.tree.files.items() if old.get(name) != what]
