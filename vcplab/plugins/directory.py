"""What there is to know of the plugins: rows, manifests, settings, logs, descriptions."""

from __future__ import annotations

import os
from typing import Final

from vcplab.plugins.catalogue import Catalogue
from vcplab.plugins.manifest import Command, Config, Manifest, describe_plugin, resolve_config
from vcplab.plugins.parameters import Parameter
from vcplab.plugins.plugin import PluginRow

__all__ = ["PluginDirectory"]

_READMES: Final = ("README.md", "readme.md", "README.zh-CN.md", "README.txt", "README")


class PluginDirectory:
    """Tells of plugins; a `PluginManager` is one.

    Attributes:
        catalogue: The plugins themselves.
        debug: Whether they run with ``DebugMode`` on.
    """

    def __init__(self, *, debug: bool) -> None:
        self.catalogue = Catalogue()
        self.debug = debug

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
        plugin = self.catalogue.get(name)
        if plugin.manifest is None:
            return Config({}, {})
        version = plugin.version
        folder = version.snapshot.folder if version and version.snapshot else plugin.folder
        return resolve_config(
            plugin.manifest, folder, os.environ, plugin.overrides, debug=self.debug
        )

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
