"""Which tools a server gets to see: the notebook's own, and folder plugins that were named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from vcplab.core.errors import InvalidInputError
from vcplab.node.manifests import limit_of, wire_manifest
from vcplab.node.preview import ExposurePreview, ExposureRow, ToolSource

if TYPE_CHECKING:
    from vcplab.plugins.manager import PluginManager
    from vcplab.plugins.manifest import Manifest
    from vcplab.plugins.plugin import Plugin

__all__ = ["ExposedTool", "Exposure", "ExposurePreview", "ExposureRow", "ToolSource"]

# A server skips it: it is the name under which it asks nodes for files (facts/vcp-protocol §4.2).
_RESERVED: Final = frozenset({"internal_request_file"})


@dataclass(frozen=True, slots=True)
class ExposedTool:
    """A tool that a server gets to see.

    Attributes:
        name: Its name on the wire.
        local: Its name here.
        manifest: What is registered, see `vcplab.node.manifests.wire_manifest`.
        source: Where it comes from.
        limit_s: Seconds that the server waits for a call.
    """

    name: str
    local: str
    manifest: Mapping[str, Any] = field(repr=False)
    source: ToolSource
    limit_s: float


class Exposure:
    """Chooses what a server gets to see.

    Functions of the notebook are exposed unless they were made with ``expose=False``; plugins with
    a folder only when a pattern names them. Tools of other nodes are never passed on.

    Args:
        expose: None or True: the notebook's functions. A pattern (``"Weather*"``) or several:
            plugins whose name matches, too; ``"!pattern"`` leaves out whatever matches. False:
            nothing.
        prefix: Stands before each tool's name on the wire.
        clean: Takes secrets and local paths out of texts; the manager's masking by default.

    Raises:
        InvalidInputError: A pattern or the prefix is impossible.
    """

    def __init__(
        self,
        expose: bool | str | Iterable[str] | None = None,
        *,
        prefix: str = "",
        clean: Callable[[str], str] | None = None,
    ) -> None:
        self._notebook = expose is not False
        patterns = _checked_patterns(expose)
        self._takes = tuple(p for p in patterns if not p.startswith("!"))
        self._leaves = tuple(p[1:] for p in patterns if p.startswith("!"))
        self._prefix = _checked_prefix(prefix)
        self._clean = clean
        self._switches: dict[str, bool] = {}

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns, those that leave out last."""
        return (*self._takes, *(f"!{pattern}" for pattern in self._leaves))

    @property
    def prefix(self) -> str:
        """What stands before each tool's name on the wire."""
        return self._prefix

    @property
    def switches(self) -> dict[str, bool]:
        """What a person switched on or off, by name."""
        return dict(self._switches)

    def switch(self, name: str, on: bool | None) -> None:
        """Switch a tool or static plugin on or off; this wins over patterns.

        Args:
            name: Its name here.
            on: None takes the switch back.

        Raises:
            InvalidInputError: The name is no text, or ``on`` something else.
        """
        if not isinstance(name, str) or not name:
            raise InvalidInputError(
                f"{name!r} is no name of a tool.", where="name", next_step="give the tool's name"
            )
        if on is not None and not isinstance(on, bool):
            raise InvalidInputError(
                f"A switch is on or off, not {on!r}.", where="on", next_step="True, False or None"
            )
        # Made anew: it may be read in another thread at this moment.
        kept = {known: way for known, way in self._switches.items() if known != name}
        self._switches = kept if on is None else {**kept, name: on}

    def tools(self, manager: PluginManager) -> dict[str, ExposedTool]:
        """What a server gets to see now: tools that are exposed and ready.

        Args:
            manager: Whose plugins.

        Returns:
            The tools by their name on the wire.
        """
        clean = self._cleaner(manager)
        tools = {}
        for plugin, manifest, row in self._judged(manager):
            if row.exposed and manifest.callable:
                tools[row.wire] = ExposedTool(
                    name=row.wire,
                    local=plugin.name,
                    manifest=wire_manifest(manifest, name=row.wire, clean=clean),
                    source=row.source,
                    limit_s=limit_of(manifest),
                )
        return tools

    def statics(self, manager: PluginManager) -> dict[str, str]:
        """The values of the static plugins that are exposed.

        Args:
            manager: Whose plugins.

        Returns:
            Names of placeholders, without braces → values, without secrets. What is still to come
            or failed at its first run is left out: a server would overwrite a value of its own
            with it (facts/vcp-protocol §4.2).
        """
        clean = self._cleaner(manager)
        values = {}
        for plugin, manifest, row in self._judged(manager):
            if not row.exposed or manifest.type != "static":
                continue
            for placeholder in manifest.placeholders:
                resolved = manager.statics.results.resolve(placeholder.name)
                if resolved is not None and not _is_notice(resolved.text, plugin.name):
                    values[placeholder.name] = clean(resolved.text)
        return values

    def rows(self, manager: PluginManager) -> list[ExposureRow]:
        """A row for each tool and static plugin.

        Args:
            manager: Whose plugins.
        """
        return [row for _, _, row in self._judged(manager)]

    def preview(self, manager: PluginManager) -> ExposurePreview:
        """What would be exposed, as a table.

        Args:
            manager: Whose plugins.
        """
        rows = self.rows(manager)
        problems = [
            f"The pattern {pattern!r} matches no plugin."
            for pattern in self._takes
            if not any(fnmatchcase(row.name, pattern) for row in rows)
        ]
        return ExposurePreview(rows, problems)

    def _cleaner(self, manager: PluginManager) -> Callable[[str], str]:
        return self._clean or manager.masking.text

    def _judged(self, manager: PluginManager) -> list[tuple[Plugin, Manifest, ExposureRow]]:
        clean = self._cleaner(manager)
        judged = []
        taken: set[str] = set()
        for plugin in manager.catalogue:
            manifest = plugin.manifest
            if manifest is None or not (manifest.callable or manifest.type == "static"):
                continue
            static = manifest.type == "static"
            source = _source(plugin, manifest)
            wire = plugin.name if static else self._prefix + plugin.name
            exposed, why = self._wanted(plugin.name, source, manifest)
            if exposed:
                hindrance = _hindrance(manager, plugin, None if static else wire, taken, clean)
                exposed, why = not hindrance, hindrance or why
            if exposed and not static:
                taken.add(wire)
            row = ExposureRow(
                name=plugin.name,
                wire=wire,
                source=source,
                exposed=exposed,
                why=why,
                type=manifest.type,
                description=clean(manifest.description).partition("\n")[0],
            )
            judged.append((plugin, manifest, row))
        return judged

    def _wanted(self, name: str, source: ToolSource, manifest: Manifest) -> tuple[bool, str]:
        """Whether somebody wants it exposed, and why, or why not."""
        if source == "node":
            return False, "another node's tools are not passed on"
        switch = self._switches.get(name)
        if switch is not None:
            return switch, "switched on" if switch else "switched off"
        if not self._notebook:
            return False, "expose=False: nothing is exposed"
        left = next((p for p in self._leaves if fnmatchcase(name, p)), None)
        if left is not None:
            return False, f"left out by {'!' + left!r}"
        if source == "notebook":
            if manifest.raw.get("expose") is False:
                return False, "made with expose=False"
            return True, "a function of the notebook"
        taken = next((p for p in self._takes if fnmatchcase(name, p)), None)
        if taken is None:
            return False, f"not named: expose={name!r}"
        if manifest.requires_admin and name not in self._takes:
            return False, f"needs the administrator's code, so only by its full name: {name!r}"
        return True, f"named by {taken!r}"

    def __repr__(self) -> str:
        if not self._notebook:
            told = "nothing"
        else:
            told = ", ".join(["functions of the notebook", *map(repr, self.patterns)])
        switched = "".join(
            f", {name} {'on' if on else 'off'}" for name, on in self._switches.items()
        )
        return f"<Exposure of {told}{switched}>"


