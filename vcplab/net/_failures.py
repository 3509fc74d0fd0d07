"""What went wrong when a connection could not be opened, in words. Private: see `dial`."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from vcplab.core.errors import VCPErrorCode

__all__ = ["PROBLEM_HEADER", "Place", "Problem", "explain"]

_CONNECTION = VCPErrorCode.DISTRIBUTED_CONNECTION_ERROR
_AUTH = VCPErrorCode.DISTRIBUTED_AUTH_FAILED
_TIMEOUT = VCPErrorCode.DISTRIBUTED_TIMEOUT
_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN}
_GATEWAY = {502, 503, 504}
_MOVED = {300, 301, 302, 303, 307, 308}


PROBLEM_HEADER: Final = "X-VCPLab-Problem"
"""In which a relay of ours says why it does not let us through, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where was dialled, free of secrets.

    Attributes:
        server: Host and port of the server.
        secure: Whether TLS is spoken.
        proxy: Scheme, host and port of the proxy; None if there is none.
        open_timeout: Seconds that the attempt had.
    """

    server: str
    secure: bool
    proxy: str | None
    open_timeout: float


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong.

    Attributes:
        message: In one sentence.
        next_step: What the reader can do about it; may be empty.
        code: The stable code.
        silent: Whether the server hung up in the handshake without a word.
    """

    message: str
    next_step: str = ""
    code: VCPErrorCode = _CONNECTION
    silent: bool = False

    @property
    def text(self) -> str:
        """Message and next step."""
        return f"{self.message} {self.next_step}".strip()


def explain(error: BaseException, place: Place, dropped: int = 0) -> Problem:
    """Say what an exception of an attempt means.

    Args:
        error: The exception.
        place: Where was dialled.
        dropped: How many attempts in a row, before this one, the server cut without an answer.
    """
    from websockets import exceptions as ws

    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error, place)
    if isinstance(error, ssl.SSLError):
        return _tls(error, place)
    if isinstance(error, ws.InvalidStatus):
        told = error.response.headers.get(PROBLEM_HEADER)
        if told is not None and place.server.startswith("127.0.0.1:"):
            return _relayed(told, place)
        location = error.response.headers.get("Location", "")
        return _status(error.response.status_code, location, place)
    if isinstance(error, ws.ProxyError):
        return _proxy(error, place)
    if isinstance(error, ws.InvalidMessage):
        if isinstance(error.__cause__, EOFError):
            return _silence(place, dropped)
        return Problem(
            f"What answers at {place.server} does not speak HTTP.",
            "Check the port; behind it is something else, or it wants TLS (wss://).",
        )
    if isinstance(error, ws.InvalidHandshake):
        return Problem(
            f"What answers at {place.server} is no WebSocket server: {error}.",
            "Check address and path; a proxy between must let WebSocket upgrades through.",
        )
    if isinstance(error, TimeoutError):
        return Problem(
            f"No answer from {_first(place)} within {place.open_timeout:g} s.",
            "Check address, firewall and network; raise open_timeout if it is just slow.",
            _TIMEOUT,
        )
    if isinstance(error, ImportError):
        return Problem(
            f"The proxy {place.proxy} speaks SOCKS, for which a package is missing.",
            "Run `pip install python-socks[asyncio]`, or pass proxy=None to go without a proxy.",
        )
    if isinstance(error, OSError):
        return _network(error, place, dropped)
    return Problem(f"Connecting failed: {type(error).__name__}: {error}.")


def _relayed(told: str, place: Place) -> Problem:
    """What a relay of ours on this machine says of the server behind it."""
    try:
        said = json.loads(told)
        return Problem(str(said["problem"]), code=VCPErrorCode(said["code"] or _CONNECTION))
    except (ValueError, KeyError, TypeError):
        return Problem(f"The relay at {place.server} reaches no server.")


def _first(place: Place) -> str:
    return f"the proxy {place.proxy} or {place.server}" if place.proxy else place.server


