"""The rows of a chat panel's transcript: what each event of the log becomes.

A row bears a number ``n``; the browser keeps the rows in the order of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat.message import ChatMessage
from vcplab.core.errors import VCPError
from vcplab.widgets.chat_messages import LONGEST, facts_text, figure, message_row, person, short
from vcplab.widgets.plugin_messages import cut_text

__all__ = ["ChatRows"]

_POSITION = ("stance", "confidence", "reason")


class ChatRows:
    """The log of a chat as rows; `ChatFeed` adds what is live.

    Args:
        chat: The chat.
        available: Agents that do not take part, but could.
    """

    def __init__(self, chat: Any, available: Iterable[Agent]) -> None:
        self.chat = chat
        self.known: dict[str, Agent] = {agent.id: agent for agent in available}
        self._said: dict[str, ChatMessage] = {}
        self._count = 0
        self._rows: dict[str, dict[str, Any]] = {}
        self._fresh: dict[str, None] = {}
        self._gone: list[str] = []
        self._tools: dict[str, list[dict[str, Any]]] = {}  # by agent, of its turn that is not over
        self._positions: dict[str, Any] | None = None  # the row that new positions go to

    def _who(self, event: Any) -> str:
        message = event.message
        return str(event.agent_id or event.data.get("agent") or (message and message.agent_id))

    def _add(self, kind: str, event: Any, **facts: Any) -> dict[str, Any]:
        self._count += 1
        name = facts.pop("id", None) or f"e{event.seq if event.seq is not None else self._count}"
        row = {"id": name, "n": self._count, "kind": kind, **facts}
        self._rows[name] = row
        self._fresh[name] = None
        return row

    def _say(self, event: Any, _: Mapping[str, Any]) -> None:
        # An event of the log does not bear its message; what was taken back is not there.
        message = event.message or self._said.get(f"m{event.seq}")
        if message is not None:
            tools = [] if message.from_user else self._tools.pop(message.agent_id, [])
            self._add("message", event, id=message.id, message=message, tools=tools)

    _on_user_speak = _on_agent_speak = _say

    def _on_message_removed(self, event: Any, data: Mapping[str, Any]) -> None:
        name = str(data.get("message"))
        if self._rows.pop(name, None) is not None:
            self._fresh.pop(name, None)
            self._gone.append(name)

    def _on_agent_silent(self, event: Any, data: Mapping[str, Any]) -> None:
        who = self._who(event)
        self._add(
            "silent",
            event,
            who=who,
            why=short(data.get("why") or "empty"),
            error=_failure(data.get("error")),
            partial=cut_text(data.get("partial"), LONGEST),
            tools=self._tools.pop(who, []),
        )

    def _on_round_start(self, event: Any, data: Mapping[str, Any]) -> None:
        speakers = [
            {
                "who": str(one.get("agent")),
                "reason": short(one.get("reason")),
                "action": short(one.get("action")),
                "priority": figure(one.get("priority")),
            }
            for one in data.get("speakers") or ()
        ]
        self._add("round", event, round=data.get("round"), speakers=speakers)

    def _on_round_end(self, event: Any, data: Mapping[str, Any]) -> None:
        if data.get("cut"):
            self._add("note", event, text=f"Round {figure(data.get('round'))} was broken off.")

    def _on_handoff(self, event: Any, data: Mapping[str, Any]) -> None:
        names = [self._who_is(str(one.get("agent")))["name"] for one in data.get("speakers") or ()]
        if names:
            self._add("note", event, who=self._who(event), text=f"calls {', '.join(names)}.")

    def _on_agent_invite(self, event: Any, data: Mapping[str, Any]) -> None:
        name = self._who_is(self._who(event))["name"]
        self._add("note", event, text=short(data.get("reason")) or f"{name} is given the floor.")

    def _on_position(self, event: Any, data: Mapping[str, Any]) -> None:
        if self._positions is None:
            self._positions = self._add("positions", event, verdict="", facts="", rows={})
        self._place(self._positions, self._who(event), data)

    def _place(self, row: dict[str, Any], who: str, position: Mapping[str, Any]) -> None:
        row["rows"][who] = {name: figure(position.get(name)) for name in _POSITION}
        self._fresh[row["id"]] = None

    def _verdict(self, event: Any, data: Mapping[str, Any]) -> None:
        row, self._positions = self._positions, None
        if row is None:
            row = self._add("positions", event, verdict="", facts="", rows={})
        positions = data.get("positions")
        if isinstance(positions, Mapping):
            for who, position in positions.items():
                if str(who) not in row["rows"] and isinstance(position, Mapping):
                    self._place(row, str(who), position)
        row["verdict"], row["facts"] = str(event.type), facts_text(data)
        self._fresh[row["id"]] = None

    _on_consensus_reached = _on_conflict_detected = _on_consensus_failed = _verdict

    def _on_chat_start(self, event: Any, data: Mapping[str, Any]) -> None:
        topic = short(data.get("topic"))
        self._add("note", event, text=f"The chat begins: {topic}" if topic else "The chat begins.")

    def _on_chat_end(self, event: Any, data: Mapping[str, Any]) -> None:
        summary = cut_text(data.get("summary"), LONGEST)
        self._add("end", event, text=short(data.get("reason")), summary=summary)

    def _on_timeout(self, event: Any, data: Mapping[str, Any]) -> None:
        self._add("note", event, text=f"Time is up. {short(data.get('reason'))}".strip())

    def _on_mode_changed(self, event: Any, data: Mapping[str, Any]) -> None:
        mode = data.get("mode")
        name = mode.get("mode") if isinstance(mode, Mapping) else mode
        self._add("note", event, text=f"The speaking mode is now {short(name)}.")

    def _on_topic_updated(self, event: Any, data: Mapping[str, Any]) -> None:
        self._add("note", event, text=f"The topic is now: {short(data.get('topic'))}")

    def _on_agent_join(self, event: Any, data: Mapping[str, Any]) -> None:
        given = data.get("agent")
        if isinstance(given, Mapping):
            with suppress(VCPError):
                agent = Agent.of(given)
                self.known.setdefault(agent.id, agent)
                given = agent.id
        if self._count:  # those who are there from the beginning are in the list of agents
            self._add("note", event, who=str(event.agent_id or given), text="takes part.")

    def _on_agent_leave(self, event: Any, data: Mapping[str, Any]) -> None:
        self._add("note", event, who=self._who(event), text="has left.")

    # Rows as JSON

    def _who_is(self, who: str) -> dict[str, Any]:
        return person(who, self.chat.state, self.known)

    def _wire(self, row: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(row)
        if made["kind"] == "message":
            message = made.pop("message")
            return {**made, **message_row(message, self.chat.state, self.known)}
        if "who" in made:
            made.update(self._who_is(made.pop("who")))
        if made["kind"] == "round":
            made["speakers"] = [
                {**one, "name": self._who_is(one["who"])["name"]} for one in made["speakers"]
            ]
        elif made["kind"] == "positions":
            made["rows"] = [
                {"name": self._who_is(who)["name"], **values}
                for who, values in made["rows"].items()
            ]
        return made


def _failure(error: object) -> str:
    if not isinstance(error, Mapping):
        return short(error)
    text = f"[{error.get('code')}] {error.get('message')}"
    return short(f"{text} Next: {error['next_step']}" if error.get("next_step") else text)
