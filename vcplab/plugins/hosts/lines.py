"""Standard error as lines of a log: live, and bounded when it floods."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["LogLines"]

_LIVE: Final = 200
_TAIL: Final = 100
_LONGEST: Final = 4000


class LogLines:
    """Hands lines on as they come: the first 200 of a call at once, of the rest the last 100.

    Args:
        log: Takes a line.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self._count = 0
        self._tail: deque[str] = deque(maxlen=_TAIL)

    def feed(self, data: bytes) -> None:
        """Take a piece of standard error."""
        *lines, self._begun = (self._begun + self._decode.decode(data)).split("\n")
        for line in lines:
            self._take(line)
        if len(self._begun) > _LONGEST:
            self._take(self._begun)
            self._begun = ""

    def close(self) -> None:
        """Hand on what is left."""
        rest = self._begun + self._decode.decode(b"", final=True)
        if rest:
            self._take(rest)
        self._begun = ""
        left_out = self._count - _LIVE - len(self._tail)
        if left_out > 0:
            self._log(f"… {left_out} lines left out …")
        for line in self._tail:
            self._log(line)
        self._tail.clear()

    def _take(self, line: str) -> None:
        self._count += 1
        line = line.rstrip("\r")[:_LONGEST]
        if self._count <= _LIVE:
            self._log(line)
        else:
            self._tail.append(line)
