"""What the chat panel tells the browser: messages, agents and meters as plain JSON text."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.widgets.plugin_messages import cut_text

if TYPE_CHECKING:
    from vcplab.agents.chat.state import ChatState

__all__ = [
    "LONGEST",
    "agent_row",
    "chat_row",
    "facts_text",
    "figure",
    "message_row",
    "money",
    "person",
    "pretty",
    "short",
]

#: Characters of a text that is shown in full.
LONGEST = 60_000
_SHORT = 2_000
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp)[;,]", re.IGNORECASE)
_LARGEST_IMAGE = 4_000_000
_LARGEST_AVATAR = 200_000


def agent_row(agent: Agent, here: bool = True) -> dict[str, Any]:
    """An agent in the list of agents, and whether it takes part."""
    return {
        "id": agent.id,
        "name": short(agent.display_name),
        "called": short(agent.name),
        "aliases": [short(alias) for alias in agent.aliases],
        "avatar": _avatar(agent.avatar),
        "role": agent.role,
        "about": short(agent.description or ", ".join(agent.expertise)),
        "listens": agent.listens_only,
        "here": here,
    }


def person(who: str, state: ChatState, known: Mapping[str, Agent]) -> dict[str, Any]:
    """Somebody's id and name; agents that have left keep theirs."""
    agent = state.agents.get(who) or known.get(who)
    name = state.name_of(who) if agent is None else agent.display_name
    return {"agent": short(who), "name": short(name)}


def message_row(
    message: ChatMessage, state: ChatState, known: Mapping[str, Agent]
) -> dict[str, Any]:
    """What the transcript shows of a message."""
    author = person(message.agent_id, state, known)
    shows = state.config.get("show_thinking", True)
    to = None
    if message.visible_to is not None:
        others = sorted(message.visible_to - {message.agent_id})
        to = [person(who, state, known)["name"] for who in others]
    return {
        **author,
        "name": short(message.agent_name) or author["name"],
        "user": message.from_user,
        "type": message.type,
        "text": cut_text(message.content, LONGEST),
        "time": None if message.time is None else int(message.time.timestamp() * 1000),
        "round": message.round,
        "turn": message.turn,
        "reason": short(message.reason),
        "reasoning": cut_text(message.reasoning if shows else "", LONGEST),
        "input": message.usage.input_tokens,
        "output": message.usage.output_tokens,
        "estimated": message.usage.estimated,
        "interrupted": message.interrupted,
        "cut": not message.interrupted and message.finish_reason in (None, "length"),
        "public": message.is_public,
        "to": to,
        "images": [url for url in message.images if _is_shown(url)],
    }


def chat_row(chat: Any) -> dict[str, Any]:
    """The head of the panel and the meters."""
    state = chat.state
    usage = state.usage
    return {
        "name": short(chat.name) or "Group chat",
        "status": str(chat.status),
        "mode": short(chat.mode),
        "topic": short(state.topic),
        "user": short(state.name_of(USER)),
        "round": state.round,
        "turn": state.turns,
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "estimated": usage.estimated,
        "cost": money(chat.ledger),
        "seconds": round(float(state.seconds), 3),
    }


def money(ledger: Any) -> str:
    """What the calls cost so far, in words; empty without a price list."""
    total = ledger.total
    return "" if total.currency is None else short(total.cost_text)


def short(value: object) -> str:
    """A name, a reason or another text of a line or two."""
    return cut_text(value, _SHORT)


def pretty(value: Any) -> str:
    """A tool's result as text."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def figure(value: object) -> str:
    """A number of a few digits, or whatever else stands there."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else short(value)


def facts_text(data: Mapping[str, Any], leave: Collection[str] = ()) -> str:
    """The plain facts of an event in one line."""
    shown = [
        f"{short(name).replace('_', ' ')} {figure(value)}"
        for name, value in data.items()
        if name not in leave and value is not None and not isinstance(value, Mapping | list | tuple)
    ]
    return " · ".join(shown)


def _avatar(avatar: str) -> str:
    if not avatar.startswith("data:"):
        return short(avatar)[:16]
    return avatar if len(avatar) <= _LARGEST_AVATAR and _IMAGE.match(avatar) else ""


def _is_shown(url: str) -> bool:
    # Nothing is fetched: an address would tell its server who looks.
    return len(url) <= _LARGEST_IMAGE and _IMAGE.match(url) is not None
