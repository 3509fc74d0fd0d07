"""``vcplab node --stand-in``: a main server to try a node with."""

from __future__ import annotations

import argparse
import secrets
from typing import TYPE_CHECKING, Any

from vcplab.cli.following import Follower, until_stopped
from vcplab.core.errors import InvalidInputError

if TYPE_CHECKING:
    from vcplab.node.standin import StandInServer

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Any) -> None:
    """Declare the options.

    Args:
        parser: A parser, or a group of one.
    """
    parser.add_argument(
        "--stand-in",
        action="store_true",
        help="be a main server to try nodes with, on 127.0.0.1, instead of a node",
    )
    parser.add_argument(
        "--port", type=int, default=None, help="the stand-in's port (default: any free one)"
    )


def run(arguments: argparse.Namespace, key: str | None) -> int:
    """Serve until stopped, printing who comes and goes.

    Args:
        arguments: The command's.
        key: The server's key; None for a new one, which is printed.

    Raises:
        InvalidInputError: The port is none, or an option is the node's.
        StateError: The port is taken.
    """
    from vcplab.node.standin import StandInServer

    if arguments.check or arguments.url is not None:
        raise InvalidInputError(
            "--stand-in is the server; --check and --url are a node's.",
            where="--stand-in",
            next_step="Start the stand-in alone, and the node in another terminal.",
        )
    own = key is None
    key = secrets.token_urlsafe(12) if key is None else key
    follower = Follower()
    with until_stopped(follower), StandInServer(key, arguments.port or 0) as server:
        print(f"A stand-in for a main server, at {server.url} (stop it with Ctrl-C).")
        print("In another terminal, or in a config.env beside you:")
        print(f"  VCP_SERVER={server.url}")
        print(f"  VCP_KEY={key if own else '(the one of --key-file)'}")
        print("Then: vcplab node --tools my_tools.py, or lab.node.connect() in a notebook.")
        print("Call a tool as an agent does, with a request block in request.txt:")
        print(
            '  curl -H "Authorization: Bearer $VCP_KEY" -H "Content-Type: text/plain" '
            f"--data-binary @request.txt {server.http_url}/v1/human/tool",
            flush=True,
        )
        follower.print_until_stopped(_Watch(server).lines)
    return 0


class _Watch:
    """What changed on the server since last time."""

    def __init__(self, server: StandInServer) -> None:
        self._server = server
        self._tools: set[str] = set()
        self._nodes: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def lines(self) -> list[str]:
        """A line for each change."""
        nodes = {node.server_id: node.server_name or "" for node in self._server.nodes}
        tools = set(self._server.tools)
        counts = dict(self._server.counts)
        # A node that keeps a connection for each tool calls them name/tool.
        here = {name.partition("/")[0] for name in nodes.values()} - {""}
        there = {name.partition("/")[0] for name in self._nodes.values()} - {""}
        lines = [f"node {name} came" for name in sorted(here - there)]
        lines += [f"tool {name} registered" for name in sorted(tools - self._tools)]
        lines += [f"tool {name} gone" for name in sorted(self._tools - tools)]
        lines += [f"node {name} left" for name in sorted(there - here)]
        for count, told in (
            ("answered", "answered"),
            ("refused", "refused: wrong key or path"),
            ("timed_out", "timed out"),
            ("rejected", "failed: their node left"),
        ):
            more = counts.get(count, 0) - self._counts.get(count, 0)
            if more > 0:
                what = "connection" if count == "refused" else "call"
                lines.append(f"{more} {what}{'s' if more > 1 else ''} {told}")
        self._nodes, self._tools, self._counts = nodes, tools, counts
        return lines
