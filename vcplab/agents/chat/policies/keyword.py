"""Keyword mode: who is concerned speaks."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from vcplab.agents.agent import Agent
from vcplab.agents.chat._words import contains, fold
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy, check_number, text_of
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice

if TYPE_CHECKING:
    from vcplab.protocol.ports import Embedder

__all__ = ["KeywordPolicy"]

# Where a term was found counts as much as it says about the agent, and the message more than the
# topic; a single Chinese character says less than a word or a pair.
_FIELDS = (("name", 3.0), ("expertise", 2.0), ("description", 1.0), ("prompt", 1.0))
_TOPIC = 0.5
_SINGLE = 0.5
_EMPTY_WORDS = frozenset(
    "的了是在我你他她它们这那个一不也就都和与或请先再把被让吗呢吧啊有会能要可以"
)


@dataclass(frozen=True, slots=True, repr=False)
class KeywordPolicy(Policy):
    """Whoever's trigger words are in the text speaks; else whom the text concerns most.

    The first of these that gives somebody (facts/vcp-agents §1 for the first two; the original
    then falls silent):

    1. A trigger word of the agent (``keywords``) is in the text: priority 80 + number of hits. A
       tag is: 75 + hits. Or, with ``embedder``, the text means the like of what the agent is:
       60 + 19 × cosine, from ``threshold`` on.
    2. A field of its ``expertise`` is in the text: 70.
    3. The most words or pairs of Chinese characters in common with its name, expertise,
       description and prompt, what all agents share left out; the topic counts half: 60, one agent.
    4. ``fallback``: the host (50), or nobody.

    Words of scripts with spaces have to stand alone (``ai`` is not in ``said``), Chinese words are
    found anywhere. An agent's own message never calls it.

    Attributes:
        embedder: Finds likeness of meaning; None for none. Default None.
        threshold: Least cosine between text and agent, 0 to 1. Default 0.5.
        related: Whether step 3 is taken. Default True.
        fallback: ``"host"`` or ``"nobody"``. Default ``"host"``.
    """

    name: ClassVar[str] = "keyword"
    embedder: Embedder | None = field(default=None, compare=False)
    threshold: float = 0.5
    related: bool = True
    fallback: Literal["host", "nobody"] = "host"

    def __post_init__(self) -> None:
        check_number(self.threshold, "threshold", 0, 1)
        checked_choice(
            self.fallback,
            ("host", "nobody"),
            "fallback",
            f"{self.fallback!r} cannot stand in where no keyword matches.",
        )
        if self.embedder is not None and not hasattr(self.embedder, "embed_queries"):
            raise InvalidInputError(
                f"{self.embedder!r} is no embedder.",
                where="embedder",
                next_step="give an object with embed_queries and embed_documents, e.g. a model",
            )

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Sequence[Decision]:
        """Decide by the first step that gives somebody.

        Args:
            state: The chat.
            message: The text that is looked at; the topic where there is none.
            rng: Not used.
        """
        author = message.agent_id if message is not None else None
        others = [agent for agent in state.speakers if agent.id != author]
        plain = text_of(state, message)
        text = fold(plain)
        matches = [d for agent in others if (d := _triggered(agent, text)) is not None]
        if self.embedder is not None and plain.strip():
            called = {decision.agent_id for decision in matches}
            left = [agent for agent in others if agent.id not in called]
            matches += self._alike(self.embedder, left, plain)
        if not matches:
            matches = [d for agent in others if (d := _knowing(agent, text)) is not None]
        if not matches and self.related:
            topic = state.topic if message is not None else ""
            matches = _related(others, plain, topic)
        if not matches and self.fallback == "host" and (host := state.host) in others:
            assert host is not None
            why = f"The text concerns nobody in particular; {host.display_name}, the host, answers."
            matches = [Decision(host.id, 50, why)]
        return sorted(matches, key=lambda decision: -decision.priority)

    def _alike(self, embedder: Embedder, agents: list[Agent], text: str) -> list[Decision]:
        if not agents:
            return []
        vectors = embedder.embed_documents([_profile(agent) for agent in agents])
        cosines = vectors @ embedder.embed_queries([text])[0]
        return [
            Decision(
                agent.id,
                60 + round(19 * min(float(cosine), 1.0)),
                f"The text is close to what {agent.display_name} is "
                f"(cosine {float(cosine):.2f}, from {self.threshold:g} on).",
            )
            for agent, cosine in zip(agents, cosines, strict=True)
            if cosine >= self.threshold
        ]


def _triggered(agent: Agent, text: str) -> Decision | None:
    for words, base, what in ((agent.keywords, 80, "trigger words"), (agent.tags, 75, "tags")):
        hits = [word for word in words if contains(text, word)]
        if len(hits) == 1:
            why = f"keyword '{hits[0]}' is one of {agent.display_name}'s {what}."
        elif hits:
            listed = ", ".join(f"'{hit}'" for hit in hits)
            why = f"keywords {listed} are among {agent.display_name}'s {what}."
        else:
            continue
        most = 99 if base == 80 else 79
        return Decision(agent.id, min(base + len(hits), most), why[0].upper() + why[1:])
    return None


def _knowing(agent: Agent, text: str) -> Decision | None:
    subject = next((subject for subject in agent.expertise if contains(text, subject)), None)
    if subject is None:
        return None
    why = f"Nobody's trigger words occur; {agent.display_name} knows about '{subject}'."
    return Decision(agent.id, 70, why)


def _related(agents: list[Agent], text: str, topic: str) -> list[Decision]:
    from vcplab.text.analysis import default_analyzer

    terms = default_analyzer().analyze
    asked = Counter(dict.fromkeys(terms(topic), _TOPIC))
    asked.update(dict.fromkeys(terms(text), 1.0))
    told = [
        {part: set(terms(words)) for part, words in zip(_FIELDS, _parts(agent), strict=True)}
        for agent in agents
    ]
    spread = Counter(term for parts in told for term in set().union(*parts.values()))
    best: tuple[float, Agent, list[str]] | None = None
    for agent, parts in zip(agents, told, strict=True):
        score, shared = 0.0, []
        for term, weight in asked.items():
            if _EMPTY_WORDS.intersection(term) or (spread[term] == len(agents) > 1):
                continue
            place = max((w for (_, w), found in parts.items() if term in found), default=0.0)
            if place:
                rarity = math.log(1 + len(agents) / spread[term])
                score += weight * place * rarity * (_SINGLE if len(term) == 1 else 1)
                shared.append(term)
        if score > 0 and (best is None or score > best[0]):
            best = score, agent, shared
    if best is None:
        return []
    _, agent, shared = best
    listed = ", ".join(f"'{term}'" for term in sorted(shared, key=lambda t: (-len(t), t))[:5])
    why = (
        f"Nobody's trigger words or expertise occur; {agent.display_name} has most in common with "
        f"the text and the topic: {listed}."
    )
    return [Decision(agent.id, 60, why)]


def _parts(agent: Agent) -> tuple[str, str, str, str]:
    names = f"{agent.name} {agent.display_name}"
    subjects = " ".join((*agent.expertise, *agent.keywords))
    return names, subjects, agent.description, agent.system_prompt


def _profile(agent: Agent) -> str:
    listed = (agent.display_name, *agent.expertise, *agent.keywords, agent.description)
    return " ".join(text for text in listed if text) or agent.name
