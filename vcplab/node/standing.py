"""How a link stands with its server: connected, trying, or closed, and since when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from vcplab.core.clock import current_clock
from vcplab.node.events import LogLevel
from vcplab.node.rows import LinkState

__all__ = ["STATES", "Standing"]

STATES: Final[Mapping[str, LinkState]] = {
    "idle": "connecting", "connecting": "connecting", "open": "open", "waiting": "waiting",
    "closed": "closed",
}  # fmt: skip
"""The state of a link by the phase of its main line's dial."""


class Standing:
    """Follows the state of a link.

    Attributes:
        state: The state.
        problem: What keeps it from its server; None while nothing does.
        since: Since when it is in this state.
        reconnects: How often it was connected anew.
    """

    def __init__(self) -> None:
        self.state: LinkState = "connecting"
        self.problem: str | None = None
        self.since = current_clock().now()
        self.reconnects = 0
        self._was_open = False
        self._before: tuple[LinkState, str | None] = ("connecting", None)

    def change(self, state: LinkState, problem: str | None) -> bool:
        """Take note of a state; whether it is another one.

        Args:
            state: The state.
            problem: What keeps it from its server.
        """
        if (state, problem) == (self.state, self.problem):
            return False
        self._before = (self.state, self.problem)
        if state != self.state:
            self.since = current_clock().now()
        if state == "open":
            self.reconnects += self._was_open
            self._was_open = True
        self.state, self.problem = state, problem
        return True

    def line(self, server: str, name: str) -> tuple[LogLevel, str] | None:
        """What the log says of the latest change; None if nothing that it has not said.

        Args:
            server: The server's address, as it is shown.
            name: How the node calls itself.
        """
        if self.state == "open":
            return "info", f"connected to {server} as {name!r}"
        if self.state == "closed":
            return "info", f"closed the link to {server}"
        if self.problem is None or _uncounted(self.problem) == _uncounted(self._before[1]):
            return None
        return "warning", self.problem


def _uncounted(text: str | None) -> str | None:
    # "… 3 times in a row" is no other problem than twice.
    return None if text is None else re.sub(r"\d+", "#", text)
