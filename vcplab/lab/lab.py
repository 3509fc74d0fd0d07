"""A lab: one folder, its settings, and its facets."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vcplab.agents.agent import Agent
from vcplab.agents.chat.chat import GroupChat
from vcplab.agents.store import AgentStore
from vcplab.core.settings import Settings
from vcplab.core.store import GcReport
from vcplab.core.workspace import Workspace
from vcplab.lab.chats import ChatsFacet, lab_model
from vcplab.lab.plugins import PluginsFacet
from vcplab.lab.tools import ToolsFacet
from vcplab.lab.trace import TraceFacet
from vcplab.lab.variables import lab_variables
from vcplab.plugins.events import PluginPush
from vcplab.plugins.scaffold import export_function
from vcplab.prompt.stored_variables import VariableStore
from vcplab.prompt.templates import TemplateStore

if TYPE_CHECKING:
    from vcplab.lab.node import NodeFacet

__all__ = ["Lab"]

# The open labs of this process by their folder; a lab nobody holds goes on tracing until it is
# closed, so that `vl.Lab(path).trace.panel()` works.
_open: dict[str, Lab] = {}
_opening = threading.RLock()


class Lab:
    """A workspace on disk with what belongs to it.

    ::

        with vl.Lab("my-lab") as lab:
            with lab.trace.log.call("SuperDice", {"notation": "2d6"}) as call:
                call.set(output=7)
            lab.trace.panel()

    While it is open, everything that happens in this process is traced into its folder. Opened
    again in the same process, as when a cell is run once more, the new one takes the place of the
    old, which is closed. Another process gets the folder read-only and says so (`notice`).

    Args:
        path: The folder; made where there is none.
        create: Whether a folder that is no lab may become one.
        model: The chat model of the lab's chats: an address, a name, or a model; None for the
            settings' ``model_url``.
        **settings: Settings that win over ``vcplab.toml`` and the environment.

    Raises:
        NotFoundError: No lab is there and ``create`` is False.
        InvalidInputError: The path is a file, or a setting impossible.
        SchemaMismatchError: The folder was made by a newer vcplab, or is something else.
    """

    def __init__(
        self, path: str | Path, *, create: bool = True, model: Any = None, **settings: Any
    ) -> None:
        with _opening:
            earlier = _open.get(os.path.realpath(Path(path).expanduser()))
            if earlier is not None:
                earlier.close()
            self.workspace = Workspace(path, create=create)
            try:
                self.settings = Settings.load(self.workspace.path, **settings)
                self.trace = TraceFacet(self.workspace, self.settings)
                self.plugins = PluginsFacet(self.workspace, debug=self.settings.debug_mode)
                self.plugins.masking.on_secret(self.trace.recorder.redactor.add)
                self.plugins.events.subscribe(PluginPush, self._pushed)
                self.tools = ToolsFacet(self.plugins)
                self.agents = AgentStore(self.workspace)
                self.prompt_variables = VariableStore(self.workspace)
                self.variables = lab_variables(self.plugins, self.prompt_variables)
                self.templates = TemplateStore(
                    self.workspace, variables=self.prompt_variables, engine=self.variables
                )
                self.chats = ChatsFacet(
                    self.workspace,
                    {
                        "model": lab_model(model, self.settings),
                        "tools": self.tools,
                        "variables": self.variables,
                        "seed": self.settings.seed,
                    },
                )
            except BaseException:
                self.workspace.close()
                raise
            _open[str(self.workspace.path)] = self

    @functools.cached_property
    def node(self) -> NodeFacet:
        """The lab as a node of main servers: ``lab.node.connect()``."""
        from vcplab.lab.node import NodeFacet  # what only few labs need is loaded when it is

        return NodeFacet(self.plugins, self.workspace, self.settings)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.workspace.path

    @property
    def read_only(self) -> bool:
        """Whether somebody else owns the folder."""
        return self.workspace.read_only

    @property
    def notice(self) -> str | None:
        """Why the lab is read-only; None when it is not."""
        return self.workspace.notice

    def tool(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = None,
        expose: bool = True,
    ) -> Any:
        """Make a function a tool: ``@lab.tool`` or ``@lab.tool(timeout=5)``.

        Its parameters, their types and defaults and its docstring are what callers see. Running
        the cell again replaces it.

        Args:
            function: The function, plain or asynchronous.
            name: The tool's name; the function's by default.
            description: What it does; the docstring by default.
            timeout: Seconds that a call may take.
            expose: Whether it is offered to servers that the lab is connected to.

        Returns:
            The function itself, so that the cell can call it as before.

        Raises:
            InvalidInputError: It cannot be a tool, or a folder's plugin bears the name.
        """
        if function is None:
            return lambda given: self.tool(
                given, name=name, description=description, timeout=timeout, expose=expose
            )
        self.plugins.add_function(
            function, name=name, description=description, timeout=timeout, expose=expose
        )
        return function

    def group_chat(
        self,
        agents: Iterable[Agent | Mapping[str, Any] | str] = (),
        mode: Any = None,
        **options: Any,
    ) -> GroupChat:
        """A group chat with the lab's model, tools and variables, kept in the lab's folder.

        Args:
            agents: Agents, mappings, or names; a name of an agent of ``lab.agents`` is that agent.
            mode: The speaking mode.
            **options: As for `GroupChat`.

        Raises:
            ReadOnlyError: Somebody else owns the lab.
        """
        known = [
            self.agents.get(agent) if isinstance(agent, str) and agent in self.agents else agent
            for agent in agents
        ]
        return self.chats.create(known, mode, **options)

    def export(self, tool: Any, to: str | Path = ".") -> Path:
        """Write a tool of the notebook as a plugin folder that runs without vcplab.

        Args:
            tool: A tool's name, the tool itself (``lab.tools.shout``), or a function.
            to: The folder of plugins; the plugin's own folder is made in it.

        Returns:
            The plugin's folder: manifest, script, README and tests.

        Raises:
            NotFoundError: There is no tool of this name.
            InvalidInputError: It is no function, or uses something that cannot be taken along.
            StateError: The folder exists and is not empty.
        """
        name = tool if isinstance(tool, str) else getattr(tool, "name", None)
        found = self.plugins.function_of(name if isinstance(name, str) else tool)
        if found is None:
            return export_function(tool, to)
        tool, timeout = found
        return export_function(
            tool.function,
            to,
            name=tool.spec.name,
            description=tool.spec.description or None,
            timeout=timeout,
        )

    def gc(self) -> GcReport:
        """Drop what is too old or too much, and give the space back.

        Raises:
            ReadOnlyError: Somebody else owns the lab.
        """
        self.workspace.require_writable()
        self.trace.store.prune()
        return self.workspace.gc()

    def close(self) -> None:
        """Write what waits and give the folder up; closing twice is allowed."""
        with _opening:
            if _open.get(str(self.workspace.path)) is self:
                del _open[str(self.workspace.path)]
        try:
            if "node" in self.__dict__:
                self.node.close()
            self.chats.close()
            self.plugins.close()
        finally:
            self.trace.close()
            self.workspace.close()

    def _pushed(self, push: PluginPush) -> None:
        """The report of a task stands in VCPLog, as on a server whose clients it is pushed to."""
        data = {"type": push.message_type, "data": dict(push.data), "target": push.target}
        self.trace.log.write(f"{push.plugin}: {push.message_type}", "info", "plugin", data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self.workspace).replace("<Workspace", "<Lab", 1)

    def _repr_html_(self) -> str:
        return self.workspace._repr_html_()
