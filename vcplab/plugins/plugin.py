"""One plugin as the manager knows it, and the row that tells of it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from vcplab.core.errors import VCPError
from vcplab.plugins.hosts.base import Version
from vcplab.plugins.manifest import Manifest
from vcplab.plugins.trust import TrustState

__all__ = ["Plugin", "PluginRow", "PluginState"]

PluginState: TypeAlias = Literal[
    "ready", "disabled", "untrusted", "changed", "broken", "clash", "waiting", "unsupported"
]
_TIMES = 1000
_LINES = 1000


@dataclass(frozen=True, slots=True)
class PluginRow:
    """What is told of a plugin.

    Attributes:
        name: Its name.
        display_name: Its name for people.
        description: What it does.
        version: Its version, as its manifest says.
        type: Its type, in VCPToolBox's words.
        dialect: The dialect of its manifest.
        host: What runs it.
        state: ``ready``, ``disabled``, ``untrusted``, ``changed`` (since it was trusted),
            ``broken``, ``clash`` (another bears its name), ``waiting`` (for another) or
            ``unsupported``.
        problem: Why it is not ready, or why its last reload failed; None if all is well.
        calls: How often it was called.
        errors: How often that failed.
        p95: Milliseconds that 95 % of its last thousand calls did not exceed; None before one.
        callable: Whether it is a tool.
        watched: Whether edits are loaded by themselves.
        source: Its folder, ``kernel``, or the node it belongs to.
    """

    name: str
    display_name: str
    description: str
    version: str
    type: str
    dialect: str
    host: str
    state: PluginState
    problem: str | None
    calls: int
    errors: int
    p95: float | None
    callable: bool
    watched: bool
    source: str


class Plugin:
    """A plugin's place in the manager.

    Attributes:
        key: What tells it from all others: its folder, ``kernel:<name>`` or
            ``node:<server>:<name>``.
        folder: Its folder; None for functions and other nodes' tools.
        manifest: Its manifest; None while it cannot be read.
        error: Why it cannot be read or loaded.
        blocked: Whether its manifest's file name switches it off.
        trust: Whether its folder may run.
        digest: The hash of what its folder holds.
        watched: Whether edits are loaded by themselves.
        lenient: Whether its replies are read leniently, whatever its dialect.
        enabled: Whether it is switched on.
        version: What is called; None while it is not loaded.
        previous: The version before, until the present one has shown that it works.
        reload_error: Why the last reload did not come into force.
        run_error: Why the last run of a static plugin failed.
        lock: Held while its version changes.
    """

    def __init__(self, key: str, name: str, *, folder: Path | None = None) -> None:
        self.key = key
        self.name = name
        self.folder = folder
        self.manifest: Manifest | None = None
        self.error: VCPError | None = None
        self.blocked = False
        self.trust: TrustState = "trusted"
        self.digest = ""
        self.watched = False
        self.lenient = False
        self.enabled = True
        self.version: Version | None = None
        self.previous: Version | None = None
        self.reload_error: str | None = None
        self.run_error: str | None = None
        self.lock = asyncio.Lock()
        self.overrides: dict[str, Any] = {}
        # "kernel:<name>", "node:<server>:<name>"
        origin = key.removeprefix("node:").rpartition(":")[0]
        self.source = str(folder) if folder is not None else origin
        self.lines: deque[str] = deque(maxlen=_LINES)
        self.calls = 0
        self.errors = 0
        self._times: deque[float] = deque(maxlen=_TIMES)
        self._lock = threading.Lock()

    def count(self, milliseconds: float, *, failed: bool) -> None:
        """Count a call."""
        with self._lock:
            self.calls += 1
            self.errors += failed
            self._times.append(milliseconds)

    @property
    def p95(self) -> float | None:
        """Milliseconds that 95 % of the last calls did not exceed (nearest rank)."""
        with self._lock:
            times = sorted(self._times)
        return times[-(-len(times) * 95 // 100) - 1] if times else None

    def row(self, state: PluginState, problem: str | None) -> PluginRow:
        """Its row.

        Args:
            state: Its state, which the manager knows.
            problem: Why it is not ready.
        """
        manifest = self.manifest
        return PluginRow(
            name=self.name,
            display_name=manifest.display_name if manifest else self.name,
            description=manifest.description if manifest else "",
            version=manifest.version if manifest else "",
            type=manifest.type if manifest else "",
            dialect=manifest.dialect if manifest else "",
            host=manifest.host if manifest else "",
            state=state,
            problem=problem or self.reload_error or self.run_error,
            calls=self.calls,
            errors=self.errors,
            p95=self.p95,
            callable=manifest is not None and manifest.callable,
            watched=self.watched,
            source=self.source,
        )

    def __repr__(self) -> str:
        return f"<Plugin {self.name} from {self.source}>"
