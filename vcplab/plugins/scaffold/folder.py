"""A plugin's folder appears whole or not at all."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vcplab.core.errors import InvalidInputError, StateError

__all__ = ["checked_folder", "checked_name", "write_folder"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_serial = itertools.count()


def checked_name(name: object, where: str) -> str:
    """A plugin's name that servers, placeholders and file systems take (facts/vcp-protocol §3).

    Args:
        name: The name.
        where: What the error names.

    Raises:
        InvalidInputError: It has other characters than letters, digits, ``_`` and ``-``.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidInputError(
        f"A plugin cannot have the name {str(name)[:80]!r}.",
        where=where,
        next_step="use letters, digits, _ and - (64 at most), e.g. SuperDice",
    )


def checked_folder(name: str, to: str | Path) -> Path:
    """The folder ``to/name``, if a plugin can be written there.

    Args:
        name: The plugin's name.
        to: The folder of plugins; need not exist.

    Raises:
        StateError: Something is there already.
    """
    folder = Path(to).expanduser().resolve() / name
    taken = folder.is_symlink() or (folder.exists() and not folder.is_dir())
    if taken or (folder.is_dir() and any(folder.iterdir())):
        raise StateError(
            f"There is something in the plugin's place: {folder} is not empty.",
            where=str(folder),
            next_step="remove it, or choose another name or folder",
        )
    return folder


def write_folder(name: str, to: str | Path, files: Mapping[str, str]) -> Path:
    """Write a plugin's folder in one step.

    The files go to a temporary folder beside it, which is then renamed.

    Args:
        name: The plugin's name, the folder's as well.
        to: The folder of plugins; made if missing.
        files: Texts by path within the folder, with ``/``.

    Returns:
        The folder ``to/name``.

    Raises:
        StateError: Something is there already, or it cannot be written.
    """
    folder = checked_folder(name, to)
    temporary = folder.parent / f".{name}.{os.getpid()}-{next(_serial)}.tmp"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        for path, text in files.items():
            target = temporary / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
        # Where a folder may not take the place of an empty one (Windows).
        with suppress(FileNotFoundError):
            folder.rmdir()
        temporary.rename(folder)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise StateError(
                f"The plugin's folder cannot be written: {error}",
                where=str(folder),
                next_step="choose a folder that can be written",
            ) from error
        raise
    return folder
