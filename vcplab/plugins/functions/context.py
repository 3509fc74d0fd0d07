"""What the host tells a function about the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ToolContext"]


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The call that a function serves; a parameter annotated with it is filled by the host.

    ::

        def roll(notation: str, context: ToolContext) -> int:
            context.log(f"{context.maid} rolls {notation}")

    Attributes:
        tool: The name under which it was called.
        call_id: Identifies the call in the trace.
        maid: Who signed the request; None if nobody did.
        origin: Where the call comes from, in the host's words.
        log: Writes a line to the tool's log.
    """

    tool: str
    call_id: str
    maid: str | None
    origin: str
    log: Callable[[str], None]
