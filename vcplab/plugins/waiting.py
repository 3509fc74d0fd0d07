"""Moments to come, and waiting for them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError

__all__ = ["moment_of", "until"]

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


def moment_of(text: str) -> datetime:
    """The moment that ``timely_contact`` names (facts/vcp-protocol §1.2).

    Args:
        text: ``YYYY-MM-DD-HH:mm[:ss]``, local time, in the future.

    Raises:
        InvalidInputError: It is no such time, or past.
    """
    now = current_clock().now()
    for form in ("%Y-%m-%d-%H:%M", "%Y-%m-%d-%H:%M:%S"):
        try:
            due = datetime.strptime(text.strip(), form).replace(tzinfo=now.tzinfo)
        except ValueError:
            continue
        if due > now:
            return due
        raise InvalidInputError(
            f"{text} is past.", where="timely_contact", next_step="give a time in the future"
        )
    raise InvalidInputError(
        f"{text!r} is no time.", where="timely_contact", next_step="write YYYY-MM-DD-HH:mm"
    )
