"""A process beside the kernel that keeps its links while a C call holds the GIL."""

from __future__ import annotations

from vcplab.node.sidecar.process import Sidecar

__all__ = ["Sidecar"]
