"""How rounds and turns go: deciding, speaking one by one or at once, ending.

Everything here runs on the library's loop, for whoever drives the chat (`Runtime`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, TypeVar

from vcplab.agents.chat.deciding import decide
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.driving import Outbox
from vcplab.agents.chat.ending import ending, time_left
from vcplab.agents.chat.fold import decision_data
from vcplab.agents.chat.handoffs import called_by
from vcplab.agents.chat.journal import unfinished
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy
from vcplab.agents.chat.resuming import begun_turn
from vcplab.agents.chat.session import Session
from vcplab.agents.chat.setting import Setting
from vcplab.agents.chat.stopping import StopCondition
from vcplab.agents.chat.turns import Turn
from vcplab.core.clock import current_clock

__all__ = ["Rounds", "Status"]

_logger = logging.getLogger(__name__)

T = TypeVar("T")
Status = Literal["new", "idle", "deciding", "speaking", "waiting", "paused", "ended"]


class Rounds:
    """The rounds and turns of one chat.

    Args:
        session: The chat's memory.
        setting: What it works with.
        policy: The speaking mode.
        stop: When it ends by itself.
    """

    def __init__(
        self, session: Session, setting: Setting, policy: Policy, stop: StopCondition | None
    ) -> None:
        self.session = session
        self.setting = setting
        self.policy = policy
        self.stop = stop
        setting.time_left = lambda: time_left(self.stop, session.state)
        self.status: Status = "new"
        self.halted = False
        self._working: dict[asyncio.Task[Any], Turn | None] = {}
        self._spoke_at: dict[str, float] = {}
        self._warned: set[str] = set()

    @property
    def is_working(self) -> bool:
        """Whether it is in the middle of a turn or a decision."""
        return bool(self._working)

    def interrupt(self, agent: str | None = None) -> bool:
        """Stop an agent's turn, or everything that is going on.

        Args:
            agent: Its id; None for all turns and the run.

        Returns:
            Whether anything was going on.
        """
        found = False
        for task, turn in list(self._working.items()):
            if agent is None or (turn is not None and turn.agent.id == agent):
                found = True
                if turn is not None:
                    if turn.interrupted:
                        continue
                    turn.interrupted = True
                task.cancel()
        if agent is None:
            self.halted = True
        return found

    def end(self, reason: str, kind: str, summary: str = "") -> None:
        """End the chat."""
        if not self.session.state.is_active:
            return
        data = {"reason": reason, "kind": kind}
        self.session.record("chat:end", {**data, "summary": summary} if summary else data)
        self._set_status("ended")

    # --- rounds -------------------------------------------------------------------------------

    async def _decide(self, message: ChatMessage | None) -> None:
        state = self.session.state
        clock = current_clock()
        begun = clock.monotonic()
        self._set_status("deciding")
        journal = unfinished(self.session.log.events)
        decisions = await self._interruptible(
            decide(
                self.session, self.setting, self.policy, message,
                journal=journal, emit=self.session.record,
            )
        )  # fmt: skip
        if decisions is None:
            return  # interrupted
        data: dict[str, Any] = {
            "round": state.round + 1,
            "speakers": [decision_data(decision) for decision in decisions],
        }
        if message is not None and message.from_user and message.visible_to is not None:
            data["to"] = sorted(message.visible_to)
        if message is not state.last_message:  # somebody spoke meanwhile
            data["on"] = None if message is None else message.id
        self.session.record("round:start", data, clock.monotonic() - begun)

    def _cut(self) -> None:
        """Break off a round that somebody overtook, or turns that are owed outside of one."""
        state = self.session.state
        if state.in_round or state.queue:
            cut = {"cut": True} if state.queue else {}
            self.session.record("round:end", {"round": state.round, **cut})

    def _close_round(self) -> None:
        state = self.session.state
        if state.in_round and not state.queue:
            self.session.record("round:end", {"round": state.round})

    def _check(self, *, round_over: bool = True) -> bool:
        """End the chat where a condition is reached; whether it has ended."""
        if not self.session.state.is_active:
            return True
        facts = ending(self.session, self.stop, round_over=round_over)
        if facts:
            self.session.record_all(facts)
            self._set_status("ended")
        return bool(facts)

    # --- turns --------------------------------------------------------------------------------

    def _batch(self, turns: int | None) -> list[Decision]:
        """Whose turn is next: one agent, or all at the same time; at most so many."""
        queue = self.session.state.queue
        if not self.setting.options.concurrent:
            return queue[:1]
        # Of turns at the same time that were broken off, the ones that are left.
        left = begun_turn(self.session.log.events).left
        return (queue[-left:] if left else queue[:])[:turns]

    async def _turns(self, decisions: Sequence[Decision]) -> list[ChatMessage]:
        """One turn, or several at the same time."""
        self._set_status("speaking")
        begun = begun_turn(self.session.log.events)
        together = len(decisions) > 1 or begun.left > 0
        if self.setting.options.cooldown and not await self._interruptible(self._cool(decisions)):
            return []  # interrupted
        decisions = [d for d in decisions if d.agent_id in self.session.state.agents]
        if not decisions:
            return []  # removed meanwhile
        first = self.session.state.turns + 1
        turns = []
        for number, decision in enumerate(decisions):
            outbox = Outbox(self.session.record, is_open=number == 0)
            turn = Turn(
                self.session, self.setting, decision,
                number=first + number, seen=begun.seen, journal=begun.journal,
                emit=outbox.emit, left=len(decisions) - number - 1 if together else None,
            )  # fmt: skip
            turns.append((turn, outbox))
        return await (self._alone(*turns[0]) if len(turns) == 1 else self._together(turns))

    async def _alone(self, turn: Turn, outbox: Outbox) -> list[ChatMessage]:
        """A turn in the driver's own task: an interruption cancels it, and the driver goes on."""
        driver = asyncio.current_task()
        assert driver is not None
        self._working[driver] = turn
        try:
            await turn.take()
        finally:
            del self._working[driver]
            said = self._after(turn, outbox)
        if turn.interrupted:
            # It may have come with the turn's last word, and not have been noticed yet.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            if driver.uncancel():
                raise asyncio.CancelledError  # somebody else cancelled as well
        failure = self._failure(turn)
        if failure is not None:
            raise failure
        # A model that answers at once must not keep everybody else from the loop.
        await asyncio.sleep(0)
        return said

    async def _together(self, turns: Sequence[tuple[Turn, Outbox]]) -> list[ChatMessage]:
        """Turns at the same time, logged in the order of the decisions as each is over."""
        tasks = [asyncio.ensure_future(turn.take()) for turn, _ in turns]
        self._working.update((task, turn) for task, (turn, _) in zip(tasks, turns, strict=True))
        said: list[ChatMessage] = []
        failure: BaseException | None = None
        try:
            for task, (turn, outbox) in zip(tasks, turns, strict=True):
                outbox.open()
                try:
                    await asyncio.wait([task])
                except asyncio.CancelledError as cancelled:
                    # From outside: every turn stops, and what has come of each is logged.
                    failure = cancelled
                    for other in tasks:
                        other.cancel()
                    await asyncio.wait(tasks)
                if not task.cancelled():
                    failure = failure or task.exception()
                said += self._after(turn, outbox)
        finally:
            for task in tasks:
                del self._working[task]
        for turn, _ in turns:  # once all that was said is in the log
            failure = failure or self._failure(turn)
        if failure is not None:
            raise failure
        return said

    def _after(self, turn: Turn, outbox: Outbox) -> list[ChatMessage]:
        """What was said, and who is called by it."""
        self._spoke_at[turn.agent.id] = current_clock().monotonic()
        said = [message for message in outbox.messages if message.is_public]
        if said and not said[-1].interrupted:
            data = called_by(self.session.state, said[-1], self.setting.options)
            if data is not None:
                self.session.record("handoff", data)
        return said

    def _end_failed(self, agent: str, message: str) -> None:
        state = self.session.state
        end = {"reason": f"{state.name_of(agent)} failed: {message}", "kind": "failed"}
        facts: list[tuple[str, Mapping[str, Any]]] = [("chat:end", end)]
        if state.in_round:
            cut = {"cut": True} if state.queue else {}
            facts.insert(0, ("round:end", {"round": state.round, **cut}))
        self.session.record_all(facts)
        self._set_status("ended")

    def _failure(self, turn: Turn) -> BaseException | None:
        """What an agent's failure means for the chat."""
        if turn.failure is None:
            return None
        message = getattr(turn.failure, "message", str(turn.failure))
        if self.setting.options.on_error == "continue":
            if turn.agent.id not in self._warned:  # once: the log has every failure
                self._warned.add(turn.agent.id)
                _logger.warning("%s could not answer: %s", turn.agent.display_name, message)
            return None
        if self.setting.options.on_error == "stop":
            self._end_failed(turn.agent.id, message)
            return None
        return turn.failure

    async def _interruptible(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do something that an interruption ends; None where it did."""
        task = asyncio.ensure_future(work)
        self._working[task] = None
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            del self._working[task]
        return None if task.cancelled() else task.result()

    async def _cool(self, decisions: Sequence[Decision]) -> bool:
        """Wait until all may speak again; always true."""
        cooldown = self.setting.options.cooldown
        now = current_clock().monotonic()
        waits = [
            self._spoke_at[d.agent_id] + cooldown - now
            for d in decisions
            if d.agent_id in self._spoke_at
        ]
        if waits and max(waits) > 0:
            await asyncio.sleep(max(waits))
        return True

    def _set_status(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self.session.tell("status", {"status": status})
