"""Deciding who speaks: a policy at work, its questions asked and logged."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from types import GeneratorType
from typing import Any

from vcplab.agents.chat.calls import BrokenCall, call_model
from vcplab.agents.chat.decision import Ask, Decision, Note
from vcplab.agents.chat.fold import usage_data
from vcplab.agents.chat.journal import Journal, reply_of
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.policies.base import Policy, addressed
from vcplab.agents.chat.policies.custom import CustomPolicy
from vcplab.agents.chat.session import Session
from vcplab.agents.chat.setting import Setting, call_seed
from vcplab.agents.chat.turns import Emit
from vcplab.core.errors import NotFoundError, VCPError, VCPErrorCode
from vcplab.core.loop import to_worker
from vcplab.core.trace import span
from vcplab.protocol.completions import ChatReply, ChatRequest
from vcplab.protocol.messages import Usage

__all__ = ["decide"]

# Where the seeds of policies' calls begin, far from those of turns.
_ASKS = 500_000


class _Deciding:
    """One decision on who speaks.

    Args:
        session: The chat's memory.
        setting: What the chat works with.
        policy: The mode.
        journal: What is known already.
        emit: Takes what is to be logged.
    """

    def __init__(
        self, session: Session, setting: Setting, policy: Policy, journal: Journal, emit: Emit
    ) -> None:
        self._session = session
        self._setting = setting
        self._policy = policy
        self._journal = journal
        self._emit = emit
        self._asked = 0
        # Tokens of questions that failed in the middle of their answer.
        self._spent: dict[int, Usage] = {}

    async def decide(self, message: ChatMessage | None) -> list[Decision]:
        """Those who speak in the next round, first first.

        Args:
            message: What triggers the round.
        """
        state, options = self._session.state, self._setting.options
        known = frozenset(state.agents)  # who leaves meanwhile is passed over later
        with span("chat.decide", mode=self._policy.name) as here:
            decisions = self._called(message)
            if decisions is None:
                rng = random.Random(f"{state.seed}/{state.decisions}")  # noqa: S311
                verdict: Any
                if isinstance(self._policy, CustomPolicy):
                    # A user's function may take long, and must not hold up the loop; it sees the
                    # chat as it is now, whatever is said meanwhile.
                    verdict = await to_worker(self._policy, state.snapshot(), message, rng)
                else:
                    verdict = self._policy(state, message, rng)
                if isinstance(verdict, GeneratorType):
                    verdict = await self._driven(verdict)
                decisions = list(verdict)
            found: dict[str, Decision] = {}
            for decision in sorted(decisions, key=lambda d: -d.priority):
                if decision.should_speak and decision.agent_id in known:
                    found.setdefault(decision.agent_id, decision)
            chosen = list(found.values())[: options.max_speakers]
            here.set(speakers=len(chosen))
        return chosen

    def _called(self, message: ChatMessage | None) -> list[Decision] | None:
        """Those whom a person calls, if anybody: they speak whatever the mode says."""
        if message is None or not message.from_user:
            return None
        state = self._session.state
        if message.visible_to is not None:
            return [
                Decision(agent.id, 100, f"The user spoke to {agent.display_name} privately.")
                for agent in state.agents.values()
                if agent.id in message.visible_to
            ]
        if self._setting.options.mentions == "ignore":
            return None
        called = addressed(state, message)
        return [
            Decision(agent, 100, f"The user mentioned {state.name_of(agent)}.") for agent in called
        ] or None

    async def _driven(self, generator: Any) -> Sequence[Decision]:
        answer: Any = None
        try:
            while True:
                asked = generator.send(answer)
                if isinstance(asked, Note):
                    self._note(asked)
                    answer = None
                elif isinstance(asked, Ask):
                    answer = (await self._answers([asked]))[0]
                else:
                    answer = await self._answers(asked)
        except StopIteration as end:
            return end.value or ()
        finally:
            generator.close()

    def _note(self, note: Note) -> None:
        known = self._journal.take(note.type, agent=note.data.get("agent"))
        if known is None or not self._journal.logged:
            self._emit(note.type, note.data, 0.0)

    async def _answers(self, asks: Sequence[Ask]) -> list[ChatReply | Exception]:
        """Asked at the same time, logged in the order of the questions."""
        tasks = [asyncio.ensure_future(self._answer(ask)) for ask in asks]
        try:
            answers = []
            for ask, task in zip(asks, tasks, strict=True):
                reply, seconds, known = await task
                if not (known and self._journal.logged):
                    self._log(ask, reply, seconds)
                answers.append(reply)
            return answers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, ask: Ask) -> tuple[ChatReply | Exception, float, bool]:
        self._asked += 1
        number = self._asked
        known = self._journal.take("model:call", agent=ask.agent_id, purpose=ask.purpose)
        if known is not None:
            if "error" in known.data:
                return _failure(known.data["error"]), 0.0, True
            return reply_of(known), 0.0, True
        state = self._session.state
        agent = None
        if ask.agent_id is not None:
            agent = state.agents.get(ask.agent_id)
            if agent is None:
                return (
                    NotFoundError(f"{ask.agent_id} has left the chat.", where="agent"),
                    0.0,
                    False,
                )
        messages = self._setting.prompts.question(state, ask)
        request = ChatRequest(
            messages,
            schema=ask.schema,
            seed=call_seed(state.seed, _ASKS + state.decisions, number)
            if self._setting.options.send_seed
            else None,
            agent=ask.agent_id,
            purpose=ask.purpose,
        )
        try:
            model = self._session.model_of(agent)
            reply, seconds = await call_model(
                model, request, timeout=self._setting.options.call_timeout
            )
        except BrokenCall as broken:
            if not isinstance(broken.cause, Exception):
                self._log(ask, broken.reply, broken.seconds, interrupted=True)
                raise broken.cause from None
            # As the log will tell it, so that a replay decides the same.
            self._spent[id(ask)] = broken.reply.usage
            return _failure(_told(broken.cause)), broken.seconds, False
        return reply, seconds, False

    def _log(
        self,
        ask: Ask,
        reply: ChatReply | Exception,
        seconds: float,
        *,
        interrupted: bool = False,
    ) -> None:
        data: dict[str, Any] = {"purpose": ask.purpose}
        if ask.agent_id is not None:
            data["agent"] = ask.agent_id
        if isinstance(reply, Exception):
            data["error"] = _told(reply)
            spent = self._spent.get(id(ask))
            if spent is not None and spent.total_tokens:
                data |= usage_data(spent)
        else:
            data |= {"text": reply.text, **usage_data(reply.usage)}
            if reply.finish_reason != "stop":
                data["finish"] = reply.finish_reason
        if interrupted:
            data["interrupted"] = True
        self._emit("model:call", data, seconds)


def _told(error: Exception) -> dict[str, str]:
    """A failure as it stands in the log."""
    if isinstance(error, _LoggedError):
        return {"code": error.name, "message": error.message}
    if isinstance(error, VCPError):
        return {"code": str(error.code), "message": error.message}
    return {"code": type(error).__name__, "message": str(error)}


class _LoggedError(VCPError):
    """A failure of which its name and its message are known."""

    def __init__(self, name: str, message: str) -> None:
        codes = {str(code): code for code in VCPErrorCode}
        super().__init__(message, code=codes.get(name))
        self.name = name


def _failure(error: Mapping[str, str]) -> VCPError:
    """A logged failure as an error."""
    return _LoggedError(error.get("code", ""), error.get("message", ""))


async def decide(
    session: Session,
    setting: Setting,
    policy: Policy,
    message: ChatMessage | None,
    *,
    journal: Journal,
    emit: Emit,
) -> list[Decision]:
    """Those who speak in the next round; first first.

    Args:
        session: The chat's memory.
        setting: What the chat works with.
        policy: The mode.
        message: What triggers the round.
        journal: What is known already.
        emit: Takes what is to be logged.
    """
    return await _Deciding(session, setting, policy, journal, emit).decide(message)
