"""Which plugins there are, who bears a name, and what keeps one from being called."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from difflib import get_close_matches

from vcplab.core.errors import NotFoundError, StateError, VCPErrorCode
from vcplab.plugins.failures import PluginUnavailableError
from vcplab.plugins.plugin import Plugin, PluginRow, PluginState
from vcplab.protocol.results import unknown_tool

__all__ = ["Catalogue"]


class Catalogue:
    """The plugins, in the order in which they came.

    Of several that bear the same name the first holds it; when it goes, the next one gets it.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._plugins: dict[str, Plugin] = {}
        self._holders: dict[str, Plugin] = {}
        self.closed = False

    def __iter__(self) -> Iterator[Plugin]:
        with self.lock:
            return iter(list(self._plugins.values()))

    def __len__(self) -> int:
        return len(self._plugins)

    def by_key(self, key: str) -> Plugin | None:
        """The plugin of a folder or function, or None."""
        return self._plugins.get(key)

    def put(self, plugin: Plugin) -> None:
        """Add a plugin, or take note of its changed name."""
        with self.lock:
            self._plugins[plugin.key] = plugin
            self._settle_names()

    def remove(self, plugin: Plugin) -> bool:
        """Take a plugin away; whether it was there."""
        with self.lock:
            there = self._plugins.pop(plugin.key, None) is not None
            self._settle_names()
            return there

    def _settle_names(self) -> None:
        holders: dict[str, Plugin] = {}
        # What can be read comes first: a broken folder must not keep a name from a good one.
        for readable in (True, False):
            for plugin in self._plugins.values():
                if (plugin.manifest is not None and not plugin.blocked) is readable:
                    holders.setdefault(plugin.name, plugin)
        self._holders = holders

    def names(self) -> list[str]:
        """The names, in order."""
        with self.lock:
            return list(dict.fromkeys(plugin.name for plugin in self._plugins.values()))

    def find(self, name: str) -> Plugin | None:
        """Who bears a name, or None."""
        return self._holders.get(name)

    def get(self, name: str) -> Plugin:
        """Who bears a name, exactly (facts/vcp-protocol §1.1).

        Args:
            name: The name; blanks around it do not count.

        Raises:
            NotFoundError: Nobody.
        """
        name = name if isinstance(name, str) else repr(name)
        plugin = self._holders.get(name) or self._holders.get(name.strip())
        if plugin is None:
            folded = {known.casefold(): known for known in self._holders}
            near = [folded[word]] if (word := name.strip().casefold()) in folded else []
            near = near or get_close_matches(name, self._holders, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}? " if near else ""
            known = ", ".join(list(self._holders)[:20]) or "none yet"
            raise NotFoundError(
                f"There is no plugin {name!r}.",
                code=VCPErrorCode.TOOL_NOT_FOUND,
                where="name",
                next_step=f"{hint}the plugins are: {known}",
                details={"payload": {"plugin_error": unknown_tool(name).error}},
            )
        return plugin

    def state(self, plugin: Plugin) -> tuple[PluginState, str | None]:
        """The state of a plugin, and why it is not ready."""
        return self._state(plugin, ())

    def _state(self, plugin: Plugin, asking: tuple[str, ...]) -> tuple[PluginState, str | None]:
        manifest = plugin.manifest
        if manifest is None:
            return "broken", str(plugin.error) if plugin.error else "it cannot be read"
        if plugin.blocked:
            return "disabled", "its manifest is renamed to .block"
        holder = self._holders.get(plugin.name)
        if holder is not plugin and holder is not None:
            return "clash", f"its name is borne by {holder.source}, which came first"
        if plugin.trust == "untrusted":
            return "untrusted", f'nothing of it runs before lab.plugins.trust("{plugin.name}")'
        if plugin.trust == "changed":
            return "changed", (
                f'its folder changed since it was trusted: lab.plugins.trust("{plugin.name}")'
            )
        if not plugin.enabled:
            return "disabled", None
        if manifest.host == "none":
            return "unsupported", f"nothing here can run a {manifest.type} plugin of this form"
        if plugin.error is not None:
            return "broken", str(plugin.error)
        waits = self._waits(plugin, (*asking, plugin.name))
        if waits:
            return "waiting", waits
        if plugin.version is None:
            return "waiting", "it is not loaded yet"
        return "ready", None

    def _waits(self, plugin: Plugin, asking: tuple[str, ...]) -> str | None:
        manifest = plugin.manifest
        assert manifest is not None
        for name in (*manifest.dependencies, *manifest.packages):
            if name in asking:
                return f"circle of dependencies: {' → '.join((*asking, name))}"
            other = self._holders.get(name)
            if other is None:
                if name in manifest.packages:
                    continue  # a package, as far as anybody can tell
                return f"it needs the plugin {name!r}, which is not there"
            state, why = self._state(other, asking)
            if state != "ready":
                return f"it needs the plugin {name!r}, which is {state}" + (
                    f" ({why})" if why else ""
                )
        return None

    def ready(self, name: str) -> Plugin:
        """A plugin that can be called now.

        Args:
            name: Its name.

        Raises:
            NotFoundError: There is none.
            PluginUnavailableError: It may not or cannot be called; the error says why.
        """
        if self.closed:
            raise StateError(
                f"{name} cannot be called: its lab was closed.",
                where=name,
                next_step="open the lab again, lab = vl.Lab(path), and use that one",
            )
        plugin = self.get(name)
        state, why = self.state(plugin)
        if state != "ready":
            step = {
                "disabled": f'lab.plugins.enable("{plugin.name}")',
                "untrusted": f'look at {plugin.source}, then lab.plugins.trust("{plugin.name}")',
                "changed": f'look at {plugin.source}, then lab.plugins.trust("{plugin.name}")',
                "broken": f'mend it, then lab.plugins.reload("{plugin.name}")',
                "waiting": "wait a moment, or see lab.plugins",
            }
            raise PluginUnavailableError(
                f"{plugin.name} is {state}" + (f": {why}" if why else "") + ".",
                where=plugin.name,
                next_step=step.get(state, "see lab.plugins"),
                details={"state": state},
            )
        return plugin

    def rows(self) -> list[PluginRow]:
        """A row for each plugin, in order."""
        return [plugin.row(*self.state(plugin)) for plugin in self]
