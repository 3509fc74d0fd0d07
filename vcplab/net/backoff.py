"""How long to wait before dialling again: exponential back-off with full jitter.

"Full jitter" (AWS Architecture Blog, "Exponential Backoff and Jitter"): the wait is drawn evenly
from zero to the present limit, so that many nodes whose server restarts do not come back at once.
"""

from __future__ import annotations

import random
import time

from vcplab.core.errors import InvalidInputError

__all__ = ["Backoff"]

# Doubling further than this changes nothing: no limit is that high.
_MOST_DOUBLINGS = 40


class Backoff:
    """Counts failures and draws the wait after each.

    Args:
        first: The limit of the first wait in seconds; it doubles with each further failure.
        longest: The highest limit in seconds.
        stable_after: Only a connection that was open for this many seconds ends the counting; one
            that opens and is lost at once, again and again, does not.
        rng: Where chance comes from; one's own, freshly seeded generator if None.

    Raises:
        InvalidInputError: A time below zero, or ``longest`` below ``first``.
    """

    def __init__(
        self,
        first: float = 5.0,
        longest: float = 60.0,
        stable_after: float = 30.0,
        rng: random.Random | None = None,
    ) -> None:
        if not 0 <= first <= longest:
            raise InvalidInputError(
                f"Waits cannot grow from {first!r} s to {longest!r} s.",
                where="first, longest",
                next_step="pass 0 <= first <= longest, in seconds",
            )
        if not stable_after >= 0:
            raise InvalidInputError(
                f"A connection cannot be stable after {stable_after!r} s.",
                where="stable_after",
                next_step="pass seconds, 0 or more",
            )
        self.first = first
        self.longest = longest
        self.stable_after = stable_after
        self._rng = random.Random() if rng is None else rng  # noqa: S311 - no secret hangs on it
        self._failures = 0
        self._opened: float | None = None

    def __repr__(self) -> str:
        return f"<Backoff {self._failures} failures, next wait up to {self.limit:g} s>"

    @property
    def failures(self) -> int:
        """Failures since the last stable connection."""
        return self._failures

    @property
    def limit(self) -> float:
        """The longest wait that `delay` can draw now, in seconds."""
        doublings = min(max(self._failures - 1, 0), _MOST_DOUBLINGS)
        return min(self.longest, self.first * 2.0**doublings)

    def opened(self) -> None:
        """Note that a connection has opened; one before it ended without a failure."""
        self._settle()
        self._opened = time.monotonic()

    def lost(self) -> None:
        """Count a failure: an attempt that failed, or a connection that was lost."""
        self._settle()
        self._failures += 1

    def delay(self) -> float:
        """Draw how many seconds to wait: evenly from 0 to `limit`."""
        return self._rng.uniform(0.0, self.limit)

    def _settle(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None and time.monotonic() - opened >= self.stable_after:
            self._failures = 0
