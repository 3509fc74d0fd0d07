"""Files that are either the old ones or the new ones, never half of both."""

from __future__ import annotations

import itertools
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["write_atomic"]

_serial = itertools.count()


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Replace a file's content in one step.

    The data goes to a temporary file in the same folder, is flushed to the disk, and takes the old
    file's place by ``os.replace``. Whoever reads at that moment, and whoever restarts after a
    crash, finds the old content or the new. A link is followed; the old file's mode is kept.

    Args:
        path: The file; its folder must exist.
        data: Bytes, or text that is written as UTF-8 with its line ends as they are.

    Raises:
        OSError: The folder is missing or cannot be written; the old file is untouched.
        UnicodeEncodeError: The text holds a lone surrogate; the old file is untouched.
    """
    target = Path(os.path.realpath(path))
    content = data.encode("utf-8") if isinstance(data, str) else data
    temporary = target.parent / f".{target.name[:80]}.{os.getpid()}-{next(_serial)}.tmp"
    # A process of the same id may have been killed here before: its leavings are overwritten.
    with suppress(FileNotFoundError):
        temporary.unlink()
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            temporary.chmod(target.stat().st_mode & 0o777)
        _replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def _replace(temporary: Path, target: Path) -> None:
    # Windows refuses for the moment in which somebody (a virus scanner) has the file open.
    for _ in range(20 if sys.platform == "win32" else 0):
        try:
            temporary.replace(target)
        except PermissionError:
            time.sleep(0.05)
        else:
            return
    temporary.replace(target)


def _sync_folder(folder: Path) -> None:
    # The renaming survives a power cut only when the folder is flushed; Windows has no such call.
    if os.name == "posix":
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
