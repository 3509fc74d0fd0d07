"""What drives a chat: rounds and turns, one driver at a time, interrupted and joined from outside.

Everything here runs on the library's loop. Whoever comes while another drives waits for his turn,
except a person who speaks: what he says is in the log at once, and the present driver takes it up
after the present turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Literal, TypeVar

from vcplab.agents.agent import Agent
from vcplab.agents.chat.deciding import decide
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.driving import Driving, Outbox, RunResult, Said
from vcplab.agents.chat.ending import ending, minds_silence
from vcplab.agents.chat.fold import decision_data
from vcplab.agents.chat.handoffs import called_by
from vcplab.agents.chat.journal import unfinished
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy
from vcplab.agents.chat.session import Session
from vcplab.agents.chat.stopping import StopCondition
from vcplab.agents.chat.turns import Setting, Turn
from vcplab.core.clock import current_clock
from vcplab.core.errors import StateError

__all__ = ["Runtime", "Status"]

T = TypeVar("T")
Status = Literal["new", "idle", "deciding", "speaking", "waiting", "paused", "ended"]


class Runtime:
    """Drives one chat.

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
        self.paused = False
        self.status: Status = "new"
        self.halted = False
        self.lock = asyncio.Lock()
        self._inbox: deque[Said] = deque()
        self._working: dict[asyncio.Task[Any], Turn | None] = {}
        self._spoke_at: dict[str, float] = {}
        if session.state.is_active:
            self.status = "idle"
        elif any(event.type == "chat:end" for event in session.log.events):
            self.status = "ended"

    # --- driving ------------------------------------------------------------------------------

    async def say(self, data: Mapping[str, Any]) -> list[ChatMessage]:
        """Log what a person says, and have the agents answer it: one round.

        Args:
            data: The facts of ``user:speak``.
        """
        said = Said(self.hear(data))
        self._inbox.append(said)
        acquiring = asyncio.ensure_future(self.lock.acquire())
        try:
            either: list[asyncio.Future[Any]] = [acquiring, said.answered]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if said.answered.done():
                return said.answered.result()
            self.halted = False
            self._inbox.remove(said)
            return await self._round(said.message)
        finally:
            if said in self._inbox:
                self._inbox.remove(said)
            if not acquiring.cancel() and not acquiring.cancelled():
                self.lock.release()
            self.rest()

    def hear(self, data: Mapping[str, Any]) -> ChatMessage:
        """Log what a person says."""
        self.require_active()
        message = self.session.record("user:speak", data).message
        assert message is not None
        return message

    async def decide(self, message: ChatMessage | None) -> list[Decision]:
        """Begin a round and let nobody speak yet."""
        async with Driving(self):
            self._cut()
            await self._decide(message)
            return list(self.session.state.queue)

    async def step(self) -> ChatMessage | None:
        """Take the next turn; a new round begins where the last one is over."""
        async with Driving(self):
            said = await self._round(None, turns=1)
            return said[-1] if said else None

    async def run(self, rounds: int | None = None) -> RunResult:
        """Let the agents go on until something stops them.

        Args:
            rounds: Stop after so many rounds; None for the chat's own conditions.
        """
        state = self.session.state
        async with Driving(self):
            begun, said = state.round, list[ChatMessage]()
            while True:
                answered = self._inbox.popleft() if self._inbox else None
                going_on = bool(state.queue) and answered is None
                messages = await self._round(answered.message if answered else None)
                said += messages
                if answered is not None and not answered.answered.done():
                    answered.answered.set_result(messages)
                reason = self._why_stop(messages, begun, rounds, going_on=going_on)
                if reason is not None:
                    return RunResult(tuple(said), state.round - begun, *reason)

    async def one(self, decision: Decision, data: Mapping[str, Any]) -> ChatMessage | None:
        """Give one agent the floor.

        Args:
            decision: Who, and why.
            data: Further facts of ``agent:invite``.
        """
        async with Driving(self):
            queue = self.session.state.queue
            if queue and queue[0].agent_id == decision.agent_id:
                said = await self._turns([queue[0]])
            else:
                self.session.record("agent:invite", {**decision_data(decision), **data})
                said = await self._turns([self.session.state.queue[0]])
            self._close_round()
            self._check()
            return said[-1] if said else None

    async def again(self, message: ChatMessage, agent: Agent, why: str) -> ChatMessage | None:
        """Take a message back and have it said again, from what was known then.

        Args:
            message: The message.
            agent: Who says it now.
            why: The reason.
        """
        async with Driving(self):
            seen = int(message.id[1:]) - 1
            self.session.record("message:removed", {"message": message.id, "why": "redo"})
            self.session.record("agent:invite", decision_data(Decision(agent.id, 100, why)))
            said = await self._turns([self.session.state.queue[0]], seen=seen)
            self._close_round()
            return said[-1] if said else None

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
                if turn is not None:
                    turn.interrupted = True
                task.cancel()
                found = True
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

    def require_active(self) -> None:
        """Refuse what a chat can only do while it is going on."""
        if self.session.state.is_active:
            return
        ended = self.status == "ended"
        raise StateError(
            "The chat has ended." if ended else "The chat has not been started.",
            where=self.session.log.chat,
            next_step="chat.start() goes on" if ended else 'chat.start("a topic")',
        )

    async def finish(self, reason: str, kind: str, summary: str) -> None:
        """Interrupt what is going on, and end the chat."""
        self.interrupt()
        async with self.lock:
            self.end(reason, kind, summary)

    def wait(self, waiting: bool) -> None:
        """Say that a person is waited for, or no more."""
        self._set_status("waiting" if waiting else "speaking")

    # --- rounds -------------------------------------------------------------------------------

    async def _round(
        self, message: ChatMessage | None, turns: int | None = None
    ) -> list[ChatMessage]:
        """One round, or what is left of one; at most so many turns of it."""
        state = self.session.state
        if message is not None:
            self._cut()
        if not state.queue:
            self._close_round()
            if self._check():
                return []
            await self._decide(message or state.last_message)
        said: list[ChatMessage] = []
        first = True
        while state.queue and (turns is None or turns > 0):
            if self._broken_off() and not (first and turns is not None):
                break
            first = False
            batch = state.queue[:turns] if self.setting.options.concurrent else state.queue[:1]
            said += await self._turns(batch)
            turns = None if turns is None else turns - len(batch)
            if self._check(round_over=not state.queue):
                return said
        if not state.queue and not self._check():
            self._close_round()
        return said

    async def _decide(self, message: ChatMessage | None) -> None:
        state = self.session.state
        clock = current_clock()
        begun = clock.monotonic()
        self._set_status("deciding")
        journal = unfinished(self.session.log.events, across_user=False)
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
        if message is not None and message is not state.last_message:
            data["on"] = message.id
        self.session.record("round:start", data, clock.monotonic() - begun)

    def _cut(self) -> None:
        """Break off a round that somebody overtook."""
        if self.session.state.in_round:
            cut = {"cut": True} if self.session.state.queue else {}
            self.session.record("round:end", {"round": self.session.state.round, **cut})

    def _close_round(self) -> None:
        state = self.session.state
        if state.in_round and not state.queue:
            self.session.record("round:end", {"round": state.round})

    def _check(self, *, round_over: bool = True) -> bool:
        """End the chat where a condition is reached; whether it has ended."""
        if not self.session.state.is_active:
            return True
        facts = ending(self.session, self.stop, round_over=round_over)
        for type_, data in facts:
            self.session.record(type_, data)
        if facts:
            self._set_status("ended")
        return bool(facts)

    def _broken_off(self) -> bool:
        return self.halted or self.paused or bool(self._inbox)

    def _why_stop(
        self, messages: Sequence[ChatMessage], begun: int, rounds: int | None, *, going_on: bool
    ) -> tuple[str, str] | None:
        state = self.session.state
        if not state.is_active:
            end = self.session.log.events[-1].data
            return end.get("reason", "The chat was ended."), end.get("kind", "ended")
        if self.halted:
            return "Somebody interrupted it.", "interrupted"
        if self.paused:
            return "Somebody paused it.", "paused"
        if self._inbox:
            return None
        if rounds is not None and state.round - begun >= rounds and not state.queue:
            return f"{rounds} rounds were asked for.", "asked"
        if not messages and not going_on and not minds_silence(self.stop):
            return "Nobody said anything in this round.", "silence"
        return None

    # --- turns --------------------------------------------------------------------------------

    async def _turns(
        self, decisions: Sequence[Decision], *, seen: int | None = None
    ) -> list[ChatMessage]:
        """One turn, or several at the same time."""
        self._set_status("speaking")
        journal = unfinished(self.session.log.events)
        if seen is None:
            first_known = journal.first
            seen = self.session.last if first_known is None else first_known - 1
        await self._cool(decisions)
        first = self.session.state.turns + 1
        turns = []
        for number, decision in enumerate(decisions):
            outbox = Outbox(self.session.record, is_open=number == 0)
            turn = Turn(
                self.session, self.setting, decision,
                number=first + number, seen=seen, journal=journal, emit=outbox.emit,
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
            driver.uncancel()
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
                failure = failure or self._failure(turn)
        finally:
            for task in tasks:
                del self._working[task]
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

    def _failure(self, turn: Turn) -> BaseException | None:
        """What an agent's failure means for the chat."""
        if turn.failure is None or self.setting.options.on_error == "continue":
            return None
        if self.setting.options.on_error == "stop":
            message = getattr(turn.failure, "message", str(turn.failure))
            self._cut()
            self.end(f"{turn.agent.name} failed: {message}", "failed")
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

    async def _cool(self, decisions: Sequence[Decision]) -> None:
        cooldown = self.setting.options.cooldown
        if not cooldown:
            return
        now = current_clock().monotonic()
        waits = [
            self._spoke_at[d.agent_id] + cooldown - now
            for d in decisions
            if d.agent_id in self._spoke_at
        ]
        if waits and max(waits) > 0:
            await asyncio.sleep(max(waits))

    def _set_status(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self.session.tell("status", {"status": status})

    def rest(self) -> None:
        """What a chat does while nobody drives it."""
        if self.lock.locked():
            return
        state = self.session.state
        if not state.is_active:
            self._set_status("ended" if self.session.log.events else "new")
        else:
            self._set_status("paused" if self.paused else "idle")
