"""Replaying a chat: every decision and every turn again, answered from the log, and compared.

What people did (starting, speaking, letting agents join, giving somebody the floor, taking
messages back, ending) is done again in its order; what follows from it is found out again: who
speaks and why, hand-offs, what is stripped from replies, when a round is over, when the chat
ends. Models and tools answer from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from vcplab.agents.chat.deciding import decide
from vcplab.agents.chat.ending import bounded, ending
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.fold import decision_data, fold
from vcplab.agents.chat.handoffs import called_by
from vcplab.agents.chat.journal import Journal, inside
from vcplab.agents.chat.log import HEADER, ChatLog, ChatStore
from vcplab.agents.chat.policies import as_policy
from vcplab.agents.chat.prompts import PromptBuilder
from vcplab.agents.chat.session import Session
from vcplab.agents.chat.setting import Setting
from vcplab.agents.chat.stopping import StopCondition
from vcplab.agents.chat.terms import Terms, plain
from vcplab.agents.chat.tools import NoTools
from vcplab.agents.chat.turns import Turn
from vcplab.core.clock import current_clock
from vcplab.core.display import html_card, style_block
from vcplab.core.errors import VCPError
from vcplab.core.loop import run

if TYPE_CHECKING:
    from vcplab.agents.chat.chat import GroupChat

__all__ = ["Replay", "replay"]

#: What people do; everything else follows.
_GIVEN: Final = frozenset(
    ["chat:start", "agent:join", "agent:leave", "agent:invite", "user:speak", "message:removed",
     "mode:changed", "topic:updated", "options:changed", "timeout"]
)  # fmt: skip
_TURN_ENDS: Final = frozenset(["agent:speak", "agent:silent"])
_ENDINGS: Final = frozenset(["round:end", "chat:end"])
_OF_DECISIONS: Final = frozenset(
    ["round:start", "position", "consensus:reached", "consensus:failed", "conflict:detected"]
)
#: What people or clocks do that says whether the chat ends after a turn.
_TURNS_LAST: Final = frozenset(["timeout", "options:changed"])
#: Ends of a chat that do not follow from its log: somebody's word, a clock, an agent's failure.
_GIVEN_ENDS: Final = frozenset(["user", "time", "failed"])

_Fact = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found.

    Attributes:
        identical: Whether it gave the same log, byte for byte.
        events: Number of events of the log.
        first_difference: The log's line and the replay's where they differ first; None if nowhere.
        at: The number of that event.
        log: The canonical log of the second run.
    """

    identical: bool
    events: int
    first_difference: tuple[str | None, str | None] | None
    at: int | None
    log: str

    def __bool__(self) -> bool:
        return self.identical

    def __repr__(self) -> str:
        if self.identical:
            return f"<Replay identical: {self.events} events>"
        then, now = self.first_difference or (None, None)
        return f"<Replay differs at event {self.at}: {_excerpt(then, now)}>"

    def _repr_html_(self) -> str:
        if self.identical:
            rows = [("log", "identical, byte for byte"), ("events", str(self.events))]
        else:
            then, now = self.first_difference or ("", "")
            rows = [("differs at event", str(self.at)), ("then", then or "–"), ("now", now or "–")]
        return style_block() + html_card("Replay", rows)


def replay(
    chat: GroupChat, *, mode: Any = None, on_event: Callable[[ChatEvent], object] | None = None
) -> Replay:
    """Take every decision and turn of a chat again; see `GroupChat.replay`.

    Args:
        chat: The chat.
        mode: The mode; None for the chat's own.
        on_event: Called with every event of the second run.
    """
    again = _Again(chat, mode)
    if on_event is not None:
        again.session.subscribe(on_event)
    problem = run(again.go())
    then = [event.line for event in chat.events]
    # What follows where the log was torn off is no difference.
    now = [event.line for event in again.session.log.events[: len(then)]]
    log = "\n".join([HEADER, *now, ""])
    if problem is not None:
        now.append(problem)
    at = next(
        (n for n, pair in enumerate(zip(then, now, strict=False)) if pair[0] != pair[1]), None
    )
    if at is None and len(then) != len(now):
        at = min(len(then), len(now))
    difference = None
    if at is not None:
        difference = (then[at] if at < len(then) else None, now[at] if at < len(now) else None)
    return Replay(at is None, len(then), difference, at, log)


