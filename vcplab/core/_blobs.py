"""Bytes in files that are named by their own SHA-256. Private: see `vcplab.core.store`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.files import write_atomic

__all__ = ["Blobs"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


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

    @staticmethod
    def _file(folder: Path, digest: str) -> Path:
        return folder / digest[:2] / digest[2:]
