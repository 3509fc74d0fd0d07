"""How a link stands, gathered from its lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from vcplab.net.pulse import loop_pulse
from vcplab.node.answering import Answering
from vcplab.node.dialects import Speech
from vcplab.node.exposure import ExposedTool
from vcplab.node.line import Line
from vcplab.node.rows import LinkState, LinkStatus, ToolStatus

__all__ = ["Measured", "measure"]


class Measured(Protocol):
    """What is read of a link."""

    id: str
    name: str
    shown: str
    speech: Speech
    answering: Answering
    ignored: Counter[str]
    malformed: int

    @property
    def state(self) -> LinkState:
        """Its state."""
        ...

    @property
    def problem(self) -> str | None:
        """What keeps it from its server."""
        ...


def measure(
    link: Measured,
    main: Line,
    lines: Sequence[Line],
    tools: Sequence[tuple[ExposedTool, Line | None]],
    *,
    server_id: str | None,
    reconnects: int,
    since: datetime,
) -> LinkStatus:
    """The status of a link; any thread may ask.

    Args:
        link: The link.
        main: Its main line.
        lines: All of its lines.
        tools: What is offered, each with the line that carries it.
        server_id: How the server calls the node.
        reconnects: How often the connection was made anew.
        since: Since when it is in its state.
    """
    counts = link.answering.counts
    wires = [wire for line in lines if (wire := line.wire) is not None]
    wire = main.wire
    running = Counter(call.tool for call in link.answering.running)
    return LinkStatus(
        id=link.id,
        name=link.name,
        url=link.shown,
        state=link.state,
        problem=link.problem,
        next_try=main.dial.state.retry_at if link.state == "waiting" else None,
        server_id=server_id,
        dialect=link.speech.dialect,
        tools=tuple(
            ToolStatus(
                name=tool.name,
                local=tool.local,
                source=tool.source,
                state="pending" if line is None else line.state_of(tool.name),
                running=running[tool.name],
                calls=counts.by_tool[tool.name],
            )
            for tool, line in tools
        ),
        lines=len(wires),
        running=sum(running.values()),
        answered=counts.answered,
        errors=counts.errors,
        cancelled=counts.cancelled,
        timed_out=counts.timed_out,
        lost=counts.lost,
        refused=counts.refused,
        reconnects=reconnects,
        ignored=dict(link.ignored),
        malformed=link.malformed,
        latency_ms=None if wire is None else wire.latency_ms,
        latencies=() if wire is None else tuple(ms for _, ms in tuple(wire.latencies)),
        stalls=loop_pulse().stalls,
        bytes_in=sum(one.bytes_in for one in wires),
        bytes_out=sum(one.bytes_out for one in wires),
        since=since,
    )
