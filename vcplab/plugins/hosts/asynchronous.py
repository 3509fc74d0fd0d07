"""Asynchronous plugins: the first JSON answers the call, and the task goes on until its report."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from vcplab.plugins.hosts.base import Call, Version
from vcplab.plugins.hosts.children import Children, stopped, timed_out
from vcplab.plugins.hosts.replies import FirstReply, exit_code, read_reply
from vcplab.plugins.processes import Child
from vcplab.plugins.tasks import Task, Tasks
from vcplab.protocol.results import ToolResult

__all__ = ["AsynchronousCalls"]

_SECONDS: Final = 1800.0
_SILENT: Final = 3.0
_TASK_ID: Final = re.compile(r"VCP_ASYNC_RESULT::([A-Za-z0-9_.-]+)::([A-Za-z0-9_-]+)")
_TASK_KEYS: Final = ("taskId", "task_id", "TaskId", "requestId")


class AsynchronousCalls:
    """Calls of asynchronous plugins, and their tasks (facts/vcp-protocol §2).

    Args:
        children: Starts their processes.
        tasks: Where their tasks are kept.
    """

    def __init__(self, children: Children, tasks: Tasks) -> None:
        self._children = children
        self._tasks = tasks
        self._watchers: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Watch no task any more."""
        for watcher in list(self._watchers):
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def call(self, version: Version, call: Call) -> Any:
        """Run a call until its first answer; its task goes on.

        Args:
            version: The plugin's version.
            call: The call.

        Returns:
            The first answer, ``{"status", "result" | "error", …}``.

        Raises:
            ContractError: The plugin broke its contract.
            ToolTimeoutError: It did not answer in time.
        """
        limit = call.timeout or version.manifest.timeout or _SECONDS
        until = asyncio.get_running_loop().time() + limit
        replied: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        first = FirstReply()

        def look(output: bytearray) -> None:
            if not replied.done():
                reply = first.look(output)
                if reply is not None:
                    replied.set_result(reply)

        task = call.task or self._tasks.new(call.tool, call.arguments, call.id, call.origin)
        given = task.id
        try:
            child = await self._children.start(version, call, on_output=look)
        except BaseException as error:
            task.finish("failed", ToolResult(call.tool, success=False, error=str(error)))
            raise
        task.on_cancel(child.end)
        ended = asyncio.create_task(child.wait())
        try:
            patience = min(limit, _SILENT) if call.silent else limit
            either: set[asyncio.Future[Any]] = {replied, ended}
            await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if task.done or child.stopped:
                raise stopped(call)
            if replied.done():
                reply = replied.result()
            elif ended.done():
                reply = read_reply(ended.result(), call.tool, lenient=version.manifest.lenient)
            elif call.silent:
                reply = {"status": "success", "result": None}
            else:
                raise timed_out("initial response timed out.", call)
            child.mute()  # its reply is known; the rest is its own business
            self._settle(task, reply, call)
        except BaseException as error:
            ended.cancel()
            await self._children.close(child)
            task.finish("failed", ToolResult(call.tool, success=False, error=str(error)))
            raise
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
                if ending.code != 0:
                    text = ending.errors.decode("utf-8", "replace").strip()[-200:]
                    message = (
                        f'Plugin "{call.tool}" exited with code {exit_code(ending.code)}. {text}'
                    )
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
            await self._children.close(child)
            version.leave()


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
