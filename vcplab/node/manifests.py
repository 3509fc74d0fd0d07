"""Manifests as they go to a server: what describes a tool, and nothing of how it runs here.

Upstream's node sends its manifests whole, with its folder and the values of its ``config.env``
(facts/vcp-protocol §4.4); here a manifest is written anew from the fields that a server reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from vcplab.plugins.manifest import Command, Manifest

__all__ = ["limit_of", "wire_manifest"]

_SECONDS: Final = 60.0
_ASYNCHRONOUS_SECONDS: Final = 1800.0
# Node.js fires a timer at once that is set to more than this.
_MOST_MS: Final = 2**31 - 1
_NAMED: Final = re.compile(r"(tool_name\s*:\s*「始(?:exp)?」\s*)(.+?)(?=\s*「末(?:exp)?」)")


def limit_of(manifest: Manifest) -> float:
    """Seconds that a server waits for a call of this tool.

    Args:
        manifest: The tool's manifest.

    Returns:
        Its own limit, or else that of its type: half an hour for asynchronous plugins, a minute
        for all others (facts/vcp-protocol §2, §4.3).
    """
    limit = manifest.timeout
    if limit is None or math.isnan(limit):
        limit = _ASYNCHRONOUS_SECONDS if manifest.type == "asynchronous" else _SECONDS
    return min(max(limit, 0.001), _MOST_MS / 1000)


def wire_manifest(
    manifest: Manifest, *, name: str | None = None, clean: Callable[[str], str]
) -> dict[str, Any]:
    """A manifest as it is registered with a server (facts/vcp-protocol §2).

    Settings, folders, commands and everything that is not listed there stay here.

    Args:
        manifest: The tool's manifest.
        name: Its name on the wire; its own if None. Examples of requests call it by that name.
        clean: Takes secrets and local paths out of a text; every text goes through it.

    Returns:
        The manifest in VCPToolBox's form, ready for ``register_tools``.
    """
    wire = name or manifest.name
    commands = [_command(manifest, one, wire, clean) for one in manifest.commands]
    told: dict[str, Any] = {
        "manifestVersion": "1.0.0",
        "name": clean(wire),
        "displayName": clean(manifest.display_name or wire),
        "version": clean(manifest.version or "1.0.0"),
        "description": clean(manifest.description),
        "author": clean(manifest.author),
        "pluginType": manifest.type,
        # A server skips what has no entry point, and starts nothing of another node's.
        "entryPoint": {"type": "vcplab", "command": "vcplab"},
        "communication": {
            "protocol": "direct" if manifest.type == "hybridservice" else "stdio",
            "timeout": max(1, round(limit_of(manifest) * 1000)),
        },
        "capabilities": {"invocationCommands": commands},
    }
    if manifest.display_name == manifest.name:
        told["displayName"] = told["name"]
    if manifest.push.enabled:
        push: dict[str, Any] = {"enabled": True, "messageType": clean(manifest.push.message_type)}
        if manifest.push.target is not None:
            push["targetClientType"] = clean(manifest.push.target)
        told["webSocketPush"] = push
    return told


def _command(
    manifest: Manifest, command: Command, wire: str, clean: Callable[[str], str]
) -> dict[str, str]:
    # A function's one command is the tool itself, so it goes by the tool's name.
    itself = manifest.dialect == "kernel" and command.identifier == manifest.name
    word = wire if itself else command.command or command.identifier
    told = {
        "command": word,
        "commandIdentifier": wire if itself else command.identifier or word,
        "description": _renamed(command.description, manifest.name, wire),
        "example": _renamed(command.example, manifest.name, wire),
    }
    return {key: clean(text) for key, text in told.items() if text}


def _renamed(text: str, name: str, wire: str) -> str:
    """Requests in a text, calling the tool by its name on the wire."""
    if name == wire or name not in text:
        return text
    return _NAMED.sub(lambda m: m[1] + (wire if m[2].strip() == name else m[2]), text)
