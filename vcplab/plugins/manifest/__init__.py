"""Manifests of every dialect, read into one value.

A dialect is a reader: a function from a folder's JSON to a `Manifest`. What runs a plugin is
decided there too, so the manager never asks which dialect a plugin came from. The table of types
and hosts is in ``docs/plugins.md``.
"""

from __future__ import annotations

from vcplab.plugins.manifest.config import Config, resolve_config
from vcplab.plugins.manifest.describing import describe_command, describe_plugin
from vcplab.plugins.manifest.finding import Found, find_plugins, read_folder
from vcplab.plugins.manifest.manifest import (
    CALLABLE_TYPES,
    PLUGIN_TYPES,
    Command,
    ConfigKey,
    Entry,
    Manifest,
    Placeholder,
    Push,
    check_command,
)
from vcplab.plugins.manifest.reading import read_manifest

__all__ = [
    "CALLABLE_TYPES",
    "PLUGIN_TYPES",
    "Command",
    "Config",
    "ConfigKey",
    "Entry",
    "Found",
    "Manifest",
    "Placeholder",
    "Push",
    "check_command",
    "describe_command",
    "describe_plugin",
    "find_plugins",
    "read_folder",
    "read_manifest",
    "resolve_config",
]
