"""What a policy is, and what policies share."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, TypeAlias

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Ask, Decision, Note
from vcplab.agents.chat.mentions import find_mentions, mentions_everyone
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import InvalidInputError

__all__ = ["Deciding", "Policy", "Verdict", "addressed", "by_priority", "text_of", "who_said"]

#: A policy at work: it yields questions and notes, and returns its decisions.
Deciding: TypeAlias = Generator[Ask | list[Ask] | Note, Any, Sequence[Decision]]
#: What a policy gives when it is called.
Verdict: TypeAlias = Sequence[Decision] | Deciding


@dataclass(frozen=True, slots=True, repr=False)
class Policy:
    """Who speaks next, and why: a value that is called with a chat's state.

    ``policy(state, message, rng)`` gives decisions, or a generator that yields `Ask`, a list of
    `Ask` (asked at the same time) or `Note`, is sent the answers, and returns decisions. Policies
    read the state and change nothing; nothing but ``rng`` is random. The chat itself lets mentions
    by a person override, sorts by priority and cuts to the most that may speak in a round.

    Attributes:
        name: The mode's name.
    """

    name: ClassVar[str] = ""

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Verdict:
        """Decide.

        Args:
            state: The chat, to be read only.
            message: What triggers the round: a person's new message, else the latest public one;
                None in an empty chat.
            rng: The only source of chance, made for this decision.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The mode and the options that are not at their default, JSON-able."""
        return {"mode": self.name, **{f.name: _plain(value) for f, value in self._chosen()}}

    def __repr__(self) -> str:
        given = ", ".join(f"{f.name}={value!r}" for f, value in self._chosen())
        return f"{type(self).__name__}({given})"

    def _chosen(self) -> list[tuple[Field[Any], Any]]:
        pairs = [(f, getattr(self, f.name)) for f in fields(self)]
        return [(f, value) for f, value in pairs if f.default is MISSING or value != f.default]


def by_priority(agents: Iterable[Agent]) -> list[Agent]:
    """Agents by descending priority; those of equal priority as they joined."""
    return sorted(agents, key=lambda agent: -agent.priority)


def addressed(state: ChatState, message: ChatMessage | None) -> tuple[str, ...]:
    """Ids of those a message addresses that may speak, in the order in which it names them.

    Its `mentions` count if it has some, else what its text says (`find_mentions`); ``@所有人``
    addresses everybody. Nobody addresses itself, and an observer is never among them.

    Args:
        state: The chat.
        message: The message, if any.
    """
    if message is None:
        return ()
    speakers = [agent.id for agent in state.speakers if agent.id != message.agent_id]
    if mentions_everyone(message.content):
        return tuple(speakers)
    named: Iterable[str] = message.mentions or (
        mention.agent_id
        for mention in find_mentions(
            message.content, state.agents.values(), author=message.agent_id
        )
    )
    return tuple(dict.fromkeys(agent_id for agent_id in named if agent_id in speakers))


def text_of(state: ChatState, message: ChatMessage | None) -> str:
    """The text that triggers a round; the topic where nothing was said."""
    return message.content if message is not None else state.topic


def who_said(state: ChatState, message: ChatMessage | None) -> str:
    """Who said a message, for a reason."""
    if message is None or message.agent_id == USER:
        return "the user"
    return state.name_of(message.agent_id)


def check_number(
    value: object, where: str, least: float, most: float | None = None, *, whole: bool = False
) -> None:
    """Check a number among a policy's options.

    Args:
        value: The number.
        where: The option.
        least: The smallest that is accepted.
        most: The largest; None for no limit.
        whole: Whether it has to be whole.

    Raises:
        InvalidInputError: It is no such number.
    """
    kinds = (int,) if whole else (int, float)
    good = isinstance(value, kinds) and not isinstance(value, bool)
    if good and value >= least and (most is None or value <= most):  # type: ignore[operator]
        return
    limits = f"from {least:g} to {most:g}" if most is not None else f"of at least {least:g}"
    raise InvalidInputError(
        f"{value!r} cannot be {where}.",
        where=where,
        next_step=f"give a {'whole ' if whole else ''}number {limits}",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(getattr(value, "name", None) or getattr(value, "__qualname__", value))
