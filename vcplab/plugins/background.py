"""What plugins do by themselves: static values, and the chain of preprocessors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from vcplab.plugins.hosts.base import Version
from vcplab.plugins.plugin import Plugin

if TYPE_CHECKING:
    from vcplab.plugins.manager import PluginManager

__all__ = ["Background"]


class Background:
    """Starts and stops it, so that only plugins that are ready do anything.

    Args:
        manager: Whose plugins they are.
    """

    def __init__(self, manager: PluginManager) -> None:
        self._manager = manager
        self._running: dict[str, Version] = {}
        self._lock = asyncio.Lock()

    async def follow(self) -> None:
        """Bring what runs into line with the states of the plugins (on the library's loop)."""
        async with self._lock:
            wanted: dict[str, tuple[Plugin, Version]] = {}
            for plugin in self._manager.catalogue:
                version = plugin.version
                if (
                    version is not None
                    and version.manifest.type in ("static", "messagePreprocessor")
                    and self._manager.catalogue.state(plugin)[0] == "ready"
                ):
                    wanted[plugin.key] = plugin, version
            for key, running in list(self._running.items()):
                now = wanted.get(key)
                if now is None or now[1] is not running:
                    del self._running[key]
                    await self._stop(running, None if now is None else now[1])
            for key, (plugin, version) in wanted.items():
                if key not in self._running:
                    self._running[key] = version
                    await self._start(plugin, version)

    async def _start(self, plugin: Plugin, version: Version) -> None:
        manager, manifest = self._manager, version.manifest

        def log(line: str) -> None:
            manager.log(plugin, line)

        if manifest.type == "static":
            await manager.statics.start(version, log)
            return
        if manifest.host != "stdio":
            manager.preprocessors.add(manifest.name, version.target)
            return

        async def process(messages: list[Any]) -> list[Any]:
            version.enter()
            try:
                made = await manager.stdio.run_module(
                    version, "preprocess", {"messages": messages}, log
                )
            finally:
                version.leave()
            return list(made) if isinstance(made, list) else messages

        manager.preprocessors.add(manifest.name, process)

    async def _stop(self, version: Version, successor: Version | None) -> None:
        manifest = version.manifest
        if manifest.type == "static":
            # Values stand until the successor has its own.
            kept = successor.manifest.placeholders if successor is not None else ()
            await self._manager.statics.stop(version, keep={one.name for one in kept})
        else:
            self._manager.preprocessors.remove(manifest.name)
