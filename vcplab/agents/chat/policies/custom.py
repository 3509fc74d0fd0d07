"""Custom mode: a user's own function decides."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Ask, Decision, Note
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Deciding, Policy, Verdict
from vcplab.agents.chat.state import ChatState
from vcplab.core.errors import InvalidInputError, NotFoundError

__all__ = ["CustomPolicy"]


@dataclass(frozen=True, slots=True, repr=False)
class CustomPolicy(Policy):
    """A function of one's own decides.

    It takes ``(state)``, ``(state, message)`` or ``(state, message, rng)``, and gives who speaks:
    None, an agent, its name or id, a `Decision`, a mapping from names to whether they speak, or a
    list of any of these. A generator may yield `Ask`, a list of `Ask` and `Note`, which the chat
    performs; whatever else it yields speaks, and so does what it returns. Nobody speaks twice.

    ::

        def shortest_first(state):
            return min(state.speakers, key=lambda agent: state.spoke.get(agent.id, 0))

    Attributes:
        function: The function.
    """

    name: ClassVar[str] = "custom"
    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InvalidInputError(
                f"{self.function!r} is no function.",
                where="function",
                next_step="give a function of (state, message, rng), or of the first one or two",
            )
        _arity(self.function)

    def __call__(
        self, state: ChatState, message: ChatMessage | None, rng: random.Random
    ) -> Verdict:
        """Decide as the function says.

        Args:
            state: The chat.
            message: What triggers the round.
            rng: The function's only source of chance, if the chat is to be repeatable.

        Raises:
            InvalidInputError: It gave something that is no decision, or named nobody of this chat.
        """
        given = self.function(*(state, message, rng)[: _arity(self.function)])
        if inspect.isawaitable(given):
            close = getattr(given, "close", None)
            if close is not None:
                close()
            raise InvalidInputError(
                f"{_called(self.function)} is asynchronous.",
                where="function",
                next_step="yield an Ask instead of awaiting a model",
            )
        if isinstance(given, Generator):
            return self._driven(given, state)
        return self._once(self._decisions(given, state))

    def _driven(self, given: Generator[Any, Any, Any], state: ChatState) -> Deciding:
        decisions: list[Decision] = []
        answer: Any = None
        try:
            while True:
                item = given.send(answer)
                answer = None
                if isinstance(item, (Ask, Note)) or _all_asks(item):
                    answer = yield item
                else:
                    decisions += self._decisions(item, state)
        except StopIteration as end:
            decisions += self._decisions(end.value, state)
        finally:
            given.close()
        return self._once(decisions)

    def _decisions(self, given: Any, state: ChatState) -> list[Decision]:
        why = f"{_called(self.function)} chose {{}}."
        if given is None:
            return []
        if isinstance(given, Decision):
            agent = self._agent(given.agent_id, state)
            reason = given.reason or why.format(agent.display_name)
            return [Decision(agent.id, given.priority, reason, given.should_speak, given.action)]
        if isinstance(given, (str, Agent)):
            agent = self._agent(given, state)
            return [Decision(agent.id, 50, why.format(agent.display_name))]
        if isinstance(given, Mapping):
            return [
                decision
                for name, speaks in given.items()
                if speaks
                for decision in self._decisions(name, state)
            ]
        if isinstance(given, Iterable) and not isinstance(given, (bytes, bytearray)):
            return [decision for item in given for decision in self._decisions(item, state)]
        raise InvalidInputError(
            f"{_called(self.function)} gave {type(given).__name__}, which says nobody.",
            where="function",
            next_step="return None, a name, an Agent, a Decision, or a list of these",
        )

    def _agent(self, who: str | Agent, state: ChatState) -> Agent:
        try:
            return state.agent(who)
        except NotFoundError as missing:
            raise InvalidInputError(
                f"{_called(self.function)} named {who if isinstance(who, str) else who.name!r}, "
                "who is not in this chat.",
                where="function",
                next_step=missing.next_step,
            ) from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_called(self.function)})"

    @staticmethod
    def _once(decisions: Sequence[Decision]) -> Sequence[Decision]:
        kept: dict[str, Decision] = {}
        for decision in decisions:
            kept.setdefault(decision.agent_id, decision)
        return list(kept.values())


def _all_asks(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and all(isinstance(one, Ask) for one in item)


def _called(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _arity(function: Callable[..., Any]) -> int:
    """With how many of state, message and rng a function is called."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return 3
    for arity in (3, 2, 1):
        try:
            signature.bind(*range(arity))
        except TypeError:
            continue
        return arity
    raise InvalidInputError(
        f"{_called(function)}{signature} cannot be called with a chat's state.",
        where="function",
        next_step="let it take (state), (state, message) or (state, message, rng)",
    )
