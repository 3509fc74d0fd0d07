"""Limits of a chat: rounds, turns, messages, tokens, time; silence and agreement."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.stop_base import StopCondition, When, check_count
from vcplab.core.errors import InvalidInputError

if TYPE_CHECKING:
    from vcplab.agents.chat.state import ChatState

__all__ = [
    "ConsensusReached",
    "MessageLimit",
    "RoundLimit",
    "Silence",
    "TimeLimit",
    "TokenLimit",
    "TurnLimit",
]


@dataclass(frozen=True, slots=True, repr=False)
class _Limit(StopCondition):
    n: int
    unit: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_count(self.n, self.kind)

    def _since_start(self, state: ChatState) -> int:
        raise NotImplementedError

    def _reason(self, state: ChatState, over: bool) -> str | None:
        if self._since_start(state) < self.n:
            return None
        return f"The limit of {self.n:,} {self.unit}{'' if self.n == 1 else 's'} is reached."


@dataclass(frozen=True, slots=True, repr=False)
class RoundLimit(_Limit):
    """So many rounds are over.

    Attributes:
        n: The number of rounds.
    """

    kind: ClassVar[str] = "rounds"
    at: ClassVar[When] = "round"
    unit: ClassVar[str] = "round"

    def _since_start(self, state: ChatState) -> int:
        return state.round - state.start.rounds


@dataclass(frozen=True, slots=True, repr=False)
class TurnLimit(_Limit):
    """Agents had so many turns, failed ones included.

    Attributes:
        n: The number of turns.
    """

    kind: ClassVar[str] = "turns"
    unit: ClassVar[str] = "turn"

    def _since_start(self, state: ChatState) -> int:
        return state.turns - state.start.turns


@dataclass(frozen=True, slots=True, repr=False)
class MessageLimit(_Limit):
    """So many messages were said, the user's included, working notes not.

    Attributes:
        n: The number of messages.
    """

    kind: ClassVar[str] = "messages"
    unit: ClassVar[str] = "message"
    # What was counted last: (how many were looked at, the last of them, how many were said). It
    # only saves counting again.
    _counted: list[tuple[int, ChatMessage | None, int]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def _since_start(self, state: ChatState) -> int:
        messages = state.messages
        at, last, said = self._counted[0] if self._counted else (0, None, 0)
        if at > len(messages) or (at and messages[at - 1] is not last):
            at = said = 0  # some were taken back
        said += sum(message.is_public for message in messages[at:])
        self._counted[:] = [(len(messages), messages[-1] if messages else None, said)]
        return said - state.start.messages


@dataclass(frozen=True, slots=True, repr=False)
class TokenLimit(_Limit):
    """So many tokens were read and written by all calls, those of selecting and voting included.

    Attributes:
        n: The number of tokens.
    """

    kind: ClassVar[str] = "tokens"
    unit: ClassVar[str] = "token"

    def _since_start(self, state: ChatState) -> int:
        return state.usage.total_tokens - state.start.tokens


@dataclass(frozen=True, slots=True, repr=False)
class TimeLimit(StopCondition):
    """Turns and decisions took so long together; waiting for a person does not count.

    Attributes:
        seconds: The time.
    """

    seconds: float
    kind: ClassVar[str] = "time"

    def __post_init__(self) -> None:
        if (
            isinstance(self.seconds, bool)
            or not isinstance(self.seconds, int | float)
            or not 0 < self.seconds < math.inf
        ):
            raise InvalidInputError(
                f"A time limit of {self.seconds!r} is impossible.",
                where="stop.time",
                next_step="give seconds, more than 0",
            )

    def _reason(self, state: ChatState, over: bool) -> str | None:
        if state.seconds - state.start.seconds < self.seconds:
            return None
        return f"The time limit of {self.seconds:g} s is reached."


@dataclass(frozen=True, slots=True, repr=False)
class Silence(StopCondition):
    """So many rounds in a row nobody spoke.

    Attributes:
        n: The number of rounds.
    """

    n: int = 1
    kind: ClassVar[str] = "silence"
    at: ClassVar[When] = "round"

    def __post_init__(self) -> None:
        check_count(self.n, self.kind)

    def _reason(self, state: ChatState, over: bool) -> str | None:
        if min(state.silent_rounds, state.round - state.start.rounds) < self.n:
            return None
        return "Nobody spoke in " + (
            "a whole round." if self.n == 1 else f"{self.n:,} rounds in a row."
        )


@dataclass(frozen=True, slots=True, repr=False)
class ConsensusReached(StopCondition):
    """The agents agreed since the start, or gave up; the round in which they did is over."""

    kind: ClassVar[str] = "consensus"
    at: ClassVar[When] = "round"

    def _reason(self, state: ChatState, over: bool) -> str | None:
        agreed = state.consensus
        if agreed is None and state.disagreement is not None:
            return "The agents did not agree in the rounds they had."
        if agreed is None:
            return None
        number = agreed.get("round")
        if isinstance(number, int) and state.start.rounds and number <= state.start.rounds:
            return None
        stance = agreed.get("stance")
        return "The agents agree." if stance is None else f"The agents agree on {stance!r}."
