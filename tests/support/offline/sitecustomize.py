"""Refuse, and write down, everything that would leave this machine.

Put this folder on PYTHONPATH and name a file in VCPLAB_TEST_SOCKET_LOG: every Python process that
starts so, children and kernels included, refuses each connection and each name look-up outside
loopback and appends a line about it to that file. An audit hook sees what C extensions do through
`_socket` too, and no code can take it off again.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import traceback

LOG_VARIABLE = "VCPLAB_TEST_SOCKET_LOG"
INTERNET = (socket.AF_INET, socket.AF_INET6)


class NetworkAttemptError(OSError):
    """Code under test tried to reach another machine."""


def is_local(host: object) -> bool:
    """Whether a host of an address or a look-up is this machine."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in {"", "localhost", "0.0.0.0", "::", socket.gethostname()}:
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_address(host: object) -> bool:
    """Whether a look-up of the host is none, because it is an address already."""
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def attempt(event: str, arguments: tuple[object, ...]) -> str | None:
    """What an audit event would reach, if that is outside this machine."""
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        handle, address = arguments[0], arguments[1]
        if getattr(handle, "family", None) not in INTERNET or not isinstance(address, tuple):
            return None
        return None if is_local(address[0]) else f"{event} {address[0]}:{address[1]}"
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
        return None if is_local(host) or is_address(host) else f"{event} {host}"
    return None


def refuse(reached: str, log: str | None) -> None:
    """Write the attempt down and make it fail."""
    if log:
        frames = traceback.format_stack(limit=12)[:-2]
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{reached} (process {os.getpid()}, {' '.join(sys.argv[:3])})\n")
            file.writelines(f"    {line}" for frame in frames for line in frame.splitlines(True))
    message = f"nothing may leave this machine in a test: {reached}"
    raise NetworkAttemptError(message)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith("socket."):
        reached = attempt(event, arguments)
        if reached is not None:
            refuse(reached, os.environ.get(LOG_VARIABLE))


if os.environ.get(LOG_VARIABLE):
    sys.addaudithook(_watch)
