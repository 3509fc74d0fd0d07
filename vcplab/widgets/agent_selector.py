"""The agent selector: a list of agents to choose from (seed 002's GroupAgentSelector)."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anywidget
import traitlets

from vcplab.agents.agent import Agent
from vcplab.core.errors import InvalidInputError
from vcplab.core.names import snake_keys
from vcplab.widgets.chat_messages import agent_row
from vcplab.widgets.chat_panel import STATIC
from vcplab.widgets.plugin_messages import error_text

__all__ = ["GroupAgentSelector", "as_agents"]


class GroupAgentSelector(anywidget.AnyWidget):
    """Choose who takes part.

    ::

        selector = GroupAgentSelector(assistants, on_change=print)
        selector.selected  # ids, in the order of the list
        selector.agents    # the agents that are chosen

    Args:
        assistants: Agents, names, or mappings of their fields in either spelling.
        selected: Ids or agents that are chosen at first; None for all.
        on_change: Called with the ids whenever the choice changes.

    Raises:
        InvalidInputError: An assistant cannot be an agent, two have one id, or ``selected`` names
            one that is not there.
    """

    _esm = STATIC / "chat_panel.js"
    _css = STATIC / "chat_panel.css"
    part = traitlets.Unicode("selector").tag(sync=True)
    assistants = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        assistants: Iterable[Agent | Mapping[str, Any] | str],
        *,
        selected: Iterable[Agent | str] | None = None,
        on_change: Callable[[list[str]], object] | None = None,
    ) -> None:
        self._agents = {agent.id: agent for agent in as_agents(assistants)}
        chosen = list(self._agents) if selected is None else [_id(one) for one in selected]
        super().__init__(
            assistants=[agent_row(agent) for agent in self._agents.values()], selected=chosen
        )
        self._cell = contextvars.copy_context()  # what on_change prints stands under this cell
        self._on_change = on_change
        self.observe(self._changed, names="selected")

    @property
    def agents(self) -> list[Agent]:
        """The agents that are chosen, in the order of the list."""
        return [agent for name, agent in self._agents.items() if name in self.selected]

    @traitlets.validate("selected")
    def _check(self, proposal: Any) -> list[str]:
        unknown = [name for name in proposal["value"] if name not in self._agents]
        if unknown:
            raise InvalidInputError(
                f"There is no agent {unknown[0]!r} to choose.",
                where="selected",
                next_step=f"the ids are: {', '.join(self._agents) or 'none'}",
            )
        return [name for name in self._agents if name in proposal["value"]]

    def _changed(self, change: Any) -> None:
        if self._on_change is None:
            return
        try:
            self._cell.copy().run(self._on_change, list(change["new"]))
        except Exception as error:  # a click's error is shown where the click was
            self.send({"kind": "problem", "text": error_text(error)})
        else:
            self.send({"kind": "problem", "text": ""})

    def __repr__(self) -> str:
        return f"<GroupAgentSelector {len(self.selected)} of {len(self._agents)}>"


def as_agents(given: Iterable[Agent | Mapping[str, Any] | str]) -> list[Agent]:
    """Agents from agents, names and mappings in either spelling; an ``emoji`` is the avatar.

    Raises:
        InvalidInputError: One cannot be an agent, or two have one id.
    """
    agents: dict[str, Agent] = {}
    for one in given:
        if isinstance(one, Mapping):
            values = snake_keys(one)
            if emoji := values.pop("emoji", None):
                values.setdefault("avatar", emoji)
            agent = Agent.of(values)
        else:
            agent = Agent.of(one)
        if agent.id in agents:
            raise InvalidInputError(
                f"Two agents have the id {agent.id!r}.",
                where="assistants",
                next_step="give each an id of its own",
            )
        agents[agent.id] = agent
    return list(agents.values())


def _id(one: Agent | str) -> str:
    return one.id if isinstance(one, Agent) else one
