"""What the manager and a host know of each other."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from vcplab.plugins.manifest import Manifest
from vcplab.plugins.tasks import Task
from vcplab.protocol.results import OutputSource

if TYPE_CHECKING:
    from pathlib import Path

    from vcplab.plugins.snapshots import Snapshot

__all__ = ["Call", "Host", "Version"]

_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool.

    Attributes:
        tool: The tool.
        arguments: Its arguments, checked.
        id: The call's identifier.
        maid: Who signed it.
        origin: Where it came from: ``notebook``, ``answer``, ``panel`` or a node's name.
        timeout: Seconds that it may take; None for the plugin's own limit.
        silent: Whether nobody waits for its result (``archery: no_reply``).
        task: The task that it belongs to, if it was submitted as one.
        log: Takes lines for the plugin's log.
    """

    tool: str
    arguments: Mapping[str, Any]
    id: str = ""
    maid: str | None = None
    origin: str = "notebook"
    timeout: float | None = None
    silent: bool = False
    task: Task | None = None
    log: Callable[[str], None] = field(default=print, repr=False)


class Version:
    """One version of a plugin: what was loaded at one moment, until its last call has ended.

    Attributes:
        number: Counts versions in this process.
        manifest: Its manifest.
        snapshot: The copy of its folder that it runs from; None for functions.
        source: Its real folder.
        target: What its host runs, for hosts without a folder (a function's specification).
        overrides: Settings of the lab.
        proven: Whether a call has shown that it works.
    """

    def __init__(
        self,
        manifest: Manifest,
        snapshot: Snapshot | None = None,
        *,
        source: Path | None = None,
        target: Any = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self.number = next(_serial)
        self.manifest = manifest
        self.snapshot = snapshot
        self.source = source
        self.target = target
        self.overrides = dict(overrides or {})
        self.proven = False
        self._active = 0
        self._idle: Callable[[], object] | None = None
        self._lock = threading.Lock()

    def enter(self) -> None:
        """A call begins."""
        with self._lock:
            self._active += 1

    def leave(self) -> None:
        """A call ended; the last one of a retired version ends it."""
        with self._lock:
            self._active -= 1
            idle = self._idle if self._active == 0 else None
            if idle is not None:
                self._idle = None
        if idle is not None:
            idle()

    def retire(self, when_idle: Callable[[], object]) -> None:
        """No new calls: do something once the last one has ended."""
        with self._lock:
            if self._active:
                self._idle = when_idle
                return
        when_idle()

    @property
    def active(self) -> int:
        """How many calls run."""
        return self._active

    def __repr__(self) -> str:
        return f"<Version {self.number} of {self.manifest.name}, {self._active} calls>"


class Host(Protocol):
    """Runs the calls of a version."""

    @property
    def source(self) -> OutputSource:
        """How its output is normalised (facts/vcp-protocol §1.5)."""
        ...

    async def call(self, version: Version, call: Call) -> Any:
        """Run a call, on the library's loop.

        Raises:
            ToolFailure: It failed.
        """
        ...

    async def close(self) -> None:
        """End what is left."""
        ...
