"""The stdio host: a process for each call, in any language (facts/vcp-protocol §2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

from vcplab.plugins.failures import ContractError, execution_failure
from vcplab.plugins.hosts.asynchronous import AsynchronousCalls
from vcplab.plugins.hosts.base import Call, Version
from vcplab.plugins.hosts.children import Children, stopped, timed_out
from vcplab.plugins.hosts.replies import exit_code, read_reply
from vcplab.plugins.processes import Ending, Limits
from vcplab.plugins.tasks import Tasks
from vcplab.protocol.results import OutputSource

__all__ = ["StdioHost"]

_SECONDS: Final = 60.0


class StdioHost:
    """Runs plugins as child processes.

    Args:
        tasks: Where tasks of asynchronous plugins are kept.
        callback_url: Gives the ``CALLBACK_BASE_URL`` of a plugin.
        debug: Says whether ``DebugMode`` is on unless a plugin's settings say otherwise.
        admin_code: Gives the administrator's code, or None.
        learn: Told of the secrets that plugins are given.
    """

    source: ClassVar[OutputSource] = "stdio"

    def __init__(
        self,
        tasks: Tasks,
        callback_url: Callable[[str], Awaitable[str]],
        *,
        debug: Callable[[], bool] = lambda: False,
        admin_code: Callable[[], str | None] = lambda: None,
        learn: Callable[[Iterable[str]], object] = lambda _: None,
    ) -> None:
        self._children = Children(callback_url, debug, admin_code, learn)
        self._asynchronous = AsynchronousCalls(self._children, tasks)

    @property
    def limits(self) -> Limits:
        """What a child may do."""
        return self._children.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._children.limits = limits

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
        if version.manifest.type == "asynchronous":
            return await self._asynchronous.call(version, call)
        limit = call.timeout or version.manifest.timeout or _SECONDS
        ending = await self._run(version, call, limit)
        if ending is None:
            raise timed_out(f"execution timed out after {limit:g} s.", call)
        return read_reply(ending, call.tool, lenient=version.manifest.lenient)

    async def run_static(self, version: Version, log: Callable[[str], None]) -> str:
        """Run a static plugin.

        Args:
            version: The plugin's version.
            log: Takes what it wrote to standard error.

        Returns:
            What it wrote, also when its time was up (facts/vcp-protocol §2).

        Raises:
            ContractError: It exited with another code than 0, or wrote too much.
        """
        manifest = version.manifest
        partial = bytearray()

        def keep(output: bytearray) -> None:
            partial[:] = output

        call = Call(manifest.name, {}, log=log)
        ending = await self._run(version, call, manifest.timeout or _SECONDS, on_output=keep)
        if ending is None:
            return partial.decode("utf-8", "replace").strip()
        if ending.code != 0 or ending.overflow:
            errors = ending.errors.decode("utf-8", "replace").strip()[-200:]
            message = f'Plugin "{manifest.name}" exited with code {exit_code(ending.code)}.'
            raise execution_failure(
                ContractError,
                f"{message} {errors}".strip(),
                manifest.name,
                "its earlier value stays in force",
            )
        if manifest.entry.command is None:  # a module's value is what its function returned
            value = read_reply(ending, manifest.name).get("result")
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return ending.output.decode("utf-8", "replace").strip()

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
        limit = manifest.timeout or _SECONDS
        ending = await self._run(version, call, limit, operation=operation, fields=fields)
        if ending is None:
            raise timed_out(f"{operation} timed out after {limit:g} s.", call)
        reply = read_reply(ending, manifest.name)
        if reply["status"] == "error":
            message = str(reply.get("error"))
            raise execution_failure(ContractError, message, manifest.name, "see its log")
        return reply.get("result")

    async def end_version(self, version: Version) -> None:
        """End every child of a version."""
        await self._children.close_all(version)

    async def close(self) -> None:
        """End every child."""
        await self._asynchronous.close()
        await self._children.close_all()

    async def _run(
        self, version: Version, call: Call, limit: float, **options: Any
    ) -> Ending | None:
        """Run a child to its end; None if its time was up."""
        child = await self._children.start(version, call, **options)
        try:
            async with asyncio.timeout(limit):
                ending = await child.wait()
        except TimeoutError:
            return None
        finally:
            await self._children.close(child)
        if child.stopped:
            raise stopped(call)
        return ending
