"""The lab: a folder on disk and everything that is wired to it, a facet per room."""

from __future__ import annotations

from vcplab.lab.lab import Lab
from vcplab.lab.trace import TraceFacet

__all__ = ["Lab", "TraceFacet"]
