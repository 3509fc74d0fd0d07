"""The socket on which a stand-in server listens."""

from __future__ import annotations

import socket as sockets

__all__ = ["LOOPBACK", "bound"]

LOOPBACK = "127.0.0.1"


def bound(port: int) -> sockets.socket:
    """A socket that has the port of 127.0.0.1 and does not listen yet: it refuses connections.

    Raises:
        OSError: The port is taken.
    """
    sock = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
    try:
        if hasattr(sockets, "SO_EXCLUSIVEADDRUSE"):  # Windows, where reuse means stealing
            sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        sock.bind((LOOPBACK, port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
