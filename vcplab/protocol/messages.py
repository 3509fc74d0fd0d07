"""The values that rooms pass to each other: messages, passages, usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = ["Message", "Passage", "Role", "Usage"]

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks, in the vocabulary of chat-completion APIs.
        content: The text.
        name: The speaker's name where several share a role (group chats).
        time: When it was said (timezone-aware), if known.
        metadata: JSON-able extras.
    """

    role: Role
    content: str
    name: str | None = None
    time: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved piece of memory.

    Attributes:
        docno: Identifier of the document in its corpus.
        text: The text that was found.
        score: The retriever's score; larger is better, the scale is the retriever's own.
        rank: 0-based position, as PyTerrier counts.
        tags: The document's ordered tags.
        time: The document's time, if known.
        metadata: The document's JSON-able extras.
    """

    docno: str
    text: str
    score: float
    rank: int
    tags: tuple[str, ...] = ()
    time: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model call consumed.

    Attributes:
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        estimated: True where the server reported nothing and we counted ourselves.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
        )
