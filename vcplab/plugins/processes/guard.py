"""The guard: knows the running calls, and keeps a watchdog for the day this process dies."""

from __future__ import annotations

import atexit
import itertools
import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from vcplab.plugins.processes.sweeping import MARK, kill_group, sweep

__all__ = ["Guard", "guard"]

_WATCHDOG: Final = Path(__file__).with_name("watchdog.py")
_SETTLE: Final = 0.05


class Guard:
    """Marks the processes of calls, and ends what a call left behind.

    One per process; made by `guard`.
    """

    def __init__(self) -> None:
        self.session = secrets.token_hex(8)
        self._serial = itertools.count(1)
        self._lock = threading.Lock()
        self._active: set[str] = set()
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._sweeping = False
        self._due = False

    def begin(self) -> str:
        """A new call's mark; its processes carry it as `MARK`."""
        mark = f"{self.session}.{next(self._serial)}"
        with self._lock:
            self._active.add(mark)
            self._ensure_watchdog()
        return mark

    def started(self, group: int) -> None:
        """A call's process group began."""
        self._tell(f"+{group}\n")

    def end(self, mark: str, group: int | None) -> None:
        """A call is over: what is left of it ends, soon also what left its group.

        Args:
            mark: Its mark.
            group: Its process group; None if it never started.
        """
        if group is not None:
            kill_group(group)
            self._tell(f"-{group}\n")
        with self._lock:
            self._active.discard(mark)
            self._due = True
            if self._sweeping:
                return
            self._sweeping = True
        threading.Thread(target=self._sweep, name="vcplab-sweeper", daemon=True).start()

    def sweep(self) -> int:
        """Kill the processes of calls that are over; how many there were."""
        prefix = f"{self.session}."

        def doomed(mark: str) -> bool:
            return mark.startswith(prefix) and mark not in self._active

        return sweep(doomed)

    def _sweep(self) -> None:
        # One pass serves all calls that ended meanwhile; a pass costs some milliseconds.
        while True:
            time.sleep(_SETTLE)
            with self._lock:
                if not self._due:
                    self._sweeping = False
                    return
                self._due = False
            while self.sweep():
                pass

    def _tell(self, line: str) -> None:
        with self._lock:
            pipe = self._watchdog.stdin if self._watchdog is not None else None
            if pipe is not None:
                with suppress(OSError, ValueError):
                    pipe.write(line.encode())
                    pipe.flush()

    def _ensure_watchdog(self) -> None:
        if os.name != "posix" or (self._watchdog is not None and self._watchdog.poll() is None):
            return
        arguments = [sys.executable, "-I", "-S", str(_WATCHDOG), str(os.getpid()), self.session]
        environment = {k: v for k, v in os.environ.items() if k != MARK}
        self._watchdog = subprocess.Popen(  # noqa: S603 - our own file
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )

    def close(self) -> None:
        """End what is left, and the watchdog (at exit)."""
        with self._lock:
            self._active.clear()
            watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            assert watchdog.stdin is not None
            with suppress(OSError):
                watchdog.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                watchdog.wait(timeout=5)


_guard: tuple[int, Guard] | None = None
_making = threading.Lock()


def guard() -> Guard:
    """The guard of this process; a forked child gets its own."""
    global _guard
    with _making:
        if _guard is None or _guard[0] != os.getpid():
            _guard = (os.getpid(), Guard())
            atexit.register(_guard[1].close)
        return _guard[1]
