"""The sessions of seed 002's group chat service: chats by id, and who takes part in them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import wraps
from typing import Any, TypeVar

from vcplab.agents.agent import Agent
from vcplab.agents.chat.chat import GroupChat
from vcplab.agents.chat.driving import RunResult
from vcplab.agents.chat.listening import Broadcast
from vcplab.agents.chat.orchestrator import merged_options
from vcplab.agents.unified import UnifiedAgent, UnifiedAgentAdapter
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.core.events import Subscription
from vcplab.core.names import snake_keys
from vcplab.protocol.channels import Channels

__all__ = ["ChatSession", "ChatSessions", "by_payload"]

T = TypeVar("T")


def by_payload(method: Callable[..., T]) -> Callable[..., T]:
    """Lets a method be called with one mapping of its arguments, as over seed 002's IPC.

    Args:
        method: The method.
    """

    @wraps(method)
    def call(self: Any, *args: Any, **named: Any) -> T:
        given: Sequence[Any] = args
        if len(args) == 1 and isinstance(args[0], Mapping):
            given, named = (), {**snake_keys(args[0]), **named}
        try:
            inspect.signature(method).bind(self, *given, **named)
        except TypeError as error:
            raise InvalidInputError(
                f"{method.__name__} cannot be called so: {error}.",
                where="payload",
                next_step=f"the arguments are: {_names(method)}",
            ) from error
        return method(self, *given, **named)

    return call


def _names(method: Callable[..., Any]) -> str:
    return ", ".join(list(inspect.signature(method).parameters)[1:])


class ChatSession:
    """A chat of the service, and what runs for it in the background.

    Args:
        chat: The chat.
        heard: The service's place among its listeners.
    """

    def __init__(self, chat: GroupChat, heard: Subscription) -> None:
        self.chat = chat
        self.heard = heard
        self.speaking: list[Future[RunResult]] = []


class ChatSessions(Channels):
    """Chats by id, and who takes part in them; see `GroupChatService`, which drives them."""

    def __init__(
        self, model: Any = None, *, make: Callable[..., GroupChat] | None = None, **defaults: Any
    ) -> None:
        self.adapter = UnifiedAgentAdapter()
        self._make = GroupChat if make is None else make
        self._defaults = defaults if model is None else {**defaults, "model": model}
        self._sessions: dict[str, ChatSession] = {}
        self._broadcast = Broadcast()

    # --- sessions -----------------------------------------------------------------------------

    def create_session(
        self, config: Mapping[str, Any] | None = None, /, **options: Any
    ) -> dict[str, Any]:
        """Make a chat.

        Args:
            config: Options of `GroupChat`, in either spelling.
            **options: Further ones; they win.

        Returns:
            ``{"session_id": …, "config": …}``.

        Raises:
            InvalidInputError: An option cannot be accepted.
        """
        chat = self._make(**merged_options(self._defaults, merged_options(config), options))
        self._sessions[chat.id] = ChatSession(chat, chat.subscribe(self._broadcast.publish))
        for event in chat.events:  # those who joined while it was made
            self._broadcast.publish(event)
        return {"session_id": chat.id, "config": chat.get_state()["config"]}

    create = create_session  # window.api.groupChat.create

    def chat(self, session_id: str) -> GroupChat:
        """The chat of a session, for everything else that it can.

        Raises:
            NotFoundError: There is no such session.
        """
        return self._session(session_id).chat

    def list_sessions(self) -> list[dict[str, Any]]:
        """The sessions: ``id``, ``name``, ``is_active``, ``agent_count``, ``message_count``."""
        rows = [one.chat.get_session_info() for one in self._sessions.values()]
        for row in rows:
            del row["current_round"]
        return rows

    @by_payload
    def destroy(self, session_id: str) -> None:
        """End a session and forget it; its log stays where it is kept.

        Raises:
            NotFoundError: There is no such session.
        """
        self.chat(session_id).end("The session was closed.")
        self._sessions.pop(session_id).heard.close()
        self._broadcast.forget(session_id)

    # --- who takes part -----------------------------------------------------------------------

    @by_payload
    def add_agent(self, session_id: str, agent: Agent | UnifiedAgent | Mapping[str, Any]) -> Agent:
        """Let an agent take part.

        Args:
            session_id: The session.
            agent: The agent, or a mapping of its fields in either spelling.

        Raises:
            InvalidInputError: It cannot be an agent.
            NotFoundError: There is no such session.
        """
        chat = self.chat(session_id)
        return chat.add_agent(agent.to_agent() if isinstance(agent, UnifiedAgent) else agent)

    @by_payload
    def add_unified_agent(self, session_id: str, agent_id: str) -> Agent:
        """Let an agent of the adapter take part (`adapt_assistant`, ``service.adapter``).

        Raises:
            NotFoundError: There is no such agent or session.
        """
        return self.chat(session_id).add_agent(self.adapter.to_group_agent(agent_id))

    @by_payload
    def add_agents(self, session_id: str, agent_ids: Iterable[str]) -> list[Agent]:
        """Let several agents of the adapter take part; an unknown one, and nobody does.

        Raises:
            NotFoundError: There is no such agent or session.
        """
        chat = self.chat(session_id)
        found = [self.adapter.to_group_agent(one) for one in agent_ids]
        return [chat.add_agent(one) for one in found]

    @by_payload
    def remove_agent(self, session_id: str, agent_id: str) -> None:
        """Let an agent take part no more.

        Raises:
            NotFoundError: There is no such agent or session.
        """
        self.chat(session_id).remove_agent(agent_id)

    def adapt_assistant(
        self,
        assistant: Agent | Mapping[str, Any] | None = None,
        session_id: str | None = None,
        **fields: Any,
    ) -> UnifiedAgent:
        """Take in an assistant, and let it take part in a session (seed 002's UI example 2).

        Args:
            assistant: The assistant, or a payload ``{"assistant": …, "sessionId": …}``.
            session_id: The session; None for the one that was created last, if any.
            **fields: Fields of the assistant that win.

        Raises:
            InvalidInputError: It cannot be an agent.
            NotFoundError: There is no such session.
        """
        if isinstance(assistant, Mapping) and "assistant" in assistant:
            payload = snake_keys(assistant)
            assistant, session_id = payload["assistant"], payload.get("session_id", session_id)
        if session_id is None:
            session_id = next(reversed(self._sessions), None)
        chat = None if session_id is None else self.chat(session_id)
        unified = self.adapter.from_assistant({} if assistant is None else assistant, **fields)
        if chat is not None:
            chat.add_agent(unified.to_agent())
        return unified

    def get_unified_agents(self) -> list[UnifiedAgent]:
        """The agents of the adapter."""
        return self.adapter.list()

    def _session(self, session_id: str) -> ChatSession:
        if session_id in self._sessions:
            return self._sessions[session_id]
        raise NotFoundError(
            f"There is no session {session_id!r}.",
            where="session_id",
            next_step=f"the sessions are: {', '.join(self._sessions) or 'none; create_session(…)'}",
        )
