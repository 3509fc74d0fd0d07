"""The calls that a stand-in server has under way, and how they end (facts/vcp-protocol §4.3)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vcplab.core.errors import NotFoundError, VCPErrorCode
from vcplab.node.standin._ids import Ids
from vcplab.node.standin._outbox import Outbox
from vcplab.node.standin.frames import call_frame, dumped
from vcplab.node.standin.quirks import Quirks
from vcplab.node.standin.registry import FILE_TOOL, Node, Registry
from vcplab.protocol.results import ToolFailure, unknown_tool

__all__ = ["Calls"]

_PATIENCE = 60.0
_UNSAID = "Distributed tool execution failed."


@dataclass(slots=True, eq=False)
class _Call:
    request_id: str
    tool: str
    node: Node
    future: asyncio.Future[Any]
    timer: asyncio.TimerHandle


class Calls:
    """Calls and requests for files under way. All methods belong to the server's loop.

    Args:
        quirks: How the server differs.
        registry: Whose tools.
        outbox: Where calls are sent.
        ids: Makes their ids.
    """

    def __init__(self, quirks: Quirks, registry: Registry, outbox: Outbox, ids: Ids) -> None:
        self._quirks = quirks
        self._registry = registry
        self._outbox = outbox
        self._ids = ids
        self._calls: dict[str, _Call] = {}
        self._files: dict[str, tuple[asyncio.Future[Any], Node]] = {}

    def __len__(self) -> int:
        return len(self._calls) + len(self._files)

    def begin(
        self, tool: str, args: Mapping[str, Any] | None, timeout: float | None, server: str | None
    ) -> asyncio.Future[Any]:
        """Send a call; the future is its end.

        Raises:
            NotFoundError: There is no such node.
            InvalidInputError: The arguments are nothing that JSON can say.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        found = self._registry.tools.get(tool)
        if server is not None:
            node = self.node(server)
        elif found is None:
            error = unknown_tool(tool).error
            future.set_exception(_failure(error, tool, VCPErrorCode.TOOL_NOT_FOUND))
            return future
        else:
            node = found[1]
        if timeout is None:
            timeout = _PATIENCE if found is None or tool == FILE_TOOL else _limit(found[0])
        request_id = self._ids.call(self._calls)
        frame = call_frame(self._quirks, request_id, tool, {} if args is None else dict(args))
        data = dumped(frame)
        timer = loop.call_later(timeout, self._time_out, request_id, timeout)
        self._calls[request_id] = _Call(request_id, tool, node, future, timer)
        self._outbox.counts["called"] += 1
        self._outbox.post(node.wire, data, frame)
        return future

    def begin_file(self, path: str, timeout: float, server: str) -> asyncio.Future[Any]:
        """Send the SDK's ``fetch_file``; the future is the whole ``file_result``.

        Raises:
            NotFoundError: There is no such node.
        """
        loop = asyncio.get_running_loop()
        node = self.node(server)
        request_id = self._ids.file()
        future: asyncio.Future[Any] = loop.create_future()
        self._files[request_id] = future, node
        frame = {"type": "fetch_file", "requestId": request_id, "filePath": path}
        self._outbox.tell(node.wire, frame)

        def give_up() -> None:
            error = f"File fetch timed out after {timeout:g}s."
            _fail(future, _failure(error, "fetch_file", VCPErrorCode.TOOL_TIMEOUT))

        timer = loop.call_later(timeout, give_up)

        def forget(_: object) -> None:
            timer.cancel()
            self._files.pop(request_id, None)

        future.add_done_callback(forget)
        return future

    def answer(self, node: Node, data: Mapping[str, Any]) -> None:
        """End a call as its node says; what comes late or from another node is thrown away."""
        counts = self._outbox.counts
        request_id = data.get("requestId")
        call = self._calls.get(request_id) if isinstance(request_id, str) else None
        if call is None:
            counts["late"] += 1
            return
        # The SDK of 2025 does not look at who answers.
        if call.node is not node and not self._quirks.shared_fate:
            counts["foreign"] += 1
            return
        self._take(call)
        counts["answered"] += 1
        if data.get("status") == "success":
            _resolve(call.future, data.get("result"))
            return
        counts["failed"] += 1
        if self._quirks.errors_resolve:
            _resolve(call.future, None)
        else:
            error = _failure(data.get("error"), call.tool, VCPErrorCode.TOOL_EXECUTION_FAILED)
            _fail(call.future, error)

    def answer_file(self, data: Mapping[str, Any]) -> None:
        """End a request for a file."""
        request_id = data.get("requestId")
        found = self._files.get(request_id) if isinstance(request_id, str) else None
        if found is None:
            self._outbox.counts["late"] += 1
        elif data.get("success") is True:
            _resolve(found[0], dict(data))
        else:
            error = data.get("error") or "Unknown error"
            code = VCPErrorCode.TOOL_EXECUTION_FAILED
            _fail(found[0], _failure(error, "fetch_file", code))

    def reject(self, node: Node) -> None:
        """Reject what a node that left has not answered; the SDK rejects what anybody has not."""
        code = VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
        for call in list(self._calls.values()):
            if call.node is node or self._quirks.shared_fate:
                self._take(call)
                self._outbox.counts["rejected"] += 1
                error = (
                    f"Distributed server {node.server_id} disconnected while executing "
                    f"request {call.request_id}."
                )
                _fail(call.future, _failure(error, call.tool, code))
        for future, owner in list(self._files.values()):
            if owner is node:
                error = f"Distributed server {node.server_id} disconnected."
                _fail(future, _failure(error, "fetch_file", code))

    def node(self, server: str) -> Node:
        """The node of an id or name.

        Raises:
            NotFoundError: There is none.
        """
        node = self._registry.find(server)
        if node is None:
            raise NotFoundError(
                f"Distributed server {server} is not connected.",
                code=VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR,
                where="server",
                next_step="see .nodes for those that are",
            )
        return node

    def _take(self, call: _Call) -> None:
        call.timer.cancel()
        del self._calls[call.request_id]

    def _time_out(self, request_id: str, timeout: float) -> None:
        call = self._calls[request_id]
        self._take(call)
        counts = self._outbox.counts
        counts["timed_out"] += 1
        node = call.node
        if self._quirks.cancels and node.cancels:
            counts["cancelled"] += 1
            frame = {"type": "cancel_tool", "data": {"requestId": request_id}}
            self._outbox.tell(node.wire, frame)
        error = (
            f"Request to distributed tool {call.tool} on server {node.server_id} "
            f"timed out after {timeout:g}s."
        )
        _fail(call.future, _failure(error, call.tool, VCPErrorCode.TOOL_TIMEOUT))


def _resolve(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: ToolFailure) -> None:
    if not future.done():
        future.set_exception(error)


def _failure(error: Any, tool: str, code: VCPErrorCode) -> ToolFailure:
    """The error of a call; nothing, for a reason, gets upstream's own words."""
    if not error:
        error = _UNSAID
    if not isinstance(error, str):
        error = json.dumps(error, ensure_ascii=False)
    payload = {"plugin_execution_error": error}
    return ToolFailure(error, code=code, where=tool, details={"payload": payload})


def _limit(manifest: Mapping[str, Any]) -> float:
    """Seconds after which a call of a tool is given up."""
    communication = manifest.get("communication")
    limit = communication.get("timeout") if isinstance(communication, Mapping) else None
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
        return _PATIENCE
    return float(limit) / 1000
