"""One guarded HTTP download: scheme, addresses, redirects, size and time are all checked."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from .problems import FileProblem

__all__ = ["Page", "allowed_address", "fetch"]

_SECONDS = 40.0
_REDIRECTS = 5
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Page:
    """What came back: the last address, the media type, its charset and the bytes."""

    url: str
    kind: str
    charset: str
    data: bytes


def allowed_address(text: str, *, private: bool) -> bool:
    """Whether an IP address may be reached.

    Args:
        text: The address.
        private: Whether private and loopback ones may.

    Returns:
        False for multicast, unspecified, reserved and link-local addresses (cloud machines
        keep their secrets there) in any case, also when one is hidden in an IPv6 address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            hidden = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if hidden is not None:
            return allowed_address(str(hidden), private=private)
        if address.teredo is not None:
            return False
    if address.is_loopback:
        return private
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False
    if address.is_reserved:
        return False
    return address.is_global or (private and address.is_private)


def fetch(url: str, limit: int, *, private: bool = False) -> Page:
    """Download one address. Proxies of the environment are not used.

    Args:
        url: An ``http://`` or ``https://`` address.
        limit: Most bytes.
        private: Whether private and loopback addresses may be reached.

    Returns:
        The page.

    Raises:
        FileProblem: For everything that goes wrong; the text says what to do.
    """
    until = time.monotonic() + _SECONDS
    for _ in range(_REDIRECTS + 1):
        parts = _checked(url)
        try:
            moved, page = _once(parts, url, limit, private, until)
        except (OSError, http.client.HTTPException) as error:
            raise FileProblem(
                f"{url[:200]} cannot be loaded ({type(error).__name__}: {error}): check the "
                "address, or try again later"
            ) from error
        if page is not None:
            return page
        url = urljoin(url, moved)
    raise FileProblem(f"{url[:200]}: more than {_REDIRECTS} redirects: give the final address")


def _checked(url: str) -> SplitResult:
    url = url.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FileProblem(f"{url[:200]!r} is no address: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise FileProblem(f"{url[:200]!r} is not http or https: give such an address")
    if not parts.hostname or port == 0 or any(ord(c) <= 32 for c in parts.netloc):
        raise FileProblem(f"{url[:200]!r} names no machine: give an address such as https://…")
    if "@" in parts.netloc:
        raise FileProblem("An address with a user name or password is not loaded: leave it out")
    return parts


def _once(
    parts: SplitResult, url: str, limit: int, private: bool, until: float
) -> tuple[str, Page | None]:
    host = str(parts.hostname)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    link = _connect(host, port, private, until)
    try:
        if secure:
            link = ssl.create_default_context().wrap_socket(link, server_hostname=_ascii(host))
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = make(_ascii(host), port)
        # The socket goes to the very address that was checked: asking for the name again
        # could be answered with another one.
        connection.sock = link
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else ""
        headers = {"User-Agent": "FileOperator/1.0", "Accept": "*/*", "Accept-Encoding": "identity"}
        connection.request("GET", path + query, headers={**headers, "Connection": "close"})
        reply = connection.getresponse()
        if reply.status in {301, 302, 303, 307, 308} and reply.getheader("Location"):
            return str(reply.getheader("Location")), None
        if reply.status != 200:
            raise FileProblem(
                f"{url[:200]} answered {reply.status} {reply.reason}: check the address"
            )
        if (reply.getheader("Content-Encoding") or "identity").lower() != "identity":
            raise FileProblem(f"{url[:200]} answers packed although asked not to: try another one")
        data = _body(reply, link, limit, until, url)
        kind = reply.headers.get_content_type()
        return "", Page(url, kind, reply.headers.get_content_charset() or "", data)
    finally:
        link.close()


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise FileProblem(f"{host[:100]!r} is no name of a machine: {error}") from error


def _connect(host: str, port: int, private: bool, until: float) -> socket.socket:
    found = socket.getaddrinfo(_ascii(host), port, type=socket.SOCK_STREAM)
    for *_, address in found:
        if not allowed_address(str(address[0]), private=private):
            raise FileProblem(
                f"{host} is a private, loopback or special address ({address[0]}), which is not "
                "loaded: use a public one, or set ALLOW_PRIVATE_NETWORK=true in the plugin's "
                "config.env (link-local ones stay closed)"
            )
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        link = socket.socket(family, kind, protocol)
        try:
            link.settimeout(_left(until, most=10))
            link.connect(address)
        except OSError as error:
            link.close()
            failure = error
            continue
        return link
    raise failure or OSError("the name has no address")


def _left(until: float, most: float = 15) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise FileProblem(f"Loading took more than {_SECONDS:.0f} seconds: try a smaller file")
    return min(left, most)


def _body(
    reply: http.client.HTTPResponse, link: socket.socket, limit: int, until: float, url: str
) -> bytes:
    length = reply.getheader("Content-Length") or ""
    chunks: list[bytes] = []
    size = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 0
    if size <= limit:
        size = 0
        while size <= limit:
            link.settimeout(_left(until))
            chunk = reply.read1(65536)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
    if size > limit:
        raise FileProblem(
            f"{url[:200]} has more than {limit} bytes: raise MAX_FILE_MB in the plugin's "
            "config.env, or load something smaller"
        )
    if length.isascii() and length.isdigit() and size < int(length):
        raise FileProblem(f"{url[:200]} broke off after {size} of {length} bytes: try again")
    return b"".join(chunks)
