"""Where members come from: a folder, a zip, a tar in one of its compressions. Private."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from vcplab.core.errors import InvalidDataError, InvalidInputError
from vcplab.plugins._members import LEFT_OUT, Limits, Member, refuse

__all__ = ["open_source"]

_FREE = 16 * 2**20  # bytes for which no ratio is asked
_LARGEST_READ = 2**20  # tarfile reads long names and extended headers at a stroke
_DIRECTORY_PER_FILE = 2**10
_HEADERS_PER_FILE = 2560  # a tar's: two headers, a path, padding
_MOST_MEMORY = 2**28  # `xz -9` needs 65 MiB; an archive may claim gigabytes
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    RecursionError,
    NotImplementedError,
    struct.error,
    OverflowError,
    UnicodeError,
    ValueError,
)


@contextmanager
def open_source(origin: Path, limits: Limits) -> Iterator[Iterator[Member]]:
    """The members of a folder or archive, each to be read before the next is asked for.

    Raises:
        InvalidInputError: It is neither.
        InvalidDataError: It is damaged, encrypted or too large.
    """
    try:
        if origin.is_dir():
            yield _folder(origin)
            return
        with _opened(origin) as file, closing(_archive(origin, file, limits)) as members:
            yield members
    except InvalidInputError:
        raise
    except _BROKEN as error:
        raise _damaged(origin, error) from error
    except OSError as error:
        if error.errno is None:  # not the system's: bz2 has no error of its own
            raise _damaged(origin, error) from error
        raise InvalidDataError(
            f"The plugin cannot be copied: {error.strerror or error}.",
            where=str(error.filename or origin),
            next_step="See that it can be read and that there is room on the disk.",
        ) from error


def _damaged(origin: Path, error: Exception) -> InvalidDataError:
    return InvalidDataError(
        f"The archive {origin.name!r} is damaged: {str(error) or type(error).__name__}.",
        where=origin.name,
        next_step="Fetch it again; compare its size or hash with the sender's.",
    )


def _opened(origin: Path) -> BinaryIO:
    # Not origin.open(): a named pipe would make it wait for ever.
    try:
        if not stat.S_ISREG(origin.stat().st_mode):
            raise _neither(origin)
        return origin.open("rb")
    except FileNotFoundError as error:
        raise InvalidInputError(
            f"There is no {origin.name!r} to unpack a plugin from.",
            where=str(origin),
            next_step="Give the path of a folder or an archive.",
        ) from error


def _neither(origin: Path) -> InvalidInputError:
    return InvalidInputError(
        f"{origin.name!r} is neither a folder nor an archive that is known here.",
        where=str(origin),
        next_step="Give a folder, .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz.",
    )


def _archive(origin: Path, file: BinaryIO, limits: Limits) -> Generator[Member, None, None]:
    size = os.fstat(file.fileno()).st_size
    whole = limits.total_bytes + limits.files * _HEADERS_PER_FILE
    most = max(_FREE, min(whole, size * limits.ratio))
    head = file.read(512)
    file.seek(0)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zip(origin, file, limits, most)
    if head[:2] == b"\x1f\x8b":
        return _tar(origin, cast(BinaryIO, gzip.GzipFile(fileobj=file)), most)
    if head[:3] == b"BZh":
        return _tar(origin, cast(BinaryIO, bz2.BZ2File(file)), most)
    if head[:6] == b"\xfd7zXZ\x00":
        return _tar(origin, cast(BinaryIO, io.BufferedReader(_Xz(file))), most)
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return _tar(origin, file, most)
    raise _neither(origin)


def _is_old_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


# --- folders


def _folder(origin: Path) -> Iterator[Member]:
    waiting = [("", origin)]
    while waiting:
        prefix, folder = waiting.pop()
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = f"{prefix}{entry.name}"
            if entry.is_symlink():
                yield Member(name, "link", target=os.readlink(entry.path))
            elif entry.is_dir(follow_symlinks=False):
                yield Member(name, "folder")
                if entry.name not in LEFT_OUT:
                    waiting.append((f"{name}/", Path(entry.path)))
            elif entry.is_file(follow_symlinks=False):
                mode = entry.stat(follow_symlinks=False).st_mode
                read = partial(_open_file, Path(entry.path))
                yield Member(name, "file", read, executable=bool(mode & 0o100))
            else:
                yield Member(name, "other")


def _open_file(path: Path) -> BinaryIO:
    # Should somebody swap the file for a link or a pipe meanwhile, neither is followed.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb")


# --- zip


def _zip(origin: Path, file: BinaryIO, limits: Limits, most: int) -> Generator[Member, None, None]:
    _check_directory(origin, file, limits)
    with zipfile.ZipFile(file) as archive:
        budget = _Budget(origin.name, most)
        for info in archive.infolist():
            name, mode = _zip_name(info), info.external_attr >> 16
            if info.flag_bits & 0x1:
                raise refuse(origin.name, name, "is encrypted")
            kind = stat.S_IFMT(mode)
            if name.endswith("/"):
                yield Member(name, "folder" if kind in (0, stat.S_IFDIR) else "other")
            elif kind == stat.S_IFLNK:
                with archive.open(info) as content:
                    raw = content.read(4097)
                target = raw.decode("utf-8") if len(raw) <= 4096 else "/too long"
                yield Member(name, "link", target=target)
            elif info.compress_type not in _COMPRESSIONS:
                raise refuse(origin.name, name, "is compressed in a way that is not read here")
            elif kind in (0, stat.S_IFREG):
                read = partial(_open_zipped, archive, info, budget, name)
                yield Member(name, "file", read, executable=bool(mode & 0o100))
            else:
                yield Member(name, "other")


def _open_zipped(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: _Budget, name: str
) -> BinaryIO:
    return cast(BinaryIO, _Counted(cast(BinaryIO, archive.open(info)), budget, name))


def _zip_name(info: zipfile.ZipInfo) -> str:
    # As written, not as `zipfile` trims it at a NUL.
    name = info.orig_filename
    if not info.flag_bits & 0x800 and not name.isascii():
        # Without the flag the standard says cp437; tools write the system's encoding.
        raw = name.encode("cp437", errors="replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    return name.replace("\\", "/")  # some tools on Windows write them


def _check_directory(origin: Path, file: BinaryIO, limits: Limits) -> None:
    """Refuse a list of members that would fill the memory before it could be counted."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 65_557 - 20))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it has no list of members")
    count, length = struct.unpack_from("<HI", tail, at + 10)
    is_64 = b"PK\x06\x07" in tail[max(0, at - 20) : at]
    if is_64 or count > limits.files or length > limits.files * _DIRECTORY_PER_FILE:
        raise InvalidDataError(
            f"The archive {origin.name!r} has more members than the {limits.files:,} allowed.",
            where=origin.name,
            next_step="Pack the plugin alone.",
        )


