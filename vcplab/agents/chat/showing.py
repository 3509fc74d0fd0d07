"""A chat as tables, documents and a static page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vcplab.agents._identity import folded_name
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.core.display import html_table, style_block
from vcplab.core.display.cells import showable
from vcplab.protocol.results import TextPart, ToolResult, parse_tool_results

if TYPE_CHECKING:
    import pandas as pd

    from vcplab.agents.chat.room import Room

__all__ = ["as_json", "html", "markdown", "messages_frame", "timeline_frame"]

_COLUMNS = [
    "id", "round", "turn", "agent_id", "agent", "type", "text", "reason", "mentions", "visible_to",
    "input_tokens", "output_tokens", "estimated", "finish_reason", "interrupted", "time",
]  # fmt: skip
_STEPS = (
    "round:start", "agent:speak", "agent:silent", "user:speak", "handoff", "model:call",
    "tool:call", "tool:result", "position", "consensus:reached", "consensus:failed",
    "conflict:detected", "timeout", "chat:start", "chat:end", "message:removed", "mode:changed",
)  # fmt: skip

#: How a reply that is not whole is marked, by what the model said of its end.
_FINISHES = {
    None: "broken off: the model never said that it was done",
    "length": "cut off: the limit of tokens was reached",
    "content_filter": "cut off by a filter",
}


def messages_frame(chat: Room) -> pd.DataFrame:
    """The messages of a chat, one row each.

    Args:
        chat: The chat.

    Returns:
        Columns ``id``, ``round``, ``turn``, ``agent_id``, ``agent``, ``type``, ``text``,
        ``reason``, ``mentions``, ``visible_to``, ``input_tokens``, ``output_tokens``,
        ``estimated``, ``finish_reason``, ``interrupted``, ``time``.
    """
    import pandas as pd

    apart = _apart(chat)
    rows = [
        (
            m.id, m.round, m.turn, m.agent_id, _name(m, apart), m.type, m.content, m.reason,
            list(m.mentions), None if m.visible_to is None else sorted(m.visible_to),
            m.usage.input_tokens, m.usage.output_tokens, m.usage.estimated,
            m.finish_reason, m.interrupted, m.time,
        )
        for m in chat.messages
    ]  # fmt: skip
    return _timed(pd.DataFrame(rows, columns=_COLUMNS))


def timeline_frame(chat: Room) -> pd.DataFrame:
    """What happened, one row an event: who, why, how long, at what cost.

    Args:
        chat: The chat.

    Returns:
        Columns ``seq``, ``time``, ``type``, ``round``, ``agent``, ``what``, ``reason`` (why it
        spoke), ``input_tokens``, ``output_tokens``, ``seconds``.
    """
    import pandas as pd

    rows, current, apart = [], 0, _apart(chat)
    reasons = {message.id: message.reason for message in chat.messages}
    for event in chat.events:
        if event.type == "round:start":
            current = event.data["round"]
        if event.type not in _STEPS:
            continue
        usage = event.data.get("usage") or (None, None)
        agent = event.agent_id
        if event.type == "user:speak":
            agent = event.data.get("user", USER)
        rows.append(
            (
                event.seq, event.moment, event.type, current,
                None if agent is None else apart.get(agent) or chat.state.name_of(agent),
                _what(chat, event.type, event.data), reasons.get(f"m{event.seq}", ""),
                usage[0], usage[1], event.seconds,
            )
        )  # fmt: skip
    columns = [
        "seq", "time", "type", "round", "agent", "what", "reason", "input_tokens",
        "output_tokens", "seconds",
    ]  # fmt: skip
    frame = _timed(pd.DataFrame(rows, columns=columns))
    return frame.astype({"input_tokens": "Int64", "output_tokens": "Int64"})


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return frame.assign(time=pd.to_datetime(frame["time"], utc=True))


def _what(chat: Room, type_: str, data: Mapping[str, Any]) -> str:
    if type_ in ("round:start", "handoff"):
        return ", ".join(chat.state.name_of(one["agent"]) for one in data["speakers"]) or "nobody"
    if type_ == "agent:silent":
        error = data.get("error") or {}
        return f"{data['why']}: {error['message']}" if error else str(data["why"])
    if type_ == "tool:result":
        return "; ".join(map(_gave, parse_tool_results(data["text"]))) or str(data["text"])
    if type_ == "tool:call":
        return "; ".join(f"{call['tool']} {call['arguments']}" for call in data["calls"])
    for name in ("text", "reason", "stance", "topic", "message", "purpose"):
        if data.get(name):
            return str(data[name])
    return ""


def _gave(result: ToolResult) -> str:
    """A tool's result without its wrapper."""
    if not result.success:
        return f"failed: {result.error}"
    texts = [part.text for part in result.parts if isinstance(part, TextPart)]
    value = "\n".join(texts) or result.value
    if isinstance(value, dict) and "original_plugin_output" in value:
        value = value["original_plugin_output"]
    return str(value)


