"""The fold: how each event of the log changes a chat's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.state import ChatState, Mark
from vcplab.core.errors import VCPError
from vcplab.protocol.messages import Usage

__all__ = ["decision_data", "error_data", "fold", "usage_data", "usage_of"]

_Data = Mapping[str, Any]


def fold(
    state: ChatState,
    seq: int,
    type_: str,
    data: _Data,
    *,
    time: datetime | None = None,
    seconds: float = 0.0,
) -> ChatMessage | None:
    """Let one event change the state.

    Args:
        state: What the events before it add up to; changed in place.
        seq: The event's number.
        type_: Its type; an unknown one, of a newer vcplab, changes nothing.
        data: Its facts.
        time: When it happened, if known.
        seconds: How long what it ends took, if known.

    Returns:
        The message it makes, if any.
    """
    state.seconds += seconds
    if "usage" in data:
        state.usage += usage_of(data)
    change = _CHANGES.get(type_)
    return None if change is None else change(state, seq, data, time)


def usage_data(usage: Usage) -> dict[str, Any]:
    """A call's usage as it stands in the log."""
    figures = [usage.input_tokens, usage.output_tokens]
    if usage.cached_tokens:
        figures.append(usage.cached_tokens)
    return {"usage": figures, "estimated": True} if usage.estimated else {"usage": figures}


def usage_of(data: _Data) -> Usage:
    """A call's usage from the log."""
    figures: Sequence[int] = data.get("usage") or (0, 0)
    cached = figures[2] if len(figures) > 2 else 0
    return Usage(figures[0], figures[1], bool(data.get("estimated")), cached)


def decision_data(decision: Decision) -> dict[str, Any]:
    """A decision as it stands in the log, without what is at its default."""
    data: dict[str, Any] = {"agent": decision.agent_id}
    if decision.priority != 50:
        data["priority"] = decision.priority
    if decision.reason:
        data["reason"] = decision.reason
    if decision.action != "respond":
        data["action"] = decision.action
    return data


def error_data(error: BaseException) -> dict[str, Any]:
    """An agent's failure as it stands in the log."""
    if isinstance(error, VCPError):
        facts = {"code": str(error.code), "message": error.message, "next_step": error.next_step}
        return {name: value for name, value in facts.items() if value}
    return {"code": type(error).__name__, "message": str(error)}


def _decision(data: _Data) -> Decision:
    return Decision(
        data["agent"],
        data.get("priority", 50),
        data.get("reason", ""),
        action=data.get("action", "respond"),
    )


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text: {value!r}")
    return value


def _audience(data: _Data) -> frozenset[str] | None:
    return frozenset(data["to"]) if data.get("to") is not None else None


