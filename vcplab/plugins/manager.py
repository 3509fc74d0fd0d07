"""The manager: finds, trusts, loads, calls, reloads and describes plugins of every dialect."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from vcplab.core.errors import InvalidInputError, NotFoundError, VCPError
from vcplab.core.events import EventBus, Subscription
from vcplab.core.loop import library_loop, run
from vcplab.core.store import Store
from vcplab.core.workspace import Workspace
from vcplab.plugins.callbacks import Callbacks
from vcplab.plugins.catalogue import Catalogue
from vcplab.plugins.events import (
    EVENT_TYPES,
    PluginDisabled,
    PluginEnabled,
    PluginErrorEvent,
    PluginEvent,
    PluginLogged,
    PluginPush,
    PluginsReloaded,
)
from vcplab.plugins.functions import describe_function
from vcplab.plugins.hosts.base import Host
from vcplab.plugins.hosts.kernel import FunctionTool, KernelHost
from vcplab.plugins.hosts.remote import DistributedExecutor, RemoteHost
from vcplab.plugins.hosts.stdio import StdioHost
from vcplab.plugins.loading import Loader
from vcplab.plugins.manifest import (
    Command,
    Config,
    Manifest,
    describe_plugin,
    find_plugins,
    read_manifest,
)
from vcplab.plugins.parameters import Parameter
from vcplab.plugins.plugin import Plugin, PluginRow
from vcplab.plugins.preprocessors import Preprocessors
from vcplab.plugins.records import Records
from vcplab.plugins.registering import aregister, aregister_distributed, function_manifest
from vcplab.plugins.reloading import Reloader
from vcplab.plugins.snapshots import Snapshots
from vcplab.plugins.statics import Statics
from vcplab.plugins.tasks import Tasks
from vcplab.plugins.trust import Trust
from vcplab.prompt.placeholders import AsyncResults, StaticResults

__all__ = ["PluginManager"]

_logger = logging.getLogger(__name__)
_READMES: Final = ("README.md", "readme.md", "README.zh-CN.md", "README.txt", "README")


class PluginManager:
    """Plugins, whatever dialect they are written in.

    A lab has one (``lab.plugins`` and ``lab.tools`` are its faces); it also works alone.

    Attributes:
        events: What happens to plugins, as `vcplab.plugins.events`.
        catalogue: The plugins themselves.
        tasks: Calls that go on.
        preprocessors: The chain that changes messages.
        statics: The values of static plugins.
        async_results: The reports of tasks, for prompts.
        records: What is remembered between sessions.

    Args:
        workspace: Where snapshots, trust and records are kept; None for this process only.
        debug: Whether plugins run with ``DebugMode`` on.
    """

    def __init__(self, workspace: Workspace | None = None, *, debug: bool = False) -> None:
        self.debug = debug
        self.admin_code: str | None = None
        self.events = EventBus()
        self.catalogue = Catalogue()
        self.preprocessors = Preprocessors(self._failed)
        self.async_results = AsyncResults()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        store, home = self._places(workspace)
        self.records = Records(store)
        self.trusted = Trust(store)
        self.tasks = Tasks(store)
        self._callbacks = Callbacks(self.tasks, self._reported)
        self.stdio = StdioHost(
            self.tasks,
            self._callbacks.url,
            debug=lambda: self.debug,
            admin_code=lambda: self.admin_code,
        )
        self.remote = RemoteHost()
        kernel = KernelHost()
        self.hosts: dict[str, Host] = {
            "stdio": self.stdio,
            "kernel": kernel,
            "remote": self.remote,
        }
        self.statics = Statics(self.stdio, StaticResults(), self._failed)
        self._loader = Loader(self, Snapshots(home))
        self._reloader = Reloader(self, self._loader)
        self._closed = False

    def _places(self, workspace: Workspace | None) -> tuple[Store, Path]:
        if workspace is not None and not workspace.read_only:
            return workspace.store, workspace.private / "plugins"
        self._temporary = tempfile.TemporaryDirectory(prefix="vcplab-plugins-")
        home = Path(self._temporary.name)
        if workspace is not None:
            return workspace.store, home  # another process runs its plugins from the lab's folder
        return Store.memory(schema="vcplab.plugins", version=1), home

    # -- what there is ---------------------------------------------------------------------------

    def rows(self) -> list[PluginRow]:
        """A row for each plugin, broken ones included."""
        return self.catalogue.rows()

    def row(self, name: str) -> PluginRow:
        """The row of one plugin.

        Raises:
            NotFoundError: There is none of this name.
        """
        plugin = self.catalogue.get(name)
        return plugin.row(*self.catalogue.state(plugin))

    def manifest(self, name: str) -> Manifest:
        """The manifest of a plugin.

        Raises:
            NotFoundError: There is none of this name.
            VCPError: It cannot be read.
        """
        plugin = self.catalogue.get(name)
        if plugin.manifest is None:
            assert plugin.error is not None
            raise plugin.error
        return plugin.manifest

    def commands(self, name: str) -> tuple[Command, ...]:
        """What a plugin can do; see `manifest` for errors."""
        return self.manifest(name).commands

    def parameters(self, name: str, command: str | None = None) -> tuple[Parameter, ...]:
        """The parameters of a plugin, or of one of its commands; see `manifest` for errors."""
        manifest = self.manifest(name)
        chosen = manifest.command_of({"command": command}) if command is not None else None
        return manifest.parameters_of(chosen)

    def config(self, name: str) -> Config:
        """The settings of a plugin in force, secrets guarded.

        Raises:
            NotFoundError: There is none of this name.
            InvalidDataError: A file of it cannot be read.
        """
        return self._loader.config(self.catalogue.get(name))

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
        return self.config(name)

    def readme(self, name: str) -> str | None:
        """The plugin's README, or None."""
        folder = self.catalogue.get(name).folder
        for file in _READMES if folder is not None else ():
            assert folder is not None
            path = folder / file
            if path.is_file() and path.stat().st_size < 2**20:
                return path.read_text("utf-8", errors="replace")
        return None

    def logs(self, name: str, limit: int = 200) -> list[str]:
        """The latest lines of a plugin's log: what it wrote to standard error, and tracebacks."""
        lines = list(self.catalogue.get(name).lines)
        return lines[-limit:] if limit > 0 else []

    def get_tool_descriptions(self) -> dict[str, str]:
        """Names → descriptions of the tools that can be called, in upstream's wording."""
        texts = {}
        for plugin in self.catalogue:
            if plugin.manifest is not None and plugin.manifest.callable:
                text = describe_plugin(plugin.manifest)
                if text and self.catalogue.state(plugin)[0] == "ready":
                    texts[plugin.name] = text
        return texts

    # -- coming and going ------------------------------------------------------------------------

    def add(
        self, path: str | Path, *, trust: bool | None = None, watch: bool = False
    ) -> list[PluginRow]:
        """Add a plugin's folder, or a folder of such.

        Nothing of an untrusted folder runs: its plugins are rows that say so.

        Args:
            path: The folder.
            trust: True: what it holds now may run. None: only what was trusted before and did not
                change since. False: nothing, and earlier trust is taken back.
            watch: Whether edits are loaded by themselves; a consent to what is edited while it is
                watched.

        Returns:
            A row for each plugin found.

        Raises:
            NotFoundError: There is no such folder.
            InvalidInputError: It is a file, or holds no plugin.
        """
        root = Path(path).expanduser().absolute()
        found = find_plugins(root)
        if not found and not watch:
            raise InvalidInputError(
                f"No plugin was found in {str(path)!r}.",
                where="path",
                next_step="give a folder with a plugin-manifest.json, or a folder of such folders",
            )
        self.records.put_root(root, watch=watch)
        plugins = [self._loader.add_folder(one, trust=trust, watch=watch) for one in found]
        self._loader.load_all(plugins)
        if watch:
            self._reloader.watch(root)
        return [plugin.row(*self.catalogue.state(plugin)) for plugin in plugins]

    def restore(self) -> list[PluginRow]:
        """Add again what was added in earlier sessions, as far as it is still trusted.

        Returns:
            A row for each plugin found; folders that are gone are only logged.
        """
        rows: list[PluginRow] = []
        for root, watch in self.records.roots():
            try:
                rows += self.add(root, watch=watch)
            except (NotFoundError, InvalidInputError) as error:
                _logger.warning("plugins of an earlier session: %s", error)
        return rows

    def add_function(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        expose: bool = True,
    ) -> PluginRow:
        """Make a function a tool; one of the same name is replaced.

        Args:
            function: The function, plain or asynchronous.
            name: The tool's name; the function's by default.
            description: What it does; the docstring by default.
            timeout: Seconds that a call may take.
            expose: Whether it is offered to servers that the lab is connected to.

        Returns:
            Its row.

        Raises:
            InvalidInputError: It cannot be a tool, or a folder's plugin bears the name.
        """
        spec = describe_function(function, name=name, description=description)
        manifest = function_manifest(spec, timeout=timeout, expose=expose)
        tool = FunctionTool(function, spec)
        plugin = run(self._loader.aput(f"kernel:{spec.name}", manifest, tool))
        return plugin.row(*self.catalogue.state(plugin))

    def register(
        self,
        manifest: Mapping[str, Any] | Manifest,
        handler: Callable[..., Any] | None = None,
        **named: Any,
    ) -> PluginRow:
        """Register a plugin by its manifest alone (seed 003's ``registerPlugin``).

        Args:
            manifest: The manifest of any dialect, as a mapping.
            handler: What answers calls, for those that run in this process: it takes the
                arguments' mapping.
            **named: ``processor`` of a preprocessor, ``module`` of a service, as the seed names
                them.

        Raises:
            InvalidDataError: The manifest is broken, with code INVALID_PLUGIN_MANIFEST.
            InvalidInputError: Another plugin bears the name.
        """
        read = manifest if isinstance(manifest, Manifest) else read_manifest(manifest)
        given = dict(manifest) if isinstance(manifest, Mapping) else {}
        plugin = run(aregister(self, self._loader, read, handler, {**given, **named}))
        return plugin.row(*self.catalogue.state(plugin))

    def register_distributed_tools(
        self, server_id: str, tools: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        """Register the tools of another node (seed 003).

        Args:
            server_id: The node.
            tools: Their manifests; broken ones and those whose name is taken are left out.

        Returns:
            The names that were registered.
        """
        return run(aregister_distributed(self._loader, server_id, tools))

    def unregister_all_distributed_tools(self, server_id: str) -> list[str]:
        """Take the tools of another node away; their names."""
        gone = [p for p in self.catalogue if p.key.startswith(f"{server_id}:") and not p.folder]
        for plugin in gone:
            self._loader.remove(plugin)
        return [plugin.name for plugin in gone]

    def set_distributed_executor(self, executor: DistributedExecutor | None) -> None:
        """Say who calls other nodes' tools.

        Args:
            executor: Takes server, tool and arguments, and gives what the node answered; may be
                asynchronous. None for nobody.
        """
        self.remote.executor = executor

    def load(self, name: str) -> PluginRow:
        """Load a plugin that is not loaded, as far as it may be; its row."""
        plugin = self.catalogue.get(name)
        self._loader.load_all([plugin])
        return plugin.row(*self.catalogue.state(plugin))

    def unload(self, name: str) -> None:
        """Take a plugin away; its calls are ended, its folder is left alone.

        Args:
            name: The plugin.

        Raises:
            NotFoundError: There is none of this name.
        """
        self._loader.remove(self.catalogue.get(name))

    def enable(self, name: str) -> PluginRow:
        """Switch a plugin on; its row."""
        plugin = self.catalogue.get(name)
        if not plugin.enabled:
            plugin.enabled = True
            self.records.put_enabled(plugin.key, True)
            self._loader.load_all([plugin])
            self.events.publish(PluginEnabled(plugin=plugin.name))
        return plugin.row(*self.catalogue.state(plugin))

    def disable(self, name: str) -> PluginRow:
        """Switch a plugin off, also for later sessions; calls that run go on. Its row."""
        plugin = self.catalogue.get(name)
        if plugin.enabled:
            plugin.enabled = False
            self.records.put_enabled(plugin.key, False)
            self._loader.pause(plugin)
            self.events.publish(PluginDisabled(plugin=plugin.name))
        return plugin.row(*self.catalogue.state(plugin))

    def trust(self, name: str) -> PluginRow:
        """Trust what a plugin's folder holds now, and load it; its row.

        Raises:
            NotFoundError: There is none of this name.
        """
        plugin = self.catalogue.get(name)
        self._loader.read_again(plugin, trust=True)
        self._loader.load_all([plugin])
        return plugin.row(*self.catalogue.state(plugin))

    def distrust(self, name: str) -> PluginRow:
        """Trust a plugin no more; nothing of it runs. Its row."""
        plugin = self.catalogue.get(name)
        self._loader.distrust(plugin)
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
                run(self._loader.areload(plugin, trust=trust))
            except VCPError as error:
                if name is not None:
                    raise
                self._failed(plugin.name, error)
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
        await self._reloader.close()
        self.statics.close()
        self.tasks.close()
        for host in self.hosts.values():
            await host.close()
        await self._callbacks.close()

    def _failed(self, plugin: str, error: Exception) -> None:
        self.events.publish(PluginErrorEvent(plugin=plugin, error=error))

    def _reported(self, plugin: str, task: str, body: dict[str, Any]) -> None:
        self.async_results.set(f"VCP_ASYNC_RESULT::{plugin}::{task}", body)
        self.records.put_report(plugin, task, body)
        known = self.catalogue.find(plugin)
        push = known.manifest.push if known is not None and known.manifest is not None else None
        if push is not None and push.enabled:
            self.events.publish(
                PluginPush(
                    plugin=plugin, message_type=push.message_type, target=push.target, data=body
                )
            )

    def __repr__(self) -> str:
        states = [row.state for row in self.rows()]
        told = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states)) or "none"
        return f"<PluginManager {told}>"
