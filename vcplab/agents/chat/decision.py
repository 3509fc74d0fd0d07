"""A decision of a policy: who speaks, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Action", "Ask", "Decision", "Note"]

Action = Literal["respond", "ask", "summarize", "delegate", "conclude"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether an agent speaks (facts/vcp-agents §1).

    Attributes:
        agent_id: The agent.
        priority: 0 to 100 and above; higher speaks earlier.
        reason: Why, in a sentence that a person reads.
        should_speak: Whether it speaks; a decision against speaking says why not.
        action: What it is asked to do: ``respond``, ``ask``, ``summarize``, ``delegate`` or
            ``conclude``.
    """

    agent_id: str
    priority: float = 50
    reason: str = ""
    should_speak: bool = True
    action: Action = "respond"

    @property
    def suggested_action(self) -> Action:
        """Seed 002's name of `action`."""
        return self.action


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a model that a policy yields; the runtime performs and logs it.

    The policy is sent a `ChatReply`, or an exception where the model failed. A policy that yields
    a list of questions is sent a list of these, asked at the same time.

    Attributes:
        text: The question, put after the conversation as the agent sees it.
        agent_id: Who is asked, by its own model and prompt; None for the chat's model.
        purpose: ``"select"``, ``"position"``, …: how ledgers and the log name the call.
        schema: JSON Schema that the answer has to follow.
        history: Whether the conversation goes before the question.
        system: System text where no agent is asked.
    """

    text: str
    agent_id: str | None = None
    purpose: str = "select"
    schema: Mapping[str, Any] | None = None
    history: bool = True
    system: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a policy yields for the log; the runtime sends None.

    Attributes:
        type: The event's type, e.g. ``"consensus:reached"``.
        data: JSON-able facts.
    """

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
