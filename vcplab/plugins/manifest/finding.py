"""Finding the plugins of a folder: good ones, broken ones and those that are switched off."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vcplab.core.errors import InvalidDataError, InvalidInputError, NotFoundError, VCPError
from vcplab.plugins.manifest.manifest import Manifest
from vcplab.plugins.manifest.reading import looks_like_plugin, read_manifest

__all__ = ["BLOCK", "Found", "find_plugins", "manifest_file", "read_folder"]

BLOCK: Final = ".block"
_NAMES: Final = ("plugin-manifest.json", "manifest.json")
_LIMIT: Final = 4 * 2**20
_NESTED: Final = ("builtin", "downloaded", "Plugin")
"""Folders of folders: Cherry's two (seed 001), and a VCPToolBox checkout."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin's folder.

    Attributes:
        folder: The folder.
        file: Its manifest file.
        manifest: What it says; None if it cannot be read.
        error: Why it cannot be read.
        blocked: Whether it is switched off by its file name (``….block``).
    """

    folder: Path
    file: Path
    manifest: Manifest | None = None
    error: VCPError | None = None
    blocked: bool = False

    @property
    def name(self) -> str:
        """The plugin's name, or the folder's."""
        return self.manifest.name if self.manifest is not None else self.folder.name


def manifest_file(folder: Path) -> Path | None:
    """The manifest of a folder, perhaps a blocked one; None if it is no plugin's."""
    for name in _NAMES:
        for candidate in (folder / name, folder / f"{name}{BLOCK}"):
            if candidate.is_file():
                return candidate
    return None


def read_folder(folder: Path) -> Found | None:
    """Read one plugin's folder.

    Args:
        folder: The folder.

    Returns:
        What was found, broken or not; None if this is no plugin's folder.
    """
    file = manifest_file(folder)
    if file is None:
        return None
    blocked = file.name.endswith(BLOCK)
    try:
        content = _content(file)
        if file.name.startswith("manifest.json") and not looks_like_plugin(content):
            return None  # a browser extension or web page has a file of this name, too
        return Found(folder, file, read_manifest(content, file), blocked=blocked)
    except VCPError as error:
        return Found(folder, file, error=error, blocked=blocked)


def find_plugins(root: str | Path) -> list[Found]:
    """All plugins of a folder: its own, or those of its subfolders, by name.

    ``builtin/``, ``downloaded/`` and ``Plugin/`` are looked into one level deeper.

    Args:
        root: A plugin's folder or a folder of such.

    Raises:
        NotFoundError: There is no such folder.
        InvalidInputError: It is a file.
    """
    path = Path(root)
    if not path.exists():
        raise NotFoundError(
            f"There is no folder {str(path)!r}.",
            where="path",
            next_step="give a plugin's folder, or a folder of plugin folders",
        )
    if not path.is_dir():
        raise InvalidInputError(
            f"{str(path)!r} is a file.",
            where="path",
            next_step="give its folder; an archive is installed with install()",
        )
    own = read_folder(path)
    if own is not None:
        return [own]
    found: list[Found] = []
    for folder in sorted(_folders(path)):
        one = read_folder(folder)
        if one is not None:
            found.append(one)
        elif folder.name in _NESTED:
            inside = (read_folder(nested) for nested in sorted(_folders(folder)))
            found += [one for one in inside if one is not None]
    return found


def _folders(path: Path) -> list[Path]:
    return [child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")]


def _content(file: Path) -> dict[str, Any]:
    def broken(why: str) -> InvalidDataError:
        return InvalidDataError(
            f"The manifest cannot be read: {why}.",
            where=str(file),
            next_step="mend the file; other plugins are not affected",
        )

    try:
        data = file.read_bytes()
    except OSError as error:
        raise broken(error.strerror or str(error)) from error
    if len(data) > _LIMIT:
        raise broken(f"it is larger than {_LIMIT // 2**20} MiB")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise broken(f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise broken(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise broken(str(error)) from error
    if not isinstance(content, dict):
        raise broken("it is not a JSON object")
    return content
