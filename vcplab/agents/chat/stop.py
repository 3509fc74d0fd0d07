"""When a chat ends, as short names: ``vl.stop.rounds(5) | vl.stop.text("TERMINATE")``.

``|`` ends at the first, ``&`` where all are reached; ``&`` binds tighter, as in arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vcplab.agents.chat import stopping
from vcplab.agents.chat.stopping import StopCondition

if TYPE_CHECKING:
    from vcplab.agents.chat.state import ChatState

__all__ = [
    "consensus",
    "function",
    "messages",
    "rounds",
    "silence",
    "stagnation",
    "text",
    "time",
    "tokens",
    "turns",
]


def __dir__() -> list[str]:
    return list(__all__)


def rounds(n: int) -> StopCondition:
    """Stop when ``n`` rounds are over.

    Args:
        n: The number of rounds, counted from the start.
    """
    return stopping.RoundLimit(n)


def turns(n: int) -> StopCondition:
    """Stop when agents had ``n`` turns, failed ones included.

    Args:
        n: The number of turns, counted from the start.
    """
    return stopping.TurnLimit(n)


def messages(n: int) -> StopCondition:
    """Stop when ``n`` messages were said, the user's included, working notes not.

    Args:
        n: The number of messages, counted from the start.
    """
    return stopping.MessageLimit(n)


def tokens(n: int) -> StopCondition:
    """Stop when all calls together read and wrote ``n`` tokens.

    Args:
        n: The number of tokens, counted from the start.
    """
    return stopping.TokenLimit(n)


def time(seconds: float) -> StopCondition:
    """Stop when turns and decisions took so long together.

    Args:
        seconds: The time, counted from the start; waiting for a person does not count.
    """
    return stopping.TimeLimit(seconds)


def text(
    text: str, *, regex: bool = False, ignore_case: bool = False, source: str = "agents"
) -> StopCondition:
    """Stop when somebody says a text.

    Args:
        text: What is looked for, exactly as written; or a regular expression.
        regex: Whether it is one.
        ignore_case: Whether capitals are as good as small letters.
        source: Who has to say it: ``"agents"``, ``"user"``, ``"anyone"``, or an agent's id.
    """
    return stopping.TextSaid(text, regex=regex, ignore_case=ignore_case, source=source)


def silence(n: int = 1) -> StopCondition:
    """Stop when nobody spoke in ``n`` rounds in a row.

    Args:
        n: The number of rounds.
    """
    return stopping.Silence(n)


def stagnation(n: int = 3, similarity: float = 0.9) -> StopCondition:
    """Stop when the last ``n`` messages, of all agents or of the last speaker, say the same.

    Args:
        n: How many messages, at least 2.
        similarity: How alike they are, above 0 and up to 1: the share of character trigrams.
    """
    return stopping.Stagnation(n, similarity)


def consensus() -> StopCondition:
    """Stop when the agents agree and the round in which they do is over."""
    return stopping.ConsensusReached()


def function(call: Callable[[ChatState], object], name: str = "") -> StopCondition:
    """Stop when a function of the chat's state says so, after every turn.

    Args:
        call: Takes the state; gives a reason, or true to end.
        name: What a reason calls it; the function's own name by default.
    """
    return stopping.FunctionStop(call, name)
