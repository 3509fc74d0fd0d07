"""Whole files read and written: size limits, atomic writes, free names."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator

from .folders import Folder
from .problems import FileProblem

__all__ = ["add_new", "append", "free_names", "give_name", "read_all", "replace"]

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EACCES}


def free_names(name: str) -> Iterator[str]:
    """The name itself, then ``name-2.ext``, ``name-3.ext`` and so on.

    Args:
        name: The wanted name.

    Yields:
        Names to try; at most 1000.
    """
    yield name
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    for number in range(2, 1001):
        yield f"{stem}-{number}{dot}{ending}"


def read_all(folder: Folder, name: str, limit: int) -> tuple[bytes, os.stat_result]:
    """Read a whole file.

    Args:
        folder: Its folder.
        name: Its name.
        limit: Most bytes.

    Returns:
        The bytes and the status of the very file they came from.

    Raises:
        FileProblem: When it is larger.
    """
    with os.fdopen(folder.open(name, os.O_RDONLY), "rb") as file:
        status = os.fstat(file.fileno())
        data = file.read(limit + 1)
    if len(data) > limit:
        raise FileProblem(
            f"{name} has {status.st_size} bytes, the limit is {limit}: raise MAX_FILE_MB in the "
            "plugin's config.env, or use a smaller file"
        )
    return data, status


def give_name(
    source: Folder, name: str, target: Folder, wanted: str, *, exact: bool = False
) -> str:
    """Move a file to a free name, never over another file.

    Args:
        source: The folder it is in.
        name: Its name there.
        target: The folder it goes to.
        wanted: The name it should get.
        exact: Whether only this name will do.

    Returns:
        The name it got.

    Raises:
        FileExistsError: When no name was free.
    """
    for candidate in [wanted] if exact else free_names(wanted):
        try:
            source.link(name, target, candidate)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A disk without hard links: the check and the move are two steps there.
            if target.status(candidate) is not None:
                continue
            source.rename(name, target, candidate)
            return candidate
        source.unlink(name)
        return candidate
    raise FileExistsError(errno.EEXIST, "the name is taken")


def _draft(folder: Folder, data: bytes, mode: int | None = None) -> str:
    name = f".{secrets.token_hex(8)}.tmp"
    handle = folder.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with os.fdopen(handle, "wb") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        folder.unlink(name)
        raise
    return name


def add_new(folder: Folder, wanted: str, data: bytes, *, exact: bool = False) -> str:
    """Write a new file whole or not at all, under a free name; see `give_name`."""
    draft = _draft(folder, data)
    try:
        return give_name(folder, draft, folder, wanted, exact=exact)
    except BaseException:
        folder.unlink(draft)
        raise


def replace(folder: Folder, name: str, data: bytes, mode: int) -> None:
    """Replace a file's content in one step, keeping its permissions."""
    draft = _draft(folder, data, mode)
    try:
        folder.rename(draft, folder, name)
    except BaseException:
        folder.unlink(draft)
        raise


def append(folder: Folder, name: str, data: bytes) -> None:
    """Add bytes to the end of a file.

    Raises:
        FileProblem: When the file has further names, which may lie outside the root.
    """
    with os.fdopen(folder.open(name, os.O_WRONLY | os.O_APPEND), "ab") as file:
        if os.fstat(file.fileno()).st_nlink > 1:
            raise FileProblem(
                f"{name} is one file with several names (hard links): copy it with CopyFile and "
                "append to the copy"
            )
        file.write(data)
