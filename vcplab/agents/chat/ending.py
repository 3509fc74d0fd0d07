"""How a chat ends by itself: which condition is reached, and what the log says then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vcplab.agents.chat.session import Session
from vcplab.agents.chat.state import ChatState
from vcplab.agents.chat.stopping import AllOf, AnyOf, RoundLimit, StopCondition, TimeLimit

__all__ = ["bounded", "ending", "minds_silence", "time_left"]


def ending(
    session: Session, stop: StopCondition | None, *, round_over: bool
) -> list[tuple[str, Mapping[str, Any]]]:
    """What is logged where a stopping condition is reached; nothing where none is.

    Args:
        session: The chat's memory.
        stop: When the chat ends.
        round_over: Whether the present round is over.
    """
    state = session.state
    if stop is None or not state.is_active:
        return []
    reason = stop.reached(state, round_over)
    if reason is None:
        return []
    kind = _which(stop, session, round_over)
    facts: list[tuple[str, Mapping[str, Any]]] = []
    if state.in_round:
        facts.append(
            ("round:end", {"round": state.round, **({"cut": True} if state.queue else {})})
        )
    if kind == "time":
        facts.append(("timeout", {"reason": reason}))
    return [*facts, ("chat:end", {"reason": reason, "kind": kind})]


def bounded(stop: StopCondition | None) -> StopCondition:
    """A condition that is reached one day: without a limit of its own it gets one of rounds.

    Args:
        stop: When the chat ends; None for 10 rounds, what the originals announce as ``maxRounds``.
    """
    if stop is None:
        return RoundLimit(10)
    return stop if _is_limited(stop) else stop | RoundLimit(100)


def _is_limited(stop: StopCondition) -> bool:
    if isinstance(stop, AnyOf):
        return any(map(_is_limited, stop.parts))
    if isinstance(stop, AllOf):
        return all(map(_is_limited, stop.parts))
    return stop.kind in ("rounds", "turns", "messages", "tokens", "time")


def time_left(stop: StopCondition | None, state: ChatState) -> float | None:
    """Seconds that a turn may take before a time limit ends the chat; None without one.

    Args:
        stop: When the chat ends.
        state: The chat.
    """
    if isinstance(stop, TimeLimit):
        return max(0.0, stop.seconds - (state.seconds - state.start.seconds))
    if isinstance(stop, AnyOf):
        found = [left for part in stop.parts if (left := time_left(part, state)) is not None]
        return min(found, default=None)
    return None


def minds_silence(stop: StopCondition | None) -> bool:
    """Whether a condition says itself what silent rounds mean."""
    if stop is None:
        return False
    parts: Sequence[StopCondition] = getattr(stop, "parts", ())
    return stop.kind == "silence" or any(minds_silence(part) for part in parts)


def _which(stop: StopCondition, session: Session, round_over: bool) -> str:
    """The kind of the condition that was reached."""
    if isinstance(stop, AnyOf):
        for part in stop.parts:
            if part.reached(session.state, round_over):
                return _which(part, session, round_over)
    return stop.kind
