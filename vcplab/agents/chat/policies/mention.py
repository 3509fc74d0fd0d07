"""Mention mode: only who is mentioned speaks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from vcplab.agents.chat._words import contains, fold
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy, addressed, text_of, who_said
from vcplab.agents.chat.state import ChatState
from vcplab.core.names import checked_choice

__all__ = ["MentionPolicy"]


@dataclass(frozen=True, slots=True, repr=False)
class MentionPolicy(Policy):
    """Whoever the latest message mentions speaks, in the order of mention.

    A name has to stand on its own (`find_mentions`); the original also answers e-mail addresses,
    and calls an expert unasked (facts/vcp-agents §1), which is an option here.

    Attributes:
        fallback: Who speaks where nobody is mentioned: ``"nobody"``, ``"expert"`` (the first whose
            expertise is in the text, with priority 70) or ``"host"``. Default ``"nobody"``.
    """

    name: ClassVar[str] = "mention"
    fallback: Literal["nobody", "expert", "host"] = "nobody"

    def __post_init__(self) -> None:
        checked_choice(
            self.fallback,
            ("nobody", "expert", "host"),
            "fallback",
            f"{self.fallback!r} cannot stand in where nobody is mentioned.",
        )

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Sequence[Decision]:
        """Decide: the mentioned, else the fallback.

        Args:
            state: The chat.
            message: Where mentions are looked for.
            rng: Not used.
        """
        if named := addressed(state, message):
            who = who_said(state, message)
            return [Decision(i, 100, f"{state.name_of(i)} is mentioned by {who}.") for i in named]
        author = message.agent_id if message is not None else None
        others = [agent for agent in state.speakers if agent.id != author]
        if self.fallback == "expert":
            text = fold(text_of(state, message))
            for agent in others:
                for subject in agent.expertise:
                    if contains(text, subject):
                        why = f"Nobody is mentioned; {agent.display_name} knows about '{subject}'."
                        return [Decision(agent.id, 70, why)]
        if self.fallback == "host" and (host := state.host) in others and host is not None:
            why = f"Nobody is mentioned; {host.display_name}, the host, answers."
            return [Decision(host.id, 50, why)]
        return ()
