"""Calling tools: the way from a name and arguments to a value or a result."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from vcplab.core.errors import InvalidInputError, VCPError, VCPErrorCode
from vcplab.core.loop import blocking, on_library_loop, submit, to_worker
from vcplab.core.trace import span
from vcplab.plugins.events import PluginErrorEvent, PluginExecuted
from vcplab.plugins.failures import ContractError, ToolTimeoutError
from vcplab.plugins.hosts.base import Call, Version
from vcplab.plugins.jsonable import jsonable
from vcplab.plugins.manifest import check_command
from vcplab.plugins.parameters import check_arguments
from vcplab.plugins.plugin import Plugin
from vcplab.plugins.shown import PartsResult
from vcplab.plugins.tasks import Task, TaskState
from vcplab.plugins.waiting import moment_of, until
from vcplab.protocol.results import (
    OutputSource,
    ToolFailure,
    ToolResult,
    normalise_output,
    unknown_tool,
)

if TYPE_CHECKING:
    from vcplab.plugins.manager import PluginManager

__all__ = ["Caller"]

_NO_FACTS: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Output:
    raw: Any
    source: OutputSource


class Caller:
    """Calls the tools of a manager.

    Args:
        manager: The manager.
    """

    def __init__(self, manager: PluginManager) -> None:
        self._manager = manager

    @on_library_loop
    async def acall(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        origin: str = "notebook",
        facts: Mapping[str, Any] = _NO_FACTS,
    ) -> Any:
        """Call a tool.

        Args:
            name: The tool.
            arguments: Its arguments; texts are converted where the tool declares types.
            timeout: Seconds that it may take; the plugin's own limit by default.
            origin: Where the call comes from, for the trace.
            facts: What else the trace is to say of it, e.g. the server that asked.

        Returns:
            What the tool gave: the ``result`` of a plugin, the return value of a function.

        Raises:
            NotFoundError: There is no such tool.
            PluginUnavailableError: It is there but cannot be called; the error says why.
            InvalidInputError: The arguments do not fit.
            ToolFailure: It failed; ``payload`` is what goes on the wire.
            ToolTimeoutError: It took too long.
        """
        output = await self._run(name, arguments, timeout, origin, facts=facts)
        return _value(output, name)

    call = blocking(acall)

    @on_library_loop
    async def araw(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call a tool and get all that it said: a plugin's whole reply, a function's value.

        Args:
            name: The tool.
            arguments: Its arguments.

        Raises:
            VCPError: As `acall`, but a plugin's own ``{"status": "error"}`` is returned.
        """
        return (await self._run(name, arguments, None, "replay")).raw

    raw = blocking(araw)

    @on_library_loop
    async def aexecute(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        origin: str = "answer",
        silent: bool = False,
    ) -> ToolResult:
        """Call a tool and get the result as a model gets it (facts/vcp-protocol §1.5).

        Args:
            name: The tool.
            arguments: Its arguments.
            timeout: Seconds that it may take.
            origin: Where the call comes from, for the trace.
            silent: Whether nobody waits for its result (``archery: no_reply``).

        Returns:
            The result, failed ones included; nothing is raised but cancellation.
        """
        return (await self._execute(name, arguments, timeout, origin, silent))[0]

    execute = blocking(aexecute)

    def submit(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        origin: str = "notebook",
    ) -> Task:
        """Call a tool in the background.

        Args:
            name: The tool.
            arguments: Its arguments.
            timeout: Seconds that it may take.
            origin: Where the call comes from, for the trace.

        Returns:
            Its task. An asynchronous plugin's is done when its report came.
        """
        given = dict(arguments or {})
        task = self._manager.tasks.new(name, given, uuid.uuid4().hex[:12])
        job = submit(self._perform(task, given, timeout, origin))
        task.on_cancel(job.cancel)
        return task

    def submit_at(
        self,
        when: str,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Task:
        """Call a tool later, while this process lives (``timely_contact``).

        Args:
            when: ``YYYY-MM-DD-HH:mm[:ss]``, local time, in the future.
            name: The tool.
            arguments: Its arguments; ``__vcp_timed_call`` is added.
            timeout: Seconds that it may take.

        Returns:
            Its task, ``pending`` until then.

        Raises:
            InvalidInputError: It is no such time, or past.
        """
        due = moment_of(when)
        given = dict(arguments or {})
        task = self._manager.tasks.new(name, given, uuid.uuid4().hex[:12])
        task.answer(f"planned for {due.isoformat()}")

        async def later() -> None:
            await until(due)
            timed = {**given, "__vcp_timed_call": True}
            await self._perform(task, timed, timeout, "timer")

        job = submit(later())
        task.on_cancel(job.cancel)
        return task

    async def _perform(
        self, task: Task, arguments: dict[str, Any], timeout: float | None, origin: str
    ) -> None:
        reply = task.reply
        try:
            result, state = await self._execute(
                task.tool, arguments, timeout, origin, silent=False, task=task
            )
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
            task.finish("failed", ToolResult(task.tool, success=False, error=told))
            raise
        # An asynchronous plugin answered and goes on: its host ends the task.
        if task.reply is reply:
            task.finish(state, result)

    async def _execute(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        timeout: float | None,
        origin: str,
        silent: bool,
        task: Task | None = None,
    ) -> tuple[ToolResult, TaskState]:
        """A call's result as a model gets it, and how a task of it ended."""
        given = dict(arguments or {})
        maid = given.get("maid") if isinstance(given.get("maid"), str) else None
        try:
            output = await self._run(name, given, timeout, origin, silent, task)
            raw = await self._as_json(output)
            final = normalise_output(raw, source=output.source, maid=maid, tool=name)
        except VCPError as error:
            late = isinstance(error, ToolTimeoutError)
            return _failed(error, name, maid), "timed_out" if late else "failed"
        result = ToolResult(name, final, maid=maid, timestamp=final.get("timestamp"))
        return result, "succeeded"

    async def _as_json(self, output: _Output) -> Any:
        if output.source == "stdio":  # it came as JSON
            return output.raw
        return await to_worker(jsonable, output.raw)

    async def _run(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        timeout: float | None,
        origin: str,
        silent: bool = False,
        task: Task | None = None,
        facts: Mapping[str, Any] = _NO_FACTS,
    ) -> _Output:
        manager = self._manager
        given = dict(arguments) if arguments else {}
        if timeout is not None and not timeout > 0:
            raise InvalidInputError(
                f"A call cannot take {timeout} s.", where="timeout", next_step="pass seconds, > 0"
            )
        with span(
            f"tool.{name}",
            kind="tool",
            tool=name,
            tool_type="plugin",
            input=given,
            origin=origin,
            **facts,
        ) as here:
            plugin = manager.catalogue.ready(name)
            version = plugin.version
            assert version is not None
            checked = self._checked(version, given)
            maid = given.get("maid")
            call = Call(
                plugin.name,
                checked,
                here.span_id,
                maid if isinstance(maid, str) else None,
                origin,
                timeout,
                silent,
                task,
                lambda line: manager.log(plugin, line),
            )
            began = perf_counter_ns()
            try:
                output = await self._on(plugin, version, call)
            except Exception as error:
                if isinstance(error, ToolFailure):
                    manager.masking.failure(error)
                self._count(plugin, began, given, error)
                raise
            self._count(plugin, began, given, None, output.raw)
            here.set(output=output.raw)
            return output

    async def _on(self, plugin: Plugin, version: Version, call: Call) -> _Output:
        """Run a call; a new version that breaks its contract at once gives way to the old one."""
        host = self._manager.hosts.get(version.manifest.host)
        if host is None or not version.manifest.callable:
            raise ToolFailure(
                f"{plugin.name} is a {version.manifest.type} plugin, which is no tool.",
                where=plugin.name,
                next_step="tools are of the types synchronous, asynchronous and hybridservice",
            )
        version.enter()
        fallback = None if version.proven else plugin.previous
        if fallback is not None:
            fallback.enter()
        try:
            raw = await host.call(version, call)
        except ContractError as error:
            if fallback is None:
                raise
            self._manager.loader.withdraw(plugin, version, error)
            try:
                raw = await host.call(fallback, call)
            except ContractError:
                raise error from None
        finally:
            version.leave()
            if fallback is not None:
                fallback.leave()
        if not version.proven and plugin.version is version:
            self._manager.loader.prove(plugin, version)
        return _Output(raw, host.source)

    def _checked(self, version: Version, given: dict[str, Any]) -> dict[str, Any]:
        manifest = version.manifest
        if manifest.host == "kernel":  # a function binds by its hints
            return given
        command = manifest.command_of(given)
        if command is None:
            check_command(manifest, given)
        parameters = manifest.parameters_of(command)
        open_ended = command.open_ended if command is not None else True
        return check_arguments(parameters, given, manifest.name, open_ended=open_ended)

    def _count(
        self,
        plugin: Plugin,
        began: int,
        given: Mapping[str, Any],
        error: Exception | None,
        result: Any = None,
    ) -> None:
        took = (perf_counter_ns() - began) / 1e6
        plugin.count(took, failed=error is not None)
        events = self._manager.events
        if error is None:
            if events.has_subscribers(PluginExecuted):  # the trace has the call in any case
                events.publish(
                    PluginExecuted(
                        plugin=plugin.name, arguments=given, result=result, duration=took
                    )
                )
        else:
            events.publish(
                PluginErrorEvent(plugin=plugin.name, error=error, arguments=given, duration=took)
            )


def _value(output: _Output, tool: str) -> Any:
    """What the caller gets: the result itself, an error as an exception."""
    raw = output.raw
    if not isinstance(raw, Mapping):
        return raw
    if raw.get("status") == "error":
        normalise_output(raw, source=output.source, tool=tool)  # raises
    if raw.get("status") != "success" or output.source == "direct":
        return raw
    if "result" not in raw:
        return {key: value for key, value in raw.items() if key != "status"}
    result = raw["result"]
    if isinstance(result, dict) and isinstance(result.get("content"), list):
        return PartsResult(result)
    return result


def _failed(error: VCPError, name: str, maid: str | None) -> ToolResult:
    if error.code == VCPErrorCode.TOOL_NOT_FOUND:
        return unknown_tool(name)
    if not isinstance(error, ToolFailure):
        told = error.message
        if isinstance(error, InvalidInputError) and error.next_step:
            told = f"{told} {error.next_step}"  # the model can mend its own request
        error = ToolFailure(told, where=name, details={"payload": {"plugin_error": told}})
    try:
        normalise_output(error, source="direct", maid=maid, tool=name)
    except ToolFailure as final:
        return final.to_result(name)
    raise AssertionError("an exception is never an output")
