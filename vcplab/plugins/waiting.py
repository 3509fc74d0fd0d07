"""Waiting for a time of day."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from vcplab.core.clock import current_clock

__all__ = ["until"]

_PIECE: Final = 30.0


async def until(due: datetime) -> float:
    """Wait until a moment, by the clock in force.

    Args:
        due: The moment.

    Returns:
        Seconds by which it is late: a machine that slept does not count its sleep.
    """
    left = (due - current_clock().now()).total_seconds()
    while left > 0:
        # In pieces, because the loop's own clock stands still while a machine sleeps.
        await asyncio.sleep(min(left, _PIECE))
        left = (due - current_clock().now()).total_seconds()
    return -left
