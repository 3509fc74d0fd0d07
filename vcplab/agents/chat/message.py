"""A message of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from vcplab.protocol.messages import Usage

__all__ = ["USER", "ChatMessage", "MessageType"]

#: The id under which the person at the notebook speaks.
USER = "user"

_SHOWN = 80  # characters

MessageType = Literal["chat", "system", "action", "thought", "summary"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChatMessage:
    """What somebody said.

    Attributes:
        id: ``"m1"``, ``"m2"``, …: ``m`` and the number of its event in the log.
        agent_id: Who said it; ``"user"`` for the person at the notebook.
        agent_name: The name that is shown.
        content: The text, without reasoning, heads and tool requests' results.
        type: ``chat``, ``system``, ``action`` (a tool's doing), ``thought`` or ``summary``.
        mentions: Ids of the agents it addresses.
        reply_to: Id of the message that it answers.
        is_public: False for working notes (thoughts, tools' doings), which only full sharing shows.
        visible_to: Ids of those who may see it besides its author; None for everybody.
        round: The round in which it was said, from 1; 0 before the first.
        turn: The number of the agents' turn, from 1; 0 for a person.
        reason: Why this agent spoke.
        reasoning: The model's reasoning, never shown to others.
        usage: Tokens of all model calls of the turn.
        finish_reason: Why the model ended; None if it was cut off.
        interrupted: Whether somebody stopped it.
        images: Pictures: ``data:`` or ``https:`` addresses.
        time: When it was said, if known; not part of the canonical log.
        metadata: JSON-able extras.
    """

    id: str
    agent_id: str
    agent_name: str
    content: str
    type: MessageType = "chat"
    mentions: tuple[str, ...] = ()
    reply_to: str | None = None
    is_public: bool = True
    visible_to: frozenset[str] | None = None
    round: int = 0
    turn: int = 0
    reason: str = ""
    reasoning: str = ""
    usage: Usage = field(default_factory=Usage)
    finish_reason: str | None = "stop"
    interrupted: bool = False
    images: tuple[str, ...] = ()
    time: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        text = self.content if len(self.content) <= _SHOWN else f"{self.content[: _SHOWN - 1]}…"
        marks = [f"to {', '.join(sorted(self.visible_to))}"] if self.visible_to is not None else []
        marks += ["interrupted"] if self.interrupted else []
        told = f" ({'; '.join(marks)})" if marks else ""
        return f"<ChatMessage {self.id} {self.agent_name}{told}: {text!r}>"

    @property
    def from_user(self) -> bool:
        """Whether a person said it."""
        return self.turn == 0 and self.type == "chat"

    @property
    def timestamp(self) -> datetime | None:
        """Seed 002's name of `time`."""
        return self.time
