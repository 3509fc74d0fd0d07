"""``python -m vcplab.node.sidecar``: a relay until standard input closes. Started by `Sidecar`."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any

from vcplab.core.errors import VCPError
from vcplab.net.dial import DialOptions
from vcplab.node.sidecar.relay import Relay

__all__ = ["main"]


async def _serve(settings: dict[str, Any]) -> None:
    relay = Relay(
        settings["url"],
        settings["shown"],
        tuple(settings["secrets"]),
        settings["token"],
        DialOptions(**settings["options"]),
    )
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while sys.stdin.buffer.read(65536):
            pass
        loop.call_soon_threadsafe(over.set)

    async with relay.serving(settings["port"]) as port:
        print(json.dumps({"port": port}), flush=True)
        threading.Thread(target=watch, daemon=True).start()
        await over.wait()


def main() -> int:
    """Run it; the exit status."""
    try:
        asyncio.run(_serve(json.loads(sys.stdin.buffer.readline())))
    except (VCPError, OSError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