def positions_frame(chat: Room) -> pd.DataFrame:
    """The positions that agents took, one row each, in their order.

    Args:
        chat: The chat.

    Returns:
        Columns ``round``, ``agent``, ``stance``, ``confidence``, ``reason``; a position that could
        not be read has no stance.
    """
    import pandas as pd

    apart = _apart(chat)
    rows = [
        (
            event.data.get("round"),
            apart.get(str(event.agent_id)) or chat.state.name_of(str(event.agent_id)),
            event.data.get("stance"),
            event.data.get("confidence"),
            event.data.get("reason", ""),
        )
        for event in chat.events
        if event.type == "position"
    ]
    return pd.DataFrame(rows, columns=["round", "agent", "stance", "confidence", "reason"])


def markdown(chat: Room) -> str:
    """A chat as a document: what was said stands as quoted text, so that none of it is markup.

    Replies that are private, were interrupted or are not whole are marked; control characters
    are replaced by U+FFFD.

    Args:
        chat: The chat.
    """
    state = chat.state
    lines = [f"# {_inert(chat.name)}", ""]
    if state.topic:
        lines += [f"Topic: {_inert(state.topic)}", ""]
    apart = _apart(chat)
    lines += [
        f"- **{_inert(apart.get(agent.id, agent.display_name))}** ({agent.role})"
        + (f": {_inert(agent.description)}" if agent.description else "")
        for agent in chat.agents
    ]
    shown = 0
    for message in chat.messages:
        if not message.is_public:
            continue
        if message.round != shown:
            shown = message.round
            lines += ["", f"## Round {shown}"]
        marks = "".join(f" ({mark})" for mark in _marks(message))
        lines += ["", f"**{_inert(_name(message, apart))}**{marks}", ""]
        lines += [f"> {_inert(line)}" for line in message.content.split("\n")]
    end = next((e for e in reversed(chat.events) if e.type == "chat:end"), None)
    if end is not None and not state.is_active:
        lines += ["", f"Ended: {_inert(str(end.data.get('reason', '')))}"]
    return "\n".join([*lines, ""])


def as_json(chat: Room) -> dict[str, Any]:
    """A chat as JSON-able values.

    Args:
        chat: The chat.
    """
    return {
        "id": chat.id,
        "name": chat.name,
        "mode": chat.policy.to_dict(),
        "topic": chat.state.topic,
        "status": chat.status,
        "agents": [agent.to_dict() for agent in chat.agents],
        "messages": [
            {
                "id": m.id,
                "agent_id": m.agent_id,
                "agent_name": m.agent_name,
                "content": m.content,
                "type": m.type,
                "round": m.round,
                "mentions": list(m.mentions),
                "reason": m.reason,
                "visible_to": None if m.visible_to is None else sorted(m.visible_to),
                "usage": {"input_tokens": m.usage.input_tokens,
                          "output_tokens": m.usage.output_tokens,
                          "estimated": m.usage.estimated},
                "interrupted": m.interrupted,
                "time": None if m.time is None else m.time.isoformat(),
            }
            for m in chat.messages
        ],
        "usage": {
            "input_tokens": chat.state.usage.input_tokens,
            "output_tokens": chat.state.usage.output_tokens,
            "estimated": chat.state.usage.estimated,
        },
    }  # fmt: skip


def html(chat: Room, limit: int = 30) -> str:
    """A chat as a static table of its latest messages.

    Args:
        chat: The chat.
        limit: How many rows at most; turns that gave nothing have one too.
    """
    said = {m.id: m for m in chat.messages if m.is_public}
    apart = _apart(chat)
    rows: list[tuple[str, str, str]] = []
    for event in reversed(chat.events):
        if len(rows) >= limit:
            break
        message = said.get(f"m{event.seq}")
        if message is not None:
            marks = ", ".join(_marks(message))
            who = _name(message, apart) + (f" ({marks})" if marks else "")
            rows.append((who, message.content, message.reason))
        elif event.type == "agent:silent":
            # A turn that gave nothing is shown too, or a chat whose model fails looks empty.
            agent = event.data["agent"]
            name = apart.get(agent) or chat.state.name_of(agent)
            rows.append((name, "", _what(chat, event.type, event.data)))
    caption = f"{chat.name}: {chat.mode}, {chat.status}"
    if len(rows) >= limit and len(said) > limit:
        caption += f", the latest {limit} of {len(said)} messages"
    return style_block() + html_table(["who", "said", "why"], rows[::-1], caption=caption)


def _marks(message: ChatMessage) -> list[str]:
    """What a reader has to know of a message besides its text."""
    finish = message.finish_reason
    marks = {
        "private": message.visible_to is not None,
        "interrupted": message.interrupted,
        _FINISHES.get(finish, "broken off"): not message.interrupted and finish in _FINISHES,
    }
    return [mark for mark, holds in marks.items() if holds]


def _apart(chat: Room) -> dict[str, str]:
    """By id, the names of agents that are called as somebody before them, told apart."""
    taken = {folded_name(chat.state.name_of(USER))}
    found: dict[str, str] = {}
    for agent in chat.agents:
        name, number = agent.display_name, 1
        while folded_name(name) in taken:
            number += 1
            name = f"{agent.display_name} ({number})"
        taken.add(folded_name(name))
        if number > 1:
            found[agent.id] = name
    return found


def _name(message: ChatMessage, apart: Mapping[str, str]) -> str:
    return apart.get(message.agent_id, message.agent_name)


def _inert(text: str) -> str:
    """Text in Markdown that stays text, without control characters."""
    text = showable(text.replace("\r", ""))
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~&$-])", r"\\\1", text)
