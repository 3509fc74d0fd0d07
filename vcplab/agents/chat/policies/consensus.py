"""Consensus mode: talk, take a position, and go on until enough agree."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Ask, Decision, Note
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies._answers import Unreadable, read_object
from vcplab.agents.chat.policies.base import Deciding, Policy, by_priority, check_number
from vcplab.agents.chat.policies.positions import ABSTAIN, Position, Tally, Weighing, tally
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice
from vcplab.protocol.completions import ChatReply

__all__ = ["ConsensusPolicy"]


@dataclass(frozen=True, slots=True, repr=False)
class ConsensusPolicy(Policy):
    """Everybody speaks; then positions are asked until quorum and threshold hold.

    A deliberation begins with what a person says. First everybody speaks. After each round all
    who may speak are asked for a position at the same time, each by its own model: a stance of
    ``options``, a confidence and a reason. An answer that is not exactly that is asked for once
    more with the error told, and then counts as none; so does a model that fails.

    - ``quorum``: share of the participants that took a side (who abstains or does not answer
      took none).
    - ``agreement``: share of the stance held most among those that took a side.

    Both at least as large as asked, and one stance ahead of the others: ``consensus:reached``, and
    the host (without one, nobody) is asked to conclude. Otherwise ``conflict:detected`` names the
    two largest camps, if there are two, and everybody speaks again, at most ``max_rounds`` rounds
    in all; then ``consensus:failed`` and silence. Positions are not asked again before somebody
    has spoken. (facts/vcp-agents §1: the original declares a threshold that does nothing; §2: no
    quorum, a tie goes to the first option; §8: DISAPPROVE counts as approval. None of it here.)

    Attributes:
        threshold: Least agreement, above 0, up to 1. Default 0.8.
        quorum: Least share that takes a side, 0 to 1. Default 0.5.
        max_rounds: Rounds of talk. Default 5.
        options: The stances; ``"abstain"`` among them is not a side. Default approve, reject,
            abstain.
        weigh: ``"equal"``, or ``"confidence"`` to count each voice by its confidence. Default
            ``"equal"``.
        weights: Weight of a voice by agent id or name; 1 where none is given. Default none.
        conclude: Whether the host speaks once consensus is reached. Default True.
        question: What positions are asked about. Default the topic, or what the user said.
    """

    name: ClassVar[str] = "consensus"
    threshold: float = 0.8
    quorum: float = 0.5
    max_rounds: int = 5
    options: tuple[str, ...] = ("approve", "reject", ABSTAIN)
    weigh: Weighing = "equal"
    weights: Mapping[str, float] | None = None
    conclude: bool = True
    question: str = ""

    def __post_init__(self) -> None:
        check_number(self.threshold, "threshold", 0, 1)
        check_number(self.quorum, "quorum", 0, 1)
        check_number(self.max_rounds, "max_rounds", 1, whole=True)
        given = self.options
        alone = isinstance(given, str)
        options = () if alone else tuple(str(option).strip() for option in given)
        object.__setattr__(self, "options", options)
        sides = {option.casefold() for option in options if option}
        if len(sides) != len(options) or len(sides - {ABSTAIN}) < 2:
            raise InvalidInputError(
                f"{given!r} leaves nothing to agree on.",
                where="options",
                next_step='give at least two different stances, e.g. ["A", "B", "abstain"]',
            )
        checked_choice(
            self.weigh,
            ("equal", "confidence"),
            "weigh",
            f"Voices cannot be weighed by {self.weigh!r}.",
        )
        for name, weight in (self.weights or {}).items():
            check_number(weight, f"weights[{name!r}]", 0, 1e9)

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Deciding:
        """Decide: who talks, after asking for positions where everybody has.

        Args:
            state: The chat.
            message: A person's new message begins a deliberation.
            rng: Not used.
        """
        people = by_priority(state.speakers)
        rounds, first_turn = _talk(state)
        if message is not None and message.from_user:
            rounds = []
        if not people or _agreed(state, rounds):
            return ()
        # Somebody whose turn failed has had it; only who had none yet is still to be heard.
        unheard = [a for a in people if state.last_turn.get(a.id, 0) < first_turn]
        if not rounds:
            return [_first_word(agent) for agent in people]
        if unheard and len(unheard) < len(people):
            return [_first_word(agent) for agent in unheard]
        positions = _held(state, self.options)
        asked = any(agent.id not in positions for agent in people)
        if asked:
            positions = yield from self._positions(state, people, positions)
        voices = {i: w for a in people for i, w in [(a.id, self._voice(a))] if w is not None}
        result = tally(positions.values(), [a.id for a in people], weigh=self.weigh, weights=voices)
        if result.reached(self.quorum, self.threshold):
            return (yield from self._reached(state, positions, result))
        if len(rounds) >= self.max_rounds:
            if asked:
                yield Note("consensus:failed", self._facts(state, positions, result))
            return ()
        if asked and len(result.camps) > 1:
            first, second = list(result.camps)[:2]
            yield Note(
                "conflict:detected",
                {
                    "agents": [*result.camps[first], *result.camps[second]],
                    "camps": {first: list(result.camps[first]), second: list(result.camps[second])},
                    "topic": self._asked_about(state),
                    "agreement": result.agreement,
                    "round": state.round,
                },
            )
        return [self._again(agent, state, positions, result) for agent in people]

    def _positions(
        self, state: ChatState, people: list[Agent], known: dict[str, Position]
    ) -> Generator[Ask | list[Ask] | Note, Any, dict[str, Position]]:
        """Positions of those of whom none is known; yields the questions and a note for each."""
        positions = dict(known)
        left = [agent for agent in people if agent.id not in known]
        troubles: dict[str, str] = {}
        for _ in range(2):
            asks = [self._ask(state, agent, troubles.get(agent.id)) for agent in left]
            replies = yield asks
            again: list[Agent] = []
            for agent, reply in zip(left, replies, strict=True):
                if not isinstance(reply, ChatReply):
                    continue
                try:
                    position = self._read(agent.id, reply)
                except Unreadable as trouble:
                    troubles[agent.id] = str(trouble)
                    again.append(agent)
                    continue
                positions[agent.id] = position
                when = {"round": state.round, "turn": state.turns, "decision": state.decisions}
                yield Note("position", {**position.to_dict(), **when})
            left = again
            if not left:
                break
        return positions

    def _ask(self, state: ChatState, agent: Agent, trouble: str | None) -> Ask:
        listed = ", ".join(f'"{option}"' for option in self.options)
        before = f"Your last answer could not be used: {trouble}.\n" if trouble else ""
        text = (
            f"{before}The question: {self._asked_about(state)}\n"
            "Take your position on it now, on your own account. Answer with one JSON object and "
            f'nothing else: {{"stance": one of {listed}, "confidence": a number from 0 to 1, '
            '"reason": one or two sentences}.'
        )
        schema = {
            "type": "object",
            "properties": {
                "stance": {"type": "string", "enum": list(self.options)},
                "confidence": {"type": "number", "minimum": 0, "maximum": 1},
                "reason": {"type": "string"},
            },
            "required": ["stance", "confidence", "reason"],
            "additionalProperties": False,
        }
        return Ask(text, agent.id, "position", schema)

    def _read(self, agent_id: str, reply: ChatReply) -> Position:
        given = read_object(reply)
        stance = given.get("stance")
        known = {option.casefold(): option for option in self.options}
        found = known.get(stance.strip().casefold()) if isinstance(stance, str) else None
        if found is None:
            raise Unreadable(f"its stance {stance!r} is none of {', '.join(self.options)}")
        confidence = given.get("confidence", 1.0)
        number = isinstance(confidence, (int, float)) and not isinstance(confidence, bool)
        if not (number and 0 <= confidence <= 1):
            raise Unreadable(f"its confidence {confidence!r} is no number from 0 to 1")
        return Position(agent_id, found, float(confidence), str(given.get("reason") or "").strip())

    def _voice(self, agent: Agent) -> float | None:
        for name in (agent.id, agent.name):
            if self.weights and name in self.weights:
                return self.weights[name]
        return None

    def _asked_about(self, state: ChatState) -> str:
        if self.question or state.topic:
            return self.question or state.topic
        asked = (m for m in reversed(state.messages) if m.from_user and m.visible_to is None)
        said = next(asked, None)
        return said.content if said is not None else "what was discussed"

    def _facts(
        self, state: ChatState, positions: Mapping[str, Position], result: Tally
    ) -> dict[str, Any]:
        return {
            "stance": result.stance,
            "agreement": result.agreement,
            "quorum": result.quorum,
            "round": state.round,
            "decision": state.decisions,
            "topic": self._asked_about(state),
            "positions": {i: position.to_dict() for i, position in positions.items()},
            "dissent": [
                i for stance, camp in result.camps.items() if stance != result.stance for i in camp
            ],
            "abstaining": list(result.abstaining),
            "silent": list(result.silent),
        }

    def _reached(
        self, state: ChatState, positions: Mapping[str, Position], result: Tally
    ) -> Deciding:
        yield Note("consensus:reached", self._facts(state, positions, result))
        host = state.host
        if host is None:
            return ()
        why = (
            f"Consensus on '{result.stance}' (agreement {result.agreement:.2f}, "
            f"quorum {result.quorum:.2f}); {host.display_name}, the host, "
            + ("concludes." if self.conclude else "need not conclude.")
        )
        return [Decision(host.id, 100, why, self.conclude, "conclude")]

    def _again(
        self, agent: Agent, state: ChatState, positions: Mapping[str, Position], result: Tally
    ) -> Decision:
        position = positions.get(agent.id)
        if position is None:
            stands = "took no position that could be read"
        elif position.stance == ABSTAIN:
            stands = "abstains"
        else:
            others = [state.name_of(i) for i in result.camps[position.stance] if i != agent.id]
            stands = f"holds '{position.stance}'" + (
                f" with {', '.join(others)}" if others else " alone"
            )
        if result.quorum < self.quorum:
            lacks = f"quorum {result.quorum:.2f}, below {self.quorum:g}"
        elif result.stance is None:
            lacks = "no stance leads"
        else:
            lacks = f"agreement {result.agreement:.2f}, below {self.threshold:g}"
        why = f"{agent.display_name} {stands}; the discussion goes on ({lacks})."
        return Decision(agent.id, agent.priority, why)


def _first_word(agent: Agent) -> Decision:
    why = f"{agent.display_name} speaks before positions are taken, as everybody does."
    return Decision(agent.id, agent.priority, why)


def _talk(state: ChatState) -> tuple[list[int], int]:
    """Rounds with speech since the deliberation began, and its first turn (0 if there is none)."""
    rounds: set[int] = set()
    first_turn = 0
    for message in reversed(state.messages):
        if message.from_user or 0 < message.turn <= state.start.turns:
            break
        if message.turn and message.type == "chat" and message.is_public:
            rounds.add(message.round)
            first_turn = message.turn
    return sorted(rounds), first_turn


def _agreed(state: ChatState, rounds: list[int]) -> bool:
    """Whether an earlier decision found consensus in this deliberation.

    What this very decision found before it was cut off does not count: it is taken again as a
    whole, and its questions are answered from the log.
    """
    found = state.consensus
    if found is None or not rounds:
        return False
    return bool(found.get("round", -1) >= rounds[0] and found.get("decision", -1) < state.decisions)


def _held(state: ChatState, options: tuple[str, ...]) -> dict[str, Position]:
    """Positions that an earlier decision asked for and that no turn has followed."""
    held: dict[str, Position] = {}
    for agent_id, given in state.positions.items():
        stance = given.get("stance")
        fresh = given.get("turn") == state.turns and given.get("decision", 0) < state.decisions
        if fresh and stance in options and agent_id in state.agents:
            confidence = float(given.get("confidence", 1.0))
            held[agent_id] = Position(agent_id, stance, confidence, str(given.get("reason", "")))
    return held
