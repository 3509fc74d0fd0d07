"""An agent's turn: its model is called, its tools are run, and what came of it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from vcplab.agents.agent import Agent
from vcplab.agents.chat.calls import BrokenCall, call_model, streamer
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.fold import error_data, usage_data
from vcplab.agents.chat.heads import HeadStripper
from vcplab.agents.chat.journal import Journal, reply_of, results_data, results_of
from vcplab.agents.chat.mentions import find_mentions
from vcplab.agents.chat.session import Session
from vcplab.agents.chat.setting import Setting, call_seed
from vcplab.agents.chat.tools import (
    INTERRUPTED_TOOL,
    LAST_CALL,
    Requests,
    answer_messages,
    calls_data,
    clipped,
    find_requests,
    native_definitions,
    perform_requests,
    tool_texts,
)
from vcplab.core.errors import OperationTimeoutError
from vcplab.core.trace import span
from vcplab.prompt.placeholders.syntax import has_placeholder
from vcplab.protocol.completions import ChatPiece, ChatReply, ChatRequest
from vcplab.protocol.messages import Message, Usage
from vcplab.protocol.requests import VCPProtocolParser

__all__ = ["Turn"]

_PARSER: Final = VCPProtocolParser()

#: What a turn that is answered from the log cannot find out again.
_KEPT: Final = ("interrupted", "left", "name", "seen", "spoke_for", "tools_refused")

Emit = Callable[[str, Mapping[str, Any], float], object]


class Turn:
    """One turn of one agent.

    Args:
        session: The chat's memory.
        setting: What it works with.
        decision: Who speaks, and why.
        number: The turn's number.
        seen: Number of the last event that the agent knows of.
        journal: What is known already.
        emit: Takes what is to be logged: type, facts, seconds.
        left: How many of several turns at the same time are logged after this one; None for a
            turn of its own.
    """

    def __init__(
        self,
        session: Session,
        setting: Setting,
        decision: Decision,
        *,
        number: int,
        seen: int,
        journal: Journal,
        emit: Emit,
        left: int | None = None,
    ) -> None:
        self._session = session
        self._setting = setting
        self._journal = journal
        self._emit = emit
        self.decision = decision
        self.agent: Agent = session.state.agents[decision.agent_id]
        self.number = number
        self.seen = seen
        self.left = left
        self.interrupted = False
        self.failure: BaseException | None = None
        self._time_left: float | None = None

    async def take(self) -> None:
        """Take the turn; it always ends with ``agent:speak`` or ``agent:silent``.

        Raises:
            asyncio.CancelledError: It was cancelled from outside; what had come is logged.
        """
        state, agent = self._session.state, self.agent
        self._session.tell(
            "agent:thinking",
            {
                "agent": agent.id,
                "turn": self.number,
                "round": state.round,
                "reason": self.decision.reason,
                "priority": self.decision.priority,
                "action": self.decision.action,
            },
        )
        with span("chat.turn", agent=agent.name, turn=self.number) as here:
            try:
                await self._take()
            except BrokenCall as broken:
                self._broken(broken)
                here.set(failed=str(broken.cause))
                if isinstance(broken.cause, asyncio.CancelledError) and not self.interrupted:
                    raise broken.cause from None
            except asyncio.CancelledError:
                self._silent("interrupted")
                if not self.interrupted:
                    raise

    async def _take(self) -> None:
        options, agent = self._setting.options, self.agent
        if self._is_known_silent():
            return
        if options.approve in ("turns", "all"):
            answer = self._journal.take("approval", agent=agent.id, kind="turn")
            if not await self._allowed("turn", "", answer):
                self._silent("denied")
                return
        agent = await self._resolved(agent)
        extra: tuple[Message, ...] = ()
        for step in range(options.tool_rounds + 1):
            if self._is_known_silent():
                return
            known = self._journal.take("model:call", "agent:speak", agent=agent.id)
            if known is not None:
                reply, seconds = reply_of(known), 0.0
            else:
                reply, seconds = await self._reply(agent, step, extra)
                if self.interrupted:  # with the last piece
                    self._spoken(reply, seconds, {"interrupted": True})
                    return
            is_over = known is not None and known.type == "agent:speak"
            requests = None
            if self._setting.tools is not None and not is_over:
                requests = find_requests(reply, agent)
            if requests is None or step >= options.tool_rounds:
                told = {} if known is None else known.data
                flags = {name: told[name] for name in _KEPT if name in told}
                if requests is not None:
                    flags["tools_refused"] = len(requests.calls)
                self._spoken(reply, seconds, flags)
                return
            self._called(reply, requests, seconds, known)
            texts = await self._performed(reply, requests)
            if texts is None:
                if not self._is_known_silent():
                    self._silent("interrupted")
                return
            if not texts:
                # Everything was fired and reported (archery): the turn is over.
                self._spoken(replace(reply, text=requests.text), 0.0, {}, paid=True)
                return
            shown = clipped(texts, options.prompt.window_tokens, self._setting.prompts.tokenizer)
            extra += answer_messages(reply.text, requests.native, shown)
            if step + 1 == options.tool_rounds:
                extra += (LAST_CALL,)

    def _is_known_silent(self) -> bool:
        """Whether the log says that the turn ended here; said again then."""
        known = self._journal.take("agent:silent", agent=self.agent.id)
        if known is not None:
            self._emit(known.type, known.data, 0.0)
        return known is not None

    async def _reply(
        self, agent: Agent, step: int, extra: tuple[Message, ...]
    ) -> tuple[ChatReply, float]:
        options = self._setting.options
        tools = self._setting.tools
        described = ""
        if tools is not None and options.tool_style == "text":
            described = tool_texts(tools, agent)
        messages = self._setting.prompts.build(
            self._session.state,
            agent,
            self.decision,
            seen=self.seen,
            extra=extra,
            tool_texts=described,
        )
        temperature = agent.temperature if agent.temperature is not None else options.temperature
        request = ChatRequest(
            messages,
            tools=native_definitions(tools, agent)
            if tools is not None and options.tool_style == "native"
            else (),
            temperature=temperature,
            max_tokens=agent.max_tokens or options.max_tokens,
            seed=call_seed(self._session.state.seed, self.number, step)
            if options.send_seed
            else None,
            agent=agent.id,
        )
        model = self._session.model_of(agent)
        return await call_model(model, request, on_piece=self._streamer(), timeout=self._limit())

    def _limit(self) -> float | None:
        """Seconds that a model call may take: its own limit, or what is left of the chat's."""
        self._time_left = self._setting.time_left()
        limits = [n for n in (self._setting.options.call_timeout, self._time_left) if n is not None]
        return min(limits, default=None)

    def _streamer(self) -> Callable[[ChatPiece], None] | None:
        """Publishes pieces, echoed heads left out; None where nobody listens."""
        if not self._session.bus.has_subscribers(ChatEvent):
            return None
        facts = {"agent": self.agent.id, "turn": self.number}
        return streamer(self._session.tell, self._stripper(), facts)

    def _stripper(self) -> HeadStripper:
        state, agent = self._session.state, self.agent
        if agent.id in state.agents:
            return self._setting.prompts.stripper(state, agent)
        names = [other.display_name for other in state.agents.values()]
        return HeadStripper((agent.display_name, agent.name), names)

    async def _resolved(self, agent: Agent) -> Agent:
        variables = self._setting.variables
        if variables is None or not has_placeholder(agent.system_prompt):
            return agent
        return agent.with_(system_prompt=await variables.aresolve_all(agent.system_prompt))

    # --- tools --------------------------------------------------------------------------------

    def _called(
        self, reply: ChatReply, requests: Requests, seconds: float, known: ChatEvent | None
    ) -> None:
        """Log a call that is not the turn's last, and what is about to run."""
        data: dict[str, Any] = {"agent": self.agent.id, "text": reply.text}
        if requests.native:
            data["calls"] = calls_data(requests.native)
        if reply.finish_reason != "stop":
            data["finish"] = reply.finish_reason
        data |= {**self._audience(), **usage_data(reply.usage)}
        self._note("model:call", data, seconds, known=known)

    async def _performed(self, reply: ChatReply, requests: Requests) -> list[str] | None:
        """What the tools gave; None where a replay finds that the turn ended before they did."""
        assert self._setting.tools is not None
        facts: dict[str, Any] = {
            "agent": self.agent.id,
            "calls": [{"tool": name, "arguments": arguments} for name, arguments in requests.calls],
        }
        begun = self._journal.take("tool:call", agent=self.agent.id)
        self._note("tool:call", facts, known=begun)
        may_have_run, allowed = begun is not None, True
        if self._setting.options.approve in ("tools", "all") and not requests.refused:
            answer = self._journal.take("approval", agent=self.agent.id, kind="tool")
            if answer is None and may_have_run and not self._journal.logged:
                return None
            may_have_run = may_have_run and answer is not None
            shown = "\n".join(f"{name} {arguments}" for name, arguments in requests.calls)
            allowed = await self._allowed("tool", shown, answer)
        known = self._journal.take("tool:result", agent=self.agent.id)
        if known is not None:
            texts = results_of(known)
        elif not allowed:
            texts = ["The user did not allow this."] * max(1, len(requests.native))
        elif may_have_run:
            if not self._journal.logged:
                return None
            # Not run again: a tool may have had its effect before the process ended.
            texts = [INTERRUPTED_TOOL] * max(1, len(requests.native))
        else:
            texts = await perform_requests(reply, requests, self._setting.tools)
        self._note(
            "tool:result",
            {"agent": self.agent.id, **results_data(texts), **self._audience()},
            known=known,
        )
        return texts

    async def _allowed(self, kind: str, text: str, known: ChatEvent | None) -> bool:
        facts: Mapping[str, Any] = {"approved": True}
        if known is not None:
            facts = {name: known.data[name] for name in ("approved", "why") if name in known.data}
        elif self._setting.allow is not None:
            facts = await self._setting.allow(kind, self.agent.id, text)
        self._note("approval", {"agent": self.agent.id, "kind": kind, **facts}, known=known)
        return bool(facts["approved"])

    # --- what is logged -----------------------------------------------------------------------

    def _note(
        self,
        type_: str,
        data: Mapping[str, Any],
        seconds: float = 0.0,
        *,
        known: ChatEvent | None = None,
    ) -> None:
        """Log something, unless it is what the log of a chat that goes on has already."""
        if known is None or not self._journal.logged:
            self._emit(type_, data, seconds)

    def _spoken(
        self,
        reply: ChatReply,
        seconds: float,
        flags: Mapping[str, Any],
        *,
        paid: bool = False,
    ) -> None:
        text, reasoning = reply.text, reply.reasoning
        if "<" in text:
            parsed = _PARSER.parse(text)
            if parsed.reasoning:
                text = parsed.text
                reasoning = "\n".join(part for part in (reasoning, parsed.reasoning) if part)
            if parsed.requests:
                text = parsed.text
        stripper = self._stripper()
        text = (stripper.feed(text) + stripper.finish()).strip()
        spoke_for = stripper.spoke_for
        if not text:
            why = "interrupted" if flags.get("interrupted") else "empty"
            refused = flags.get("tools_refused", 0)
            self._silent(why, None if paid else reply.usage, seconds, refused=refused)
            return
        state = self._session.state
        data: dict[str, Any] = {"agent": self.agent.id, "text": text, **self._audience()}
        if self.agent.id not in state.agents:
            data["name"] = self.agent.display_name  # it was removed, and its name is not known now
        if reasoning:
            data["reasoning"] = reasoning
        called = find_mentions(text, state.agents.values(), author=self.agent.id)
        if called:
            data["mentions"] = list(dict.fromkeys(mention.agent_id for mention in called))
        if reply.finish_reason != "stop":
            data["finish"] = reply.finish_reason
        if spoke_for:
            data["spoke_for"] = spoke_for  # it went on as another, and was cut there
        if self.left is not None:
            data |= self._together()
        elif self._unseen():
            data["seen"] = self.seen
        usage = {} if paid else usage_data(reply.usage)
        self._emit("agent:speak", {**data, **flags, **usage}, seconds)

    def _together(self) -> dict[str, Any]:
        """What a process that goes on after this turn has to know of the others."""
        left = {"left": self.left} if self.left else {}
        return {**left, "seen": self.seen}

    def _unseen(self) -> bool:
        """Whether somebody else said something since the turn began."""
        for event in reversed(self._session.log.events):
            if (event.seq or 0) <= self.seen:
                return False
            if event.type in ("user:speak", "agent:speak"):
                return True
        return False

    def _broken(self, broken: BrokenCall) -> None:
        out_of_time = (
            isinstance(broken.cause, OperationTimeoutError)
            and self._time_left is not None
            and broken.seconds >= self._time_left
        )
        if out_of_time or isinstance(broken.cause, asyncio.CancelledError):
            self._spoken(broken.reply, broken.seconds, {"interrupted": True})
            return
        self.failure = broken.cause
        self._silent("failed", broken.reply.usage, broken.seconds, broken.reply.text)

    def _silent(
        self,
        why: str,
        usage: Usage | None = None,
        seconds: float = 0.0,
        partial: str = "",
        *,
        refused: int = 0,
    ) -> None:
        data: dict[str, Any] = {"agent": self.agent.id, "why": why}
        if self.failure is not None:
            data["error"] = error_data(self.failure)
        if partial:
            data["partial"] = partial
        if refused:
            data["tools_refused"] = refused
        if usage is not None and usage.total_tokens:
            data |= usage_data(usage)
        if self.left is not None:
            data |= self._together()
        self._emit("agent:silent", data, seconds)

    def _audience(self) -> dict[str, Any]:
        audience = self._session.state.audience_of(self.agent.id)
        return {} if audience is None else {"to": sorted(audience)}
