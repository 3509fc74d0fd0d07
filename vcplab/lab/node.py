"""The lab as a node of main servers: settings, preview and panel for `vcplab.node.node.Node`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from vcplab.core.display import is_notebook, view
from vcplab.core.errors import InvalidInputError, VCPError
from vcplab.core.loop import blocking, on_library_loop
from vcplab.core.redaction import is_secret_name
from vcplab.core.settings import Settings
from vcplab.core.workspace import Workspace
from vcplab.lab.plugins import PluginsFacet
from vcplab.node.address import read_address
from vcplab.node.callback_port import CallbackPort
from vcplab.node.exposure import ExposurePreview
from vcplab.node.link import Link
from vcplab.node.node import Node

__all__ = ["NodeDefaults", "NodeFacet"]

_FRESH = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class NodeDefaults:
    """What `NodeFacet.connect` takes from the settings.

    Attributes:
        url: The server's address, with dots for the key; None where there is none.
        name: How the node calls itself.
        has_key: Whether there is a key.
    """

    url: str | None
    name: str
    has_key: bool


class NodeFacet(Node):
    """``lab.node``: the lab's tools, offered to running main servers.

    ::

        lab.node.preview()                                  # what would be offered
        lab.node.connect("ws://127.0.0.1:6005", key)        # or from the settings: connect()
        lab.node.status();  lab.node.calls();  lab.node.panel()
        lab.node.disconnect()

    Args:
        plugins: The lab's plugins.
        workspace: The lab's folder.
        settings: Its settings: ``server_url``, ``server_key``, ``server_name``, ``node_port``.
    """

    def __init__(self, plugins: PluginsFacet, workspace: Workspace, settings: Settings) -> None:
        super().__init__(
            plugins,
            plugins.caller,
            secrets=_Secrets(settings),
            paths={"lab": workspace.path, "cwd": Path.cwd()},
        )
        self._settings = settings
        self._default_name = settings.server_name or f"vcplab-{workspace.path.name}"
        self._callback_port: CallbackPort | None = None

    @on_library_loop
    async def aconnect(
        self,
        url: str | None = None,
        key: str | SecretStr | None = None,
        name: str | None = None,
        expose: bool | str | Iterable[str] | None = None,
        *,
        prefix: str = "",
        show: bool = True,
        **options: Any,
    ) -> Link:
        """Become a node of a main server; see `Node.aconnect`.

        What will be offered is shown before anything is sent.

        Args:
            url: The server; ``server_url`` of the settings (``VCP_SERVER``) by default.
            key: Its key; ``server_key`` of the settings (``VCP_KEY``) by default.
            name: How the node calls itself; ``server_name`` of the settings (``SERVER_NAME``), or
                the lab's folder, by default.
            expose: What is offered; see `Node.aconnect`.
            prefix: Stands before each tool's name at the server.
            show: Whether what will be offered is shown first.
            **options: Of `Node.aconnect` and `vcplab.net.dial.DialOptions`.

        Returns:
            The link; its ``problem`` says why it is not connected, if it is not.

        Raises:
            InvalidInputError: Address, key, name, pattern, dialect or an option is impossible, or
                the settings name no server.
        """
        if url is None and key is None:
            key = self._settings.server_key
        if url is None:
            url = self._settings.server_url
        elif key is None and "VCP_Key=" not in url:
            key = self._settings.server_key
        if show:
            _show(self.preview(expose, prefix=prefix))
        await self._open_callback_port()
        return await super().aconnect(
            url, key, self._default_name if name is None else name, expose, prefix=prefix, **options
        )

    connect = blocking(aconnect)

    @property
    def defaults(self) -> NodeDefaults:
        """What `connect` takes from the settings; never the key itself."""
        url, key = self._settings.server_url, self._settings.server_key
        shown, has_key = None, key is not None
        if url is not None:
            inside = "VCP_Key=" in url
            with suppress(InvalidInputError):  # connect() says what is wrong with it
                shown = read_address(url, None if inside else "any").shown
            has_key = has_key or inside
        return NodeDefaults(url=shown, name=self._default_name, has_key=has_key)

    def panel(self, **options: Any) -> Any:
        """The live view: state, what is offered with switches, calls, latency, log.

        Returns:
            A widget; show it as the last value of a cell.

        Raises:
            MissingDependencyError: anywidget is not installed.
        """
        return view("panel", "NodeFacet")(self, **options)

    def close(self) -> None:
        """End all links; closing twice is allowed."""
        super().close()
        if self._callback_port is not None:
            self._callback_port.close()
            self._callback_port = None

    async def _open_callback_port(self) -> None:
        port = self._settings.node_port
        if port is not None and self._callback_port is None:
            opened = CallbackPort(
                self._manager, port, told=lambda text: self.note("warning", "", text)
            )
            try:
                await opened.aopen()
            except VCPError as error:
                self.note("warning", "", str(error))
            else:
                self._callback_port = opened


def _show(preview: ExposurePreview) -> None:
    if is_notebook():
        from IPython.display import display

        display(preview)  # type: ignore[no-untyped-call]
    else:
        print(preview, file=sys.stderr)


class _Secrets:
    """The secrets of settings and environment, looked up now and then: frames come fast."""

    def __init__(self, settings: Settings) -> None:
        known = (settings.server_key, settings.model_key)
        self._settings = tuple(key.get_secret_value() for key in known if key is not None)
        self._found: tuple[str, ...] = ()
        self._at = float("-inf")

    def __call__(self) -> tuple[str, ...]:
        now = time.monotonic()
        if now - self._at > _FRESH:
            named = (value for name, value in os.environ.items() if is_secret_name(name))
            found = (*self._settings, *named)
            self._found, self._at = self._found if found == self._found else found, now
        return self._found
