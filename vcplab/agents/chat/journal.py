"""What is known already: results that a step which is taken again does not fetch again.

A chat whose process ended in the middle of a turn takes that turn again when it goes on: model
calls and tools that had answered are answered from the log. A replay takes every turn again, and
everything is answered from the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.fold import usage_of
from vcplab.protocol.completions import ChatReply, FinishReason
from vcplab.protocol.messages import ToolCall

__all__ = ["Journal", "inside", "reply_of", "results_data", "results_of", "unfinished"]

#: Events that stand in the middle of a step.
_INNER: Final = frozenset(
    ["model:call", "tool:call", "tool:result", "position", "conflict:detected",
     "consensus:reached", "consensus:failed", "approval"]
)  # fmt: skip


class Journal:
    """Logged events that answer the effects of a step.

    Args:
        events: The events, oldest first.
        logged: Whether they stand in the chat's own log, so that they are not written again.
    """

    def __init__(self, events: Iterable[ChatEvent] = (), *, logged: bool = True) -> None:
        self._events = deque(events)
        self.logged = logged

    def __len__(self) -> int:
        return len(self._events)

    def take(self, *types: str, agent: str | None = None, **facts: object) -> ChatEvent | None:
        """The next event of an agent, if it is of one of these types and has these facts.

        Args:
            *types: The types.
            agent: The agent; None for an event without one.
            **facts: What its data have to say.

        Returns:
            The event, which is gone then; None if the next one is another.
        """
        for place, event in enumerate(self._events):
            if event.data.get("agent") != agent:
                continue
            if event.type in types and all(event.data.get(k) == v for k, v in facts.items()):
                del self._events[place]
                return event
            return None
        return None

    def clear(self) -> None:
        """Forget the rest: the step is over."""
        self._events.clear()


def inside(event: ChatEvent) -> bool:
    """Whether an event stands in the middle of a step."""
    # A call that was interrupted ended its step.
    return event.type in _INNER and not (
        event.type == "model:call" and event.data.get("interrupted")
    )


def unfinished(events: Sequence[ChatEvent]) -> Journal:
    """The journal of a decision in whose middle a log ends.

    Args:
        events: The whole log.
    """
    found: list[ChatEvent] = []
    for event in reversed(events):
        if not inside(event):
            break
        found.append(event)
    return Journal(reversed(found))


def reply_of(event: ChatEvent) -> ChatReply:
    """The reply that an event tells of: of ``model:call`` or ``agent:speak``."""
    data = event.data
    finish: FinishReason | None = data.get("finish", "stop")
    return ChatReply(
        data.get("text", ""),
        data.get("reasoning", ""),
        tuple(ToolCall(c["id"], c["name"], c["arguments"]) for c in data.get("calls", ())),
        finish,
        usage_of(data),
    )


def results_data(texts: Sequence[str]) -> dict[str, Any]:
    """What tools gave, as ``tool:result`` says it: one text, and each where there are several."""
    data: dict[str, Any] = {"text": "\n".join(texts)}
    return data if len(texts) == 1 else {**data, "texts": list(texts)}


def results_of(event: ChatEvent) -> list[str]:
    """What tools gave, from ``tool:result``."""
    return list(event.data.get("texts", [event.data.get("text", "")]))
