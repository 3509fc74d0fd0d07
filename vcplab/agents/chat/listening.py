"""One ear for many chats; who comes late is told what he missed."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Self

from vcplab.agents.chat.events import ChatEvent
from vcplab.core.errors import InvalidInputError

__all__ = ["Broadcast", "Listening"]

_logger = logging.getLogger("vcplab.agents")
_REMEMBERED: Final = 10_000  # events of a chat; the pieces of a long round are many


class Listening:
    """A callback's place: close it, call it (as seed 002's ``unsubscribe()``), or use ``with``.

    Made by `Broadcast.subscribe`. The callback gets one event at a time, in order.

    Args:
        broadcast: Where it listens.
        callback: Called with every event.
        chat: Only events of this chat; None for all.
    """

    def __init__(
        self, broadcast: Broadcast, callback: Callable[[ChatEvent], object], chat: str | None
    ) -> None:
        self.chat = chat
        self.closed = False
        self._broadcast = broadcast
        self._callback = callback
        self._waiting: deque[ChatEvent] = deque()
        self._lock = threading.Lock()
        self._busy = False
        self._failed = False

    def close(self) -> None:
        """Listen no more."""
        self.closed = True
        self._broadcast.leave(self)

    __call__ = close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def put(self, event: ChatEvent) -> None:
        """Keep an event for `hand_out`."""
        self._waiting.append(event)

    def hand_out(self) -> None:
        """Call the callback with what waits, unless another thread is about it."""
        while True:
            with self._lock:
                if self._busy or not self._waiting:
                    return
                self._busy = True
                event = self._waiting.popleft()
            try:
                if not self.closed:
                    self._callback(event)
            except Exception:
                # One listener's fault is not the chat's, nor the others'.
                # Its first is told as an error: what fails once mostly fails on every event.
                level = logging.DEBUG if self._failed else logging.ERROR
                self._failed = True
                _logger.log(level, "A listener failed on %s", event.type, exc_info=True)
            finally:
                self._busy = False

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Listening to {self.chat or 'every chat'}, {state}>"


class Broadcast:
    """Hands events of several chats to those who listen, each in order.

    What has happened in a chat since a person last spoke is remembered, and told to new listeners
    first: whoever subscribes right after a call that began something misses nothing of it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Listening, ...] = ()
        self._remembered: dict[str, deque[ChatEvent]] = {}

    def publish(self, event: ChatEvent) -> None:
        """Hand an event to everybody.

        Args:
            event: The event.
        """
        with self._lock:
            kept = self._remembered.setdefault(event.chat, deque(maxlen=_REMEMBERED))
            if event.type == "user:speak":
                kept.clear()
            kept.append(event)
            # Two threads may publish: the order is that in which they come here.
            concerned = [one for one in self._listeners if one.chat in (None, event.chat)]
            for one in concerned:
                one.put(event)
        for one in concerned:
            one.hand_out()

    def subscribe(
        self, callback: Callable[[ChatEvent], object], chat: str | None = None
    ) -> Listening:
        """Have a function called with every event.

        Args:
            callback: Takes an event; it must not block.
            chat: Only events of this chat; None for all.

        Raises:
            InvalidInputError: ``callback`` cannot be called.
        """
        if not callable(callback):
            raise InvalidInputError(
                f"{callback!r} cannot be called.",
                where="callback",
                next_step="give a function of one event",
            )
        listening = Listening(self, callback, chat)
        with self._lock:
            for name, kept in self._remembered.items():
                if chat in (None, name):
                    for event in kept:
                        listening.put(event)
            self._listeners = (*self._listeners, listening)
        listening.hand_out()
        return listening

    def leave(self, listening: Listening) -> None:
        """Take a listener off."""
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listening)

    def forget(self, chat: str) -> None:
        """Drop what is remembered of a chat."""
        with self._lock:
            self._remembered.pop(chat, None)
