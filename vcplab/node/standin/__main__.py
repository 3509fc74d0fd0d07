"""``python -m vcplab.node.standin``: a stand-in server until standard input closes, or Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Sequence
from typing import Any

from vcplab.core.errors import VCPError
from vcplab.node.standin.core import StandInServer
from vcplab.node.standin.quirks import Quirks

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; prints one JSON line with the port and the addresses.

    Args:
        arguments: Of the command line; by default the process's.

    Returns:
        The exit status: 0, or 1 where it could not start.
    """
    parser = argparse.ArgumentParser(
        prog="python -m vcplab.node.standin",
        description="A stand-in for a VCP main server, on 127.0.0.1. It ends when its standard "
        "input closes, or with Ctrl-C.",
    )
    parser.add_argument("--port", type=int, default=0, help="where to listen (0: any free port)")
    parser.add_argument("--key", help="the key that clients must have (default: a random one)")
    parser.add_argument(
        "--stdin",
        action="store_true",
        help='read port, key and quirks as one JSON line from standard input: {"key": …}',
    )
    options = parser.parse_args(arguments)
    settings: dict[str, Any] = {"port": options.port, "key": options.key}
    shown: dict[str, Any] = {}
    try:
        if options.stdin:
            settings |= json.loads(_line())
        if not settings["key"]:
            shown["key"] = settings["key"] = secrets.token_urlsafe(16)
        quirks = Quirks(**settings.pop("quirks", {}))
        server = StandInServer(**settings, quirks=quirks).start()
    except (VCPError, ValueError, TypeError) as error:
        _say({"error": error.message if isinstance(error, VCPError) else type(error).__name__})
        return 1
    try:
        _say({"port": server.port, "url": server.url, "http_url": server.http_url, **shown})
        # Not by sys.stdin: its lock would be held for as long as nothing comes.
        while os.read(0, 65536):
            pass
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
    return 0


def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        read = os.read(0, 1)
        if not read:
            break
        line += read
    return line


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what, ensure_ascii=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
