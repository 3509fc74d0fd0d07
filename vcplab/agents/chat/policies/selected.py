"""Selected mode: a model chooses who speaks."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import ClassVar

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Ask, Decision
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies._answers import Unreadable, read_object
from vcplab.agents.chat.policies.base import Deciding, Policy, check_number
from vcplab.agents.chat.policies.sequential import SequentialPolicy
from vcplab.agents.chat.state import ChatState
from vcplab.protocol.completions import ChatReply

__all__ = ["SelectedPolicy"]

_SYSTEM = (
    "You lead a conversation between several agents. You say nothing yourself; you only choose who "
    "speaks next."
)
_DESCRIBED = 200


@dataclass(frozen=True, slots=True, repr=False)
class SelectedPolicy(Policy):
    """The chat's model chooses the next speaker from the candidates and their descriptions.

    It is asked for one of the ids and a reason, by a JSON schema. An answer that names no candidate
    is asked for again with what was wrong, at most ``attempts`` times in all; then, or as soon as
    the model fails, it is the turn of whoever is next in sequential mode, and the reason says so.
    With one candidate nobody is asked. (Peers give up or raise there: facts/agents-mcp-plugins A2,
    "Selector robustness".)

    Attributes:
        allow_repeat: Whether the latest speaker may be chosen again. Default False.
        attempts: How often the model is asked. Default 3.
        instructions: What it is told besides. Default none.
    """

    name: ClassVar[str] = "selected"
    allow_repeat: bool = False
    attempts: int = 3
    instructions: str = ""

    def __post_init__(self) -> None:
        check_number(self.attempts, "attempts", 1, whole=True)

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Deciding:
        """Decide: one agent.

        Args:
            state: The chat.
            message: Not looked at; the model sees the conversation.
            rng: Not used.
        """
        candidates = state.speakers
        if not self.allow_repeat and len(candidates) > 1:
            candidates = [agent for agent in candidates if agent.id != state.last_speaker]
        if not candidates:
            return ()
        if len(candidates) == 1:
            only = candidates[0]
            why = f"{only.display_name} is the only candidate, so the model was not asked."
            return [Decision(only.id, 100, why)]
        trouble = ""
        for _ in range(self.attempts):
            reply = yield self._ask(state, candidates, trouble)
            if not isinstance(reply, ChatReply):
                trouble = f"the model failed ({getattr(reply, 'message', reply)})"
                break
            try:
                agent, reason = _read(reply, candidates)
            except Unreadable as unreadable:
                trouble = str(unreadable)
                continue
            told = f": {reason}" if reason else " without giving a reason."
            return [Decision(agent.id, 100, f"The model chose {agent.display_name}{told}")]
        ids = {agent.id for agent in candidates}
        ring = SequentialPolicy()(state, message, rng)
        turn = next(decision for decision in ring if decision.agent_id in ids)
        why = f"The model chose nobody: {trouble}. {state.name_of(turn.agent_id)} is next in turn."
        return [replace(turn, reason=why)]

    def _ask(self, state: ChatState, candidates: list[Agent], trouble: str) -> Ask:
        listed = "\n".join(f"- {_described(agent)}" for agent in candidates)
        parts = [
            f"Your last answer could not be used: {trouble}." if trouble else "",
            f"Who of these should speak next?\n{listed}",
            self.instructions,
            'Answer with one JSON object and nothing else: {"agent": the id as it stands above, '
            '"reason": one short sentence}.',
        ]
        schema = {
            "type": "object",
            "properties": {
                "agent": {"type": "string", "enum": [agent.id for agent in candidates]},
                "reason": {"type": "string"},
            },
            "required": ["agent", "reason"],
            "additionalProperties": False,
        }
        return Ask("\n\n".join(p for p in parts if p), None, "select", schema, True, _SYSTEM)


def _described(agent: Agent) -> str:
    about = agent.description or "; ".join(agent.expertise) or agent.system_prompt
    about = " ".join(about.split())
    shown = about if len(about) <= _DESCRIBED else about[: _DESCRIBED - 1] + "…"
    called = f" ({agent.display_name})" if agent.display_name != agent.id else ""
    return f"{agent.id}{called}" + (f": {shown}" if shown else "")


def _read(reply: ChatReply, candidates: list[Agent]) -> tuple[Agent, str]:
    given = read_object(reply)
    wanted = given.get("agent")
    named = wanted.strip().casefold() if isinstance(wanted, str) else None
    for spelling in ("id", "name", "display_name"):
        found = [a for a in candidates if str(getattr(a, spelling)).casefold() == named]
        if len(found) == 1:
            return found[0], str(given.get("reason") or "").strip()
    ids = ", ".join(agent.id for agent in candidates)
    raise Unreadable(f"its agent {wanted!r} is none of {ids}")
