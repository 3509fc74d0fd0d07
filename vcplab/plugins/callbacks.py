"""Where asynchronous plugins report: ``POST /plugin-callback/…`` (facts/vcp-protocol §1.7, §2).

Upstream plugins send no header, so the address itself is the secret: every plugin has its own
token in it, and can report its own tasks only. Both shapes of the address are taken:
``…/<token>/<plugin>/<task>``, and ``…/<token>`` with ``pluginName`` and ``taskId`` in the body.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from vcplab.core.errors import InvalidInputError
from vcplab.plugins.tasks import Tasks
from vcplab.protocol.results import ToolResult

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["BODY_LIMIT", "PREFIX", "Callbacks", "read_report"]

PREFIX: Final = "/plugin-callback"
_NAMES: Final = ("pluginName", "PLUGIN_NAME_FOR_CALLBACK")
_TASKS: Final = ("taskId", "task_id", "TaskId", "requestId")
BODY_LIMIT: Final = 20 * 2**20
"""Bytes that a report may have."""
_LONGEST: Final = 200


def read_report(body: bytes, path: str = "") -> tuple[str, str, dict[str, Any]]:
    """Read a report.

    Args:
        body: The body of its request.
        path: What follows the address, ``<plugin>/<task>``; empty where the body names them.

    Returns:
        The plugin (empty if it is not named), the task and the body.

    Raises:
        InvalidInputError: The body is no JSON object, or no task is named.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise _unreadable("the body is no JSON") from None
    if not isinstance(values, dict):
        raise _unreadable("the body is no JSON object")
    plugin, _, task = path.rpartition("/")
    plugin = plugin or str(next((values[k] for k in _NAMES if values.get(k)), ""))
    task = task or str(next((values[k] for k in _TASKS if values.get(k)), ""))
    if not task or len(task) > _LONGEST:
        raise _unreadable("the report names no task")
    return plugin, task, values


def _unreadable(problem: str) -> InvalidInputError:
    return InvalidInputError(
        problem, where="report", next_step='send {"pluginName": …, "taskId": …, "status": …}'
    )


class Callbacks:
    """Takes reports.

    Args:
        tasks: The tasks that are reported.
        reported: Called with plugin, task and body of every report that was accepted.
    """

    def __init__(
        self, tasks: Tasks, reported: Callable[[str, str, dict[str, Any]], object]
    ) -> None:
        self._tasks = tasks
        self._reported = reported
        self._tokens: dict[str, str] = {}
        self._mount: Any = None

    async def url(self, plugin: str) -> str:
        """The ``CALLBACK_BASE_URL`` of a plugin; opens the listener when first asked.

        Args:
            plugin: Its name.
        """
        if self._mount is None:
            self._mount = await self._open()
        token = self._tokens.setdefault(plugin, secrets.token_urlsafe(24))
        return f"{self._mount.url}/{token}"

    def report(self, plugin: str, task_id: str, body: Mapping[str, Any]) -> None:
        """Take a report.

        Args:
            plugin: The plugin.
            task_id: The task, perhaps one of an earlier process.
            body: What it says; a ``status`` of failure makes the task a failed one.
        """
        task = self._tasks.find(plugin, task_id)
        if task is None:
            task = self._tasks.new(plugin, {}, task_id)
        failed = str(body.get("status", "")).lower() in ("failed", "error", "failure")
        reason = body.get("reason") or body.get("message") or body.get("error")
        result = (
            ToolResult(plugin, dict(body), success=False, error=str(reason or "The task failed."))
            if failed
            else ToolResult(plugin, dict(body))
        )
        # Prompts first: whoever waits for the task may look there at once.
        self._reported(plugin, task_id, dict(body))
        task.finish("failed" if failed else "succeeded", result)

    async def close(self) -> None:
        """Take no more."""
        mount, self._mount = self._mount, None
        if mount is not None:
            await mount.aclose()

    async def _open(self) -> Any:
        from starlette.routing import Route

        from vcplab.net.listener import listener

        routes = [
            Route("/{token}/{plugin:path}", self._answer, methods=["POST"]),
            Route("/{token}", self._answer, methods=["POST"]),
        ]
        # A mount for each lab of the process; the path ends in what tells them apart.
        prefix = f"{PREFIX}/{secrets.token_hex(4)}"
        return await listener().amount(prefix, routes, body_limit=BODY_LIMIT)

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        owner = self._owner(request.path_params["token"])
        if owner is None:
            return JSONResponse({"error": "unknown address"}, status_code=403)
        try:
            plugin, task, body = read_report(
                await request.body(), str(request.path_params.get("plugin", ""))
            )
        except InvalidInputError as error:
            return JSONResponse({"error": error.message}, status_code=400)
        plugin = plugin or owner
        if plugin != owner:
            return JSONResponse({"error": "this address is another plugin's"}, status_code=403)
        self.report(plugin, task, body)
        return JSONResponse({"status": "success", "message": "Callback received"})

    def _owner(self, token: str) -> str | None:
        for plugin, known in self._tokens.items():
            if secrets.compare_digest(known.encode(), token.encode()):
                return plugin
        return None
