"""Leaving out what does not fit: the beginning, the end, both, or what matters most is kept."""

from __future__ import annotations

from vcplab.prompt.purifier.truncating.budget import Budget
from vcplab.prompt.purifier.truncating.strategies import kept_ranges, truncate_edits

__all__ = ["Budget", "kept_ranges", "truncate_edits"]
