"""What is remembered of plugins between sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from vcplab.core.store import Store

__all__ = ["Records"]

_SPACE: Final = "plugins"
_REPORTS: Final = "plugin-reports"


class Records:
    """Added folders, switches, settings and reports of tasks.

    Args:
        store: Where they are kept; one that cannot be written keeps nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def roots(self) -> list[tuple[Path, dict[str, bool]]]:
        """The folders that were added, each with its options."""
        return [(Path(path), dict(told)) for path, told in self._read("roots", {}).items()]

    def put_root(self, root: Path, **options: bool) -> None:
        """Remember a folder and its options."""
        self._write("roots", {**self._read("roots", {}), str(root): options})

    def drop_root(self, root: Path) -> None:
        """Forget a folder."""
        roots = self._read("roots", {})
        if roots.pop(str(root), None) is not None:
            self._write("roots", roots)

    def enabled(self, key: str) -> bool:
        """Whether a plugin is switched on."""
        return key not in self._read("disabled", [])

    def put_enabled(self, key: str, on: bool) -> None:
        """Remember a plugin's switch."""
        rest = [one for one in self._read("disabled", []) if one != key]
        self._write("disabled", rest if on else [*rest, key])

    def config(self, key: str) -> dict[str, Any]:
        """What the user set for a plugin."""
        found: dict[str, Any] = self._read(f"config:{key}", {})
        return found

    def put_config(self, key: str, values: Mapping[str, Any]) -> None:
        """Remember what the user set for a plugin."""
        self._write(f"config:{key}", dict(values))

    def order(self) -> list[str]:
        """The order of preprocessors."""
        found: list[str] = self._read("preprocessor-order", [])
        return found

    def put_order(self, names: list[str]) -> None:
        """Remember the order of preprocessors."""
        self._write("preprocessor-order", names)

    def reports(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The reports of tasks, by plugin and task."""
        found = {}
        keys = self._store.keys(_REPORTS)
        for key, data in self._store.get_many(_REPORTS, keys).items():
            plugin, _, task = key.partition("::")
            found[plugin, task] = json.loads(data)
        return found

    def put_report(self, plugin: str, task: str, body: Mapping[str, Any]) -> None:
        """Remember the report of a task."""
        if not self._store.read_only:
            data = json.dumps(dict(body), ensure_ascii=False, default=str)
            self._store.put(_REPORTS, f"{plugin}::{task}", data.encode())

    def _read(self, key: str, default: Any) -> Any:
        data = self._store.get(_SPACE, key)
        return default if data is None else json.loads(data)

    def _write(self, key: str, value: Any) -> None:
        if not self._store.read_only:
            self._store.put(_SPACE, key, json.dumps(value, ensure_ascii=False).encode())
