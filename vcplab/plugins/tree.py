"""What a plugin's folder holds, as one hash: what was trusted, and what a snapshot copies."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vcplab.core.errors import InvalidDataError

__all__ = ["DEPENDENCIES", "SKIPPED", "Tree", "digest_of", "read_tree"]

SKIPPED: Final = frozenset(
    {"__pycache__", ".git", ".hg", ".svn", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache",
     ".ruff_cache", ".DS_Store"}
)  # fmt: skip
"""Names that are never part of a plugin."""

DEPENDENCIES: Final = frozenset({"node_modules", ".venv", "venv"})
"""Installed packages: they count by names, sizes and times, and are linked instead of copied."""

_MOST_FILES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Tree:
    """The content of a folder at one moment.

    Attributes:
        files: Relative path, with ``/`` → what stands there (hash of a file, target of a link,
            listing of installed packages).
        digest: SHA-256 over all of it, in hexadecimal.
    """

    files: dict[str, str]
    digest: str


def read_tree(folder: Path) -> Tree:
    """Read what a folder holds.

    Args:
        folder: The folder.

    Raises:
        InvalidDataError: It has more than 20,000 files, or something in it is neither file, link
            nor folder.
        OSError: It cannot be read, or changed meanwhile.
    """
    files: dict[str, str] = {}
    for path, kind in _entries(folder):
        relative = path.relative_to(folder).as_posix()
        if kind == "link":
            files[relative] = f"link:{_inner_target(path)}"
        elif kind == "packages":
            files[relative] = f"packages:{_listing(path)}"
        else:
            mode = "x" if path.stat().st_mode & stat.S_IXUSR else "-"
            files[relative] = f"{mode}{digest_of(path.read_bytes())}"
        if len(files) > _MOST_FILES:
            raise InvalidDataError(
                f"The folder has more than {_MOST_FILES} files.",
                where=str(folder),
                next_step="a plugin's folder should hold the plugin, not data or other projects",
            )
    return Tree(files, _combined(files))


def digest_of(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _combined(files: dict[str, str]) -> str:
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{files[name]}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _entries(folder: Path) -> Iterator[tuple[Path, str]]:
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name in SKIPPED:
                    continue
                path = Path(entry.path)
                if entry.is_symlink():
                    yield path, _kind_of_link(path, folder)
                elif entry.is_dir(follow_symlinks=False):
                    if entry.name in DEPENDENCIES:
                        yield path, "packages"
                    else:
                        waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    yield path, "file"
                else:
                    raise InvalidDataError(
                        "The folder holds something that is no file, e.g. a pipe or a device.",
                        where=str(path),
                        next_step="take it out of the plugin's folder",
                    )


def _kind_of_link(path: Path, folder: Path) -> str:
    """What lies outside counts by its content: whoever trusts a link trusts what it leads to."""
    target = os.path.realpath(path)
    if Path(target).is_relative_to(os.path.realpath(folder)) or not os.path.exists(target):
        return "link"
    return "packages" if os.path.isdir(target) else "file"


def _inner_target(path: Path) -> str:
    """Where a link inside the folder leads, relative, so that it leads there in a copy, too."""
    target = os.readlink(path)
    if not os.path.isabs(target):
        return target
    return os.path.relpath(os.path.realpath(path), os.path.realpath(path.parent))


def _listing(folder: Path) -> str:
    total = hashlib.sha256()
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted([*names, *folders]):
            path = os.path.join(base, name)
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                told = f"{path}\0{os.readlink(path)}\n"
            elif stat.S_ISDIR(found.st_mode):
                continue
            else:  # the time of change cannot be set back
                told = f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\n"
            total.update(told.encode("utf-8", "surrogateescape"))
    return total.hexdigest()
