"""What a long-running command prints: a line for each change, until somebody stops it.

Events come in other threads; they are queued, and the main thread prints. So a reader that leaves
(``| head``) ends the command as it ends any other.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from vcplab.core.clock import current_clock
from vcplab.core.display import printable

if TYPE_CHECKING:
    from vcplab.node.events import NodeEvent
    from vcplab.node.link import Link

__all__ = ["Follower", "until_stopped"]

# Ctrl-C cannot interrupt a longer wait on Windows.
_STEP = 0.25
_LONGEST = 160


class Follower:
    """Queues what happens, and prints it.

    Args:
        verbose: Also print when calls begin, and with which arguments.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._queue: queue.SimpleQueue[NodeEvent | str | None] = queue.SimpleQueue()
        self._link: Link | None = None
        self._tools: dict[str, str] = {}
        self._stopped = False

    def follow(self, link: Link) -> None:
        """Print the tools of this link as they are registered and withdrawn."""
        self.print_waiting()  # what led to the link comes before its tools
        self._link = link
        self._queue.put("")

    def tell(self, event: NodeEvent | str) -> None:
        """Queue an event, or a line; from any thread."""
        self._queue.put(event)

    def stop(self) -> None:
        """End `print_until_stopped`; from any thread or signal handler."""
        self._queue.put(None)

    def print_waiting(self) -> None:
        """Print what is queued."""
        while True:
            try:
                self._print(self._queue.get_nowait())
            except queue.Empty:
                return

    def print_until_stopped(self, look: Callable[[], Iterable[str]] = tuple) -> None:
        """Print what comes until `stop` or Ctrl-C.

        Args:
            look: Gives further lines; called again and again.
        """
        try:
            while not self._stopped:
                for line in look():
                    self._print(line)
                try:
                    self._print(self._queue.get(timeout=_STEP))
                except queue.Empty:
                    continue
        except KeyboardInterrupt:
            self._stopped = True

    def _print(self, event: NodeEvent | str | None) -> None:
        if event is None:
            self._stopped = True
            return
        for line in [event] if isinstance(event, str) and event else self._lines(event):
            print(f"{current_clock().now():%H:%M:%S}  {printable(line)}", flush=True)

    def _lines(self, event: NodeEvent | str) -> list[str]:
        from vcplab.node.events import CallEnded, CallStarted, ExposureChanged, NodeLogged

        if isinstance(event, NodeLogged):
            return [event.text if event.level == "info" else f"{event.level}: {event.text}"]
        if isinstance(event, CallEnded):
            call = event.call
            signed = f" for {call.maid}" if call.maid else ""
            why = f": {call.error}" if call.error else ""
            state = call.state.replace("_", " ")
            return [_cut(f"{call.tool} {state} in {call.ms:.0f} ms{signed}{why}")]
        if isinstance(event, CallStarted) and self._verbose:
            return [_cut(f"{event.call.tool} called: {event.call.arguments}")]
        if isinstance(event, ExposureChanged | str):
            return self._tool_lines()
        return []

    def _tool_lines(self) -> list[str]:
        """What became of the tools since last time."""
        if self._link is None:
            return []
        now = {tool.name: tool.state for tool in self._link.status().tools}
        ready = {name for name, state in now.items() if state == "registered"}
        before = {name for name, state in self._tools.items() if state == "registered"}
        gone = set(self._tools) - set(now)
        self._tools = dict(now)
        lines = []
        if fresh := sorted(ready - before):
            lines.append(f"registered: {', '.join(fresh)}")
        if gone:
            lines.append(f"withdrawn: {', '.join(sorted(gone))}")
        return lines


@contextmanager
def until_stopped(follower: Follower) -> Iterator[None]:
    """Let a request to end (SIGTERM) stop the follower, as Ctrl-C does.

    Args:
        follower: What is stopped.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return

    def stop(number: int, frame: FrameType | None) -> None:
        follower.stop()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
