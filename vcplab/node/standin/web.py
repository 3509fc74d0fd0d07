"""The HTTP side of a stand-in server: calls as upstream takes them, its state, and its levers.

All of it wants ``Authorization: Bearer <key>``.

``POST /v1/human/tool``
    Text with one tool request; answers with the result object (facts/vcp-protocol §1.7).
``GET /stand-in/state``
    Tools, nodes, counts, placeholders. With ``?tool=X&present=1&timeout=10`` it answers once the
    tool is registered (``present=0``: gone), or after that many seconds.
``POST /stand-in/kick`` (``?server=…``), ``drain``, ``stall``, ``resume``
    Steer it; ``resume`` ends draining and stalling.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from vcplab.core.errors import OperationTimeoutError, VCPError
from vcplab.protocol.results import ToolFailure

if TYPE_CHECKING:
    from vcplab.node.standin.core import StandInServer
    from vcplab.node.standin.wire import Request, Wire

__all__ = ["CALL_PATH", "STATE_PATH", "STEER_PATH", "serve", "state_of"]

CALL_PATH = "/v1/human/tool"
STATE_PATH = "/stand-in/state"
STEER_PATH = "/stand-in/"

_LONGEST_WAIT = 60.0


async def serve(server: StandInServer, wire: Wire, request: Request) -> None:
    """Answer one request."""
    try:
        status, body = await _answer(server, request)
    except VCPError as error:
        status, body = 400, {"error": str(error)}
    text = json.dumps(body, ensure_ascii=False, default=str)
    wire.respond(status, text.encode("utf-8", "backslashreplace"))


def state_of(server: StandInServer) -> dict[str, Any]:
    """What ``GET /stand-in/state`` tells."""
    return {
        "tools": {name: dict(manifest) for name, manifest in server.tools.items()},
        "nodes": [
            {
                "serverId": node.server_id,
                "serverName": node.server_name,
                "tools": list(node.tools),
                "localIPs": list(node.local_ips),
                "publicIP": node.public_ip,
                "connectedAt": node.connected_at.isoformat(timespec="milliseconds"),
            }
            for node in server.nodes
        ],
        "placeholders": server.placeholders,
        "callbacks": list(server.callbacks.values()),
        "counts": dict(server.counts),
        "pending": server.pending,
    }


async def _answer(server: StandInServer, request: Request) -> tuple[int, Mapping[str, Any]]:
    url = urlsplit(request.target)
    shown = request.headers.get("authorization", "").encode("latin-1")
    if not server.key or not hmac.compare_digest(shown, f"Bearer {server.key}".encode()):
        return 401, {"error": "Unauthorized (Bearer token required)"}
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    route = (request.method, url.path)
    if route == ("POST", CALL_PATH):
        return await _call(server, request.body)
    if route == ("GET", STATE_PATH):
        await _wait(server, query)
        return 200, state_of(server)
    if request.method == "POST" and url.path.startswith(STEER_PATH):
        match url.path.removeprefix(STEER_PATH):
            case "kick":
                return 200, {"kicked": server.kick(query.get("server"))}
            case "drain":
                server.drain()
                return 200, {"draining": True}
            case "stall":
                server.stall()
                return 200, {"stalled": True}
            case "resume":
                server.drain(False)
                server.stall(False)
                return 200, {"draining": False, "stalled": False}
    return 404, {"error": f"Cannot {request.method} {url.path}"}


async def _call(server: StandInServer, body: bytes) -> tuple[int, Mapping[str, Any]]:
    from vcplab.protocol.requests import VCPProtocolParser

    try:
        requests = VCPProtocolParser().parse_tool_requests(body.decode())
    except UnicodeDecodeError:
        return 400, {"error": "The body is not UTF-8."}
    if not requests:
        return 400, {"error": "The body has no tool request with a tool_name."}
    request = requests[0]
    try:
        return 200, await server.acall(request.name, request.args)
    except ToolFailure as failure:
        return 500, failure.payload


async def _wait(server: StandInServer, query: Mapping[str, str]) -> None:
    tool = query.get("tool")
    if tool is None:
        return
    try:
        timeout = min(float(query.get("timeout", "10")), _LONGEST_WAIT)
        await server.await_for_tool(tool, query.get("present") != "0", timeout)
    except (OperationTimeoutError, ValueError):
        pass  # whoever asked looks at the state and sees that it has not happened
