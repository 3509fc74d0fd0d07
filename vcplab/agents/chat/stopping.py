"""When a chat ends: every stopping condition, from what it may be given as, and from a mapping.

The conditions: `stop_base` combines, `stop_limits` counts, `stop_texts` reads what is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from vcplab.agents.chat.stop_base import AllOf, AnyOf, FunctionStop, StopCondition
from vcplab.agents.chat.stop_limits import (
    ConsensusReached,
    MessageLimit,
    RoundLimit,
    Silence,
    TimeLimit,
    TokenLimit,
    TurnLimit,
)
from vcplab.agents.chat.stop_texts import Stagnation, TextSaid
from vcplab.core.errors import InvalidInputError
from vcplab.core.names import checked_choice, snake_keys

__all__ = [
    "AllOf",
    "AnyOf",
    "ConsensusReached",
    "FunctionStop",
    "MessageLimit",
    "RoundLimit",
    "Silence",
    "Stagnation",
    "StopCondition",
    "TextSaid",
    "TimeLimit",
    "TokenLimit",
    "TurnLimit",
    "as_stop",
    "stop_from_dict",
]

_DEPTH = 32

_KINDS: dict[str, type[StopCondition]] = {
    kind.kind: kind
    for kind in (
        RoundLimit,
        TurnLimit,
        MessageLimit,
        TokenLimit,
        TimeLimit,
        TextSaid,
        Silence,
        Stagnation,
        ConsensusReached,
    )
}


def as_stop(given: object) -> StopCondition | None:
    """A condition from whatever says when to stop.

    Args:
        given: A condition, a mapping as `StopCondition.to_dict` gives, a function of the state, a
            number of rounds, a list of these (any of them), or None.

    Raises:
        InvalidInputError: It cannot be one.
    """
    if given is None or isinstance(given, StopCondition):
        return given
    if isinstance(given, Mapping):
        return stop_from_dict(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return RoundLimit(given)
    if isinstance(given, list | tuple):
        parts = [part for one in given if (part := as_stop(one)) is not None]
        return AnyOf(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None
    if callable(given):
        return FunctionStop(given)
    raise InvalidInputError(
        f"{given!r} says nothing about when to stop.",
        where="stop",
        next_step='give e.g. stop.rounds(5) | stop.text("TERMINATE"), or a function of the state',
    )


def stop_from_dict(given: Mapping[str, Any]) -> StopCondition:
    """The condition that `StopCondition.to_dict` wrote.

    Args:
        given: The mapping, in either spelling of its keys.

    Raises:
        InvalidInputError: It is none, or stands for a function, which cannot be written down.
    """
    return _from_dict(given, _DEPTH)


def _from_dict(given: object, depth: int) -> StopCondition:
    if not isinstance(given, Mapping) or not depth:
        raise InvalidInputError(
            f"{type(given).__name__} is no stopping condition."
            if depth
            else f"Stopping conditions inside each other go deeper than {_DEPTH}.",
            where="stop",
            next_step='give e.g. {"stop": "rounds", "n": 5}',
        )
    values = snake_keys(given)
    kind = str(values.pop("stop", ""))
    if kind in ("any", "all"):
        parts = values.pop("parts", None)
        if isinstance(parts, list | tuple) and parts and not values:
            found = tuple(_from_dict(part, depth - 1) for part in parts)
            return AnyOf(found) if kind == "any" else AllOf(found)
        raise InvalidInputError(
            f"The parts of {kind!r} are missing.",
            where="stop",
            next_step=f'give {{"stop": "{kind}", "parts": [...]}}',
        )
    if kind == "function":
        raise InvalidInputError(
            f"The stopping function {values.get('name')!r} was not kept: a function cannot be "
            "written down.",
            where="stop",
            next_step="give the function again: stop=stop.function(...)",
        )
    checked_choice(kind, (*_KINDS, "any", "all"), "stop", f"There is no stop {kind!r}.")
    found_kind = _KINDS[kind]
    known = {option.name for option in fields(found_kind) if option.init}
    try:
        if unknown := values.keys() - known:
            raise TypeError(f"there is no {sorted(unknown)[0]!r} here")
        return found_kind(**values)
    except TypeError as error:
        raise InvalidInputError(
            f"The stopping condition {kind!r} cannot be read: {error}.",
            where="stop",
            next_step=f"its fields are: {', '.join(sorted(known)) or 'none'}",
        ) from error
