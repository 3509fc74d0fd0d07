"""Natural mode: VCPChat's natural random."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.mentions import find_mentions, mentions_everyone
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy
from vcplab.agents.chat.state import ChatState
from vcplab.core.names import checked_choice

__all__ = ["NaturalPolicy"]

_WINDOW = 8
_CHANCE = 0.15
_INLINE = re.compile(r"[@＠]\S+")


@dataclass(frozen=True, slots=True, repr=False)
class NaturalPolicy(Policy):
    """Whoever is mentioned or whose tag comes up speaks; others now and then.

    The rules and probabilities of VCPChat's ``naturerandom`` (facts/agents-mcp-plugins A1,
    facts/vcp-agents §7). The window is the 8 public messages before the person's; an agent's tags
    are its ``keywords``, looked for anywhere in the lower-cased text, as VCPChat does:

    1. ``@name`` in the person's message: speaks.
    2. Tags. *strict*: a tag in the window or the message: speaks. *natural*: a tag in the message
       or in others' messages: speaks; only in its own messages: with probability
       min(0.5 + 0.1 × its messages with a tag, 0.75) if it was the last agent to speak, else 0.2.
    3. ``@所有人``: everybody speaks.
    4. Everybody else: with probability 0.15.
    5. If nobody was chosen, one is drawn, from those whose tag came up if there are some.

    Then: tag in the message before tag in the window before none. A message whose ``metadata`` has
    a structured ``mentions`` field skips rules 1 and 3, and its inline ``@…`` is not looked at.
    Where no person spoke, the message is empty and the window ends with the latest message.
    One difference: rules 1 and 3 use `find_mentions`, so ``x@bob.com`` does not call Bob.

    Attributes:
        tag_match_mode: ``"strict"`` or ``"natural"``. Default ``"strict"``.
        disable_probabilistic_auto_speak: No rule 4. Default False.
        disable_fallback_auto_speak: No rule 5. Default False.
        external_mention_suppress_local_auto: Neither rule 4 nor 5 where structured mentions name
            no agent of this chat. Default False.
    """

    name: ClassVar[str] = "natural"
    tag_match_mode: Literal["strict", "natural"] = "strict"
    disable_probabilistic_auto_speak: bool = False
    disable_fallback_auto_speak: bool = False
    external_mention_suppress_local_auto: bool = False

    def __post_init__(self) -> None:
        checked_choice(
            self.tag_match_mode,
            ("strict", "natural"),
            "tag_match_mode",
            f"{self.tag_match_mode!r} is no way of matching tags.",
        )

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Sequence[Decision]:
        """Decide by the five rules.

        Args:
            state: The chat.
            message: The person's message.
            rng: The dice.
        """
        members = state.speakers
        scene = _Scene.of(state, message)
        chosen: dict[str, str] = {}
        for agent in members:
            if agent.id in scene.named:
                chosen[agent.id] = f"{agent.display_name} is mentioned in the user's message."
        for agent in members:
            if agent.id not in chosen and (why := self._by_tag(agent, scene, rng)):
                chosen[agent.id] = why
        if scene.everyone:
            for agent in members:
                why = f"The user's message addresses everybody, {agent.display_name} included."
                chosen.setdefault(agent.id, why)
        outside = scene.structured is not None and not any(
            name in scene.structured for a in members for name in (a.id, a.name, a.display_name)
        )
        quiet = outside and self.external_mention_suppress_local_auto
        if not (self.disable_probabilistic_auto_speak or quiet):
            for agent in members:
                if agent.id not in chosen and rng.random() < _CHANCE:
                    chosen[agent.id] = (
                        f"{agent.display_name} speaks by chance (probability {_CHANCE})."
                    )
        if not chosen and members and not (self.disable_fallback_auto_speak or quiet):
            relevant = [agent for agent in members if scene.relevance(agent)]
            agent = rng.choice(relevant or members)
            among = "those whose tag came up" if relevant else "all"
            chosen[agent.id] = (
                f"Nobody else would have spoken; {agent.display_name} was drawn from {among}."
            )
        relevance = {agent.id: scene.relevance(agent) for agent in members}
        order = sorted(chosen, key=lambda agent_id: -relevance[agent_id])
        return [Decision(i, 50 + 10 * relevance[i], chosen[i]) for i in order]

    def _by_tag(self, agent: Agent, scene: _Scene, rng: random.Random) -> str | None:
        name = agent.display_name
        if tag := scene.tag_in_text(agent):
            return f"{name}'s tag '{tag}' is in the user's message."
        if self.tag_match_mode == "strict":
            tag = scene.tag_in_window(agent)
            return f"{name}'s tag '{tag}' came up in the last {_WINDOW} messages." if tag else None
        if tag := scene.tag_in_window(agent, own=False):
            return f"{name}'s tag '{tag}' came up in others' messages."
        if own := scene.own_with_tag(agent):
            chance = min(0.5 + 0.1 * own, 0.75) if scene.last_agent == agent.id else 0.2
            if rng.random() < chance:
                return f"{name} goes on with its own subject (probability {chance:.2g})."
        return None


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the rules look at: lower-cased texts."""

    text: str
    window: tuple[tuple[str, str], ...]  # agent id, text
    named: frozenset[str]
    everyone: bool
    structured: tuple[str, ...] | None
    last_agent: str | None

    @classmethod
    def of(cls, state: ChatState, message: ChatMessage | None) -> _Scene:
        by_person = message is not None and message.from_user
        window: list[tuple[str, str]] = []
        last_agent = None
        for said in reversed(state.messages):
            if not said.is_public or (by_person and message is not None and said.id == message.id):
                continue
            window.append((said.agent_id, said.content.lower()))
            if last_agent is None and said.agent_id in state.agents:
                last_agent = said.agent_id
            if len(window) == _WINDOW:
                break
        if message is None or not by_person:
            return cls("", tuple(window), frozenset(), False, None, last_agent)
        given = message.metadata.get("mentions")
        if given is not None:
            text = _INLINE.sub("", message.content).lower()
            structured = tuple(str(name) for name in given)
            return cls(text, tuple(window), frozenset(), False, structured, last_agent)
        named = message.mentions or [
            m.agent_id for m in find_mentions(message.content, state.agents.values())
        ]
        everyone = mentions_everyone(message.content)
        return cls(
            message.content.lower(), tuple(window), frozenset(named), everyone, None, last_agent
        )

    def tag_in_text(self, agent: Agent) -> str | None:
        return next((tag for tag in agent.keywords if tag.lower() in self.text), None)

    def tag_in_window(self, agent: Agent, *, own: bool = True) -> str | None:
        texts = [text for author, text in self.window if own or author != agent.id]
        return next((tag for tag in agent.keywords if any(tag.lower() in t for t in texts)), None)

    def own_with_tag(self, agent: Agent) -> int:
        return sum(
            author == agent.id and any(tag.lower() in text for tag in agent.keywords)
            for author, text in self.window
        )

    def relevance(self, agent: Agent) -> int:
        return 2 if self.tag_in_text(agent) else 1 if self.tag_in_window(agent) else 0
