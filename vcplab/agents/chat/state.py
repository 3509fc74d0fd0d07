"""What a chat's log adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.core.errors import NotFoundError
from vcplab.protocol.messages import Usage

__all__ = ["ChatState", "Mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a chat had come when it was started (again): limits count from here.

    Attributes:
        rounds: Rounds begun.
        turns: Agents' turns.
        messages: Messages said.
        tokens: Tokens consumed.
        seconds: Seconds of turns and decisions.
    """

    rounds: int = 0
    turns: int = 0
    messages: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(slots=True, repr=False)
class ChatState:
    """The fold of a chat's events; policies and stopping conditions read it and change nothing.

    Attributes:
        agents: The agents by id, in the order in which they joined.
        messages: The messages, oldest first, without those that were taken back.
        mode: Name of the speaking mode.
        topic: What the chat is about.
        summary: How it ended.
        is_active: Whether it was started and not ended.
        round: Rounds begun; the number of the present one.
        in_round: Whether a round is going on.
        turns: Agents' turns so far, failed ones included.
        queue: Who is still to speak in this round, next first.
        decisions: Decisions taken.
        spoke: Number of turns taken, by agent id.
        last_turn: Number of the latest turn, by agent id.
        silent_rounds: Rounds in a row in which nobody spoke.
        usage: Tokens of every call, selecting and voting included.
        seconds: Seconds of turns and decisions, as measured (0 in a replay).
        chains: Who called whom: for each agent with the floor by a hand-off, those before it.
        handoffs: Hand-offs in this round.
        audience: Ids of those to whom this round is private; None for a public one.
        audiences: The same for single turns that are to be otherwise, by agent id.
        positions: The latest position of each agent, by id.
        consensus: What was agreed, if anything.
        disagreement: That the last round of a consensus passed without agreement, if it did.
        start: How far it had come at the latest start.
        config: The chat's options, JSON-able.
        seed: The seed of its random choices.
    """

    agents: dict[str, Agent] = field(default_factory=dict)
    messages: list[ChatMessage] = field(default_factory=list)
    mode: str = "sequential"
    topic: str = ""
    summary: str = ""
    is_active: bool = False
    round: int = 0
    in_round: bool = False
    turns: int = 0
    queue: list[Decision] = field(default_factory=list)
    decisions: int = 0
    spoke: dict[str, int] = field(default_factory=dict)
    last_turn: dict[str, int] = field(default_factory=dict)
    silent_rounds: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    handoffs: int = 0
    audience: frozenset[str] | None = None
    audiences: dict[str, frozenset[str] | None] = field(default_factory=dict)
    positions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    consensus: Mapping[str, Any] | None = None
    disagreement: Mapping[str, Any] | None = None
    start: Mark = field(default_factory=Mark)
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    @property
    def speakers(self) -> list[Agent]:
        """The agents that may speak of their own accord: active, and no observers."""
        return [agent for agent in self.agents.values() if not agent.listens_only]

    @property
    def host(self) -> Agent | None:
        """The host: the agent the options name, else the first with that role."""
        named = self.config.get("host")
        if named is not None and named in self.agents:
            return self.agents[named]
        return next((a for a in self.speakers if a.role == "host"), None)

    @property
    def last_message(self) -> ChatMessage | None:
        """The latest message to everybody."""
        return next(
            (m for m in reversed(self.messages) if m.is_public and m.visible_to is None), None
        )

    @property
    def last_user_message(self) -> ChatMessage | None:
        """The latest thing a person said."""
        return next((m for m in reversed(self.messages) if m.from_user), None)

    @property
    def last_speaker(self) -> str | None:
        """Id of the agent that took the latest turn."""
        return max(self.last_turn, key=self.last_turn.__getitem__, default=None)

    def snapshot(self) -> Self:
        """The state as it is now, which later events do not change."""
        copied = replace(self)
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, list | dict):
                setattr(copied, one.name, value.copy())
        return copied

    def __repr__(self) -> str:
        status = "active" if self.is_active else "not active"
        return (
            f"<ChatState {self.mode}, {status}: {len(self.agents)} agents, "
            f"{len(self.messages)} messages, round {self.round}, {self.turns} turns>"
        )

    def audience_of(self, who: str) -> frozenset[str] | None:
        """Ids of those to whom an agent's next turn is private; None for a public one."""
        return self.audiences.get(who, self.audience)

    def agent(self, who: str | Agent) -> Agent:
        """An agent by id, name, display name or alias, exactly as written.

        Raises:
            NotFoundError: There is none.
        """
        if isinstance(who, Agent):
            who = who.id
        if who in self.agents:
            return self.agents[who]
        for agent in self.agents.values():
            if who in (agent.name, agent.display_name, *agent.aliases):
                return agent
        raise NotFoundError(
            f"There is no agent {who!r} in this chat.",
            where="agent",
            next_step="the agents are: "
            + (", ".join(a.name for a in self.agents.values()) or "none"),
        )

    def name_of(self, who: str) -> str:
        """The name that is shown for an id."""
        if who in self.agents:
            return self.agents[who].display_name
        return str(self.config.get("user_name") or "用户") if who == USER else who
