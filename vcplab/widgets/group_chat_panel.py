"""The panel that begins before there is a chat (seed 002's GroupChatPanel)."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vcplab.agents.agent import Agent
from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.core.loop import to_worker
from vcplab.core.names import snake_keys
from vcplab.widgets.agent_selector import as_agents
from vcplab.widgets.chat_messages import agent_row, short
from vcplab.widgets.chat_panel import ChatPanel, text_of

if TYPE_CHECKING:
    from vcplab.agents.chat.chat import GroupChat
    from vcplab.protocol.ports import ChatModel

__all__ = ["GroupChatPanel"]


class GroupChatPanel(ChatPanel):
    """Choose who takes part, name a topic, start, and go on as in ``chat.panel()``.

    ::

        panel = GroupChatPanel(
            available_assistants=assistants,
            initial_config={"speakingMode": "mention", "maxRounds": 10},
            model=model,
            on_close=lambda: print("closed"),
        )

    Args:
        available_assistants: Agents, names, or mappings of their fields in either spelling.
        initial_config: Options of `GroupChat`, in either spelling.
        on_close: Called when the panel's × was clicked.
        model: The model of agents that have none of their own.
        height: Its height in pixels.
        **options: Further options of `GroupChat`, such as ``tools``; they win.

    Raises:
        InvalidInputError: An assistant cannot be an agent, or ``initial_config`` is no mapping.
    """

    def __init__(
        self,
        available_assistants: Iterable[Agent | Mapping[str, Any] | str] = (),
        initial_config: Mapping[str, Any] | None = None,
        on_close: Callable[[], object] | None = None,
        model: ChatModel | None = None,
        *,
        height: int = 600,
        **options: Any,
    ) -> None:
        if not isinstance(initial_config, Mapping | None):
            raise InvalidInputError(
                f"A configuration is a mapping, not {type(initial_config).__name__}.",
                where="initial_config",
                next_step='give e.g. {"speakingMode": "mention", "maxRounds": 10}',
            )
        self._available = as_agents(available_assistants)
        self._config = {**snake_keys(initial_config or {}), **snake_keys(options)}
        if model is not None:
            self._config["model"] = model
        self._on_close = on_close
        self._cell = contextvars.copy_context()  # what on_close prints stands under this cell
        self._starting = threading.Lock()
        super().__init__(height=height)
        self.closable = True

    async def _do(self, message: Mapping[str, Any]) -> str | None:
        what = message.get("what")
        if what == "close":
            await to_worker(self._leave)
            return None
        if what == "start" and self.chat is None:
            chat = await to_worker(self._make, message)
            await chat.astart(text_of(message, "topic"))
            return None
        return await super()._do(message)

    def _make(self, message: Mapping[str, Any]) -> GroupChat:
        from vcplab.agents.chat.chat import GroupChat

        wanted, mode = message.get("agents"), message.get("mode")
        names = wanted if isinstance(wanted, list) else []
        agents = [agent for agent in self._available if agent.id in names]
        if not agents:
            raise InvalidInputError(
                "Nobody takes part.", where="agents", next_step="choose one agent or more"
            )
        config = dict(self._config)
        if isinstance(mode, str) and mode != self._mode:  # an option of it was chosen in the panel
            config.pop("speaking_mode", None)
            config["mode"] = mode
        with self._starting:  # a second click finds the chat of the first
            if self.chat is None:
                self._show(GroupChat(agents, **config), "main", self._available)
        chat = self.chat
        assert chat is not None
        return chat

    def _leave(self) -> None:
        """Remove the panel; a chat that nobody watches any more holds."""
        with suppress(VCPError):
            if self.chat is not None:
                self.chat.pause()
        self.close()
        if self._on_close is not None:
            self._cell.run(self._on_close)

    @property
    def _mode(self) -> str:
        mode = self._config.get("mode", self._config.get("speaking_mode", "sequential"))
        if isinstance(mode, Mapping):
            mode = mode.get("mode", "sequential")
        return short(mode if isinstance(mode, str) else getattr(mode, "name", "custom"))

    def _update(self, whole: bool) -> None:
        if self.chat is not None or not whole:
            super()._update(whole)
            return
        state = {
            "name": short(self._config.get("name") or "Group chat"),
            "status": "setup",
            "mode": self._mode,
            "topic": "",
            "user": "",
            **dict.fromkeys(("round", "turn", "input", "output", "seconds"), 0),
            "estimated": False,
            "cost": "",
        }
        self.send({"kind": "tabs", "tabs": [{"key": "1", "title": "main"}]})
        self.send(
            {
                "kind": "update",
                "chat": "1",
                "whole": True,
                "total": 0,
                "state": state,
                "agents": [agent_row(agent) for agent in self._available],
            }
        )

    def __repr__(self) -> str:
        if self.chat is not None:
            return f"<GroupChatPanel of {self.chat!r}>"
        return f"<GroupChatPanel {len(self._available)} agents to choose from>"
