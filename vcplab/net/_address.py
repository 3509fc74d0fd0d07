"""Where a dial leads: the address, the way there, and what must not be shown of it.

Private: see `vcplab.net.dial`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import urlsplit

from vcplab.core.errors import InvalidInputError
from vcplab.core.redaction import MASK, Redactor
from vcplab.net._failures import Place
from vcplab.net._options import DialOptions, check_proxy

__all__ = ["Address"]

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_KEY_IN_PATH = re.compile(r"(VCP_Key=).*", re.DOTALL | re.IGNORECASE)


class Address:
    """The address of a server, with what must be kept out of texts.

    Args:
        url: A ws:// or wss:// address.
        options: How to dial.
        shown: The address as texts may show it; None to derive it.
        secrets: What no text may hold.

    Raises:
        InvalidInputError: Not such an address; the message does not repeat it.
    """

    def __init__(
        self, url: str, options: DialOptions, shown: str | None, secrets: Iterable[str]
    ) -> None:
        problem = ""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except (ValueError, AttributeError, TypeError):
            parts, host, port, problem = urlsplit(""), None, None, "it cannot be read"
        if not problem and parts.scheme not in ("ws", "wss"):
            problem = "it does not begin with ws:// or wss://"
        elif not problem and not host:
            problem = "it names no host"
        elif not problem and parts.fragment:
            problem = "it holds a '#'"
        elif not problem and parts.username is not None and parts.password is None:
            problem = "it names a user without a password"
        if problem or host is None:
            raise InvalidInputError(
                f"That is no address of a WebSocket server: {problem}.",
                where="url",
                next_step="write 'ws://host:port/path' or 'wss://host/path'",
            )
        self.url = url
        self._options = options
        self._host = host
        name = f"[{host}]" if ":" in host else host
        proxy = options.proxy
        self.place = Place(
            server=f"{name}:{port or (443 if parts.scheme == 'wss' else 80)}",
            secure=parts.scheme == "wss",
            proxy=check_proxy(proxy) if isinstance(proxy, str) else None,
            open_timeout=options.open_timeout,
        )
        hidden = _KEY_IN_PATH.sub(rf"\1{MASK}", parts.path)
        if shown is None:
            shown = f"{parts.scheme}://{name}{f':{port}' if port else ''}{hidden}"
        self.shown = shown
        self._secrets = tuple(secret for secret in secrets if secret)
        if parts.password:
            self._secrets += (parts.password,)
        tail = parts.path + (f"?{parts.query}" if parts.query else "")
        self._swaps = [(url, shown)] + ([(tail, hidden)] if len(tail) > 1 else [])
        self._redactor: Redactor | None = None

    def __repr__(self) -> str:
        return f"<Address {self.shown}>"

    def route(self) -> tuple[Place, str | None]:
        """Find the way as it is now: the environment's proxies may change.

        Returns:
            The place, also kept as ``place``, and the URL of the proxy.

        Raises:
            InvalidInputError: What the environment names is no proxy.
            MissingDependencyError: It is a SOCKS proxy, and python-socks is not installed.
        """
        from websockets.proxy import get_proxy
        from websockets.uri import parse_uri

        proxy = self._options.proxy
        if isinstance(proxy, str):
            return self.place, proxy
        found: str | None = None
        # No proxy leads back to this machine, whatever the environment says.
        if proxy is True and self._host not in _LOCAL:
            found = get_proxy(parse_uri(self.url))
        self.place = replace(self.place, proxy=None if found is None else check_proxy(found))
        return self.place, found

    def scrub(self, text: str) -> str:
        """A text without the address's path and without secrets."""
        for raw, instead in self._swaps:
            text = text.replace(raw, instead)
        for secret in self._secrets:
            # The redactor leaves short ones alone; here it is known that they are secret.
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
        if self._redactor is None:
            self._redactor = Redactor(self._secrets)
        return self._redactor.text(text)
