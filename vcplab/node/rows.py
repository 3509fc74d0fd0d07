"""What a node shows of itself: values, and how they look."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from vcplab.core.display import html_table, plain_table, style_block
from vcplab.net.pulse import Stall

if TYPE_CHECKING:
    import pandas as pd

    from vcplab.node.events import LogLevel

__all__ = [
    "CallRow",
    "CallState",
    "LinkState",
    "LinkStatus",
    "LogLine",
    "NodeStatus",
    "ToolState",
    "ToolStatus",
    "calls_frame",
]

CallState: TypeAlias = Literal["running", "succeeded", "failed", "cancelled", "timed_out", "lost"]
LinkState: TypeAlias = Literal["connecting", "open", "waiting", "closed"]
ToolState: TypeAlias = Literal["registered", "pending", "draining"]


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call of a server.

    Attributes:
        id: Counts the calls of a node.
        link: The link it came by.
        tool: The tool, as the server calls it.
        state: How it stands, or ended. ``lost``: it ended after its connection had, so that the
            server had failed it already.
        began: When it came.
        ms: Milliseconds that it took, or has taken until now.
        arguments: Its arguments, shortened, without secrets.
        result: What it gave, shortened.
        error: Why it failed; None if it did not.
        maid: Who signed it.
    """

    id: int
    link: str
    tool: str
    state: CallState
    began: datetime
    ms: float
    arguments: str = ""
    result: str = ""
    error: str | None = None
    maid: str | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a node's log.

    Attributes:
        at: When.
        level: How grave it is.
        link: The link; empty for the node itself.
        text: The line; without keys.
    """

    at: datetime
    level: LogLevel
    link: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolStatus:
    """One tool as a server is offered it.

    Attributes:
        name: As the server calls it.
        local: As the lab calls it.
        source: ``notebook`` or ``folder``.
        state: ``registered`` (it was sent on a connection that is open; VCPToolBox acknowledges
            nothing), ``pending``, or ``draining``: it changes as soon as its running calls ended.
        running: How many of its calls run.
        calls: How many have come.
    """

    name: str
    local: str
    source: str
    state: ToolState
    running: int
    calls: int


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How a link to a main server stands.

    Attributes:
        id: Its identifier.
        name: How the node calls itself there.
        url: The server's address, without the key.
        state: ``open``, ``connecting``, ``waiting`` (for the next try) or ``closed``.
        problem: What keeps it from its server; None while nothing does.
        next_try: When it tries again; None unless it waits.
        server_id: How the server calls the node; older servers do not say.
        dialect: How tools are registered.
        tools: The tools that the server is offered.
        lines: How many connections are open.
        running: Calls that run.
        answered: Calls that were answered with a result.
        errors: Calls that were answered with an error.
        cancelled: Calls that the server took back.
        timed_out: Calls that took too long, among the errors.
        lost: Calls that ended after their connection had; the server had failed them already.
        refused: Calls of what is not offered, among the errors.
        reconnects: How often the connection was made anew.
        ignored: Frames that ask nothing of a node, by type.
        malformed: Messages that are no frames.
        latency_ms: Milliseconds of the latest ping; None before the first.
        latencies: Milliseconds of the latest pings, in order.
        stalls: When the library's loop stood still of late (a C call that held the GIL).
        bytes_in: Bytes received on the present connections.
        bytes_out: Bytes sent on them.
        since: Since when it is in its state.
    """

    id: str
    name: str
    url: str
    state: LinkState
    problem: str | None
    next_try: datetime | None
    server_id: str | None
    dialect: str
    tools: tuple[ToolStatus, ...]
    lines: int
    running: int
    answered: int
    errors: int
    cancelled: int
    timed_out: int
    lost: int
    refused: int
    reconnects: int
    ignored: Mapping[str, int]
    malformed: int
    latency_ms: float | None
    latencies: tuple[float, ...]
    stalls: tuple[Stall, ...]
    bytes_in: int
    bytes_out: int
    since: datetime

    def __repr__(self) -> str:
        return f"<Link {self.name} → {self.url}: {self.told()}>"

    def told(self) -> str:
        """The state in a few words."""
        if self.state == "closed":
            return "closed"
        if self.problem is not None:
            return f"{self.state}: {self.problem}"
        if self.state != "open":
            return self.state
        ready = sum(tool.state == "registered" for tool in self.tools)
        ping = "" if self.latency_ms is None else f", ping {self.latency_ms:.1f} ms"
        return f"open, {ready} of {len(self.tools)} tools registered, {self.running} running{ping}"

    def _repr_html_(self) -> str:
        return NodeStatus((self,))._repr_html_()


_COLUMNS = ("server", "as", "state", "tools", "calls", "errors", "lost", "running", "ping ms")


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How a node's links stand.

    Attributes:
        links: One each.
    """

    links: tuple[LinkStatus, ...] = field(default=())

    def _rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                link.url,
                link.name,
                link.state if link.problem is None else f"{link.state}: {link.problem}",
                ", ".join(_tool_text(tool) for tool in link.tools) or "–",
                link.answered + link.errors + link.cancelled + link.lost + link.running,
                link.errors,
                link.lost,
                link.running,
                "–" if link.latency_ms is None else round(link.latency_ms, 1),
            )
            for link in self.links
        ]

    def __repr__(self) -> str:
        if not self.links:
            return "<NodeStatus: no link>"
        return plain_table(_COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        notes = [
            f"The kernel stood still for {stall.seconds:.1f} s at "
            f"{stall.at:%H:%M:%S} (a call that held the GIL); calls waited meanwhile."
            for stall in self._stalls()[-3:]
        ]
        table = html_table(_COLUMNS, self._rows(), caption="Node: links to main servers")
        if notes:
            table += html_table(["Stalls"], [(note,) for note in notes])
        return style_block() + table

    def _stalls(self) -> Sequence[Stall]:
        found = {stall.at: stall for link in self.links for stall in link.stalls}
        return [found[at] for at in sorted(found)]


def _tool_text(tool: ToolStatus) -> str:
    return tool.name if tool.state == "registered" else f"{tool.name} ({tool.state})"


def calls_frame(calls: Iterable[CallRow]) -> pd.DataFrame:
    """Calls as a frame, with the fields of `CallRow`; ``began`` is in UTC.

    Args:
        calls: The calls.
    """
    import numpy as np
    import pandas as pd

    columns = [field.name for field in dataclasses.fields(CallRow)]
    # pandas cannot show moments in the machine's own zone.
    moved = [dataclasses.replace(row, began=row.began.astimezone(UTC)) for row in calls]
    rows = [[getattr(row, column) for column in columns] for row in moved]
    frame = pd.DataFrame(rows, columns=columns)
    # Or pandas would write NaN where there is no error.
    return frame.astype({"error": object, "maid": object}).replace({np.nan: None})
