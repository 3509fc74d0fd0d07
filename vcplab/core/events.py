"""Typed frozen events: one bus, handlers that cannot harm each other, bounded streams.

::

    @dataclass(frozen=True, kw_only=True, slots=True)
    class ToolCalled(Event):
        tool: str

    bus = EventBus()
    with bus.subscribe(ToolCalled, print):
        bus.publish(ToolCalled(tool="SuperDice"))
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from vcplab.core._texts import error_text
from vcplab.core.clock import current_clock
from vcplab.core.errors import InvalidInputError

__all__ = ["Event", "EventBus", "EventStream", "HandlerFailed", "Subscription"]

_logger = logging.getLogger(__name__)


def _now() -> datetime:
    return current_clock().now()


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened. Subclasses are frozen keyword-only dataclasses too.

    Attributes:
        time: When, timezone-aware; the current clock's present moment unless given.
    """

    time: datetime = field(default_factory=_now)


@dataclass(frozen=True, kw_only=True, slots=True)
class HandlerFailed(Event):
    """A handler raised an exception; the other handlers ran all the same.

    Attributes:
        event: What it was handling.
        handler: The handler's name.
        error_type: The exception's class name.
        message: The exception's text.
    """

    event: Event
    handler: str
    error_type: str
    message: str


E = TypeVar("E", bound=Event)


class Subscription:
    """A handler's place on a bus: close it, or use it as a context manager.

    Made by ``EventBus.subscribe``.
    """

    __slots__ = ("_bus", "_closed", "_failed", "event_type", "handler")

    def __init__(
        self, bus: EventBus, event_type: type[Event], handler: Callable[[Any], object]
    ) -> None:
        self._bus = bus
        self._closed = self._failed = False
        self.event_type = event_type
        self.handler = handler

    @property
    def closed(self) -> bool:
        """Whether the handler has been taken off."""
        return self._closed

    def close(self) -> None:
        """Take the handler off; a second call does nothing.

        No call of the handler begins after this returns. One that runs in another thread at this
        moment is not waited for.
        """
        self._closed = True
        self._bus._remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Subscription {self.event_type.__name__} -> {_name_of(self.handler)}, {state}>"


