"""Going on where a log ends: what a chat whose process was killed had begun and not finished.

The log says it all: who had spoken and was not answered, which turn was in the middle, what the
agent of that turn knew of, and what was to follow the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.journal import Journal, inside
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.state import ChatState

__all__ = ["Begun", "begun_turn", "last_word", "unanswered"]

_TURN_ENDS = ("agent:speak", "agent:silent")


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the next turn stands.

    Attributes:
        journal: What is known of it already.
        seen: Number of the last event that its agent knows of.
        left: How many turns are left of several at the same time; 0 for a turn of its own.
        heard: Whether a person spoke in the middle of it.
    """

    journal: Journal
    seen: int
    left: int = 0
    heard: bool = False


def begun_turn(events: Sequence[ChatEvent]) -> Begun:
    """Where the next turn stands: begun in the log, or about to begin.

    Args:
        events: The whole log.
    """
    found: list[ChatEvent] = []
    heard = False
    place = len(events) - 1
    while place >= 0:
        event = events[place]
        if inside(event):
            found.append(event)
        elif event.data.get("during"):
            heard = True
        else:
            break
        place -= 1
    journal = Journal(reversed(found))
    before = place
    while before >= 0 and (events[before].type == "handoff" or events[before].data.get("during")):
        before -= 1
    end = events[before] if before >= 0 else None
    if end is not None and end.type in _TURN_ENDS and end.data.get("left"):
        return Begun(journal, end.data["seen"], end.data["left"], heard)
    if place >= 0 and events[place].type == "agent:invite" and "seen" in events[place].data:
        return Begun(journal, events[place].data["seen"], heard=heard)
    return Begun(journal, place, heard=heard)


def unanswered(state: ChatState, events: Sequence[ChatEvent]) -> list[ChatMessage]:
    """What people said that no round has taken up, oldest first.

    Args:
        state: What the events add up to.
        events: The whole log.
    """
    waiting: list[str] = []
    said: list[str] = []
    for event in events:
        name = f"m{event.seq}"
        if event.type == "user:speak":
            waiting.append(name)
        if event.type in ("user:speak", "agent:speak"):
            if event.data.get("to") is None:
                said.append(name)
        elif event.type == "message:removed" and event.data["message"] in said:
            said.remove(event.data["message"])
        elif event.type == "round:start":
            # A round that does not say what it answers answers what was said last.
            taken = event.data.get("on", said[-1] if said else "")
            waiting = [one for one in waiting if one != taken]
        elif event.type in ("chat:start", "chat:end"):
            waiting.clear()
    return [message for message in state.messages if message.id in waiting]


def last_word(events: Sequence[ChatEvent]) -> ChatEvent | None:
    """The end of a turn, where the log ends with it: what follows from it may be missing.

    Args:
        events: The whole log.
    """
    for event in reversed(events):
        if event.type in _TURN_ENDS:
            return event
        if event.type not in ("user:speak", "handoff"):
            break
    return None