class _Again:
    """The second run."""

    def __init__(self, chat: GroupChat, mode: Any) -> None:
        store = ChatStore()
        store.create(chat.id, chat.name, current_clock().now())
        self._events = chat.events
        self.session = Session(ChatLog(store, chat.id))
        changed = any(event.type == "options:changed" for event in self._events)
        options = Terms.of(self._before_changes(), {}).options() if changed else chat.options
        self._setting = Setting(options, PromptBuilder(options.prompt), NoTools())
        self._last_policy = chat.policy if mode is None else as_policy(mode)
        changes = [event for event in self._events if event.type == "mode:changed"]
        self._mode_changes = 0 if mode is not None else len(changes)
        self._policy = self._last_policy
        if self._mode_changes:
            first = next(e.data["config"] for e in self._events if "config" in e.data)
            self._policy = as_policy(first["mode"])
        self._last_stop = self._stop = chat.stop
        if changed:
            self._stop = self._stop_of(Terms.of(self._before_changes(), {}))

    def _before_changes(self) -> Sequence[ChatEvent]:
        """The events before any options were changed."""
        return list(takewhile(lambda event: event.type != "options:changed", self._events))

    def _stop_of(self, terms: Terms) -> StopCondition | None:
        """A stopping condition from the log; the chat's own where it is that, a function too."""
        last = self._last_stop
        if terms.stops_by_function:
            return last
        if last is not None and plain(terms.config.get("stop")) == plain(last.to_dict()):
            return last
        return bounded(terms.stop())

    def _change(self, place: int) -> None:
        """Let changed options be in force."""
        event = self._events[place]
        fold(self.session.state, event.seq or 0, event.type, event.data)
        terms = Terms.of(self._events[: place + 1], {})
        options = terms.options()
        self._setting.options = options
        self._setting.prompts = PromptBuilder(options.prompt)
        self._stop = self._stop_of(terms)

    async def go(self) -> str | None:
        """Go through the log until it ends or the runs part; what went wrong, if anything."""
        place = 0
        try:
            while place < len(self._events):
                made = len(self.session.log.events)
                place = await self._step(place)
                if any(
                    self.session.log.events[n].line != self._events[n].line
                    for n in range(
                        made, min(place, len(self.session.log.events), len(self._events))
                    )
                ):
                    return None
        except VCPError as error:
            return str(error)
        return None

    async def _step(self, place: int) -> int:
        event = self._events[place]
        if event.type in _GIVEN or event.data.get("kind") in _GIVEN_ENDS:
            return self._copy(place)
        if event.type in _ENDINGS:
            return self._ending(place)
        end = self._end_of(place)
        if end is None:
            return self._copy(place)  # a step that was never finished
        for number in range(place, end):  # what is begun again is done by what changed meanwhile
            if self._events[number].type == "options:changed":
                self._change(number)
        if self._events[end].type == "round:start":
            return await self._decision(place, end)
        return await self._turn(place, end)

    def _copy(self, place: int) -> int:
        event = self._events[place]
        if event.type == "options:changed":
            self._change(place)
        if event.type == "mode:changed" and self._mode_changes:
            self._mode_changes -= 1
            self._policy = (
                as_policy(event.data["mode"]) if self._mode_changes else self._last_policy
            )
        self.session.record(event.type, event.data)
        return place + 1

    def _end_of(self, place: int) -> int | None:
        """Where the step ends that begins here."""
        first = self._events[place]
        deciding = first.type in _OF_DECISIONS or (
            first.type == "model:call" and first.data.get("purpose", "speak") != "speak"
        )
        for number in range(place, len(self._events)):
            event = self._events[number]
            if deciding and event.type == "round:start":
                return number
            if event.type in _TURN_ENDS and not deciding and event.agent_id == first.agent_id:
                return number
            if not (inside(event) or event.data.get("during")):
                return None  # it was broken off
        return None

    async def _decision(self, place: int, end: int) -> int:
        state = self.session.state
        start = self._events[end].data
        message = state.last_message
        if "on" in start:
            message = next((m for m in state.messages if m.id == start["on"]), None)
        made: list[_Fact] = []
        chosen = await decide(
            self.session, self._setting, self._policy, message,
            journal=Journal(self._events[place:end], logged=False),
            emit=lambda type_, data, _: made.append((type_, data)),
        )  # fmt: skip
        kept = {name: start[name] for name in ("on", "to") if name in start}
        speakers = [decision_data(decision) for decision in chosen]
        made.append(("round:start", {"round": state.round + 1, "speakers": speakers, **kept}))
        return self._merge(place, end, made)

    async def _turn(self, place: int, end: int) -> int:
        state = self.session.state
        agent = self._events[end].data["agent"]
        decision = next((d for d in state.queue if d.agent_id == agent), None)
        if decision is None:
            return self._copy(place)
        last = self._events[end]
        own = [
            event
            for event in (*self._events[place:end], last)
            if event.data.get("agent") == agent and (inside(event) or event is last)
        ]
        made: list[_Fact] = []
        await Turn(
            self.session, self._setting, decision,
            number=state.turns + 1, seen=last.data.get("seen", self.session.last),
            journal=Journal(own, logged=False),
            emit=lambda type_, data, _: made.append((type_, data)),
            left=last.data.get("left"),
        ).take()  # fmt: skip
        place = self._merge(place, end, made)
        return self._after(place)

    def _after(self, place: int) -> int:
        """What follows from what was said: whom it calls, and whether the chat ends."""
        state = self.session.state
        said = self.session.log.events[-1]
        if said.type == "agent:speak" and not said.data.get("interrupted"):
            calls = called_by(state, state.messages[-1], self._setting.options)
            while place < len(self._events) and self._is_between(place):
                place = self._copy(place)
            if calls is not None and place < len(self._events):
                self.session.record("handoff", calls)
                place += 1
        # What people did at the same moment may stand before the end that was reached.
        later = (e for e in self._events[place:] if e.type not in _GIVEN or e.type in _TURNS_LAST)
        follows = next(later, None)
        if follows is not None and follows.type == "options:changed":
            return place  # whether it ends is for the new condition to say
        is_batch = self._setting.options.concurrent and state.queue
        if follows is not None and follows.type not in (*_ENDINGS, "timeout") and not is_batch:
            for type_, data in ending(self.session, self._stop, round_over=not state.queue):
                self.session.record(type_, data)
        return place

    def _is_between(self, place: int) -> bool:
        """Whether somebody spoke after a process was killed and before what follows was done."""
        events = self._events[place : place + 2]
        return [event.type for event in events] == ["user:speak", "handoff"]

    def _ending(self, place: int) -> int:
        state = self.session.state
        ends = (e for e in self._events[place : place + 3] if e.type == "chat:end")
        if any(end.data.get("kind") in _GIVEN_ENDS for end in ends):
            return self._copy(place)
        if any(e.type == "options:changed" for e in self._events[place + 1 : place + 2]):
            return self._copy(place)  # whether it ends is for the new condition to say
        made = ending(self.session, self._stop, round_over=not state.queue)
        if not made and state.in_round and not state.queue:
            made = [("round:end", {"round": state.round})]
        if not made:
            return self._copy(place)  # broken off by a person
        for type_, data in made:
            self.session.record(type_, data)
        return place + len(made)

    def _merge(self, place: int, end: int, made: Sequence[_Fact]) -> int:
        """Record what was found, what people did meanwhile at its place between."""
        waiting = list(made)
        for number, event in enumerate(self._events[place : end + 1], place):
            if event.type in _GIVEN:
                self._copy(number)
            elif waiting:
                self.session.record(*waiting.pop(0))
        for type_, data in waiting:
            self.session.record(type_, data)
        return end + 1


def _excerpt(then: str | None, now: str | None) -> str:
    def short(line: str | None) -> str:
        return "nothing" if line is None else line if len(line) <= 100 else f"{line[:97]}…"

    return f"{short(then)} / {short(now)}"
