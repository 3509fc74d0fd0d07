"""Seed 002's group chat service: sessions by id, called by name, by payload or by channel.

::

    group_chat_service = GroupChatService(model=model)
    session_id = group_chat_service.create_session(name="产品讨论", speaking_mode="mention")[
        "session_id"
    ]
    group_chat_service.adapt_assistant({"id": "a1", "name": "产品经理", "prompt": "你是…"})
    group_chat_service.start(session_id, "讨论新功能设计")
    decisions = group_chat_service.handle_user_input(session_id, "@产品经理 请分析用户需求")
    unsubscribe = group_chat_service.subscribe(print)

In the original the service only decides, and a coordinator in another process lets the agents
speak (facts/vcp-agents §1). Here the service does both: those chosen speak in the background, one
after another, each in sight of the others' replies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, ClassVar

from vcplab.agents.agent import Agent
from vcplab.agents.chat.driving import RunResult
from vcplab.agents.chat.events import ChatEvent
from vcplab.agents.chat.listening import Listening
from vcplab.agents.chat.message import USER, ChatMessage
from vcplab.agents.chat.sessions import ChatSessions, by_payload
from vcplab.core.loop import blocking, submit

__all__ = ["GroupChatService"]

_logger = logging.getLogger("vcplab.agents")


class GroupChatService(ChatSessions):
    """``groupChatService`` and ``window.api.groupChat`` of seed 002.

    Every operation is called with its arguments, with one mapping of them in either spelling
    (``add_agent({"sessionId": …, "agent": {…}})``), or by channel
    (``invoke("groupchat:addAgent", {…})``).

    Args:
        model: The model of chats that name none.
        make: Makes a chat from its options: `GroupChat`, or ``lab.group_chat`` for chats with a
            lab's model, tools and folder.
        **defaults: Further options of every chat; a session's own win.
    """

    CHANNELS: ClassVar[Mapping[str, str]] = {
        "groupchat:create": "create",
        "groupchat:addAgent": "add_agent",
        "groupchat:addUnifiedAgent": "add_unified_agent",
        "groupchat:addAgents": "add_agents",
        "groupchat:removeAgent": "remove_agent",
        "groupchat:start": "start",
        "groupchat:end": "end",
        "groupchat:handleUserInput": "handle_user_input",
        "groupchat:requestSpeak": "request_speak",
        "groupchat:getState": "get_state",
        "groupchat:getMessages": "get_messages",
        "groupchat:getAgents": "get_agents",
        "groupchat:destroy": "destroy",
        "groupchat:listSessions": "list_sessions",
        "groupchat:adaptAssistant": "adapt_assistant",
        "groupchat:getUnifiedAgents": "get_unified_agents",
        "groupchat:interrupt": "interrupt",
        "groupchat:redoMessage": "redo_message",
    }

    # --- the chat -----------------------------------------------------------------------------

    @by_payload
    def start(self, session_id: str, topic: str = "") -> dict[str, Any]:
        """Start a session.

        Args:
            session_id: The session.
            topic: What it is about.

        Returns:
            The session as `list_sessions` tells of it, and its round.

        Raises:
            StateError: It is going on, or nobody takes part.
            NotFoundError: There is no such session.
        """
        return self.chat(session_id).start(topic).get_session_info()

    @by_payload
    async def aend(self, session_id: str, reason: str = "", summary: str = "") -> dict[str, Any]:
        """End a session; a turn that is going on is interrupted first.

        Args:
            session_id: The session.
            reason: Why.
            summary: How it ended.

        Returns:
            ``{"summary": …, "message_count": …}``.

        Raises:
            NotFoundError: There is no such session.
        """
        chat = self.chat(session_id)
        await chat.aend(reason, summary)
        return {"summary": chat.state.summary, "message_count": len(chat)}

    end = blocking(aend)

    @by_payload
    async def ahandle_user_input(
        self, session_id: str, content: str, user_id: str = USER, *, speak: bool = True
    ) -> dict[str, Any]:
        """Say something; who speaks is decided, and they do so in the background (`settle`).

        Args:
            session_id: The session.
            content: What is said.
            user_id: Who says it.
            speak: Whether those chosen speak; without, see `request_speak`.

        Returns:
            ``{"decisions": […]}``, `Decision` objects.

        Raises:
            StateError: The chat was not started, or has ended.
            NotFoundError: There is no such session.
        """
        session = self._session(session_id)
        decisions = await session.chat.ahandle_user_input(content, user_id)
        if speak and decisions:
            job = submit(session.chat.arun(rounds=0))
            job.add_done_callback(_report)
            session.speaking.append(job)
        return {"decisions": decisions}

    handle_user_input = blocking(ahandle_user_input)

    @by_payload
    async def asettle(self, session_id: str) -> list[ChatMessage]:
        """Wait until those have spoken whom `handle_user_input` chose.

        Args:
            session_id: The session.

        Returns:
            What they said since the last call.

        Raises:
            VCPError: A turn failed, where the chat's ``on_error`` is ``raise``.
            NotFoundError: There is no such session.
        """
        session = self._session(session_id)
        said: list[ChatMessage] = []
        while session.speaking:
            job = session.speaking[0]
            try:
                # Whoever stops waiting stops nobody from speaking.
                said += (await asyncio.shield(asyncio.wrap_future(job))).messages
            finally:
                if job.done() and job in session.speaking:
                    session.speaking.remove(job)
        return said

    settle = blocking(asettle)

    @by_payload
    async def arequest_speak(
        self, session_id: str, agent_id: str, context: str = ""
    ) -> dict[str, Any]:
        """Give an agent the floor.

        Args:
            session_id: The session.
            agent_id: The agent.
            context: Why, for the log.

        Returns:
            ``{"message": …}``: what it said, or None.

        Raises:
            NotFoundError: There is no such agent or session.
        """
        return {"message": await self.chat(session_id).arequest_speak(agent_id, context)}

    @by_payload
    def request_speak(self, session_id: str, agent_id: str, context: str = "") -> dict[str, Any]:
        """Blocking twin of `arequest_speak`."""
        return {"message": self.chat(session_id).request_speak(agent_id, context)}

    @by_payload
    async def aredo_message(
        self, session_id: str, message_id: str | None = None, agent_id: str | None = None
    ) -> dict[str, Any]:
        """Have a message said again.

        Args:
            session_id: The session.
            message_id: The message; None for the latest of an agent.
            agent_id: Who says it now; None for who said it.

        Returns:
            ``{"message": …}``.

        Raises:
            NotFoundError: There is no such message, agent or session.
        """
        return {"message": await self.chat(session_id).aredo(message_id, agent_id)}

    @by_payload
    def redo_message(
        self, session_id: str, message_id: str | None = None, agent_id: str | None = None
    ) -> dict[str, Any]:
        """Blocking twin of `aredo_message`."""
        return {"message": self.chat(session_id).redo(message_id, agent_id)}

    @by_payload
    def interrupt(self, session_id: str, agent_id: str | None = None) -> None:
        """Stop an agent's turn, or everything that is going on.

        Raises:
            NotFoundError: There is no such agent or session.
        """
        self.chat(session_id).interrupt(agent_id)

    # --- what is told -------------------------------------------------------------------------

    @by_payload
    def get_state(self, session_id: str) -> dict[str, Any]:
        """A session's state; see `GroupChat.get_state`."""
        return self.chat(session_id).get_state()

    @by_payload
    def get_messages(self, session_id: str) -> list[ChatMessage]:
        """What was said in a session."""
        return self.chat(session_id).messages

    @by_payload
    def get_agents(self, session_id: str) -> list[Agent]:
        """Who takes part in a session."""
        return self.chat(session_id).agents

    def subscribe(
        self, callback: Callable[[ChatEvent], object], session_id: str | None = None
    ) -> Listening:
        """Have a function called with every event, those since a person last spoke first.

        Args:
            callback: Takes a `ChatEvent`, whose ``session_id`` names the session; called in the
                thread that makes the event, so it must not block.
            session_id: Only events of this session; None for all, later ones included.

        Returns:
            Its place: close it, or call it.

        Raises:
            NotFoundError: There is no such session.
        """
        if session_id is not None:
            self._session(session_id)
        return self._broadcast.subscribe(callback, session_id)

    on_event = subscribe  # window.api.groupChat.onEvent

    def __repr__(self) -> str:
        return f"<GroupChatService {len(self._sessions)} sessions>"


def _report(job: Future[RunResult]) -> None:
    """An error nobody waits for is at least in the log of the process."""
    if not job.cancelled() and (error := job.exception()) is not None:
        _logger.warning("Agents chosen in the background could not speak: %s", error)
