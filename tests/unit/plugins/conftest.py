"""Plugin folders made on the spot, and managers that are closed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vcplab.core.workspace import Workspace
from vcplab.plugins.manager import PluginManager

ECHO = """
import json, sys
data = sys.stdin.read()
print(json.dumps({"status": "success", "result": json.loads(data) if data else {}}))
"""

MakePlugin = Callable[..., Path]


@pytest.fixture
def make_plugin(tmp_path: Path) -> MakePlugin:
    """Makes a folder with a manifest and a Python script."""

    def make(name: str = "Echo", script: str = ECHO, root: str = "plugins", **fields: Any) -> Path:
        folder = tmp_path / root / name
        folder.mkdir(parents=True, exist_ok=True)
        manifest: dict[str, Any] = {
            "name": name,
            "displayName": f"The {name}",
            "version": "1.0.0",
            "description": f"{name} does it.",
            "pluginType": "synchronous",
            "entryPoint": {"type": "stdio", "command": "python main.py"},
            "communication": {"protocol": "stdio", "timeout": 20000},
            "capabilities": {
                "invocationCommands": [{"command": "go", "description": f"{name} goes."}]
            },
        }
        manifest.update(fields)
        (folder / "main.py").write_text(script, "utf-8")
        text = json.dumps(manifest, ensure_ascii=False)
        (folder / "plugin-manifest.json").write_text(text, "utf-8")
        return folder

    return make


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "lab") as workspace:
        yield workspace


@pytest.fixture
def manager(workspace: Workspace) -> Iterator[PluginManager]:
    manager = PluginManager(workspace)
    yield manager
    manager.close()