def _source(plugin: Plugin, manifest: Manifest) -> ToolSource:
    if manifest.host == "remote":
        return "node"
    if manifest.dialect == "kernel":
        return "notebook"
    return "folder" if plugin.folder is not None else "registered"


def _hindrance(
    manager: PluginManager,
    plugin: Plugin,
    wire: str | None,
    taken: set[str],
    clean: Callable[[str], str],
) -> str | None:
    """Why a plugin that should be exposed cannot be; `wire` is None for static ones."""
    state, why = manager.catalogue.state(plugin)
    if state != "ready":
        return clean(f"{state}: {why}" if why else state)
    if wire is None:
        return None
    if wire in _RESERVED:
        return "servers keep this name for files"
    if wire in taken:
        return f"another tool is already called {wire!r} on the wire"
    if clean(wire) != wire:
        return "its name holds a secret or a local path"
    return None


def _is_notice(text: str, plugin: str) -> bool:
    # The words of facts/vcp-protocol §3 for values that there are not.
    return text.endswith(" a-zheng-zai-jia-zai-zhong... ]") or text.startswith(
        f"[Error updating {plugin}: "
    )


def _checked_patterns(expose: object) -> tuple[str, ...]:
    if expose is None or isinstance(expose, bool):
        return ()
    given = [expose] if isinstance(expose, str) else expose
    if isinstance(given, bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidInputError(
            f"expose= takes names, not {type(expose).__name__}.",
            where="expose",
            next_step='give e.g. "Weather*", ["Weather*", "!WeatherAdmin"], True or False',
        )
    patterns = tuple(given)
    for pattern in patterns:
        bare = pattern.removeprefix("!") if isinstance(pattern, str) else ""
        if not bare.strip() or bare != bare.strip() or bare.startswith("!"):
            raise InvalidInputError(
                f"{pattern!r} is no pattern for names of plugins.",
                where="expose",
                next_step='give names or patterns, e.g. "Weather*"; "!Name" leaves one out',
            )
        if "/" in bare or "\\" in bare:
            raise InvalidInputError(
                f"{pattern!r} looks like a path.",
                where="expose",
                next_step="name plugins, not folders: see the names with lab.plugins",
            )
    return patterns


def _checked_prefix(prefix: object) -> str:
    # The marks would end the name inside a request.
    plain = isinstance(prefix, str) and prefix.isprintable() and not set(prefix) & set("「」")
    if isinstance(prefix, str) and plain and prefix == prefix.lstrip():
        return prefix
    raise InvalidInputError(
        f"{prefix!r} cannot stand before a tool's name.",
        where="prefix",
        next_step='give a short plain text, e.g. "lab_"',
    )
