"""Sequential mode: everybody in turn."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy, by_priority
from vcplab.agents.chat.state import ChatState
from vcplab.core.names import checked_choice

__all__ = ["SequentialPolicy"]


@dataclass(frozen=True, slots=True, repr=False)
class SequentialPolicy(Policy):
    """Everybody speaks in each round, one after the other.

    The order is a ring: whoever has waited longest begins, the others follow as the ring goes.
    So a round that was cut short goes on where it stopped, nobody is passed over for ever, and
    the mode never falls silent, as the original does when its queue is drained (facts/vcp-agents
    §1; VCPChat's sequential mode is ``order="joined"``, §7).

    Attributes:
        order: ``"priority"`` (descending, then as they joined) or ``"joined"``. Default
            ``"priority"``.
    """

    name: ClassVar[str] = "sequential"
    order: Literal["priority", "joined"] = "priority"

    def __post_init__(self) -> None:
        checked_choice(
            self.order, ("priority", "joined"), "order", f"{self.order!r} is no order of speaking."
        )

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Sequence[Decision]:
        """Decide: everybody who may speak, with the same priority of 100.

        Args:
            state: The chat.
            message: Not looked at.
            rng: Not used.
        """
        ring = state.speakers
        if self.order == "priority":
            ring = by_priority(ring)
        if not ring:
            return ()
        turns = state.last_turn
        waits = [turns.get(agent.id, 0) for agent in ring]
        if begin := waits.index(min(waits)):
            ring = ring[begin:] + ring[:begin]
        order = "the order of priority" if self.order == "priority" else "the order of joining"
        why = "has waited longest" if max(waits) else "comes first"
        before = ring[0].display_name
        decisions = [Decision(ring[0].id, 100, f"{before} {why} and begins, in {order}.")]
        for agent in ring[1:]:
            name = agent.display_name
            decisions.append(Decision(agent.id, 100, f"{name} follows {before} in {order}."))
            before = name
        return decisions
