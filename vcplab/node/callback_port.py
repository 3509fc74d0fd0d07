"""The port of a node on which plugins of other programs report, as VCPChat's node has it.

Plugins that this process started have an address of their own (`vcplab.plugins.callbacks`). Others
are told a fixed one, ``http://localhost:<DIST_SERVER_PORT>/plugin/callback``: for them the setting
``node_port`` opens this door, and without it there is none.

Upstream takes ``POST /plugin/callback`` with ``pluginName`` and ``taskId`` in the body, and answers
404 to the plugins that append ``/<plugin>/<task>`` to the address, as those of the main server do
(facts/vcp-protocol §4.4). Here both are taken. Nothing secret is in this address, so a report
counts only for a task that is known and goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from vcplab.core.errors import InvalidInputError, StateError
from vcplab.core.loop import blocking, on_library_loop
from vcplab.net.listener import Listener, Mount
from vcplab.plugins.callbacks import BODY_LIMIT, read_report

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from vcplab.plugins.manager import PluginManager

__all__ = ["PREFIX", "CallbackPort"]

PREFIX: Final = "/plugin"
"""Where the door is; reports are taken under ``/callback`` in it."""
_logger = logging.getLogger(__name__)


class CallbackPort:
    """A listener on 127.0.0.1 for reports of tasks.

    Attributes:
        notice: That the port was busy and which one was taken instead; None if it was free.

    Args:
        manager: Whose tasks are reported.
        port: The port; if another program holds it, any that is free is taken, as upstream does.
        told: Called with the notice.

    Raises:
        InvalidInputError: The port is none.
    """

    def __init__(
        self,
        manager: PluginManager,
        port: int,
        *,
        told: Callable[[str], object] = _logger.warning,
    ) -> None:
        self.notice: str | None = None
        self._manager = manager
        self._wanted = port
        self._told = told
        self._listener = Listener(port=port)
        self._mount: Mount | None = None
        self._opening = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether reports are taken."""
        return self._mount is not None and self._mount.is_open

    @property
    def url(self) -> str | None:
        """The address for ``CALLBACK_BASE_URL``; None while it is closed."""
        if self._mount is None or not self._mount.is_open:
            return None
        return f"{self._mount.url}/callback"

    @on_library_loop
    async def aopen(self) -> str:
        """Take reports from now on; opening twice changes nothing.

        Returns:
            The address.

        Raises:
            MissingDependencyError: uvicorn or starlette is not installed.
        """
        async with self._opening:
            if self._mount is None or not self._mount.is_open:
                self._mount = await self._mounted()
            return f"{self._mount.url}/callback"

    open = blocking(aopen)

    @on_library_loop
    async def aclose(self) -> None:
        """Take no more; closing twice is allowed."""
        async with self._opening:
            self._mount = None
            await self._listener.aclose()

    close = blocking(aclose)

    async def _mounted(self) -> Mount:
        from starlette.routing import Route

        routes = [
            Route("/callback", self._answer, methods=["POST"]),
            Route("/callback/{report:path}", self._answer, methods=["POST"]),
        ]
        try:
            return await self._listener.amount(PREFIX, routes, body_limit=BODY_LIMIT)
        except StateError as error:
            self._listener = Listener()
            mount = await self._listener.amount(PREFIX, routes, body_limit=BODY_LIMIT)
            self.notice = (
                f"The port {self._wanted} for reports of plugins could not be had "
                f"({error.message.rstrip('.')}): they are taken at {mount.url}/callback instead."
            )
            self._told(self.notice)
            return mount

    async def _answer(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        try:
            plugin, task, body = read_report(
                await request.body(), str(request.path_params.get("report", "")).strip("/")
            )
        except InvalidInputError as error:
            return JSONResponse({"error": error.message}, status_code=400)
        if not plugin:
            return JSONResponse({"error": "the report names no plugin"}, status_code=400)
        known = self._manager.tasks.find(plugin, task)
        if known is None or known.done:
            return JSONResponse({"error": "no such task goes on"}, status_code=404)
        self._manager.callbacks.report(plugin, task, body)
        return JSONResponse({"status": "success", "message": "Callback received"})

    def __repr__(self) -> str:
        return f"<CallbackPort {self.url or 'closed'}>"
