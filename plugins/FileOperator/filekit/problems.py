"""The errors a caller can mend, and system errors put into words."""

from __future__ import annotations

import errno
from typing import Any

__all__ = ["FileProblem", "in_words"]


class FileProblem(Exception):
    """An operation was not done; the text says why and what to do next.

    Args:
        text: The whole message.
        result: What was done before, where that is worth telling (batches).
    """

    def __init__(self, text: str, result: Any = None) -> None:
        super().__init__(text)
        self.result = result


_WORDS = {
    errno.EACCES: "the system denies access: ask for permission, or use another file",
    errno.EPERM: "the system does not permit it: use another file",
    errno.ENOENT: "it does not exist: see what is there with ListDirectory",
    errno.ENOTDIR: "a part of the path is not a folder: see what is there with ListDirectory",
    errno.EISDIR: "it is a folder: name a file in it",
    errno.ENOSPC: "the disk is full: free some space",
    errno.EROFS: "the disk is read-only: choose another root",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ELOOP: "it is a link, or became one while it was opened: name the real file",
    errno.EINVAL: "the system refuses it: a folder cannot move into itself, and some names are "
    "not allowed",
    errno.EXDEV: "it lies on another disk: copy it with CopyFile and delete the old one",
    errno.EEXIST: "the name is taken: choose another one",
    errno.EMFILE: "too many files are open: try again",
}


def in_words(error: OSError, what: str) -> FileProblem:
    """Put a system error into words, without any path of the machine.

    Args:
        error: The error.
        what: What was being done, for example ``ReadFile docs:a.txt``.

    Returns:
        The problem to raise.
    """
    words = _WORDS.get(error.errno or 0, f"{error.strerror or error}: see the file with FileInfo")
    return FileProblem(f"{what}: {words}")
