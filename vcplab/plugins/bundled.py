"""Plugins that come with packages: vcplab's own, and those that others name."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

__all__ = ["GROUP", "bundled_folder", "entry_point_folders"]

GROUP: Final = "vcplab.plugins"
"""The entry point group; its values are folders, or modules whose folder holds plugins."""

_logger = logging.getLogger(__name__)


def bundled_folder() -> Path:
    """The folder of the plugins that ship with vcplab."""
    package = Path(__file__).parents[1]
    inside = package / "_bundled" / "plugins"  # in a wheel
    return inside if inside.is_dir() else package.parent / "plugins"


def entry_point_folders() -> Iterator[Path]:
    """The folders that installed packages name; one that cannot be loaded is only logged."""
    for point in entry_points(group=GROUP):
        try:
            value = point.load()
            value = value() if callable(value) else value
            place = getattr(value, "__file__", None)
            yield Path(place).parent if place else Path(value)
        except Exception as error:
            _logger.warning("entry point %s of %s: %s", point.name, GROUP, error)
