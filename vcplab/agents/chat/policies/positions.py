"""Positions, and what they add up to: quorum, agreement, camps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ABSTAIN", "Position", "Tally", "Weighing", "agreement_matrix", "tally"]

#: The stance that takes part without siding.
ABSTAIN = "abstain"

Weighing = Literal["equal", "confidence"]
# Shares are ratios of sums of floats: 0.1 + 0.2 of 0.3 has to count as the whole.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Position:
    """What an agent thinks about the question.

    Attributes:
        agent_id: The agent.
        stance: One of the options.
        confidence: How sure it is, 0 to 1.
        reason: Why, in its own words.
    """

    agent_id: str
    stance: str
    confidence: float = 1.0
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values by name, the agent under ``agent``."""
        return {
            "agent": self.agent_id,
            "stance": self.stance,
            "confidence": self.confidence,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Tally:
    """The count of positions.

    Attributes:
        stance: The stance held most; None if nobody sides or several are held equally.
        quorum: Share of the participants that took a side, 0 to 1.
        agreement: Share of the stance held most among those that took a side (by weight), 0 to 1.
        camps: Ids of those who hold each stance, the strongest camp first; without abstentions.
        abstaining: Ids of those who abstain.
        silent: Ids of participants without a position.
    """

    stance: str | None
    quorum: float
    agreement: float
    camps: Mapping[str, tuple[str, ...]]
    abstaining: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    def reached(self, quorum: float, threshold: float) -> bool:
        """Whether both shares are reached and one stance leads; a tie never reaches.

        Args:
            quorum: Least share of the participants that took a side.
            threshold: Least share of the leading stance.
        """
        return (
            self.stance is not None
            and self.quorum >= quorum - _ROUNDING
            and self.agreement >= threshold - _ROUNDING
        )


def tally(
    positions: Iterable[Position],
    participants: Sequence[str],
    *,
    weigh: Weighing = "equal",
    weights: Mapping[str, float] | None = None,
) -> Tally:
    """Count positions.

    Args:
        positions: One for each agent at most; those of others than the participants do not count.
        participants: Ids of those who were asked.
        weigh: ``"confidence"`` multiplies each voice by its confidence.
        weights: Weight of a voice by agent id; 1 where none is given.
    """
    held = {p.agent_id: p for p in positions if p.agent_id in set(participants)}
    given = weights or {}
    camps: dict[str, list[str]] = {}
    strength: dict[str, list[float]] = {}
    for agent_id in participants:
        position = held.get(agent_id)
        if position is None or position.stance == ABSTAIN:
            continue
        voice = given.get(agent_id, 1.0) * (position.confidence if weigh == "confidence" else 1.0)
        camps.setdefault(position.stance, []).append(agent_id)
        strength.setdefault(position.stance, []).append(voice)
    sums = {stance: math.fsum(voices) for stance, voices in strength.items()}
    total = math.fsum(sums.values())
    order = sorted(sums, key=lambda stance: -sums[stance])
    leading: str | None = order[0] if order and total > 0 else None
    best = sums[order[0]] / total if leading is not None else 0.0
    if leading is not None and len(order) > 1 and best - sums[order[1]] / total <= _ROUNDING:
        leading = None
    return Tally(
        leading,
        sum(map(len, camps.values())) / len(participants) if participants else 0.0,
        best,
        {stance: tuple(camps[stance]) for stance in order},
        tuple(i for i in participants if i in held and held[i].stance == ABSTAIN),
        tuple(i for i in participants if i not in held),
    )


def agreement_matrix(
    positions: Iterable[Position] | Mapping[str, Any],
) -> dict[str, dict[str, float | None]]:
    """Who agrees with whom: 1 for the same stance, 0 for another, None where one abstains.

    ``pandas.DataFrame(agreement_matrix(chat.state.positions))`` is the table.

    Args:
        positions: Positions, or a mapping from agent ids to positions, stances, or mappings with
            a ``stance``.
    """
    if isinstance(positions, Mapping):
        stances = {str(agent_id): _stance(value) for agent_id, value in positions.items()}
    else:
        stances = {position.agent_id: position.stance for position in positions}
    return {
        a: {
            b: None if ABSTAIN in (mine, theirs) else float(mine == theirs)
            for b, theirs in stances.items()
        }
        for a, mine in stances.items()
    }


def _stance(value: Any) -> str:
    if isinstance(value, Position):
        return value.stance
    return str(value["stance"] if isinstance(value, Mapping) else value)
