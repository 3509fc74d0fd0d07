"""The remote host: tools of other nodes, called through whoever is connected to them.

The seam that seed 003 names: ``registerDistributedTools`` and ``setDistributedExecutor``.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias

from vcplab.core.errors import StateError, VCPErrorCode
from vcplab.core.loop import to_worker
from vcplab.plugins.failures import ToolTimeoutError, execution_failure
from vcplab.plugins.hosts.base import Call, Version
from vcplab.protocol.results import OutputSource, ToolFailure

__all__ = ["DistributedExecutor", "RemoteHost"]

_SECONDS: Final = 60.0

DistributedExecutor: TypeAlias = Callable[[str, str, Mapping[str, Any]], "Awaitable[Any] | Any"]
"""Takes server, tool and arguments, and gives the ``result`` of the node's answer."""


class RemoteHost:
    """Calls other nodes' tools.

    Attributes:
        executor: Who calls them; None while nobody is connected.
    """

    source: ClassVar[OutputSource] = "distributed"

    def __init__(self) -> None:
        self.executor: DistributedExecutor | None = None

    async def call(self, version: Version, call: Call) -> Any:
        """Run one call.

        Args:
            version: Its target is the server's identifier.
            call: The call.

        Raises:
            StateError: Nobody is connected, with code DISTRIBUTED_CONNECTION_ERROR.
            ToolTimeoutError: The node did not answer in time.
            ToolFailure: The node could not run it.
        """
        executor = self.executor
        if executor is None:
            raise StateError(
                f"{call.tool} belongs to another node, and nobody is connected to it.",
                code=VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR,
                where=call.tool,
                next_step="connect a node, or set_distributed_executor(…)",
            )
        limit = call.timeout or version.manifest.timeout or _SECONDS
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                given = str(version.target), call.tool, call.arguments
                if inspect.iscoroutinefunction(executor):
                    return await executor(*given)
                answer = await to_worker(executor, *given)
                return await answer if inspect.isawaitable(answer) else answer
        except ToolFailure:
            raise
        except Exception as error:
            if scope.expired():
                raise execution_failure(
                    ToolTimeoutError,
                    f"Request to distributed tool {call.tool} on server {version.target} timed out"
                    f" after {limit:g}s.",
                    call.tool,
                    "look at that node, or give the call more time",
                ) from None
            raise execution_failure(
                ToolFailure, str(error), call.tool, "look at that node"
            ) from error

    async def close(self) -> None:
        """Nothing is left behind."""
