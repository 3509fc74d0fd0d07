"""What a stopping condition is, how two are combined, and one's own functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vcplab.core.errors import InvalidInputError, VCPError

if TYPE_CHECKING:
    from vcplab.agents.chat.state import ChatState

__all__ = ["AllOf", "AnyOf", "FunctionStop", "StopCondition", "When", "check_count"]

When = Literal["turn", "round"]


@dataclass(frozen=True, slots=True, repr=False)
class StopCondition:
    """A reason to end a chat; ``|`` and ``&`` combine them.

    A condition reads the state and keeps nothing of its own that would change its answer. Limits
    count from the latest start (``state.start``). Make them with the functions of ``vl.stop``.
    """

    kind: ClassVar[str] = ""
    at: ClassVar[When] = "turn"

    @property
    def when(self) -> When:
        """Whether it can be reached after every turn, or only where a round is over."""
        return self.at

    def reached(self, state: ChatState, round_over: bool | None = None) -> str | None:
        """The reason to end now, a sentence; None to go on.

        Args:
            state: The chat.
            round_over: Whether the present round is over; by default, whether nobody waits in
                the queue.
        """
        over = not state.queue if round_over is None else round_over
        if self.when == "round" and not over:
            return None
        return self._reason(state, over)

    def _reason(self, state: ChatState, over: bool) -> str | None:
        raise NotImplementedError

    def __or__(self, other: StopCondition) -> AnyOf:
        return AnyOf((*_parts(self, AnyOf), *_parts(_checked(other), AnyOf)))

    def __and__(self, other: StopCondition) -> AllOf:
        return AllOf((*_parts(self, AllOf), *_parts(_checked(other), AllOf)))

    def to_dict(self) -> dict[str, Any]:
        """Its kind and the values that are not at their default, JSON-able."""
        return {"stop": self.kind, **dict(self._values())}

    def _values(self) -> Iterator[tuple[str, Any]]:
        for option in fields(self):
            if option.init and (value := getattr(self, option.name)) != option.default:
                yield option.name, value

    def __repr__(self) -> str:
        given = [
            repr(value) if number == 0 else f"{name}={value!r}"
            for number, (name, value) in enumerate(self._values())
        ]
        return f"stop.{self.kind}({', '.join(given)})"


@dataclass(frozen=True, slots=True, repr=False)
class AnyOf(StopCondition):
    """Reached as soon as one of its parts is; its reason is the first one's.

    Attributes:
        parts: The conditions.
    """

    parts: tuple[StopCondition, ...]
    kind: ClassVar[str] = "any"

    @property
    def when(self) -> When:
        """After every turn if one of the parts is."""
        return "turn" if any(part.when == "turn" for part in self.parts) else "round"

    def _reason(self, state: ChatState, over: bool) -> str | None:
        for part in self.parts:
            if reason := part.reached(state, over):
                return reason
        return None

    def to_dict(self) -> dict[str, Any]:
        """The parts in a list."""
        return {"stop": self.kind, "parts": [part.to_dict() for part in self.parts]}

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.parts))


@dataclass(frozen=True, slots=True, repr=False)
class AllOf(StopCondition):
    """Reached where all of its parts are, each at whatever time since the start.

    Attributes:
        parts: The conditions.
    """

    parts: tuple[StopCondition, ...]
    kind: ClassVar[str] = "all"

    @property
    def when(self) -> When:
        """Only where a round is over if one of the parts is."""
        return "round" if any(part.when == "round" for part in self.parts) else "turn"

    def _reason(self, state: ChatState, over: bool) -> str | None:
        reasons = []
        for part in self.parts:
            reason = part.reached(state, over)
            if not reason:
                return None
            reasons.append(reason)
        return " ".join(reasons) or None

    def to_dict(self) -> dict[str, Any]:
        """The parts in a list."""
        return {"stop": self.kind, "parts": [part.to_dict() for part in self.parts]}

    def __repr__(self) -> str:
        return " & ".join(
            f"({part!r})" if isinstance(part, AnyOf) else repr(part) for part in self.parts
        )


@dataclass(frozen=True, slots=True, repr=False)
class FunctionStop(StopCondition):
    """A function of yours says so.

    Attributes:
        call: Takes the state; gives a reason, or true to end.
        name: What a reason calls it; the function's own name by default.
    """

    call: Callable[[ChatState], object]
    name: str = ""
    kind: ClassVar[str] = "function"

    def __post_init__(self) -> None:
        if not callable(self.call):
            raise InvalidInputError(
                f"{self.call!r} is no function.",
                where="stop.function",
                next_step="give a function of the chat's state that returns true, or a reason",
            )
        if not self.name:
            object.__setattr__(self, "name", getattr(self.call, "__name__", repr(self.call)))

    def _reason(self, state: ChatState, over: bool) -> str | None:
        try:
            answer = self.call(state)
        except VCPError:
            raise
        except Exception as error:
            raise InvalidInputError(
                f"The stopping function {self.name!r} failed: {type(error).__name__}: {error}",
                where="stop",
                next_step="mend the function; it is given the chat's state",
            ) from error
        if isinstance(answer, str):
            return answer or None
        return f"The function {self.name!r} says so." if answer else None

    def __repr__(self) -> str:
        return f"stop.function({self.name})"

    def to_dict(self) -> dict[str, Any]:
        """Its name; a function itself cannot be written down, nor read again."""
        return {"stop": self.kind, "name": self.name}


def check_count(n: object, kind: str, at_least: int = 1) -> None:
    """Check a whole number.

    Args:
        n: The number.
        kind: The condition that it limits.
        at_least: The smallest that makes sense.

    Raises:
        InvalidInputError: It is none.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < at_least:
        raise InvalidInputError(
            f"{n!r} is impossible here.",
            where=f"stop.{kind}",
            next_step=f"give a whole number from {at_least}",
        )


def _parts(condition: StopCondition, kind: type[AnyOf] | type[AllOf]) -> tuple[StopCondition, ...]:
    return condition.parts if isinstance(condition, kind) else (condition,)


def _checked(other: object) -> StopCondition:
    if isinstance(other, StopCondition):
        return other
    raise InvalidInputError(
        f"{other!r} cannot be combined with a stopping condition.",
        where="stop",
        next_step="combine conditions, e.g. stop.rounds(5) | stop.function(f)",
    )
