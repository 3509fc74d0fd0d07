"""The kernel host: functions of the notebook, called as tools."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from typing import Any, ClassVar, Final

from vcplab.core.loop import to_worker
from vcplab.core.trace import current_span
from vcplab.plugins.failures import ToolTimeoutError, execution_failure
from vcplab.plugins.functions import FunctionSpec, ToolContext
from vcplab.plugins.hosts.base import Call, Version
from vcplab.protocol.results import OutputSource, ToolFailure

__all__ = ["FunctionTool", "KernelHost"]

_HERE: Final = __file__


class FunctionTool:
    """A function and how it is called as a tool.

    Attributes:
        function: The function.
        spec: Its description.
    """

    __slots__ = ("function", "spec")

    def __init__(self, function: Any, spec: FunctionSpec) -> None:
        self.function = function
        self.spec = spec


class KernelHost:
    """Runs functions: asynchronous ones on the library's loop, others in worker threads."""

    source: ClassVar[OutputSource] = "direct"

    async def call(self, version: Version, call: Call) -> Any:
        """Run one call.

        Args:
            version: Its target is a `FunctionTool`.
            call: The call.

        Returns:
            What the function returned.

        Raises:
            ToolFailure: It raised an exception, whose traceback is in the trace.
            ToolTimeoutError: It took too long; a synchronous one runs on in its thread.
            InvalidInputError: The arguments do not fit.
        """
        tool: FunctionTool = version.target
        spec = tool.spec
        context = None
        if spec.takes_context:
            context = ToolContext(
                tool=call.tool, call_id=call.id, maid=call.maid, origin=call.origin, log=call.log
            )
        arguments = spec.bind(call.arguments, context=context)
        limit = call.timeout or version.manifest.timeout
        scope = None if limit is None else asyncio.timeout(limit)
        try:
            if scope is None:
                return await self._run(tool, arguments)
            async with scope:
                return await self._run(tool, arguments)
        except ToolFailure:
            raise
        except asyncio.CancelledError as error:
            here = asyncio.current_task()
            if here is not None and here.cancelling():
                raise
            raise self._failed(call, error) from error  # its own, not ours
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # a tool ends only itself
            if limit is None or scope is None or not scope.expired():
                raise self._failed(call, error) from error
            raise execution_failure(
                ToolTimeoutError,
                f'Plugin "{call.tool}" direct tool call timed out after {limit * 1000:.0f}ms.',
                call.tool,
                "give it more time: timeout= of the call or of @lab.tool",
            ) from None

    async def close(self) -> None:
        """Nothing is left behind."""

    async def _run(self, tool: FunctionTool, arguments: dict[str, Any]) -> Any:
        if tool.spec.is_async:
            return await tool.function(**arguments)
        made = await to_worker(tool.function, **arguments)
        # A plain function around an asynchronous one gives what is still to be awaited.
        return await made if inspect.isawaitable(made) else made

    def _failed(self, call: Call, error: BaseException) -> ToolFailure:
        # The frames of the cell, not ours.
        frames = traceback.extract_tb(error.__traceback__)
        own = [i for i, frame in enumerate(frames) if frame.filename == _HERE]
        shown = frames[own[-1] + 1 :] if own else frames
        shown = [f for f in shown if "vcplab/core/_loop" not in f.filename.replace("\\", "/")]
        text = "".join(
            [
                "Traceback (most recent call last):\n",
                *traceback.format_list(shown),
                *traceback.format_exception_only(error),
            ]
        )
        here = current_span()
        if here is not None:
            here.set(traceback=text)
        call.log(text)
        try:
            message = f"{type(error).__name__}: {error}"
        except Exception:  # an exception whose text fails is still one
            message = type(error).__name__
        return execution_failure(
            ToolFailure,
            message,
            call.tool,
            "the traceback of the cell is in the trace and in lab.plugins.logs()",
            traceback=text,
        )
