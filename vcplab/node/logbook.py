"""The log of a node: its latest lines, free of secrets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from vcplab.core.clock import current_clock
from vcplab.core.events import EventBus
from vcplab.node.events import LogLevel, NodeLogged
from vcplab.node.rows import LogLine

__all__ = ["LogBook"]

_KEPT: Final = 1_000


class LogBook:
    """Keeps lines, and tells those who listen.

    Args:
        events: Where lines are told.
        clean: Takes secrets out of a text.
    """

    def __init__(self, events: EventBus, clean: Callable[[str], str]) -> None:
        self._events = events
        self._clean = clean
        self._lines: deque[LogLine] = deque(maxlen=_KEPT)

    def note(self, level: LogLevel, link: str, text: str) -> None:
        """Write a line.

        Args:
            level: How grave it is.
            link: The link that it is about; empty for the node itself.
            text: The line.
        """
        line = LogLine(current_clock().now(), level, link, self._clean(text))
        self._lines.append(line)
        self._events.publish(NodeLogged(link=link, level=level, text=line.text))

    def latest(self, limit: int) -> list[LogLine]:
        """The latest lines, oldest first.

        Args:
            limit: How many at most.
        """
        return list(self._lines)[-limit:] if limit > 0 else []
