"""A chat's memory: its log, what the log adds up to, who listens, and what the calls cost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat.events import LIVE_EVENTS, LOGGED_EVENTS, ChatEvent
from vcplab.agents.chat.fold import fold, usage_of
from vcplab.agents.chat.log import ChatLog
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.state import ChatState
from vcplab.core.clock import epoch_ns
from vcplab.core.errors import InvalidDataError, InvalidInputError, VCPError
from vcplab.core.events import EventBus, Subscription
from vcplab.models.chat.ledger import Ledger, LedgerEntry
from vcplab.protocol.ports import ChatModel

__all__ = ["Session"]

#: Events that end a model call, and what the call was for.
_CALLS = {"agent:speak": "speak", "agent:silent": "speak", "model:call": None}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _present() -> datetime:
    """The present moment, in UTC: the machine's own zone is dear to ask for every piece."""
    return _EPOCH + timedelta(microseconds=epoch_ns() // 1000)


#: What an event raises that is not as it should be.
_UNFOLDED = (VCPError, LookupError, TypeError, ValueError, AttributeError)


def _fold(state: ChatState, event: ChatEvent) -> ChatMessage | None:
    return fold(
        state, event.seq or 0, event.type, event.data, time=event.moment, seconds=event.seconds
    )


class Session:
    """The log of a chat and everything that follows from it.

    Args:
        log: The log; what is in it already is folded.
        model: The chat's model, for agents without their own.
        ledger: Where costs go.
        shared: How many of the events were paid for by the chat this one was forked from.
    """

    def __init__(
        self,
        log: ChatLog,
        *,
        model: ChatModel | None = None,
        ledger: Ledger | None = None,
        shared: int = 0,
    ) -> None:
        self.log = log
        self.model = model
        self.models: dict[str, ChatModel] = {}
        self.ledger = Ledger() if ledger is None else ledger
        self.state = ChatState()
        self.bus = EventBus(history=0)
        # Agents join and people speak from other threads than the one that drives.
        self.lock = threading.RLock()
        for event in log.events:
            try:
                _fold(self.state, event)
            except _UNFOLDED as error:
                raise InvalidDataError(
                    f"Event {event.seq} ({event.type}) is not as it should be: {error!r}.",
                    where=f"{log.chat}, line {(event.seq or 0) + 2} of its canonical log",
                    next_step="restore the log; events before it can be loaded by cutting it there",
                ) from error
            if (event.seq or 0) >= shared:
                self._charge(event)

    @property
    def last(self) -> int:
        """The number of the latest event; -1 for an empty log."""
        return len(self.log.events) - 1

    def model_of(self, agent: Agent | None) -> ChatModel:
        """The model that speaks for an agent, or for the chat itself.

        Raises:
            InvalidInputError: There is none.
        """
        model = self.models.get(agent.id) if agent is not None else None
        model = model or self.model
        if model is None:
            raise InvalidInputError(
                f"{'The chat' if agent is None else agent.name} has no model.",
                where="model",
                next_step='give one: GroupChat(…, model="http://127.0.0.1:11434/v1"), or '
                "Agent(…, model=…)",
            )
        return model

    def record(self, type_: str, data: Mapping[str, Any], seconds: float = 0.0) -> ChatEvent:
        """Write an event down, let it change the state, and tell everybody.

        Args:
            type_: One of `LOGGED_EVENTS`.
            data: JSON-able facts.
            seconds: How long what it ends took.

        Returns:
            The event, with the message it made.
        """
        return self.record_all([(type_, data)], seconds)[0]

    def record_all(
        self, facts: Sequence[tuple[str, Mapping[str, Any]]], seconds: float = 0.0
    ) -> list[ChatEvent]:
        """Write events down that belong together: the log has all of them or none.

        Args:
            facts: Type and facts of each.
            seconds: How long what each ends took.

        Returns:
            The events, with the messages they made.

        Raises:
            InvalidInputError: The facts are not what such an event says.
        """
        found = []
        with self.lock:
            prepared = self.log.prepared(facts, _present(), seconds)
            try:
                # First the state, which can be made again, then the file, which cannot.
                for event, _ in prepared:
                    message = _fold(self.state, event)
                    found.append(event if message is None else replace(event, message=message))
                self.log.write(prepared)
            except BaseException as error:
                self._undo()
                if isinstance(error, _UNFOLDED) and not isinstance(error, VCPError):
                    raise InvalidInputError(
                        f"The facts cannot be those of a chat: {error!r}.",
                        where=", ".join(type_ for type_, _ in facts),
                        next_step="give what the events of a chat say (docs/group-chat.md)",
                    ) from error
                raise
            for event, _ in prepared:
                if "usage" in event.data or "error" in event.data:
                    self._charge(event)
        if self.bus.has_subscribers(ChatEvent):
            for event in found:
                self.bus.publish(event)
        return found

    def _undo(self) -> None:
        """Make the state what the log adds up to, where it went further than the file."""
        again = ChatState()
        for event in self.log.events:
            _fold(again, event)
        for one in fields(again):
            setattr(self.state, one.name, getattr(again, one.name))

    def tell(self, type_: str, data: Mapping[str, Any]) -> None:
        """Publish something that only happens live."""
        if self.bus.has_subscribers(ChatEvent):
            self.bus.publish(ChatEvent(type=type_, data=data, time=_present(), chat=self.log.chat))

    def subscribe(
        self, callback: Callable[[ChatEvent], object], type_: str | None = None
    ) -> Subscription:
        """Have a function called with every event, or with those of one type.

        Args:
            callback: Called in the library's thread, in order; it must not block.
            type_: The type; ``"agent:*"`` for all that begin so.

        Raises:
            InvalidInputError: There are no such events, or the callback cannot be called.
        """
        if type_ is not None:
            _check_type(type_)
        if not callable(callback):
            raise InvalidInputError(
                f"{callback!r} cannot be called.",
                where="callback",
                next_step="give a function of one event",
            )
        if type_ is None:
            return self.bus.subscribe(ChatEvent, callback)
        begin = type_[:-1] if type_.endswith("*") else None

        def chosen(event: ChatEvent) -> None:
            if event.type == type_ or (begin is not None and event.type.startswith(begin)):
                callback(event)

        return self.bus.subscribe(ChatEvent, chosen)

    def _charge(self, event: ChatEvent) -> None:
        if event.type not in _CALLS or not ("usage" in event.data or "error" in event.data):
            return
        agent = event.data.get("agent")
        model = event.data.get("model")
        if model is None:
            known = self.state.agents.get(agent) if agent is not None else None
            with suppress(InvalidInputError):
                model = self.model_of(known).name
        self.ledger.add(
            LedgerEntry(
                agent=agent,
                purpose=_CALLS[event.type] or event.data.get("purpose", "speak"),
                model=model or "",
                usage=usage_of(event.data),
                seconds=event.seconds,
                failed="error" in event.data,
            )
        )


def _check_type(given: object) -> None:
    """Refuse what cannot be a type, or is one misspelt; policies have types of their own."""
    known = (*LOGGED_EVENTS, *LIVE_EVENTS)
    close: list[str] = []
    if isinstance(given, str) and given.strip("*"):
        families = {name.partition(":")[0] + ":*" for name in known if ":" in name}
        if given in known or given in families:
            return
        close = get_close_matches(given, [*known, *families], 3, 0.8)
        if not close:
            return
    raise InvalidInputError(
        f"A chat has no events {given!r}.",
        where="type",
        next_step=f"one of: {', '.join(close or known)}",
    )
