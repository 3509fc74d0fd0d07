"""Hand-offs: an agent's words call others, within limits of depth, circles and number."""

from __future__ import annotations

from typing import Any

from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.fold import decision_data
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.options import ChatOptions
from vcplab.agents.chat.state import ChatState

__all__ = ["called_by"]


def called_by(
    state: ChatState, message: ChatMessage, options: ChatOptions
) -> dict[str, Any] | None:
    """Whom an agent's message calls (facts/vcp-agents §1: depth up to 3).

    Refused, with the reason: who only listens, who called before in the same chain (A calls B
    calls A), a chain that gets too long, more hand-offs than a round may have, and who may not
    know of a private conversation. Who still waits in the queue speaks anyway.

    Args:
        state: The chat, the message included.
        message: The message.
        options: The chat's options: ``handoff_depth`` and ``handoff_budget``.

    Returns:
        The facts of ``handoff``; None if it calls nobody.
    """
    if not message.mentions or not options.handoff_depth:
        return None
    waiting = {decision.agent_id for decision in state.queue}
    chain = (*state.chains.get(message.agent_id, ()), message.agent_id)
    called: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for agent_id in message.mentions:
        if agent_id in waiting or agent_id == message.agent_id:
            continue
        if why := _refusal(state, agent_id, message, chain, len(called), options):
            refused.append({"agent": agent_id, "why": why})
            continue
        reason = f"{message.agent_name} mentioned {state.name_of(agent_id)}."
        called.append(decision_data(Decision(agent_id, 100, reason)))
    if not called and not refused:
        return None
    data: dict[str, Any] = {"agent": message.agent_id, "speakers": called}
    if called and message.visible_to != state.audience:
        # A turn of its own, apart from its round: whom it calls is bound as it was.
        data["to"] = None if message.visible_to is None else sorted(message.visible_to)
    return {**data, "refused": refused} if refused else data


def _refusal(
    state: ChatState,
    agent_id: str,
    message: ChatMessage,
    chain: tuple[str, ...],
    already: int,
    options: ChatOptions,
) -> str | None:
    agent = state.agents.get(agent_id)
    if agent is None or agent.listens_only:
        return "only listens"
    if message.visible_to is not None and agent_id not in message.visible_to:
        return "the conversation is private"
    if agent_id in chain:
        return "called before in this chain"
    if len(chain) > options.handoff_depth:
        return f"the chain is longer than {options.handoff_depth}"
    if state.handoffs + already >= options.handoff_budget:
        return f"{options.handoff_budget} hand-offs were made in this round"
    return None
