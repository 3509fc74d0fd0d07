"""Plugins without a folder: functions, and what seed 003's ``registerPlugin`` takes."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.core.events import EventBus
from vcplab.core.loop import run
from vcplab.plugins.directory import PluginDirectory
from vcplab.plugins.events import PluginRegistered, PluginsReloaded
from vcplab.plugins.functions import FunctionSpec, describe_function
from vcplab.plugins.hosts.base import Version
from vcplab.plugins.hosts.kernel import FunctionTool
from vcplab.plugins.hosts.remote import DistributedExecutor, RemoteHost
from vcplab.plugins.internal import answered_by, answered_by_event
from vcplab.plugins.manifest import Manifest, read_manifest
from vcplab.plugins.plugin import Plugin, PluginRow

if TYPE_CHECKING:
    from vcplab.plugins.background import Background
    from vcplab.plugins.loading import Loader
    from vcplab.plugins.preprocessors import Preprocessors
    from vcplab.plugins.records import Records

__all__ = ["RegisteringManager"]

_logger = logging.getLogger(__name__)


class RegisteringManager(PluginDirectory):
    """The part of a manager that takes plugins without a folder.

    Attributes:
        loader: Takes plugins away.
        background: What plugins do by themselves.
        records: What is remembered between sessions.
        remote: Calls other nodes' tools.
        events: What happens to plugins.
        preprocessors: The chain that changes messages.
    """

    remote: RemoteHost
    events: EventBus
    preprocessors: Preprocessors
    loader: Loader
    background: Background
    records: Records

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
        manifest = _function_manifest(spec, timeout=timeout, expose=expose)
        tool = FunctionTool(function, spec)
        plugin = run(_put(self, f"kernel:{spec.name}", manifest, tool))
        return plugin.row(*self.catalogue.state(plugin))

    def function_of(self, tool: Any) -> tuple[FunctionTool, float | None] | None:
        """The function of a tool that was added as one, and its time limit in seconds.

        Args:
            tool: The tool's name, or the function itself.

        Returns:
            None for a function that is no tool.

        Raises:
            NotFoundError: There is no tool of this name.
            InvalidInputError: The tool of this name is no function.
        """
        named = isinstance(tool, str)
        for plugin in [self.catalogue.get(tool)] if named else list(self.catalogue):
            target = plugin.version.target if plugin.version is not None else None
            if (
                isinstance(target, FunctionTool)
                and plugin.manifest is not None
                and (named or target.function is tool)
            ):
                return target, plugin.manifest.timeout
        if named:
            raise InvalidInputError(
                f"{tool} is no function of the notebook.",
                where="tool",
                next_step="a plugin with a folder can be copied as it is",
            )
        return None

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
        plugin = run(_register(self, read, handler, {**given, **named}))
        return plugin.row(*self.catalogue.state(plugin))

    def service_module(self, name: str) -> Any:
        """The module that a service was registered with (seed 003's ``getServiceModule``).

        Args:
            name: The service.

        Raises:
            NotFoundError: There is none of this name.
        """
        version = self.catalogue.get(name).version
        return version.target if version is not None else None

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
        return run(_register_distributed(self, server_id, tools))

    def unregister_all_distributed_tools(self, server_id: str) -> list[str]:
        """Take the tools of another node away; their names."""
        gone = [p for p in self.catalogue if p.key == f"node:{server_id}:{p.name}"]
        for plugin in gone:
            self.loader.remove(plugin)
        return [plugin.name for plugin in gone]

    def set_distributed_executor(self, executor: DistributedExecutor | None) -> None:
        """Say who calls other nodes' tools.

        Args:
            executor: Takes server, tool and arguments, and gives what the node answered; may be
                asynchronous. None for nobody.
        """
        self.remote.executor = executor


def _function_manifest(spec: FunctionSpec, *, timeout: float | None, expose: bool) -> Manifest:
    """The manifest of a function.

    Args:
        spec: Its description.
        timeout: Seconds that a call may take.
        expose: Whether it is offered to servers that the lab is connected to.
    """
    raw = {**spec.manifest(), "expose": expose}
    read = read_manifest({**raw, "entryPoint": {"type": "kernel", "command": "kernel"}})
    command = dataclasses.replace(read.commands[0], parameters=spec.parameters)
    return dataclasses.replace(
        read,
        dialect="kernel",
        host="kernel",
        commands=(command,),
        timeout=timeout,
        raw=raw,
    )


async def _register(
    manager: RegisteringManager,
    manifest: Manifest,
    handler: Callable[..., Any] | None,
    given: Mapping[str, Any],
) -> Plugin:
    """Register a plugin by its manifest (facts/sdk-and-neko A3).

    Args:
        manager: Where.
        manifest: The manifest.
        handler: What answers calls in this process; it takes the arguments' mapping.
        given: The manifest's own words: ``processor``, ``module``, ``serverId``.

    Raises:
        InvalidInputError: The name is borne by another, or a handler is missing.
    """
    if handler is not None:
        manifest = dataclasses.replace(manifest, host="kernel")
    key = f"{manifest.host}:{manifest.name}"
    if manifest.type == "messagePreprocessor":
        processor = given.get("processor", handler)
        if not callable(processor):
            raise InvalidInputError(
                f"The preprocessor {manifest.name} has no function.",
                where="processor",
                next_step="pass processor=function, which takes messages and returns messages",
            )
        manifest = dataclasses.replace(manifest, host="kernel")
        return await _put(manager, key, manifest, processor)
    if manifest.type == "service":
        return await _put(manager, key, manifest, given.get("module"))
    if manifest.host == "remote":
        return await _put(manager, key, manifest, given.get("serverId", given.get("server_id", "")))
    if manifest.host == "kernel":
        target = answered_by_event(manager, manifest.name)
        if handler is not None:
            target = answered_by(handler)
        return await _put(manager, key, manifest, target)
    if manifest.host == "stdio":  # there is no folder that it could run from
        manifest = dataclasses.replace(manifest, host="none")
    return await _put(manager, key, manifest, None)


async def _register_distributed(
    manager: RegisteringManager, server_id: str, tools: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Register the tools of another node (facts/vcp-protocol §4.2).

    Args:
        manager: Where.
        server_id: The node.
        tools: Their manifests, of any dialect.

    Returns:
        The names of those that could be read and whose name is free.
    """
    names = []
    for tool in tools:
        try:
            # A node's tool needs no entry point of its own: the node runs it.
            read = read_manifest({"entryPoint": {"command": "remote"}, **tool})
            manifest = dataclasses.replace(read, host="remote", cron=None)
            await _put(manager, f"node:{server_id}:{manifest.name}", manifest, server_id)
        except VCPError as error:
            _logger.warning("a tool of %s was left out: %s", server_id, error)
        else:
            names.append(manifest.name)
    return names


async def _put(manager: RegisteringManager, key: str, manifest: Manifest, target: Any) -> Plugin:
    """Put a plugin without a folder; one of the same key is replaced.

    Args:
        manager: Where.
        key: What tells it from others.
        manifest: Its manifest.
        target: What its host runs.

    Raises:
        InvalidInputError: Another plugin bears the name.
    """
    catalogue = manager.catalogue
    plugin = catalogue.by_key(key)
    holder = catalogue.find(manifest.name)
    if plugin is None and holder is not None and holder.key != key:
        raise InvalidInputError(
            f"The name {manifest.name!r} is borne by {holder.source}.",
            where="name",
            next_step=f'choose another name, or lab.plugins.unload("{manifest.name}")',
        )
    if plugin is None:
        plugin = Plugin(key, manifest.name)
        plugin.overrides = manager.records.config(key)
        plugin.enabled = manager.records.enabled(key)
    plugin.manifest = manifest
    version = Version(manifest, target=target)
    version.proven = True
    old, plugin.version = plugin.version, version
    catalogue.put(plugin)
    await manager.background.follow()
    if old is None:
        manager.events.publish(PluginRegistered(plugin=manifest.name))
    else:
        message = f"{manifest.name} was replaced."
        manager.events.publish(PluginsReloaded(plugin=manifest.name, message=message))
    return plugin
