"""What the node panel tells the browser: links, tools, calls and log lines as plain JSON."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vcplab.core.clock import current_clock
from vcplab.core.display import SafeHtml
from vcplab.widgets.plugin_messages import cut_text

if TYPE_CHECKING:
    from vcplab.lab.node import NodeFacet
    from vcplab.node.preview import ExposurePreview, ExposureRow
    from vcplab.node.rows import CallRow, LinkStatus, LogLine, ToolStatus

__all__ = [
    "Rate",
    "Table",
    "address_shown",
    "call_message",
    "expose_of",
    "link_message",
    "log_message",
    "preview_message",
    "static_view",
    "tool_messages",
]

_SHORT = 300
_TEXT = 4_000
_TYPES = 40  # of ignored frames
_STALLS = 5
_RATE_EVERY, _RATE_OVER = 1.0, 5.0  # seconds
_COUNTS = (
    "lines", "running", "answered", "errors", "refused", "cancelled", "timed_out", "lost",
    "reconnects", "malformed", "bytes_in", "bytes_out",
)  # fmt: skip


class Table:
    """Rows that the browser has; finds out what is news to it.

    What stands below ``live`` in a row counts up in the browser by itself, so that it alone is no
    news.

    Args:
        kind: Names the table.
        ordered: Whether the browser is told their order.
    """

    def __init__(self, kind: str, *, ordered: bool = True) -> None:
        self._kind = kind
        self._ordered = ordered
        self._sent: dict[str, dict[str, Any]] | None = None

    def forget(self) -> None:
        """The browser knows nothing any more."""
        self._sent = None

    def news(self, rows: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
        """The message that brings the browser up to date; None where it is.

        Args:
            rows: The rows as they stand, in order.
        """
        sent, whole = self._sent or {}, self._sent is None
        lasting = {
            key: {name: value for name, value in row.items() if name != "live"}
            for key, row in rows.items()
        }
        changed = [
            {"key": key, **rows[key]} for key, row in lasting.items() if sent.get(key) != row
        ]
        gone = [key for key in sent if key not in rows]
        moved = self._ordered and list(sent) != list(lasting)
        self._sent = lasting
        if not (whole or changed or gone or moved):
            return None
        message: dict[str, Any] = {"kind": self._kind, "whole": whole, "rows": changed}
        return {**message, "gone": gone, "order": list(rows) if moved else None}


class Rate:
    """Calls per second over the last seconds; a new figure once a second at most."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._rate = 0.0

    def of(self, total: int) -> float:
        """The rate.

        Args:
            total: How many calls there have been.
        """
        now, seen = time.monotonic(), self._seen
        if seen and seen[-1][1] > total:  # another link to the same server
            seen.clear()
        if not seen:
            self._rate = 0.0
        elif now - seen[-1][0] < _RATE_EVERY:
            return self._rate
        seen.append((now, total))
        while now - seen[0][0] > _RATE_OVER and len(seen) > 2:
            seen.popleft()
        began, before = seen[0]
        self._rate = (total - before) / (now - began) if now > began else 0.0
        return self._rate


def link_message(link: LinkStatus, rate: float) -> dict[str, Any]:
    """One link.

    Args:
        link: How it stands.
        rate: Calls per second.
    """
    wait = None
    if link.next_try is not None:
        wait = max(0.0, (link.next_try - current_clock().now()).total_seconds())
    kinds = sorted(link.ignored.items(), key=lambda pair: -pair[1])
    return {
        "id": cut_text(link.id, _SHORT),
        "name": cut_text(link.name, _SHORT),
        "url": cut_text(address_shown(link.url), _SHORT),
        "state": link.state,
        "problem": cut_text(link.problem, _TEXT),
        "next_try": _ms(link.next_try),
        "server_id": cut_text(link.server_id, _SHORT),
        "dialect": link.dialect,
        "since": _ms(link.since),
        "rate": round(rate, 1),
        "latencies": [round(ms, 2) for ms in link.latencies],
        **{name: getattr(link, name) for name in _COUNTS},
        "ignored": [[cut_text(name, _SHORT), count] for name, count in kinds[:_TYPES]],
        "stalls": [[_ms(s.at), round(s.seconds, 2)] for s in link.stalls[-_STALLS:]],
        "stall_count": len(link.stalls),
        "stall_seconds": round(sum(stall.seconds for stall in link.stalls), 1),
        "live": wait,
    }


