"""Plugins without a folder: functions, and what seed 003's ``registerPlugin`` takes."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.plugins.events import InternalPluginExecute
from vcplab.plugins.functions import FunctionSpec, describe_function
from vcplab.plugins.hosts.kernel import FunctionTool
from vcplab.plugins.manifest import Manifest, read_manifest
from vcplab.plugins.plugin import Plugin

if TYPE_CHECKING:
    from vcplab.plugins.loading import Loader
    from vcplab.plugins.manager import PluginManager

__all__ = ["aregister", "aregister_distributed", "function_manifest"]

_logger = logging.getLogger(__name__)


def function_manifest(spec: FunctionSpec, *, timeout: float | None, expose: bool) -> Manifest:
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
        loose_dependencies=False,
        raw=raw,
    )


async def aregister(
    manager: PluginManager,
    loader: Loader,
    manifest: Manifest,
    handler: Callable[..., Any] | None,
    given: Mapping[str, Any],
) -> Plugin:
    """Register a plugin by its manifest (facts/sdk-and-neko A3).

    Args:
        manager: Where.
        loader: Its loader.
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
        manager.preprocessors.add(manifest.name, processor)
        return await loader.aput(key, manifest, processor)
    if manifest.type == "service":
        return await loader.aput(key, manifest, given.get("module"))
    if manifest.host == "remote":
        return await loader.aput(key, manifest, given.get("serverId", given.get("server_id", "")))
    if manifest.host == "kernel":
        answer = handler or _by_event(manager, manifest.name)
        return await loader.aput(key, manifest, _tool(answer))
    return await loader.aput(key, manifest, None)


async def aregister_distributed(
    loader: Loader, server_id: str, tools: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Register the tools of another node (facts/vcp-protocol §4.2).

    Args:
        loader: Where.
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
            await loader.aput(f"{server_id}:{manifest.name}", manifest, server_id)
        except VCPError as error:
            _logger.warning("a tool of %s was left out: %s", server_id, error)
        else:
            names.append(manifest.name)
    return names


def _tool(handler: Callable[..., Any]) -> FunctionTool:
    """A function that takes the arguments as one mapping, as a tool."""

    async def run(**arguments: Any) -> Any:
        made = handler(arguments)
        return await made if inspect.isawaitable(made) else made

    return FunctionTool(run, describe_function(run))


def _by_event(manager: PluginManager, name: str) -> Callable[[Mapping[str, Any]], Any]:
    """Internal plugins are answered by whoever listens to ``internal_plugin_execute``."""

    async def ask(arguments: Mapping[str, Any]) -> Any:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any) -> None:
            if not answered.done():
                answered.set_result(result)

        def respond(result: Any = None) -> None:
            loop.call_soon_threadsafe(settle, result)

        manager.events.publish(
            InternalPluginExecute(plugin=name, arguments=dict(arguments), respond=respond)
        )
        return await answered

    return ask
