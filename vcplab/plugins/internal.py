"""Internal plugins of seed 003: answered in this process, by a handler or by a listener."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vcplab.core.loop import to_worker
from vcplab.plugins.events import InternalPluginExecute
from vcplab.plugins.functions import describe_function
from vcplab.plugins.hosts.kernel import FunctionTool

if TYPE_CHECKING:
    from vcplab.plugins.manager import PluginManager
    from vcplab.plugins.registering import RegisteringManager

__all__ = ["answered_by", "answered_by_event"]


def answered_by(handler: Callable[..., Any]) -> FunctionTool:
    """A function that takes the arguments as one mapping, as a tool.

    Args:
        handler: The function, plain or asynchronous.
    """

    async def run(**arguments: Any) -> Any:
        if inspect.iscoroutinefunction(handler):
            return await handler(arguments)
        made = await to_worker(handler, arguments)
        return await made if inspect.isawaitable(made) else made

    return FunctionTool(run, describe_function(run))


def answered_by_event(manager: PluginManager | RegisteringManager, name: str) -> FunctionTool:
    """A tool that whoever listens to ``internal_plugin_execute`` answers.

    Args:
        manager: Whose events they are.
        name: The plugin.
    """

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

    return answered_by(ask)