class EventBus:
    """Hands events to the handlers that subscribed to their type or to a base of it.

    Publishing is synchronous and safe from any thread. Events of one thread reach every handler
    in the order in which that thread published them; an event that a handler publishes is handed
    out after the one being handled, before the outermost ``publish`` returns.

    Args:
        history: How many of the latest events are remembered.

    Raises:
        InvalidInputError: ``history`` is negative.
    """

    def __init__(self, *, history: int = 1000) -> None:
        if history < 0:
            raise InvalidInputError(
                f"A bus cannot remember {history} events.",
                where="history",
                next_step="pass 0 to remember none",
            )
        # Re-entrant, because the garbage collector may close a subscription inside our own lock.
        self._lock = threading.RLock()
        self._subscriptions: tuple[Subscription, ...] = ()
        self._asked: dict[type[Event], bool] = {}
        self._history: deque[Event] = deque(maxlen=history)
        self._local = threading.local()

    def subscribe(self, event_type: type[E], handler: Callable[[E], object]) -> Subscription:
        """Have a function called with every event of a type.

        Args:
            event_type: The class of events; its subclasses match too.
            handler: A plain function, called in the publisher's thread; its result is ignored.

        Returns:
            The subscription, which holds until it is closed.

        Raises:
            InvalidInputError: ``event_type`` is no event class or ``handler`` cannot be called
                synchronously.
        """
        _check_event_type(event_type)
        if not callable(handler):
            raise InvalidInputError(
                f"{handler!r} cannot be called.",
                where="handler",
                next_step="pass a function of one event",
            )
        if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
            raise InvalidInputError(
                f"{_name_of(handler)} is asynchronous, but handlers run in the publisher's thread.",
                where="handler",
                next_step="iterate over `bus.stream(...)` with `async for` instead",
            )
        subscription = Subscription(self, event_type, handler)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
            self._asked = {}
        return subscription

    def has_subscribers(self, event_type: type[Event]) -> bool:
        """Whether anybody would be told of events of a type; asked where making one is dear."""
        known = self._asked  # whoever subscribes meanwhile puts a new one in its place
        if event_type not in known:
            wanted = (one.event_type for one in self._subscriptions)
            known[event_type] = any(issubclass(event_type, one) for one in wanted)
        return known[event_type]

    def publish(self, event: Event) -> None:
        """Remember an event and hand it to every matching handler, in order of subscription.

        A handler that raises is reported as a ``HandlerFailed`` event and, the first time, logged
        (later at DEBUG); the others run. KeyboardInterrupt and its like are raised after them.

        Args:
            event: The event.

        Raises:
            InvalidInputError: It is no event.
        """
        if not isinstance(event, Event):
            raise InvalidInputError(
                f"A {type(event).__name__} is not an event.",
                where="event",
                next_step="publish an instance of a subclass of vcplab.core.events.Event",
            )
        with self._lock:
            self._history.append(event)
        pending: deque[Event] | None = getattr(self._local, "pending", None)
        if pending is not None:  # called by a handler in this thread
            pending.append(event)
            return
        self._local.pending = pending = deque([event])
        interrupt: BaseException | None = None
        try:
            while pending:
                interrupt = self._hand_out(pending.popleft()) or interrupt
        finally:
            self._local.pending = None
        if interrupt is not None:
            raise interrupt

    def _hand_out(self, event: Event) -> BaseException | None:
        interrupt: BaseException | None = None
        for subscription in self._subscriptions:
            if subscription._closed or not isinstance(event, subscription.event_type):
                continue
            try:
                subscription.handler(event)
            except Exception as error:
                self._report(event, subscription, error)
            except BaseException as error:
                interrupt = error
        return interrupt

    def _report(self, event: Event, subscription: Subscription, error: Exception) -> None:
        name = _name_of(subscription.handler)
        log = _logger.debug if subscription._failed else _logger.error
        subscription._failed = True
        log("handler %s failed on %s", name, type(event).__name__, exc_info=error, stacklevel=2)
        # A handler of failures that fails itself is only logged, or there would be no end.
        if not isinstance(event, HandlerFailed):
            kind, text = type(error).__name__, error_text(error)
            failure = HandlerFailed(event=event, handler=name, error_type=kind, message=text)
            self.publish(failure)

    def stream(self, event_type: type[E], *, maxsize: int = 1000) -> EventStream[E]:
        """Collect events of a type for ``async for``, from now on.

        Args:
            event_type: The class of events; its subclasses match too.
            maxsize: How many events wait at most; then the oldest is dropped and counted, and no
                publisher ever waits.

        Returns:
            The stream, usable from any loop. Close it, or use it in a ``with`` block.

        Raises:
            InvalidInputError: ``event_type`` is no event class or ``maxsize`` is below 1.
        """
        _check_event_type(event_type)
        if maxsize < 1:
            raise InvalidInputError(
                f"A stream cannot hold {maxsize} events.",
                where="maxsize",
                next_step="pass 1 or more",
            )
        stream: EventStream[E] = EventStream(maxsize)
        stream._subscription = self.subscribe(event_type, stream._push)
        return stream

    def history(self, n: int | None = None) -> tuple[Event, ...]:
        """The latest events, oldest first.

        Args:
            n: How many at most; None for all that are remembered.

        Returns:
            The events, in order of publication.

        Raises:
            InvalidInputError: ``n`` is negative.
        """
        if n is not None and n < 0:
            raise InvalidInputError(
                f"Cannot return {n} events.", where="n", next_step="pass 0 or more, or None"
            )
        with self._lock:
            events = tuple(self._history)
        return events if n is None else events[len(events) - min(n, len(events)) :]

    def _remove(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
            self._asked = {}

    def __repr__(self) -> str:
        return f"<EventBus {len(self._subscriptions)} handlers, {len(self._history)} events>"


class EventStream(Generic[E]):
    """A bounded asynchronous iterator over events; made by ``EventBus.stream``.

    After ``close`` the events that still wait are delivered, then the iteration ends.
    """

    def __init__(self, maxsize: int) -> None:
        self._lock = threading.RLock()
        self._buffer: deque[E] = deque()
        self._maxsize = maxsize
        self._dropped = 0
        self._closed = False
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._subscription: Subscription | None = None

    @property
    def dropped(self) -> int:
        """How many events were lost because the reader was too slow."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """Whether the stream has been taken off its bus."""
        return self._closed

    def close(self) -> None:
        """Take the stream off its bus and end the iteration; a second call does nothing."""
        if self._subscription is not None:
            self._subscription.close()
        with self._lock:
            self._closed = True
            self._wake()

    async def aclose(self) -> None:
        """The same as ``close``, under the name that asynchronous iterators use."""
        self.close()

    def _push(self, event: E) -> None:
        with self._lock:
            if self._closed:
                return
            if len(self._buffer) >= self._maxsize:
                self._buffer.popleft()
                self._dropped += 1
            self._buffer.append(event)
            self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for loop, future in waiters:
            try:
                loop.call_soon_threadsafe(_resolve, future)
            except RuntimeError:
                _logger.debug("the loop of a reader was closed while it waited")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        while True:
            with self._lock:
                if self._buffer:
                    return self._buffer.popleft()
                if self._closed:
                    raise StopAsyncIteration
                loop = asyncio.get_running_loop()
                waiter = (loop, loop.create_future())
                self._waiters.append(waiter)
            # Nothing is taken before the wait is over, so a cancelled reader loses no event.
            try:
                await waiter[1]
            finally:
                with self._lock:
                    if waiter in self._waiters:
                        self._waiters.remove(waiter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<EventStream {len(self._buffer)} waiting, {self._dropped} dropped, {state}>"


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _check_event_type(event_type: object) -> None:
    if not (isinstance(event_type, type) and issubclass(event_type, Event)):
        raise InvalidInputError(
            f"{event_type!r} is not a class of events.",
            where="event_type",
            next_step="pass Event for all events, or a subclass of it",
        )


def _name_of(handler: object) -> str:
    return str(getattr(handler, "__qualname__", None) or type(handler).__name__)
