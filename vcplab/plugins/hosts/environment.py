"""The environment of a stdio child (facts/vcp-protocol §2)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vcplab.core.trace import carrier
from vcplab.plugins.manifest import Config

__all__ = ["child_environment"]

_OURS = "VCPLAB_"


def child_environment(
    config: Config, project: Path | None, extra: Mapping[str, str]
) -> dict[str, str]:
    """All of the process's environment but what is the workbench's own, then the plugin's settings.

    Args:
        config: The plugin's settings.
        project: What it takes for its server's folder.
        extra: What this call adds.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    environment |= config.environment()
    environment["PYTHONIOENCODING"] = "utf-8"
    # The watchers of a folder would take byte code for an edit, and a snapshot is not the place.
    environment.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    environment.setdefault("VCP_REQUEST_IP", "127.0.0.1")
    if project is not None:
        environment["PROJECT_BASE_PATH"] = str(project)
    if "PORT" in environment:
        environment.setdefault("SERVER_PORT", environment["PORT"])
    for name, source in (
        ("IMAGESERVER_IMAGE_KEY", "Image_Key"),
        ("IMAGESERVER_FILE_KEY", "File_Key"),
    ):
        if source in environment:
            environment.setdefault(name, environment[source])
    parent = carrier().get("traceparent")
    if parent:
        environment["TRACEPARENT"] = parent
    environment |= extra
    return environment
