"""What the plugin changed: the trash of each root and the history in it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from .folders import Folder, folder
from .problems import FileProblem
from .roots import TRASH, Place, Root
from .storing import add_new, free_names, give_name, read_all

__all__ = ["keep_old", "note", "past", "to_trash"]

_FILE = "history.jsonl"
_OLDER = "history.1.jsonl"
_MOST = 2_000_000


def _trash(root: Root) -> Place:
    return Place(root, (TRASH,))


def _trash_name(name: str) -> str:
    while len(os.fsencode(name)) > 200:
        name = name[1:]
    return time.strftime("%Y%m%d-%H%M%S-") + name


def to_trash(place: Place, source: Folder) -> Place:
    """Move a file or folder into the trash of its root.

    Args:
        place: What goes.
        source: The open folder it is in.

    Returns:
        Where it is now.
    """
    with folder(_trash(place.root), make=True) as trash:
        status = source.status(place.name)
        if status is None:
            raise FileNotFoundError(2, "missing")
        wanted = _trash_name(place.name)
        if (status.st_mode & 0o170000) != 0o040000:
            return _trash(place.root).inside(give_name(source, place.name, trash, wanted))
        name = next(n for n in free_names(wanted) if trash.status(n) is None)
        source.rename(place.name, trash, name)
        return _trash(place.root).inside(name)


def keep_old(place: Place, data: bytes) -> Place:
    """Put a copy of a file's former content into the trash.

    Args:
        place: The file that is about to change.
        data: Its content until now.

    Returns:
        Where the copy is.
    """
    with folder(_trash(place.root), make=True) as trash:
        return _trash(place.root).inside(add_new(trash, _trash_name(place.name), data))


def note(place: Place, command: str, maid: str, **facts: Any) -> str | None:
    """Write one change down in the history of a root.

    Args:
        place: What was changed.
        command: The command that did it.
        maid: Who asked, or empty.
        **facts: Further JSON values.

    Returns:
        None, or a warning when it could not be written: the change itself is done by then.
    """
    entry: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command,
        "path": place.shown,
        **facts,
    }
    if maid:
        entry["maid"] = maid[:200]
    line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    try:
        with folder(_trash(place.root), make=True) as trash:
            status = trash.status(_FILE)
            if status is not None and status.st_size > _MOST:
                trash.rename(_FILE, trash, _OLDER)
            handle = trash.open(_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with os.fdopen(handle, "ab") as file:
                # One write of one line: several plugins at once do not mix theirs.
                file.write(line)
    except (OSError, FileProblem) as error:
        return f"The change is done but could not be written into the history: {error}"
    return None


def past(root: Root) -> list[dict[str, Any]]:
    """The history of a root, oldest first; lines that cannot be read are left out."""
    lines: list[bytes] = []
    try:
        with folder(_trash(root)) as trash:
            for name in (_OLDER, _FILE):
                if trash.status(name) is not None:
                    lines += read_all(trash, name, 4 * _MOST)[0].splitlines()
    except FileNotFoundError:
        return []
    found: list[dict[str, Any]] = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found
