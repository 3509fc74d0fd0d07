"""The lab's tools: every plugin that can be called, as a function with a signature."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from vcplab.core.display import html_table, style_block
from vcplab.core.errors import InvalidInputError, NotFoundError
from vcplab.core.loop import blocking
from vcplab.lab.plugins import PluginsFacet
from vcplab.plugins.handling import Handled, Handler
from vcplab.plugins.manifest import describe_plugin
from vcplab.plugins.parameters import Parameter
from vcplab.plugins.recording import Outputs, Recording, compare_versions
from vcplab.plugins.tasks import Tasks
from vcplab.protocol.dialect import Dialect
from vcplab.protocol.requests import ParsedAnswer
from vcplab.protocol.results import ToolResult

__all__ = ["Tool", "ToolsFacet"]


class Tool:
    """One tool, called like a function.

    Attributes:
        name: Its name.

    Args:
        name: Its name.
        plugins: Where it is.
    """

    def __init__(self, name: str, plugins: PluginsFacet) -> None:
        self.name = name
        self._plugins = plugins
        self.__name__ = name
        self.__qualname__ = f"tools.{name}"
        self.__signature__ = _signature(plugins.parameters(name))
        manifest = plugins.manifest(name)
        # Named by its own words: what a model is told is what a person wants to know.
        self.__doc__ = describe_plugin(manifest) or manifest.description

    def __call__(self, *args: Any, **arguments: Any) -> Any:
        """Call it and wait; see `ToolsFacet.call`."""
        return self._plugins.caller.call(self.name, self._bound(args, arguments))

    async def acall(self, *args: Any, **arguments: Any) -> Any:
        """Call it; see `ToolsFacet.acall`."""
        return await self._plugins.caller.acall(self.name, self._bound(args, arguments))

    def execute(self, **arguments: Any) -> ToolResult:
        """Call it and get the result as a model gets it."""
        return self._plugins.caller.execute(self.name, arguments)

    def _bound(self, args: tuple[Any, ...], arguments: dict[str, Any]) -> dict[str, Any]:
        # The first unnamed arguments are the first parameters, as in any Python call.
        names = list(_signature(self._plugins.parameters(self.name)).parameters)
        if len(args) > len(names):
            raise InvalidInputError(
                f"{self.name} has {len(names)} parameters, and {len(args)} values were given.",
                where=self.name,
                next_step=f"name them: {', '.join(names)}",
            )
        return {**dict(zip(names, args, strict=False)), **arguments}

    def __repr__(self) -> str:
        return f"<Tool {self.name}{self.__signature__}>"


class ToolsFacet:
    """``lab.tools``: tools by name, requests in answers, tasks.

    ::

        lab.tools.SuperDice(command="roll", notation="2d6+1")
        await lab.tools.acall("SuperDice", {"notation": "2d6"})
        lab.tools.handle(answer).message

    Args:
        plugins: The lab's plugins.
    """

    def __init__(self, plugins: PluginsFacet) -> None:
        self._plugins = plugins
        self._handler = Handler(plugins.caller)

    @property
    def tasks(self) -> Tasks:
        """Calls that go on, and reports of asynchronous plugins."""
        return self._plugins.tasks

    async def acall(
        self,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Call a tool.

        Args:
            name: The tool.
            args: Its arguments; texts are converted where the tool declares types.
            timeout: Seconds that it may take.

        Returns:
            What the tool gave.

        Raises:
            NotFoundError: There is no such tool.
            PluginUnavailableError: It is there but cannot be called.
            InvalidInputError: The arguments do not fit.
            ToolFailure: It failed (`ToolTimeoutError`: it took too long).
        """
        return await self._plugins.caller.acall(name, args, timeout=timeout)

    call = blocking(acall)

    async def aexecute(
        self,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> ToolResult:
        """Call a tool and get the result as a model gets it, failures included."""
        return await self._plugins.caller.aexecute(name, args, timeout=timeout)

    execute = blocking(aexecute)

    async def ahandle(
        self,
        answer: str | ParsedAnswer,
        *,
        dialect: Dialect = "toolbox",
        messages: Sequence[Mapping[str, Any]] = (),
        timeout: float | None = None,
    ) -> Handled:
        """Execute every request in a model's answer; see `Handler.ahandle`.

        Args:
            answer: The whole answer.
            dialect: How the results are written.
            messages: The conversation before it.
            timeout: Seconds that each call may take.
        """
        return await self._handler.ahandle(
            answer, dialect=dialect, messages=messages, timeout=timeout
        )

    handle = blocking(ahandle)

    def record(self) -> AbstractContextManager[Recording]:
        """Record the calls of a block, from wherever they come.

        Returns:
            A context manager that gives the `Recording`.
        """
        return Recording().listening(self._plugins)

    def replay(
        self, recording: Recording | str | Path, *, ignore: Iterable[str] = ("timestamp",)
    ) -> Outputs:
        """Make recorded calls again and compare; ``.check()`` makes a test of it.

        Args:
            recording: The recording, or its file.
            ignore: Keys whose values may differ, wherever they stand.

        Returns:
            The outputs then and now.
        """
        if not isinstance(recording, Recording):
            recording = Recording.load(recording)
        return recording.replay(self._plugins.caller, ignore=ignore)

    def diff(
        self,
        name: str,
        other: str | Path,
        calls: Recording | Iterable[Mapping[str, Any]],
        *,
        ignore: Iterable[str] = ("timestamp",),
    ) -> Outputs:
        """Make the same calls to a plugin and to another version of it.

        Args:
            name: The plugin.
            other: The folder of the other version, which this call trusts.
            calls: Arguments, or a recording.
            ignore: Keys whose values may differ, wherever they stand.
        """
        return compare_versions(self._plugins.caller, name, other, calls, ignore=ignore)

    def descriptions(self) -> dict[str, str]:
        """What a model is told of each tool, in upstream's wording (facts/vcp-protocol §3)."""
        return self._plugins.get_tool_descriptions()

    def definitions(self) -> list[dict[str, Any]]:
        """The tools as function-calling APIs take them: ``name``, ``description``, JSON Schema."""
        return self._plugins.channels.list_definitions()

    def __getattr__(self, name: str) -> Tool:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except NotFoundError as error:
            raise AttributeError(f"{error.message} {error.next_step}") from None

    def __getitem__(self, name: str) -> Tool:
        """A tool by any name, e.g. one that is no Python word.

        Raises:
            NotFoundError: There is none.
        """
        return Tool(name, self._plugins)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self.names()

    def names(self) -> list[str]:
        """The tools that can be called now."""
        return [r.name for r in self._plugins.rows() if r.callable and r.state == "ready"]

    def __iter__(self) -> Any:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __dir__(self) -> list[str]:
        words = [n for n in self.names() if n.isidentifier() and not keyword.iskeyword(n)]
        return [*super().__dir__(), *words]

    def _ipython_key_completions_(self) -> list[str]:
        return self.names()

    def __repr__(self) -> str:
        return f"<ToolsFacet {', '.join(self.names()) or 'no tools yet'}>"

    def _repr_html_(self) -> str:
        rows = [
            (name, str(self[name].__signature__), self._plugins.row(name).description)
            for name in self.names()
        ]
        return style_block() + html_table(["tool", "call", ""], rows, caption="Tools")


def _signature(parameters: Sequence[Parameter]) -> inspect.Signature:
    found = []
    # Python wants those without a default first.
    for parameter in sorted(parameters, key=lambda p: not p.required):
        if not parameter.name.isidentifier() or keyword.iskeyword(parameter.name):
            continue  # only lab.tools.call can give it
        default: Any = inspect.Parameter.empty
        if parameter.has_default:
            default = parameter.default
        elif not parameter.required:
            default = None
        found.append(
            inspect.Parameter(
                parameter.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=default,
                annotation=_TYPES.get(parameter.type, inspect.Parameter.empty),
            )
        )
    return inspect.Signature(found)


_TYPES = {
    "string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict,
}  # fmt: skip