# --- tar


def _tar(origin: Path, file: BinaryIO, most: int) -> Generator[Member, None, None]:
    budget = _Budget(origin.name, most)
    counted = cast(Any, _Counted(file, budget, "header"))
    with file, tarfile.open(fileobj=counted, mode="r:", errors="surrogateescape") as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # or it keeps every header
            counted.name = info.name
            if info.isdir():
                yield Member(info.name, "folder")
            elif info.issym():
                yield Member(info.name, "link", target=info.linkname)
            elif info.islnk():
                yield Member(info.name, "same", target=info.linkname)
            elif info.isreg() and info.sparse is None and not info.issparse():
                read = partial(_open_packed, archive, info)
                yield Member(info.name, "file", read, executable=bool(info.mode & 0o100))
            else:
                yield Member(info.name, "other")
        # To `tarfile` a broken header is an end like any other.
        if counted.last.strip(b"\0"):
            raise tarfile.ReadError("it breaks off")
        # The checksums of gzip and xz stand at the very end.
        while counted.read(_LARGEST_READ):
            pass


def _open_packed(archive: tarfile.TarFile, info: tarfile.TarInfo) -> BinaryIO:
    content = archive.extractfile(info)
    assert content is not None, "a regular file has content"
    return cast(BinaryIO, content)


class _Xz(io.RawIOBase):
    """What an xz file unpacks to, with a limit on memory, which `lzma.LZMAFile` has not."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            packed = b""
            if self._stream.eof:
                # Several streams may follow one another, with zeros in between.
                packed = self._stream.unused_data or self._file.read(_LARGEST_READ)
                packed = packed.lstrip(b"\0")
                if not packed:
                    return 0
                self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)
            elif self._stream.needs_input:
                packed = self._file.read(_LARGEST_READ)
                if not packed:
                    raise EOFError("it breaks off")
            data = self._stream.decompress(packed, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)


# --- limits


class _Budget:
    """Bytes that may come out of one archive."""

    def __init__(self, source: str, most: int) -> None:
        self.source = source
        self.left = most

    def spend(self, amount: int, name: str) -> None:
        self.left -= amount
        if self.left < 0:
            raise refuse(self.source, name, "unpacks to far more than the archive's size allows")


class _Counted:
    """A file that is read forwards, and whose bytes are counted as they come."""

    def __init__(self, file: BinaryIO, budget: _Budget, name: str) -> None:
        self._file = file
        self._budget = budget
        self._at = 0
        self.name = name
        self.last = b""

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def tell(self) -> int:
        return self._at

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or place < self._at:
            raise tarfile.ReadError("it cannot be read from front to back")
        while self._at < place and self.read(min(_LARGEST_READ, place - self._at)):
            pass
        return self._at

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise refuse(self._budget.source, self.name, "has a header that is too long")
        data = self.last = self._file.read(size)
        self._at += len(data)
        self._budget.spend(len(data), self.name)
        return data
