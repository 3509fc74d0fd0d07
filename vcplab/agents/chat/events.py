"""Events of a chat: what its log is made of, and what only happens live."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from vcplab.agents.chat.message import ChatMessage
from vcplab.core.events import Event

__all__ = ["LIVE_EVENTS", "LOGGED_EVENTS", "UNKNOWN", "ChatEvent", "canonical_line"]

#: The time of an event whose time is not known.
UNKNOWN: Final = datetime.min.replace(tzinfo=UTC)

#: Types that stand in the log, with what their data say. Seed 002's names where it has one.
LOGGED_EVENTS: Final[Mapping[str, str]] = {
    "chat:start": "started, or started again: topic, and the options the first time",
    "chat:end": "ended: reason, kind, summary",
    "agent:join": "an agent takes part: agent (its fields)",
    "agent:leave": "an agent takes part no more: agent",
    "agent:invite": "somebody gives an agent the floor: agent, context",
    "user:speak": "a person says something: text, user, to, images, during (a step)",
    "round:start": "who speaks in this round: round, speakers (agent, priority, reason, action)",
    "round:end": "the round is over: round, cut where it was broken off",
    "handoff": "an agent's words call others: agent, speakers, refused",
    "agent:speak": "an agent says something: agent, text, usage, seen (last event it knew), left, "
    "tools_refused",
    "agent:silent": "an agent's turn gave nothing: agent, why, error",
    "model:call": "a model call that is not a turn's last: agent, purpose, text, usage",
    "tool:call": "a tool is about to run: agent, tool, arguments",
    "tool:result": "what came of it: agent, text",
    "position": "an agent's stance: agent, stance, confidence, reason",
    "consensus:reached": "enough agree: stance, agreement, quorum",
    "consensus:failed": "the last round passed without agreement",
    "conflict:detected": "two camps: agents, topic",
    "timeout": "a time limit passed: reason",
    "message:removed": "a message was taken back: message, why",
    "mode:changed": "another speaking mode: mode",
    "topic:updated": "another topic: topic",
    "options:changed": "opened or forked with other options: changes, seed",
    "approval": "a person allowed or refused something: kind, agent, approved, why",
}

#: Types that are published and not logged.
LIVE_EVENTS: Final[Mapping[str, str]] = {
    "agent:thinking": "an agent's turn begins: agent, turn, round, reason, priority",
    "agent:stream": "a piece of a reply: agent, turn, chunk",
    "approval:asked": "a person has to decide: id, kind, agent, text",
    "approval:given": "a person decided: id, approved",
    "status": "the chat's state changed: status",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatEvent(Event):
    """Something that happened in a chat.

    Attributes:
        type: One of `LOGGED_EVENTS` or `LIVE_EVENTS`.
        data: JSON-able facts.
        seq: Its number in the log, from 0; None for an event that only happens live.
        message: The message it makes, if any.
        chat: The chat's id.
        seconds: How long what it ends took: a turn, a decision, a call. Not part of the canonical
            log, and 0 where it is not known.
    """

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int | None = None
    message: ChatMessage | None = None
    chat: str = ""
    seconds: float = 0.0

    @property
    def moment(self) -> datetime | None:
        """When it happened; None where only the canonical log is left, which does not say."""
        return None if self.time == UNKNOWN else self.time

    @property
    def session_id(self) -> str:
        """Seed 002's name of `chat`."""
        return self.chat

    @property
    def agent_id(self) -> str | None:
        """The agent concerned, if it is one."""
        agent = self.data.get("agent")
        return agent.get("id", agent.get("name")) if isinstance(agent, Mapping) else agent

    @property
    def line(self) -> str:
        """It as a line of the canonical log."""
        return canonical_line(self.seq or 0, self.type, self.data)

    def __repr__(self) -> str:
        number = "live" if self.seq is None else self.seq
        return f"<ChatEvent {number} {self.type} {_short(dict(self.data))}>"


def canonical_line(seq: int, type_: str, data: Mapping[str, Any]) -> str:
    """One event as JSON, the same bytes for the same event in every process.

    Keys are sorted, texts stand as they are in UTF-8, and no wall time is part of it.

    Args:
        seq: The event's number.
        type_: Its type.
        data: Its facts.
    """
    return _encode({**data, "seq": seq, "type": type_})


_encode = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
).encode


def _short(data: dict[str, Any]) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in data.items())
    return text if len(text) <= 120 else f"{text[:117]}…"
