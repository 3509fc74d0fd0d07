"""Plugins that were installed into a lab: ``plugins/downloaded`` and ``registry.json``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.core.workspace import Workspace
from vcplab.plugins.plugin import Plugin, PluginRow

__all__ = ["InstalledPlugins"]

_FILE: Final = "plugins/registry.json"


class InstalledPlugins:
    """The lab's own plugin folders, laid out as seed 001 says.

    Args:
        workspace: The lab's folder.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @property
    def folder(self) -> Path:
        """``plugins/`` of the lab."""
        return self._workspace.path / "plugins"

    @property
    def downloaded(self) -> Path:
        """``plugins/downloaded/``, where installed ones go."""
        return self.folder / "downloaded"

    def entries(self) -> list[dict[str, Any]]:
        """What ``registry.json`` lists: name, version, path, when and from where.

        Raises:
            InvalidDataError: The file is broken.
        """
        path = self._workspace.resolve(_FILE)
        if not path.is_file():
            return []
        try:
            content = json.loads(path.read_text("utf-8"))
            listed = content["plugins"] if isinstance(content, dict) else content
            return [dict(entry) for entry in listed]
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidDataError(
                f"The registry cannot be read: {error}.",
                where=str(path),
                next_step="mend it, or delete it and install the plugins again",
            ) from error

    def note(self, row: PluginRow, folder: Path, source: object) -> None:
        """List a plugin that was installed."""
        entry = {
            "name": row.name,
            "displayName": row.display_name,
            "version": row.version,
            "type": row.type,
            "path": folder.relative_to(self.folder).as_posix(),
            "installedAt": current_clock().now().isoformat(timespec="seconds"),
            "source": Path(str(source)).name,
        }
        rest = [one for one in self.entries() if one.get("path") != entry["path"]]
        self._write([*rest, entry])

    def require(self, plugin: Plugin) -> None:
        """Check that a plugin was installed here.

        Raises:
            InvalidInputError: It was not.
        """
        if plugin.folder is None or not plugin.folder.is_relative_to(self.downloaded):
            raise InvalidInputError(
                f"{plugin.name} was not installed into this lab.",
                where="name",
                next_step=f'lab.plugins.unload("{plugin.name}") takes it away; its files stay',
            )

    def delete(self, folder: Path) -> None:
        """Delete an installed plugin's folder and its entry."""
        shutil.rmtree(folder)
        path = folder.relative_to(self.folder).as_posix()
        self._write([one for one in self.entries() if one.get("path") != path])

    def _write(self, entries: list[dict[str, Any]]) -> None:
        text = json.dumps({"version": 1, "plugins": entries}, ensure_ascii=False, indent=2)
        self._workspace.write(_FILE, text + "\n")
