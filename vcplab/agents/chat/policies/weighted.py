"""Random mode: drawn by weight, and nobody waits for ever."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from vcplab.agents.agent import Agent
from vcplab.agents.chat._words import contains, fold
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy, addressed, check_number, text_of
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import InvalidInputError

__all__ = ["RandomPolicy"]

_ROLES = {"host": 20, "moderator": 15, "expert": 10}


@dataclass(frozen=True, slots=True, repr=False)
class RandomPolicy(Policy):
    """Speakers are drawn, likelier ones by weight.

    The weight is (priority + role) × rest + mention + keywords + expertise, with host 20,
    moderator 15, expert 10, and 50 for being mentioned, 30 for each keyword and 15 for each field
    of expertise in the message. ``rest`` is 0 for the latest speaker and grows to 1 over
    ``cooldown`` turns. These are the terms of the weighted selector in facts/vcp-agents §1,
    without its reward for having talked much; the latest speaker's own words do not call it.

    With ``fair``, whoever has waited 2n - 1 turns or more (n agents) goes first, the longest wait
    before the others. So between two turns of an agent the others have 3n - 3 + count turns at
    most, as long as this policy alone decides. Somebody who joins later counts as having waited
    since the beginning.

    Attributes:
        weights: Weight by id or name, in the place of priority + role; 0 for never. Names that
            are not in the chat are passed over. Default none.
        count: How many are drawn in a round. Default 1.
        fair: Whether waiting is bounded. Default True.
        cooldown: Turns until a speaker has its full weight again; 0 for at once. Default 3.
    """

    name: ClassVar[str] = "random"
    weights: Mapping[str, float] | None = None
    count: int = 1
    fair: bool = True
    cooldown: int = 3

    def __post_init__(self) -> None:
        check_number(self.count, "count", 1, whole=True)
        check_number(self.cooldown, "cooldown", 0, whole=True)
        if self.weights is not None and not isinstance(self.weights, Mapping):
            raise InvalidInputError(
                f"{self.weights!r} are no weights.",
                where="weights",
                next_step='give a mapping, e.g. {"Alice": 2, "Bob": 1}',
            )
        for name, weight in (self.weights or {}).items():
            check_number(weight, f"weights[{name!r}]", 0, 1e9)

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Sequence[Decision]:
        """Decide: ``count`` agents, none of them twice.

        Args:
            state: The chat.
            message: What the terms for mention, keywords and expertise look at.
            rng: Where the draw comes from.
        """
        left = [agent for agent in state.speakers if self._given(agent) != 0]
        decisions: list[Decision] = []
        if self.fair:
            limit = 2 * len(left) - 1
            waits = {a.id: state.turns - state.last_turn.get(a.id, 0) for a in left}
            overdue = [a for a in left if waits[a.id] >= limit]
            overdue.sort(key=lambda a: -waits[a.id])
            for agent in overdue[: self.count]:
                left.remove(agent)
                decisions.append(
                    Decision(
                        agent.id,
                        100,
                        f"{agent.display_name} has waited {waits[agent.id]} turns; "
                        f"from {limit} on it goes before the draw.",
                    )
                )
        called = addressed(state, message)
        text = fold(text_of(state, message))
        author = message.agent_id if message is not None else None
        terms = {
            agent.id: self._terms(
                agent, state, agent.id in called, "" if agent.id == author else text
            )
            for agent in left
        }
        while left and len(decisions) < self.count:
            sums = list(accumulate(terms[agent.id][0] for agent in left))
            total = sums[-1]
            dart = rng.random()
            if total > 0:
                index = bisect(sums, dart * total, hi=len(left) - 1)
                weight, told = terms[left[index].id]
                why = f"with weight {weight:.4g} of {total:.4g} ({told})"
            else:
                index, weight = int(dart * len(left)), 0.0
                why = "evenly, since nobody has any weight"
            agent = left.pop(index)
            why = f"{agent.display_name} was drawn {why}."
            decisions.append(Decision(agent.id, min(weight, 99), why))
        return decisions

    def _given(self, agent: Agent) -> float | None:
        weights = self.weights or {}
        return weights.get(agent.id, weights.get(agent.name))

    def _terms(
        self, agent: Agent, state: ChatState, mentioned: bool, text: str
    ) -> tuple[float, str]:
        given = self._given(agent)
        role = _ROLES.get(agent.role, 0)
        if given is not None:
            weight, told = given, [f"given weight {given:g}"]
        else:
            weight, told = agent.priority + role, [f"priority {agent.priority:g}"]
            if role:
                told.append(f"{agent.role} +{role}")
        turn = state.last_turn.get(agent.id)
        since = state.turns - turn if turn else self.cooldown
        if since < self.cooldown:
            weight *= max(0, since) / self.cooldown
            told.append(f"×{max(0, since) / self.cooldown:.2g} for having spoken lately")
        if mentioned:
            weight += 50
            told.append("mentioned +50")
        for words, bonus, what in (
            (agent.keywords, 30, "keyword"),
            (agent.expertise, 15, "expertise"),
        ):
            for word in words:
                if contains(text, word):
                    weight += bonus
                    told.append(f"{what} '{word}' +{bonus}")
        return weight, ", ".join(told)
