"""Named folders whose files other nodes may fetch, and nothing else (facts/vcp-protocol §4.7).

::

    roots = Roots()
    roots.add("figures", "~/work/figures")
    roots.read("file:///figures/a.png").mime        # 'image/png'
    roots.read("file:///etc/passwd")                # NotFoundError

Upstream's nodes serve any path; here a file must really lie in a named folder, whatever links and
dots its address goes through. Files that hold settings or keys are not served from there either.
"""

from __future__ import annotations

import mimetypes
import os
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vcplab.core.errors import InvalidInputError, NotFoundError, VCPError, VCPErrorCode
from vcplab.node._file_urls import Place, read_file_url

__all__ = ["Roots", "ServedFile"]

# In base64 four bytes carry three; the rest of a frame of 100 MiB fits into what is left.
_LARGEST: Final = (100 * 2**20 - 2**16) // 4 * 3
_NAME: Final = re.compile(r"\w[\w.-]{0,63}")
_PRIVATE_SUFFIXES: Final = frozenset(
    {".env", ".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk"}
)
_PRIVATE_NAMES: Final = frozenset({"vcplab.toml", "id_rsa", "id_ed25519", "id_ecdsa", "id_dsa"})
_MIMES: Final = {
    ".webp": "image/webp", ".avif": "image/avif", ".md": "text/markdown", ".flac": "audio/flac",
    ".opus": "audio/opus", ".ogg": "audio/ogg", ".m4a": "audio/mp4", ".mkv": "video/x-matroska",
    ".ipynb": "application/json", ".jsonl": "application/x-ndjson", ".gz": "application/gzip",
    ".bz2": "application/x-bzip2", ".xz": "application/x-xz",
}  # fmt: skip
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_STEPWISE: Final = os.open in os.supports_dir_fd and _NO_FOLLOW != 0


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file that was asked for.

    Attributes:
        data: What it holds.
        mime: Its type, judged by its name.
        name: Its name, without folders.
    """

    data: bytes = field(repr=False)
    mime: str
    name: str


class Roots:
    """Named folders from which files are served.

    Reading blocks; on a loop, do it in a worker.

    Args:
        largest: Bytes that a file may have; by default, what fits into a frame of 100 MiB.
        carries: Says whether a known secret stands in a file's bytes; such files are refused.
    """

    def __init__(
        self, *, largest: int = _LARGEST, carries: Callable[[bytes], bool] | None = None
    ) -> None:
        self._folders: dict[str, Path] = {}
        self._largest = largest
        self._carries = carries

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order in which they came."""
        return tuple(self._folders)

    def add(self, name: str, path: str | Path) -> None:
        """Share a folder; another one of the same name is replaced.

        Args:
            name: Its name in addresses, ``file:///<name>/…``: letters, digits, ``.``, ``-``,
                ``_``, at least two; capitals do not count.
            path: The folder.

        Raises:
            InvalidInputError: The name is impossible, or the path is no folder or a whole drive.
        """
        fits = isinstance(name, str) and _NAME.fullmatch(name) is not None
        if not fits or len(name) < 2 or name.casefold() == "localhost":
            raise InvalidInputError(
                f"{name!r} cannot be the name of a shared folder.",
                where="name",
                next_step='give two or more letters, digits, "-", "_" or ".", e.g. "figures"',
            )
        folder = Path(os.path.realpath(os.path.expanduser(path)))
        if not folder.is_dir():
            raise InvalidInputError(
                f"There is no folder to share as {name!r}.",
                where="path",
                next_step="give the path of a folder that exists",
            )
        if folder == folder.parent:
            raise InvalidInputError(
                "A whole drive is not shared.",
                where="path",
                next_step="give the folder with the files that others need",
            )
        kept = {known: at for known, at in self._folders.items() if not _alike(known, name)}
        self._folders = {**kept, name: folder}

    def remove(self, name: str) -> None:
        """Share a folder no more.

        Args:
            name: Its name.

        Raises:
            NotFoundError: There is none of this name.
        """
        kept = {known: at for known, at in self._folders.items() if not _alike(known, name)}
        if len(kept) == len(self._folders):
            raise NotFoundError(
                f"No folder is shared as {name!r}.", where="name", next_step=self._advice()
            )
        self._folders = kept

    def read(self, url: str) -> ServedFile:
        """Read a file that another node asks for.

        Args:
            url: ``file:///<name>/a/b.png``, ``file://<name>/a/b.png``, or an absolute path of this
                machine as an address or as a path, of POSIX or of Windows, also with ``~/``. It is
                served only when it really lies in a shared folder. Addresses are percent-decoded,
                once; paths are not.

        Returns:
            The file.

        Raises:
            InvalidInputError: This is no address of a file, or the file is too large.
            NotFoundError: It is in no shared folder, not there, or no file; which of these is not
                told.
        """
        if not isinstance(url, str):
            raise InvalidInputError(
                f"A file's address is a text, not {type(url).__name__}.",
                where="fileUrl",
                next_step=self._advice(),
            )
        try:
            places = read_file_url(url)
        except ValueError as error:
            raise InvalidInputError(
                f"This is no address of a file: {error}.",
                where="fileUrl",
                next_step=self._advice(),
            ) from None
        folders = self._folders
        for place in places:
            for path in _candidates(place, folders):
                try:
                    found = self._read(path, folders)
                except VCPError:
                    raise
                except (OSError, ValueError):
                    continue  # not there, or no path that this system can have
                if found is not None:
                    return found
        raise NotFoundError(
            "No shared folder holds the file that was asked for.",
            where="fileUrl",
            next_step=self._advice(),
        )

    def _read(self, path: str, folders: dict[str, Path]) -> ServedFile | None:
        """The file at a path; None if it is in none of the folders, or none to be served."""
        real = os.path.realpath(path, strict=True)
        for folder in folders.values():
            steps = _steps(real, folder)
            if not steps:
                continue
            if any(map(_is_private, steps)):
                continue  # a folder in it may be shared by itself
            data = self._content(folder, steps)
            if data is None or (self._carries is not None and self._carries(data)):
                return None
            return ServedFile(data, _mime(steps[-1]), steps[-1])
        return None

    def _content(self, folder: Path, steps: tuple[str, ...]) -> bytes | None:
        handle = _open(folder, steps)
        if handle is None:
            return None
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return None
            # One more, for files that grow at this moment.
            data = b"" if facts.st_size > self._largest else file.read(self._largest + 1)
        if max(facts.st_size, len(data)) > self._largest:
            raise InvalidInputError(
                f"The file is larger than {self._largest} bytes, which is what a frame can carry.",
                code=VCPErrorCode.TOOL_EXECUTION_FAILED,
                where="fileUrl",
                next_step="ask for a smaller file, or bring it over in another way",
            )
        return data

    def _advice(self) -> str:
        if not self._folders:
            return "no folder is shared here: lab.node.share(name, path) shares one"
        return f"ask for file:///<name>/<file>; shared folders: {', '.join(self._folders)}"

    def __repr__(self) -> str:
        return f"<Roots: {', '.join(self._folders) or 'no folder is shared'}>"


