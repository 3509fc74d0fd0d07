"""A chat as the chat panel shows it: the log as rows, what is being said, what is asked.

A row bears a number ``n``; the browser keeps the rows in the order of these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vcplab.agents.agent import Agent
from vcplab.widgets.chat_messages import (
    LONGEST,
    agent_row,
    chat_row,
    pretty,
    short,
)
from vcplab.widgets.chat_rows import ChatRows
from vcplab.widgets.plugin_messages import cut_text, preview

__all__ = ["ChatFeed"]

_WINDOW = 200  # rows that a browser is sent at a time


@dataclass(slots=True)
class _Draft:
    """What an agent is saying; ``fresh`` is what the browser does not know yet."""

    id: str
    wire: dict[str, Any]
    text: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    length: int = 0
    tools_changed: bool = False


class ChatFeed(ChatRows):
    """One chat as a panel shows it.

    Events may arrive from any thread; everything else is called from one at a time.

    Args:
        chat: The chat.
        key: What the browser calls it.
        touch: Called whenever there is news.
        available: Agents that do not take part, but could.
    """

    def __init__(
        self, chat: Any, key: str, touch: Callable[[], object], available: Iterable[Agent] = ()
    ) -> None:
        super().__init__(chat, available)
        self.key = key
        self._touch = touch
        self._arrived: deque[Any] = deque()
        self._loaded = False
        self._last = -1  # number of the latest event of the log that was taken
        self._drafts: dict[str, _Draft] = {}  # by agent
        self._new_drafts: list[_Draft] = []
        self._ended_drafts: list[str] = []
        self._sent: dict[str, Any] = {}
        self._subscription = chat.subscribe(self._arrive)

    def close(self) -> None:
        """Stop listening."""
        self._subscription.close()

    def _arrive(self, event: Any) -> None:
        self._arrived.append(event)
        self._touch()

    # What the browser is told

    def news(self, whole: bool = False) -> dict[str, Any] | None:
        """The message that brings a browser up to date; None where nothing is new.

        Args:
            whole: Whether the browser knows nothing yet; the first time it never does.
        """
        if not self._loaded:
            self._loaded = whole = True
            self._said = {message.id: message for message in self.chat.state.messages}
            for event in self.chat.events:
                self._take(event)
            self._said.clear()
        while self._arrived:
            self._take(self._arrived.popleft())
        message: dict[str, Any] = {}
        self.known.update(self.chat.state.agents)
        here = self.chat.state.agents
        agents = [agent_row(agent, name in here) for name, agent in self.known.items()]
        state, approvals = (
            chat_row(self.chat),
            [self._question(q) for q in self.chat.pending_approvals],
        )
        for name, value in (("agents", agents), ("state", state), ("approvals", approvals)):
            if whole or value != self._sent.get(name):
                self._sent[name] = message[name] = value
        if whole:
            rows = list(self._rows.values())[-_WINDOW:]
            message["drafts"] = [self._draft(draft) for draft in self._drafts.values()]
        else:
            rows = [self._rows[row] for row in self._fresh if row in self._rows]
            message.update(self._live_news())
        if rows:
            message["items"] = [self._wire(row) for row in rows]
        if self._gone and not whole:
            message["gone"] = self._gone
        self._gone = []
        self._fresh.clear()
        self._forget_pieces()
        if not message:
            return None
        return self._update(message, whole)

    def _question(self, pending: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": str(pending["id"]),
            "about": short(pending.get("kind")),
            "name": self._who_is(str(pending.get("agent")))["name"],
            "text": cut_text(pending.get("text"), LONGEST),
        }

    def earlier(self, before: int) -> dict[str, Any]:
        """The rows before the one with this number, as a message."""
        rows = [row for row in self._rows.values() if row["n"] < before][-_WINDOW:]
        return self._update({"items": [self._wire(row) for row in rows], "earlier": True}, False)

    def _update(self, message: dict[str, Any], whole: bool) -> dict[str, Any]:
        head = {"kind": "update", "chat": self.key, "whole": whole, "total": len(self._rows)}
        return {**head, **message}

    def _live_news(self) -> dict[str, Any]:
        news: dict[str, Any] = {}
        new = [
            draft for draft in self._new_drafts if self._drafts.get(draft.wire["agent"]) is draft
        ]
        if new:
            news["drafts"] = [self._draft(draft) for draft in new]
        told = [draft for draft in self._drafts.values() if draft not in new]
        if pieces := {draft.id: "".join(draft.fresh) for draft in told if draft.fresh}:
            news["pieces"] = {name: cut_text(text) for name, text in pieces.items()}
        if tools := {d.id: self._steps(d) for d in told if d.tools_changed}:
            news["tools"] = tools
        if self._ended_drafts:
            news["ended"] = self._ended_drafts
        return news

    def _forget_pieces(self) -> None:
        self._new_drafts, self._ended_drafts = [], []
        for draft in self._drafts.values():
            draft.fresh.clear()
            draft.tools_changed = False

    def _draft(self, draft: _Draft) -> dict[str, Any]:
        text = cut_text("".join(draft.text), LONGEST)
        return {**draft.wire, "text": text, "tools": self._steps(draft)}

    def _steps(self, draft: _Draft) -> list[dict[str, Any]]:
        return [dict(step) for step in self._tools.get(draft.wire["agent"], ())]

    # The log

    def _take(self, event: Any) -> None:
        name, old = str(event.type), event.seq is not None and event.seq <= self._last
        if name in ("agent:speak", "agent:silent"):
            self._end_draft(self._who(event))
        if old:  # it came while the log was read
            return
        if event.seq is not None:
            self._last = event.seq
        take = getattr(self, "_on_" + name.replace(":", "_"), None)
        if take is not None:
            take(event, event.data)

    # What is live only

    def _on_agent_thinking(self, event: Any, data: Mapping[str, Any]) -> None:
        who = self._who(event)
        self._end_draft(who)
        self._begin_draft(who, data)

    def _begin_draft(self, who: str, data: Mapping[str, Any], text: str = "") -> _Draft:
        wire = {
            "id": f"{who}#{data.get('turn')}",
            **self._who_is(who),
            "round": data.get("round"),
            "turn": data.get("turn"),
            "reason": short(data.get("reason")),
        }
        draft = self._drafts[who] = _Draft(wire["id"], wire, [text] if text else [])
        self._new_drafts.append(draft)
        return draft

    def _end_draft(self, who: str) -> None:
        draft = self._drafts.pop(who, None)
        if draft is not None:
            self._ended_drafts.append(draft.id)

    def _on_agent_stream(self, event: Any, data: Mapping[str, Any]) -> None:
        who, chunk = self._who(event), str(data.get("chunk") or "")
        # A panel that was opened in mid-sentence did not hear how it began.
        draft = self._drafts.get(who) or self._begin_draft(who, data, "… ")
        if draft.length <= LONGEST:
            draft.length += len(chunk)
            draft.text.append(chunk)
            draft.fresh.append(chunk)

    # What an agent does on its way to an answer: logged as notes, shown with its turn

    def _on_model_call(self, event: Any, data: Mapping[str, Any]) -> None:
        if data.get("purpose", "speak") != "speak" or not data.get("text"):
            return
        who = self._who(event)
        self._step(who, {"name": "", "arguments": "", "state": "said"}, data["text"])
        draft = self._drafts.get(who)
        if draft is not None:  # what was streamed so far is this; the answer begins anew
            draft.text.clear()
            draft.length = 0
            if draft not in self._new_drafts:
                self._new_drafts.append(draft)

    def _on_tool_call(self, event: Any, data: Mapping[str, Any]) -> None:
        for call in data.get("calls") or ():
            arguments = call.get("arguments")
            told = arguments if isinstance(arguments, str) else preview(arguments)
            tool = {"name": short(call.get("tool")), "arguments": short(told), "state": "running"}
            self._step(self._who(event), tool, "")

    def _on_tool_result(self, event: Any, data: Mapping[str, Any]) -> None:
        who = self._who(event)
        running = [step for step in self._tools.get(who, ()) if step["state"] == "running"]
        texts = list(data.get("texts") or ())
        if len(texts) != len(running):  # the answers stand together: with the last one
            running, together = running[-1:], running[:-1]
            for step in together:
                step["state"] = "answered"
                self._step(who, step, "Its answer stands with the next.")
            texts = [pretty(data.get("text"))]
        for step, text in zip(running, texts, strict=False):
            step["state"] = "answered"
            self._step(who, step, pretty(text))

    def _step(self, who: str, step: dict[str, Any], result: str) -> None:
        steps = self._tools.setdefault(who, [])
        step["result"] = cut_text(result, LONGEST)
        if not any(known is step for known in steps):
            steps.append(step)
        if who in self._drafts:
            self._drafts[who].tools_changed = True
