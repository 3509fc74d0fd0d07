"""What a parsed answer consists of, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from vcplab.protocol.requests.request import ToolRequest

__all__ = ["Piece", "PlainText", "Reasoning", "SkipReason", "Skipped"]

SkipReason: TypeAlias = Literal[
    "no end mark",
    "opaque value without end",
    "no tool_name",
    "no field",
    "value without end",
    "reasoning without end",
    "closing tag without beginning",
]


@dataclass(frozen=True, slots=True)
class PlainText:
    """Text that is safe to show.

    Attributes:
        text: The text.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought aloud; never part of the answer, never executed.

    Attributes:
        text: The text, without its tags.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that a server passes over, and why.

    Attributes:
        reason: Which rule passed it over.
        text: What was passed over, up to its first 1,000 characters.
        span: Where the block or tag concerned lies in the whole text, in characters.
        hint: What the author probably meant; empty where nothing is known.
    """

    reason: SkipReason
    text: str
    span: tuple[int, int]
    hint: str = ""

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= 80 else f"{self.text[:77]}..."
        tail = f" ({self.hint})" if self.hint else ""
        return f"{self.reason} at {self.span[0]}-{self.span[1]}: {shown!r}{tail}"


Piece: TypeAlias = PlainText | Reasoning | ToolRequest | Skipped
