"""The pulse of the library's loop: notices when the loop stood still.

A C call that holds the GIL, or a computation on the loop's own thread, stops every connection of
this process. Nothing that was due in that time may count against the other side::

    pulse = loop_pulse()
    pulse.hold()
    before = pulse.awake()
    ...
    pulse.awake() - before        # seconds in which the loop was able to work
    pulse.stalls                  # (Stall(at=…, seconds=12.4),)
    pulse.release()
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError, LoopError

__all__ = ["Listening", "Pulse", "Stall", "loop_pulse"]

_logger = logging.getLogger(__name__)
_KEPT = 20


@dataclass(frozen=True, slots=True)
class Stall:
    """A time in which the loop stood still.

    Attributes:
        at: When it began, as far as the ticks tell, timezone-aware.
        seconds: How long it lasted.
    """

    at: datetime
    seconds: float


class Listening:
    """A callback's place on a pulse, made by `Pulse.listen`; close it, or use it in a ``with``."""

    def __init__(self, pulse: Pulse, callback: Callable[[Stall], object]) -> None:
        self._pulse = pulse
        self._callback = callback

    def close(self) -> None:
        """Take the callback off; a second call does nothing."""
        self._pulse._forget(self)

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Pulse:
    """Ticks on an asyncio loop while it is held, and takes late ticks for stalls.

    Any thread may read it. `hold` and `release` are called where the loop runs.

    Args:
        tick: Seconds between ticks.
        longest: A tick that comes later than this many seconds was held up by a stall.

    Raises:
        InvalidInputError: A time that is not above zero.
    """

    def __init__(self, tick: float = 0.1, longest: float = 0.5) -> None:
        if not (tick > 0 and longest > 0):
            raise InvalidInputError(
                f"A pulse cannot tick every {tick!r} s and allow {longest!r} s.",
                where="tick, longest",
                next_step="pass seconds above zero",
            )
        self.tick = tick
        self.longest = longest
        self._lock = threading.Lock()
        self._holders = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None
        # When the next tick is due, and what earlier stalls took: one value, read without a lock.
        self._told: tuple[float | None, float] = (None, 0.0)
        self._stalls: deque[Stall] = deque(maxlen=_KEPT)
        self._listeners: tuple[Listening, ...] = ()

    def __repr__(self) -> str:
        beating = "beating" if self.is_beating else "at rest"
        return f"<Pulse {beating}: {self.total:.1f} s lost in stalls>"

    @property
    def is_beating(self) -> bool:
        """Whether it ticks at present."""
        return self._told[0] is not None and self._loop is not None and not self._loop.is_closed()

    @property
    def stalls(self) -> tuple[Stall, ...]:
        """The latest 20 stalls, the oldest first."""
        return tuple(self._stalls)

    @property
    def total(self) -> float:
        """Seconds lost in all stalls that are over."""
        return self._told[1]

    def awake(self) -> float:
        """Seconds, from an arbitrary start, in which the loop was able to work.

        This is ``time.monotonic()`` without the stalls; one that goes on at this moment, or whose
        late tick has not been looked at yet, is left out already.
        """
        now = time.monotonic()
        due, lost = self._told
        if due is not None:
            late = now - due
            if late > self.longest and self.is_beating:
                lost += late
        return now - lost

    def hold(self) -> None:
        """Let it tick on the running loop until as many `release` follow.

        If it ticks already, on whichever loop, that goes on.

        Raises:
            LoopError: No loop runs here.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise LoopError(
                "A pulse can only be held where a loop runs.",
                where="Pulse.hold",
                next_step="call it in a coroutine, e.g. one given to vcplab.core.loop.run()",
            ) from None
        with self._lock:
            if self._loop is not None and self._loop.is_closed():
                # Who held it there is gone with that loop.
                self._holders, self._loop, self._handle = 0, None, None
            self._holders += 1
            if self._loop is None:
                self._loop = loop
                self._next()

    def release(self) -> None:
        """Undo one `hold`; the last one stops the ticks."""
        with self._lock:
            if self._holders == 0:
                return
            self._holders -= 1
            if self._holders:
                return
            loop, handle = self._loop, self._handle
            self._loop = self._handle = None
            self._told = (None, self._told[1])
        if loop is None or handle is None or loop.is_closed():
            return
        if loop is _running_loop():
            handle.cancel()
        else:
            loop.call_soon_threadsafe(handle.cancel)

    def listen(self, callback: Callable[[Stall], object]) -> Listening:
        """Call a function after each stall, on the loop.

        Args:
            callback: Gets the `Stall`; what it raises is logged.

        Returns:
            The place; ``close()`` takes the callback off.
        """
        listening = Listening(self, callback)
        with self._lock:
            self._listeners = (*self._listeners, listening)
        return listening

    def _forget(self, listening: Listening) -> None:
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listening)

    def _next(self) -> None:
        assert self._loop is not None
        self._told = (time.monotonic() + self.tick, self._told[1])
        self._handle = self._loop.call_later(self.tick, self._beat, self._loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            due, lost = self._told
            if loop is not self._loop or due is None:
                return  # released from another thread a moment ago
            late = time.monotonic() - due
            stalled = late > self.longest
            if stalled:
                self._told = (due, lost + late)
            self._next()
            listeners = self._listeners
        if not stalled:
            return
        stall = Stall(current_clock().now() - timedelta(seconds=late), late)
        self._stalls.append(stall)
        for listening in listeners:
            try:
                listening._callback(stall)
            except Exception:
                _logger.exception("a listener to stalls of the loop failed")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_pulse = Pulse()


def loop_pulse() -> Pulse:
    """The process's one pulse, of the library's loop."""
    return _pulse
