"""The stdio host: a process for each call, in any language (facts/vcp-protocol §2)."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from vcplab.core.errors import VCPError
from vcplab.plugins.failures import ContractError, ToolTimeoutError, execution_failure
from vcplab.plugins.hosts.base import Call, Version
from vcplab.plugins.hosts.environment import child_environment
from vcplab.plugins.hosts.replies import first_reply, read_reply
from vcplab.plugins.manifest import Config, Manifest, resolve_config
from vcplab.plugins.processes import Child, CommandLine, Limits, command_line
from vcplab.plugins.processes.command import program
from vcplab.plugins.runners import runner_path
from vcplab.plugins.snapshots import project_base
from vcplab.plugins.tasks import Task, Tasks
from vcplab.protocol.results import OutputSource, ToolResult

__all__ = ["StdioHost"]

_SYNCHRONOUS: Final = 60.0
_ASYNCHRONOUS: Final = 1800.0
_SILENT: Final = 3.0
_TASK_ID: Final = re.compile(r"VCP_ASYNC_RESULT::([A-Za-z0-9_.-]+)::([A-Za-z0-9_-]+)")
_TASK_KEYS: Final = ("taskId", "task_id", "TaskId", "requestId")


class StdioHost:
    """Runs plugins as child processes.

    Args:
        tasks: Where tasks of asynchronous plugins are kept.
        callback_url: Gives the ``CALLBACK_BASE_URL`` of a plugin.
        debug: Says whether ``DebugMode`` is on unless a plugin's settings say otherwise.
        admin_code: Gives the administrator's code, or None.
    """

    source: ClassVar[OutputSource] = "stdio"

    def __init__(
        self,
        tasks: Tasks,
        callback_url: Callable[[str], Awaitable[str]],
        *,
        debug: Callable[[], bool] = lambda: False,
        admin_code: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.limits = Limits()
        self._tasks = tasks
        self._callback_url = callback_url
        self._debug = debug
        self._admin_code = admin_code
        self._running: dict[Child, Version] = {}
        self._watchers: set[asyncio.Task[None]] = set()

    async def call(self, version: Version, call: Call) -> Any:
        """Run one call.

        Args:
            version: The plugin's version.
            call: The call.

        Returns:
            The reply, ``{"status", "result" | "error", …}``.

        Raises:
            ContractError: The plugin broke its contract.
            ToolTimeoutError: It took too long.
        """
        manifest = version.manifest
        if manifest.type == "asynchronous":
            return await self._call_asynchronous(version, call)
        limit = call.timeout or manifest.timeout or _SYNCHRONOUS
        child = await self._start(version, call, call.arguments)
        try:
            async with asyncio.timeout(limit):
                ending = await child.wait()
        except TimeoutError:
            raise self._timed_out(f"execution timed out after {limit:g} s", call) from None
        finally:
            await self._close(child)
        self._log_errors(call, ending.errors)
        return read_reply(ending, call.tool, lenient=manifest.lenient)

    async def run_static(self, version: Version, log: Callable[[str], None]) -> str:
        """Run a static plugin: what it wrote, also when its time is up (facts/vcp-protocol §2).

        Args:
            version: The plugin's version.
            log: Takes what it wrote to standard error.

        Raises:
            ContractError: It exited with another code than 0 and wrote nothing.
        """
        manifest = version.manifest
        call = Call(manifest.name, {}, log=log)
        child = await self._start(version, call, {})
        try:
            async with asyncio.timeout(manifest.timeout or _SYNCHRONOUS):
                ending = await child.wait()
        except TimeoutError:
            return child.output.decode("utf-8", "replace").strip()
        finally:
            await self._close(child)
        self._log_errors(call, ending.errors)
        text = ending.output.decode("utf-8", "replace").strip()
        if ending.code != 0 or ending.overflow:
            errors = ending.errors.decode("utf-8", "replace").strip()[-200:]
            raise execution_failure(
                ContractError,
                f'Plugin "{manifest.name}" exited with code {ending.code}. {errors}'.strip(),
                manifest.name,
                "its earlier value stays in force",
            )
        return text

    async def run_module(
        self,
        version: Version,
        operation: str,
        fields: Mapping[str, Any],
        log: Callable[[str], None],
    ) -> Any:
        """Run another operation of a module plugin: ``describe`` or ``preprocess``.

        Args:
            version: The plugin's version.
            operation: Its name.
            fields: What the adapter reads beside the configuration.
            log: Takes what it wrote to standard error.

        Returns:
            The ``result`` of its reply.

        Raises:
            ContractError: It failed.
            ToolTimeoutError: It took too long.
        """
        manifest = version.manifest
        call = Call(manifest.name, {}, log=log)
        limit = manifest.timeout or _SYNCHRONOUS
        child = await self._start(version, call, {}, operation=operation, fields=fields)
        try:
            async with asyncio.timeout(limit):
                ending = await child.wait()
        except TimeoutError:
            raise self._timed_out(f"{operation} timed out after {limit:g} s", call) from None
        finally:
            await self._close(child)
        self._log_errors(call, ending.errors)
        reply = read_reply(ending, manifest.name)
        if reply["status"] == "error":
            message = str(reply.get("error"))
            raise execution_failure(ContractError, message, manifest.name, "see its log")
        return reply.get("result")

    async def end_version(self, version: Version) -> None:
        """End every child of a version."""
        for child in [child for child, its in self._running.items() if its is version]:
            await self._close(child)

    async def close(self) -> None:
        """End every child."""
        for child in list(self._running):
            await self._close(child)
        for watcher in list(self._watchers):
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def _start(
        self,
        version: Version,
        call: Call,
        arguments: Mapping[str, Any],
        *,
        on_output: Callable[[bytearray], object] | None = None,
        operation: str = "call",
        fields: Mapping[str, Any] | None = None,
    ) -> Child:
        manifest, folder = version.manifest, _folder(version)
        config = resolve_config(
            manifest, folder, os.environ, version.overrides, debug=self._debug()
        )
        extra = await self._extra(version)
        project = project_base(version.source) if version.source is not None else None
        environment = child_environment(config, project, extra)
        try:
            command, data = self._command(version, arguments, config, operation, fields or {})
            child = await Child.start(
                command,
                folder,
                environment,
                data,
                limits=self.limits,
                on_output=on_output,
            )
        except VCPError as error:
            raise self._not_started(call, error.message, error.next_step) from error
        except OSError as error:
            raise self._not_started(call, error.strerror or str(error), None) from error
        self._running[child] = version
        return child

    def _command(
        self,
        version: Version,
        arguments: Mapping[str, Any],
        config: Config,
        operation: str,
        fields: Mapping[str, Any],
    ) -> tuple[CommandLine, bytes]:
        manifest, folder = version.manifest, _folder(version)
        entry = manifest.entry
        if entry.command is not None:
            empty = b"{}" if manifest.lenient and manifest.dialect == "toolbox" else b""
            data = _json(arguments) if arguments else empty
            return command_line(entry.command, folder, os.environ), data
        assert entry.script is not None
        language = "python" if entry.script.endswith(".py") else "javascript"
        name = "python" if language == "python" else "node"
        line = (
            program(name, folder, os.environ),
            str(runner_path(language)),
            operation,
            str(folder / entry.script),
        )
        document = {
            "tool": _module_tool(manifest, arguments),
            "args": dict(arguments),
            "config": config.plain(),
            "style": entry.style,
            **fields,
        }
        return CommandLine(line), _json(document)

    async def _extra(self, version: Version) -> dict[str, str]:
        manifest = version.manifest
        extra: dict[str, str] = {}
        if manifest.type == "asynchronous":
            extra["CALLBACK_BASE_URL"] = await self._callback_url(manifest.name)
            extra["PLUGIN_NAME_FOR_CALLBACK"] = manifest.name
        if manifest.requires_admin:
            code = self._admin_code()
            if code is not None:
                extra["DECRYPTED_AUTH_CODE"] = code
        return extra

    async def _call_asynchronous(self, version: Version, call: Call) -> Any:
        limit = call.timeout or version.manifest.timeout or _ASYNCHRONOUS
        until = asyncio.get_running_loop().time() + limit
        replied: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def look(output: bytearray) -> None:
            if not replied.done():
                reply = first_reply(output)
                if reply is not None:
                    replied.set_result(reply)

        task = call.task or self._tasks.new(call.tool, call.arguments, call.id)
        given = task.id
        try:
            child = await self._start(version, call, call.arguments, on_output=look)
        except BaseException as error:
            task.finish("failed", ToolResult(call.tool, success=False, error=str(error)))
            raise
        task.on_cancel(child.end)
        ended = asyncio.create_task(child.wait())
        try:
            patience = min(limit, _SILENT) if call.silent else limit
            either: set[asyncio.Future[Any]] = {replied, ended}
            await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if replied.done():
                reply = replied.result()
            elif ended.done():
                self._log_errors(call, ended.result().errors)
                reply = read_reply(ended.result(), call.tool, lenient=version.manifest.lenient)
            elif call.silent:
                reply = {"status": "success", "result": None}
            else:
                raise self._timed_out("initial response timed out.", call)
        except BaseException as error:
            ended.cancel()
            await self._close(child)
            task.finish("failed", ToolResult(call.tool, success=False, error=str(error)))
            raise
        self._settle(task, reply, call)
        version.enter()  # the version lives on for as long as the task does
        promised = task.id != given
        watch = self._watch(version, call, task, child, ended, until, promised)
        watcher = asyncio.create_task(watch)
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return reply

    def _settle(self, task: Task, reply: Mapping[str, Any], call: Call) -> None:
        """Take note of the first answer, and of the identifier that the plugin gave its task."""
        known = _task_id(reply, call.tool)
        if reply["status"] == "error":
            error = str(reply.get("error") or "The plugin reported an unspecified error.")
            task.finish("failed", ToolResult(call.tool, success=False, error=error))
            return
        if known is not None:
            self._tasks.rename(task, known)
        task.answer(reply.get("result"))

    async def _watch(
        self,
        version: Version,
        call: Call,
        task: Task,
        child: Child,
        ended: asyncio.Task[Any],
        until: float,
        promised: bool,
    ) -> None:
        """See a task to its end: its report, its process's failure, or its limit."""
        loop = asyncio.get_running_loop()
        reported: asyncio.Event = asyncio.Event()

        def tell(_: Task) -> None:
            loop.call_soon_threadsafe(reported.set)

        task.add_done_callback(tell)
        waiting = asyncio.create_task(reported.wait())
        try:
            await asyncio.wait(
                {ended, waiting},
                timeout=max(0.0, until - loop.time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if ended.done() and not task.done:
                ending = ended.result()
                self._log_errors(call, ending.errors)
                if ending.code != 0:
                    text = ending.errors.decode("utf-8", "replace").strip()[-200:]
                    message = f'Plugin "{call.tool}" exited with code {ending.code}. {text}'
                    task.finish(
                        "failed", ToolResult(call.tool, success=False, error=message.strip())
                    )
                elif not promised:  # it named no task that could be reported
                    task.finish("succeeded", ToolResult(call.tool, task.reply))
            if not task.done:
                await asyncio.wait({waiting}, timeout=max(0.0, until - loop.time()))
            if not task.done:
                message = f'Plugin "{call.tool}" timed out before its task reported.'
                task.finish("timed_out", ToolResult(call.tool, success=False, error=message))
            elif not ended.done() and task.state == "succeeded":
                await asyncio.wait({ended}, timeout=max(0.0, until - loop.time()))
        finally:
            waiting.cancel()
            ended.cancel()
            await self._close(child)
            version.leave()

    async def _close(self, child: Child) -> None:
        self._running.pop(child, None)
        await child.close()

    def _log_errors(self, call: Call, errors: bytes) -> None:
        if errors:
            for line in errors.decode("utf-8", "replace").splitlines()[-200:]:
                call.log(line)

    def _not_started(self, call: Call, why: str, next_step: str | None) -> Exception:
        return execution_failure(
            ContractError,
            f'Failed to start plugin "{call.tool}": {why}',
            call.tool,
            next_step or "check entryPoint.command in its manifest",
        )

    def _timed_out(self, what: str, call: Call) -> Exception:
        return execution_failure(
            ToolTimeoutError,
            f'Plugin "{call.tool}" {what}',
            call.tool,
            "give it more time: timeout= of the call, or communication.timeout of its manifest",
        )


def _module_tool(manifest: Manifest, arguments: Mapping[str, Any]) -> str:
    """The tool of a module that is meant: it may have several (seed 000's ``getTools``)."""
    command = manifest.command_of(arguments)
    if manifest.entry.style == "module" and command is not None and command.identifier:
        return command.identifier
    return manifest.name


def _folder(version: Version) -> Path:
    assert version.snapshot is not None
    return version.snapshot.folder


def _json(value: Any) -> bytes:
    # Lone surrogates cannot be UTF-8; JSON carries them escaped.
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, default=str).encode()


def _task_id(reply: Mapping[str, Any], plugin: str) -> str | None:
    result = reply.get("result")
    for place in (reply, result if isinstance(result, Mapping) else {}):
        for key in _TASK_KEYS:
            if isinstance(place.get(key), str | int) and str(place[key]):
                return str(place[key])
    text = result if isinstance(result, str) else json.dumps(reply, ensure_ascii=False, default=str)
    for found in _TASK_ID.finditer(text):
        if found[1] == plugin:
            return found[2]
    return None
