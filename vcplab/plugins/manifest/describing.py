"""Descriptions of tools as upstream words them (facts/vcp-protocol §3)."""

from __future__ import annotations

from vcplab.plugins.manifest.manifest import Command, Manifest

__all__ = ["describe_command", "describe_plugin"]

_INDENT = "    "


def describe_command(manifest: Manifest, command: Command) -> str:
    """One command as it stands in a prompt.

    Args:
        manifest: Its plugin.
        command: The command.

    Returns:
        ``- <displayName> (<name>) - 命令: <command>:``, the description and the example indented
        by four; empty for a command without a description.
    """
    if not command.description:
        return ""
    shown = manifest.display_name or manifest.name
    text = f"- {shown} ({manifest.name}) - 命令: {command.command or 'N/A'}:\n"
    text += _indented(command.description)
    if command.example:
        text += f"\n  调用示例:\n{_indented(command.example)}"
    return text


def describe_plugin(manifest: Manifest) -> str:
    """All commands of a plugin, a blank line between them; empty if none has a description."""
    texts = (describe_command(manifest, command) for command in manifest.commands)
    return "\n\n".join(text for text in texts if text)


def _indented(text: str) -> str:
    return "\n".join(_INDENT + line for line in text.split("\n"))
