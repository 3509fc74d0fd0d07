"""The lab's plugins: what there is, trusted or not, and what is done with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vcplab.core.display import html_table, style_block, view
from vcplab.core.errors import InvalidInputError
from vcplab.core.workspace import Workspace
from vcplab.plugins.archives import unpack_plugin
from vcplab.plugins.bundled import bundled_folder, entry_point_folders
from vcplab.plugins.calling import Caller
from vcplab.plugins.channels import PluginChannels
from vcplab.plugins.manager import PluginManager
from vcplab.plugins.plugin import PluginRow
from vcplab.plugins.registry import InstalledPlugins
from vcplab.plugins.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PluginsFacet"]

_COLUMNS = (
    "name", "display_name", "type", "dialect", "host", "state", "version", "calls", "errors",
    "p95", "callable", "watched", "problem", "source",
)  # fmt: skip


class PluginsFacet(PluginManager):
    """``lab.plugins``: a manager with the lab's folder, its installed plugins and its panel.

    Attributes:
        caller: Calls tools.
        channels: The same by the peers' channel names, e.g. ``vcp:plugin:list``.
        installed: What was installed into the lab.

    Args:
        workspace: The lab's folder.
        debug: Whether plugins run with ``DebugMode`` on.
    """

    def __init__(self, workspace: Workspace, *, debug: bool = False) -> None:
        super().__init__(workspace, debug=debug)
        self._workspace = workspace
        self.caller = Caller(self)
        self.channels = PluginChannels(self, self.caller)
        self.installed = InstalledPlugins(workspace)
        self.preprocessors.set_order(self.records.order())
        self.restore()
        if not workspace.read_only:
            self.loader.clear()

    def discover(self) -> list[PluginRow]:
        """Find plugins that are at hand and add them; what is new among them is not trusted.

        Looked through: what ships with vcplab (which is trusted, as vcplab is), what was installed
        into the lab (``plugins/builtin``, ``plugins/downloaded``), and folders that installed
        packages name under the entry point ``vcplab.plugins``.

        Returns:
            A row for each plugin found.
        """
        rows = self.add(bundled_folder(), trust=True)
        for folder in (self.installed.folder, *entry_point_folders()):
            if folder.is_dir():
                with_plugins = self._add_if_any(folder)
                rows += with_plugins
        return rows

    def _add_if_any(self, folder: Path) -> list[PluginRow]:
        try:
            return self.add(folder)
        except InvalidInputError:  # an empty folder is no mistake here
            return []

    def install(self, source: str | Path, *, trust: bool = False) -> PluginRow:
        """Copy a plugin into the lab and add it.

        Args:
            source: Its folder, or a zip or tar archive of it.
            trust: Whether it may run.

        Returns:
            Its row.

        Raises:
            InvalidInputError: The source holds no plugin, is hostile, or its folder is taken.
            ReadOnlyError: Somebody else owns the lab.
        """
        self._workspace.require_writable()
        folder = unpack_plugin(Path(source).expanduser(), self.installed.downloaded)
        try:
            (row,) = self.add(folder, trust=True if trust else None)
            self.installed.note(row, folder, source)
        except BaseException:
            self.records.drop_root(folder)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return row

    def uninstall(self, name: str) -> None:
        """Take a plugin away and delete its folder, if it was installed into the lab.

        Args:
            name: The plugin.

        Raises:
            NotFoundError: There is none of this name.
            InvalidInputError: It was not installed; its folder is the user's.
        """
        plugin = self.catalogue.get(name)
        self._workspace.require_writable()
        self.installed.require(plugin)
        self.unload(name)
        assert plugin.folder is not None
        self.trusted.take(plugin.folder)
        self.records.drop_root(plugin.folder)
        self.installed.delete(plugin.folder)

    def submit(self, name: str, args: dict[str, Any] | None = None, **options: Any) -> Task:
        """Call a tool in the background; see `Caller.submit`."""
        return self.caller.submit(name, args, **options)

    def invoke(self, channel: str, payload: Any = None) -> Any:
        """Call by a peer's channel name, e.g. ``vcp:unified:getAllPlugins`` (seed 001)."""
        return self.channels.invoke(channel, payload)

    def preprocess(self, messages: list[Any]) -> list[Any]:
        """Run the chain of preprocessors over a request's messages."""
        return self.preprocessors.process(messages)

    def preprocessor(
        self, function: Callable[..., Any] | None = None, *, name: str | None = None
    ) -> Any:
        """Make a function a preprocessor: ``@lab.plugins.preprocessor``.

        Args:
            function: Takes messages and returns messages; may be asynchronous.
            name: Its name; the function's by default.

        Returns:
            The function.
        """
        if function is None:
            return lambda given: self.preprocessor(given, name=name)
        self.preprocessors.add(name or function.__name__, function)
        return function

    def to_frame(self) -> pd.DataFrame:
        """A row for each plugin, with the columns of `PluginRow` that fit a table; times in ms."""
        import pandas as pd

        rows = [[getattr(row, name) for name in _COLUMNS] for row in self.rows()]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def panel(self, **options: Any) -> Any:
        """The live table: state, form, run, result, log, reload, switch and README.

        Returns:
            A widget; show it as the last value of a cell.

        Raises:
            MissingDependencyError: anywidget is not installed.
        """
        return view("panel", "PluginsFacet")(self, **options)

    def __repr__(self) -> str:
        return super().__repr__().replace("<PluginManager", "<PluginsFacet", 1)

    def _repr_html_(self) -> str:
        header = ["plugin", "type", "dialect", "host", "state", "calls", "p95 ms", "problem"]
        rows = [
            (r.name, r.type, r.dialect, r.host, r.state, r.calls, r.p95, r.problem or "")
            for r in self.rows()
        ]
        return style_block() + html_table(header, rows, caption="Plugins")
