"""Ends the children of a process that died. Standard library only; run by its path.

Arguments: the process's id and the session's mark. Standard input: ``+<group>`` and ``-<group>``
lines; its end, or another parent, means that the process is gone.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

# `python watchdog.py` puts the file's own folder on the path, except with -I.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from sweeping import descendants, kill, kill_group, sweep  # type: ignore[import-not-found]


def watch(parent: int, session: str) -> None:
    """Wait for the end of a process, then end what it left behind."""
    groups: set[int] = set()
    waiting = b""
    while os.getppid() == parent:
        ready, _, _ = select.select([0], [], [], 0.5)
        if not ready:
            continue
        data = os.read(0, 65536)
        if not data:
            break
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            if line[:1] == b"+":
                groups.add(int(line[1:]))
            elif line[:1] == b"-":
                groups.discard(int(line[1:]))
    quiet = 0
    until = time.monotonic() + 10
    # Twice nothing: a process may fork while it is looked for.
    while quiet < 2 and time.monotonic() < until:
        # The trees before their roots: what lost its parent is found by its mark alone.
        trees = [descendants(group) for group in groups]
        found = sum(kill_group(group) for group in groups) + sum(map(kill, trees))
        groups.clear()
        found += sweep(lambda mark: mark.startswith(session + "."))
        quiet = 0 if found else quiet + 1
        time.sleep(0.02)


if __name__ == "__main__":
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    watch(int(sys.argv[1]), sys.argv[2])