def _chat_start(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.is_active = True
    state.topic = _text(data.get("topic", state.topic), "topic")
    if "config" in data:
        state.config = data["config"]
        state.seed = data.get("seed", 0)
        state.mode = data["config"].get("mode", {}).get("mode", state.mode)
    state.summary = ""
    state.consensus = state.disagreement = None
    state.silent_rounds = 0
    state.queue.clear()
    said = sum(message.is_public for message in state.messages)
    state.start = Mark(state.round, state.turns, said, state.usage.total_tokens, state.seconds)


def _chat_end(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.is_active = False
    state.summary = data.get("summary", "")
    _round_end(state, seq, data, time)


def _agent_join(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    known = dict(data["agent"])
    model = known.pop("model", None)
    agent = Agent.of(known)
    if model is not None:
        agent = agent.with_(metadata={**agent.metadata, "model": model})
    state.agents[agent.id] = agent


def _agent_leave(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.agents.pop(data["agent"], None)
    state.queue[:] = [d for d in state.queue if d.agent_id != data["agent"]]
    state.positions.pop(data["agent"], None)
    state.audiences.pop(data["agent"], None)


def _agent_invite(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.queue[:] = [d for d in state.queue if d.agent_id != data["agent"]]
    state.queue.insert(0, _decision(data))
    state.audiences.pop(data["agent"], None)
    if "to" in data:
        state.audiences[data["agent"]] = _audience(data)


def _user_speak(state: ChatState, seq: int, data: _Data, time: datetime | None) -> ChatMessage:
    user = _text(data.get("user", USER), "user")
    text = _text(data["text"], "text")
    message = ChatMessage(
        id=f"m{seq}",
        agent_id=user,
        agent_name=data.get("name") or state.name_of(user),
        content=text,
        mentions=tuple(data.get("mentions", ())),
        visible_to=_audience(data),
        round=state.round,
        images=tuple(data.get("images", ())),
        time=time,
    )
    state.messages.append(message)
    state.silent_rounds = 0
    return message


def _round_start(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.round = data["round"]
    state.in_round = True
    state.decisions += 1
    # Somebody may have left between the decision and its round.
    decided = [_decision(speaker) for speaker in data["speakers"]]
    state.queue[:] = [decision for decision in decided if decision.agent_id in state.agents]
    state.audience = _audience(data)
    state.audiences.clear()
    state.chains.clear()
    state.handoffs = 0
    state.silent_rounds += 1  # until somebody speaks


def _round_end(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.in_round = False
    state.queue.clear()
    state.audience = None
    state.audiences.clear()


def _handoff(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    called = [_decision(speaker) for speaker in data["speakers"]]
    names = {decision.agent_id for decision in called}
    state.handoffs += len(called)
    chain = (*state.chains.get(data["agent"], ()), data["agent"])
    state.chains.update(dict.fromkeys(names, chain))
    state.queue[:] = [*called, *(d for d in state.queue if d.agent_id not in names)]
    if "to" in data:
        state.audiences.update(dict.fromkeys(names, _audience(data)))


def _begin_turn(state: ChatState, agent: str) -> Decision | None:
    """The decision whose turn it was, taken from the queue."""
    state.turns += 1
    state.spoke[agent] = state.spoke.get(agent, 0) + 1
    state.last_turn[agent] = state.turns
    state.audiences.pop(agent, None)
    for place, decision in enumerate(state.queue):
        if decision.agent_id == agent:
            return state.queue.pop(place)
    return None


def _agent_speak(state: ChatState, seq: int, data: _Data, time: datetime | None) -> ChatMessage:
    agent = data["agent"]
    decision = _begin_turn(state, agent)
    state.silent_rounds = 0
    message = ChatMessage(
        id=f"m{seq}",
        agent_id=agent,
        agent_name=data.get("name") or state.name_of(agent),
        content=data["text"],
        type="summary" if decision is not None and decision.action == "summarize" else "chat",
        mentions=tuple(data.get("mentions", ())),
        reply_to=data.get("reply_to"),
        visible_to=_audience(data),
        round=state.round,
        turn=state.turns,
        reason="" if decision is None else decision.reason,
        reasoning=data.get("reasoning", ""),
        usage=usage_of(data),
        finish_reason=data.get("finish", "stop"),
        interrupted=bool(data.get("interrupted")),
        time=time,
    )
    state.messages.append(message)
    return message


def _agent_silent(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    _begin_turn(state, data["agent"])


def _note(state: ChatState, seq: int, data: _Data, time: datetime | None) -> ChatMessage:
    """A working note: what an agent did on the way to its reply; only full sharing shows it."""
    agent = data["agent"]
    message = ChatMessage(
        id=f"m{seq}",
        agent_id=agent,
        agent_name=state.name_of(agent),
        content=data["text"],
        type="action",
        is_public=False,
        visible_to=_audience(data),
        round=state.round,
        turn=state.turns + 1,
        usage=usage_of(data),
        time=time,
    )
    state.messages.append(message)
    return message


def _model_call(
    state: ChatState, seq: int, data: _Data, time: datetime | None
) -> ChatMessage | None:
    # What a policy asks is no part of the conversation; what an agent says before a tool is.
    if data.get("purpose", "speak") == "speak" and data.get("text"):
        return _note(state, seq, data, time)
    return None


def _tool_result(
    state: ChatState, seq: int, data: _Data, time: datetime | None
) -> ChatMessage | None:
    return _note(state, seq, data, time) if data.get("text") else None


def _position(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.positions[data["agent"]] = data


def _consensus(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.consensus = data


def _disagreement(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.disagreement = data


def _message_removed(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    for place in range(len(state.messages) - 1, -1, -1):
        if state.messages[place].id == data["message"]:
            del state.messages[place]
            break


def _mode_changed(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.mode = data["mode"]["mode"]


def _options_changed(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.config = {**state.config, **data.get("changes", {})}
    state.seed = data.get("seed", state.seed)


def _topic_updated(state: ChatState, seq: int, data: _Data, time: datetime | None) -> None:
    state.topic = _text(data["topic"], "topic")


_Change = Callable[[ChatState, int, _Data, datetime | None], ChatMessage | None]
_CHANGES: Final[Mapping[str, _Change]] = {
    "chat:start": _chat_start,
    "chat:end": _chat_end,
    "agent:join": _agent_join,
    "agent:leave": _agent_leave,
    "agent:invite": _agent_invite,
    "user:speak": _user_speak,
    "round:start": _round_start,
    "round:end": _round_end,
    "handoff": _handoff,
    "agent:speak": _agent_speak,
    "agent:silent": _agent_silent,
    "model:call": _model_call,
    "tool:result": _tool_result,
    "position": _position,
    "consensus:reached": _consensus,
    "consensus:failed": _disagreement,
    "message:removed": _message_removed,
    "mode:changed": _mode_changed,
    "topic:updated": _topic_updated,
    "options:changed": _options_changed,
}
