"""What drives a chat: one driver at a time, interrupted and joined from outside.

Everything here runs on the library's loop. Whoever comes while another drives waits for his turn,
except a person who speaks: what he says is in the log at once, and the present driver takes it up
after the present turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.driving import Driving, RunResult, Said, counted
from vcplab.agents.chat.ending import minds_silence
from vcplab.agents.chat.fold import decision_data
from vcplab.agents.chat.handoffs import called_by
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy
from vcplab.agents.chat.resuming import begun_turn, last_word, unanswered
from vcplab.agents.chat.rounds import Rounds, Status
from vcplab.agents.chat.session import Session
from vcplab.agents.chat.setting import Setting
from vcplab.agents.chat.stopping import StopCondition
from vcplab.core.errors import StateError

__all__ = ["Runtime"]


class Runtime(Rounds):
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
        super().__init__(session, setting, policy, stop)
        self._ending: tuple[str, str] | None = None
        self.paused = False
        self.lock = asyncio.Lock()
        self._inbox: deque[Said] = deque()
        self._closing = False
        # What a process that was killed left to be done.
        self._unanswered: deque[ChatMessage] = deque()
        self._settled = not session.state.is_active
        if session.state.is_active:
            self.status = "idle"
            self._unanswered.extend(unanswered(session.state, session.log.events))
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
            self.require_open()
            self.halted = False
            if said in self._inbox:
                self._inbox.remove(said)
            self.settle()
            if not self.session.state.is_active:
                return []  # it ended before anybody could answer
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
        if self.is_working:
            data = {**data, "during": True}
        message = self.session.record("user:speak", data).message
        assert message is not None
        return message

    async def decide(self, message: ChatMessage | None) -> list[Decision]:
        """Begin a round and let nobody speak yet."""
        async with Driving(self):
            self._cut()
            if self._check():
                return []
            await self._decide(message)
            decisions = list(self.session.state.queue)
            self._close_round()
            return decisions

    async def step(self) -> ChatMessage | None:
        """Take the next turn; a new round begins where the last one is over."""
        async with Driving(self):
            said = await self._round(None, turns=1)
            return said[-1] if said else None

    async def run(self, rounds: int | None = None) -> RunResult:
        """Let the agents go on until something stops them.

        Args:
            rounds: Stop after so many rounds, what is left of a begun one included; 0 for nothing
                but that; None for the chat's own conditions.
        """
        state = self.session.state
        async with Driving(self):
            # A round that was begun before is the first of them.
            begun = state.round - bool(state.queue and rounds != 0)
            first, said = len(self.session.log.events), list[ChatMessage]()
            if rounds == 0 and not (state.queue or self._inbox or self._unanswered):
                self._close_round()
                if not self._check():
                    return RunResult((), 0, "No round is going on.", "asked")
                end = self.session.log.events[-1].data
                return RunResult((), 0, end["reason"], end["kind"])
            while True:
                answered = self._inbox.popleft() if self._inbox else None
                going_on = bool(state.queue) and answered is None
                messages = await self._answer(answered)
                said += messages
                reason = self._why_stop(messages, begun, rounds, going_on=going_on)
                if reason is not None:
                    failed = sum(
                        event.data.get("why") == "failed"
                        for event in self.session.log.events[first:]
                    )
                    return RunResult(tuple(said), state.round - begun, *reason, failed)

    async def _answer(self, said: Said | None) -> list[ChatMessage]:
        """A round of the run: of its own, or for somebody who spoke meanwhile."""
        if said is None:
            return await self._round(None)
        try:
            messages = await self._round(said.message)
        except Exception as error:
            said.settle(error)
            raise
        except asyncio.CancelledError:
            # The run is given up, and not what was said: who said it drives now.
            self._inbox.appendleft(said)
            raise
        said.settle(messages)
        return messages

    async def one(self, decision: Decision, data: Mapping[str, Any]) -> ChatMessage | None:
        """Give one agent the floor.

        Args:
            decision: Who, and why.
            data: Further facts of ``agent:invite``.
        """
        async with Driving(self):
            self.session.state.agent(decision.agent_id)  # it may have left meanwhile
            queue = self.session.state.queue
            if queue and queue[0].agent_id == decision.agent_id:
                said = await self._turns([queue[0]])
            else:
                audience = self.session.state.audience
                if audience is not None and decision.agent_id not in audience:
                    data = {**data, "to": None}  # it knows nothing of what goes on in private
                self.session.record("agent:invite", {**decision_data(decision), **data})
                said = await self._turns([self.session.state.queue[0]])
            self._check(round_over=not self.session.state.queue)
            self._close_round()
            return said[-1] if said else None

    async def again(self, message: ChatMessage, agent: Agent, why: str) -> ChatMessage | None:
        """Take a message back and have it said again, from what was known then.

        Args:
            message: The message.
            agent: Who says it now.
            why: The reason.
        """
        async with Driving(self):
            self.session.state.agent(agent)  # it may have left meanwhile
            number = int(message.id[1:])
            seen = self.session.log.events[number].data.get("seen", number - 1)
            invited = {**decision_data(Decision(agent.id, 100, why)), "seen": seen}
            if message.visible_to != self.session.state.audience:
                to = message.visible_to
                invited["to"] = None if to is None else sorted(to)
            removed = {"message": message.id, "why": "redo"}
            self.session.record_all([("message:removed", removed), ("agent:invite", invited)])
            said = await self._turns([self.session.state.queue[0]])
            self._check(round_over=not self.session.state.queue)
            self._close_round()
            return said[-1] if said else None

    def require_active(self) -> None:
        """Refuse what a chat can only do while it is going on, before it costs anything."""
        self.session.log.require_writable()
        if self.session.state.is_active:
            return
        ended = self.status == "ended"
        raise StateError(
            "The chat has ended." if ended else "The chat has not been started.",
            where=self.session.log.chat,
            next_step="chat.start() goes on" if ended else 'chat.start("a topic")',
        )

    def require_open(self) -> None:
        """Refuse to drive while the chat is being closed."""
        if self._closing:
            raise StateError(
                "The chat was closed meanwhile.",
                where=self.session.log.chat,
                next_step="open it again, e.g. lab.chats[…]",
            )

    async def quiet(self) -> None:
        """Interrupt what is going on, turn away who waits, and wait until nobody drives."""
        self._closing = True
        try:
            self.interrupt()
            async with self.lock:
                pass
        finally:
            self._closing = False

    async def finish(self, reason: str, kind: str, summary: str) -> None:
        """Interrupt what is going on, and end the chat."""
        self._ending = reason, kind
        self.interrupt()
        try:
            async with self.lock:
                self.end(reason, kind, summary)
        finally:
            self._ending = None

    def wait(self, waiting: bool) -> None:
        """Say that a person is waited for, or no more."""
        self._set_status("waiting" if waiting else "speaking")

    # --- rounds -------------------------------------------------------------------------------

    async def _round(
        self, message: ChatMessage | None, turns: int | None = None
    ) -> list[ChatMessage]:
        """One round, or what is left of one; at most so many turns of it."""
        state = self.session.state
        said: list[ChatMessage] = []
        if message is None and self._unanswered:
            if state.queue and begun_turn(self.session.log.events).heard:
                said += await self._turns(self._batch(None))
                if self._check(round_over=not state.queue):
                    return said
            message = self._unanswered.popleft()
        if message is not None:
            self._cut()
        if not state.queue:
            self._close_round()
            if self._check():
                return said
            await self._decide(message or state.last_message)
        first = True
        while state.queue and (turns is None or turns > 0):
            # Who asks for a turn gets one, and who spoke an answer, before it is broken off.
            asked = first and (message is not None or turns is not None)
            if self.halted or (not asked and (self.paused or self._inbox)):
                break
            first = False
            batch = self._batch(turns)
            said += await self._turns(batch)
            turns = None if turns is None else turns - len(batch)
            if self._check(round_over=not state.queue):
                return said
        if not state.queue and not self._check():
            self._close_round()
        return said

    def _why_stop(
        self, messages: Sequence[ChatMessage], begun: int, rounds: int | None, *, going_on: bool
    ) -> tuple[str, str] | None:
        state = self.session.state
        if not state.is_active:
            end = self.session.log.events[-1].data
            return end.get("reason", "The chat was ended."), end.get("kind", "ended")
        if self._ending is not None:
            return self._ending
        if self.halted:
            return "Somebody interrupted it.", "interrupted"
        if self.paused:
            return "Somebody paused it.", "paused"
        if self._inbox or self._unanswered:
            return None
        if rounds is not None and state.round - begun >= rounds and not state.queue:
            return f"{counted(rounds, 'round')} asked for.", "asked"
        if not messages and not going_on and not minds_silence(self.stop):
            failed = self._failed()
            if failed:
                return f"Nobody could answer: {failed}", "failed"
            return "Nobody said anything in this round.", "silence"
        return None

    def _failed(self) -> str:
        """Why the latest turn of this round failed; empty if it did not."""
        for event in reversed(self.session.log.events):
            if event.type == "agent:silent" and event.data["why"] == "failed":
                return str(event.data.get("error", {}).get("message", ""))
            if event.type in ("round:start", "agent:speak"):
                break
        return ""

    def settle(self) -> None:
        """Do what was to follow the last turn, where the process was killed before."""
        if self._settled:
            return
        self._settled = True
        state = self.session.state
        last = last_word(self.session.log.events)
        if last is None or last.agent_id not in state.agents:
            return
        said = next((m for m in reversed(state.messages) if m.id == f"m{last.seq}"), None)
        if said is not None and not said.interrupted:
            data = called_by(state, said, self.setting.options)
            if data is not None and self.session.log.events[-1].type != "handoff":
                self.session.record("handoff", data)
        if last.data.get("why") == "failed" and self.setting.options.on_error == "stop":
            self._end_failed(last.agent_id, last.data["error"]["message"])
        elif not last.data.get("left"):
            self._check(round_over=not state.queue)

    def rest(self) -> None:
        """Say what the chat does now that nobody drives it."""
        if not self.lock.locked():
            self._set_status(self.resting)

    @property
    def resting(self) -> Status:
        """What a chat does while nobody drives it."""
        state = self.session.state
        if state.is_active:
            return "paused" if self.paused else "idle"
        return "ended" if state.config else "new"
