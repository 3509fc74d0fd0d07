"""The manager: finds, trusts, loads, calls, reloads and describes plugins of every dialect."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vcplab.core.errors import InvalidInputError, NotFoundError, VCPError
from vcplab.core.events import EventBus, Subscription
from vcplab.core.loop import library_loop, run
from vcplab.core.store import Store
from vcplab.core.workspace import Workspace
from vcplab.plugins.background import Background
from vcplab.plugins.callbacks import Callbacks
from vcplab.plugins.events import (
    EVENT_TYPES,
    PluginDisabled,
    PluginEnabled,
    PluginErrorEvent,
    PluginEvent,
    PluginLogged,
    PluginPush,
    PluginsReloaded,
    TaskReported,
)
from vcplab.plugins.hosts.base import Host
from vcplab.plugins.hosts.kernel import KernelHost
from vcplab.plugins.hosts.remote import RemoteHost
from vcplab.plugins.hosts.stdio import StdioHost
from vcplab.plugins.loading import Loader
from vcplab.plugins.manifest import (
    Config,
    find_plugins,
)
from vcplab.plugins.masking import Masking
from vcplab.plugins.plugin import Plugin, PluginRow
from vcplab.plugins.preprocessors import Preprocessors
from vcplab.plugins.records import Records
from vcplab.plugins.registering import RegisteringManager
from vcplab.plugins.reloading import Reloader
from vcplab.plugins.snapshots import Snapshots
from vcplab.plugins.statics import Statics
from vcplab.plugins.tasks import Tasks
from vcplab.plugins.trust import Trust
from vcplab.prompt.placeholders import AsyncResults, StaticResults

__all__ = ["PluginManager"]

_logger = logging.getLogger(__name__)


class PluginManager(RegisteringManager):
    """Plugins, whatever dialect they are written in.

    A lab has one (``lab.plugins`` and ``lab.tools`` are its faces); it also works alone.

    Attributes:
        events: What happens to plugins, as `vcplab.plugins.events`.
        catalogue: The plugins themselves.
        tasks: Calls that go on.
        callbacks: Where asynchronous plugins report what became of them.
        preprocessors: The chain that changes messages.
        statics: The values of static plugins.
        async_results: The reports of tasks, for prompts.
        records: What is remembered between sessions.
        unloaded: Keys of plugins that were unloaded; a watched folder does not bring them back.
        admin_code: What plugins with ``requiresAdmin`` are given; without it they are refused.
        masking: Keeps secrets of plugins out of what is written down.

    Args:
        workspace: Where snapshots, trust and records are kept; None for this process only.
        debug: Whether plugins run with ``DebugMode`` on.
    """

    def __init__(self, workspace: Workspace | None = None, *, debug: bool = False) -> None:
        super().__init__(debug=debug)
        self.admin_code: str | None = None
        self.unloaded: set[str] = set()
        self.events = EventBus()
        self.preprocessors = Preprocessors(self.report_failure)
        self.async_results = AsyncResults()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        store, home = self._places(workspace)
        self.records = Records(store)
        self.trusted = Trust(store)
        self.masking = Masking()
        self.tasks = Tasks(store, self.masking.text)
        self.callbacks = Callbacks(self.tasks, self._reported)
        self.stdio = StdioHost(
            self.tasks,
            self.callbacks.url,
            debug=lambda: self.debug,
            admin_code=lambda: self.admin_code,
            learn=self.masking.learn,
        )
        self.remote = RemoteHost()
        kernel = KernelHost()
        self.hosts: dict[str, Host] = {
            "stdio": self.stdio,
            "kernel": kernel,
            "remote": self.remote,
        }
        self.statics = Statics(self.stdio, StaticResults(), self._refreshed)
        self.loader = Loader(self, Snapshots(home))
        self.background = Background(self)
        self._reloader = Reloader(self, self.loader)
        self._closed = False
        for (plugin, task), body in self.records.reports().items():
            self._tell_prompts(plugin, task, body)

    def _places(self, workspace: Workspace | None) -> tuple[Store, Path]:
        if workspace is not None and not workspace.read_only:
            return workspace.store, workspace.private / "plugins"
        self._temporary = tempfile.TemporaryDirectory(prefix="vcplab-plugins-")
        home = Path(self._temporary.name)
        if workspace is not None:
            return workspace.store, home  # another process runs its plugins from the lab's folder
        return Store.memory(schema="vcplab.plugins", version=1), home

    def set_config(self, name: str, **values: Any) -> Config:
        """Change settings of a plugin in the lab; None takes a setting back.

        Args:
            name: The plugin.
            **values: The settings; they win over its ``config.env`` and the environment.

        Raises:
            NotFoundError: There is none of this name.
        """
        plugin = self.catalogue.get(name)
        merged = {**plugin.overrides, **values}
        plugin.overrides = {key: value for key, value in merged.items() if value is not None}
        self.records.put_config(plugin.key, plugin.overrides)
        if plugin.version is not None:
            plugin.version.overrides = dict(plugin.overrides)
        config = self.config(name)
        self.masking.learn(config.secrets())  # before the plugin runs with them
        return config

    def add(
        self,
        path: str | Path,
        *,
        trust: bool | None = None,
        watch: bool = False,
        lenient: bool = False,
    ) -> list[PluginRow]:
        """Add a plugin's folder, or a folder of such.

        Nothing of an untrusted folder runs: its plugins are rows that say so.

        Args:
            path: The folder.
            trust: True: what it holds now may run. None: only what was trusted before and did not
                change since. False: nothing, and earlier trust is taken back.
            watch: Whether edits are loaded by themselves; a consent to what is edited while it is
                watched.
            lenient: Whether replies are read as VCPChat reads them (facts/vcp-protocol §2), also
                those of VCPToolBox's plugins, which are read strictly by default.

        Returns:
            A row for each plugin found.

        Raises:
            NotFoundError: There is no such folder.
            InvalidInputError: It is a file, or holds no plugin.
        """
        root = Path(os.path.normpath(Path(path).expanduser().absolute()))
        found = find_plugins(root)
        if not found and not watch:
            raise InvalidInputError(
                f"No plugin was found in {str(path)!r}.",
                where="path",
                next_step="give a folder with a plugin-manifest.json, or a folder of such folders",
            )
        self.records.put_root(root, watch=watch, lenient=lenient)
        self.unloaded -= {str(one.folder) for one in found}
        plugins = [
            self.loader.add_folder(one, trust=trust, watch=watch, lenient=lenient) for one in found
        ]
        for plugin in plugins:
            if plugin.version is not None:
                self.loader.refresh(plugin, trust)
        self.loader.load(plugins)
        if watch:
            self._reloader.watch(root, lenient=lenient)
        return [plugin.row(*self.catalogue.state(plugin)) for plugin in plugins]

    def restore(self) -> list[PluginRow]:
        """Add again what was added in earlier sessions, as far as it is still trusted.

        Returns:
            A row for each plugin found; folders that are gone are only logged.
        """
        rows: list[PluginRow] = []
        for root, options in self.records.roots():
            try:
                rows += self.add(root, **options)
            except (NotFoundError, InvalidInputError) as error:
                _logger.warning("plugins of an earlier session: %s", error)
        return rows

    def load(self, name: str) -> PluginRow:
        """Load a plugin that is not loaded, as far as it may be; its row."""
        plugin = self.catalogue.get(name)
        self.loader.load([plugin])
        return plugin.row(*self.catalogue.state(plugin))

    def unload(self, name: str) -> None:
        """Take a plugin away; its calls are ended, its folder is left alone.

        One that was added by its own folder stays away; one of a folder of plugins comes back with
        the next session: `disable` it.

        Args:
            name: The plugin.

        Raises:
            NotFoundError: There is none of this name.
        """
        plugin = self.catalogue.get(name)
        if plugin.folder is not None:
            self.records.drop_root(plugin.folder)
        self.unloaded.add(plugin.key)
        self.loader.remove(plugin)

    def enable(self, name: str) -> PluginRow:
        """Switch a plugin on; its row."""
        plugin = self.catalogue.get(name)
        if not plugin.enabled:
            plugin.enabled = True
            self.records.put_enabled(plugin.key, True)
            self.loader.load([plugin])
            run(self.background.follow())
            self.events.publish(PluginEnabled(plugin=plugin.name))
        return plugin.row(*self.catalogue.state(plugin))

    def disable(self, name: str) -> PluginRow:
        """Switch a plugin off, also for later sessions; calls that run go on. Its row."""
        plugin = self.catalogue.get(name)
        if plugin.enabled:
            plugin.enabled = False
            self.records.put_enabled(plugin.key, False)
            self.loader.pause(plugin)
            self.events.publish(PluginDisabled(plugin=plugin.name))
        return plugin.row(*self.catalogue.state(plugin))

    def trust(self, name: str) -> PluginRow:
        """Trust what a plugin's folder holds now, and load it; its row.

        Raises:
            NotFoundError: There is none of this name.
        """
        plugin = self.catalogue.get(name)
        if plugin.version is not None:
            run(self.loader.areload(plugin, trust=True))
        else:
            self.loader.read_again(plugin, trust=True)
            self.loader.load([plugin])
        return plugin.row(*self.catalogue.state(plugin))

    def distrust(self, name: str) -> PluginRow:
        """Trust a plugin no more; nothing of it runs. Its row."""
        plugin = self.catalogue.get(name)
        self.loader.distrust(plugin)
        return plugin.row(*self.catalogue.state(plugin))

    def reload(self, name: str | None = None, *, trust: bool = False) -> list[PluginRow]:
        """Load a plugin anew from its folder, or all.

        Calls that run keep the version they began with. A version that cannot be loaded leaves the
        one before in force, and the row says why.

        Args:
            name: The plugin; None for all.
            trust: Whether what the folders hold now is trusted by this call. Without it a folder
                that changed is not loaded, unless it is watched.

        Returns:
            Their rows.

        Raises:
            NotFoundError: There is none of this name.
            VCPError: One plugin was named, and its new version cannot be loaded.
        """
        plugins = list(self.catalogue) if name is None else [self.catalogue.get(name)]
        for plugin in plugins:
            try:
                run(self.loader.areload(plugin, trust=trust))
            except VCPError as error:
                if name is not None:
                    raise
                self.report_failure(plugin.name, error)
        if name is None:
            message = f"{len(plugins)} plugins were reloaded."
            self.events.publish(PluginsReloaded(plugin="", message=message))
        return [plugin.row(*self.catalogue.state(plugin)) for plugin in plugins]

    def on(self, event: str, callback: Callable[[Any], object]) -> Subscription:
        """Listen to events by the peers' word, e.g. ``"plugin_executed"``.

        Args:
            event: The word.
            callback: Called with the event, in the thread where it happens.

        Raises:
            InvalidInputError: There is no such event.
        """
        if event not in EVENT_TYPES:
            raise InvalidInputError(
                f"There is no event {event!r}.",
                where="event",
                next_step=f"one of: {', '.join(EVENT_TYPES)}",
            )
        return self.events.subscribe(EVENT_TYPES[event], callback)

    def on_change(self, callback: Callable[[PluginEvent], object]) -> Subscription:
        """Listen to everything that happens to plugins."""
        return self.events.subscribe(PluginEvent, callback)

    def log(self, plugin: Plugin, line: str) -> None:
        """Write a line to a plugin's log."""
        line = self.masking.text(line)
        plugin.lines.append(line)
        self.events.publish(PluginLogged(plugin=plugin.name, line=line))

    def close(self) -> None:
        """End everything; closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        if library_loop().is_running:
            run(self._aclose())
        if self._temporary is not None:
            shutil.rmtree(self._temporary.name, ignore_errors=True)
            self._temporary.cleanup()

    async def _aclose(self) -> None:
        self.catalogue.closed = True
        await self._reloader.close()
        self.statics.close()
        self.tasks.close()
        for host in self.hosts.values():
            await host.close()
        await self.callbacks.close()

    def report_failure(self, plugin: str, error: Exception) -> None:
        """Tell that something of a plugin failed which is no call."""
        self.events.publish(PluginErrorEvent(plugin=plugin, error=error))

    def _refreshed(self, name: str, error: Exception | None) -> None:
        """A static plugin ran: its row says whether that went well."""
        plugin = self.catalogue.find(name)
        if plugin is not None:
            plugin.run_error = None if error is None else f"its last run failed: {error}"
        if error is not None:
            self.report_failure(name, error)

    def _reported(self, plugin: str, task: str, body: dict[str, Any]) -> None:
        self.records.put_report(plugin, task, body)
        self._tell_prompts(plugin, task, body)
        begun = self.tasks.find(plugin, task)
        origin = "" if begun is None else begun.origin
        self.events.publish(TaskReported(plugin=plugin, task=task, origin=origin, data=body))
        known = self.catalogue.find(plugin)
        push = known.manifest.push if known is not None and known.manifest is not None else None
        if push is not None and push.enabled:
            self.events.publish(
                PluginPush(
                    plugin=plugin, message_type=push.message_type, target=push.target, data=body
                )
            )

    def _tell_prompts(self, plugin: str, task: str, body: dict[str, Any]) -> None:
        try:
            self.async_results.set(f"VCP_ASYNC_RESULT::{plugin}::{task}", body)
        except InvalidInputError:  # placeholders know ASCII names only (facts/vcp-protocol §3)
            _logger.warning("the report of task %s of %s cannot stand in prompts", task, plugin)

    def __repr__(self) -> str:
        states = [row.state for row in self.rows()]
        told = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states)) or "none"
        return f"<PluginManager {told}>"
