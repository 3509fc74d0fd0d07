"""The cell magics: ``%load_ext vcplab`` makes ``%%vcp_tool`` and ``%%groupchat`` known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcplab.magics import groupchat, vcp_tool

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Make the magics known to a shell (``%load_ext vcplab``); twice does no harm.

    Args:
        ip: The shell.
    """
    vcp_tool.load(ip)
    groupchat.load(ip)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Take the magics away again (``%unload_ext vcplab``).

    Args:
        ip: The shell.
    """
    vcp_tool.unload(ip)
    groupchat.unload(ip)
