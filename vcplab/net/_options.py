"""How to dial. Private: see `vcplab.net.dial`, which hands `DialOptions` on."""

from __future__ import annotations

import importlib.util
import math
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from vcplab.core.errors import InvalidInputError, MissingDependencyError

__all__ = ["DialOptions"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN = frozenset({"connection", "content-length", "host", "transfer-encoding", "upgrade"})
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_CERTIFICATES = ("*.pem", "*.crt", "*.cer")


@dataclass(frozen=True, slots=True, kw_only=True)
class DialOptions:
    """How to connect, when to give a connection up, and when to dial again.

    Attributes:
        open_timeout: Seconds that an attempt may take, from the look-up of the name to the end of
            the handshake.
        ping_period: Seconds between pings. A connection from which nothing came, and through which
            nothing got, for 1.75 periods is dead.
        first_delay: The limit of the first wait before dialling again, in seconds.
        longest_delay: The highest limit, in seconds.
        stable_after: Seconds after which an open connection ends the counting of failures.
        max_size: The largest message that is taken, in bytes; 100 MiB, as the main server has it
            (facts/vcp-protocol §4.1).
        close_timeout: Seconds that a goodbye may take, and that what serves a connection gets
            after its end.
        ca: A PEM file, or a folder of such, with authorities to trust besides the system's.
        proxy: True: the environment's (never for this machine itself); None or False: none; else
            the proxy's URL (http, https, socks5, …), with its credentials if it wants some.
        headers: Further headers of the handshake.

    Raises:
        InvalidInputError: A value that cannot be, or ``ca`` without a certificate.
        MissingDependencyError: A SOCKS proxy, and python-socks is not installed.
    """

    open_timeout: float = 15.0
    ping_period: float = 20.0
    first_delay: float = 5.0
    longest_delay: float = 60.0
    stable_after: float = 30.0
    max_size: int = 100 * 2**20
    close_timeout: float = 2.0
    ca: str | Path | None = None
    # Both may hold credentials.
    proxy: str | bool | None = field(default=True, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    _trust: ssl.SSLContext | None = field(
        default=None, init=False, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        for name in ("open_timeout", "ping_period", "close_timeout"):
            _check(name, getattr(self, name), above_zero=True)
        for name in ("first_delay", "longest_delay", "stable_after"):
            _check(name, getattr(self, name), above_zero=False)
        if self.first_delay > self.longest_delay:
            raise InvalidInputError(
                f"The first wait, {self.first_delay:g} s, is longer than the longest,"
                f" {self.longest_delay:g} s.",
                where="first_delay",
                next_step="pass first_delay <= longest_delay",
            )
        size = self.max_size
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InvalidInputError(
                f"{size!r} is no size of a message.",
                where="max_size",
                next_step="pass a number of bytes, e.g. 100 * 2**20",
            )
        if isinstance(self.proxy, str):
            check_proxy(self.proxy)
        elif self.proxy is not None and not isinstance(self.proxy, bool):
            raise InvalidInputError(
                f"A proxy cannot be of type {type(self.proxy).__name__}.",
                where="proxy",
                next_step="pass True, None, or a URL such as 'http://127.0.0.1:3128'",
            )
        object.__setattr__(self, "headers", _checked_headers(self.headers))
        if self.ca is not None:
            _trusting(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.ca)

    def trust(self) -> ssl.SSLContext:
        """The TLS context: the system's authorities, and ``ca``'s; made once.

        Raises:
            InvalidInputError: ``ca`` is not readable any more.
        """
        context = self._trust
        if context is None:
            context = ssl.create_default_context()
            if self.ca is not None:
                _trusting(context, self.ca)
            object.__setattr__(self, "_trust", context)
        return context


def check_proxy(proxy: str) -> str:
    """Scheme, host and port of a proxy, fit to be shown.

    Raises:
        InvalidInputError: Not the URL of a proxy. The URL itself is never in the message.
        MissingDependencyError: A SOCKS proxy, and python-socks is not installed.
    """
    problem = ""
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port, problem = urlsplit(""), None, None, "it cannot be read"
    if not problem and parts.scheme not in _PROXY_SCHEMES:
        problem = f"its scheme is not one of {', '.join(_PROXY_SCHEMES)}"
    elif not problem and not host:
        problem = "it names no host"
    elif not problem and (parts.path not in ("", "/") or parts.query or parts.fragment):
        problem = "it has a path or a query"
    elif not problem and parts.username is not None and parts.password is None:
        problem = "it names a user without a password"
    if problem:
        raise InvalidInputError(
            f"That is no URL of a proxy: {problem}.",
            where="proxy",
            next_step="write 'http://host:port' or 'http://user:password@host:port'",
        )
    if parts.scheme.startswith("socks") and importlib.util.find_spec("python_socks") is None:
        raise MissingDependencyError(
            "A SOCKS proxy needs the package python-socks.",
            where="proxy",
            next_step="pip install 'python-socks[asyncio]'",
        )
    shown = f"[{host}]" if host and ":" in host else str(host)
    return f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}"


def _check(name: str, seconds: object, *, above_zero: bool) -> None:
    fits = (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and math.isfinite(seconds)
        and (seconds > 0 if above_zero else seconds >= 0)
    )
    if not fits:
        raise InvalidInputError(
            f"{seconds!r} is no time.",
            where=name,
            next_step=f"pass seconds, {'above 0' if above_zero else '0 or more'}",
        )


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    if not isinstance(headers, Mapping):
        raise InvalidInputError(
            f"Headers cannot be of type {type(headers).__name__}.",
            where="headers",
            next_step='pass a dict, e.g. {"X-Name": "value"}',
        )
    checked: dict[str, str] = {}
    for name, value in dict(headers).items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise InvalidInputError(
                f"{name!r} is no name of a header.",
                where="headers",
                next_step="use letters, digits and '-'",
            )
        if name.lower() in _OWN or name.lower().startswith("sec-websocket-"):
            raise InvalidInputError(
                f"The header {name!r} belongs to the handshake itself.",
                where="headers",
                next_step="leave it out",
            )
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise InvalidInputError(
                f"The value of the header {name!r} cannot be sent.",
                where="headers",
                next_step="use printable ASCII characters only",
            )
        checked[name] = value
    return MappingProxyType(checked)


def _trusting(context: ssl.SSLContext, ca: str | Path) -> None:
    """Load the authorities of a file or folder into a context."""
    if not isinstance(ca, str | Path):
        raise InvalidInputError(
            f"Certificates cannot be of type {type(ca).__name__}.",
            where="ca",
            next_step="pass the path of a PEM file, or of a folder of such",
        )
    path = Path(ca).expanduser()
    files = [path]
    if path.is_dir():
        files = sorted(file for pattern in _CERTIFICATES for file in path.glob(pattern))
    loaded = False
    for file in files:
        try:
            context.load_verify_locations(cafile=file)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = "it holds no PEM certificate" if isinstance(error, ssl.SSLError) else error
            raise InvalidInputError(
                f"{str(file)!r} cannot be used: {getattr(reason, 'strerror', None) or reason}.",
                where="ca",
                next_step="pass a file that begins with '-----BEGIN CERTIFICATE-----'",
            ) from None
        loaded = True
    if not loaded:
        raise InvalidInputError(
            f"{str(path)!r} is a folder without certificates.",
            where="ca",
            next_step=f"pass a PEM file, or a folder with {', '.join(_CERTIFICATES)}",
        )