def _network(error: OSError, place: Place, dropped: int) -> Problem:
    reached = f"the proxy {place.proxy}" if place.proxy else place.server
    if isinstance(error, socket.gaierror):
        return Problem(
            f"The host of {reached} is unknown.",
            "Check the name, and whether this machine has network and DNS.",
        )
    if isinstance(error, ConnectionRefusedError) or _is_all(error, errno.ECONNREFUSED):
        return Problem(
            f"Nobody listens at {reached}.",
            "Check the proxy's address, or pass proxy=None."
            if place.proxy
            else "Start the main server, or check host and port.",
        )
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        if place.secure:  # before the handshake, for that comes to its end as an InvalidMessage
            return Problem(
                f"{place.server} hung up while TLS was agreed on.",
                "If it does not speak TLS, use ws:// (or http://).",
            )
        return _silence(place, dropped)
    if error.errno in _UNREACHABLE or any(_is_all(error, code) for code in _UNREACHABLE):
        return Problem(f"There is no way to {reached}.", "Check the network (VPN, Wi-Fi, routes).")
    return Problem(
        f"Connecting to {reached} failed: {error.strerror or error}.",
        "Check address and network.",
    )


def _is_all(error: OSError, code: int) -> bool:
    # asyncio joins the errors of several addresses of a host into one text.
    text = str(error)
    return text.startswith("Multiple exceptions") and f"[Errno {code}]" in text


def _silence(place: Place, dropped: int) -> Problem:
    # facts/vcp-protocol §4.1: bad key, unknown path, draining: the socket is destroyed, no answer.
    message = f"{place.server} dropped the connection in the handshake without an answer"
    if dropped == 0:
        step = "main servers do so when key or path is wrong, and while they start or shut down."
        return Problem(f"{message}:", step, _AUTH, True)
    return Problem(
        f"{message}, {dropped + 1} times in a row:",
        "check key and path (the server may also be shutting down).",
        _AUTH,
        True,
    )


def _status(status: int, location: str, place: Place) -> Problem:
    answered = f"{place.server} answered with HTTP {status}"
    if status in (401, 403):
        return Problem(f"{answered}: no entry.", "Check the key.", _AUTH)
    if status == 404:
        return Problem(f"{answered}: there is no such path.", "Check the path of the address.")
    if status in _MOVED:
        try:
            parts = urlsplit(location)
            to = f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else ""
        except ValueError:
            to = ""
        if to.startswith("https") and not place.secure:
            return Problem(f"{answered}: it wants TLS.", "Use wss:// (or https://).")
        return Problem(
            f"{answered}: it has moved{f' to {to}' if to else ''}.", "Use the new address."
        )
    if status in _GATEWAY:
        return Problem(
            f"{answered}: a gateway that does not reach the main server.",
            "Start the main server, or check the gateway.",
        )
    if status == 429:
        return Problem(f"{answered}: too many connections.", "Raise the back-off.")
    return Problem(
        f"{answered} where a WebSocket was asked for.",
        "Check address and path; a gateway between must let WebSocket upgrades through.",
    )


def _proxy(error: Exception, place: Place) -> Problem:
    from websockets import exceptions as ws

    if isinstance(error, ws.InvalidProxyStatus):
        status = error.response.status_code
        if status in (401, 403, 407):
            return Problem(
                f"The proxy {place.proxy} refused the way to {place.server} (HTTP {status}).",
                "Check user and password in the proxy's URL, and whether it may go there.",
            )
        return Problem(
            f"The proxy {place.proxy} found no way to {place.server} (HTTP {status}).",
            "Check the server's address, or pass proxy=None to go without the proxy.",
        )
    return Problem(
        f"The proxy {place.proxy} did not answer as a proxy does.",
        "Check its address and scheme, or pass proxy=None to go without it.",
    )


def _certificate(error: ssl.SSLCertVerificationError, place: Place) -> Problem:
    reason = (error.verify_message or "it cannot be verified").rstrip(".")
    message = f"The TLS certificate of {place.server} is not accepted: {reason}."
    lowered = reason.lower()
    if "mismatch" in lowered or "not valid for" in lowered:
        return Problem(message, "Use the name that stands in the certificate.")
    if "expired" in lowered or "not yet valid" in lowered:
        return Problem(message, "Renew the certificate, or set this machine's clock.")
    return Problem(message, "Pass ca= with the PEM file of the authority that signed it.")


def _tls(error: ssl.SSLError, place: Place) -> Problem:
    text = str(error).upper()
    if any(sign in text for sign in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH")):
        return Problem(f"{place.server} does not speak TLS.", "Use ws:// (or http://).")
    reason = getattr(error, "reason", None) or error.strerror or "no agreement"
    return Problem(
        f"TLS with {place.server} failed: {reason}.",
        "Check whether the port speaks TLS, and which versions.",
    )
