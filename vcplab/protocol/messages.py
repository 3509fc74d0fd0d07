"""The values that rooms pass to each other: messages, passages, usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = ["Message", "Passage", "Role", "ToolCall", "Usage"]

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asks for by its API's own means, not in its text.

    Attributes:
        id: What the result refers to.
        name: The tool.
        arguments: As the model wrote them: JSON text, possibly broken.
    """

    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks, in the vocabulary of chat-completion APIs.
        content: The text.
        name: The speaker's name where several share a role (group chats).
        time: When it was said (timezone-aware), if known.
        metadata: JSON-able extras.
        tool_calls: The calls an assistant's message asks for.
        tool_call_id: The call that a ``tool`` message answers.
        images: Pictures of a user's message: ``data:`` or ``https:`` addresses.
    """

    role: Role
    content: str
    name: str | None = None
    time: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    images: tuple[str, ...] = ()


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
        cached_tokens: How many of the tokens read the server had kept from an earlier call.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
            self.cached_tokens + other.cached_tokens,
        )
