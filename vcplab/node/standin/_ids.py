"""Ids as upstream makes them: base-36 milliseconds, a dash and seven random characters."""

from __future__ import annotations

import random
import time
from collections.abc import Container

from vcplab.core.clock import current_clock
from vcplab.node.standin.quirks import Quirks

__all__ = ["Ids"]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LENGTH = 7


class Ids:
    """Makes ids (facts/vcp-protocol §4.1, §4.5; facts/sdk-and-neko A4 for the SDK's).

    Args:
        quirks: Whose ids.
        rng: For the random part.
    """

    def __init__(self, quirks: Quirks, rng: random.Random) -> None:
        self._rng = rng
        self._is_sdk = quirks.dialect == "intellicore"
        # Asked once: a call's id is made on the path that benchmarks measure.
        now = current_clock().now().timestamp()
        self._offset = int(now * 1000) - int(time.monotonic() * 1000)

    def node(self, taken: Container[str]) -> tuple[str, str]:
        """Server id and client id of a new node."""
        client_id = f"{_base36(self._now())}-{self._tail()}"
        server_id = f"dist-{client_id}"
        if self._is_sdk:
            while (server_id := self._sdk_node()) in taken:
                self._offset += 1
        return server_id, client_id

    def call(self, taken: Container[str]) -> str:
        """The id of a call."""
        while True:
            if self._is_sdk:
                made = f"req-{self._now()}-{self._tail()}"
            else:
                made = f"{_base36(self._now())}-{self._tail()}"
            if made not in taken:
                return made

    def file(self) -> str:
        """The id of the SDK's question for a file."""
        return f"file-{self._now()}-{self._tail()}"

    def _sdk_node(self) -> str:
        return f"dist-{self._rng.randrange(10)}-{self._now()}"

    def _now(self) -> int:
        return int(time.monotonic() * 1000) + self._offset

    def _tail(self) -> str:
        return _base36(self._rng.randrange(36**_LENGTH)).rjust(_LENGTH, "0")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
