"""Where a main server is: what a person writes, made into the one address that is dialled.

::

    read_address("127.0.0.1:6005", "s3cr3t").shown
    # ws://127.0.0.1:6005/vcp-distributed-server/VCP_Key=•••

The key is the end of the path, and the server compares it literally: nothing is decoded
(facts/vcp-protocol §4.1). So it is sent as it is, and a key that cannot be sent so is refused.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from vcplab.core.errors import InvalidInputError
from vcplab.core.redaction import MASK

__all__ = ["NODE_PATH", "ServerAddress", "read_address"]

NODE_PATH: Final = "vcp-distributed-server"
"""The path on which VCPToolBox takes nodes."""
_DEFAULT_PORT: Final = 6005
_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_HTTP: Final = {"ws": "http", "wss": "https"}
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_KEY: Final = re.compile(r"(?:^|/)VCP_Key=(.*)\Z", re.DOTALL)
# What people copy from VCPChat's settings: the address of the chat interface, or of VCPLog.
_OTHER_DOORS: Final = re.compile(
    r"/(?:v1(?:/.*)?|VCPlog|vcpinfo|vcp-chrome-observer|vcp-chrome-control|vcp-admin-panel)\Z"
)
# End a path, or are no part of a request line; the others are changed by Node's url.parse.
_NOT_IN_A_KEY: Final = frozenset(' ?#"`{}|\\^<>')
_FORM: Final = 'Write it as "ws://127.0.0.1:6005"'


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A main server's address.

    Attributes:
        shown: The address that is dialled, with dots for the key: for messages and logs.
        http_url: The server's base address for HTTP, without the key.
        is_loopback: Whether the server is on this machine.
        url: The address that is dialled; it ends in the key.
        key: The key.
    """

    shown: str
    http_url: str
    is_loopback: bool
    url: str = field(repr=False)
    key: str = field(repr=False)

    def __str__(self) -> str:
        return self.shown


def read_address(
    url: str | None, key: str | SecretStr | None = None, *, path: str = NODE_PATH
) -> ServerAddress:
    """Read the address of a main server.

    Accepted are a host with or without a port ("127.0.0.1:6005", "localhost", "::1"; the port is
    6005 unless given), an address with ``ws``, ``wss``, ``http`` or ``https`` (whose port is the
    scheme's unless given), the same with a base path, and the full form that ends in
    ``/vcp-distributed-server/VCP_Key=<key>``, from which the key is taken. The address of the
    server's chat interface (``…/v1/chat/completions``) or of another of its WebSockets will do too.

    Args:
        url: The address.
        key: The server's key (``Key`` in its ``config.env``); not needed where the address ends in
            it.
        path: The path of the WebSocket for nodes.

    Returns:
        The address.

    Raises:
        InvalidInputError: The address or the key is missing, is none, or the two name different
            keys. The error repeats neither.
    """
    text = _checked_text(url)
    bare = _SCHEME.match(text) is None
    parts = _parts(f"ws://{_bracketed(text)}" if bare else text)
    host, port = _host(parts), _port(parts)
    if port is None and bare:
        port = _DEFAULT_PORT
    scheme = _SCHEMES[parts.scheme]
    where = host if port is None else f"{host}:{port}"
    base, given = _base(parts.path, path)
    secret = _checked_key(key, given)
    start = f"{scheme}://{where}{base}/{path.strip('/')}/VCP_Key="
    return ServerAddress(
        shown=start + MASK,
        http_url=f"{_HTTP[scheme]}://{where}{base}",
        is_loopback=_is_loopback(parts.hostname or ""),
        url=start + secret,
        key=secret,
    )


def _checked_text(url: str | None) -> str:
    if url is None or (isinstance(url, str) and not url.strip()):
        raise InvalidInputError(
            "The address of the main server is not known.",
            where="url",
            next_step='Give url="ws://127.0.0.1:6005", or set it once for all: VCP_SERVER in the '
            "environment or in config.env, or server_url in vcplab.toml.",
        )
    if not isinstance(url, str):
        raise _no_address(f"The address must be text, not {type(url).__name__}.")
    return url.strip()


def _bracketed(text: str) -> str:
    """A bare IPv6 address as addresses have it."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return text
    return f"[{text}]"


def _parts(text: str) -> SplitResult:
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        # `urlsplit` would drop some of them without a word.
        raise _no_address("The address holds control characters.")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _no_address("The address cannot be read.") from None
    if parts.scheme not in _SCHEMES:
        raise _no_address("The address begins with none of ws://, wss://, http:// and https://.")
    if "@" in parts.netloc:
        raise InvalidInputError(
            "The address holds a user or a password.",
            where="url",
            next_step="Leave them out; where a proxy before the server asks for them, give headers="
            '{"Authorization": "Basic …"}.',
        )
    if "?" in text or "#" in text:
        raise InvalidInputError(
            "The address holds ? or #, which neither it nor a key in it can have.",
            where="url",
            next_step=f"{_FORM}, and leave out what follows; a key that has these characters "
            "cannot be sent: the server's must be changed.",
        )
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname
    if not host or any(character.isspace() for character in host):
        raise _no_address("The address names no host.")
    if ":" in host:
        return f"[{host}]"
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise _no_address("The address names no host that can be looked up.") from None


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise _no_address("The port in the address is no number from 1 to 65535.")
    return port


def _base(given: str, path: str) -> tuple[str, str | None]:
    """What stands before the server's own paths, and the key if it is in the address."""
    found = _KEY.search(given)
    key = None if found is None else found.group(1)
    base = (given if found is None else given[: found.start()]).rstrip("/")
    base = base.removesuffix(f"/{path.strip('/')}").rstrip("/")
    base = _OTHER_DOORS.sub("", base).rstrip("/")
    if not base.isascii() or any(character in _NOT_IN_A_KEY for character in base):
        raise _no_address("The path of the address holds characters that must be percent-encoded.")
    return base, key


def _checked_key(key: str | SecretStr | None, given: str | None) -> str:
    plain = key.get_secret_value() if isinstance(key, SecretStr) else key
    if plain is not None and not isinstance(plain, str):
        raise _no_key(f"The key must be text, not {type(plain).__name__}.", "Give it as text.")
    plain = (plain or "").strip()  # a key read from a file ends in a line break
    if plain and given and plain != given:
        raise _no_key(
            "The address ends in another key than the one that was given.",
            "Leave one of them out.",
        )
    plain = plain or given or ""
    if not plain:
        raise _no_key(
            "The key of the main server is not known.",
            "Give key=…, or set it once for all: VCP_KEY in the environment or in config.env, or "
            "server_key in vcplab.toml. It is the value of Key in the server's own config.env.",
        )
    if not all("!" <= character <= "~" for character in plain) or _NOT_IN_A_KEY & set(plain):
        raise _no_key(
            "The key cannot be sent: it holds a space, a control character, one that is not ASCII, "
            'or one of ? # " ` { } | \\ ^ < >. It is a part of the address, and servers compare '
            "it undecoded.",
            "Copy it again. If it is right, change the server's key to letters, digits and - _ . "
            "~ alone.",
        )
    return plain


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _no_address(problem: str) -> InvalidInputError:
    # The address itself is not repeated: it may hold the key.
    return InvalidInputError(problem, where="url", next_step=f"{_FORM}; the key goes into key.")


def _no_key(problem: str, next_step: str) -> InvalidInputError:
    return InvalidInputError(problem, where="key", next_step=next_step)