def tool_messages(
    link: str, preview: ExposurePreview, tools: Iterable[ToolStatus], switches: Mapping[str, bool]
) -> dict[str, dict[str, Any]]:
    """The tools and static plugins of the lab, as one server is offered them.

    Args:
        link: The link's identifier.
        preview: What is offered, and why.
        tools: How what is offered stands at the server.
        switches: What a person switched, by name.
    """
    standing = {tool.local: tool for tool in tools}
    messages = {}
    for row in preview.rows:
        tool = standing.get(row.name)
        messages[f"{link}\n{row.name}"] = {
            "link": link,
            **_row_message(row),
            # A switch that a problem keeps from working is on all the same.
            "on": switches.get(row.name, row.exposed),
            "switched": row.name in switches,
            "state": "" if tool is None else tool.state,
            "running": 0 if tool is None else tool.running,
            "calls": None if tool is None else tool.calls,
        }
    return messages


def preview_message(preview: ExposurePreview) -> dict[str, Any]:
    """What a server would be offered."""
    return {
        "kind": "preview",
        "title": repr(preview).partition("\n")[0],
        "rows": [_row_message(row) for row in preview.rows],
        "problem": "\n".join(cut_text(problem, _TEXT) for problem in preview.problems),
    }


def _row_message(row: ExposureRow) -> dict[str, Any]:
    return {
        "name": cut_text(row.name, _SHORT),
        "wire": cut_text(row.wire, _SHORT),
        "source": row.source,
        "type": cut_text(row.type, _SHORT),
        "exposed": row.exposed,
        "why": cut_text(row.why, _TEXT),
        "description": cut_text(row.description, _SHORT),
    }


def call_message(call: CallRow) -> dict[str, Any]:
    """One call."""
    running = call.state == "running"
    return {
        "id": call.id,
        "link": cut_text(call.link, _SHORT),
        "tool": cut_text(call.tool, _SHORT),
        "state": call.state,
        "began": _ms(call.began),
        "ms": None if running else round(call.ms, 2),
        "arguments": cut_text(call.arguments, _TEXT),
        "result": cut_text(call.result, _TEXT),
        "error": cut_text(call.error, _TEXT),
        "maid": cut_text(call.maid, _SHORT),
        "live": round(call.ms, 2) if running else None,
    }


def log_message(line: LogLine) -> dict[str, Any]:
    """One line of the log."""
    return {
        "at": _ms(line.at),
        "level": line.level,
        "link": cut_text(line.link, _SHORT),
        "text": cut_text(line.text, _TEXT),
    }


def address_shown(shown: str) -> str:
    """A link's address without the part that stands for the key: as one types it.

    Args:
        shown: As `vcplab.node.address.ServerAddress.shown` has it.
    """
    return shown.partition("/VCP_Key=")[0].removesuffix("/vcp-distributed-server")


def expose_of(text: object) -> list[str] | None:
    """The patterns that were typed, between spaces or commas; None for none."""
    found = re.split(r"[,，、\s]+", text) if isinstance(text, str) else []
    return [pattern for pattern in found if pattern] or None


def static_view(facet: NodeFacet) -> SafeHtml:
    """The links as an escaped table, or what would be offered, for a page without widgets."""
    status = facet.status()
    html = status._repr_html_() if status.links else facet.preview()._repr_html_()
    return SafeHtml(html)


def _ms(at: datetime | None) -> int | None:
    """Milliseconds since 1970, for a browser that has a time zone of its own."""
    return None if at is None else round(at.timestamp() * 1000)