def _alike(one: str, other: object) -> bool:
    # Hosts in addresses lose their capitals on the way.
    return isinstance(other, str) and one.casefold() == other.casefold()


def _candidates(place: Place, folders: dict[str, Path]) -> list[str]:
    """The paths that a place may mean."""
    if place.kind == "named":
        return [
            os.path.join(folder, *place.steps)
            for name, folder in folders.items()
            if _alike(name, place.root) and place.steps
        ]
    if place.kind == "home":
        return [os.path.join(Path.home(), *place.steps)]
    windows = sys.platform == "win32"
    if place.kind == "posix":
        return [] if windows else [place.path]
    if place.kind == "share" and not any(_same_share(place.path, f) for f in folders.values()):
        return []  # to look would already send a name and a password's hash to that machine
    return [place.path] if windows else []


def _same_share(path: str, folder: Path) -> bool:
    host = "/".join(path.replace("\\", "/").split("/")[:4])
    return folder.as_posix().casefold().startswith(host.casefold() + "/")


def _steps(real: str, folder: Path) -> tuple[str, ...]:
    """The way from a folder to a file in it; empty if it is not there."""
    try:
        return Path(real).relative_to(folder).parts
    except ValueError:
        return ()


def _is_private(step: str) -> bool:
    """Whether a file or folder of this name holds settings, keys or what is hidden."""
    folded = step.casefold()
    return (
        folded.startswith(".")
        or folded in _PRIVATE_NAMES
        or os.path.splitext(folded)[1] in _PRIVATE_SUFFIXES
        or ".env." in folded
    )


def _open(folder: Path, steps: tuple[str, ...]) -> int | None:
    """Open a file whose real path is known, so that no link that was put there since is followed.

    Returns:
        Its descriptor; None for what is no plain file.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    # A pipe would wait for somebody who writes.
    last = flags | getattr(os, "O_NONBLOCK", 0) | _NO_FOLLOW
    if not _STEPWISE:
        path = folder.joinpath(*steps)
        plain = stat.S_ISREG(path.lstat().st_mode)
        return os.open(path, last) if plain else None
    at = os.open(folder, flags | os.O_DIRECTORY | _NO_FOLLOW)
    try:
        for step in steps[:-1]:
            inner = os.open(step, flags | os.O_DIRECTORY | _NO_FOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        # Opening a device may already do something.
        if not stat.S_ISREG(os.stat(steps[-1], dir_fd=at, follow_symlinks=False).st_mode):
            return None
        return os.open(steps[-1], last, dir_fd=at)
    finally:
        os.close(at)


def _mime(name: str) -> str:
    suffix = os.path.splitext(name)[1].casefold()
    # The table of Python alone: those of the system differ from machine to machine.
    known = mimetypes.MimeTypes().types_map[True]
    return _MIMES.get(suffix) or known.get(suffix) or "application/octet-stream"
