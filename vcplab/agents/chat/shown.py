"""A chat as it is shown and told of: tables, documents, seed 002's accounts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from vcplab.agents.agent import Agent
from vcplab.agents.chat import showing
from vcplab.agents.chat.decision import Decision
from vcplab.agents.chat.message import ChatMessage
from vcplab.agents.chat.prompts import PromptBuilder
from vcplab.agents.chat.room import Room
from vcplab.core.display import view
from vcplab.protocol.messages import Message

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ShownRoom"]


class ShownRoom(Room):
    """What tells of a chat and changes nothing; see `GroupChat`."""

    def to_frame(self) -> pd.DataFrame:
        """The messages as a table, one row each; see `showing.messages_frame`."""
        return showing.messages_frame(self)

    def timeline(self) -> pd.DataFrame:
        """Every event that has to do with speaking, with its reason, tokens and seconds."""
        return showing.timeline_frame(self)

    def positions(self) -> pd.DataFrame:
        """Every position that was taken; see `showing.positions_frame`."""
        return showing.positions_frame(self)

    def prompt_for(self, agent: str | Agent) -> tuple[Message, ...]:
        """What an agent would be shown if it spoke now: its prompt, history and invitation.

        Variables and tools, which are looked up when it speaks, are left out.

        Args:
            agent: The agent.

        Raises:
            NotFoundError: There is no such agent.
        """
        known = self.state.agent(agent)
        prompts = PromptBuilder(self.options.prompt, self._tokenizer)
        return prompts.build(self.state, known, Decision(known.id))

    def to_markdown(self) -> str:
        """The chat as a document; what was said stands as quoted text."""
        return showing.markdown(self)

    def to_json(self) -> dict[str, Any]:
        """The chat as JSON-able values: agents, messages, ledger."""
        return showing.as_json(self)

    def panel(self, **options: Any) -> Any:
        """The live panel; see `vcplab.widgets.chat_panel`."""
        return view("panel", "GroupChat")(self, **options)

    # --- seed 002's accounts (facts/vcp-agents §1) ---------------------------------------------

    def get_session_info(self) -> dict[str, Any]:
        """Seed 002's account of a session, JSON-able.

        Returns:
            ``id``, ``name``, ``is_active``, ``agent_count``, ``message_count``, ``current_round``.
        """
        return {
            "id": self.id,
            "name": self.name,
            "is_active": self.state.is_active,
            "agent_count": len(self.agents),
            "message_count": len(self.messages),
            "current_round": self.state.round,
        }

    def get_state(self) -> dict[str, Any]:
        """Seed 002's account of the state, as it is now; `state` is the live one.

        Returns:
            ``config``, ``agents``, ``messages``, ``current_round``, ``current_speaker`` (an id, or
            None), ``speaking_queue`` (ids), ``is_active``, ``start_time``, ``end_time`` (None where
            it is not known), ``topic``, ``summary``.
        """
        state = self.state
        speaking = self.status in ("speaking", "waiting")
        queue = [decision.agent_id for decision in state.queue]
        return {
            "config": self._config(),
            "agents": self.get_agents(),
            "messages": self.get_messages(),
            "current_round": state.round,
            "current_speaker": queue[0] if speaking and queue else None,
            "speaking_queue": queue[1:] if speaking else queue,
            "is_active": state.is_active,
            "start_time": self._moment_of("chat:start"),
            "end_time": None if state.is_active else self._moment_of("chat:end"),
            "topic": state.topic,
            "summary": state.summary,
        }

    def get_messages(self) -> list[ChatMessage]:
        """Seed 002's name of `messages`."""
        return self.messages

    def get_agents(self) -> list[Agent]:
        """Seed 002's name of `agents`."""
        return self.agents

    def _moment_of(self, type_: str) -> datetime | None:
        """When the latest event of a type happened."""
        found = next((event for event in reversed(self.events) if event.type == type_), None)
        return None if found is None else found.moment

    def __len__(self) -> int:
        return len(self._session.state.messages)

    def __repr__(self) -> str:
        names = ", ".join(agent.display_name for agent in self.agents)
        return (
            f"<GroupChat {self.name!r} {self.mode}, {self.status}: {names}; {len(self)} messages>"
        )

    def _repr_html_(self) -> str:
        return showing.html(self)
