"""The version of vcplab that writes a file."""

from __future__ import annotations

__all__ = ["package_version"]


def package_version() -> str:
    """The installed version, ``unknown`` in a source tree that is not installed."""
    # Not `vcplab.__version__`: the ground floor does not look up to the table of all rooms.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vcplab")
    except PackageNotFoundError:
        return "unknown"
