"""Calling tools of a running main server from outside: a real one or a stand-in."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from vcplab.core.errors import InvalidInputError, StateError, VCPErrorCode
from vcplab.core.loop import blocking, to_worker
from vcplab.node.standin.web import CALL_PATH
from vcplab.protocol.results import ToolFailure

__all__ = ["MainServer"]

_SCHEMES = {"http": False, "ws": False, "https": True, "wss": True}
_DEFAULT_PORT = 6005


class MainServer:
    """A main server's door for people, ``POST /v1/human/tool`` (facts/vcp-protocol §1.7).

    Args:
        url: ``http(s)://…`` or ``ws(s)://…``; a bare host has port 6005.
        key: The server's ``Key``.
        timeout: Seconds to wait for an answer.

    Raises:
        InvalidInputError: The address is none, or the key cannot stand in a header.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 120.0) -> None:
        self.key = _checked_key(key)
        self.timeout = timeout
        self._aim(url)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.http_url}>"

    @property
    def http_url(self) -> str:
        """The address, without key."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http{'s' if self._secure else ''}://{host}:{self._port}{self._base}"

    async def acall(self, tool: str, /, **args: Any) -> dict[str, Any]:
        """Call a tool as a person does.

        Args:
            tool: Its name.
            **args: Its arguments. The protocol knows texts only: numbers, lists and objects go as
                JSON.

        Returns:
            The result object of facts/vcp-protocol §1.5.

        Raises:
            ToolFailure: The tool failed; with the server's words.
            InvalidInputError: The arguments cannot be written as a request.
            StateError: The server is not there, or does not accept the key.
        """
        from vcplab.protocol.requests import VCPProtocolParser

        texts = {name: _text(name, value) for name, value in args.items()}
        block = VCPProtocolParser().format_tool_request(tool, texts)
        status, body = await to_worker(self._ask, "POST", CALL_PATH, block.encode())
        if status == 200:
            return dict(body)
        self._check(status, body)
        error = body.get("plugin_error") or body.get("plugin_execution_error")
        error = error or body.get("details") or body.get("error") or f"HTTP status {status}"
        if not isinstance(error, str):
            error = json.dumps(error, ensure_ascii=False)
        raise ToolFailure(error, where=tool, details={"payload": dict(body)})

    call = blocking(acall)

    def _aim(self, url: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in _SCHEMES or not parts.hostname or port == -1:
            raise InvalidInputError(
                "This is no server's address.",
                where="url",
                next_step="give one like http://127.0.0.1:6005",
            )
        self._secure = _SCHEMES[parts.scheme]
        self._host = parts.hostname
        bare = _DEFAULT_PORT if "://" not in url else (443 if self._secure else 80)
        self._port = bare if port is None else port
        self._base = parts.path.rstrip("/")

    def _check(self, status: int, body: Mapping[str, Any]) -> None:
        if status in (401, 403):
            raise StateError(
                "The server does not accept the key.",
                code=VCPErrorCode.DISTRIBUTED_AUTH_FAILED,
                where=self.http_url,
                next_step="give the Key of the server's config.env",
            )
        if status == 404:
            raise StateError(
                "The server does not know this path.",
                where=self.http_url,
                next_step="check that a VCP main server listens there",
            )
        if status == 400:
            raise InvalidInputError(
                f"The server could not read the request: {body.get('error')}",
                where=self.http_url,
                next_step="check the tool's name and arguments",
            )

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self.timeout)
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "text/plain; charset=utf-8",
        }
        try:
            connection.request(method, self._base + path, body, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise StateError(
                f"The server does not answer ({type(error).__name__}).",
                code=VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR,
                where=self.http_url,
                next_step="check that it runs, and its address",
            ) from None
        finally:
            connection.close()
        try:
            read = json.loads(text)
        except ValueError:
            read = {"error": text[:500].decode("utf-8", "replace")}
        return status, read if isinstance(read, dict) else {"original_plugin_output": read}


def _checked_key(key: str) -> str:
    if not isinstance(key, str) or not key or not key.isascii() or not key.isprintable():
        raise InvalidInputError(
            "The key is empty or has characters that cannot stand in a header.",
            where="key",
            next_step="use letters, digits and plain signs",
        )
    return key


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidInputError(
            f"{name} is nothing that can be sent.",
            code=VCPErrorCode.INVALID_PROTOCOL,
            where=name,
            next_step="give text, numbers, booleans, lists or dicts",
        ) from None
