"""Bytes in files that are named by their own SHA-256. Private: see `vcplab.core.store`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.files import write_atomic

__all__ = ["Blobs"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
# What `write_atomic` leaves where it is killed.
_TEMPORARY = re.compile(r"\.[0-9a-f]{62}\.\d+-\d+\.tmp")


class Blobs:
    """A folder ``ab/cdef…`` of blobs.

    Args:
        folder: Where they lie; made when the first is written. None keeps them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[str, bytes] = {}

    def write(self, data: bytes) -> str:
        """Store bytes once; returns their SHA-256 in hexadecimal."""
        digest = hashlib.sha256(data).hexdigest()
        if self._folder is None:
            self._memory[digest] = data
            return digest
        file = self._file(self._folder, digest)
        try:
            # Compared in full, so that storing the bytes again also mends a damaged file.
            if not file.is_file() or file.read_bytes() != data:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(file, data)
        except OSError as error:
            raise StateError(
                f"A blob cannot be written: {error.strerror}.",
                where=str(file),
                next_step="Check that the folder may be written and that the disk is not full.",
            ) from error
        return digest

    def read(self, digest: str, what: str) -> bytes:
        """The bytes of a hash, verified.

        Args:
            digest: A SHA-256 in hexadecimal.
            what: Which key refers to it, for messages.

        Raises:
            StateError: They are missing, damaged or cannot be read.
            InvalidInputError: Not a digest.
        """
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise InvalidInputError(
                "A blob is named by its SHA-256: 64 digits 0-9a-f.",
                where=f"digest {str(digest)[:80]!a}",
                next_step="Pass what put_blob() returned.",
            )
        try:
            if self._folder is None:
                data = self._memory[digest]
            else:
                data = self._file(self._folder, digest).read_bytes()
        except (FileNotFoundError, KeyError):
            problem = "is missing"
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        else:
            if hashlib.sha256(data).hexdigest() == digest:
                return data
            problem = "is damaged"
        raise StateError(
            f"The blob {digest} of {what!a} {problem}.",
            where=str(self._folder or "memory"),
            next_step="Restore the folder from a copy, or store the value again.",
            details={"key": what, "hash": digest},
        )

    def has(self, digest: str) -> bool:
        """Whether the bytes are there (not whether they are sound)."""
        if self._folder is None:
            return digest in self._memory
        return self._file(self._folder, digest).is_file()

    def remove(self, digest: str) -> int:
        """Remove a blob; how many bytes that freed (0 where it is gone or in use)."""
        if self._folder is None:
            return len(self._memory.pop(digest, b""))
        return _remove(self._file(self._folder, digest))

    def written(self) -> dict[str, float]:
        """Digest → when it was last written, in seconds of the epoch, of all that are there."""
        if self._folder is None:
            return dict.fromkeys(self._memory, 0.0)
        found: dict[str, float] = {}
        for file in self._files():
            digest = file.parent.name + file.name
            if _DIGEST.fullmatch(digest):
                with suppress(OSError):
                    found[digest] = file.stat().st_mtime
        return found

    def remove_temporary(self, before: float) -> int:
        """Remove what killed writers left before that second of the epoch; the bytes freed."""
        freed = 0
        for file in self._files():
            if _TEMPORARY.fullmatch(file.name):
                with suppress(OSError):
                    if file.stat().st_mtime < before:
                        freed += _remove(file)
        return freed

    def _files(self) -> Iterator[Path]:
        # Only names that are ours: what else lies in the folder is none of our business.
        if self._folder is not None and self._folder.is_dir():
            yield from self._folder.glob("[0-9a-f][0-9a-f]/*")

    @staticmethod
    def _file(folder: Path, digest: str) -> Path:
        return folder / digest[:2] / digest[2:]


def _remove(file: Path) -> int:
    try:
        size = file.stat().st_size
        file.unlink()
    except OSError:
        return 0  # already gone, or open elsewhere (Windows): the next collection finds it
    return size
