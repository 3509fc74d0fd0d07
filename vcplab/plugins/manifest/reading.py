"""From a manifest's JSON to a `Manifest`: which dialect it is, and that dialect's reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from vcplab.core.errors import InvalidDataError, VCPErrorCode
from vcplab.plugins.manifest.cherry import is_cherry, read_cherry
from vcplab.plugins.manifest.intellicore import is_intellicore, read_intellicore
from vcplab.plugins.manifest.manifest import Manifest
from vcplab.plugins.manifest.toolbox import is_module, is_toolbox, read_module, read_toolbox

__all__ = ["looks_like_plugin", "read_manifest"]

# A later dialect adds a line. The order decides where a manifest could be read in two ways.
_READERS: Final[
    tuple[tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any]], Manifest]], ...]
] = (
    (is_cherry, read_cherry),
    (is_toolbox, read_toolbox),
    (is_intellicore, read_intellicore),
    (is_module, read_module),
)


def looks_like_plugin(content: Mapping[str, Any]) -> bool:
    """Whether JSON of the common name ``manifest.json`` is a plugin's."""
    return any(accepts(content) for accepts, _ in _READERS)


def read_manifest(content: Mapping[str, Any], file: Path | None = None) -> Manifest:
    """Read a manifest of any dialect.

    Args:
        content: Its JSON.
        file: Where it stands, for errors.

    Raises:
        InvalidDataError: It is of no dialect, or lacks what its dialect needs.
    """
    where = str(file) if file is not None else "manifest"
    for accepts, read in _READERS:
        if accepts(content):
            try:
                return read(content)
            except InvalidDataError as error:
                raise InvalidDataError(
                    error.message,
                    code=VCPErrorCode.INVALID_PLUGIN_MANIFEST,
                    where=f"{where}: {error.where}" if error.where else where,
                    next_step=error.next_step,
                ) from error
    missing = [key for key in ("name", "pluginType", "entryPoint") if not content.get(key)]
    raise InvalidDataError(
        f"The manifest is of no known dialect; for VCPToolBox it lacks {', '.join(missing)}.",
        code=VCPErrorCode.INVALID_PLUGIN_MANIFEST,
        where=where,
        next_step="see the table of dialects in docs/plugins.md",
    )
