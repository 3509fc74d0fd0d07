"""Folders opened step by step, so that no link can lead out of a root.

A place was checked with ``os.path.realpath`` before; between the check and the use somebody
could put a link in the way. Where the system has ``openat`` every step is therefore opened
relative to the one before and refuses links; elsewhere (Windows) each step is looked at right
before it is used.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .problems import FileProblem
from .roots import Place, Root

__all__ = ["Folder", "folder", "holder"]

_SAFE = (
    hasattr(os, "O_NOFOLLOW")
    and hasattr(os, "O_DIRECTORY")
    and {os.open, os.stat, os.mkdir, os.rename, os.unlink, os.link} <= os.supports_dir_fd
    and os.scandir in os.supports_fd
)
_LINK_ITSELF = os.link in os.supports_follow_symlinks


class Folder:
    """An open folder; names in it are used without following links."""

    def __init__(self, path: str, handle: int | None) -> None:
        self.path = path
        self.handle = handle

    @classmethod
    def of(cls, root: Root) -> Folder:
        """Open a root.

        Raises:
            FileProblem: When its folder does not exist.
        """
        try:
            handle = os.open(root.real, os.O_RDONLY | os.O_DIRECTORY) if _SAFE else None
            if handle is None and not os.path.isdir(root.real):
                raise FileNotFoundError(errno.ENOENT, "no such folder")
        except OSError as error:
            raise FileProblem(
                f"The folder of the root {root.name}: cannot be opened ({error.strerror}): "
                "create it, or correct ALLOWED_DIRECTORIES"
            ) from error
        return cls(root.real, handle)

    def close(self) -> None:
        """Let the folder go."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def _at(self, name: str) -> tuple[str, dict[str, Any]]:
        if self.handle is None:
            return os.path.join(self.path, name), {}
        return name, {"dir_fd": self.handle}

    def child(self, name: str, *, make: bool = False) -> Folder:
        """Open a folder in this one, created before when asked and missing."""
        target, at = self._at(name)
        if make:
            with suppress(FileExistsError):
                os.mkdir(target, **at)
        if self.handle is not None:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            return Folder(os.path.join(self.path, name), os.open(target, flags, **at))
        status = os.lstat(target)
        if os.path.normcase(os.path.realpath(target)) != os.path.normcase(target):
            raise OSError(errno.ELOOP, "a link")
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        return Folder(target, None)

    def status(self, name: str) -> os.stat_result | None:
        """What stands under a name (a link itself, not its target), or None."""
        target, at = self._at(name)
        try:
            return os.stat(target, follow_symlinks=False, **at)
        except FileNotFoundError:
            return None

    def open(self, name: str, flags: int) -> int:
        """Open a regular file and return its descriptor.

        Raises:
            FileProblem: For a folder, a device, a pipe or a socket.
            OSError: As the system has it; ``ELOOP`` for a link.
        """
        target, at = self._at(name)
        if self.handle is None and os.path.islink(target):
            raise OSError(errno.ELOOP, "a link")
        # Without O_NONBLOCK a pipe would hold the plugin until somebody writes to it.
        extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(target, flags | extra | getattr(os, "O_BINARY", 0), 0o666, **at)
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            os.close(handle)
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, "a folder")
            raise FileProblem(f"{name} is a device, a pipe or a socket: only files can be used")
        return handle

    def entries(self) -> Iterator[tuple[str, os.stat_result]]:
        """All names with their status, in the order of the system; vanished ones left out."""
        with os.scandir(self.path if self.handle is None else self.handle) as found:
            for entry in found:
                try:
                    yield entry.name, entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue

    def rename(self, name: str, other: Folder, new: str) -> None:
        """Move a name into another folder, over what is there."""
        source, target = self._at(name), other._at(new)
        if self.handle is None:
            os.replace(source[0], target[0])
        else:
            os.replace(name, new, src_dir_fd=self.handle, dst_dir_fd=other.handle)

    def link(self, name: str, other: Folder, new: str) -> None:
        """Give a file a second name; fails when that name is taken, which makes it atomic."""
        extra: dict[str, Any] = {"follow_symlinks": False} if _LINK_ITSELF else {}
        if self.handle is None:
            os.link(self._at(name)[0], other._at(new)[0], **extra)
        else:
            os.link(name, new, src_dir_fd=self.handle, dst_dir_fd=other.handle, **extra)

    def unlink(self, name: str) -> None:
        """Remove a name of a file."""
        target, at = self._at(name)
        os.unlink(target, **at)


@contextmanager
def folder(place: Place, *, make: bool = False) -> Iterator[Folder]:
    """Open the folder at a place, from its root down.

    Args:
        place: The folder.
        make: Whether to create what is missing.

    Yields:
        The open folder.
    """
    now = Folder.of(place.root)
    try:
        for part in place.parts:
            following = now.child(part, make=make)
            now.close()
            now = following
        yield now
    finally:
        now.close()


@contextmanager
def holder(place: Place, *, make: bool = False) -> Iterator[Folder]:
    """Open the folder that holds a place; see `folder`.

    Raises:
        FileProblem: When the place is a root itself.
    """
    if not place.parts:
        raise FileProblem(f"{place.shown} is a root itself: name something inside it")
    with folder(Place(place.root, place.parts[:-1]), make=make) as found:
        yield found
